//! Patterns of tier 3: what a value in text looks like. Never exact, never the default, always named.

use std::sync::OnceLock;

use regex::bytes::Regex;

use super::cause::Cause;

/// Patterns in the order in which they are tried: the more specific first.
const PATTERNS: &[(Cause, &str)] = &[
    // A network address is no version.
    (Cause::Content, r"(?-u)\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b"),
    // What names other bytes by their digest is no random identifier.
    (Cause::Content, r"(?-u)(?i)\b(?:md5|sha-?(?:1|224|256|384|512))[:=-] ?[0-9a-f]{32,128}\b"),
    (
        Cause::CompilerVersion,
        r"(?-u)\b(?:rustc|cargo|rustdoc) \d+\.\d+\.\d+\S*(?: \([0-9a-f]{7,40} \d{4}-\d{2}-\d{2}\))?",
    ),
    (
        Cause::CompilerFlags,
        r"(?-u)(?:^|[\s'\x22=])-(?:O[0-3sgz]\b|O\b|g\d?\b|f[a-z][a-z0-9=-]+|m[a-z][a-z0-9=-]+|W[a-z][a-z0-9=,-]+|D[A-Z_][A-Z0-9_=]*|std=\S+|flto\S*)",
    ),
    (
        Cause::RandomId,
        r"(?-u)\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    ),
    (
        Cause::KernelVersion,
        r"(?-u)(?i)\blinux(?:[- ]version)?[- ]?\d+\.\d+\.\d+[0-9A-Za-z.+~_-]*|\b\d+\.\d+\.\d+(?:-\d+)*-(?:amd64|arm64|generic|cloud-[a-z0-9]+|rt-[a-z0-9]+|default|azure|aws|gcp|lowlatency)\b|\bkernel(?:[ _-]?(?:version|release))?\s*[:=]\s*\S+",
    ),
    (
        Cause::EmbeddedTimestamp,
        r"(?-u)\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?(?:(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+\d{1,2}\b,?|\d{1,2}[ -](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*)(?:,?[ -]+\d{4})?(?:,?\s+\d{1,2}:\d{2}(?::\d{2})?)?(?:\s*[AP]M)?(?:\s+[A-Z]{2,5}\b|\s+[+-]\d{4})?(?:\s+\d{4})?",
    ),
    (
        Cause::EmbeddedTimestamp,
        r"(?-u)\b(?:January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)\.?,?\s+(?:19|20)\d{2}\b",
    ),
    (
        Cause::EmbeddedTimestamp,
        r"(?-u)\b(?:19|20)\d{2}[-/.]\d{2}[-/.]\d{2}(?:[T _]+\d{2}:\d{2}(?::\d{2})?(?:[.,]\d+)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|\b[A-Z]{3,4}\b)?)?",
    ),
    (
        Cause::EmbeddedTimestamp,
        r"(?-u)\b(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[T_-]?\d{4,6}Z?)?\b",
    ),
    (Cause::EmbeddedTimestamp, r"(?-u)\b\d{2}:\d{2}:\d{2}(?:\.\d+)?\b"),
    (Cause::EmbeddedTimestamp, r"(?-u)\b1[0-9]{9}(?:\.\d+|\d{3})?\b"),
    (
        Cause::BuildPath,
        r#"(?-u)(?:/(?:build|buildd|builds|builddir|tmp|home|root|usr/src|var/tmp|var/lib/jenkins|workspace|src|opt|mnt|srv|Users|work|private/var|__w|github/workspace|nix/store|usr/local/src)/[^\s'",;:<>()\[\]{}|*?\x00]+|[A-Z]:\\[^\s'",;<>|*?\x00]+)"#,
    ),
    (
        Cause::Username,
        r#"(?-u)(?i)\b(?:built[- _]?by|build[- _]?user|user(?:[- _]?name)?|builder|packager|compiled[- _]by|logname|login)["']?\s*[:=]?\s*["']?[A-Za-z_][A-Za-z0-9_.-]*(?:@)?"#,
    ),
    (
        Cause::Hostname,
        r#"(?-u)(?i)(?:\b(?:host(?:[- _]?name)?|build[- _]?host|machine|nodename|built[- _]?on|node)["']?\s*[:=]?\s*["']?[A-Za-z0-9][A-Za-z0-9.-]*|\b(?:root|build[a-z0-9]*|mockbuild|jenkins|runner|ci)@[A-Za-z0-9][A-Za-z0-9.-]*\b)"#,
    ),
    (
        Cause::CompilerVersion,
        r"(?-u)(?i)(?:\b(?:gcc|g\+\+|clang|llvm|rustc|javac|ghc|ocaml|compiler|cc)\b[ _-]?(?:version)?[ :=]*(?:\([^)]*\) ?)?v?\d+(?:\.\d+)+[^\s'\x22]*(?: \d{8})?|\bgo1\.\d+(?:\.\d+)?(?:[a-z]+\d+)?\b)",
    ),
    (
        Cause::Locale,
        r"(?-u)\b(?:[a-z]{2,3}_[A-Z]{2}(?:\.[A-Za-z0-9-]+)?(?:@[a-z]+)?|C\.UTF-?8|C\.utf8)\b|\b(?:LANG|LC_[A-Z]+|locale)\b\s*[:=]\s*\S+",
    ),
    (
        Cause::Timezone,
        r"(?-u)\b(?:TZ|time ?zone)\b\s*[:=]\s*\S+|\b(?:UTC|GMT|CEST|CET|EST|EDT|PST|PDT|BST|IST|JST)\b|[+-]\d{2}:?00\b|\b(?:Europe|America|Asia|Africa|Australia|Pacific|Etc)/[A-Z][A-Za-z_]+",
    ),
    (
        Cause::VcsRevision,
        r#"(?-u)(?i)\b(?:commit|revision|git[_-]?(?:sha|hash|rev|commit|head)|vcs[._-]?revision|sha1|rev)["']?(?:\s*[:=]\s*|\s+)["']?[0-9a-f]{7,64}\b"#,
    ),
    (Cause::RandomId, r"(?-u)\b[0-9a-fA-F]{16,128}\b"),
    (
        Cause::RandomId,
        r#"(?-u)(?i)\b(?:id|uuid|guid|seed|nonce|random|token)["']?\s*[:=]\s*["']?(?:0x)?[A-Za-z0-9+/_-]{6,}"#,
    ),
    // Two numbers with a point between them are a version only where something says so.
    (
        Cause::VersionString,
        r#"(?-u)(?i)\bv(?:er(?:sion)?)?[\s:="']*\d+(?:\.\d+)+(?:[-+~.][0-9a-z]+)*\b|\b\d+\.\d+\.\d+(?:[-+~.][0-9a-z]+)*\b|[a-z]-\d+(?:\.\d+)+(?:[-+~.][0-9a-z]+)*\b|\b\d+(?:\.\d+)+-\d+(?:[+~.][0-9a-z]+)*\b"#,
    ),
];

fn compiled() -> &'static [(Cause, Regex)] {
    static COMPILED: OnceLock<Vec<(Cause, Regex)>> = OnceLock::new();
    COMPILED.get_or_init(|| {
        PATTERNS.iter().filter_map(|(cause, pattern)| Some((*cause, Regex::new(pattern).ok()?))).collect()
    })
}

/// Explains two pieces of text by the patterns whose matches differ, or not at all. A pattern explains
/// when putting its matches aside on both sides makes the rest equal.
pub(crate) fn explain(a: &[u8], b: &[u8]) -> Option<Vec<Cause>> {
    if let Some(cause) = same_instant(a, b) {
        return Some(vec![cause]);
    }
    let (mut left, mut right, mut causes) = user_at_host(a, b);
    for (cause, regex) in compiled() {
        if left == right {
            break;
        }
        let found = |text: &[u8]| -> Vec<(usize, usize)> {
            regex.find_iter(text).map(|m| (m.start(), m.end())).collect()
        };
        let (x, y) = (found(&left), found(&right));
        if x.len() != y.len() || x.is_empty() {
            continue;
        }
        let differ = x.iter().zip(&y).any(|(p, q)| left.get(p.0..p.1) != right.get(q.0..q.1));
        if !differ {
            continue;
        }
        let (masked_a, masked_b) = (mask(&left, &x, &right, &y), mask(&right, &y, &left, &x));
        // Only what brings the two sides nearer counts.
        if distance(&masked_a, &masked_b) < distance(&left, &right) {
            (left, right) = (masked_a, masked_b);
            causes.push(*cause);
        }
    }
    causes.sort();
    causes.dedup();
    (left == right && !causes.is_empty()).then_some(causes)
}

/// Replaces the matches that differ from their partner by a mark.
fn mask(text: &[u8], mine: &[(usize, usize)], other: &[u8], theirs: &[(usize, usize)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for ((from, to), (other_from, other_to)) in mine.iter().zip(theirs) {
        out.extend_from_slice(text.get(at..*from).unwrap_or_default());
        let (m, o) = (text.get(*from..*to), other.get(*other_from..*other_to));
        out.extend_from_slice(if m == o { m.unwrap_or_default() } else { b"\x01" });
        at = *to;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

/// The bytes between the common start and the common end.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (a.get(start..).unwrap_or_default(), b.get(start..).unwrap_or_default());
    let end = rest_a.iter().rev().zip(rest_b.iter().rev()).take_while(|(x, y)| x == y).count();
    rest_a.len().max(rest_b.len()) - end
}

/// `user@host` without a domain, as kernels and packagers stamp it: each part by its own name. An
/// address with a domain is nobody's build host.
fn user_at_host(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<Cause>) {
    static STAMP: OnceLock<Option<Regex>> = OnceLock::new();
    let regex = STAMP.get_or_init(|| {
        Regex::new(
            r#"(?-u)(?:^|[\s(<\x22'=:])([A-Za-z_][A-Za-z0-9_-]*)@([A-Za-z0-9][A-Za-z0-9-]*)(?:$|[\s)>\x22',;:])"#,
        )
        .ok()
    });
    let unchanged = (a.to_vec(), b.to_vec(), Vec::new());
    let Some(regex) = regex else { return unchanged };
    let (Some(x), Some(y)) = (regex.captures(a), regex.captures(b)) else { return unchanged };
    let mut causes = Vec::new();
    for (group, cause) in [(1, Cause::Username), (2, Cause::Hostname)] {
        if x.get(group).map(|m| m.as_bytes()) != y.get(group).map(|m| m.as_bytes()) {
            causes.push(cause);
        }
    }
    let without = |text: &[u8], found: &regex::bytes::Captures<'_>| -> Option<Vec<u8>> {
        let (user, host) = (found.get(1)?, found.get(2)?);
        Some([text.get(..user.start())?, b"\x01", text.get(host.end()..)?].concat())
    };
    match (without(a, &x), without(b, &y)) {
        (Some(left), Some(right)) if !causes.is_empty() => (left, right, causes),
        _ => unchanged,
    }
}

/// Whether the only difference is one time written in two zones.
fn same_instant(a: &[u8], b: &[u8]) -> Option<Cause> {
    static STAMP: OnceLock<Option<Regex>> = OnceLock::new();
    let regex = STAMP
        .get_or_init(|| {
            Regex::new(
                r"(?-u)\b(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?) ?(Z|[+-]\d{2}:?\d{2})",
            )
            .ok()
        })
        .as_ref()?;
    let parse = |text: &[u8]| -> Option<(jiff::Timestamp, Vec<u8>)> {
        let m = regex.captures(text)?;
        let part = |i: usize| m.get(i).and_then(|p| std::str::from_utf8(p.as_bytes()).ok());
        let (day, time, zone) = (part(1)?, part(2)?, part(3)?);
        let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
        let zone = match zone.len() {
            5 => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
            _ => zone.to_owned(),
        };
        let stamp = format!("{day}T{time}{zone}").parse().ok()?;
        let whole = m.get(0)?;
        let rest = [text.get(..whole.start())?, b"\x01", text.get(whole.end()..)?].concat();
        Some((stamp, rest))
    };
    let ((x, rest_a), (y, rest_b)) = (parse(a)?, parse(b)?);
    (x == y && rest_a == rest_b && a != b).then_some(Cause::Timezone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(compiled().len(), PATTERNS.len());
    }

    #[test]
    fn each_pattern_explains_its_kind_and_leaves_the_rest() {
        let rows: &[(&str, &str, Option<&[Cause]>)] = &[
            (
                "built 2024-01-02 03:04:05 UTC",
                "built 2025-11-12 13:14:15 UTC",
                Some(&[Cause::EmbeddedTimestamp]),
            ),
            ("Jan  2 2024", "Nov 12 2025", Some(&[Cause::EmbeddedTimestamp])),
            ("date=1700000000", "date=1800000001", Some(&[Cause::EmbeddedTimestamp])),
            ("file /build/jq-1.6-abc/src/main.c", "file /build/1st/jq/src/main.c", Some(&[Cause::BuildPath])),
            ("LANG=C.UTF-8", "LANG=de_DE.UTF-8", Some(&[Cause::Locale])),
            (
                "id 6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                "id 6ba7b811-9dad-11d1-80b4-00c04fd430c9",
                Some(&[Cause::RandomId]),
            ),
            ("built by: alice", "built by: bob", Some(&[Cause::Username])),
            ("hostname: one", "hostname: two.example", Some(&[Cause::Hostname])),
            (
                "GCC: (Debian 12.2.0-14) 12.2.0",
                "GCC: (Debian 13.2.0-1) 13.2.0",
                Some(&[Cause::CompilerVersion]),
            ),
            ("Linux 6.1.0-18-amd64", "Linux 6.5.0-1-amd64", Some(&[Cause::KernelVersion])),
            ("2024-01-02T10:00:00+00:00", "2024-01-02T12:00:00+02:00", Some(&[Cause::Timezone])),
            ("version 1.2.3", "version 1.2.4", Some(&[Cause::VersionString])),
            ("by alice@one (x)", "by bob@two (x)", Some(&[Cause::Hostname, Cause::Username])),
            ("mail a@example.org", "mail a@example.com", None),
            ("May 2024", "June 2025", Some(&[Cause::EmbeddedTimestamp])),
            ("git revision 1a2b3c4", "git revision 5d6e7f8", Some(&[Cause::VcsRevision])),
            ("at 10.0.0.1", "at 10.0.0.2", Some(&[Cause::Content])),
            (
                "Date: Mon, 02 Jan 2024 15:04:05 +0000",
                "Date: Fri, 05 Feb 2025 16:04:05 +0000",
                Some(&[Cause::EmbeddedTimestamp]),
            ),
            (
                "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                Some(&[Cause::Content]),
            ),
            ("x = 1.5", "x = 1.6", None),
            ("a = 1", "a = 2", None),
            ("hello", "world", None),
            ("2024-01-02 a", "2025-01-02 b", None),
        ];
        for (a, b, expected) in rows {
            assert_eq!(explain(a.as_bytes(), b.as_bytes()).as_deref(), *expected, "{a} | {b}");
        }
    }
}
