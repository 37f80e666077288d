//! Provenance that a user's workflow wrote: each of its fields has to be backed by the certificate,
//! since the user could have written anything.

use serde_json::{Map, Value};

use super::super::Check;
use super::super::statement::ForeignStatement;
use super::view::Provenance;
use super::workflow::{GITHUB, Workflow};

/// Build type of GitHub's own attestations.
pub(crate) const WORKFLOW_BUILD_TYPE: &str = "https://actions.github.io/buildtypes/workflow/v1";

/// Checks everything that the certificate can back, and refuses everything that it cannot.
pub(crate) fn check(
    provenance: &Provenance,
    statement: &ForeignStatement,
    workflow: &Workflow<'_>,
    out: &mut Vec<Check>,
) {
    let mut claims = Claims { checks: Vec::new() };
    match provenance {
        Provenance::V0_2(p) => {
            if let Some(environment) = p.invocation.environment.as_object() {
                environment_v0_2(environment, workflow, &mut claims);
            } else {
                claims.unbacked("invocation.environment", "no object");
            }
            claims.empty("invocation.parameters", &p.invocation.parameters);
            claims.empty("buildConfig", &p.build_config);
            claims.equal(
                "invocation.configSource.entryPoint",
                &p.invocation.config_source.entry_point,
                workflow.build_config_path(),
            );
            if let Some(metadata) = &p.metadata {
                let run = workflow.run().map(|(run, attempt)| format!("{run}-{attempt}"));
                if !metadata.build_invocation_id.is_empty() {
                    claims.equal("metadata.buildInvocationId", &metadata.build_invocation_id, run.as_deref());
                }
                claims.none("metadata.buildStartedOn", metadata.build_started_on.as_deref());
                claims.none("metadata.buildFinishedOn", metadata.build_finished_on.as_deref());
                let complete = &metadata.completeness;
                if metadata.reproducible || complete.parameters || complete.environment || complete.materials
                {
                    claims.unbacked("metadata", "claims to be reproducible or complete");
                }
            }
            claims.one("materials", p.materials.len());
            claims.known(
                statement.predicate(),
                &["builder", "buildType", "invocation", "buildConfig", "metadata", "materials"],
                "predicate",
            );
        }
        Provenance::V1(p) => {
            let definition = &p.build_definition;
            match definition.internal_parameters.as_object() {
                Some(parameters) => {
                    claims.known(&definition.internal_parameters, &["github"], "internalParameters");
                    if let Some(github) = parameters.get("github").and_then(Value::as_object) {
                        internal_v1(github, workflow, &mut claims);
                    }
                }
                None => claims.unbacked("internalParameters", "no object"),
            }
            let path = super::super::json::text(&definition.external_parameters, &["workflow", "path"]);
            match path {
                Some(path) => {
                    claims.equal("externalParameters.workflow.path", path, workflow.build_config_path())
                }
                None => claims.unbacked("externalParameters.workflow.path", "none"),
            }
            claims.known(&definition.external_parameters, &["workflow"], "externalParameters");
            let metadata = &p.run_details.metadata;
            let run = workflow.certificate.claim(21);
            if !metadata.invocation_id.is_empty() {
                claims.equal("runDetails.metadata.invocationId", &metadata.invocation_id, run);
            }
            claims.none("runDetails.metadata.startedOn", metadata.started_on.as_deref());
            claims.none("runDetails.metadata.finishedOn", metadata.finished_on.as_deref());
            claims.one("resolvedDependencies", definition.resolved_dependencies.len());
            claims.known(statement.predicate(), &["buildDefinition", "runDetails"], "predicate");
        }
    }
    claims.one("subject", statement.subjects.len());
    if statement.subjects.iter().any(|subject| !subject.digest.contains_key("sha512")) {
        claims.unbacked("subject", "has no sha512 digest");
    }
    if claims.checks.is_empty() {
        out.push(Check::established("certificate-backs-provenance").from("certificate extensions"));
    } else {
        out.append(&mut claims.checks);
    }
}

fn environment_v0_2(environment: &Map<String, Value>, workflow: &Workflow<'_>, claims: &mut Claims) {
    let run = workflow.run();
    let reference = workflow.certificate.identity().strip_prefix(GITHUB);
    for (name, value) in environment {
        let backing = match name.as_str() {
            "GITHUB_EVENT_NAME" => Some(workflow.trigger),
            "GITHUB_REF" => workflow.certificate.claim(14),
            "GITHUB_REPOSITORY" => Some(workflow.source_repository),
            "GITHUB_REPOSITORY_ID" => workflow.certificate.claim(15),
            "GITHUB_REPOSITORY_OWNER_ID" => workflow.certificate.claim(17),
            "GITHUB_RUN_ATTEMPT" => run.map(|(_, attempt)| attempt),
            "GITHUB_RUN_ID" => run.map(|(run, _)| run),
            "GITHUB_SHA" => Some(workflow.source_commit),
            "GITHUB_WORKFLOW_REF" => reference,
            "GITHUB_WORKFLOW_SHA" => workflow.certificate.claim(10),
            _ => None,
        };
        claims.value(&format!("invocation.environment.{name}"), value, backing);
    }
}

fn internal_v1(github: &Map<String, Value>, workflow: &Workflow<'_>, claims: &mut Claims) {
    for (name, value) in github {
        let backing = match name.as_str() {
            "event_name" => Some(workflow.trigger),
            "repository_id" => workflow.certificate.claim(15),
            "repository_owner_id" => workflow.certificate.claim(17),
            _ => None,
        };
        claims.value(&format!("internalParameters.github.{name}"), value, backing);
    }
}

/// Collects what is not backed.
struct Claims {
    checks: Vec<Check>,
}

impl Claims {
    fn unbacked(&mut self, name: &str, found: &str) {
        self.checks.push(
            Check::refuted("certificate-backs-provenance")
                .expected("only what the certificate backs")
                .found(found)
                .from(name)
                .next_step("the workflow's author could have written this; do not rely on it"),
        );
    }

    fn equal(&mut self, name: &str, found: &str, backing: Option<&str>) {
        if backing != Some(found) {
            self.checks.push(
                Check::refuted("certificate-backs-provenance")
                    .expected(backing.unwrap_or("a claim in the certificate, which has none"))
                    .found(found)
                    .from(name)
                    .next_step("the workflow's author could have written this; do not rely on it"),
            );
        }
    }

    fn value(&mut self, name: &str, found: &Value, backing: Option<&str>) {
        match found.as_str() {
            Some(text) => self.equal(name, text, backing),
            None => self.unbacked(name, &found.to_string()),
        }
    }

    fn empty(&mut self, name: &str, value: &Value) {
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if !empty {
            self.unbacked(name, "not empty");
        }
    }

    fn none(&mut self, name: &str, value: Option<&str>) {
        if let Some(found) = value {
            self.unbacked(name, found);
        }
    }

    fn one(&mut self, name: &str, found: usize) {
        if found != 1 {
            self.unbacked(name, &format!("{found} entries instead of one"));
        }
    }

    fn known(&mut self, value: &Value, names: &[&str], place: &str) {
        for name in value.as_object().into_iter().flat_map(Map::keys) {
            if !names.contains(&name.as_str()) {
                self.unbacked(&format!("{place}.{}", name.escape_debug()), "a field that nothing backs");
            }
        }
    }
}
