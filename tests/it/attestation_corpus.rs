//! Real attestations with known verdicts, where the folder that holds them is present.

#[path = "../adapters/attestation_case/case.rs"]
mod case;

use std::path::{Path, PathBuf};

use reprove::limits::verify::VerifyLimits;
use reprove::verify::policy::{Pattern, Policy};
use reprove::verify::trust::Trust;
use reprove::verify::{self, Context, Finding, Subject};
use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/attestations");
    if root.join("cases").is_dir() {
        return Some(root);
    }
    eprintln!("not run: `{}` is absent", root.display());
    None
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let children = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect()
    };
    let mut found: Vec<_> = children(&root.join("cases")).iter().flat_map(|suite| children(suite)).collect();
    found.sort();
    found
}

#[test]
fn every_case_is_answered_as_expected() {
    let Some(root) = corpus() else { return };
    let folders = folders(&root);
    let mut wrong = Vec::new();
    for folder in &folders {
        let text = std::fs::read_to_string(folder.join("case.json")).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let expected = case["expect_offline"].as_str().unwrap();
        let (found, why) = match case::run(folder) {
            Ok(outcome) if outcome.accepted => ("pass", outcome.reason),
            Ok(outcome) => ("fail", outcome.reason),
            Err(case::Trouble::Refused(why)) => ("fail", why),
            Err(case::Trouble::Unsupported(what)) => ("unsupported", what),
        };
        if found != expected {
            wrong.push(format!("{}: expected {expected}, found {found}: {why}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), folders.len(), wrong.join("\n"));
    assert!(folders.len() > 300, "only {} cases", folders.len());
}

fn forged(root: &Path, name: &str) -> verify::ArtifactAnswer {
    let artifact = root.join("cases/sigstore-conformance/happy-path-v0.3-new-mediatype/a.txt");
    let (digest, _) = reprove::digest::hash_file(reprove::digest::Algorithm::Sha256, &artifact).unwrap();
    let bytes = std::fs::read(root.join("forged").join(name)).unwrap();
    let attestations = verify::document::read(&bytes, name, &VerifyLimits::DEFAULT).unwrap();
    let mut policy = Policy::new();
    policy.issuers.push(Pattern::new("https://token.actions.githubusercontent.com").unwrap());
    policy.identities.push(Pattern::new("https://github.com/**").unwrap());
    let subject = Subject {
        name: "a.txt".to_owned(),
        is_file_name: true,
        digests: reprove::digest::DigestSet::single(digest),
        bytes: None,
    };
    let context = Context {
        trust: &Trust::embedded().unwrap(),
        policy: &policy,
        log_entries: &[],
        as_of: "2026-11-01T00:00:00Z".parse().unwrap(),
        limits: &VerifyLimits::DEFAULT,
    };
    verify::verify(&[subject], &attestations, &context).remove(0)
}

#[test]
fn a_forged_log_entry_is_refused_and_a_downgraded_bundle_says_what_it_lacks() {
    let Some(root) = corpus() else { return };
    let answer = forged(&root, "forged_log.json");
    assert_eq!(answer.verdict, reprove::verdict::Verdict::Fail);
    let answer = forged(&root, "downgraded.json");
    assert_eq!(answer.verdict, reprove::verdict::Verdict::Pass, "{answer:#?}");
    let checks = &answer.attestations[0].checks;
    let log = checks.iter().find(|c| c.code == "transparency-log").unwrap();
    assert_eq!(log.found.as_deref(), Some("signed entry timestamp alone"));
    let proof = checks.iter().find(|c| c.code == "inclusion-proof").unwrap();
    assert_eq!(proof.finding, Finding::Noted);
}
