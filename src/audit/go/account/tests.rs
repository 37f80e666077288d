#![allow(clippy::unwrap_used)]
use super::*;
use crate::component::{Channel, Component};
use crate::digest::Digest;
use crate::environment::go::GoLock;
use crate::limits::observe::ObserveLimits;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const DEFINITION: &str = r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/o/tool@v1.2.3?arch=amd64"
artifact = "tool"
source = { module = "example.org/tool", version = "v1.2.3" }

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = { GOOS = "linux", GOARCH = "amd64" }
binaries = [{ name = "tool", package = "." }]

[release.upstream.go.vcs]
revision = "0123456789ab"
time = "2026-05-27T15:00:00Z"
modified = false
"#;
const TEXT: &str = "path\texample.org/tool\nmod\texample.org/tool\tv1.2.3\t\n\
    dep\texample.org/a\tv1.0.0\th1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
    build\t-ldflags=\"-X v.Version=1.2.3 -X v.Revision=COMMIT -X v.Branch=HEAD -X v.BuildUser=r@1 -X v.BuildDate=20260527-15:12:01  -s\"\n\
    build\tvcs.revision=COMMIT\nbuild\tvcs.time=2026-05-27T15:00:00Z\n";

fn checks(go: &str, text: &str, definition: &str) -> Vec<(String, Finding, String)> {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("policies/components/tool");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("component.toml"), definition).unwrap();
    let component = Component::load(folder.path(), "tool").unwrap();
    let release = component.release(None).unwrap();
    let Channel::Upstream(recipe) = &release.channel else { panic!("another channel") };
    let blob = format!("{{\"size\": 1, \"digest\": \"{}\"}}", Digest::sha256(b"x"));
    let sum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let module = |path: &str, version: &str| {
        format!("{{\"path\": \"{path}\", \"version\": \"{version}\", \"sum\": \"{sum}\", \"zip\": {blob}}}")
    };
    let lock = format!(
        "{{\"schema\": 1, \"kind\": \"go\", \"component\": \"tool\", \"purl\": \"{}\", \"recipe\": \"{}\",
          \"source\": {}, \"toolchain\": {}, \"modules\": [{}], \"published\": null}}",
        release.purl,
        GoLock::recipe_digest(recipe),
        module("example.org/tool", "v1.2.3"),
        module("golang.org/toolchain", "v0.0.1-go1.25.5.linux-amd64"),
        module("example.org/a", "v1.0.0"),
    );
    let lock = GoLock::parse("lock", lock.as_bytes()).unwrap();
    let text = text.replace("COMMIT", COMMIT);
    let info = GoBuildInfo::parse(go, &text, &ObserveLimits::DEFAULT).unwrap();
    let subject = GoSubject { release, go: recipe, lock: &lock };
    let as_of = "2026-11-01T00:00:00Z".parse().unwrap();
    let account = Account { member: "tool", info: &info };
    let all = check(&account, &subject, Some("1.2.3\n"), as_of);
    all.into_iter().map(|c| (c.code.into_owned(), c.finding, c.found)).collect()
}

#[test]
fn a_true_account_holds_everywhere() {
    let all = checks("go1.25.5", TEXT, DEFINITION);
    assert_eq!(all.len(), 7);
    assert!(all.iter().all(|(_, finding, _)| *finding == Finding::Established), "{all:?}");
}

/// Each lie is told by one check, and by no other one.
#[test]
fn each_contradiction_is_told_by_its_check() {
    use Finding::{Absent, Noted, Refuted};
    let other = "f123456789abcdef0123456789abcdef01234567";
    let cases: [(&str, &str, &str, Finding); 17] = [
        ("mod\texample.org/tool", "mod\texample.org/evil", "build-info-module", Refuted),
        ("tool\tv1.2.3\t", "tool\tv1.2.4\t", "build-info-module", Refuted),
        ("tool\tv1.2.3\t", "tool\tv0.0.0-20260527150000-ffffffffffff\t", "build-info-module", Refuted),
        ("mod\texample.org/tool\tv1.2.3\t\n", "", "build-info-module", Absent),
        ("h1:47DEQ", "h1:57DEQ", "build-info-sums", Refuted),
        ("example.org/a\tv1.0.0", "example.org/a\tv1.0.1", "build-info-sums", Absent),
        ("example.org/a\tv1.0.0", "example.org/b\tv1.0.0", "build-info-sums", Absent),
        ("\th1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "\t", "build-info-sums", Noted),
        ("vcs.revision=COMMIT", &format!("vcs.revision={other}"), "build-info-commit", Refuted),
        ("Revision=COMMIT", &format!("Revision={other}"), "build-info-commit", Refuted),
        ("Version=1.2.3", "Version=1.2.4", "build-info-version", Refuted),
        ("Branch=HEAD", "Branch=evil", "build-info-branch", Noted),
        ("20260527-15:12:01", "20260527-14:59:59", "build-info-date", Refuted),
        ("20260527-15:12:01", "20261101-00:00:01", "build-info-date", Refuted),
        ("20260527-15:12:01", "20260801-00:00:00", "build-info-date", Noted),
        ("20260527-15:12:01", "$(date)", "build-info-date", Noted),
        ("vcs.time=2026-05-27T15:00:00Z", "vcs.time=2026-05-27T15:12:02Z", "build-info-date", Refuted),
    ];
    for (from, to, code, expected) in cases {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT, "{from}");
        let told: Vec<_> = checks("go1.25.5", &text, DEFINITION)
            .into_iter()
            .filter(|(_, finding, _)| *finding != Finding::Established)
            .collect();
        let named: Vec<_> = told.iter().map(|(code, finding, _)| (code.as_str(), *finding)).collect();
        assert_eq!(named, [(code, expected)], "{to}: {told:?}");
    }
    let told = checks("go1.25.4", TEXT, DEFINITION);
    let told: Vec<_> = told.iter().filter(|(_, finding, _)| *finding == Refuted).collect();
    assert_eq!(told.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["build-info-toolchain"]);
}

#[test]
fn what_go_makes_of_the_commit_is_its_version_too() {
    for version in ["(devel)", "v1.2.3+dirty", "v0.0.0-20260527150000-0123456789ab+dirty"] {
        let text = TEXT.replacen("tool\tv1.2.3\t", &format!("tool\t{version}\t"), 1);
        let all = checks("go1.25.5", &text, DEFINITION);
        assert!(all.iter().all(|(_, finding, _)| *finding == Finding::Established), "{version}: {all:?}");
    }
    // Without a commit nothing says that the pseudo-version is true.
    let text = TEXT.replacen("tool\tv1.2.3\t", "tool\tv0.0.0-20260527150000-0123456789ab\t", 1).replacen(
        "build\tvcs.revision=COMMIT\n",
        "",
        1,
    );
    assert_eq!(checks("go1.25.5", &text, DEFINITION)[0].1, Finding::Refuted);
}

/// What the definition has from the artifact cannot speak for the artifact.
#[test]
fn observed_values_are_not_held_against_themselves() {
    let observed = DEFINITION.replacen("toolchain = \"1.25.5\"\n", "", 1).replacen(
        "[release.upstream.go.vcs]\nrevision = \"0123456789ab\"\ntime = \"2026-05-27T15:00:00Z\"\nmodified = false\n",
        "[release.upstream.go.observed]\ntoolchain = \"1.25.5\"\nvcs = { revision = \"0123456789ab\", time = \"2026-05-27T15:00:00Z\", modified = false }\n",
        1,
    );
    let text = TEXT.replacen(" -X v.Revision=COMMIT", "", 1);
    let codes: Vec<String> = checks("go1.25.5", &text, &observed).into_iter().map(|c| c.0).collect();
    assert!(!codes.iter().any(|c| c == "build-info-toolchain" || c == "build-info-commit"), "{codes:?}");
}
