//! A signed archive of Debian's layout with one tiny source, made anew for each test.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::cert::CertBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::SerializeInto as _;
use openpgp::serialize::stream::{Armorer, Message, Signer};
use reprove::component::Component;
use reprove::digest::Digest;
use reprove::event::Silent;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::debian::DebianLimits;
use reprove::limits::fetch::FetchLimits;
use reprove::limits::signature::SignatureLimits;
use reprove::source::debian::{Access, Mirrors};
use reprove::store::Store;
use reprove::verify::openpgp::Keyring;

/// 2026-06-01, when keys are made.
const BORN: u64 = 1_780_272_000;

/// So many days after the keys were made.
pub(crate) fn day(n: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(BORN + n * 86_400).unwrap()).unwrap()
}

fn system(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(BORN + n * 86_400)
}

/// A new key that may sign.
pub(crate) fn key(name: &str) -> Cert {
    CertBuilder::new()
        .set_creation_time(system(0))
        .add_userid(format!("{name} <{name}@example.invalid>"))
        .add_signing_subkey()
        .generate()
        .unwrap()
        .0
}

/// The keyring of these keys.
pub(crate) fn keyring(certs: &[&Cert]) -> Keyring {
    let mut bytes = Vec::new();
    for cert in certs {
        bytes.extend((*cert).clone().strip_secret_key_material().to_vec().unwrap());
    }
    Keyring::read(&bytes, &SignatureLimits::DEFAULT).unwrap()
}

/// Clear-signs a text on day 2.
pub(crate) fn sign(cert: &Cert, text: &str) -> Vec<u8> {
    let policy = StandardPolicy::at(system(1));
    let valid = cert.with_policy(&policy, system(1)).unwrap();
    let pair = valid.keys().for_signing().secret().next().unwrap().key().clone().into_keypair().unwrap();
    let mut out = Vec::new();
    let signer = Signer::new(Message::new(&mut out), pair).unwrap();
    let mut message = signer.cleartext().creation_time(system(2)).build().unwrap();
    message.write_all(text.as_bytes()).unwrap();
    message.finalize().unwrap();
    out
}

/// A detached signature, in ASCII armour, of day 2.
pub(crate) fn detached(cert: &Cert, text: &str) -> String {
    let policy = StandardPolicy::at(system(1));
    let valid = cert.with_policy(&policy, system(1)).unwrap();
    let pair = valid.keys().for_signing().secret().next().unwrap().key().clone().into_keypair().unwrap();
    let mut out = Vec::new();
    let armor = Armorer::new(Message::new(&mut out)).kind(openpgp::armor::Kind::Signature).build().unwrap();
    let mut message = Signer::new(armor, pair).unwrap().detached().creation_time(system(2)).build().unwrap();
    message.write_all(text.as_bytes()).unwrap();
    message.finalize().unwrap();
    String::from_utf8(out).unwrap()
}

/// What the archive is like.
pub(crate) struct Shape {
    pub(crate) codename: &'static str,
    pub(crate) dated: u64,
    pub(crate) valid_until: Option<u64>,
    pub(crate) binnmu: bool,
    pub(crate) build_depends: &'static str,
    /// Rewrites the `.dsc` after it was signed; the index names what comes out.
    pub(crate) dsc: fn(String) -> String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            codename: "bookworm",
            dated: 3,
            valid_until: Some(10),
            binnmu: false,
            build_depends: "helper (>= 1), checker <!nocheck>, other [arm64]",
            dsc: |text| text,
        }
    }
}

/// The archive with the keys that signed it, and a place for a store.
pub(crate) struct Archive {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) archive_key: Cert,
    pub(crate) developer: Cert,
}

pub(crate) const ORIG: &str = "pool/main/t/tiny/tiny_1.0.orig.tar.gz";
pub(crate) const DSC: &str = "pool/main/t/tiny/tiny_1.0-1.dsc";
pub(crate) const PACKAGING: &str = "pool/main/t/tiny/tiny_1.0-1.debian.tar.xz";
pub(crate) const HELPER: &str = "pool/main/h/helper/helper_2_all.deb";

const CHANGELOG: &str = "tiny (1.0-1) unstable; urgency=low\n\n  * First.\n\n \
     -- Ann Example <ann@example.invalid>  Mon, 01 Jun 2026 10:00:00 +0000\n";
pub(crate) const BINNMU_CHANGELOG: &str = "tiny (1.0-1+b1) unstable; urgency=low, binary-only=yes\n\n  * Rebuilt.\n\n \
     -- A Daemon <daemon@example.invalid>  Tue, 02 Jun 2026 10:00:00 +0000\n";

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar_of(name: &str, body: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, body).unwrap();
    builder.into_inner().unwrap()
}

fn deb(data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, body) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.xz", &[]), ("data.tar.xz", data)] {
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, body.len()).bytes(),
        );
        bytes.extend(body);
        if body.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

impl Archive {
    pub(crate) fn new(shape: &Shape) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = Self { folder, archive_key: key("archive"), developer: key("ann") };
        let version = if shape.binnmu { "1.0-1+b1" } else { "1.0-1" };
        let source = if shape.binnmu { "Source: tiny (1.0-1)\n" } else { "" };
        let changelog =
            tar_of("./usr/share/doc/tiny/changelog.Debian.amd64.gz", &gz(BINNMU_CHANGELOG.as_bytes()));
        let tiny = format!("pool/main/t/tiny/tiny_{version}_amd64.deb");
        let mut packages = archive.package(
            &format!(
                "Package: tiny\n{source}Version: {version}\nArchitecture: amd64\nBuilt-Using: helper (= 1)\n"
            ),
            &tiny,
            &deb(&xz(&changelog)),
        );
        for (name, architecture, more) in [
            ("base-files", "amd64", "Essential: yes\n"),
            ("build-essential", "amd64", "Depends: compiler\n"),
            ("compiler", "amd64", ""),
            ("apt", "amd64", ""),
            ("fakeroot", "amd64", "Depends: libfake | otherfake\n"),
            ("libfake", "all", ""),
            ("checker", "all", ""),
            ("unneeded", "all", ""),
            ("helper", "all", ""),
        ] {
            let path = match name {
                "helper" => HELPER.to_owned(),
                _ => format!("pool/main/x/{name}/{name}_2_{architecture}.deb"),
            };
            let stanza = format!("Package: {name}\nVersion: 2\nArchitecture: {architecture}\n{more}");
            packages += &archive.package(&stanza, &path, name.as_bytes());
        }
        archive.put(ORIG, b"not looked into");
        archive.put(PACKAGING, &xz(&tar_of("debian/changelog", CHANGELOG.as_bytes())));
        let sums: String =
            [ORIG, PACKAGING].iter().map(|p| archive.sum(p, p.rsplit('/').next().unwrap())).collect();
        let dsc = format!(
            "Format: 3.0 (quilt)\nSource: tiny\nBinary: tiny\nVersion: 1.0-1\nChecksums-Sha256:\n{sums}"
        );
        let signed = String::from_utf8(sign(&archive.developer, &dsc)).unwrap();
        archive.put(DSC, (shape.dsc)(signed).as_bytes());
        let sources = format!(
            "Package: tiny\nFormat: 3.0 (quilt)\nBinary: tiny\nArchitecture: any\nVersion: 1.0-1\n\
             Build-Depends: {}\nDirectory: pool/main/t/tiny\nChecksums-Sha256:\n{sums}{}\n",
            shape.build_depends,
            archive.sum(DSC, "tiny_1.0-1.dsc"),
        );
        archive.put("dists/bookworm/main/binary-amd64/Packages.xz", &xz(packages.as_bytes()));
        archive.put("dists/bookworm/main/source/Sources.xz", &xz(sources.as_bytes()));
        let date = |n: u64| day(n).strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
        let until = shape.valid_until.map(|n| format!("Valid-Until: {}\n", date(n))).unwrap_or_default();
        let listed: String = ["main/binary-amd64/Packages.xz", "main/source/Sources.xz"]
            .iter()
            .map(|p| archive.sum(&format!("dists/bookworm/{p}"), p))
            .collect();
        let release = format!(
            "Origin: Example\nSuite: stable\nCodename: {}\nDate: {}\n{until}Acquire-By-Hash: yes\nSHA256:\n{listed}",
            shape.codename,
            date(shape.dated),
        );
        archive.put("dists/bookworm/InRelease", &sign(&archive.archive_key, &release));
        archive
    }

    fn package(&self, stanza: &str, path: &str, bytes: &[u8]) -> String {
        self.put(path, bytes);
        let digest = Digest::sha256(bytes).to_hex();
        format!(
            "{stanza}Maintainer: Ann <ann@example.invalid>\nFilename: {path}\nSize: {}\nSHA256: {digest}\nDescription: x\n\n",
            bytes.len()
        )
    }

    fn sum(&self, path: &str, name: &str) -> String {
        let bytes = fs::read(self.base().join(path)).unwrap();
        format!(" {} {} {name}\n", Digest::sha256(&bytes).to_hex(), bytes.len())
    }

    pub(crate) fn base(&self) -> std::path::PathBuf {
        self.folder.path().join("debian")
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.base().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.base().join(path)).unwrap();
    }

    /// Changes one file's text in place.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = String::from_utf8(fs::read(self.base().join(path)).unwrap()).unwrap();
        assert!(text.contains(from), "{path} has no `{from}`");
        self.put(path, text.replacen(from, to, 1).as_bytes());
    }

    pub(crate) fn mirrors(&self) -> Mirrors {
        mirrors(&format!("file://{}", self.base().display()))
    }

    /// The component that releases the archive's one package.
    pub(crate) fn component(&self, version: &str) -> Component {
        let folder = self.folder.path().join("policies/components/tiny");
        fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "schema = 1\nname = \"tiny\"\nsummary = \"a test\"\n\n[[release.debian]]\n\
             purl = \"pkg:deb/debian/tiny@{}?arch=amd64&distro=bookworm\"\narchitecture = \"amd64\"\n\
             suites = [\"bookworm\"]\nsource = {{ package = \"tiny\", version = \"1.0-1\" }}\nbinaries = [\"tiny\"]\n",
            version.replace('+', "%2B")
        );
        fs::write(folder.join("component.toml"), text).unwrap();
        Component::load(self.folder.path(), "tiny").unwrap()
    }
}

pub(crate) fn mirrors(url: &str) -> Mirrors {
    let mut mirrors = Mirrors::none();
    mirrors.prefer(&[url.to_owned()]).unwrap();
    mirrors
}

/// A store, a fetcher and mirrors, for one test.
pub(crate) struct Tools {
    pub(crate) store: Store,
    pub(crate) fetcher: Fetcher,
    pub(crate) mirrors: Mirrors,
}

impl Tools {
    pub(crate) fn new(folder: &Path, mirrors: Mirrors) -> Self {
        let limits = FetchLimits { retries_max: 0, ..FetchLimits::DEFAULT };
        let store = Store::open(&folder.join("store")).unwrap();
        Self { store, fetcher: Fetcher::new(Proxies::None, limits), mirrors }
    }

    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            mirrors: &self.mirrors,
            fetcher: &self.fetcher,
            store: &self.store,
            observer: &Silent,
            limits: DebianLimits::DEFAULT,
        }
    }
}
