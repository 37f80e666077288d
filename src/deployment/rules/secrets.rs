//! What looks like a credential in a place where everybody may read it.

use std::sync::LazyLock;

use regex::Regex;

/// `user:password@` in a URL.
static USERINFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"://[^/@\s:]+:[^/@\s]+@").ok());
/// `token=…` and its kin.
static ASSIGNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(api[_-]?key|token|secret|passw(or)?d|passwd|pwd)\s*[=:]\s*[^\s&]").ok()
});
/// The name of a parameter or label that holds one.
static NAMED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)(api[_-]?key|token|secret|passw(or)?d|passwd)").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|p| p.is_match(text))
}

/// Whether a URL in the text carries a password.
pub(super) fn in_url(text: &str) -> bool {
    matches(&USERINFO, text)
}

/// Whether the text assigns a credential, or a URL in it carries one.
pub(super) fn in_text(text: &str) -> bool {
    in_url(text) || matches(&ASSIGNED, text)
}

/// Whether a name says that its value is one.
pub(super) fn in_name(name: &str) -> bool {
    matches(&NAMED, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_seen_and_their_look_alikes_are_not() {
        assert!(in_url("https://u:p@example.org/x"));
        assert!(!in_url("https://example.org:9090/x@y"));
        assert!(in_text("https://example.org/?token=abc"));
        assert!(in_text("password: hunter2"));
        assert!(!in_text("tokens are issued elsewhere"));
        assert!(in_name("X-Api-Key") && !in_name("job"));
    }
}
