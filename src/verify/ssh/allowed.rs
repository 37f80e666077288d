//! The file of allowed signers: `ssh-keygen(1)`, section ALLOWED SIGNERS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};
use ssh_key::PublicKey;

use super::sshsig::take_string;
use super::{Question, SshError};
use crate::limits::signature::SignatureLimits;

/// Civil time is at most this far ahead of UTC (Line Islands) …
const ZONE_AHEAD: SignedDuration = SignedDuration::from_hours(14);
/// … and at most this far behind it (Baker Island). Source: the IANA time zone database.
const ZONE_BEHIND: SignedDuration = SignedDuration::from_hours(12);

/// Keys and certificate authorities with what they may sign.
///
/// A time without `Z` means, to OpenSSH, the zone of the machine that reads the file. So that every
/// machine gives the same answer, such a key counts here only when it is valid in every time zone.
#[derive(Debug)]
pub struct AllowedSigners {
    lines: Vec<Line>,
    unusable: Vec<usize>,
}

/// One line of the file.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) principals: String,
    pub(super) authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    pub(super) key: PublicKey,
}

impl AllowedSigners {
    /// Reads the file. A line that breaks the rules is an error; a key of a kind that this build does not
    /// know is passed over ([`Self::unusable`]) and vouches for nothing.
    pub fn parse(bytes: &[u8], limits: &SignatureLimits) -> Result<Self, SshError> {
        let limit = |limit, max| SshError::Limit { what: "file of allowed signers", limit, max };
        if bytes.len() > limits.list_bytes_max {
            return Err(limit("list_bytes_max", limits.list_bytes_max));
        }
        let mut signers = Self { lines: Vec::new(), unusable: Vec::new() };
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let refuse =
                |detail: &str| SshError::AllowedSigners { line: index + 1, detail: detail.to_owned() };
            if index >= limits.list_lines_max {
                return Err(limit("list_lines_max", limits.list_lines_max));
            }
            if line.len() > limits.line_bytes_max {
                return Err(limit("line_bytes_max", limits.line_bytes_max));
            }
            let line = std::str::from_utf8(line).map_err(|_| refuse("not UTF-8"))?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(index + 1, line).map_err(|detail| refuse(&detail))? {
                Some(line) => signers.lines.push(line),
                None => signers.unusable.push(index + 1),
            }
        }
        Ok(signers)
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Lines whose key is of a kind that this build does not know, counted from 1.
    pub fn unusable(&self) -> &[usize] {
        &self.unusable
    }

    /// Principals, fingerprint and whether it is an authority, for each line.
    pub fn listing(&self) -> impl Iterator<Item = (&str, String, bool)> {
        self.lines.iter().map(|l| (l.principals.as_str(), super::fingerprint(&l.key), l.authority))
    }
}

impl Line {
    /// Whether the principals include `name`.
    pub(super) fn is_for(&self, name: &str) -> bool {
        pattern_list_matches(&self.principals, name)
    }

    /// Why this line does not allow what is asked.
    pub(super) fn refuses(&self, question: &Question<'_>) -> Option<String> {
        if let Some(identity) = question.identity
            && !pattern_list_matches(&self.principals, identity)
        {
            return Some(format!("`{identity}` is not among the principals `{}`", self.principals));
        }
        if let Some(namespaces) = &self.namespaces
            && !pattern_list_matches(namespaces, question.namespace)
        {
            return Some(format!("the namespace `{}` is not among `{namespaces}`", question.namespace));
        }
        match (self.valid_after, self.valid_before) {
            (Some(after), _) if question.at < after => {
                Some(format!("the key counts from {after} on, judged at {}", question.at))
            }
            (_, Some(before)) if question.at > before => {
                Some(format!("the key counted until {before}, judged at {}", question.at))
            }
            _ => None,
        }
    }
}

/// `None` is a key of an unknown kind.
fn parse_line(number: usize, line: &str) -> Result<Option<Line>, String> {
    let (principals, rest) = word(line).ok_or("a quote does not end")?;
    let principals = principals.trim_matches('"').to_owned();
    if principals.is_empty() {
        return Err("no principals".to_owned());
    }
    let (first, after_first) = word(rest).ok_or("a quote does not end")?;
    let (options, key) = if is_key_type(first) { ("", rest) } else { (first, after_first) };
    let mut parsed = Options::default();
    for option in split_options(options)? {
        parsed.set(option)?;
    }
    let mut fields = key.split_ascii_whitespace();
    let (Some(kind), Some(body)) = (fields.next(), fields.next()) else {
        return Err("expected a key type and a key".to_owned());
    };
    if !is_key_type(kind) {
        return Err(format!("expected a key type, found `{}`", kind.chars().take(64).collect::<String>()));
    }
    if kind.contains("-cert-") {
        return Err("a certificate cannot be listed; list its authority with `cert-authority`".to_owned());
    }
    let blob = STANDARD.decode(body).map_err(|e| format!("the key is not base64: {e}"))?;
    if take_string(&mut blob.as_slice()) != Some(kind.as_bytes()) {
        return Err(format!("the key is not of the kind `{kind}` that the line says"));
    }
    let key = match PublicKey::from_openssh(&format!("{kind} {body}")) {
        Ok(key) => key,
        Err(ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. }) => {
            return Ok(None);
        }
        Err(e) => return Err(format!("the key: {e}")),
    };
    Ok(Some(Line {
        number,
        principals,
        authority: parsed.authority,
        namespaces: parsed.namespaces,
        valid_after: parsed.valid_after,
        valid_before: parsed.valid_before,
        key,
    }))
}

#[derive(Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Options {
    fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
        let value = value.map(|v| v.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(v));
        let twice = |there: bool| if there { Err(format!("`{name}` is given twice")) } else { Ok(()) };
        match (name.to_ascii_lowercase().as_str(), value) {
            ("cert-authority", None) => self.authority = true,
            ("namespaces", Some(list)) if !list.is_empty() => {
                twice(self.namespaces.is_some())?;
                self.namespaces = Some(list.to_owned());
            }
            ("valid-after", Some(time)) => {
                twice(self.valid_after.is_some())?;
                self.valid_after = Some(parse_time(time, ZONE_BEHIND)?);
            }
            ("valid-before", Some(time)) => {
                twice(self.valid_before.is_some())?;
                self.valid_before = Some(parse_time(time, -ZONE_AHEAD)?);
            }
            _ => return Err(format!("unknown option `{}`", option.chars().take(64).collect::<String>())),
        }
        Ok(())
    }
}

/// Kinds of keys as OpenSSH names them; options never look like this.
fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "webauthn-"].iter().any(|p| word.starts_with(p))
        && !word.contains([',', '=', '"'])
}

/// The first word; white space within double quotes belongs to it. `None` if a quote does not end.
fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_ascii_whitespace()
    });
    match end {
        Some(end) => Some((text.get(..end)?, text.get(end..)?)),
        None if quoted => None,
        None => Some((text, "")),
    }
}

/// Splits at commas outside double quotes.
fn split_options(text: &str) -> Result<Vec<&str>, String> {
    let mut quoted = false;
    let parts: Vec<_> = text
        .split(|c: char| {
            quoted ^= c == '"';
            !quoted && c == ','
        })
        .collect();
    if quoted {
        return Err("a quote does not end".to_owned());
    }
    Ok(if text.is_empty() { Vec::new() } else { parts })
}

/// `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`; without `Z`, moved by `zone` to where every zone agrees.
fn parse_time(text: &str, zone: SignedDuration) -> Result<Timestamp, String> {
    let bad =
        || format!("`{}` is not a time `YYYYMMDD[HHMM[SS]][Z]`", text.chars().take(32).collect::<String>());
    let (digits, utc) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(bad());
    }
    let number =
        |from: usize, to: usize| digits.get(from..to).unwrap_or("0").parse::<i16>().map_err(|_| bad());
    let small = |from: usize, to: usize| number(from, to).and_then(|n| i8::try_from(n).map_err(|_| bad()));
    let date = Date::new(number(0, 4)?, small(4, 6)?, small(6, 8)?).map_err(|_| bad())?;
    let time = if digits.len() == 8 {
        Time::midnight()
    } else {
        Time::new(small(8, 10)?, small(10, 12)?, small(12, 14)?, 0).map_err(|_| bad())?
    };
    let instant = jiff::tz::Offset::UTC.to_timestamp(DateTime::from_parts(date, time)).map_err(|_| bad())?;
    if utc { Ok(instant) } else { instant.checked_add(zone).map_err(|_| bad()) }
}

/// `ssh_config(5)`, section PATTERNS: comma-separated, `*` and `?`, and `!` to exclude. An excluding
/// pattern that matches outweighs all others.
fn pattern_list_matches(list: &str, text: &str) -> bool {
    let mut any = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(excluded) if pattern_matches(excluded.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => any |= pattern_matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    any
}

/// Linear in practice: on a mismatch only the last `*` is widened.
fn pattern_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == text.get(t) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[track_caller]
    fn check(line: &str, expect: Result<usize, &str>) {
        match (AllowedSigners::parse(line.as_bytes(), &SignatureLimits::DEFAULT), expect) {
            (Ok(found), Ok(lines)) => assert_eq!(found.lines.len(), lines),
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
            (found, expect) => panic!("{line}: {found:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn lines() {
        check("", Ok(0));
        check("# only a remark\n\n", Ok(0));
        check(&format!("ann@example.invalid {KEY} remark here"), Ok(1));
        check(&format!("*@example.invalid cert-authority {KEY}"), Ok(1));
        check(
            &format!("ann,bob Cert-Authority,namespaces=\"file,git\",valid-after=\"20260101Z\" {KEY}"),
            Ok(1),
        );
        check(&format!("ann valid-before=202601011200,valid-after=20250101 {KEY}\nb {KEY}"), Ok(2));
        check("ann ssh-dss AAAAB3NzaC1kc3MAAAAA", Err("line 1"));
        check("ann ssh-ed25519 ????", Err("base64"));
        check(&format!("ann cert-authorities {KEY}"), Err("unknown option"));
        check(&format!("ann namespaces=\"file {KEY}"), Err("quote"));
        check(&format!("ann namespaces=file,namespaces=git {KEY}"), Err("twice"));
        check(&format!("ann valid-after=2026 {KEY}"), Err("not a time"));
        check(&format!("ann valid-after=20261301Z {KEY}"), Err("not a time"));
        check("ann", Err("expected a key"));
        check(KEY, Err("line 1"));
        check(
            "ann ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti",
            Err("line 1"),
        );
        check(&format!("ann {KEY}\nann nonsense {KEY}"), Err("line 2"));
    }

    #[test]
    fn patterns() {
        for (list, text, expect) in [
            ("ann@example.invalid", "ann@example.invalid", true),
            ("ann", "annabel", false),
            ("*", "", true),
            ("*@example.invalid", "ann@example.invalid", true),
            ("*@example.invalid", "ann@example.invalid.evil", false),
            ("a?n", "ann", true),
            ("a?n", "an", false),
            ("bob,ann", "ann", true),
            ("*,!ann", "ann", false),
            ("!ann,*", "ann", false),
            ("!bob", "ann", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("", "", true),
            ("", "ann", false),
        ] {
            assert_eq!(pattern_list_matches(list, text), expect, "{list} {text}");
        }
    }

    #[test]
    fn local_times_count_only_where_every_zone_agrees() {
        let utc = parse_time("20260101Z", ZONE_BEHIND).unwrap();
        assert_eq!(utc.to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(parse_time("20260101", ZONE_BEHIND).unwrap().to_string(), "2026-01-01T12:00:00Z");
        assert_eq!(parse_time("202601011530", -ZONE_AHEAD).unwrap().to_string(), "2026-01-01T01:30:00Z");
        assert_eq!(parse_time("20260101153007Z", -ZONE_AHEAD).unwrap().to_string(), "2026-01-01T15:30:07Z");
    }
}
