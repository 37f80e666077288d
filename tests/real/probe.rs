//! Probes of the register on binaries that Debian published, from their run-time locks.

use std::num::NonZeroUsize;
use std::path::Path;

use reprove::component::Component;
use reprove::environment::debian::acquire_runtime;
use reprove::environment::root_fs::{self, BuildUser};
use reprove::environment::runtime::RuntimeLock;
use reprove::evaluate::evidence::Check;
use reprove::evaluate::register::Register;
use reprove::event::Silent;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::debian::DebianLimits;
use reprove::limits::fetch::FetchLimits;
use reprove::limits::probe::ProbeLimits;
use reprove::limits::root_fs::RootFsLimits;
use reprove::probe::answer::Answer;
use reprove::probe::{Probed, Subject, run};
use reprove::source::debian::{Access, Offered};
use reprove::store::Store;

use crate::debian::host_mirrors;

/// The answers of the first release of a component, or none with a word about it.
fn answers(component: &str) -> Option<Vec<Probed>> {
    let mirrors = host_mirrors()?;
    let policies = Path::new(env!("CARGO_MANIFEST_DIR"));
    let component = Component::load(policies, component).unwrap();
    let release = component.release(None).unwrap();
    let lock = RuntimeLock::of_release(&component, release).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let fetcher = Fetcher::new(Proxies::None, FetchLimits::DEFAULT);
    let limits = DebianLimits::DEFAULT;
    let access = Access { mirrors: &mirrors, fetcher: &fetcher, store: &store, observer: &Silent, limits };
    let objects = match acquire_runtime(&access, &lock, &[]).unwrap() {
        Offered::All(objects) => objects,
        Offered::Missing(missing) => {
            let names: Vec<_> = missing.into_iter().map(|file| file.name).collect();
            eprintln!("{}: not probed, no longer offered: {}", lock.purl, names.join(", "));
            return None;
        }
    };
    let packages: Vec<_> = lock.packages.iter().cloned().zip(objects.into_iter().map(|o| o.path)).collect();
    let options = root_fs::Options {
        user: BuildUser { uid: 1000, gid: 1000 },
        limits: RootFsLimits::DEFAULT,
        threads: NonZeroUsize::MIN,
    };
    let root = root_fs::ensure(&folder.path().join("roots"), &packages, &options, &Silent).unwrap();
    let register = Register::load(policies).unwrap();
    let specs = register.findings().flat_map(|(_, finding)| finding.evidence_on(&component.name));
    let probes: Vec<_> = specs
        .filter_map(|spec| match &spec.check {
            Check::Probe(probe) => Some((spec.id.as_str(), probe)),
            _ => None,
        })
        .collect();
    assert!(!probes.is_empty(), "the register has no probe of {}", component.name);
    let subject = Subject {
        root: root.path(),
        in_place: &[],
        env: &[],
        version: &release.version,
        work_dir: folder.path(),
    };
    Some(run(&subject, &probes, &ProbeLimits::DEFAULT, &Silent).unwrap())
}

/// Asserts that these probes hold, and that every probe told something.
fn hold(component: &str, ids: &[&str]) {
    let Some(answers) = answers(component) else { return };
    for probed in &answers {
        eprintln!("{}: {}", probed.id, probed.answer.word());
        assert!(!matches!(probed.answer, Answer::CouldNotTell { .. }), "{probed:#?}");
    }
    for id in ids {
        let probed = answers.iter().find(|p| p.id == *id).unwrap_or_else(|| panic!("no probe `{id}`"));
        assert_eq!(probed.answer, Answer::Holds {}, "{probed:#?}");
    }
}

#[test]
fn prometheus_of_bookworm_answers_as_was_found_by_hand() {
    hold("prometheus", &["PRM-01-001.e1", "PRM-01-001.e2", "PRM-01-003.e1", "PRM-01-005.e1", "2018-H6.e2"]);
}

/// Open since the audit of 2020: a named pipe blocks the text file collector, and an answer of another
/// type ends the exporter.
#[test]
fn the_node_exporter_of_bookworm_still_hangs_and_panics() {
    hold("prometheus-node-exporter", &["PRM-02-003.e1", "PRM-02-003.e3", "PRM-02-004.e1"]);
}
