//! The exports against tables of what each specification asks for, written from the specifications, and
//! documents with one fault each against the same tables.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::report::controls::tests::sample as with_controls;
use crate::report::file::Report;

fn report() -> Report {
    Report::new(vec![with_controls()])
}

/// Faults of an object: keys that are missing, keys that nobody knows.
fn keys(faults: &mut Vec<String>, at: &str, value: &Value, required: &[&str], optional: &[&str]) {
    let Some(members) = value.as_object() else {
        faults.push(format!("{at}: no object"));
        return;
    };
    for key in required {
        if !members.contains_key(*key) {
            faults.push(format!("{at}: no `{key}`"));
        }
    }
    for (key, value) in members {
        if !required.contains(&key.as_str()) && !optional.contains(&key.as_str()) {
            faults.push(format!("{at}: `{key}` is unknown"));
        }
        if value.as_array().is_some_and(Vec::is_empty)
            && !["results", "statements", "tags", "checks"].contains(&key.as_str())
        {
            faults.push(format!("{at}: `{key}` is an empty list"));
        }
    }
}

fn one_of(faults: &mut Vec<String>, at: &str, value: &Value, allowed: &[&str]) {
    if !value.as_str().is_some_and(|v| allowed.contains(&v)) {
        faults.push(format!("{at}: {value} is none of {allowed:?}"));
    }
}

fn each<'v>(value: &'v Value, pointer: &str) -> Vec<&'v Value> {
    value.pointer(pointer).and_then(Value::as_array).map(|a| a.iter().collect()).unwrap_or_default()
}

fn sarif_faults(document: &Value) -> Vec<String> {
    let mut f = Vec::new();
    keys(&mut f, "sarif", document, &["$schema", "version", "runs"], &[]);
    one_of(&mut f, "version", &document["version"], &["2.1.0"]);
    for run in each(document, "/runs") {
        keys(&mut f, "run", run, &["tool", "results"], &["automationDetails", "columnKind", "properties"]);
        let driver = &run["tool"]["driver"];
        keys(&mut f, "driver", driver, &["name", "version", "rules"], &[]);
        let rules: Vec<&Value> = each(driver, "/rules").into_iter().map(|r| &r["id"]).collect();
        for rule in each(driver, "/rules") {
            keys(
                &mut f,
                "rule",
                rule,
                &["id", "shortDescription", "fullDescription", "defaultConfiguration", "properties"],
                &[],
            );
            one_of(
                &mut f,
                "rule level",
                &rule["defaultConfiguration"]["level"],
                &["none", "note", "warning", "error"],
            );
            if !rule["properties"]["security-severity"]
                .as_str()
                .is_some_and(|s| s.parse::<f64>().is_ok_and(|n| (0.0..=10.0).contains(&n)))
            {
                f.push("security-severity".to_owned());
            }
        }
        for result in each(run, "/results") {
            keys(
                &mut f,
                "result",
                result,
                &["ruleId", "ruleIndex", "kind", "level", "message", "locations", "partialFingerprints"],
                &["properties", "suppressions"],
            );
            one_of(
                &mut f,
                "kind",
                &result["kind"],
                &["notApplicable", "pass", "fail", "review", "open", "informational"],
            );
            one_of(&mut f, "level", &result["level"], &["none", "note", "warning", "error"]);
            if (result["kind"] == "fail") == (result["level"] == "none") {
                f.push("a level stands with `fail`, and with nothing else".to_owned());
            }
            let index = result["ruleIndex"].as_u64().and_then(|n| usize::try_from(n).ok());
            if index.and_then(|i| rules.get(i).copied()) != Some(&result["ruleId"]) {
                f.push("ruleIndex does not lead to ruleId".to_owned());
            }
            for s in each(result, "/suppressions") {
                keys(&mut f, "suppression", s, &["kind", "status", "justification"], &[]);
                one_of(&mut f, "suppression", &s["kind"], &["inSource", "external"]);
                one_of(&mut f, "suppression", &s["status"], &["accepted", "underReview", "rejected"]);
            }
        }
    }
    f
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lens: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    lens == [8, 4, 4, 4, 12]
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        && parts[2].starts_with('5')
        && parts[3].starts_with(['8', '9', 'a', 'b'])
}

/// OSCAL's token: a letter or `_`, then letters, digits, `.`, `-` and `_`.
fn is_token(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c))
}

/// Every `uuid` and every reference to one.
fn uuids(value: &Value, defined: &mut Vec<String>, used: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|v| uuids(v, defined, used)),
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value.as_str()) {
                    ("uuid", Some(id)) => defined.push(id.to_owned()),
                    ("observation-uuid" | "risk-uuid" | "subject-uuid" | "actor-uuid", Some(id)) => {
                        used.push(id.to_owned())
                    }
                    ("href", Some(id)) => used.push(id.trim_start_matches('#').to_owned()),
                    _ => uuids(value, defined, used),
                }
            }
        }
        _ => {}
    }
}

fn oscal_common(f: &mut Vec<String>, root: &Value) {
    let m = &root["metadata"];
    keys(f, "metadata", m, &["title", "last-modified", "version", "oscal-version"], &["parties"]);
    one_of(f, "oscal-version", &m["oscal-version"], &["1.2.1"]);
    let modified = m["last-modified"].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok());
    if modified.is_none() {
        f.push("last-modified".to_owned());
    }
    for party in each(m, "/parties") {
        keys(f, "party", party, &["uuid", "type"], &["name"]);
        one_of(f, "party", &party["type"], &["person", "organization"]);
    }
    let (mut defined, mut used) = (Vec::new(), Vec::new());
    uuids(root, &mut defined, &mut used);
    let all: BTreeSet<&String> = defined.iter().collect();
    if all.len() != defined.len() {
        f.push("a uuid stands there twice".to_owned());
    }
    f.extend(defined.iter().filter(|u| !is_uuid(u)).map(|u| format!("{u} is no UUID of version 5")));
    f.extend(used.iter().filter(|u| !all.contains(u)).map(|u| format!("{u} leads nowhere")));
}

fn observation_faults(f: &mut Vec<String>, within: &Value) {
    for o in each(within, "/observations") {
        keys(
            f,
            "observation",
            o,
            &["uuid", "description", "methods", "collected"],
            &["title", "types", "subjects", "relevant-evidence"],
        );
        each(o, "/methods")
            .iter()
            .for_each(|m| one_of(f, "method", m, &["EXAMINE", "INTERVIEW", "TEST", "UNKNOWN"]));
        each(o, "/types").iter().for_each(|t| {
            one_of(f, "type", t, &["ssp-statement-issue", "control-objective", "mitigation", "discovery"])
        });
        for s in each(o, "/subjects") {
            keys(f, "subject", s, &["subject-uuid", "type"], &[]);
        }
        for e in each(o, "/relevant-evidence") {
            keys(f, "evidence", e, &["description"], &["href"]);
        }
    }
}

fn component_faults(f: &mut Vec<String>, within: &Value) {
    for c in each(within, "/components") {
        keys(f, "component", c, &["uuid", "type", "title", "description", "status"], &[]);
        one_of(
            f,
            "component",
            &c["status"]["state"],
            &["under-development", "operational", "disposition", "other"],
        );
    }
}

fn results_faults(document: &Value) -> Vec<String> {
    let mut f = Vec::new();
    keys(&mut f, "document", document, &["assessment-results"], &[]);
    let root = &document["assessment-results"];
    keys(&mut f, "assessment-results", root, &["uuid", "metadata", "import-ap", "results"], &["back-matter"]);
    keys(&mut f, "import-ap", &root["import-ap"], &["href"], &[]);
    oscal_common(&mut f, root);
    for result in each(root, "/results") {
        keys(
            &mut f,
            "result",
            result,
            &["uuid", "title", "description", "start", "reviewed-controls"],
            &["local-definitions", "observations", "findings"],
        );
        keys(&mut f, "reviewed-controls", &result["reviewed-controls"], &["control-selections"], &[]);
        component_faults(&mut f, &result["local-definitions"]);
        observation_faults(&mut f, result);
        for finding in each(result, "/findings") {
            keys(
                &mut f,
                "finding",
                finding,
                &["uuid", "title", "description", "target"],
                &["related-observations"],
            );
            let target = &finding["target"];
            keys(&mut f, "target", target, &["type", "target-id", "status"], &["description"]);
            one_of(&mut f, "target", &target["type"], &["statement-id", "objective-id"]);
            one_of(&mut f, "status", &target["status"]["state"], &["satisfied", "not-satisfied"]);
            one_of(&mut f, "reason", &target["status"]["reason"], &["pass", "fail", "other"]);
            if !target["target-id"].as_str().is_some_and(is_token) {
                f.push(format!("{} is no token", target["target-id"]));
            }
        }
    }
    f
}

fn plan_faults(document: &Value) -> Vec<String> {
    let mut f = Vec::new();
    let root = &document["plan-of-action-and-milestones"];
    keys(
        &mut f,
        "plan",
        root,
        &["uuid", "metadata", "system-id", "poam-items"],
        &["local-definitions", "observations", "risks"],
    );
    keys(&mut f, "system-id", &root["system-id"], &["id"], &["identifier-type"]);
    oscal_common(&mut f, root);
    component_faults(&mut f, &root["local-definitions"]);
    observation_faults(&mut f, root);
    for risk in each(root, "/risks") {
        keys(
            &mut f,
            "risk",
            risk,
            &["uuid", "title", "description", "statement", "status"],
            &["characterizations", "deadline"],
        );
        one_of(
            &mut f,
            "risk",
            &risk["status"],
            &["open", "investigating", "remediating", "deviation-requested", "deviation-approved", "closed"],
        );
        for c in each(risk, "/characterizations") {
            keys(&mut f, "characterization", c, &["origin", "facets"], &[]);
            for facet in each(c, "/facets") {
                keys(&mut f, "facet", facet, &["name", "system", "value"], &[]);
            }
        }
    }
    for item in each(root, "/poam-items") {
        keys(
            &mut f,
            "item",
            item,
            &["uuid", "title", "description"],
            &["related-observations", "related-risks"],
        );
    }
    f
}

fn vex_faults(document: &Value) -> Vec<String> {
    let mut f = Vec::new();
    keys(
        &mut f,
        "vex",
        document,
        &["@context", "@id", "author", "role", "timestamp", "version", "statements"],
        &[],
    );
    one_of(&mut f, "context", &document["@context"], &["https://openvex.dev/ns/v0.2.0"]);
    if document["version"].as_u64().unwrap_or_default() == 0 {
        f.push("version".to_owned());
    }
    for s in each(document, "/statements") {
        keys(
            &mut f,
            "statement",
            s,
            &["vulnerability", "products", "status"],
            &["status_notes", "timestamp", "action_statement", "impact_statement"],
        );
        keys(&mut f, "vulnerability", &s["vulnerability"], &["name"], &["description"]);
        one_of(&mut f, "status", &s["status"], &["not_affected", "affected", "fixed", "under_investigation"]);
        if s["status"] == "affected" && s.get("action_statement").is_none() {
            f.push("affected without an action statement".to_owned());
        }
        if s["status"] == "not_affected" && s.get("impact_statement").is_none() {
            f.push("not affected without an impact statement".to_owned());
        }
    }
    f
}

fn faults(format: Format, document: &Value) -> Vec<String> {
    match format {
        Format::Sarif => sarif_faults(document),
        Format::OscalAssessmentResults => results_faults(document),
        Format::OscalPoam => plan_faults(document),
        Format::OpenVex => vex_faults(document),
    }
}

fn rendered(format: Format) -> Value {
    serde_json::from_str(&format.render(&report())).unwrap()
}

#[test]
fn each_format_is_what_its_specification_asks_for() {
    for format in Format::ALL {
        let document = rendered(format);
        assert_eq!(faults(format, &document), Vec::<String>::new(), "{}", format.word());
        assert_eq!(format.render(&report()), format.render(&report()), "{}", format.word());
        let empty: Value = serde_json::from_str(&format.render(&Report::new(Vec::new()))).unwrap();
        assert!(empty.is_object());
    }
    assert!(each(&rendered(Format::Sarif), "/runs/0/results").len() > 40);
    assert!(each(&rendered(Format::OscalPoam), "/plan-of-action-and-milestones/poam-items").len() > 1);
}

#[test]
fn a_document_with_a_fault_is_told_from_one_without() {
    let ar = "/assessment-results";
    let poam = "/plan-of-action-and-milestones";
    for (format, pointer, to) in [
        (Format::Sarif, "/version".to_owned(), json!("2.0.0")),
        (Format::Sarif, "/runs/0/results/0/kind".to_owned(), json!("bogus")),
        (Format::Sarif, "/runs/0/results/0/ruleIndex".to_owned(), json!(9999)),
        (Format::Sarif, "/runs/0/results/0/level".to_owned(), json!("error")),
        (Format::OscalAssessmentResults, format!("{ar}/metadata/oscal-version"), json!("1.2.2")),
        (
            Format::OscalAssessmentResults,
            format!("{ar}/results/0/findings/0/target/status/state"),
            json!("met"),
        ),
        (Format::OscalAssessmentResults, format!("{ar}/results/0/findings/0/target/target-id"), json!("1 x")),
        (
            Format::OscalAssessmentResults,
            format!("{ar}/results/0/findings/0/related-observations/0/observation-uuid"),
            json!(uuid("nowhere")),
        ),
        (Format::OscalAssessmentResults, format!("{ar}/results/0/observations/0/uuid"), json!("x")),
        (Format::OscalAssessmentResults, format!("{ar}/import-ap"), json!({})),
        (Format::OscalPoam, format!("{poam}/risks/0/status"), json!("unclear")),
        (Format::OscalPoam, format!("{poam}/poam-items/0/related-risks/0/risk-uuid"), json!(uuid("nowhere"))),
        (Format::OscalPoam, format!("{poam}/system-id"), json!({})),
        (Format::OpenVex, "/@context".to_owned(), json!("https://openvex.dev/ns")),
        (Format::OpenVex, "/version".to_owned(), json!(0)),
    ] {
        let mut document = rendered(format);
        *document.pointer_mut(&pointer).unwrap_or_else(|| panic!("{pointer}")) = to;
        assert!(!faults(format, &document).is_empty(), "{} {pointer}", format.word());
    }
}

/// What was not established is no pass in any format, and what fails fails in all of them.
#[test]
fn three_answers_stay_three() {
    let report = report();
    let items = super::items::of(&report.components()[0]);
    let sarif = rendered(Format::Sarif);
    let results = rendered(Format::OscalAssessmentResults);
    for item in &items {
        let in_sarif = each(&sarif, "/runs/0/results").into_iter().find(|r| r["ruleId"] == item.id).unwrap();
        let in_oscal = each(&results, "/assessment-results/results/0/findings")
            .into_iter()
            .find(|f| f["target"]["target-id"] == item.id)
            .unwrap();
        let status = &in_oscal["target"]["status"];
        let expected = match item.showing {
            super::items::Showing::Good => ("pass", "satisfied", "pass"),
            super::items::Showing::Bad => ("fail", "not-satisfied", "fail"),
            super::items::Showing::Told => ("informational", "satisfied", "pass"),
            super::items::Showing::Unknown => ("review", "not-satisfied", "other"),
            super::items::Showing::Elsewhere => ("notApplicable", "satisfied", "other"),
        };
        let found = (
            in_sarif["kind"].as_str().unwrap(),
            status["state"].as_str().unwrap(),
            status["reason"].as_str().unwrap(),
        );
        assert_eq!(found, expected, "{}", item.id);
    }
    for showing in ["pass", "fail", "review", "informational", "notApplicable"] {
        assert!(each(&sarif, "/runs/0/results").iter().any(|r| r["kind"] == showing), "{showing}");
    }
}

#[test]
fn identifiers_are_those_of_names() {
    // RFC 9562, appendix A.4, is of `www.example.com` in the namespace of DNS.
    assert_eq!(
        Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"www.example.com").to_string(),
        "2ed6657d-e927-568b-95e1-2665a8aea6a2"
    );
    assert!(is_uuid(&uuid("a")) && uuid("a") != uuid("b"));
}
