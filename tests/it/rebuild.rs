//! The rebuild stage in a real sandbox, over a root file system of a few of the host's programs and of
//! scripts in the place of dpkg.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use reprove::digest::Digest;
use reprove::environment::lock::{BuildDefinition, Lock, LockedFile, LockedSource};
use reprove::event::{Event, Observer, Silent};
use reprove::limits::rebuild::RebuildLimits;
use reprove::limits::sandbox::SandboxLimits;
use reprove::observation::Observation;
use reprove::rebuild::sandbox::Limit;
use reprove::rebuild::{
    ClockVariation, Outcome, Rebuild, RebuildError, Request, Stability, rebuild, rebuild_varied,
};

use crate::small_root::small_root;

const PROGRAMS: [&str; 11] =
    ["sh", "mkdir", "cat", "cp", "chmod", "find", "ln", "mkfifo", "nproc", "sleep", "uname"];

const LIMITS: RebuildLimits = RebuildLimits {
    sandbox: SandboxLimits {
        wall_time_max: Duration::from_secs(60),
        log_bytes_max: 100_000,
        ..SandboxLimits::DEFAULT
    },
    ..RebuildLimits::DEFAULT
};

/// A root file system whose `dpkg-buildpackage` is `build`, run in the unpacked source.
struct World {
    root: tempfile::TempDir,
    work: tempfile::TempDir,
    source: tempfile::NamedTempFile,
    lock: Lock,
    limits: RebuildLimits,
}

impl World {
    fn new(build: &str) -> Self {
        Self::with_vendor(build, "echo Debian")
    }

    fn with_vendor(build: &str, vendor: &str) -> Self {
        let root = small_root(
            &PROGRAMS,
            &[
                ("dpkg-vendor", vendor),
                ("dpkg-buildflags", "echo CFLAGS=-O2; echo LDFLAGS="),
                ("gcc", "test \"$1\" = -v && echo 'gcc version 1 (small)' >&2"),
                // As called: --no-check --no-copy --extract <dsc> <folder>.
                ("dpkg-source", "mkdir -p $5/debian && cp $4 $5/source && echo first > $5/debian/changelog"),
                ("dpkg-buildpackage", build),
            ],
        );
        let source = tempfile::NamedTempFile::new().unwrap();
        fs::write(source.path(), "the source\n").unwrap();
        let file = |name: &str| LockedFile {
            name: name.to_owned(),
            archive: "debian".to_owned(),
            path: format!("pool/main/s/small/{name}"),
            size: 1,
            digest: Digest::sha256(name.as_bytes()),
        };
        let expected = "small_1_amd64.deb";
        let lock = Lock {
            schema: 1,
            component: "small".to_owned(),
            purl: "pkg:deb/debian/small@1?arch=amd64&distro=bookworm".to_owned(),
            indexes: Vec::new(),
            source: LockedSource {
                name: "small".to_owned(),
                version: "1".to_owned(),
                files: vec![file("small_1.dsc")],
            },
            published: vec![file(expected)],
            packages: Vec::new(),
            build: BuildDefinition {
                architecture: "amd64".to_owned(),
                path: "/build/reproducible-path/small-1".to_owned(),
                source_date_epoch: 1,
                env: BTreeMap::from([("PATH".to_owned(), "/usr/bin".to_owned())]),
                commands: vec![vec!["dpkg-buildpackage".to_owned(), "-B".to_owned()]],
                expected: vec![expected.to_owned()],
            },
            observations: Vec::new(),
        };
        Self { root, work: tempfile::tempdir().unwrap(), source, lock, limits: LIMITS }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    fn with<T>(&self, work_dir: &Path, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let sources = [("small_1.dsc".to_owned(), self.source.path().to_path_buf())];
        act(&Request {
            lock: &self.lock,
            root: self.root.path(),
            sources: &sources,
            work_dir,
            jobs: 2,
            limits: &self.limits,
        })
    }

    fn rebuild(&self) -> Result<Rebuild, RebuildError> {
        self.with(&self.folder("first"), |request| rebuild(request, &Silent))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder("first/build.log")).unwrap()
    }
}

#[test]
fn a_completed_build_is_stored_and_read_back() {
    let world = World::new(
        "echo building $DEB_BUILD_OPTIONS; cp source ../small_1_amd64.deb; echo x > ../small_1_amd64.buildinfo",
    );
    let built = world.rebuild().unwrap();
    assert_eq!(built.outcome, Outcome::Completed, "{}", world.log());
    let names: Vec<&str> = built.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["prepare", "unpack", "dpkg-buildpackage"]);
    assert_eq!(built.toolchain["compiler"], "gcc version 1 (small)");
    assert_eq!(built.toolchain["build flags"], "CFLAGS=-O2; LDFLAGS=");
    assert_eq!(built.toolchain.get("go"), None);
    assert_eq!(built.buildinfo.as_ref().unwrap().name.as_str(), "small_1_amd64.buildinfo");
    let work = world.folder("first");
    let artifacts = built.rebuilt(&work).unwrap();
    assert_eq!(fs::read_to_string(&artifacts[0].0.path).unwrap(), "the source\n");
    let log = world.log();
    let line = log.lines().last().unwrap();
    assert!(line.starts_with('+') && line.ends_with(" building parallel=2"), "{line}");
    assert!(!work.join("build").exists());

    assert_eq!(Rebuild::load(&world.lock, &work).unwrap(), Some(built));
    let mut other = world.lock.clone();
    other.source.version = "2".to_owned();
    assert_eq!(Rebuild::load(&other, &work).unwrap(), None, "a rebuild of another lock");
    fs::write(work.join("artifacts/small_1_amd64.deb"), "forged\n").unwrap();
    assert!(matches!(Rebuild::load(&world.lock, &work), Err(RebuildError::Changed { .. })));
    fs::write(work.join("rebuild.json"), "{}").unwrap();
    assert!(matches!(Rebuild::load(&world.lock, &work), Err(RebuildError::Stored { .. })));
}

#[test]
fn a_build_that_does_not_succeed_is_a_result_with_its_log() {
    let step = || "dpkg-buildpackage".to_owned();
    for (build, expected) in [
        ("echo no such luck >&2; exit 7", Outcome::StepFailed { step: step(), status: Some(7) }),
        ("kill -9 $$", Outcome::StepFailed { step: step(), status: None }),
        ("while :; do echo again; done", Outcome::LimitReached { step: step(), limit: Limit::Log }),
    ] {
        let world = World::new(build);
        let built = world.rebuild().unwrap();
        assert_eq!(built.outcome, expected, "{build}");
        assert!(built.artifacts.is_empty() && !built.completed());
        assert!(world.log().contains("# dpkg-buildpackage -B\n"));
        assert!(built.log.len_bytes < 2_000_000, "{build}: {} bytes of log", built.log.len_bytes);
    }
    let mut world = World::new("echo waiting; sleep 1000");
    world.limits.sandbox.wall_time_max = Duration::from_millis(1500);
    let built = world.rebuild().unwrap();
    assert_eq!(
        built.outcome,
        Outcome::TimedOut { step: step(), after: Duration::from_millis(1500) },
        "{}",
        world.log()
    );
    assert!(world.log().ends_with(" waiting\n"));
}

#[test]
fn what_a_build_leaves_in_the_place_of_an_artifact_is_not_followed() {
    for trap in [
        "ln -s /etc/passwd ../small_1_amd64.deb",
        "mkfifo ../small_1_amd64.deb",
        "mkdir ../small_1_amd64.deb",
        "cd .. && mkdir /build/else && cp small-1/source /build/else/small_1_amd64.deb && \
         find /build/reproducible-path -delete; ln -s else /build/reproducible-path",
    ] {
        let world = World::new(trap);
        let built = world.rebuild().unwrap();
        assert!(built.artifacts.is_empty(), "{trap}: {built:?}");
        assert!(!world.folder("first/build").exists(), "{trap}");
    }
}

#[test]
fn a_build_folder_that_resists_is_removed_all_the_same() {
    let world = World::new(
        "cp source ../small_1_amd64.deb; i=0; while [ $i -lt 1500 ]; do mkdir d; cd d; i=$((i+1)); done; \
         echo x > f; chmod 000 .; cd /build; mkdir closed; echo x > closed/f; chmod 000 closed",
    );
    let built = world.rebuild().unwrap();
    assert_eq!((&built.outcome, built.artifacts.len()), (&Outcome::Completed, 1), "{}", world.log());
    assert!(!world.folder("first/build").exists());
}

#[test]
fn a_root_file_system_of_no_or_another_vendor_is_refused() {
    for (vendor, found) in [("true", ""), ("echo Elsewhere", "Elsewhere")] {
        let error = World::with_vendor("true", vendor).rebuild().unwrap_err();
        assert!(matches!(&error, RebuildError::Vendor { found: f } if f == found), "{error:?}");
    }
    let error = World::with_vendor("true", "exit 3").rebuild().unwrap_err();
    assert!(matches!(&error, RebuildError::Toolchain { .. }), "{error:?}");
}

#[test]
fn an_observed_entry_stands_before_the_changelog_and_is_listed() {
    let mut world = World::new("cat debian/changelog > ../small_1_amd64.deb");
    world.lock.observations.push(Observation {
        name: "binnmu-changelog-entry".to_owned(),
        value: "small (1+b1) entry\n".to_owned(),
        read_from: "small_1_amd64.deb".to_owned(),
        effect: "version".to_owned(),
    });
    let built = world.rebuild().unwrap();
    let artifact = &built.rebuilt(&world.folder("first")).unwrap()[0].0.path;
    assert_eq!(fs::read_to_string(artifact).unwrap(), "small (1+b1) entry\n\nfirst\n");
    assert_eq!(built.observations, world.lock.observations);
}

#[test]
fn a_second_build_tells_what_depends_on_the_circumstances() {
    for (build, stable) in [
        ("cp source ../small_1_amd64.deb", true),
        ("uname -n > ../small_1_amd64.deb", false),
        ("nproc > ../small_1_amd64.deb; echo $DEB_BUILD_OPTIONS >> ../small_1_amd64.deb", false),
        ("echo $PWD > ../small_1_amd64.deb", false),
        ("test -e /build/another-path || cp source ../small_1_amd64.deb", false),
    ] {
        let world = World::new(build);
        let first = world.rebuild().unwrap();
        let (second, stability) =
            world.with(&world.folder("second"), |r| rebuild_varied(r, &first, &Silent)).unwrap();
        match &stability {
            Stability::Stable => assert!(stable, "{build}"),
            Stability::Unstable(which) => {
                assert!(!stable && which[0].name == "small_1_amd64.deb", "{build}: {which:?}");
            }
            Stability::NotJudged => panic!("{build}: {second:?}"),
        }
        assert_eq!(second.variation.clock, ClockVariation::NotVaried, "there is no compiler, and it is told");
    }
    let world = World::new("test ! -e /build/another-path");
    let first = world.rebuild().unwrap();
    let (_, stability) = world.with(&world.folder("second"), |r| rebuild_varied(r, &first, &Silent)).unwrap();
    assert_eq!(stability, Stability::NotJudged, "the second build failed");
}

#[test]
fn two_rebuilds_do_not_share_a_work_folder() {
    struct Reenter<'a>(&'a World, Mutex<Vec<bool>>);
    impl Observer for Reenter<'_> {
        fn event(&self, event: &Event<'_>) {
            if let Event::BuildLine { .. } = event {
                let refused = matches!(self.0.rebuild(), Err(RebuildError::InUse { .. }));
                self.1.lock().unwrap().push(refused);
            }
        }
    }
    let world = World::new("echo line; cp source ../small_1_amd64.deb");
    let observer = Reenter(&world, Mutex::default());
    let built = world.with(&world.folder("first"), |request| rebuild(request, &observer)).unwrap();
    assert_eq!(built.artifacts.len(), 1);
    assert_eq!(*observer.1.lock().unwrap(), [true]);
}
