//! Version tags: semantic versions with a leading `v`, of which minor and patch may be left out.

/// A tag's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionTag {
    major: String,
    minor: Option<String>,
    patch: Option<String>,
    prerelease: String,
    build: String,
}

impl VersionTag {
    /// Reads `v1`, `v1.2` or `v1.2.3[-prerelease][+build]` without leading zeros.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix('v')?;
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        let (core, prerelease) = match rest.split_once('-') {
            Some((core, prerelease)) => (core, Some(prerelease)),
            None => (rest, None),
        };
        let mut numbers = core.split('.');
        let major = numbers.next().filter(|n| is_number(n))?.to_owned();
        let minor = numbers.next().map(str::to_owned);
        let patch = numbers.next().map(str::to_owned);
        if numbers.next().is_some() || [&minor, &patch].into_iter().flatten().any(|n| !is_number(n)) {
            return None;
        }
        // Pre-release and build follow a full version only.
        if patch.is_none() && (prerelease.is_some() || build.is_some()) {
            return None;
        }
        let identifiers = |text: &str, numbers_canonical: bool| {
            text.split('.').all(|part| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && !(numbers_canonical && part.bytes().all(|b| b.is_ascii_digit()) && !is_number(part))
            })
        };
        if prerelease.is_some_and(|p| !identifiers(p, true)) || build.is_some_and(|b| !identifiers(b, false))
        {
            return None;
        }
        Some(Self {
            major,
            minor,
            patch,
            prerelease: prerelease.unwrap_or_default().to_owned(),
            build: build.unwrap_or_default().to_owned(),
        })
    }

    /// `vX.Y.Z` and nothing else.
    pub(crate) fn is_plain_release(&self) -> bool {
        self.patch.is_some() && self.prerelease.is_empty() && self.build.is_empty()
    }

    /// `vX.Y.Z-<label>`.
    pub(crate) fn is_release_labelled(&self, label: &str) -> bool {
        self.patch.is_some() && self.prerelease == label && self.build.is_empty()
    }

    /// Whether a tag is of this version: parts that are left out here match any, parts that are left
    /// out there are 0, build metadata does not count.
    pub(crate) fn admits(&self, tag: &Self) -> bool {
        let zero = || "0".to_owned();
        self.major == tag.major
            && self.minor.as_ref().is_none_or(|minor| *minor == tag.minor.clone().unwrap_or_else(zero))
            && self.patch.as_ref().is_none_or(|patch| {
                *patch == tag.patch.clone().unwrap_or_else(zero) && self.prerelease == tag.prerelease
            })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::VersionTag;

    #[test]
    fn wanted_versions_admit_tags() {
        for (wanted, tag, expected) in [
            ("v14", "v14", true),
            ("v14.0", "v14", true),
            ("v14.0.0", "v14", true),
            ("v14", "v14.2", true),
            ("v14.2.1", "v14.2", false),
            ("v14.2", "v14.3.0", false),
            ("v13", "v13.0.30", true),
            ("v13.0.30", "v13.0.30+build", true),
            ("v13.0.30", "v13.0.30-rc.1", false),
            ("v13.0.30-rc.1", "v13.0.30-rc.2", false),
            ("v13.0.30-rc.1", "v13.0.30-rc.1", true),
            ("v1", "v13", false),
        ] {
            let (w, t) = (VersionTag::parse(wanted).unwrap(), VersionTag::parse(tag).unwrap());
            assert_eq!(w.admits(&t), expected, "{wanted} on {tag}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in [
            "",
            "1.2.3",
            "v",
            "v01",
            "v1.02",
            "v1.2.3.4",
            "v1-rc",
            "v1.2-rc",
            "v1.2.3-",
            "v1.2.3-01",
            "v1.2.3+",
            "v1.a",
        ] {
            assert!(VersionTag::parse(bad).is_none(), "{bad}");
        }
        assert!(VersionTag::parse("v1.2.3").unwrap().is_plain_release());
        for not in ["v1.2", "v1.2.3-rc", "v1.2.3+b"] {
            assert!(!VersionTag::parse(not).unwrap().is_plain_release(), "{not}");
        }
    }
}
