//! What a recipe leaves to the artifact under test: read from it, checked to be plain, and listed.

use crate::component::GoRecipe;
use crate::observation::Observation;
use crate::observe::go::GoBuildInfo;
use crate::report::Gap;

/// Longest value taken from an artifact; a build user and a date have fewer than 100 bytes.
const VALUE_BYTES_MAX: usize = 200;
/// The commit that stands in where only its first digits are known and the artifact is not there to tell
/// the rest, and user and date where it is not there at all.
const ASSUMED: [(&str, &str); 2] = [("build-user", "root@000000000000"), ("build-date", "19700101-00:00:00")];

/// A recipe with every value in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Replay {
    /// Linker flags.
    pub(super) ldflags: Option<String>,
    /// The commit.
    pub(super) revision: Option<String>,
    /// Its time, RFC 3339.
    pub(super) time: Option<String>,
    /// What was read from the artifact.
    pub(super) observations: Vec<Observation>,
    /// What could not be read from it, and was assumed.
    pub(super) gaps: Vec<Gap>,
}

/// Puts values into a recipe. `info` is what the published binary says of itself, where there is one, and
/// `read_from` its name.
pub(super) fn replay(recipe: &GoRecipe, info: Option<&GoBuildInfo>, read_from: &str) -> Replay {
    let mut replay = Replay::default();
    let said = |key: &str| info.and_then(|i| i.setting(key)).filter(|v| is_plain(v));
    let mut observe = |name: &str, value: &str, effect: &str| {
        replay.observations.push(Observation {
            name: name.to_owned(),
            value: value.to_owned(),
            read_from: read_from.to_owned(),
            effect: effect.to_owned(),
        });
    };
    if recipe.toolchain.observed {
        observe("go-version", &format!("go{}", recipe.toolchain.text), "chooses the tool chain");
    }
    for name in &recipe.observed {
        let (value, effect) = of_recipe(recipe, name);
        observe(name, &value, effect);
    }
    if let Some(vcs) = &recipe.vcs {
        let effect = "answered by the stand-in for git; recorded in the binary";
        let whole = vcs.revision.text.len() == 40;
        let told = said("vcs.revision").filter(|r| is_revision(r) && r.starts_with(&vcs.revision.text));
        let revision = match (whole, told) {
            (true, _) => vcs.revision.text.clone(),
            (false, Some(told)) => {
                observe("vcs-revision", told, effect);
                told.to_owned()
            }
            (false, None) => format!("{:0<40}", vcs.revision.text),
        };
        let time = vcs.time.as_ref().map(|time| ("vcs-time", time));
        for (name, value) in [("vcs-revision", &vcs.revision)].into_iter().chain(time) {
            if value.observed && (name != "vcs-revision" || whole) {
                observe(name, &value.text, effect);
            }
        }
        if vcs.modified_observed {
            observe("vcs-modified", if vcs.modified { "true" } else { "false" }, effect);
        }
        if !whole && told.is_none() {
            replay.gaps.push(assumed("the commit's last digits", &revision));
        }
        replay.revision = Some(revision);
        replay.time = vcs.time.as_ref().map(|time| time.text.clone());
    }
    let Some(template) = &recipe.ldflags else { return replay };
    let mut text = template.clone();
    if let Some(revision) = &replay.revision {
        text = text.replace("{revision}", revision);
    }
    for (name, stand_in) in ASSUMED {
        let hole = format!("{{{name}}}");
        if !text.contains(&hole) {
            continue;
        }
        let recorded = info.and_then(|i| i.setting("-ldflags"));
        match recorded.and_then(|flags| value_of(template, &hole, flags)) {
            Some(value) => {
                replay.observations.push(Observation {
                    name: name.to_owned(),
                    value: value.clone(),
                    read_from: read_from.to_owned(),
                    effect: "linked into the binary with `-X`".to_owned(),
                });
                text = text.replace(&hole, &value);
            }
            None => {
                replay.gaps.push(assumed(&name.replace('-', " "), stand_in));
                text = text.replace(&hole, stand_in);
            }
        }
    }
    replay.ldflags = Some(text);
    replay
}

/// A value of the recipe that was read from the artifact when the recipe was written, and what it decides.
fn of_recipe(recipe: &GoRecipe, name: &str) -> (String, &'static str) {
    match name {
        "path" => (recipe.path.clone(), "folder of the source in the sandbox"),
        "gopath" => (recipe.gopath.clone(), "`GOPATH` in the sandbox"),
        "goroot" => (recipe.goroot.clone(), "folder of the tool chain in the sandbox"),
        "env" => {
            let words: Vec<String> = recipe.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
            (words.join(" "), "selects what is built for")
        }
        "flags" => (recipe.flags.join(" "), "given to `go build`"),
        "tags" => (recipe.tags.join(","), "given to `go build` with `-tags`, in this order"),
        "ldflags" => (recipe.ldflags.clone().unwrap_or_default(), "given to `go build` with `-ldflags`"),
        _ => {
            let words: Vec<&str> = recipe.binaries.iter().map(|b| b.package.as_str()).collect();
            (words.join(" "), "packages that are built")
        }
    }
}

fn assumed(what: &str, value: &str) -> Gap {
    Gap {
        code: "value-not-observed".to_owned(),
        text: format!(
            "what the publisher had as {what}: the artifact does not tell, and `{value}` was built in"
        ),
    }
}

/// What stands in recorded flags where the template has the hole: after the same word, up to a blank.
fn value_of(template: &str, hole: &str, recorded: &str) -> Option<String> {
    let word = template.split(' ').find(|word| word.contains(hole))?;
    let (before, after) = word.split_once(hole)?;
    if before.is_empty() {
        return None;
    }
    let mut found = recorded.split(' ').filter_map(|w| w.strip_prefix(before)?.strip_suffix(after));
    let value = found.next().filter(|v| is_plain(v))?;
    // Two answers are none.
    found.next().is_none().then(|| value.to_owned())
}

/// Characters that neither Go's quoting of flags nor anything else takes for more than themselves.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= VALUE_BYTES_MAX
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "@._:+/-".contains(c))
}

fn is_revision(text: &str) -> bool {
    text.len() == 40 && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::component::{Checkout, GoBinary, Value};
    use crate::limits::observe::ObserveLimits;

    const PROMU: &str = "-X v.Version=1.0.0 -X v.Revision={revision} -X v.BuildUser={build-user} -X v.BuildDate={build-date}  -extldflags '-static'";
    const COMMIT: &str = "e803ebd81be50000000000000000000000000abc";

    fn recipe() -> GoRecipe {
        let value = |text: &str, observed| Value { text: text.to_owned(), observed };
        GoRecipe {
            toolchain: value("1.25.3", true),
            path: "/app".to_owned(),
            gopath: "/go".to_owned(),
            goroot: "/usr/local/go".to_owned(),
            env: BTreeMap::from([("GOARCH".to_owned(), "amd64".to_owned())]),
            flags: Vec::new(),
            tags: vec!["netgo".to_owned()],
            ldflags: Some(PROMU.to_owned()),
            binaries: vec![GoBinary { name: "x".to_owned(), package: ".".to_owned() }],
            vcs: Some(Checkout {
                revision: value(&COMMIT[..12], false),
                time: Some(value("2026-05-27T15:00:00Z", false)),
                modified: false,
                modified_observed: false,
                tags: Vec::new(),
            }),
            prepare: None,
            observed: Vec::new(),
        }
    }

    fn info(ldflags: &str, revision: &str) -> GoBuildInfo {
        let text = format!(
            "path\tm\nmod\tm\t(devel)\t\nbuild\t-ldflags={ldflags:?}\nbuild\tvcs.revision={revision}\n"
        );
        GoBuildInfo::parse("go1.25.3", &text, &ObserveLimits::DEFAULT).unwrap()
    }

    fn flags(user: &str, date: &str) -> String {
        format!("-X v.Version=1.0.0 -X v.BuildUser={user} -X v.BuildDate={date}")
    }

    #[test]
    fn values_come_from_the_artifact_and_are_listed() {
        let told = info(&flags("root@0123456789ab", "20260527-15:12:01"), COMMIT);
        let got = replay(&recipe(), Some(&told), "x");
        let ldflags = got.ldflags.unwrap();
        assert!(
            ldflags.contains(&format!("Revision={COMMIT} "))
                && ldflags.contains("BuildUser=root@0123456789ab ")
        );
        assert!(ldflags.ends_with("BuildDate=20260527-15:12:01  -extldflags '-static'"), "{ldflags}");
        let names: Vec<&str> = got.observations.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["go-version", "vcs-revision", "build-user", "build-date"]);
        assert_eq!(got.gaps, []);
    }

    #[test]
    fn what_the_recipe_took_from_the_artifact_is_listed_again() {
        let all = ["path", "gopath", "goroot", "env", "flags", "tags", "ldflags", "binaries"];
        let recipe = GoRecipe { observed: all.map(str::to_owned).into(), ..recipe() };
        let got = replay(&recipe, None, "x").observations;
        let values: Vec<(&str, &str)> = got.iter().map(|o| (o.name.as_str(), o.value.as_str())).collect();
        for expected in [
            ("path", "/app"),
            ("env", "GOARCH=amd64"),
            ("tags", "netgo"),
            ("ldflags", PROMU),
            ("binaries", "."),
        ] {
            assert!(values.contains(&expected), "{expected:?} is not in {values:?}");
        }
        assert_eq!(got.len(), 1 + all.len(), "and the tool chain");
    }

    #[test]
    fn what_is_not_told_or_not_plain_is_assumed_and_said() {
        for (ldflags, revision, gaps) in [
            (flags("root@1", "2"), "0000000000000000000000000000000000000000", 1),
            (flags("a'b", "2"), COMMIT, 1),
            (flags("$(id)", "`id`"), COMMIT, 2),
            (flags(&"x".repeat(300), "2"), COMMIT, 1),
            (format!("{} -X v.BuildUser=other", flags("root@1", "2")), COMMIT, 1),
            (String::new(), COMMIT, 2),
        ] {
            let got = replay(&recipe(), Some(&info(&ldflags, revision)), "x");
            assert_eq!(got.gaps.len(), gaps, "{ldflags}: {:?}", got.gaps);
            assert!(!got.ldflags.unwrap().contains(['$', '`', '{']), "{ldflags}");
        }
        let got = replay(&recipe(), None, "x");
        assert_eq!(got.gaps.len(), 3);
        assert_eq!(got.revision.unwrap(), format!("{}{}", &COMMIT[..12], "0".repeat(28)));
    }
}
