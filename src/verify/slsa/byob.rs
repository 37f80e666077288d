//! Builders behind SLSA's delegator ("bring your own builder"): the delegator signs, the predicate
//! names the builder.

use super::builder_id::BuilderId;
use super::version::VersionTag;

/// Build type of delegated builds.
pub(crate) const BUILD_TYPE: &str =
    "https://github.com/slsa-framework/slsa-github-generator/delegator-generic@v0";

/// Workflows that are trusted behind the delegator when the policy names none.
pub(crate) const TRUSTED_PREFIX: &str =
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/";

/// JReleaser tags its releases per language.
const JRELEASER: &str = "https://github.com/jreleaser/release-action/";
const JRELEASER_LABEL: &str = "java";

/// Whether the builder was pinned at a full version tag.
pub(crate) fn is_pinned_at_release(id: &BuilderId<'_>) -> bool {
    let tag = id.version.and_then(|version| version.strip_prefix("refs/tags/"));
    let Some(version) = tag.and_then(VersionTag::parse) else { return false };
    if id.name.starts_with(JRELEASER) {
        version.is_release_labelled(JRELEASER_LABEL)
    } else {
        version.is_plain_release()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_full_version_tags_pin_a_builder() {
        for (id, expected) in [
            ("https://github.com/o/r/.github/workflows/b.yml@refs/tags/v1.2.3", true),
            ("https://github.com/o/r/.github/workflows/b.yml@v1.2.3", false),
            ("https://github.com/o/r/.github/workflows/b.yml@refs/tags/v1.2", false),
            ("https://github.com/o/r/.github/workflows/b.yml@refs/tags/v1.2.3-rc.1", false),
            ("https://github.com/o/r/.github/workflows/b.yml@refs/heads/v1.2.3", false),
            ("https://github.com/o/r/.github/workflows/b.yml", false),
            (
                "https://github.com/jreleaser/release-action/.github/workflows/b.yml@refs/tags/v1.2.3-java",
                true,
            ),
            ("https://github.com/jreleaser/release-action/.github/workflows/b.yml@refs/tags/v1.2.3", false),
        ] {
            assert_eq!(is_pinned_at_release(&BuilderId::parse(id).unwrap()), expected, "{id}");
        }
    }
}
