//! The defined releases against the archive that the host's apt configuration names.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use reprove::component::Component;
use reprove::environment::lock;
use reprove::environment::runtime::RuntimeLock;
use reprove::event::Silent;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::debian::DebianLimits;
use reprove::limits::fetch::FetchLimits;
use reprove::limits::signature::SignatureLimits;
use reprove::source::debian::{Access, Archive, Mirrors, SourceAcquisition, acquire};
use reprove::store::Store;
use reprove::verdict::Verdict;
use reprove::verify::openpgp::Keyring;

/// The host's mirrors, or none with a word about it.
pub(crate) fn host_mirrors() -> Option<Mirrors> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut paths = vec![Path::new("/etc/apt/sources.list").to_path_buf()];
    paths.extend(fs::read_dir(folder).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())));
    let wanted = |p: &Path| p.extension().is_some_and(|e| e == "list" || e == "sources");
    let files: Vec<_> = paths
        .iter()
        .filter(|p| wanted(p))
        .filter_map(|p| Some((p.display().to_string(), fs::read_to_string(p).ok()?)))
        .collect();
    let mirrors = Mirrors::from_apt(&files, &DebianLimits::DEFAULT).unwrap();
    if mirrors.bases(Archive::Debian).is_err() {
        eprintln!("needs an apt configuration that names a mirror of Debian: not tested");
        return None;
    }
    Some(mirrors)
}

/// Components whose uploader's key, as the keyring has it, does not vouch at the time of signing: one is
/// bound by SHA-1 alone, which establishes nothing after January 2023; of the other only a later binding
/// is kept.
const NOT_BOUND: [&str; 2] = ["libcue", "sl"];

/// Every locked source is authentic, or named as missing file by file; every `.dsc` that is there was
/// signed by a key of the project's keyring.
#[test]
fn locked_sources_are_authentic_or_named_as_missing() {
    let Some(mirrors) = host_mirrors() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let fetcher = Fetcher::new(Proxies::None, FetchLimits::DEFAULT);
    let keyring = fs::read(root.join("policies/trust/debian-developers.pgp")).unwrap();
    let developers = Keyring::read(&keyring, &SignatureLimits::DEFAULT).unwrap();
    let limits = DebianLimits::DEFAULT;
    let access = Access { mirrors: &mirrors, fetcher: &fetcher, store: &store, observer: &Silent, limits };
    for component in Component::all(root).unwrap() {
        for release in &component.releases {
            if release.debian().is_none() {
                continue;
            }
            let path = component.lock_path(release);
            if !path.exists() {
                // A release of which only the published binary is started.
                RuntimeLock::of_release(&component, release).unwrap();
                continue;
            }
            let lock = lock::read(&path, &component.name).unwrap();
            assert_eq!(lock.purl, release.purl.to_string());
            let signature = match acquire(&access, &lock.source, &developers, Timestamp::now()).unwrap() {
                SourceAcquisition::Authenticated(found) => {
                    eprintln!("{}: authenticated, {}", lock.purl, found.dsc.signature);
                    Some(found.dsc.signature)
                }
                SourceAcquisition::Unavailable(gone) => {
                    let missing: Vec<_> = gone.missing.iter().map(|m| m.name.as_str()).collect();
                    eprintln!("{}: unavailable: {}", lock.purl, missing.join(", "));
                    assert!(!missing.is_empty());
                    gone.signature
                }
            };
            if let Some(signature) = signature {
                let bound = !NOT_BOUND.contains(&component.name.as_str());
                let expected = if bound { Verdict::Pass } else { Verdict::Inconclusive };
                assert_eq!(signature.verdict, expected, "{}: {signature}", lock.purl);
            }
        }
    }
}
