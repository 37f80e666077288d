//! Python package indexes on the loopback, good and hostile, and distributions made to trip a reader.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reprove::component::TrustedPublisher;
use reprove::digest::{Algorithm, Digest};
use reprove::environment::python::{PythonError, Site};
use reprove::event::{Silent, Stage};
use reprove::fetch::{FetchError, Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::limits::pypi::PypiLimits;
use reprove::source::pypi::wheel::WheelFile;
use reprove::source::pypi::{
    self, Access, Attested, Index, LockedDistribution, Offered, ProjectName, PypiError, sdist,
};
use reprove::store::Store;
use reprove::verdict::Verdict;

use crate::archives;
use crate::server::{Asked, Reply, Server};

const WHEEL: &str = "client-1.0-py3-none-any.whl";
const LIMITS: PypiLimits = PypiLimits { page_bytes_max: 10_000, ..PypiLimits::DEFAULT };
const JSON: &str = "Content-Type: application/vnd.pypi.simple.v1+json";

fn project() -> ProjectName {
    ProjectName::new("client").unwrap()
}

fn page(sha256: &str) -> String {
    format!(
        r#"{{"meta": {{"api-version": "1.1"}}, "name": "client", "files": [
            {{"filename": "{WHEEL}", "url": "../../files/{WHEEL}", "hashes": {{"sha256": "{sha256}"}}}},
            {{"filename": "../../evil-1.0-py3-none-any.whl", "url": "/e", "hashes": {{"sha256": "{sha256}"}}}}]}}"#
    )
}

fn hex(bytes: &[u8]) -> String {
    Digest::sha256(bytes).to_hex()
}

fn locked(bytes: &[u8]) -> LockedDistribution {
    LockedDistribution {
        project: project(),
        version: "1.0".to_owned(),
        file: WHEEL.to_owned(),
        size: bytes.len() as u64,
        digest: Digest::sha256(bytes),
    }
}

/// Asks an index with a store of its own.
fn with<T>(server: &Server, act: impl FnOnce(&Access<'_>) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let limits = FetchLimits { retries_max: 0, ..FetchLimits::DEFAULT };
    let fetcher = Fetcher::new(Proxies::None, limits);
    let index = Index::new(&server.url("/simple")).unwrap();
    act(&Access { index: &index, fetcher: &fetcher, store: &store, observer: &Silent, limits: LIMITS })
}

fn good(asked: &Asked) -> Reply {
    match asked.target.as_str() {
        "/simple/client/" => Reply::new("200 OK", &[JSON], page(&hex(b"wheel")).as_bytes()),
        "/files/client-1.0-py3-none-any.whl" => Reply::ok(b"wheel"),
        _ => Reply::status("404 Not Found"),
    }
}

#[test]
fn a_file_comes_by_its_announced_digest_and_only_once() {
    let server = Server::new(good);
    with(&server, |access| {
        let listing = pypi::listing(access, &project()).unwrap();
        assert_eq!((listing.files.len(), listing.left_out, listing.encrypted), (1, 1, false));
        let file = listing.file(WHEEL).unwrap();
        let (found, object) = pypi::fetch(access, file, &project(), Stage::Source).unwrap();
        assert_eq!((found, object.len_bytes), (locked(b"wheel"), 5));
        let asked = server.asked().len();
        let again = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap();
        assert!(matches!(again, Offered::All(objects) if objects.len() == 1));
        assert_eq!(server.asked().len(), asked, "what the store has is not asked for");
    });
    let accept = server.asked()[0].header("accept").unwrap().to_owned();
    assert!(accept.starts_with("application/vnd.pypi.simple.v1+json"), "{accept}");
}

#[test]
fn a_redirected_page_keeps_its_references_and_html_does_too() {
    let server = Server::new(|asked| match asked.target.as_str() {
        "/simple/client/" => Reply::redirect("/elsewhere/simple/client/"),
        "/elsewhere/simple/client/" => {
            let html = format!("<a href='../../files/x.whl#sha256={}'>{WHEEL}</a>", hex(b"wheel"));
            Reply::new("200 OK", &["Content-Type: Text/HTML; charset=utf-8"], html.as_bytes())
        }
        "/elsewhere/files/x.whl" => Reply::ok(b"wheel"),
        _ => Reply::status("404 Not Found"),
    });
    with(&server, |access| {
        let offered = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap();
        assert!(matches!(offered, Offered::All(_)), "{offered:?}");
    });
}

#[test]
fn other_bytes_than_announced_or_locked_are_refused() {
    let lying = Server::new(|asked| match asked.target.as_str() {
        "/files/client-1.0-py3-none-any.whl" => Reply::ok(b"other"),
        _ => good(asked),
    });
    with(&lying, |access| {
        let error = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap_err();
        let digest = matches!(&error, PypiError::Fetch(e) if matches!(**e, FetchError::Digest { .. }));
        assert!(digest, "{error}");
    });
    let replaced = Server::new(good);
    with(&replaced, |access| {
        let error = pypi::fetch_locked(access, &[locked(b"before")], Stage::Source).unwrap_err();
        assert!(matches!(error, PypiError::Contradicted { .. }), "{error}");
        let listing = pypi::listing(access, &project()).unwrap();
        assert!(listing.confirms(&locked(b"wheel")).unwrap());
        assert!(listing.confirms(&locked(b"before")).is_err());
    });
    let silent = Server::new(|asked| match asked.target.as_str() {
        "/simple/client/" => Reply::new("200 OK", &[JSON], page("").as_bytes()),
        _ => good(asked),
    });
    with(&silent, |access| {
        let error = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap_err();
        assert!(matches!(error, PypiError::NoDigest { .. }), "{error}");
    });
}

#[test]
fn what_is_not_there_is_missing_and_what_cannot_be_asked_is_an_error() {
    let empty = Server::new(|_| Reply::status("404 Not Found"));
    with(&empty, |access| {
        assert!(matches!(pypi::listing(access, &project()), Err(PypiError::NotListed { .. })));
        let offered = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap();
        assert!(matches!(offered, Offered::Missing(names) if names == [WHEEL]));
    });
    let gone = Server::new(|asked| match asked.target.as_str() {
        "/simple/client/" => good(asked),
        _ => Reply::status("410 Gone"),
    });
    with(&gone, |access| {
        let offered = pypi::fetch_locked(access, &[locked(b"wheel")], Stage::Source).unwrap();
        assert!(matches!(offered, Offered::Missing(names) if names == [WHEEL]));
    });
    let broken = Server::new(|_| Reply::status("500 Internal Server Error"));
    with(&broken, |access| {
        assert!(matches!(pypi::listing(access, &project()), Err(PypiError::Fetch(_))));
    });
}

#[test]
fn a_giant_page_ends_at_the_bound() {
    let announced = Server::new(|_| Reply::announcing("200 OK", &[JSON], b"{", 1 << 40));
    let sent = Server::new(|_| Reply::chunked(&vec![b' '; 20_000]));
    for server in [&announced, &sent] {
        with(server, |access| {
            let error = pypi::listing(access, &project()).unwrap_err();
            let too_long = matches!(&error, PypiError::Fetch(e) if matches!(**e, FetchError::TooLong { .. }));
            assert!(too_long, "{error}");
        });
    }
}

#[test]
fn addresses_that_are_no_index_are_refused() {
    for url in
        ["", "simple", "ftp://i.example/simple", "https://i.example/?q", "https://i.example/ x", "file://x"]
    {
        assert!(matches!(Index::new(url), Err(PypiError::IndexAddress { .. })), "{url}");
    }
    let index = Index::new("https://user:secret@i.example/simple/").unwrap();
    assert!(!format!("{index:?}").contains("secret"));
}

/// A `.tar.gz` whose members are given by a function of the builder.
fn tar_gz(fill: impl FnOnce(&mut tar::Builder<&mut Vec<u8>>)) -> tempfile::NamedTempFile {
    let mut plain = Vec::new();
    let mut builder = tar::Builder::new(&mut plain);
    fill(&mut builder);
    builder.finish().unwrap();
    drop(builder);
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file.as_file(), flate2::Compression::new(6));
    encoder.write_all(&plain).unwrap();
    encoder.finish().unwrap();
    file
}

/// A member with a name that the tar library would refuse to write.
fn member(
    builder: &mut tar::Builder<&mut Vec<u8>>,
    name: &str,
    kind: tar::EntryType,
    body: &[u8],
    link: &str,
) {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(0o640);
    header.set_mtime(1_000_000_001);
    header.set_size(body.len() as u64);
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, body).unwrap();
}

fn read_sdist(archive: &Path) -> (Result<sdist::Sdist, PypiError>, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("inner");
    fs::create_dir(&to).unwrap();
    let surveyed = sdist::survey("x-1.tar.gz", archive, &LIMITS);
    let unpacked = sdist::unpack("x-1.tar.gz", archive, &to, &LIMITS);
    assert_eq!(surveyed.is_ok(), unpacked.is_ok(), "both readers see the same archive");
    (surveyed, to, folder)
}

#[test]
fn a_source_distribution_is_unpacked_as_it_is() {
    use std::os::unix::fs::MetadataExt as _;
    let archive = tar_gz(|tar| {
        member(tar, "x-1/", tar::EntryType::Directory, b"", "");
        member(tar, "x-1/src/x/a.py", tar::EntryType::Regular, b"a = 1\n", "");
        member(tar, "x-1/pyproject.toml", tar::EntryType::Regular, b"[project]\n", "");
    });
    let (sdist, to, _folder) = read_sdist(archive.path());
    let sdist = sdist.unwrap();
    assert_eq!((sdist.folder.as_str(), sdist.pyproject.as_deref()), ("x-1", Some("[project]\n")));
    assert_eq!(sdist.files.keys().collect::<Vec<_>>(), ["pyproject.toml", "src/x/a.py"]);
    let there = fs::metadata(to.join("x-1/src/x/a.py")).unwrap();
    assert_eq!((there.mode() & 0o777, there.mtime(), there.len()), (0o640, 1_000_000_001, 6));
    assert_eq!(fs::metadata(to.join("x-1/src")).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn hostile_source_distributions_are_refused_and_write_nothing_outside() {
    use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    let one =
        |name: &'static str, kind, link: &'static str| tar_gz(move |tar| member(tar, name, kind, b"", link));
    let two = |a: (&'static str, tar::EntryType), b: (&'static str, tar::EntryType)| {
        tar_gz(move |tar| {
            member(tar, a.0, a.1, b"", "");
            member(tar, b.0, b.1, b"", "");
        })
    };
    let cases = [
        ("parent", one("x-1/../../evil", Regular, "")),
        ("absolute", one("/evil", Regular, "")),
        ("absolute folder", one("/evil/", Directory, "")),
        ("dot", one("x-1/./evil", Regular, "")),
        ("empty part", one("x-1//evil", Regular, "")),
        ("backslash", one("x-1/..\\evil", Regular, "")),
        ("control", one("x-1/e\u{1b}vil", Regular, "")),
        ("symbolic link", one("x-1/link", Symlink, "/etc")),
        ("harmless link", one("x-1/link", Symlink, "a")),
        ("hard link", one("x-1/link", Link, "/etc/passwd")),
        ("device", one("x-1/null", Char, "")),
        ("block device", one("x-1/disk", Block, "")),
        ("pipe", one("x-1/pipe", Fifo, "")),
        ("no folder", one("evil", Regular, "")),
        ("nothing", tar_gz(|_| {})),
        ("only a folder", one("x-1/", Directory, "")),
        ("two at the top", two(("x-1/a", Regular), ("y-1/b", Regular))),
        ("twice", two(("x-1/a", Regular), ("x-1/a", Regular))),
        ("file and folder", two(("x-1/a", Regular), ("x-1/a/b", Regular))),
        ("folder and file", two(("x-1/a/b", Regular), ("x-1/a", Regular))),
        ("file, then folder", two(("x-1/a", Regular), ("x-1/a/", Directory))),
    ];
    for (what, archive) in cases {
        let (read, to, folder) = read_sdist(archive.path());
        assert!(matches!(read, Err(PypiError::Distribution { .. })), "{what}: {read:?}");
        let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(outside, std::slice::from_ref(&to), "{what}");
        assert!(!to.join("evil").exists(), "{what}");
    }
    let cut = tar_gz(|tar| member(tar, "x-1/a", Regular, &[7; 4000], ""));
    let whole = fs::read(cut.path()).unwrap();
    fs::write(cut.path(), &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(read_sdist(cut.path()).0, Err(PypiError::Archive { .. })));
}

#[test]
fn a_source_distribution_ends_at_its_bounds() {
    let bomb = tar_gz(|tar| member(tar, "x-1/zeros", tar::EntryType::Regular, &vec![0; 1 << 20], ""));
    let mut limits = LIMITS;
    limits.sdist.expanded_bytes_max = 1 << 16;
    assert!(sdist::survey("x-1.tar.gz", bomb.path(), &limits).is_err());
    let many = tar_gz(|tar| {
        for n in 0..20 {
            member(tar, &format!("x-1/{n}"), tar::EntryType::Regular, b"", "");
        }
    });
    let mut limits = LIMITS;
    limits.sdist.members_max = 10;
    assert!(sdist::survey("x-1.tar.gz", many.path(), &limits).is_err());
    let deep = tar_gz(|tar| {
        let name = format!("x-1/{}f", "d/".repeat(40));
        member(tar, &name, tar::EntryType::Regular, b"", "");
    });
    assert!(sdist::survey("x-1.tar.gz", deep.path(), &PypiLimits { depth_max: 20, ..LIMITS }).is_err());
}

/// A wheel with these members, and a `RECORD` of them as `change` leaves it.
fn wheel(
    members: &[(&'static str, &[u8])],
    change: impl FnOnce(String) -> String,
) -> tempfile::NamedTempFile {
    let info: (&'static str, &[u8]) =
        ("x-1.dist-info/WHEEL", b"Wheel-Version: 1.0\nGenerator: setuptools (80.9.0)\n");
    let mut all = members.to_vec();
    all.push(info);
    let row = |(name, body): &(&str, &[u8])| {
        let digest = URL_SAFE_NO_PAD.encode(Digest::sha256(body).as_bytes());
        format!("{name},sha256={digest},{}\n", body.len())
    };
    let record: String = all.iter().map(row).collect();
    let record = change(format!("{record}x-1.dist-info/RECORD,,\n"));
    all.push(("x-1.dist-info/RECORD", record.as_bytes()));
    zip(&all)
}

fn zip(members: &[(&'static str, &[u8])]) -> tempfile::NamedTempFile {
    let files: Vec<_> = members.iter().map(|(name, body)| archives::file(name, *body)).collect();
    file_of(&archives::zip(&files, 0, ""))
}

fn site(wheels: &[&tempfile::NamedTempFile]) -> (Result<Site, PythonError>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let named: Vec<_> =
        wheels.iter().map(|file| ("x-1-py3-none-any.whl".to_owned(), file.path().to_path_buf())).collect();
    (Site::make(&folder.path().join("site"), &named, &LIMITS), folder)
}

#[test]
fn a_site_holds_what_wheels_install_beside_python_s_modules() {
    let one = wheel(
        &[("x/__init__.py", b"x = 1\n"), ("x-1.data/scripts/run", b"#!"), ("x-1.data/purelib/y.py", b"")],
        |record| record,
    );
    let (made, _folder) = site(&[&one]);
    let made = made.unwrap();
    assert_eq!(fs::read(made.folder().join("x/__init__.py")).unwrap(), b"x = 1\n");
    assert!(made.folder().join("y.py").exists() && made.folder().join("x-1.dist-info/WHEEL").exists());
    assert!(!made.folder().join("x-1.data").exists() && !made.folder().join("run").exists());
    let (twice, _folder) = site(&[&one, &one]);
    assert!(matches!(twice, Err(PythonError::Index(PypiError::Distribution { .. }))), "{twice:?}");
}

#[test]
fn a_false_record_is_refused() {
    let body: &[(&'static str, &[u8])] = &[("x/a.py", b"a = 1\n")];
    for (what, file) in [
        ("other bytes", wheel(body, |record| record.replacen(",6\n", ",7\n", 1))),
        ("unlisted", wheel(body, |record| record.lines().skip(1).map(|l| format!("{l}\n")).collect())),
        ("absent", wheel(body, |record| format!("gone.py,sha256=AA,1\n{record}"))),
        ("weak", wheel(body, |record| record.replacen("sha256=", "md5=", 1))),
        ("no list at all", zip(&[("x/a.py", b"a"), ("x-1.dist-info/WHEEL", b"Wheel-Version: 1.0\n")])),
        ("no wheel at all", zip(&[("x/a.py", b"a")])),
    ] {
        let (made, _folder) = site(&[&file]);
        assert!(matches!(made, Err(PythonError::Record { .. })), "{what}: {made:?}");
    }
    assert!(site(&[&wheel(body, |record| record)]).0.is_ok());
}

#[test]
fn hostile_wheels_are_refused_and_write_nothing_outside() {
    let good = zip(&[("a/b.py", b"b"), ("c.py", b"c")]);
    let open = |file: &tempfile::NamedTempFile| WheelFile::open("x.whl", file.path(), &LIMITS);
    assert!(open(&good).is_ok());
    let mut cases: Vec<(&str, tempfile::NamedTempFile)> = vec![
        ("twice", zip(&[("a.py", b"1"), ("a.py", b"2")])),
        ("file and folder", zip(&[("a", b"1"), ("a/b", b"2")])),
        ("no zip", tempfile::NamedTempFile::new().unwrap()),
    ];
    let bytes = fs::read(good.path()).unwrap();
    // Names of the same length in both headers, so that everything else stays as it is.
    for (what, name) in
        [("parent", b"../../".as_slice()), ("absolute", b"/b.py/"), ("dot", b"a/./bc"), ("nul", b"a\0b.py")]
    {
        let mut changed = bytes.clone();
        let at: Vec<usize> =
            (0..changed.len() - 6).filter(|at| &changed[*at..*at + 6] == b"a/b.py").collect();
        assert_eq!(at.len(), 2);
        at.iter().for_each(|at| changed[*at..*at + 6].copy_from_slice(name));
        cases.push((what, file_of(&changed)));
    }
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    for (what, at, byte) in [
        ("headers disagree about the method", central + 10, 8),
        ("headers disagree about the sum", central + 16, bytes[central + 16] ^ 1),
        ("encrypted", central + 8, bytes[central + 8] | 1),
        ("headers disagree about the name", central + 46, b'z'),
    ] {
        let mut changed = bytes.clone();
        changed[at] = byte;
        cases.push((what, file_of(&changed)));
    }
    let mut link = bytes.clone();
    link[central + 5] = 3;
    link[central + 41] = 0o120_000_u32.to_le_bytes()[1];
    cases.push(("link", file_of(&link)));
    for (what, file) in &cases {
        let refused = open(file);
        let expected = matches!(refused, Err(PypiError::Distribution { .. } | PypiError::Archive { .. }));
        assert!(expected, "{what}: {refused:?}");
    }
    // The content is checked when it is read.
    let mut content = bytes;
    let at = content.windows(6).position(|w| w == b"a/b.py").unwrap() + 6;
    content[at] ^= 1;
    let (folder, file) = (tempfile::tempdir().unwrap(), file_of(&content));
    let error = open(&file).unwrap().unpack(folder.path()).unwrap_err();
    assert!(matches!(error, PypiError::Distribution { .. }), "{error}");
}

fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

/// An index that announces and serves the attestation of a real file.
fn attesting(document: Vec<u8>, file: &str) -> Server {
    let listed = format!(
        r#"{{"meta": {{"api-version": "1.3"}}, "name": "pypi-attestations", "files": [{{"filename": "{file}",
            "url": "/f", "hashes": {{"sha256": "{ATTESTED}"}}, "provenance": "/p"}}]}}"#
    );
    Server::new(move |asked| match asked.target.as_str() {
        "/simple/pypi-attestations/" => Reply::new("200 OK", &[JSON], listed.as_bytes()),
        "/p" => Reply::ok(&document),
        _ => Reply::status("404 Not Found"),
    })
}

const ATTESTED: &str = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3";

#[test]
fn attestations_are_judged_against_the_publisher_that_the_definition_names() {
    let file = "pypi_attestations-0.0.19.tar.gz";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/corpus/attestations/cases/pep740/publish-attestation");
    let Ok(attestation) = fs::read(folder.join(format!("{file}.publish.attestation"))) else {
        println!("the corpus of attestations is not beside the sources: not tested");
        return;
    };
    let attestation: serde_json::Value = serde_json::from_slice(&attestation).unwrap();
    let document = |attestation: &serde_json::Value| {
        let bundle = serde_json::json!({"publisher": {"kind": "GitHub"}, "attestations": [attestation]});
        serde_json::to_vec(&serde_json::json!({"version": 1, "attestation_bundles": [bundle]})).unwrap()
    };
    let judged = |document: Vec<u8>, publisher: Option<(&str, &str)>, digest: &str| {
        let server = attesting(document, file);
        let project = ProjectName::new("pypi-attestations").unwrap();
        let publisher = publisher.map(|(repository, workflow)| TrustedPublisher {
            repository: repository.to_owned(),
            workflow: workflow.to_owned(),
        });
        let locked = LockedDistribution {
            project: project.clone(),
            version: "0.0.19".to_owned(),
            file: file.to_owned(),
            size: 1,
            digest: Digest::from_hex(Algorithm::Sha256, digest).unwrap(),
        };
        with(&server, |access| {
            let listing = pypi::listing(access, &project).unwrap();
            let as_of = "2026-01-01T00:00:00Z".parse().unwrap();
            pypi::attested(access, listing.file(file).unwrap(), &locked, publisher.as_ref(), as_of).unwrap()
        })
    };
    let right = Some(("trailofbits/pypi-attestations", "release.yml"));
    let good = document(&attestation);
    let Attested::Judged { verdict, signers, reason } = judged(good.clone(), right, ATTESTED) else {
        panic!("not judged")
    };
    assert_eq!((verdict, reason.as_str()), (Verdict::Pass, ""));
    assert!(signers[0].contains("trailofbits/pypi-attestations"), "{signers:?}");

    assert_eq!(judged(good.clone(), None, ATTESTED), Attested::NobodyNamed);
    let mut forged = attestation.clone();
    forged["envelope"]["signature"] = serde_json::json!("AAAA");
    let other = hex(b"other");
    for (what, document, publisher, digest) in [
        ("another repository", good.clone(), Some(("evil/pypi-attestations", "release.yml")), ATTESTED),
        ("another workflow", good.clone(), Some(("trailofbits/pypi-attestations", "tests.yml")), ATTESTED),
        ("another file", good, right, other.as_str()),
        ("a forged signature", document(&forged), right, ATTESTED),
        ("no attestation", document(&serde_json::json!({})), right, ATTESTED),
        ("no document", b"{".to_vec(), right, ATTESTED),
    ] {
        let found = judged(document, publisher, digest);
        let Attested::Judged { verdict, reason, .. } = &found else { panic!("{what}: {found:?}") };
        assert_eq!(*verdict, Verdict::Fail, "{what}: {reason}");
        assert!(!reason.is_empty(), "{what}");
    }
}
