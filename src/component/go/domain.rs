//! What each value of a recipe may be. Drafts ask the same questions as definitions, so that what an
//! artifact says never becomes a value that no definition could have.

use jiff::Timestamp;

use super::PLACEHOLDERS;

/// Go's own rules for a module's path are its proxy's affair; here it only must not lead elsewhere.
pub fn is_module_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 500
        && !text.starts_with('-')
        && text.split('/').all(|element| {
            !element.is_empty()
                && !element.chars().all(|c| c == '.')
                && !element.ends_with('.')
                && element.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
        })
}

/// A version as file names hold it: `v`, a digit, then letters, digits and `.-+`.
pub fn is_module_version(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or_default();
    text.len() <= 200
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
        && !rest.contains("..")
}

/// A released tool chain: `1.23.12`, `1.21rc2`. A development version has no place where it could be had.
pub fn is_toolchain(text: &str) -> bool {
    let mut parts = text.split('.');
    let number = |p: &str| !p.is_empty() && p.len() <= 4 && p.chars().all(|c| c.is_ascii_digit());
    let last = |p: &str| {
        let digits = p.trim_end_matches(|c: char| c.is_ascii_digit());
        number(p) || ["rc", "beta"].iter().any(|w| digits.strip_suffix(w).is_some_and(number) && digits != p)
    };
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("1"), Some(minor), None, _) => last(minor),
        (Some("1"), Some(minor), Some(patch), None) => number(minor) && number(patch),
        _ => false,
    }
}

/// An absolute folder of plain names that the sandbox does not use itself.
pub fn is_folder(text: &str) -> bool {
    let own = ["/proc", "/dev", "/tmp", "/run", "/sys", "/build", "/etc"];
    text.strip_prefix('/').is_some_and(is_below)
        && !own.iter().any(|o| text == *o || text.strip_prefix(o).is_some_and(|rest| rest.starts_with('/')))
}

/// A path of plain names below something.
pub fn is_below(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 500
        && text.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        })
}

/// A mode as four octal digits: rights alone, never another user's or group's identity.
pub fn is_mode(text: &str) -> bool {
    text.len() == 4 && text.starts_with('0') && text.chars().all(|c| ('0'..='7').contains(&c))
}

/// One line for people.
pub fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(char::is_control)
}

/// A plain file name.
pub fn is_file_name(text: &str) -> bool {
    text.len() <= 200 && !text.contains('/') && is_below(text)
}

/// A flag that decides bytes; those that run programs or write elsewhere are not among them.
pub fn is_flag(text: &str) -> bool {
    const WHOLE: [&str; 10] = [
        "-trimpath",
        "-a",
        "-buildvcs=true",
        "-buildvcs=false",
        "-buildvcs=auto",
        "-mod=vendor",
        "-mod=readonly",
        "-buildmode=exe",
        "-buildmode=pie",
        "-pgo=off",
    ];
    let valued = ["-gcflags=", "-asmflags="].iter().any(|p| text.starts_with(p));
    WHOLE.contains(&text)
        || (valued && !text.contains("-o") && text.chars().all(|c| c == ' ' || c.is_ascii_graphic()))
}

/// Variables that choose a target, as build information records them.
pub const TARGETS: [&str; 12] = [
    "GOOS",
    "GOARCH",
    "GOAMD64",
    "GOARM64",
    "GOARM",
    "GO386",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
    "GOEXPERIMENT",
    "GOFIPS140",
];

/// A variable that selects what is built for.
pub fn is_target(key: &str) -> bool {
    TARGETS.contains(&key) || matches!(key, "CGO_ENABLED" | "GOWORK")
}

/// What such a variable may say.
pub fn is_target_value(key: &str, value: &str) -> bool {
    is_word(value) && (key != "CGO_ENABLED" || value == "0") && (key != "GOWORK" || value == "off")
}

/// A build tag.
pub fn is_tag(text: &str) -> bool {
    is_word(text) && !text.contains(',')
}

/// A word without blanks.
pub fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-,".contains(c))
}

/// A package, as an import path or relative to the source.
pub fn is_package(text: &str) -> bool {
    let below = text.strip_prefix("./").unwrap_or(text);
    text == "." || (is_below(below) && !text.starts_with('-'))
}

/// A commit: 40 hexadecimal digits, or its first 12.
pub fn is_revision(text: &str) -> bool {
    matches!(text.len(), 12 | 40) && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// A repository's address: `https://host/owner/name`. On this machine it may be `http:`.
pub fn is_repository(text: &str) -> bool {
    let here = ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| text.starts_with(start));
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let Some((host, path)) = rest.split_once('/') else { return false };
    let plain = |s: &str, more: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    text.len() <= 500
        && (scheme == "https" || here)
        && plain(host, ".-:")
        && path.contains('/')
        && path.split('/').all(|part| plain(part, "._-"))
}

/// The name of the repository there: `owner/name`.
pub fn repository_name(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = rest.split_once('/').map_or(rest, |(_, path)| path);
    path.strip_suffix(".git").unwrap_or(path)
}

/// Linker flags: one line, and only known names in braces.
pub fn is_ldflags(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { return false };
        if !PLACEHOLDERS.contains(&name) {
            return false;
        }
        rest = tail;
    }
    text.len() <= 8192 && !rest.contains('}') && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

/// A time as Go writes it: RFC 3339, in UTC.
pub fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok_and(|at| at.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_tool_chains_have_a_place() {
        for good in ["1.21.0", "1.25.12", "1.21rc2", "1.20"] {
            assert!(is_toolchain(good), "{good}");
        }
        for bad in ["", "1", "devel", "1.21-fork", "1.21.0.1", "2.0.0", "1.21rc", "1.21 ", "1.x"] {
            assert!(!is_toolchain(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_leads_to_one_repository() {
        for (good, name) in [
            ("https://github.com/o/n", "o/n"),
            ("https://git.example.invalid:8443/a/o/n.git", "a/o/n"),
            ("http://127.0.0.1:81/o/n", "o/n"),
        ] {
            assert!(is_repository(good), "{good}");
            assert_eq!(repository_name(good), name);
        }
        for bad in [
            "github.com/o/n",
            "http://github.com/o/n",
            "http://127.0.0.2:1/o/n",
            "https://u:p@github.com/o/n",
            "https://github.com/o",
            "https://github.com/o/../n",
            "https://github.com/o/n?x=y",
            "https://github.com/o/n/",
            "file:///o/n",
            "ssh://git@github.com/o/n",
        ] {
            assert!(!is_repository(bad), "{bad}");
        }
    }
}
