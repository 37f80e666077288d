//! What a release's source is built with and does not hold: files of the same release, and the commands
//! that make something of them before `go build` runs.
//!
//! ```toml
//! [[release.upstream]]
//! inputs = [{ name = "ui", artifact = "tool-web-ui-1.2.3.tar.gz", folder = ".prebuilt-ui" }]
//!
//! [release.upstream.go.prepare]
//! suites = ["bookworm"]
//! packages = ["bash", "gzip"]
//! env = { STATIC_DIR = ".prebuilt-ui/static" }
//! commands = [["bash", "scripts/compress.sh"]]
//! ```
//!
//! An input is unpacked below the source. The commands run one after the other in the source's folder, in a
//! root file system of Debian's essential packages and those that are named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::ComponentError;
use super::super::check::{Located, is_component_name};
use super::domain::{is_below, is_file_name};
use crate::limits::component::INPUTS_MAX;

/// An archive of the same release that is unpacked below the source before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Input {
    /// What it is called on the command line and in the lock.
    pub name: String,
    /// The published file.
    pub artifact: String,
    /// Where it is unpacked, below the source.
    pub folder: String,
}

/// What is done to the source before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Prepare {
    /// Suites of Debian's archive that the packages come from.
    pub suites: Vec<String>,
    /// Packages of the root file system besides the essential ones.
    pub packages: Vec<String>,
    /// Variables besides `PATH` and `HOME`.
    pub env: BTreeMap<String, String>,
    /// Argument vectors, run in the source's folder.
    pub commands: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct InputFile {
    name: Spanned<String>,
    artifact: Spanned<String>,
    folder: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PrepareFile {
    suites: Spanned<Vec<Spanned<String>>>,
    packages: Vec<Spanned<String>>,
    #[serde(default)]
    env: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    commands: Vec<Spanned<Vec<Spanned<String>>>>,
}

/// Top folders of Debian's root file system, and those that a sandbox has for itself: a source that is
/// prepared there would hide them.
const TAKEN: [&str; 15] = [
    "bin", "boot", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "root", "sbin",
    "usr", "var",
];

/// Checks a release's inputs; `artifact` is what it publishes otherwise.
pub(super) fn inputs(
    located: &Located,
    raw: Option<&Spanned<Vec<InputFile>>>,
    artifact: &str,
) -> Result<Vec<Input>, ComponentError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    if raw.get_ref().len() > INPUTS_MAX {
        let detail = format!("there are more than {INPUTS_MAX} inputs");
        return Err(located.error(raw.span(), detail, "pack them into fewer archives"));
    }
    let mut taken: Vec<Input> = Vec::new();
    for file in raw.get_ref() {
        let name = located.require(
            &file.name,
            is_input_name,
            "an input's name",
            "lower-case letters, digits and `-`",
        )?;
        let published = located.require(&file.artifact, is_file_name, "a file name", "a plain file name")?;
        let folder = located.require(
            &file.folder,
            |f| is_below(f) && f.split('/').all(|part| part != ".git"),
            "a folder of the source",
            "a path of plain names",
        )?;
        let twice = |what: &str, span| {
            Err(located.error(span, format!("{what} is given twice"), "give each input its own"))
        };
        if taken.iter().any(|i| i.name == name) {
            return twice(&format!("`{name}`"), file.name.span());
        }
        if published == artifact || taken.iter().any(|i| i.artifact == published) {
            return twice(&format!("`{published}`"), file.artifact.span());
        }
        let within = |a: &str, b: &str| a == b || a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
        if taken.iter().any(|i| within(&i.folder, &folder) || within(&folder, &i.folder)) {
            return twice(&format!("`{folder}`"), file.folder.span());
        }
        taken.push(Input { name, artifact: published, folder });
    }
    Ok(taken)
}

/// Checks what is done to the source in the folder `path`.
pub(super) fn prepare(
    located: &Located,
    raw: &PrepareFile,
    path: &Spanned<String>,
) -> Result<Prepare, ComponentError> {
    located.require(
        path,
        |p| !TAKEN.contains(&p.trim_start_matches('/').split('/').next().unwrap_or_default()),
        "a folder that a source can be prepared in",
        "one whose top folder Debian's root file system does not have, e.g. `/app`",
    )?;
    let suites = located.require_all(
        raw.suites.get_ref(),
        is_component_name,
        "a suite",
        "e.g. `bookworm-security`",
    )?;
    if suites.is_empty() {
        let remedy = "write e.g. `suites = [\"bookworm\", \"bookworm-security\"]`";
        return Err(located.error(raw.suites.span(), "no suite is given".to_owned(), remedy));
    }
    let letters = "lower-case letters, digits, `+`, `-` and `.`";
    let packages = located.require_all(&raw.packages, is_component_name, "a package name", letters)?;
    let mut env = BTreeMap::new();
    for (key, value) in &raw.env {
        let name = located.require(
            key,
            is_variable,
            "a variable of a preparation",
            "capitals, digits and `_`, and neither `PATH` nor `HOME`",
        )?;
        let text = located.require(value, is_argument, "a variable's value", ARGUMENT)?;
        env.insert(name, text);
    }
    let mut commands = Vec::new();
    for argv in &raw.commands {
        let words = argv.get_ref();
        if words.first().is_none_or(|program| program.get_ref().starts_with('-')) {
            let detail = "a command has no program".to_owned();
            return Err(located.error(argv.span(), detail, "write the program, then its arguments"));
        }
        let word = |w| located.require(w, is_argument, "an argument", ARGUMENT);
        commands.push(words.iter().map(word).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(Prepare { suites, packages, env, commands })
}

/// What an argument is made of, in words.
const ARGUMENT: &str = "letters, digits and `._-/=+:,@%`, which no shell takes for anything else";

/// An argument that is its own meaning to every program that could read it, shells among them.
fn is_argument(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 500
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/=+:,@%".contains(c))
}

fn is_input_name(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// A variable that a preparation may set. Where programs are found is the root file system's affair.
fn is_variable(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && !["PATH", "HOME"].contains(&text)
        && !text.starts_with("LD_")
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::super::super::Component;
    use super::super::super::check::component;
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/example/tool@v1.2.3?arch=amd64"
artifact = "tool-1.2.3.tar.gz"
source = { module = "example.org/tool", version = "v1.2.3" }
members = [{ path = "tool-1.2.3/tool", binary = "tool" }]
inputs = [{ name = "ui", artifact = "tool-web-ui-1.2.3.tar.gz", folder = ".prebuilt-ui" }]

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = { GOOS = "linux", GOARCH = "amd64" }
binaries = [{ name = "tool", package = "." }]

[release.upstream.go.prepare]
suites = ["bookworm"]
packages = ["bash", "gzip"]
env = { STATIC_DIR = ".prebuilt-ui/static" }
commands = [["bash", "scripts/compress.sh"]]
"#;

    fn read(text: &str) -> Result<Component, ComponentError> {
        component("component.toml", text.to_owned(), "tool", PathBuf::from("tool"))
    }

    #[test]
    fn inputs_and_preparation_are_read() {
        let tool = read(GOOD).unwrap();
        let release = tool.release(None).unwrap();
        let go = release.go().unwrap();
        assert!(release.asks_debian(), "for the packages that prepare the source");
        let input = go.inputs.first().unwrap();
        assert_eq!((input.name.as_str(), input.folder.as_str()), ("ui", ".prebuilt-ui"));
        let prepare = go.recipe.prepare.as_ref().unwrap();
        assert_eq!(prepare.commands, [["bash", "scripts/compress.sh"]]);
        assert_eq!(prepare.env.get("STATIC_DIR").map(String::as_str), Some(".prebuilt-ui/static"));
    }

    /// A lock names its recipe by a digest over this text, which old locks must go on to have.
    #[test]
    fn a_release_without_inputs_is_written_as_before() {
        let start = GOOD.find("inputs").unwrap();
        let end = GOOD.find("\n[release.upstream.go]").unwrap();
        let table = GOOD.find("\n[release.upstream.go.prepare]").unwrap();
        let text = format!("{}{}", &GOOD[..start], &GOOD[end..table]);
        let tool = read(&text).unwrap();
        let written = serde_json::to_string(tool.release(None).unwrap().go().unwrap()).unwrap();
        assert!(!written.contains("inputs") && !written.contains("prepare"), "{written}");
        assert!(!tool.release(None).unwrap().asks_debian());
    }

    #[test]
    fn what_could_run_or_write_something_else_is_refused() {
        for (from, to, expected) in [
            ("name = \"ui\"", "name = \"UI\"", "`UI` is not an input's name"),
            ("name = \"ui\"", "name = \"-ui\"", "is not an input's name"),
            ("name = \"ui\"", "name = \"u=i\"", "is not an input's name"),
            ("\"tool-web-ui-1.2.3.tar.gz\"", "\"../ui.tar.gz\"", "is not a file name"),
            ("\"tool-web-ui-1.2.3.tar.gz\"", "\"tool-1.2.3.tar.gz\"", "`tool-1.2.3.tar.gz` is given twice"),
            ("folder = \".prebuilt-ui\"", "folder = \"../ui\"", "is not a folder of the source"),
            ("folder = \".prebuilt-ui\"", "folder = \"/ui\"", "is not a folder of the source"),
            ("folder = \".prebuilt-ui\"", "folder = \".git\"", "is not a folder of the source"),
            ("folder = \".prebuilt-ui\"", "folder = \"a/.git/hooks\"", "is not a folder of the source"),
            (
                "folder = \".prebuilt-ui\" }",
                "folder = \"a\" }, { name = \"ui\", artifact = \"b\", folder = \"b\" }",
                "`ui` is given twice",
            ),
            (
                "folder = \".prebuilt-ui\" }",
                "folder = \"a\" }, { name = \"b\", artifact = \"b\", folder = \"a/b\" }",
                "`a/b` is given twice",
            ),
            ("folder = \".prebuilt-ui\"", "folder = \"a\", mode = 1", "unknown field `mode`"),
            ("suites = [\"bookworm\"]", "suites = []", "no suite is given"),
            ("suites = [\"bookworm\"]", "suites = [\"../x\"]", "is not a suite"),
            ("\"gzip\"", "\"gzip=1\"", "is not a package name"),
            ("\"gzip\"", "\"-o\"", "is not a package name"),
            ("STATIC_DIR =", "PATH =", "`PATH` is not a variable of a preparation"),
            ("STATIC_DIR =", "LD_PRELOAD =", "is not a variable of a preparation"),
            ("STATIC_DIR =", "bash_env =", "is not a variable of a preparation"),
            ("\".prebuilt-ui/static\"", "\"$(id)\"", "is not a variable's value"),
            ("\"scripts/compress.sh\"", "\"-c\", \"rm x\"", "is not an argument"),
            ("\"scripts/compress.sh\"", "\"a;b\"", "is not an argument"),
            ("\"scripts/compress.sh\"", "\"\"", "is not an argument"),
            ("[\"bash\", \"scripts/compress.sh\"]", "[]", "a command has no program"),
            ("[\"bash\", \"scripts/compress.sh\"]", "[\"-x\"]", "a command has no program"),
            ("[[\"bash\", \"scripts/compress.sh\"]]", "[\"bash x\"]", "invalid type"),
            ("packages =", "package =", "unknown field `package`"),
            ("path = \"/app\"", "path = \"/usr/app\"", "is not a folder that a source can be prepared in"),
            ("path = \"/app\"", "path = \"/mnt\"", "is not a folder that a source can be prepared in"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn inputs_need_something_that_unpacks_them() {
        let table = GOOD.find("\n[release.upstream.go.prepare]").unwrap();
        let error = read(&GOOD[..table]).unwrap_err().to_string();
        assert!(error.contains("inputs are given, and no `prepare`"), "{error}");
        let none = GOOD.replace("commands = [[\"bash\", \"scripts/compress.sh\"]]\n", "");
        assert!(read(&none).is_ok(), "to unpack an input is enough");
        let none = none.replace("inputs = [{", "# [{");
        let error = read(&none).unwrap_err().to_string();
        assert!(error.contains("nothing is prepared"), "{error}");
        let many: Vec<String> = (0..9)
            .map(|n| format!("{{ name = \"u{n}\", artifact = \"u{n}.tar\", folder = \"u{n}\" }}"))
            .collect();
        let text = GOOD.replace(
            "{ name = \"ui\", artifact = \"tool-web-ui-1.2.3.tar.gz\", folder = \".prebuilt-ui\" }",
            &many.join(", "),
        );
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains("more than 8 inputs"), "{error}");
    }
}
