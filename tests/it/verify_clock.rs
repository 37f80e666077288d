//! `reprove verify` under other clocks than the machine's. The library beneath it reads the clock, and offers no
//! other: a stand-in for `clock_gettime`, compiled here, shows that it can only refuse more.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::sigstore_world::{Key, SIGNED_AT, b64};
use crate::verify_attestations::{ARTIFACT, Recipe};

/// Answers with `TEST_CLOCK` for the time of day, and asks the kernel for all else.
const STAND_IN: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *out) {
    const char *at = getenv("TEST_CLOCK");
    if (id != CLOCK_REALTIME || !at) return (int)syscall(SYS_clock_gettime, id, out);
    out->tv_sec = atoll(at);
    out->tv_nsec = 0;
    return 0;
}
"#;

const YEAR: i64 = 31_557_600;

struct Clocked {
    folder: tempfile::TempDir,
    stand_in: PathBuf,
}

impl Clocked {
    fn new(recipe: &Recipe, root: &Value) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("artifact", ARTIFACT);
        write("bundle.json", recipe.bundle().to_string().as_bytes());
        write("root.json", root.to_string().as_bytes());
        write("clock.c", STAND_IN.as_bytes());
        let stand_in = folder.path().join("clock.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&stand_in, Path::new("clock.c")])
            .current_dir(folder.path())
            .status()
            .expect("the C compiler that this crate is built with");
        assert!(compiled.success());
        Self { folder, stand_in }
    }

    /// The verdict, and as of when, where the clock stands at `clock`.
    fn verify(&self, clock: i64, as_of: Option<i64>) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
        command.current_dir(self.folder.path()).env("LD_PRELOAD", &self.stand_in);
        command.env("TEST_CLOCK", clock.to_string());
        command.args(["verify", "artifact", "-a", "bundle.json", "--trusted-root", "root.json"]);
        command.args(["--source-uri", "github.com/owner/name", "--default-builders", "--format", "json"]);
        if let Some(as_of) = as_of {
            command.args(["--as-of", &at(as_of)]);
        }
        let output = command.output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        (text("verdict"), text("as_of"))
    }
}

fn at(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

const LATER: i64 = SIGNED_AT + 1000;

#[test]
fn the_clock_is_the_default_of_the_time_of_judgment_and_can_only_refuse_more() {
    for recipe in [Recipe::new(), Recipe::v2()] {
        let sound = Clocked::new(&recipe, &recipe.world.trusted_root());
        // The stand-in is what the program reads.
        assert_eq!(sound.verify(LATER, None), ("pass".to_owned(), at(LATER)));
        assert_eq!(sound.verify(SIGNED_AT - YEAR, None).1, at(SIGNED_AT - YEAR));
        assert_ne!(sound.verify(SIGNED_AT - YEAR, None).0, "pass");
        for clock in [LATER, SIGNED_AT + YEAR, SIGNED_AT + 70 * YEAR] {
            assert_eq!(sound.verify(clock, Some(LATER)).0, "pass", "{clock}");
        }
        // What was signed after the time of judgment is refused by every clock.
        for clock in [0, SIGNED_AT - YEAR, LATER, SIGNED_AT + 70 * YEAR] {
            assert_ne!(sound.verify(clock, Some(SIGNED_AT - 1000)).0, "pass", "{clock}");
        }
    }
}

/// A log that begins to count after the time of judgment vouches for nothing, though it has long begun by the
/// machine's clock.
#[test]
fn a_log_that_has_not_begun_is_refused_by_every_clock() {
    for mut recipe in [Recipe::new(), Recipe::v2()] {
        let mut root = recipe.world.trusted_root();
        let log = Key::new();
        let mut later = root["tlogs"][0].clone();
        later["publicKey"]["rawBytes"] = json!(b64(&log.spki()));
        later["publicKey"]["validFor"]["start"] = json!(at(SIGNED_AT + YEAR));
        later["logId"]["keyId"] = json!(b64(&log.id()));
        root["tlogs"].as_array_mut().unwrap().push(later);
        recipe.other_log = Some(log);
        let early = Clocked::new(&recipe, &root);
        for clock in [SIGNED_AT - YEAR, LATER, SIGNED_AT + 2 * YEAR, SIGNED_AT + 70 * YEAR] {
            assert_ne!(early.verify(clock, Some(LATER)).0, "pass", "{clock}");
        }
        // The other log of the same root is untouched by it.
        recipe.other_log = None;
        let sound = Clocked::new(&recipe, &root);
        assert_eq!(sound.verify(SIGNED_AT + 2 * YEAR, Some(LATER)).0, "pass");
    }
}
