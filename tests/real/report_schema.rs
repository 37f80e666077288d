//! The report's JSON against its published schema, by a validator that is not ours (Python's
//! `jsonschema`). Where that is not installed the test says so and checks nothing.

use std::io::Write as _;
use std::process::{Command, Stdio};

const SAMPLE: &str = include_str!("../../src/report/snapshots/reprove__report__tests__sample.snap.json");

const VALIDATOR: &str = "
import json, sys
from jsonschema import Draft202012Validator
schema, *documents = json.load(sys.stdin)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
for document in documents:
    errors = [e.message[:200] for e in validator.iter_errors(document)]
    print(json.dumps(errors))
";

fn validate(documents: &[serde_json::Value]) -> Option<Vec<Vec<String>>> {
    let has = Command::new("python3").args(["-c", "import jsonschema"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|s| s.success()) {
        eprintln!("not checked: no Python `jsonschema` on this machine");
        return None;
    }
    let schema = serde_json::from_str(reprove::report::SCHEMA).unwrap();
    let input: Vec<&serde_json::Value> = std::iter::once(&schema).chain(documents).collect();
    let mut child = Command::new("python3")
        .args(["-c", VALIDATOR])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&input).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect(),
    )
}

#[test]
fn reports_are_valid_and_mutations_are_not() {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).unwrap();
    let mutations: &[(&str, &str)] = &[
        ("/verdict", "\"ok\""),
        ("/verdict", "true"),
        ("/schema", "\"https://reprove.dev/schema/audit-report/v2\""),
        ("/tool/name", "1"),
        ("/components/0/outcome", "\"reproducible\""),
        ("/components/0/outcome", "\"different\""),
        ("/components/3/verdict", "\"pass\""),
        ("/components/3/blocks", "[]"),
        ("/components/0/evidence/release/purl", "\"prometheus\""),
        ("/components/0/evidence/indexes/0/digest", "\"sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709\""),
        ("/components/0/evidence/indexes/0/digest", "\"sha256:ABCD\""),
        ("/components/0/evidence/source/files/0/state", "\"ok\""),
        ("/components/0/evidence/source/signature/state", "\"fine\""),
        ("/components/0/evidence/source/signature", "{\"state\":\"refuted\"}"),
        ("/components/0/evidence/environment/packages/0/len_bytes", "-1"),
        ("/components/0/evidence/rebuild/result", "{\"state\":\"completed\",\"extra\":1}"),
        ("/components/0/evidence/artifacts/0/name", "\"a/b\""),
        ("/components/0/evidence/artifacts/0/published", "null"),
        ("/components/0/evidence/again", "\"make\""),
    ];
    let mut documents = vec![sample.clone()];
    for (pointer, value) in mutations {
        let mut document = sample.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) =
            serde_json::from_str(value).unwrap();
        assert_ne!(document, sample, "{pointer}");
        documents.push(document);
    }
    // No key may be missing, and none may be added, anywhere on the way to a package's digest.
    for pointer in
        ["", "/components/0", "/components/0/evidence", "/components/0/evidence/environment/packages/0"]
    {
        let keys: Vec<String> =
            sample.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            let mut document = sample.clone();
            document.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(&key);
            documents.push(document);
        }
        let mut document = sample.clone();
        document.pointer_mut(pointer).unwrap().as_object_mut().unwrap().insert("extra".into(), 1.into());
        documents.push(document);
    }
    let Some(errors) = validate(&documents) else { return };
    assert_eq!(errors.len(), documents.len());
    assert_eq!(errors[0], Vec::<String>::new(), "the sample is valid");
    for (i, errors) in errors.iter().enumerate().skip(1) {
        assert!(!errors.is_empty(), "mutation {i} passes: {:?}", mutations.get(i - 1));
        let text = serde_json::to_vec(&documents[i]).unwrap();
        let limits = reprove::limits::report::ReportLimits::DEFAULT;
        assert!(reprove::report::Report::from_json(&text, &limits).is_err(), "our reader takes mutation {i}");
    }
}
