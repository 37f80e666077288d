//! A tiny module whose source is prepared before it is built: a script makes what the program embeds from an
//! archive that is "released" beside it. The publisher's binary comes from a source in which a hand has put
//! that file.
//!
//! Needs a Go module proxy that has tool chains, a mirror of Debian, apt and user namespaces; says so and
//! tests nothing else.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::digest::Digest;
use serde_json::Value;

use crate::module_zip::module_zip;

const MODULE: &str = "example.org/paged";
const PAGES: &str = "paged-pages-1.0.0.tar.gz";
const MAIN: &str = "package main\n\nimport _ \"embed\"\n\n//go:embed made/page\nvar page string\n\nfunc main() { println(page) }\n";
/// What the publisher does to the page.
const SCRIPT: &str = "set -e\nmkdir made\ntr a-z A-Z < \"$PAGES/static/page\" > made/page\n";

/// Everything that the worlds share: what was downloaded and made once.
struct Shared {
    folder: tempfile::TempDir,
}

/// A module in a proxy of its own, and its component.
struct World<'a> {
    shared: &'a Shared,
    folder: PathBuf,
}

impl Shared {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A world whose module has these files beside `main.go`; with a script the source is prepared.
    fn world(&self, name: &str, made: (&str, &str)) -> World<'_> {
        // Each world has another module of the same name and version, which an audit would remember.
        let _ = fs::remove_file(self.path("work/history.sqlite"));
        let world = World { shared: self, folder: self.path(name) };
        let at = world.folder.join("proxy").join(MODULE).join("@v");
        fs::create_dir_all(&at).unwrap();
        let go_mod = format!("module {MODULE}\n\ngo 1.21\n");
        let files = [
            ("go.mod", go_mod.as_str()),
            ("go.work", "go 1.21\n\nuse (\n\t.\n\t./tools\n)\n"),
            ("main.go", MAIN),
            made,
        ];
        let named: Vec<(String, &[u8])> =
            files.iter().map(|(n, c)| (format!("{MODULE}@v1.0.0/{n}"), c.as_bytes())).collect();
        let members: Vec<(&str, &[u8])> = named.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        fs::write(at.join("v1.0.0.zip"), module_zip(&members)).unwrap();
        fs::write(at.join("v1.0.0.mod"), &go_mod).unwrap();

        let own = world.root().join("policies/components/paged");
        fs::create_dir_all(&own).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        std::os::unix::fs::symlink(trust, world.root().join("policies/trust")).unwrap();
        let prepared = made.0 == "pack.sh";
        let (inputs, prepare) = match prepared {
            false => (String::new(), ""),
            true => (
                format!(
                    "inputs = [{{ name = \"pages\", artifact = \"{PAGES}\", folder = \".in/pages\" }}]\n"
                ),
                "\n[release.upstream.go.prepare]\nsuites = [\"bookworm\"]\npackages = [\"bash\"]\nenv = { PAGES = \".in/pages\" }\ncommands = [[\"bash\", \"pack.sh\"]]\n",
            ),
        };
        let text = format!(
            "schema = 1\nname = \"paged\"\nsummary = \"made by a test\"\n\n[[release.upstream]]\n\
             purl = \"pkg:github/example/paged@v1.0.0?arch=amd64\"\nartifact = \"paged-1.0.0.tar.gz\"\n\
             checksums = \"sha256sums.txt\"\nsource = {{ module = \"{MODULE}\", version = \"v1.0.0\" }}\n\
             {inputs}members = [{{ path = \"paged-1.0.0/paged\", binary = \"paged\" }}]\n\n\
             [release.upstream.go]\ntoolchain = \"1.25.5\"\npath = \"/app\"\n\
             env = {{ GOOS = \"linux\", GOARCH = \"amd64\" }}\n\
             binaries = [{{ name = \"paged\", package = \"{MODULE}\" }}]\n{prepare}"
        );
        fs::write(own.join("component.toml"), text).unwrap();
        world
    }

    /// The pages as their publisher packs them.
    fn pages(&self, name: &str, page: &str) -> PathBuf {
        let path = self.path(name);
        tar_gz(&path, "static/page", 0o644, page.as_bytes());
        path
    }
}

fn tar_gz(path: &Path, name: &str, mode: u32, bytes: &[u8]) {
    let file = fs::File::create(path).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::new(6)));
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_cksum();
    tar.append_data(&mut header, name, bytes).unwrap();
    tar.into_inner().unwrap().finish().unwrap().sync_all().unwrap();
}

impl World<'_> {
    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Exit code, the answer, and what was said beside it.
    fn reprove(&self, args: &[&str]) -> (i32, Value, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
        command.args(["--format", "json", "--quiet", "--root"]).arg(self.root());
        command.arg("--work").arg(self.shared.path("work")).args(args);
        command.arg("--goproxy").arg(format!("file://{}", self.folder.join("proxy").display()));
        if args.first() == Some(&"audit") {
            let at = |name: &str| self.folder.join(name);
            command.arg("--reports").arg(at("reports")).arg("--attestations").arg(at("attestations"));
        }
        // Made-up modules are in no checksum database, so that its key must not be asked for here.
        let out = command.env("GOSUMDB", "off").output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        (out.status.code().unwrap(), serde_json::from_slice(&out.stdout).unwrap_or_default(), said)
    }

    /// Locks; whether this machine can.
    fn lock(&self, more: &[&str]) -> bool {
        let (code, _, said) = self.reprove(&[&["lock", "paged"], more].concat());
        if code != 0 {
            eprintln!(
                "needs a Go module proxy with tool chains, Debian's archive and apt: not tested: {said}"
            );
        }
        code == 0
    }

    fn locked(&self) -> Value {
        let path = self.root().join("policies/components/paged/upstream-linux-amd64-1.0.0.lock.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    /// The exit code and the component's report.
    fn audit(&self, more: &[&str]) -> (i32, Value) {
        let (code, report, said) = self.reprove(&[&["audit", "paged"], more].concat());
        assert!(matches!(code, 1 | 3), "{code}: {said}");
        (code, report["components"][0].clone())
    }
}

fn codes(component: &Value) -> Vec<&str> {
    component["blocks"].as_array().unwrap().iter().map(|b| b["code"].as_str().unwrap()).collect()
}

/// The archive as its publisher made it, and a list of checksums beside it; nothing, said why, where this
/// machine cannot build.
fn published(shared: &Shared, pages: &Path) -> Option<String> {
    let publisher = shared.world("publisher", ("made/page", "A PAGE OF THE PUBLISHER'S\n"));
    if !publisher.lock(&[]) {
        return None;
    }
    let (code, built, said) = publisher.reprove(&["rebuild", "paged"]);
    assert_eq!(code, 0, "{said}\n{built:#}");
    let binary = Path::new(built["folder"].as_str().unwrap()).join("first/artifacts/paged");
    let archive = shared.path("released/paged-1.0.0.tar.gz");
    fs::create_dir_all(archive.parent().unwrap()).unwrap();
    tar_gz(&archive, "paged-1.0.0/paged", 0o755, &fs::read(binary).unwrap());
    list(shared, &[(&archive, "paged-1.0.0.tar.gz"), (pages, PAGES)]);
    Some(archive.display().to_string())
}

fn list(shared: &Shared, files: &[(&Path, &str)]) {
    let line = |(path, name): &(&Path, &str)| {
        format!("{}  {name}\n", Digest::sha256(&fs::read(path).unwrap()).to_hex())
    };
    fs::write(shared.path("released/sha256sums.txt"), files.iter().map(line).collect::<String>()).unwrap();
}

#[test]
fn what_a_preparation_makes_is_built_in_and_compared() {
    let shared = Shared { folder: tempfile::tempdir().unwrap() };
    let pages = shared.pages("pages", "a page of the publisher's\n");
    let Some(archive) = published(&shared, &pages) else { return };
    let world = shared.world("prepared", ("pack.sh", SCRIPT));
    if !world.lock(&[]) {
        return;
    }
    assert_eq!(world.locked()["inputs"][0]["file"], Value::Null, "nobody had it: it is not pinned");
    let digest = Digest::sha256(&fs::read(&pages).unwrap()).to_string();
    let given = |path: &Path| format!("pages={}", path.display());

    // Missing, refused by the list, other bytes that the list names.
    let (code, missing) = world.audit(&["--published", &archive]);
    assert_eq!((code, missing["outcome"].as_str()), (3, Some("not built")), "{missing:#}");
    assert!(codes(&missing).contains(&"input-not-given"), "{missing:#}");
    let other = shared.pages("other", "a leaf of the publisher's\n");
    let (code, refused) = world.audit(&["--published", &archive, "--input", &given(&other)]);
    assert_eq!((code, refused["outcome"].as_str()), (1, Some("not built")), "{refused:#}");
    list(&shared, &[(Path::new(&archive), "paged-1.0.0.tar.gz"), (&other, PAGES)]);
    let (code, different) = world.audit(&["--published", &archive, "--input", &given(&other)]);
    assert_eq!((code, different["outcome"].as_str()), (1, Some("different")), "{different:#}");
    let pair = &different["evidence"]["artifacts"][0];
    assert_eq!(pair["rebuilt"], pair["rebuilt_again"], "our builds agree: {different:#}");
    let text = pair["differences"].to_string();
    assert!(
        text.contains("A PAGE OF THE PUBLISHER") && text.contains("A LEAF OF THE PUBLISHER"),
        "{different:#}"
    );

    // The published one, pinned, and from then on at hand.
    list(&shared, &[(Path::new(&archive), "paged-1.0.0.tar.gz"), (&pages, PAGES)]);
    assert!(world.lock(&["--input", &given(&pages)]));
    assert_eq!(world.locked()["inputs"][0]["file"]["digest"], digest);
    assert!(world.lock(&[]));
    assert_eq!(world.locked()["inputs"][0]["file"]["digest"], digest, "a new lock does not lose the pin");
    let (_, same) = world.audit(&["--published", &archive]);
    assert_eq!(same["outcome"], "identical", "{same:#}");
    // Made-up modules are in no database, and an earlier list named other pages.
    let expected = ["index-not-vouched", "index-not-vouched", "replaced-since"];
    assert_eq!(codes(&same), expected, "{same:#}");
    let open = same["not_established"].to_string();
    for said in [
        "vouched for by the lock and the publisher's list of checksums; it was taken as it is",
        "it was built with `GOWORK=off`",
    ] {
        assert!(open.contains(said), "`{said}` is not in {open}");
    }
    let build = &same["evidence"]["environment"]["build"];
    assert_eq!(build["env"]["GOWORK"], "off");
    assert_eq!(build["preparation"]["env"]["PAGES"], ".in/pages");
    assert_eq!(build["preparation"]["commands"][0][1], "pack.sh");
    let packages = same["evidence"]["environment"]["packages"].to_string();
    assert!(packages.contains(&digest) && packages.contains("\"name\":\"bash\""), "{packages}");
    let (_, wrong) = world.audit(&["--published", &archive, "--input", &given(&other)]);
    assert_eq!(wrong["verdict"], "fail", "other bytes than the pinned ones: {wrong:#}");
}

/// What a step does on its own account is found out before the publisher is accused, or stops the build.
#[test]
fn a_preparation_that_varies_or_reaches_out_is_told() {
    let shared = Shared { folder: tempfile::tempdir().unwrap() };
    let pages = shared.pages("pages", "a page of the publisher's\n");
    let Some(archive) = published(&shared, &pages) else { return };
    let given = format!("pages={}", pages.display());

    let random = "set -e\nmkdir made\ncat /proc/sys/kernel/random/uuid > made/page\n";
    let world = shared.world("random", ("pack.sh", random));
    if !world.lock(&[]) {
        return;
    }
    let (code, unstable) = world.audit(&["--published", &archive, "--input", &given]);
    assert_eq!((code, unstable["outcome"].as_str()), (3, Some("unstable")), "{unstable:#}");
    assert!(codes(&unstable).contains(&"build-unstable"), "{unstable:#}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let outside = shared.path("outside");
    fs::write(&outside, "as before").unwrap();
    let reaching = format!(
        "for file in /etc/new /usr/bin/new /new /mnt/source/pack.sh /mnt/inputs/0/static/page {}; do\n\
         if (echo x > \"$file\") 2>/dev/null; then echo \"wrote $file\"; else echo \"kept $file\"; fi\ndone\n\
         if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then echo connected; else echo alone; fi\n\
         echo inside > own-copy && echo \"wrote the copy\"\nexit 7\n",
        outside.display()
    );
    let world = shared.world("reaching", ("pack.sh", &reaching));
    assert!(world.lock(&[]));
    let (code, failed) = world.audit(&["--published", &archive, "--input", &given]);
    assert_eq!((code, failed["outcome"].as_str()), (3, Some("not built")), "{failed:#}");
    let result = &failed["evidence"]["rebuild"]["result"];
    assert_eq!((&result["command"], &result["status"]), (&"bash pack.sh".into(), &7.into()), "{failed:#}");
    let log = failed["evidence"]["rebuild"]["log_tail"].to_string();
    assert!(log.contains("alone") && !log.contains("connected"), "{log}");
    assert_eq!((log.matches("kept ").count(), log.matches("wrote ").count()), (6, 1), "{log}");
    assert!(log.contains("wrote the copy"), "{log}");
    assert!(listener.accept().is_err(), "nobody called");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "as before");
}
