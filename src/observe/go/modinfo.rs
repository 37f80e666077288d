//! The module text that Go's linker stores (`runtime/debug.BuildInfo`): one tab-separated line for each
//! fact, the first word saying which.

use serde::{Deserialize, Serialize};

use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;

/// What a Go binary says of how it was built. Every value is announced by the binary and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoBuildInfo {
    /// Version of the Go toolchain, e.g. `go1.23.12`.
    pub go_version: String,
    /// Import path of the main package; empty where the binary has no module text.
    pub package: String,
    /// The main module.
    pub main: Option<GoModule>,
    /// Modules linked in, in the binary's order.
    pub dependencies: Vec<GoModule>,
    /// Build settings in the binary's order, e.g. `-trimpath` = `true`, `vcs.revision` = ….
    pub settings: Vec<GoSetting>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoModule {
    /// Module path.
    pub path: String,
    /// Version; `(devel)` for a main module built from a directory.
    pub version: String,
    /// `h1:` sum; empty for main modules, replaced modules and vendored builds.
    pub sum: String,
    /// What takes its place. A replacement is never itself replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Box<GoModule>>,
}

/// One build setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoSetting {
    /// Key, e.g. `CGO_ENABLED`.
    pub key: String,
    /// Value with Go's quoting removed.
    pub value: String,
}

impl GoBuildInfo {
    /// The value of a setting, where the binary has it.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|s| s.key == key).map(|s| s.value.as_str())
    }

    /// Reads module text as it stands between the linker's two 16-byte sentinels.
    pub fn parse(go_version: &str, text: &str, limits: &ObserveLimits) -> Result<Self, ObserveError> {
        let mut info = Self { go_version: go_version.to_owned(), ..Self::default() };
        let mut last = Last::None;
        for (number, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let bad = |what: &str| ObserveError::GoModuleText {
                line: number + 1,
                what: what.to_owned(),
                found: line.chars().take(200).collect(),
            };
            if line.is_empty() {
                continue;
            }
            let (word, rest) = line.split_once('\t').ok_or_else(|| bad("a word and a tab"))?;
            match word {
                "path" => rest.clone_into(&mut info.package),
                "mod" => {
                    if info.main.is_some() {
                        return Err(bad("a single main module"));
                    }
                    info.main = Some(module(rest).ok_or_else(|| bad("a module's path, version and sum"))?);
                    last = Last::Main;
                }
                "dep" => {
                    if info.dependencies.len() >= limits.go_modules_max {
                        return Err(ObserveError::Limit {
                            limit: "go_modules_max",
                            max: limits.go_modules_max as u64,
                        });
                    }
                    info.dependencies
                        .push(module(rest).ok_or_else(|| bad("a module's path, version and sum"))?);
                    last = Last::Dependency;
                }
                "=>" => {
                    let replacement =
                        module(rest).ok_or_else(|| bad("a replacement's path, version and sum"))?;
                    let target = match last {
                        Last::Main => info.main.as_mut(),
                        Last::Dependency => info.dependencies.last_mut(),
                        Last::None => None,
                    };
                    match target {
                        Some(target) if target.replacement.is_none() => {
                            target.replacement = Some(Box::new(replacement));
                        }
                        _ => return Err(bad("a module before its replacement, replaced once")),
                    }
                }
                "build" => {
                    let (key, value) = setting(rest).ok_or_else(|| bad("a build setting `key=value`"))?;
                    if info.settings.iter().any(|s| s.key == key) {
                        return Err(bad("each build setting once"));
                    }
                    info.settings.push(GoSetting { key, value });
                }
                // Later versions of Go may add words; what is not known is not guessed at.
                _ => {}
            }
        }
        Ok(info)
    }

    /// What a reader may expect here and will not find, each with the reason.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut say = |what: &str, why: &str| {
            missing.push(Missing { what: what.to_owned(), why: why.to_owned() });
        };
        if self.main.is_none() && self.settings.is_empty() {
            say(
                "modules and settings",
                "no module text: built in GOPATH mode (`GO111MODULE=off`, as Debian's dh-golang does) or stripped of it",
            );
            return missing;
        }
        if self.settings.is_empty() {
            say(
                "build settings",
                "Go records them since 1.18, or by `go build` alone and not by other build systems",
            );
        }
        if self.setting("-trimpath") == Some("true") && self.setting("-ldflags").is_none() {
            say(
                "linker flags",
                "`-trimpath` was used, and Go then leaves `-ldflags` out: they may have been given all the same",
            );
        }
        if self.setting("vcs").is_none() && !self.settings.is_empty() {
            say(
                "revision of the source",
                "built outside a repository (a module or source archive), with `-buildvcs=false`, or by a version before 1.18",
            );
        }
        let unsummed = self
            .dependencies
            .iter()
            .filter(|m| {
                m.sum.is_empty()
                    && m.replacement.as_ref().is_none_or(|r| r.sum.is_empty() && !r.version.is_empty())
            })
            .count();
        if unsummed > 0 {
            say(
                &format!("sums of {unsummed} of {} dependencies", self.dependencies.len()),
                "vendored builds (`-mod=vendor`) and modules replaced by a directory carry none",
            );
        }
        missing
    }
}

/// Something that the artifact does not say, and why it may not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// What.
    pub what: String,
    /// Why it may be so.
    pub why: String,
}

enum Last {
    None,
    Main,
    Dependency,
}

fn module(rest: &str) -> Option<GoModule> {
    let mut fields = rest.split('\t');
    let path = fields.next().filter(|p| !p.is_empty())?.to_owned();
    let version = fields.next().unwrap_or_default().to_owned();
    let sum = fields.next().unwrap_or_default().to_owned();
    fields.next().is_none().then_some(GoModule { path, version, sum, replacement: None })
}

/// Splits `key=value`, either side possibly in Go's double quotes or back quotes.
fn setting(rest: &str) -> Option<(String, String)> {
    let (key, after) = match rest.as_bytes().first()? {
        b'"' | b'`' => {
            let (key, used) = unquote(rest)?;
            (key, rest.get(used..)?.strip_prefix('=')?)
        }
        _ => {
            let (key, after) = rest.split_once('=')?;
            (key.to_owned(), after)
        }
    };
    if key.is_empty() {
        return None;
    }
    let value = match after.as_bytes().first() {
        Some(b'"' | b'`') => {
            let (value, used) = unquote(after)?;
            if used != after.len() {
                return None;
            }
            value
        }
        _ => after.to_owned(),
    };
    Some((key, value))
}

/// Reads a Go string literal at the start of `text`; gives the value and the bytes used.
fn unquote(text: &str) -> Option<(String, usize)> {
    if let Some(raw) = text.strip_prefix('`') {
        let end = raw.find('`')?;
        return Some((raw.get(..end)?.replace('\r', ""), end + 2));
    }
    let mut out: Vec<u8> = Vec::new();
    let mut chars = text.char_indices();
    if chars.next()?.1 != '"' {
        return None;
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((String::from_utf8(out).ok()?, at + 1)),
            '\\' => {
                let (_, escape) = chars.next()?;
                let simple = match escape {
                    'a' => 7,
                    'b' => 8,
                    'f' => 12,
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'v' => 11,
                    '\\' => b'\\',
                    '"' => b'"',
                    'x' => {
                        out.push(u8::try_from(number(&mut chars, 2, 16)?).ok()?);
                        continue;
                    }
                    'u' | 'U' => {
                        let digits = if escape == 'u' { 4 } else { 8 };
                        let c = char::from_u32(number(&mut chars, digits, 16)?)?;
                        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                        continue;
                    }
                    first @ '0'..='7' => {
                        let rest = number(&mut chars, 2, 8)?;
                        let value = first.to_digit(8)? * 64 + rest;
                        out.push(u8::try_from(value).ok()?);
                        continue;
                    }
                    _ => return None,
                };
                out.push(simple);
            }
            '\n' => return None,
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    None
}

fn number(chars: &mut std::str::CharIndices<'_>, digits: u32, radix: u32) -> Option<u32> {
    let mut value: u32 = 0;
    for _ in 0..digits {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.1.to_digit(radix)?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<GoBuildInfo, ObserveError> {
        GoBuildInfo::parse("go1.23.12", text, &ObserveLimits::DEFAULT)
    }

    #[test]
    fn a_whole_text_is_read() {
        let info = parse(
            "path\texample.org/cmd/x\nmod\texample.org\tv1.2.3\th1:aaaa=\ndep\ta.org/b\tv0.1.0\n=>\t./b\t\t\n\
             dep\tc.org/d\tv1.0.0\th1:bbbb=\nbuild\t-ldflags=\"-X a=b -X \\\"c=\\u00e9 \\x41\\101\\\"\"\nbuild\tCGO_ENABLED=0\n",
        )
        .unwrap();
        assert_eq!(info.package, "example.org/cmd/x");
        assert_eq!(info.main.as_ref().unwrap().version, "v1.2.3");
        assert_eq!(info.dependencies.first().unwrap().replacement.as_ref().unwrap().path, "./b");
        assert_eq!(info.setting("-ldflags"), Some("-X a=b -X \"c=\u{e9} AA\""));
        assert_eq!(info.setting("CGO_ENABLED"), Some("0"));
        assert_eq!(
            info.missing().iter().map(|m| m.what.as_str()).collect::<Vec<_>>(),
            ["revision of the source"]
        );
    }

    #[test]
    fn texts_that_lie_about_their_form_are_refused() {
        for bad in [
            "=>\ta\tb\tc",
            "path",
            "dep\t",
            "mod\ta\tb\tc\td",
            "mod\ta\nmod\tb",
            "dep\ta\tv1\n=>\tb\tv2\n=>\tc\tv3",
            "build\tnothing",
            "build\t=x",
            "build\tA=\"open",
            "build\tA=\"x\" y",
            "build\tA=\"\\q\"",
            "build\tA=\"\\ud800\"",
            "build\tA=1\nbuild\tA=2",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    /// Replacements that lead in a circle are two facts; nothing follows them.
    #[test]
    fn a_circle_of_replacements_is_told_as_it_stands() {
        let info = parse("dep\ta\tv1\n=>\tb\tv1\ndep\tb\tv1\n=>\ta\tv1\ndep\tc\tv1\n=>\tc\tv1\n").unwrap();
        let pairs: Vec<(&str, &str)> = info
            .dependencies
            .iter()
            .map(|m| (m.path.as_str(), m.replacement.as_ref().unwrap().path.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "b"), ("b", "a"), ("c", "c")]);
        assert!(info.dependencies.iter().all(|m| m.replacement.as_ref().unwrap().replacement.is_none()));
    }

    #[test]
    fn the_number_of_modules_is_bounded() {
        let limits = ObserveLimits { go_modules_max: 2, ..ObserveLimits::DEFAULT };
        let text = "dep\ta\tv1\ndep\tb\tv1\n";
        assert!(GoBuildInfo::parse("go1.20", text, &limits).is_ok());
        assert!(matches!(
            GoBuildInfo::parse("go1.20", &format!("{text}dep\tc\tv1\n"), &limits),
            Err(ObserveError::Limit { limit: "go_modules_max", .. })
        ));
    }

    #[test]
    fn trimpath_is_said_to_hide_the_linker_flags() {
        let info = parse("path\tx\nmod\tx\t(devel)\t\nbuild\t-trimpath=true\nbuild\tvcs=git\n").unwrap();
        assert_eq!(info.missing().iter().map(|m| m.what.as_str()).collect::<Vec<_>>(), ["linker flags"]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(path|mod|dep|=>|build)?[\t\n =\"`\\\\xu0-9a-f]{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn quoting_round_trips(value in "[^\r]{0,40}") {
            let quoted = format!("\"{}\"", value.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect::<String>());
            let info = parse(&format!("build\tA={quoted}")).unwrap();
            proptest::prop_assert_eq!(info.setting("A").unwrap(), value);
        }
    }
}
