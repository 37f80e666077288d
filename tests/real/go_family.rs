//! A family of tiny modules, "published" here with the real tool chains as a release archive is, each
//! differing from its recipe in one factor: the verdict and the named cause of each.
//!
//! Needs a Go module proxy that has tool chains, and user namespaces; says so and tests nothing else.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::component::{Component, GoRecipe, GoRelease};
use reprove::digest::Digest;
use reprove::environment::go::{GoLock, Unpacked, fetch};
use reprove::event::Observer;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::limits::go::GoLimits;
use reprove::limits::rebuild::RebuildLimits;
use reprove::rebuild::go::{CheckoutState, GoRequest, rebuild_go};
use reprove::source::go::ModuleProxy;
use reprove::store::Store;
use serde_json::Value;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const LDFLAGS: &str = "-X example.org/tiny/version.BuildUser={build-user} -X example.org/tiny/version.BuildDate={build-date}  -extldflags '-static'";

struct Silent;

impl Observer for Silent {
    fn event(&self, _: &reprove::event::Event<'_>) {}
}

struct World {
    folder: tempfile::TempDir,
    proxy: String,
    /// What publishers built, by all that decides its bytes: many pack the same binary otherwise.
    built: RefCell<BTreeMap<String, Vec<u8>>>,
}

/// A release archive on its way.
struct Publisher {
    recipe: GoRecipe,
    ldflags: String,
    checkout: CheckoutState,
    vendored: bool,
    level: u32,
    owner: u64,
    mode: u32,
    extra: bool,
    licence: bool,
    zipped: bool,
}

fn zip(path: &Path, members: &[(&str, &[u8])]) {
    fs::write(path, crate::module_zip::module_zip(members)).unwrap();
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let proxy = folder.path().join("proxy");
        let tiny_mod = "module example.org/tiny\n\ngo 1.21\n\nrequire example.org/dep v1.0.0\n";
        let dep_mod = "module example.org/dep\n\ngo 1.21\n";
        let dep = [("go.mod", dep_mod), ("dep.go", "package dep\n\nfunc Name() string { return \"dep\" }\n")];
        let at = |module: &str| {
            let folder = proxy.join(module).join("@v");
            fs::create_dir_all(&folder).unwrap();
            folder
        };
        let whole = |module: &str, files: &[(&str, &str)], only_mod: &str| {
            let folder = at(module);
            let named: Vec<(String, &str)> =
                files.iter().map(|(n, c)| (format!("{module}@v1.0.0/{n}"), *c)).collect();
            let members: Vec<(&str, &[u8])> = named.iter().map(|(n, c)| (n.as_str(), c.as_bytes())).collect();
            zip(&folder.join("v1.0.0.zip"), &members);
            fs::write(folder.join("v1.0.0.mod"), only_mod).unwrap();
        };
        whole("example.org/dep", &dep, dep_mod);
        let sum = {
            let path = at("example.org/dep").join("v1.0.0.zip");
            let module = reprove::source::go::ModuleVersion::new("example.org/dep", "v1.0.0").unwrap();
            reprove::source::go::archive::ModuleZip::open(&module, &path, &GoLimits::DEFAULT)
                .unwrap()
                .sum()
                .unwrap()
        };
        let mod_sum = reprove::source::go::h1_of_mod(dep_mod.as_bytes());
        let sums = format!("example.org/dep v1.0.0 {sum}\nexample.org/dep v1.0.0/go.mod {mod_sum}\n");
        let main = "package main\n\nimport (\n\t\"example.org/dep\"\n\t\"example.org/tiny/version\"\n)\n\nfunc main() { println(dep.Name(), version.BuildUser, version.BuildDate) }\n";
        let version = "package version\n\nvar BuildUser, BuildDate string\n";
        let tiny = [
            ("go.mod", tiny_mod),
            ("go.sum", sums.as_str()),
            ("LICENSE", "do as you like\n"),
            ("main.go", main),
            ("version/version.go", version),
        ];
        whole("example.org/tiny", &tiny, tiny_mod);
        let proxy = format!("file://{}", proxy.display());
        Self { folder, proxy, built: RefCell::default() }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Writes the definition for a Go version and the tags of the checkout, and locks it; what the command
    /// said where it could not.
    fn lock(&self, go: &str, tags: &str) -> Result<(), String> {
        let definition = self.root().join("policies/components/tiny");
        fs::create_dir_all(&definition).unwrap();
        fs::create_dir_all(self.root().join("policies/trust")).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        for name in ["debian-archive-keyring.pgp", "debian-developers.pgp", "go-checksum-databases.toml"] {
            fs::copy(trust.join(name), self.root().join("policies/trust").join(name)).unwrap();
        }
        let text = format!(
            "schema = 1\nname = \"tiny\"\nsummary = \"made by a test\"\n\n[[release.upstream]]\n\
             purl = \"pkg:github/example/tiny@v1.0.0?arch=amd64\"\nartifact = \"tiny-1.0.0.tar.gz\"\n\
             source = {{ module = \"example.org/tiny\", version = \"v1.0.0\" }}\n\
             members = [{{ path = \"tiny-1.0.0/tiny\", binary = \"tiny\" }}, {{ path = \"tiny-1.0.0/LICENSE\", file = \"LICENSE\" }}]\n\n\
             [release.upstream.go]\ntoolchain = \"{go}\"\npath = \"/app\"\nenv = {{ GOOS = \"linux\", GOARCH = \"amd64\" }}\n\
             tags = [\"netgo\", \"extra\"]\nldflags = \"{LDFLAGS}\"\n\
             binaries = [{{ name = \"tiny\", package = \"example.org/tiny\" }}]\n\n\
             [release.upstream.go.vcs]\nrevision = \"{COMMIT}\"\ntime = \"2026-01-02T03:04:05Z\"\nmodified = false\ntags = [{tags}]\n"
        );
        fs::write(definition.join("component.toml"), text).unwrap();
        // Made-up modules are in no checksum database, so that its key must not be asked for here.
        let out = self.reprove(&["lock", "tiny"]);
        if out.0 == 0 { Ok(()) } else { Err(out.2) }
    }

    /// Exit code, standard output, standard error.
    fn reprove(&self, args: &[&str]) -> (i32, String, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .args(["--format", "json", "--quiet", "--root"])
            .arg(self.root())
            .arg("--work")
            .arg(self.folder.path().join("work"))
            .args(args)
            .args(["--goproxy", &self.proxy])
            .env("GOSUMDB", "off")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    /// The definition and the folders of its lock.
    fn locked(&self) -> (GoRelease, GoLock, Unpacked) {
        let component = Component::load(&self.root(), "tiny").unwrap();
        let release = component.release(None).unwrap();
        let lock = GoLock::of_release(&component, release).unwrap();
        let (fetcher, store) = (
            Fetcher::new(Proxies::None, FetchLimits::DEFAULT),
            Store::open(&self.folder.path().join("work/store")).unwrap(),
        );
        let urls = [self.proxy.clone()];
        let proxy = ModuleProxy {
            urls: &urls,
            fetcher: &fetcher,
            store: &store,
            observer: &Silent,
            limits: &GoLimits::DEFAULT,
        };
        let objects = fetch(&proxy, &lock).unwrap().unwrap();
        let folder = self.folder.path().join("publisher");
        let unpacked = Unpacked::ensure(&folder, &lock, &objects, &GoLimits::DEFAULT, true).unwrap();
        (release.go().unwrap().clone(), lock, unpacked)
    }

    /// Builds as the publisher does.
    fn build(&self, publisher: &Publisher, unpacked: &Unpacked) -> Vec<u8> {
        let Publisher { recipe, ldflags, checkout, vendored, .. } = publisher;
        let key = format!("{} {recipe:?} {ldflags} {checkout:?} {vendored}", unpacked.toolchain.display());
        if let Some(binary) = self.built.borrow().get(&key) {
            return binary.clone();
        }
        let mut source = unpacked.source.clone();
        if publisher.vendored {
            source = self.folder.path().join("vendored");
            let _ = fs::remove_dir_all(&source);
            copy(&unpacked.source, &source);
            let vendor = source.join("vendor/example.org/dep");
            fs::create_dir_all(&vendor).unwrap();
            fs::copy(unpacked.modules.join("example.org/dep@v1.0.0/dep.go"), vendor.join("dep.go")).unwrap();
            let list = "# example.org/dep v1.0.0\n## explicit; go 1.21\nexample.org/dep\n";
            fs::write(source.join("vendor/modules.txt"), list).unwrap();
        }
        let work_dir = self.folder.path().join("publishing");
        let request = GoRequest {
            purl: "pkg:github/example/tiny@v1.0.0",
            lock: &Digest::sha256(b"the publisher has none"),
            recipe: &publisher.recipe,
            ldflags: Some(&publisher.ldflags),
            checkout: Some(&publisher.checkout),
            preparation: None,
            source: &source,
            toolchain: &unpacked.toolchain,
            modules: &unpacked.modules,
            stand_ins: &self.folder.path().join("publisher/stand-ins"),
            work_dir: &work_dir,
            jobs: NonZeroUsize::MIN.get(),
            observations: &[],
            limits: &RebuildLimits::DEFAULT,
        };
        let built = rebuild_go(&request, &Silent).unwrap();
        assert!(built.completed(), "{}", fs::read_to_string(built.log_path(&work_dir)).unwrap());
        let binary = fs::read(work_dir.join("artifacts/tiny")).unwrap();
        self.built.borrow_mut().insert(key, binary.clone());
        binary
    }

    /// Builds as the publisher does, and packs.
    fn publish(&self, publisher: &Publisher, unpacked: &Unpacked) -> PathBuf {
        let binary = self.build(publisher, unpacked);
        let archive = self.folder.path().join("tiny-1.0.0.tar.gz");
        if publisher.zipped {
            zip(&archive, &[("tiny-1.0.0/tiny", &binary), ("tiny-1.0.0/LICENSE", b"do as you like\n")]);
            return archive;
        }
        let gzip = flate2::write::GzEncoder::new(
            fs::File::create(&archive).unwrap(),
            flate2::Compression::new(publisher.level),
        );
        let mut tar = tar::Builder::new(gzip);
        let mut add = |name: &str, mode: u32, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(mode);
            header.set_uid(publisher.owner);
            header.set_gid(publisher.owner);
            header.set_mtime(1_767_323_045);
            header.set_cksum();
            tar.append_data(&mut header, format!("tiny-1.0.0/{name}"), bytes).unwrap();
        };
        add("tiny", publisher.mode, &binary);
        if publisher.licence {
            add("LICENSE", 0o644, b"do as you like\n");
        }
        if publisher.extra {
            add("install.sh", 0o755, b"#!/bin/sh\n");
        }
        tar.into_inner().unwrap().finish().unwrap().sync_all().unwrap();
        archive
    }

    fn audit(&self, archive: &Path) -> Value {
        let folder = self.folder.path();
        let (reports, attestations) = (folder.join("reports"), folder.join("attestations"));
        let (code, out, said) = self.reprove(&[
            "audit",
            "tiny",
            "--published",
            archive.to_str().unwrap(),
            "--reports",
            reports.to_str().unwrap(),
            "--attestations",
            attestations.to_str().unwrap(),
        ]);
        assert!(matches!(code, 1 | 3), "{code}: {said}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(code == 1, report["verdict"] == "fail", "{report:#}");
        report["components"][0].clone()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn publisher(go: &GoRelease, unpacked: &Unpacked) -> Publisher {
    Publisher {
        recipe: go.recipe.clone(),
        ldflags: LDFLAGS
            .replace("{build-user}", "root@0a1b2c3d4e5f")
            .replace("{build-date}", "20260102-03:04:05"),
        checkout: CheckoutState {
            revision: COMMIT.to_owned(),
            time: 1_767_323_045,
            modified: false,
            tags: vec!["v1.0.0".to_owned()],
            earlier_tags: Vec::new(),
            go_mod: fs::read(unpacked.source.join("go.mod")).unwrap(),
        },
        vendored: false,
        level: 6,
        owner: 1001,
        mode: 0o755,
        extra: false,
        licence: true,
        zipped: false,
    }
}

type Change = fn(&mut Publisher);

/// What a publisher does otherwise, and what follows.
struct Factor {
    name: &'static str,
    change: Change,
    outcome: &'static str,
    /// Every difference that build information or line tables name: cause and field.
    named: &'static [(&'static str, &'static str)],
    /// What else has to stand in the report.
    said: &'static str,
}

const LDFLAGS_DIFFER: &[(&str, &str)] = &[("compiler-flags", "go build info, -ldflags")];
const VERSION: (&str, &str) = ("version-string", "go build info, module example.org/tiny");
const MODIFIED: (&str, &str) = ("vcs-revision", "go build info, vcs.modified");

const FAMILY: [Factor; 16] = [
    Factor { name: "nothing", change: |_| {}, outcome: "identical", named: &[], said: "" },
    Factor {
        name: "build user",
        change: |p| p.ldflags = p.ldflags.replace("0a1b2c3d4e5f", "fedcba987654"),
        outcome: "identical",
        named: &[],
        said: r#""value":"root@fedcba987654""#,
    },
    Factor {
        name: "build date",
        change: |p| p.ldflags = p.ldflags.replace("20260102", "20260203"),
        outcome: "identical",
        named: &[],
        said: r#""value":"20260203-03:04:05""#,
    },
    Factor {
        name: "a user that is not taken over",
        change: |p| p.ldflags = p.ldflags.replace("0a1b2c3d4e5f", "$(id)abcdefg"),
        outcome: "different",
        named: LDFLAGS_DIFFER,
        said: "put aside, no other byte differs",
    },
    Factor {
        name: "gzip level",
        change: |p| p.level = 1,
        outcome: "identical",
        named: &[],
        said: r#""cause":"gzip-level""#,
    },
    Factor {
        name: "tar headers",
        change: |p| p.owner = 4242,
        outcome: "identical",
        named: &[],
        said: r#""a":"4242:4242""#,
    },
    Factor {
        name: "zip in place of tar",
        change: |p| p.zipped = true,
        outcome: "identical",
        named: &[],
        said: r#""cause":"zip-mtime""#,
    },
    Factor {
        name: "mode",
        change: |p| p.mode = 0o4755,
        outcome: "different",
        named: &[],
        said: r#""cause":"file-mode""#,
    },
    Factor {
        name: "path",
        change: |p| p.recipe.path = "/elsewhere".to_owned(),
        outcome: "different",
        named: &[("elf-build-path", "go line tables, folder of the source")],
        said: r#""a":"/elsewhere""#,
    },
    Factor {
        name: "tag set",
        change: |p| p.checkout.tags.push("v1.0.1".to_owned()),
        outcome: "different",
        named: &[VERSION],
        said: r#""a":"v1.0.1""#,
    },
    Factor {
        name: "dirty bit",
        change: |p| p.checkout.modified = true,
        outcome: "different",
        named: &[VERSION, MODIFIED],
        said: r#""a":"v1.0.0+dirty""#,
    },
    Factor {
        name: "tag order",
        change: |p| p.recipe.tags.reverse(),
        outcome: "different",
        named: &[("compiler-flags", "go build info, -tags")],
        said: r#""a":"extra,netgo""#,
    },
    Factor {
        name: "one blank",
        change: |p| p.ldflags = p.ldflags.replace("  -ext", " -ext"),
        outcome: "different",
        named: LDFLAGS_DIFFER,
        said: "05 -extldflags",
    },
    Factor {
        name: "vendoring",
        change: |p| {
            p.vendored = true;
            p.recipe.flags.push("-mod=vendor".to_owned());
        },
        outcome: "different",
        named: &[("version-string", "go build info, module example.org/dep")],
        said: r#""a":"v1.0.0""#,
    },
    Factor {
        name: "one more member",
        change: |p| p.extra = true,
        outcome: "different",
        named: &[],
        said: "member-not-expected",
    },
    Factor {
        name: "one member less",
        change: |p| p.licence = false,
        outcome: "different",
        named: &[],
        said: r#""cause":"member-added""#,
    },
];

/// Cause and field of each difference that build information or line tables name.
fn named(component: &Value) -> Vec<(&str, &str)> {
    let differences = component["evidence"]["artifacts"].as_array().unwrap().iter();
    let mut found: Vec<(&str, &str)> = differences
        .flat_map(|pair| pair["differences"].as_array().unwrap())
        .filter_map(|d| Some((d["cause"].as_str()?, d["field"].as_str()?)))
        .filter(|(_, field)| field.starts_with("go "))
        .collect();
    found.sort_unstable();
    found
}

fn check(go: &str, factor: &Factor, outcome: &str, expected: &[(&str, &str)], component: &Value) {
    let name = factor.name;
    assert_eq!(component["outcome"], outcome, "{go}, {name}: {component:#}");
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(named(component), expected, "{go}, {name}: {component:#}");
    // A second build is made before a binary is called different, and for nothing else.
    let varied = component["evidence"]["rebuild"]["varied"].as_array().unwrap();
    assert_eq!(varied.is_empty(), expected.is_empty(), "{go}, {name}: the instability gate");
    let binary = |pair: &&Value| pair["member"] == "tiny-1.0.0/tiny";
    let pair = component["evidence"]["artifacts"].as_array().unwrap().iter().find(binary).unwrap();
    assert_eq!(pair["published"] == pair["rebuilt"], expected.is_empty(), "{go}, {name}");
    assert!(
        expected.is_empty() || pair["rebuilt"] == pair["rebuilt_again"],
        "{go}, {name}: our builds agree"
    );
}

/// A world with a locked release, or none, said so, where there are no tool chains to be had.
fn locked_world(go: &str, tags: &str) -> Option<World> {
    let world = World::new();
    match world.lock(go, tags) {
        Ok(()) => Some(world),
        Err(said) => {
            eprintln!("needs a Go module proxy with tool chains: not tested: {said}");
            None
        }
    }
}

#[test]
fn each_factor_has_its_verdict_and_its_cause() {
    let go = "1.25.5";
    let Some(world) = locked_world(go, "\"v1.0.0\"") else { return };
    let (release, _, unpacked) = world.locked();
    for factor in &FAMILY {
        let mut publisher = publisher(&release, &unpacked);
        (factor.change)(&mut publisher);
        let component = world.audit(&world.publish(&publisher, &unpacked));
        check(go, factor, factor.outcome, factor.named, &component);
        let (text, said) = (component.to_string(), factor.said);
        assert!(text.contains(said), "{}: `{said}` is not in {component:#}", factor.name);
    }
}

/// Factors that are the archive's alone, whatever Go built what is in it.
const OF_THE_ARCHIVE: [&str; 4] = ["zip in place of tar", "mode", "one more member", "one member less"];

/// Before Go 1.24 tags and depth leave no trace in a binary, and the dirty bit only one; all else is as after.
#[test]
fn before_go_1_24_tags_leave_no_trace() {
    let go = "1.23.12";
    let Some(world) = locked_world(go, "\"v1.0.0\"") else { return };
    let (release, _, unpacked) = world.locked();
    for factor in FAMILY.iter().filter(|factor| !OF_THE_ARCHIVE.contains(&factor.name)) {
        let (outcome, named, said): (&str, &[(&str, &str)], &str) = match factor.name {
            "tag set" => ("identical", &[], ""),
            "dirty bit" => ("different", &[MODIFIED], r#""a":"true""#),
            _ => (factor.outcome, factor.named, factor.said),
        };
        let mut publisher = publisher(&release, &unpacked);
        (factor.change)(&mut publisher);
        let component = world.audit(&world.publish(&publisher, &unpacked));
        check(go, factor, outcome, named, &component);
        assert!(component.to_string().contains(said), "{go}, {}: {component:#}", factor.name);
    }
    let mut publisher = publisher(&release, &unpacked);
    publisher.checkout.tags.clear();
    publisher.checkout.earlier_tags.push("v0.9.0".to_owned());
    let component = world.audit(&world.publish(&publisher, &unpacked));
    assert_eq!((&component["outcome"], named(&component)), (&"identical".into(), vec![]), "{component:#}");
}

/// A checkout of depth 1 does not see the tag of an earlier commit; a whole one makes another version of it.
/// Go 1.26 asks for tags with other words than those before.
#[test]
fn the_depth_of_the_checkout_is_seen_in_the_version() {
    for go in ["1.25.5", "1.26.6"] {
        let Some(world) = locked_world(go, "") else { return };
        let (release, _, unpacked) = world.locked();
        let mut publisher = publisher(&release, &unpacked);
        publisher.checkout.tags.clear();
        publisher.checkout.earlier_tags.push("v0.9.0".to_owned());
        let component = world.audit(&world.publish(&publisher, &unpacked));
        assert_eq!(
            (&component["outcome"], named(&component)),
            (&"different".into(), vec![VERSION]),
            "{go}: {component:#}"
        );
        let text = component.to_string();
        for said in ["v0.9.1-0.20260102030405-0123456789ab", "v0.0.0-20260102030405-0123456789ab"] {
            assert!(text.contains(said), "{go}: `{said}` is not in {component:#}");
        }
    }
}

/// A publisher with another patch of Go than the recipe says.
#[test]
fn another_go_patch_is_named_before_anything_else() {
    let tags = "\"v1.0.0\"";
    for (theirs, ours) in [("1.25.4", "1.25.5"), ("1.23.11", "1.23.12")] {
        let (Some(world), Some(own)) = (locked_world(theirs, tags), locked_world(ours, tags)) else { return };
        let (release, _, unpacked) = world.locked();
        let component = own.audit(&world.publish(&publisher(&release, &unpacked), &unpacked));
        assert_eq!(component["outcome"], "different", "{component:#}");
        assert_eq!(named(&component), [("compiler-version", "go build info, go")], "{component:#}");
        assert!(component.to_string().contains(&format!(r#""a":"go{theirs}","b":"go{ours}""#)), "{ours}");
        let checks = component["evidence"]["checks"].as_array().unwrap();
        let told = checks.iter().find(|c| c["code"] == "build-info-toolchain").unwrap();
        assert_eq!(told["finding"], "refuted", "{told:#}");
    }
}

/// What a draft makes of a release can be audited as it stands once a person has named the component.
#[test]
fn a_draft_of_a_release_builds_that_release() {
    let Some(world) = locked_world("1.25.5", "\"v1.0.0\"") else { return };
    let (release, _, unpacked) = world.locked();
    let archive = world.publish(&publisher(&release, &unpacked), &unpacked);
    let purl = "pkg:github/example/tiny@v1.0.0?arch=amd64";
    let (code, draft, said) = world.reprove(&["recipe", "draft", archive.to_str().unwrap(), "--purl", purl]);
    assert_eq!(code, 0, "{said}");
    let head = "schema = 1\nname = \"tiny\"\nsummary = \"drafted\"\n\n";
    fs::write(world.root().join("policies/components/tiny/component.toml"), format!("{head}{draft}"))
        .unwrap();
    let (code, _, said) = world.reprove(&["lock", "tiny"]);
    assert_eq!(code, 0, "{said}\n{draft}");
    let component = world.audit(&archive);
    assert_eq!(component["outcome"], "identical", "{draft}\n{component:#}");
    let observations = component["evidence"]["observations"].as_array().unwrap();
    let names: Vec<&str> = observations.iter().map(|o| o["name"].as_str().unwrap()).collect();
    let expected = [
        "binaries",
        "build-date",
        "build-user",
        "env",
        "go-version",
        "goroot",
        "ldflags",
        "path",
        "tags",
        "vcs-modified",
        "vcs-revision",
        "vcs-time",
    ];
    assert_eq!(names, expected, "the report repeats every mark of\n{draft}");
}
