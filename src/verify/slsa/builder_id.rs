//! Builder identifiers, `name[@version]`.

/// A builder identifier with at most one `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuilderId<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
}

impl<'a> BuilderId<'a> {
    /// Splits; an empty version and a second `@` are refused.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match text.split_once('@') {
            None => Some(Self { name: text, version: None }),
            Some((_, version)) if version.is_empty() || version.contains('@') => None,
            Some((name, version)) => Some(Self { name, version: Some(version) }),
        }
    }

    /// Whether this is what `wanted` asks for: same name, and same version where one is asked for.
    /// With `short_tags` a wanted `v1` also means `refs/tags/v1`.
    pub(crate) fn satisfies(&self, wanted: &BuilderId<'_>, short_tags: bool) -> bool {
        self.name == wanted.name
            && wanted.version.is_none_or(|version| {
                self.version == Some(version)
                    || (short_tags
                        && self.version.and_then(|v| v.strip_prefix("refs/tags/")) == Some(version))
            })
    }

    /// Whether both are the same builder at the same version; `wanted` may write a short tag.
    pub(crate) fn equals(&self, wanted: &BuilderId<'_>) -> bool {
        self.version.is_some() == wanted.version.is_some() && self.satisfies(wanted, true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::BuilderId;

    #[test]
    fn versions_are_compared_where_they_are_asked_for() {
        let found = BuilderId::parse("https://b@refs/tags/v1.2.3").unwrap();
        for (wanted, expected) in [
            ("https://b", true),
            ("https://b@v1.2.3", true),
            ("https://b@refs/tags/v1.2.3", true),
            ("https://b@v1.2", false),
            ("https://B", false),
            ("https://b@refs/heads/v1.2.3", false),
        ] {
            assert_eq!(found.satisfies(&BuilderId::parse(wanted).unwrap(), true), expected, "{wanted}");
        }
        assert!(!found.satisfies(&BuilderId::parse("https://b@v1.2.3").unwrap(), false));
        assert!(!BuilderId::parse("https://b").unwrap().equals(&found));
        assert!(BuilderId::parse("https://b@").is_none());
        assert!(BuilderId::parse("https://b@v1@v2").is_none());
    }
}
