//! `reprove lock`: exit code, standard output and standard error.

use std::fs;
use std::process::Command;

use sequoia_openpgp::serialize::SerializeInto as _;

use super::apt_get;
use super::archive::{Archive, Shape, day};

/// The policies for the test's archive, and its component.
fn root(a: &Archive) {
    a.component("1.0-1");
    let trust = a.folder.path().join("policies/trust");
    fs::create_dir_all(&trust).unwrap();
    let keys = a.archive_key.clone().strip_secret_key_material().to_vec().unwrap();
    fs::write(trust.join("debian-archive-keyring.pgp"), keys).unwrap();
}

/// Exit code and both streams of the program, run in the archive's folder against its mirror.
fn run(a: &Archive, arguments: &[&str]) -> (i32, String, String) {
    let mirror = format!("file://{}", a.base().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(a.folder.path());
    command.args(["--quiet", "lock", "--mirror", &mirror]).args(arguments);
    let out = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn a_mistake_in_a_definition_is_shown_in_its_place() {
    let a = Archive::new(&Shape::default());
    root(&a);
    let path = a.folder.path().join("policies/components/tiny/component.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("suites =", "suits =")).unwrap();
    let (code, out, err) = run(&a, &["tiny", "--work", "work"]);
    assert_eq!((code, out.as_str()), (2, ""));
    insta::assert_snapshot!(err, @r#"
    error[component::definition]: policies/components/tiny/component.toml:8:1: unknown field `suits`, expected one of `purl`, `architecture`, `suites`, `source`, `binaries`, `build`
      at policies/components/tiny/component.toml:8:1
        |
      8 | suits = ["bookworm"]
        | ^^^^^ here
    hint: write keys and values as the definition of another component does; the schema is closed
    "#);
}

#[test]
fn an_unknown_component_is_told_from_those_that_are_known() {
    let a = Archive::new(&Shape::default());
    root(&a);
    let (code, _, err) = run(&a, &["tinny", "--work", "work"]);
    assert_eq!(code, 2);
    assert!(err.contains("error[component::unknown]") && err.contains("hint: known here: tiny"), "{err}");
    let (code, _, err) = run(&a, &["tiny@2", "--work", "work"]);
    assert_eq!(code, 2);
    assert!(err.contains("hint: defined: 1.0-1"), "{err}");
}

#[test]
fn without_apt_the_remedy_is_named() {
    let a = Archive::new(&Shape { valid_until: None, dated: 0, ..Shape::default() });
    root(&a);
    if jiff::Timestamp::now() < day(2) {
        println!("needs a clock that is right: not tested");
        return;
    }
    let (code, out, err) = run(&a, &["tiny", "--work", "work", "--apt-get", "/nonexistent/apt-get"]);
    assert_eq!((code, out.as_str()), (4, ""), "{err}");
    assert!(err.contains("error[environment::no_apt]") && err.contains("on a machine that has apt"), "{err}");
}

#[test]
fn a_lock_is_written_beside_its_definition() {
    if apt_get().is_none() {
        return;
    }
    let a = Archive::new(&Shape { valid_until: None, dated: 0, ..Shape::default() });
    root(&a);
    if jiff::Timestamp::now() < day(2) {
        println!("needs a clock that is right: not tested");
        return;
    }
    // A folder that has to be quoted in apt's configuration.
    let (code, out, err) = run(&a, &["tiny", "--work", "a work folder"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("environment   resolved    8 packages"), "{out}");
    let path = a.folder.path().join("policies/components/tiny/bookworm-1.0-1.lock.json");
    let first = fs::read(&path).unwrap();
    let (code, out, _) = run(&a, &["tiny", "--format", "json", "--work", "work"]);
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json[0]["changed"], false);
    assert_eq!(json[0]["packages"], 8);
    assert_eq!(fs::read(&path).unwrap(), first);
    assert!(
        fs::read_dir(a.folder.path().join("work"))
            .unwrap()
            .all(|e| { !e.unwrap().file_name().to_string_lossy().starts_with("resolve-") })
    );
}
