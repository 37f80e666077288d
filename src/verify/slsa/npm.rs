//! npm's attestation document: provenance by the builder, and the registry's publish attestation.

use super::super::Check;
use super::super::authenticated::{Authenticated, Content};
use super::super::builders::{BuilderUse, Builders};
use super::super::json;
use super::super::policy::SlsaDemand;
use super::super::statement::ForeignStatement;
use super::builder_id::BuilderId;
use super::version::VersionTag;
use super::view::{Provenance, Writer};
use super::workflow::Workflow;
use super::{PROVENANCE_V0_2, PROVENANCE_V1, common, level, provenance, source_of_certificate};
use crate::digest::DigestSet;
use crate::statement::dsse::PAYLOAD_TYPE_IN_TOTO;

/// Beginning of the registry's predicate types.
pub(crate) const PUBLISH_PREFIX: &str = "https://github.com/npm/attestation/tree/main/specs/publish/";

const RUNNER: &str = "https://github.com/actions/runner";
const RUNNER_HOSTED: &str = "https://github.com/actions/runner/github-hosted";
const RUNNER_SELF_HOSTED: &str = "https://github.com/actions/runner/self-hosted";
const CLI_V0_2: &[&str] = &["https://github.com/npm/cli/gha@v1", "https://github.com/npm/cli/gha/v2"];
const CLI_V1: &[&str] = &["https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"];
const PURL: &str = "pkg:npm/";

/// The two halves, authenticated.
pub(crate) struct Halves<'a> {
    pub(crate) provenance: &'a Authenticated,
    pub(crate) publish: &'a Authenticated,
}

/// Checks both halves and that they speak of the same package.
pub(crate) fn check(
    halves: &Halves<'_>,
    statements: (&ForeignStatement, &ForeignStatement),
    artifact: &DigestSet,
    demand: &SlsaDemand,
    builders: &Builders,
    out: &mut Vec<Check>,
) {
    let (statement, publish) = statements;
    headers(halves, statement, publish, out);
    for (code, statement) in [("artifact-digest", statement), ("publish-digest", publish)] {
        out.push(
            Check::when(code, statement.subject_of(artifact, None).is_some())
                .expected(artifact.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
                .found(subjects(statement))
                .from("subject")
                .next_step("the attestation is about another package file"),
        );
    }
    package(statement, publish, demand, out);
    let Some(certificate) = &halves.provenance.certificate else { return };
    let workflow = match Workflow::of(certificate) {
        Ok(workflow) => workflow,
        Err(check) => return out.push(check),
    };
    source_of_certificate(&workflow, demand, out);
    let payload_type = match &halves.provenance.content {
        Content::Payload { payload_type, .. } => payload_type.as_str(),
        Content::Message(_) => "none",
    };
    let Some(provenance) = provenance(payload_type, statement, out) else { return };
    let delegator = builders.find(workflow.name).filter(|b| {
        b.delegator
            && b.trusted_for.contains(&BuilderUse::Artifact)
            && Some(b.issuer.as_str()) == certificate.issuer()
    });
    let Some(wanted) = demand.builder_id.as_deref() else {
        out.push(
            Check::refuted("builder")
                .expected("a builder in the policy")
                .found("none: for npm packages it has to be named")
                .from("policy")
                .next_step(format!(
                    "name the builder with `--builder-id {RUNNER_HOSTED}` if that built the package"
                )),
        );
        return;
    };
    if let Some(builder) = delegator {
        delegated(&provenance, &workflow, wanted, (&builder.build_types_v0_2, &builder.build_types_v1), out);
        common(&provenance, Writer::Delegator, &workflow, demand, out);
        level(Some(builder.level_max), demand, out);
    } else {
        command_line(&provenance, &workflow, wanted, out);
        common(&provenance, Writer::User, &workflow, demand, out);
        super::backed::check(&provenance, statement, &workflow, out);
        // The npm client runs in the user's own workflow, which SLSA calls level 2.
        level(Some(2), demand, out);
    }
}

fn headers(
    halves: &Halves<'_>,
    statement: &ForeignStatement,
    publish: &ForeignStatement,
    out: &mut Vec<Check>,
) {
    for (what, half) in [("provenance", halves.provenance), ("publish attestation", halves.publish)] {
        if let Content::Payload { payload_type, .. } = &half.content
            && payload_type != PAYLOAD_TYPE_IN_TOTO
        {
            let check = Check::refuted("predicate").expected(PAYLOAD_TYPE_IN_TOTO);
            out.push(check.found(payload_type.clone()).from(what));
        }
    }
    let is_provenance =
        statement.predicate_type == PROVENANCE_V0_2 || statement.predicate_type == PROVENANCE_V1;
    if !is_provenance {
        out.push(
            Check::refuted("predicate")
                .expected("SLSA provenance")
                .found(statement.predicate_type.clone())
                .from("predicateType"),
        );
    }
    out.push(
        Check::when("publish-predicate", publish.predicate_type.starts_with(PUBLISH_PREFIX))
            .expected(format!("{PUBLISH_PREFIX}*"))
            .found(publish.predicate_type.clone())
            .from("publish predicateType"),
    );
}

fn subjects(statement: &ForeignStatement) -> String {
    let list: Vec<_> = statement
        .subjects
        .iter()
        .take(4)
        .map(|s| {
            let digests: Vec<_> = s.digest.iter().map(|(a, d)| format!("{a}:{d}")).collect();
            format!(
                "{} {}",
                s.name,
                if digests.is_empty() { "without digest".to_owned() } else { digests.join(" ") }
            )
        })
        .collect();
    if list.is_empty() { "no subject".to_owned() } else { list.join(", ") }
}

fn delegated(
    provenance: &Provenance,
    workflow: &Workflow<'_>,
    wanted: &str,
    build_types: (&[String], &[String]),
    out: &mut Vec<Check>,
) {
    let tag = workflow.git_ref.strip_prefix("refs/tags/").and_then(VersionTag::parse);
    out.push(
        Check::when("builder-ref", tag.is_some_and(|t| t.is_plain_release()))
            .expected("refs/tags/vX.Y.Z")
            .found(workflow.git_ref)
            .from("certificate subject alternative name"),
    );
    out.push(
        Check::when("runner", workflow.runner() != Some("self-hosted"))
            .expected("no self-hosted runner")
            .found(workflow.runner().unwrap_or("not said"))
            .from(super::place(11)),
    );
    let allowed = match provenance {
        Provenance::V0_2(_) => build_types.0,
        Provenance::V1(_) => build_types.1,
    };
    out.push(
        Check::when("build-type", allowed.iter().any(|t| t == provenance.build_type()))
            .expected(allowed.join(" or "))
            .found(provenance.build_type())
            .from("predicate"),
    );
    builder_id(provenance, wanted, out);
}

fn command_line(provenance: &Provenance, workflow: &Workflow<'_>, wanted: &str, out: &mut Vec<Check>) {
    let runner = workflow.runner();
    let name = BuilderId::parse(wanted).map(|id| id.name).unwrap_or_default();
    let needed = match name {
        RUNNER | RUNNER_HOSTED => Some("github-hosted"),
        RUNNER_SELF_HOSTED => Some("self-hosted"),
        _ => None,
    };
    out.push(
        Check::when("builder", needed.is_some() && needed == runner)
            .expected(wanted)
            .found(match runner {
                Some(runner) => format!("{RUNNER}/{runner}"),
                None => "the certificate does not say where the workflow ran".to_owned(),
            })
            .from(super::place(11))
            .next_step(format!("name `{RUNNER_HOSTED}`, or the reusable workflow that built the package")),
    );
    let allowed: &[&str] = match (provenance, name) {
        (Provenance::V0_2(_), RUNNER | RUNNER_HOSTED) => CLI_V0_2,
        (Provenance::V1(_), RUNNER_HOSTED) => CLI_V1,
        _ => &[],
    };
    out.push(
        Check::when("build-type", allowed.contains(&provenance.build_type()))
            .expected(if allowed.is_empty() {
                format!("no build type is known for `{wanted}` and this predicate")
            } else {
                allowed.join(" or ")
            })
            .found(provenance.build_type())
            .from("predicate"),
    );
    builder_id(provenance, wanted, out);
}

/// The provenance's own builder: as demanded, or with or without the runner's kind, which early
/// provenance left out.
fn builder_id(provenance: &Provenance, wanted: &str, out: &mut Vec<Check>) {
    let found = BuilderId::parse(provenance.builder_id());
    let satisfied = |wanted: &str| {
        found.as_ref().is_some_and(|found| {
            BuilderId::parse(wanted).is_some_and(|wanted| found.satisfies(&wanted, true))
        })
    };
    let other = match wanted.strip_suffix("/github-hosted") {
        Some(short) => short.to_owned(),
        None => format!("{wanted}/github-hosted"),
    };
    out.push(
        Check::when("provenance-builder", satisfied(wanted) || satisfied(&other))
            .expected(wanted)
            .found(provenance.builder_id())
            .from(provenance.builder_place()),
    );
}

fn package(
    statement: &ForeignStatement,
    publish: &ForeignStatement,
    demand: &SlsaDemand,
    out: &mut Vec<Check>,
) {
    if demand.package_name.is_none() && demand.package_version.is_none() {
        return;
    }
    let subject = match statement.subjects.as_slice() {
        [only] => only.name.strip_prefix(PURL).and_then(percent_decoded),
        _ => None,
    };
    let (name, version) = match subject.as_deref().and_then(split_package) {
        Some((name, version)) => (Some(name), version),
        None => (None, None),
    };
    let stated = |field: &str| json::text(publish.predicate(), &[field]);
    for (code, wanted, subject, stated) in [
        ("package-name", demand.package_name.as_deref(), name, stated("name")),
        ("package-version", demand.package_version.as_deref(), version, stated("version")),
    ] {
        let Some(wanted) = wanted else { continue };
        for (found, from) in [(subject, "provenance subject"), (stated, "publish predicate")] {
            out.push(
                Check::when(code, found == Some(wanted))
                    .expected(wanted)
                    .found(found.unwrap_or("none"))
                    .from(from),
            );
        }
    }
}

/// `name@version`, where a scope begins with `@` too.
fn split_package(text: &str) -> Option<(&str, Option<&str>)> {
    let offset = usize::from(text.starts_with('@'));
    match text.get(offset..)?.find('@') {
        None => Some((text, None)),
        Some(index) => {
            let (name, version) = text.split_at(offset + index);
            let version = version.get(1..)?;
            if version.contains('@') { None } else { Some((name, Some(version))) }
        }
    }
}

/// Percent encoding of a package URL; `+` is a blank, as in queries.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{percent_decoded, split_package};

    #[test]
    fn package_urls_are_split() {
        assert_eq!(percent_decoded("%40scope/name@1.0.0").as_deref(), Some("@scope/name@1.0.0"));
        assert_eq!(percent_decoded("%4"), None);
        assert_eq!(percent_decoded("%zz"), None);
        assert_eq!(split_package("@scope/name@1.0.0"), Some(("@scope/name", Some("1.0.0"))));
        assert_eq!(split_package("name"), Some(("name", None)));
        assert_eq!(split_package("name@1@2"), None);
    }
}
