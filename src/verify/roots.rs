//! Lists what a Sigstore trust root holds and until when: for people who ask what they trust.

use jiff::Timestamp;
use serde::Serialize;
use sigstore_trust_root::{SigstoreInstance, TrustedRoot};

use crate::digest::Digest;

/// A root that ends within this many days is called out. Source: Sigstore renews its TUF root about every
/// four months; three of them leave time to update.
pub const ENDS_SOON_DAYS: i64 = 90;

/// How something with an end stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Its time is over.
    Ended,
    /// It has not begun.
    NotBegun,
    /// It ends within [`ENDS_SOON_DAYS`].
    EndsSoon,
    /// It counts.
    Live,
}

impl Standing {
    /// How something between `from` and `until` stands at `as_of`.
    pub fn of(from: Option<Timestamp>, until: Option<Timestamp>, as_of: Timestamp) -> Self {
        match (from, until) {
            (_, Some(end)) if end < as_of => Self::Ended,
            (Some(start), _) if start > as_of => Self::NotBegun,
            (_, Some(end)) if days_between(as_of, end) < ENDS_SOON_DAYS => Self::EndsSoon,
            _ => Self::Live,
        }
    }

    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::NotBegun => "not begun",
            Self::EndsSoon => "ends soon",
            Self::Live => "live",
        }
    }
}

/// Whole days from one time to another.
pub fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()) / 86_400
}

/// One trust root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootListing {
    /// The instance, e.g. `Sigstore public`.
    pub instance: String,
    /// Where it was read.
    pub source: String,
    /// SHA-256 of its JSON.
    pub digest: Digest,
    /// The newest start of anything in it: it is at least as young as this.
    pub newest_entry: Option<Timestamp>,
    /// Days since then.
    pub age_days: Option<i64>,
    /// Version of the TUF root that updates start from, where this build can update.
    pub tuf_version: Option<u64>,
    /// When that TUF root ends. Verification does not depend on it; updating does.
    pub tuf_expires: Option<Timestamp>,
    /// How the root stands: as its TUF root does, or ended if nothing in it counts any more.
    pub standing: Standing,
    /// What it holds.
    pub entries: Vec<RootEntry>,
}

/// A key or certificate in a trust root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootEntry {
    /// What it is for.
    pub role: Role,
    /// Its address or name.
    pub name: String,
    /// When it began to count.
    pub from: Option<Timestamp>,
    /// When it stops; open for those in use.
    pub until: Option<Timestamp>,
    /// How it stands. One that has ended still vouches for what was signed in its time.
    pub standing: Standing,
}

/// What a key or certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Issues signing certificates.
    CertificateAuthority,
    /// Logs signatures.
    TransparencyLog,
    /// Logs certificates.
    CertificateLog,
    /// Signs times.
    TimestampAuthority,
}

impl Role {
    /// The words for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::CertificateAuthority => "certificate authority",
            Self::TransparencyLog => "transparency log",
            Self::CertificateLog => "certificate log",
            Self::TimestampAuthority => "timestamp authority",
        }
    }
}

/// Instances whose roots are built in, with their names.
const EMBEDDED: [(SigstoreInstance, &str); 3] = [
    (SigstoreInstance::PublicGood, "Sigstore public"),
    (SigstoreInstance::GitHub, "GitHub"),
    (SigstoreInstance::Staging, "Sigstore staging"),
];

/// Lists the roots that are built into this program.
///
/// # Errors
/// Never with an unmodified build.
pub fn embedded(as_of: Timestamp) -> Result<Vec<RootListing>, RootsError> {
    EMBEDDED
        .iter()
        .map(|(instance, name)| {
            list(name, "built in", instance.embedded_trusted_root_json(), tuf_root(*instance), as_of)
        })
        .collect()
}

/// Lists a `trusted_root.json`.
///
/// # Errors
/// If it is not one.
pub fn from_json(source: &str, json: &str, as_of: Timestamp) -> Result<RootListing, RootsError> {
    list("given", source, json, None, as_of)
}

#[cfg(feature = "tuf")]
fn tuf_root(instance: SigstoreInstance) -> Option<&'static [u8]> {
    Some(instance.tuf_root())
}

#[cfg(not(feature = "tuf"))]
fn tuf_root(_instance: SigstoreInstance) -> Option<&'static [u8]> {
    None
}

fn list(
    instance: &str,
    source: &str,
    json: &str,
    tuf: Option<&[u8]>,
    as_of: Timestamp,
) -> Result<RootListing, RootsError> {
    let root = TrustedRoot::from_json(json)
        .map_err(|e| RootsError::Malformed { from: source.to_owned(), detail: e.to_string() })?;
    let entry = |role, name: &str, window: Option<(Timestamp, Option<Timestamp>)>| {
        let (from, until) = (window.map(|w| w.0), window.and_then(|w| w.1));
        RootEntry { role, name: name.to_owned(), from, until, standing: Standing::of(from, until, as_of) }
    };
    let mut entries = Vec::new();
    for authority in &root.certificate_authorities {
        let window = authority.valid_for.as_ref().map(|w| (w.start, w.end));
        entries.push(entry(Role::CertificateAuthority, &authority.uri, window));
    }
    for log in &root.tlogs {
        let window = log.public_key.valid_for.as_ref().map(|w| (w.start, w.end));
        entries.push(entry(Role::TransparencyLog, &log.base_url, window));
    }
    for log in &root.ctlogs {
        let window = log.public_key.valid_for.as_ref().map(|w| (w.start, w.end));
        entries.push(entry(Role::CertificateLog, &log.base_url, window));
    }
    for authority in &root.timestamp_authorities {
        let window = authority.valid_for.as_ref().map(|w| (w.start, w.end));
        let name = authority.uri.as_deref().or(authority.subject.common_name.as_deref()).unwrap_or("unnamed");
        entries.push(entry(Role::TimestampAuthority, name, window));
    }
    let signed = tuf.and_then(|bytes| serde_json::from_slice::<TufFile>(bytes).ok()).map(|file| file.signed);
    let (tuf_version, tuf_expires) = signed.map_or((None, None), |s| (Some(s.version), Some(s.expires)));
    let newest_entry = entries.iter().filter_map(|e| e.from).max();
    let counts = entries.iter().any(|e| matches!(e.standing, Standing::Live | Standing::EndsSoon));
    Ok(RootListing {
        instance: instance.to_owned(),
        source: source.to_owned(),
        digest: Digest::sha256(json.as_bytes()),
        newest_entry,
        age_days: newest_entry.map(|newest| days_between(newest, as_of)),
        tuf_version,
        tuf_expires,
        standing: if counts { Standing::of(None, tuf_expires, as_of) } else { Standing::Ended },
        entries,
    })
}

/// TUF root metadata: the two fields that are shown. It is part of this program, hence not checked here.
#[derive(serde::Deserialize)]
struct TufFile {
    signed: TufSigned,
}

#[derive(serde::Deserialize)]
struct TufSigned {
    version: u64,
    expires: Timestamp,
}

/// Why a trust root could not be listed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RootsError {
    /// Not a trust root.
    #[error("`{from}` is not a Sigstore trust root: {detail}")]
    #[diagnostic(
        code(roots::malformed),
        help("give a `trusted_root.json` as `reprove trust update` writes it")
    )]
    Malformed {
        /// Where it was read.
        from: String,
        /// What is wrong.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn standing_is_judged_at_the_time_given() {
        let (from, until) = (Some(at("2026-01-01T00:00:00Z")), Some(at("2026-12-31T00:00:00Z")));
        for (as_of, expect) in [
            ("2025-12-31T23:59:59Z", Standing::NotBegun),
            ("2026-01-01T00:00:00Z", Standing::Live),
            ("2026-10-03T00:00:00Z", Standing::EndsSoon),
            ("2026-12-31T00:00:00Z", Standing::EndsSoon),
            ("2026-12-31T00:00:01Z", Standing::Ended),
        ] {
            assert_eq!(Standing::of(from, until, at(as_of)), expect, "{as_of}");
        }
        assert_eq!(Standing::of(None, None, at("2026-01-01T00:00:00Z")), Standing::Live);
    }

    #[test]
    fn the_roots_that_are_built_in_are_listed_with_their_ends() {
        let listed = embedded(at("2026-06-01T00:00:00Z")).unwrap();
        assert_eq!(listed.len(), 3);
        for root in &listed {
            assert!(root.entries.iter().any(|e| e.role == Role::CertificateAuthority), "{root:?}");
            assert!(root.age_days.is_some());
        }
        #[cfg(feature = "tuf")]
        for root in embedded(at("2040-01-01T00:00:00Z")).unwrap() {
            assert_eq!(root.standing, Standing::Ended, "{}", root.instance);
        }
        assert!(from_json("x", "{}", at("2026-06-01T00:00:00Z")).is_err());
    }
}
