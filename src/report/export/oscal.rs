//! OSCAL 1.2.1 (NIST): assessment results, and a plan of action and milestones of what is not as it should
//! be.
//!
//! A finding of an audit is no control objective of a catalog; its target is an objective of ours, named by
//! its id, and the plan that the results import is a resource in the same document that says so.

use serde_json::{Value, json};

use super::items::{self, Item, Kind, Showing};
use super::{time, uuid};
use crate::evaluate::evidence::Answer;
use crate::report::file::{Component, Report};

/// The version that is written. Validators take later numbers without a word, so this one is fixed.
const OSCAL: &str = "1.2.1";

fn metadata(report: &Report, title: &str) -> Value {
    json!({
        "title": title,
        "last-modified": time(report),
        "version": report.tool().version,
        "oscal-version": OSCAL,
        "parties": [{
            "uuid": uuid("party/reprove"),
            "type": "organization",
            "name": format!("{} {} (a program)", report.tool().name, report.tool().version),
        }],
    })
}

fn key(component: &Component) -> String {
    component.evidence().release.purl.clone()
}

/// The release as a component of a system.
fn software(component: &Component) -> Value {
    let release = &component.evidence().release;
    json!({
        "uuid": uuid(&format!("component/{}", key(component))),
        "type": "software",
        "title": format!("{} {}", release.component, release.version),
        "description": format!("{}, {}, {}", release.purl, release.channel, release.architecture),
        "status": { "state": "operational" },
    })
}

fn observation_id(component: &Component, item: &Item<'_>) -> String {
    uuid(&format!("observation/{}/{}", key(component), item.id))
}

fn observation(report: &Report, component: &Component, item: &Item<'_>) -> Value {
    let evidence = |a: &&Answer| {
        let found = if a.found.is_empty() { a.answered.word() } else { &a.found };
        json!({ "description": format!("{}: {}: {found}", a.id, a.answered.word()) })
    };
    let mut observation = json!({
        "uuid": observation_id(component, item),
        "title": item.id,
        "description": format!("{}: {}", item.state, item.because),
        "methods": ["TEST"],
        "types": ["discovery"],
        "subjects": [{
            "subject-uuid": uuid(&format!("component/{}", key(component))),
            "type": "component",
        }],
        "collected": time(report),
    });
    // An empty list is no list.
    let all: Vec<Value> = item.answers.iter().map(evidence).collect();
    if let (false, Some(members)) = (all.is_empty(), observation.as_object_mut()) {
        members.insert("relevant-evidence".to_owned(), all.into());
    }
    observation
}

fn finding(component: &Component, item: &Item<'_>) -> Value {
    let (state, reason) = match item.showing {
        Showing::Good | Showing::Told => ("satisfied", "pass"),
        Showing::Bad => ("not-satisfied", "fail"),
        Showing::Unknown => ("not-satisfied", "other"),
        Showing::Elsewhere => ("satisfied", "other"),
    };
    json!({
        "uuid": uuid(&format!("finding/{}/{}", key(component), item.id)),
        "title": item.title,
        "description": item.text,
        "target": {
            "type": "objective-id",
            "target-id": item.id,
            "description": format!("{}: {}", item.state, item.because),
            "status": { "state": state, "reason": reason },
        },
        "related-observations": [{ "observation-uuid": observation_id(component, item) }],
    })
}

/// The report as assessment results.
pub fn assessment_results(report: &Report) -> Value {
    let plan = uuid("resource/plan");
    let results: Vec<Value> = report
        .components()
        .iter()
        .map(|component| {
            let release = &component.evidence().release;
            let items = items::of(component);
            json!({
                "uuid": uuid(&format!("result/{}", key(component))),
                "title": format!("{} {}", release.component, release.version),
                "description": component.judgement().why,
                "start": time(report),
                "local-definitions": { "components": [software(component)] },
                "reviewed-controls": { "control-selections": [{ "include-all": {} }] },
                "observations": items.iter().map(|i| observation(report, component, i)).collect::<Vec<_>>(),
                "findings": items.iter().map(|i| finding(component, i)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "assessment-results": {
        "uuid": uuid(&format!("assessment-results/{}", keys(report))),
        "metadata": metadata(report, "Rebuild, audit findings and security model"),
        "import-ap": { "href": format!("#{plan}") },
        "results": results,
        "back-matter": { "resources": [{
            "uuid": plan,
            "title": "What is assessed",
            "description": "Each released component is rebuilt and compared, the findings of external audits and the controls of the project's security model are asked of the rebuilt program. Objectives are named by the ids of findings and controls.",
        }] },
    } })
}

fn keys(report: &Report) -> String {
    report.components().iter().map(key).collect::<Vec<_>>().join(",")
}

fn risk(component: &Component, item: &Item<'_>) -> Value {
    let party = uuid("party/reprove");
    let status = match (item.showing, item.waiver) {
        (Showing::Bad, Some(_)) => "deviation-approved",
        (Showing::Bad, None) => "open",
        _ => "investigating",
    };
    let mut risk = json!({
        "uuid": uuid(&format!("risk/{}/{}", key(component), item.id)),
        "title": item.title,
        "description": item.text,
        "statement": format!("{}: {}", item.state, item.because),
        "status": status,
        "characterizations": [{
            "origin": { "actors": [{ "type": "party", "actor-uuid": party }] },
            "facets": [{
                "name": "severity",
                "system": "https://reprove.dev/ns/severity",
                "value": item.severity.unwrap_or("unknown"),
            }],
        }],
    });
    if let (Some(shown), Some(members)) = (item.waiver, risk.as_object_mut()) {
        members.insert("deadline".to_owned(), format!("{}T23:59:59Z", shown.waiver.until).into());
    }
    risk
}

/// What is not as it should be, or was not established, as a plan of action and milestones. A plan must
/// have an item, so that one without any says that there is nothing to do.
pub fn plan_of_action(report: &Report) -> Value {
    let mut components = Vec::new();
    let (mut observations, mut risks, mut todo) = (Vec::new(), Vec::new(), Vec::new());
    for component in report.components() {
        components.push(software(component));
        for item in items::of(component) {
            let recommends = item.kind == Kind::Recommendation && item.showing == Showing::Unknown;
            if recommends || !matches!(item.showing, Showing::Bad | Showing::Unknown) {
                continue;
            }
            observations.push(observation(report, component, &item));
            risks.push(risk(component, &item));
            todo.push(json!({
                "uuid": uuid(&format!("item/{}/{}", key(component), item.id)),
                "title": format!("{}: {}", item.id, item.title),
                "description": format!("{}: {}", item.state, item.because),
                "related-observations": [{ "observation-uuid": observation_id(component, &item) }],
                "related-risks": [{ "risk-uuid": uuid(&format!("risk/{}/{}", key(component), item.id)) }],
            }));
        }
    }
    let mut plan = json!({
        "uuid": uuid(&format!("plan/{}", keys(report))),
        "metadata": metadata(report, "What is open in the audited releases"),
        "system-id": { "identifier-type": "https://ietf.org/rfc/rfc4122", "id": uuid("system/audited") },
        "local-definitions": { "components": components },
    });
    if todo.is_empty() {
        todo.push(json!({
            "uuid": uuid(&format!("item/{}/none", keys(report))),
            "title": "Nothing to do",
            "description": "Nothing was found that is not as it should be.",
        }));
    }
    if let Some(members) = plan.as_object_mut() {
        if !risks.is_empty() {
            members.insert("observations".to_owned(), observations.into());
            members.insert("risks".to_owned(), risks.into());
        }
        members.insert("poam-items".to_owned(), todo.into());
    }
    json!({ "plan-of-action-and-milestones": plan })
}
