//! Which mirrors the host's apt configuration names, in both of its styles (sources.list(5)).
//!
//! Only addresses are taken. Which keys are trusted is decided by `policies/trust/`, never by the
//! host: `signed-by`, `trusted` and the like are read over. A wrong address is harmless for the same
//! reason.

use std::fmt;

use miette::Diagnostic;

use super::deb822;
use crate::limits::debian::DebianLimits;

/// One of the two archives that releases of Debian come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Archive {
    /// The main archive, with a release's updates.
    Debian,
    /// The security team's.
    DebianSecurity,
}

impl Archive {
    /// The name in locks: `debian` or `debian-security`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::DebianSecurity => "debian-security",
        }
    }

    /// The archive of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Debian, Self::DebianSecurity].into_iter().find(|a| a.name() == name)
    }

    /// The archive that carries a suite.
    pub fn of_suite(suite: &str) -> Self {
        if suite.ends_with("-security") || suite.ends_with("/updates") {
            Self::DebianSecurity
        } else {
            Self::Debian
        }
    }
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Base addresses by archive, in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    debian: Vec<String>,
    security: Vec<String>,
}

impl Mirrors {
    /// No mirrors at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads the files of the host's apt configuration, given as name and text. A name that ends in
    /// `.sources` is read as stanzas, every other one as lines. Disabled entries, methods that are
    /// not `http`, `https`, `file` or `copy`, and suites that are not Debian's are passed over.
    pub fn from_apt(files: &[(String, String)], limits: &DebianLimits) -> Result<Self, MirrorError> {
        let mut mirrors = Self::none();
        for (name, text) in files {
            if text.len() as u64 > limits.apt_file_bytes_max {
                let (file, bytes_max) = (name.clone(), limits.apt_file_bytes_max);
                return Err(MirrorError::TooLarge { file, bytes_max });
            }
            if name.ends_with(".sources") {
                mirrors.read_stanzas(name, text, limits)?;
            } else {
                for line in text.lines() {
                    mirrors.read_line(line);
                }
            }
        }
        for (bases, last) in [(&mut mirrors.debian, "debian"), (&mut mirrors.security, "debian-security")] {
            // What is laid out like Debian's own mirrors comes first; others may be somebody's
            // packages for Debian.
            bases.sort_by_key(|b| b.rsplit('/').next() != Some(last));
        }
        Ok(mirrors)
    }

    fn read_stanzas(&mut self, name: &str, text: &str, limits: &DebianLimits) -> Result<(), MirrorError> {
        let failed = |source| MirrorError::Malformed { file: name.to_owned(), source };
        let mut reader = deb822::Reader::new(text.as_bytes(), limits).with_comments();
        while let Some(stanza) = reader.next_stanza().map_err(failed)? {
            let words = |field| stanza.get(field).unwrap_or_default().split_ascii_whitespace();
            let off = ["no", "false", "without", "off", "disable", "0"];
            if stanza.get("Enabled").is_some_and(|e| off.contains(&e.to_ascii_lowercase().as_str()))
                || !words("Types").any(|t| t == "deb" || t == "deb-src")
            {
                continue;
            }
            for uri in words("URIs") {
                for suite in words("Suites") {
                    self.add(uri, suite);
                }
            }
        }
        Ok(())
    }

    /// `deb [options] uri suite component…`; anything else is passed over, as a host may have
    /// entries that concern only apt.
    fn read_line(&mut self, line: &str) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb-src").or_else(|| line.strip_prefix("deb")) else { return };
        if !rest.starts_with([' ', '\t']) {
            return;
        }
        let mut rest = rest.trim_start();
        if rest.starts_with('[') {
            let Some((_, after)) = rest.split_once(']') else { return };
            rest = after.trim_start();
        }
        let mut words = rest.split_ascii_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            self.add(uri, suite);
        }
    }

    fn add(&mut self, uri: &str, suite: &str) {
        let uri = uri.trim_matches('"');
        let uri = uri.strip_prefix("copy:").map_or_else(|| uri.to_owned(), |path| format!("file:{path}"));
        // apt writes `file:/path`, RFC 8089 allows that too; the fetcher wants the long form.
        let uri = match uri.strip_prefix("file:") {
            Some(path) if path.starts_with('/') && !path.starts_with("//") => format!("file://{path}"),
            _ => uri,
        };
        let known = ["http://", "https://", "file:///"].iter().any(|scheme| uri.starts_with(scheme));
        let base = suite.split(['-', '/']).next().unwrap_or_default();
        let rest = suite.get(base.len()..).unwrap_or_default();
        let debians = [
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "sid",
            "unstable",
            "testing",
            "stable",
            "oldstable",
            "oldoldstable",
        ];
        let extensions = ["", "-updates", "-proposed-updates", "-backports", "-security", "/updates"];
        if !known || uri.contains("$(") || !debians.contains(&base) || !extensions.contains(&rest) {
            return;
        }
        let bases = match Archive::of_suite(suite) {
            Archive::Debian => &mut self.debian,
            Archive::DebianSecurity => &mut self.security,
        };
        let uri = uri.trim_end_matches('/').to_owned();
        if !bases.contains(&uri) {
            bases.push(uri);
        }
    }

    /// Puts mirrors given on the command line before all others: `URL` for the main archive, or
    /// `security=URL`. A main mirror whose address ends in `/debian` is also asked for security
    /// updates beside it (`…/debian-security`), the layout that most mirrors have.
    pub fn prefer(&mut self, given: &[String]) -> Result<(), MirrorError> {
        for text in given.iter().rev() {
            let (archive, url) = match text.split_once('=') {
                Some(("security" | "debian-security", url)) => (Archive::DebianSecurity, url),
                Some(("debian", url)) => (Archive::Debian, url),
                _ => (Archive::Debian, text.as_str()),
            };
            if !["http://", "https://", "file:///"].iter().any(|s| url.starts_with(s)) {
                return Err(MirrorError::Address { found: text.clone() });
            }
            let url = url.trim_end_matches('/').to_owned();
            let bases = match archive {
                Archive::Debian => {
                    if url.ends_with("/debian") {
                        self.security.insert(0, format!("{url}-security"));
                    }
                    &mut self.debian
                }
                Archive::DebianSecurity => &mut self.security,
            };
            bases.retain(|b| *b != url);
            bases.insert(0, url);
        }
        // An explicit mirror for security goes before one that was only derived.
        for text in given.iter().rev() {
            if let Some(("security" | "debian-security", url)) = text.split_once('=') {
                let url = url.trim_end_matches('/').to_owned();
                self.security.retain(|b| *b != url);
                self.security.insert(0, url);
            }
        }
        Ok(())
    }

    /// The bases of an archive, in the order in which they are tried; never empty.
    pub fn bases(&self, archive: Archive) -> Result<&[String], MirrorError> {
        let bases = match archive {
            Archive::Debian => &self.debian,
            Archive::DebianSecurity => &self.security,
        };
        if bases.is_empty() { Err(MirrorError::None { archive }) } else { Ok(bases) }
    }

    /// Where a file below the root of an archive may be had.
    pub fn urls(&self, archive: Archive, path: &str) -> Result<Vec<String>, MirrorError> {
        Ok(self.bases(archive)?.iter().map(|base| format!("{base}/{}", url_path(path))).collect())
    }
}

/// The path as it stands in a URL: what RFC 3986 does not allow in a segment is encoded.
fn url_path(path: &str) -> String {
    path.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(b).to_string(),
            b'.' | b'-' | b'_' | b'~' | b'/' | b'+' | b':' | b'@' | b',' | b'=' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// Why there is no mirror.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum MirrorError {
    /// Neither the host nor the caller names one.
    #[error("no mirror of the archive `{archive}` is known")]
    #[diagnostic(
        code(debian::no_mirror),
        help(
            "name one: `--mirror URL` for `debian`, `--mirror security=URL` for `debian-security`; a host with an apt configuration for Debian needs neither"
        )
    )]
    None {
        /// Which archive.
        archive: Archive,
    },
    /// Not an address.
    #[error("`{found}` is not the address of a mirror, expected `http://`, `https://` or `file:///`")]
    #[diagnostic(
        code(debian::mirror_address),
        help(
            "give the folder that holds `dists/` and `pool/`, e.g. `--mirror https://mirror.example/debian`"
        )
    )]
    Address {
        /// As given.
        found: String,
    },
    /// A `.sources` file breaks the rules.
    #[error("the apt configuration `{file}` cannot be read")]
    #[diagnostic(
        code(debian::apt_configuration),
        help("mend `{file}`, or name the mirror with `--mirror URL`")
    )]
    Malformed {
        /// Which file.
        file: String,
        /// Where and why.
        #[source]
        source: deb822::Deb822Error,
    },
    /// No configuration is that long.
    #[error("the apt configuration `{file}` has more than {bytes_max} bytes")]
    #[diagnostic(
        code(debian::apt_configuration_size),
        help("check `{file}`, or name the mirror with `--mirror URL`")
    )]
    TooLarge {
        /// Which file.
        file: String,
        /// The bound.
        bytes_max: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(name: &str, text: &str) -> Mirrors {
        Mirrors::from_apt(&[(name.to_owned(), text.to_owned())], &DebianLimits::DEFAULT).unwrap()
    }

    #[test]
    fn both_styles_give_the_same() {
        let lines = "# comment\n\
            deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example.invalid/debian/ bookworm main # end\n\
            deb-src http://mirror.example.invalid/debian bookworm main\n\
            deb http://mirror.example.invalid/debian bookworm-updates main contrib\n\
            deb\thttp://security.example.invalid/debian-security bookworm-security main\n";
        let stanzas = "# comment\nTypes: deb deb-src\nURIs: http://mirror.example.invalid/debian\n\
            Suites: bookworm bookworm-updates\n# another\nComponents: main\nSigned-By: /usr/share/keyrings/x.gpg\n\n\
            Types: deb\nURIs: http://security.example.invalid/debian-security/\nSuites: bookworm-security\nComponents: main\n";
        let expected = Mirrors {
            debian: vec!["http://mirror.example.invalid/debian".into()],
            security: vec!["http://security.example.invalid/debian-security".into()],
        };
        assert_eq!(read("sources.list", lines), expected);
        assert_eq!(read("debian.sources", stanzas), expected);
    }

    #[test]
    fn what_is_not_debians_is_passed_over_or_comes_last() {
        let text = "deb http://x.example.invalid/node nodistro main\n\
            deb http://x.example.invalid/pg bookworm-pgdg main\n\
            deb cdrom:[Debian] bookworm main\n\
            deb tor+http://x.example.invalid/debian bookworm main\n\
            deb http://x.example.invalid/$(ARCH)/debian bookworm main\n\
            deb [unclosed http://x.example.invalid/debian bookworm main\n\
            debian http://x.example.invalid/debian bookworm main\n\
            deb http://x.example.invalid/docker bookworm stable\n\
            deb file:/srv/debian bookworm main\n\
            deb copy:/srv/copy/debian trixie main\n";
        assert_eq!(
            read("a.list", text).debian,
            ["file:///srv/debian", "file:///srv/copy/debian", "http://x.example.invalid/docker"]
        );
        let off = "Enabled: no\nTypes: deb\nURIs: http://x.example.invalid/debian\nSuites: bookworm\n";
        assert_eq!(read("a.sources", off), Mirrors::none());
        let broken = [("a.sources".to_owned(), "Types: deb\nTypes: deb\n".to_owned())];
        assert!(matches!(
            Mirrors::from_apt(&broken, &DebianLimits::DEFAULT),
            Err(MirrorError::Malformed { .. })
        ));
    }

    #[test]
    fn given_mirrors_go_first() {
        let mut mirrors = read("a.list", "deb http://h.example.invalid/debian bookworm main\n");
        assert!(matches!(mirrors.bases(Archive::DebianSecurity), Err(MirrorError::None { .. })));
        mirrors
            .prefer(&["https://m.example.invalid/debian/".into(), "security=file:///srv/sec".into()])
            .unwrap();
        assert_eq!(
            mirrors.bases(Archive::Debian).unwrap(),
            ["https://m.example.invalid/debian", "http://h.example.invalid/debian"]
        );
        assert_eq!(
            mirrors.bases(Archive::DebianSecurity).unwrap(),
            ["file:///srv/sec", "https://m.example.invalid/debian-security"]
        );
        assert_eq!(
            mirrors.urls(Archive::DebianSecurity, "pool/a%b_1+2~3.deb").unwrap().first().unwrap(),
            "file:///srv/sec/pool/a%25b_1+2~3.deb"
        );
        for bad in ["mirror.example.invalid", "ftp://x/debian", "file:relative", "security=", ""] {
            assert!(Mirrors::none().prefer(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
