//! SLSA provenance from GitHub: certificate, builder, source, branch, tag, inputs.
//!
//! Checks come in the order in which a reader wants to know them: who signed, which builder, which
//! repository, and only then what the provenance says. Each is made even where an earlier one is
//! refuted, so that one run shows everything that is wrong.

pub(crate) mod backed;
pub(crate) mod builder_id;
pub(crate) mod byob;
pub(crate) mod npm;
pub(crate) mod version;
pub(crate) mod view;
pub(crate) mod workflow;

use builder_id::BuilderId;
use version::VersionTag;
use view::{Provenance, Writer};
use workflow::Workflow;

use super::Check;
use super::builders::{Builder, BuilderUse, Builders, RefRule};
use super::certificate::Certificate;
pub(crate) use super::certificate::place;
use super::policy::{DefaultBuilders, SlsaDemand};
use super::statement::ForeignStatement;
use crate::statement::dsse::PAYLOAD_TYPE_IN_TOTO;

/// `predicateType` of provenance v0.2.
pub(crate) const PROVENANCE_V0_2: &str = "https://slsa.dev/provenance/v0.2";
/// `predicateType` of provenance v1.
pub(crate) const PROVENANCE_V1: &str = "https://slsa.dev/provenance/v1";
/// Beginning of SLSA's names of build levels.
pub(crate) const LEVEL_PREFIX: &str = "SLSA_BUILD_LEVEL_";
/// Build type of the npm client's first provenance.
pub(crate) const NPM_CLI_V1: &str = "https://github.com/npm/cli/gha@v1";

/// Checks provenance by a GitHub builder, all but the subject.
pub(crate) fn check(
    certificate: &Certificate,
    payload_type: &str,
    statement: &ForeignStatement,
    demand: &SlsaDemand,
    builders: &Builders,
    used_for: BuilderUse,
    out: &mut Vec<Check>,
) {
    let workflow = match Workflow::of(certificate) {
        Ok(workflow) => workflow,
        Err(check) => return out.push(check),
    };
    let builder = builder(&workflow, demand, builders, used_for, out);
    source_of_certificate(&workflow, demand, out);
    let Some(provenance) = provenance(payload_type, statement, out) else { return };
    let writer = match builder {
        Some(builder) if builder.delegator => Writer::Delegator,
        Some(builder) if builder.build_types_v1.iter().any(|t| t == backed::WORKFLOW_BUILD_TYPE) => {
            Writer::User
        }
        _ => Writer::Builder,
    };
    build_type(&provenance, builder, out);
    if writer == Writer::Delegator {
        delegated_builder(&provenance, demand, out);
    } else {
        own_builder(&provenance, &workflow, out);
    }
    common(&provenance, writer, &workflow, demand, out);
    level(builder.map(|b| b.level_max), demand, out);
}

fn builder<'b>(
    workflow: &Workflow<'_>,
    demand: &SlsaDemand,
    builders: &'b Builders,
    used_for: BuilderUse,
    out: &mut Vec<Check>,
) -> Option<&'b Builder> {
    let found = format!("{}@{}", workflow.name, workflow.git_ref);
    let from = "certificate subject alternative name";
    let known =
        builders.find(workflow.name).filter(|b| Some(b.issuer.as_str()) == workflow.certificate.issuer());
    let trusted = match demand.builder_id.as_deref() {
        Some(wanted) => {
            let delegated = known.is_some_and(|b| b.delegator && b.trusted_for.contains(&used_for));
            let matches = BuilderId { name: workflow.name, version: Some(workflow.git_ref) };
            let trusted =
                delegated || BuilderId::parse(wanted).is_some_and(|wanted| matches.satisfies(&wanted, true));
            out.push(
                Check::when("builder", trusted)
                    .expected(if delegated {
                        format!("a delegator, for `{wanted}`")
                    } else {
                        wanted.to_owned()
                    })
                    .found(found)
                    .from(from)
                    .next_step("if this builder is the one you trust, name it with `--builder-id`"),
            );
            trusted
        }
        None => {
            let trusted = demand.default_builders == DefaultBuilders::Listed
                && known.is_some_and(|b| b.trusted_for.contains(&used_for));
            let expected = match demand.default_builders {
                DefaultBuilders::Listed => "one of the builders in `policies/trust/builders.toml`",
                DefaultBuilders::None => "a builder named in the policy: none is",
            };
            out.push(Check::when("builder", trusted).expected(expected).found(found).from(from).next_step(
                "name the builder with `--builder-id`, or list it in `policies/trust/builders.toml`",
            ));
            trusted
        }
    };
    if trusted && known.is_none_or(|b| b.ref_rule == RefRule::FullVersionTag) {
        let tag = workflow.git_ref.strip_prefix("refs/tags/").and_then(VersionTag::parse);
        out.push(
            Check::when("builder-ref", tag.is_some_and(|tag| tag.is_plain_release()))
                .expected("refs/tags/vX.Y.Z")
                .found(workflow.git_ref)
                .from(from)
                .next_step("ask the publisher to call the builder at a release tag: a branch or short tag can be moved"),
        );
    }
    known.filter(|_| trusted)
}

/// The source repository that the certificate names: the builder cannot have written it itself.
pub(crate) fn source_of_certificate(workflow: &Workflow<'_>, demand: &SlsaDemand, out: &mut Vec<Check>) {
    if let Some(wanted) = demand.source_uri.as_deref() {
        let wanted = wanted.strip_prefix("git+https://").unwrap_or(wanted);
        let wanted = wanted.strip_prefix("github.com/").unwrap_or(wanted);
        out.push(
            Check::when("certificate-source", workflow.source_repository == wanted)
                .expected(wanted)
                .found(workflow.source_repository)
                .from(place(12))
                .next_step("write the source as `github.com/owner/name`, exactly as GitHub spells it, if it is the one you mean"),
        );
    } else {
        out.push(
            Check::absent("certificate-source")
                .expected("a source repository in the policy")
                .found(workflow.source_repository)
                .from(place(12))
                .next_step("demand the source with `--source-uri`: provenance without an expected source says nothing"),
        );
    }
    if let Some(wanted) = demand.source_commit.as_deref() {
        out.push(
            Check::when("source-commit", workflow.source_commit == wanted)
                .expected(wanted)
                .found(workflow.source_commit)
                .from(place(13)),
        );
    }
}

/// Reads the predicate; a check says why it cannot be.
pub(crate) fn provenance(
    payload_type: &str,
    statement: &ForeignStatement,
    out: &mut Vec<Check>,
) -> Option<Provenance> {
    if payload_type != PAYLOAD_TYPE_IN_TOTO {
        out.push(
            Check::refuted("predicate")
                .expected(PAYLOAD_TYPE_IN_TOTO)
                .found(payload_type)
                .from("payloadType"),
        );
        return None;
    }
    match Provenance::of(statement) {
        Ok(provenance) => {
            out.push(
                Check::established("predicate").found(statement.predicate_type.clone()).from("predicateType"),
            );
            Some(provenance)
        }
        Err(reason) => {
            out.push(
                Check::refuted("predicate")
                    .expected("SLSA provenance v0.2 or v1")
                    .found(reason)
                    .from("statement")
                    .next_step("give the provenance, not another attestation of the same artifact"),
            );
            None
        }
    }
}

fn build_type(provenance: &Provenance, builder: Option<&Builder>, out: &mut Vec<Check>) {
    let allowed = match (builder, provenance) {
        (None, _) => &[][..],
        (Some(b), Provenance::V0_2(_)) => b.build_types_v0_2.as_slice(),
        (Some(b), Provenance::V1(_)) => b.build_types_v1.as_slice(),
    };
    let found = provenance.build_type();
    out.push(
        Check::when("build-type", allowed.iter().any(|t| t == found))
            .expected(if allowed.is_empty() { "no build type is listed for this builder and predicate".to_owned() } else { allowed.join(" or ") })
            .found(found)
            .from("predicate")
            .next_step("list the build type for this builder in `policies/trust/builders.toml` if it is to be believed"),
    );
}

fn own_builder(provenance: &Provenance, workflow: &Workflow<'_>, out: &mut Vec<Check>) {
    let certificate = BuilderId { name: workflow.name, version: Some(workflow.git_ref) };
    let claimed = BuilderId::parse(provenance.builder_id());
    out.push(
        Check::when("provenance-builder", claimed.is_some_and(|claimed| claimed.equals(&certificate)))
            .expected(format!("{}@{}", workflow.name, workflow.git_ref))
            .found(provenance.builder_id())
            .from(provenance.builder_place())
            .next_step("the provenance names another builder than its signer; do not use it"),
    );
}

fn delegated_builder(provenance: &Provenance, demand: &SlsaDemand, out: &mut Vec<Check>) {
    let found = provenance.builder_id();
    let claimed = BuilderId::parse(found);
    out.push(
        Check::when("provenance-builder-ref", claimed.as_ref().is_some_and(byob::is_pinned_at_release))
            .expected("name@refs/tags/vX.Y.Z")
            .found(found)
            .from(provenance.builder_place())
            .next_step("ask the publisher to call the builder at a release tag"),
    );
    let (met, expected) = match demand.builder_id.as_deref() {
        Some(wanted) => (
            claimed
                .is_some_and(|c| BuilderId::parse(wanted).is_some_and(|wanted| c.satisfies(&wanted, true))),
            wanted.to_owned(),
        ),
        None => (
            claimed.is_some_and(|c| c.name.starts_with(byob::TRUSTED_PREFIX)),
            format!("{}*", byob::TRUSTED_PREFIX),
        ),
    };
    out.push(
        Check::when("provenance-builder", met)
            .expected(expected)
            .found(found)
            .from(provenance.builder_place())
            .next_step("if this builder is the one you trust, name it with `--builder-id`"),
    );
}

/// Source, branch, tag and inputs: the same for every builder on GitHub.
pub(crate) fn common(
    provenance: &Provenance,
    writer: Writer,
    workflow: &Workflow<'_>,
    demand: &SlsaDemand,
    out: &mut Vec<Check>,
) {
    if let Some(wanted) = demand.source_uri.as_deref() {
        source(provenance, writer, wanted, out);
    }
    let from = provenance.environment_place();
    if let Some(wanted) = demand.source_branch.as_deref() {
        let git_ref = provenance.branch_ref(writer);
        let name = git_ref.as_deref().and_then(|r| r.strip_prefix("refs/heads/")).filter(|n| !n.is_empty());
        out.push(reference(
            "source-branch",
            wanted,
            name == Some(wanted),
            git_ref.as_deref(),
            from,
            workflow,
        ));
    }
    if let Some(wanted) = demand.source_tag.as_deref() {
        let git_ref = provenance.tag_ref(writer);
        let name = git_ref.as_deref().and_then(|r| r.strip_prefix("refs/tags/")).filter(|n| !n.is_empty());
        out.push(reference("source-tag", wanted, name == Some(wanted), git_ref.as_deref(), from, workflow));
    }
    if let Some(wanted) = demand.source_versioned_tag.as_deref() {
        let git_ref = provenance.tag_ref(writer);
        let tag = git_ref.as_deref().and_then(|r| r.strip_prefix("refs/tags/")).and_then(VersionTag::parse);
        let met = tag.is_some_and(|tag| VersionTag::parse(wanted).is_some_and(|wanted| wanted.admits(&tag)));
        out.push(reference("source-versioned-tag", wanted, met, git_ref.as_deref(), from, workflow));
    }
    for (name, wanted) in &demand.workflow_inputs {
        let found = provenance.workflow_inputs(writer).and_then(|inputs| inputs.get(name));
        let check = Check::when("workflow-input", found.and_then(|v| v.as_str()) == Some(wanted));
        let check = check.expected(format!("{name}={wanted}")).from(from);
        out.push(match found {
            Some(value) => check.found(format!("{name}={value}")),
            None => check.found("no such input, or the workflow was not started by hand"),
        });
    }
    if let Some(wanted) = &demand.external_parameters {
        let found = provenance.external_parameters();
        out.push(
            Check::when("external-parameters", found.and_then(|v| v.as_object()) == Some(wanted))
                .expected(serde_json::Value::Object(wanted.clone()).to_string())
                .found(found.map_or_else(|| "none".to_owned(), ToString::to_string))
                .from("predicate.buildDefinition.externalParameters")
                .next_step("list every external parameter that the build may have, or refuse the build"),
        );
    }
}

fn reference(
    code: &'static str,
    wanted: &str,
    met: bool,
    found: Option<&str>,
    from: &'static str,
    workflow: &Workflow<'_>,
) -> Check {
    let check = Check::when(code, met).expected(wanted).from(from);
    match found {
        Some(found) => check.found(found).next_step("if this ref is the one you mean, demand it"),
        None => check.found(format!("the provenance records none; the build was started by `{}`", workflow.trigger)).next_step(
            "demand the certificate's own claim `source-repository-ref` instead, or the kind of ref that was built",
        ),
    }
}

fn source(provenance: &Provenance, writer: Writer, wanted: &str, out: &mut Vec<Check>) {
    let wanted = normalised(wanted);
    if !wanted.starts_with("git+https://github.com/") {
        out.push(
            Check::refuted("source-uri")
                .expected("a repository on github.com")
                .found(wanted)
                .from("policy")
                .next_step("write the source as `github.com/owner/name`"),
        );
        return;
    }
    let trigger = provenance.trigger_uri(writer);
    let parts = trigger.as_deref().and_then(split_ref);
    out.push(
        Check::when(
            "source-uri",
            parts.is_some_and(|(uri, git_ref)| uri == wanted && git_ref.is_some_and(|r| !r.is_empty())),
        )
        .expected(format!("{wanted}@<ref>"))
        .found(trigger.clone().unwrap_or_else(|| "none".to_owned()))
        .from(provenance.trigger_place(writer))
        .next_step("the build was started from another repository than the one demanded"),
    );
    let dependency = provenance.source_uri();
    let parts = dependency.and_then(split_ref);
    let met = parts.is_some_and(|(uri, git_ref)| {
        uri == wanted
            && match git_ref.filter(|r| !r.is_empty()) {
                None => provenance.source_ref_may_be_absent(),
                Some(_) => dependency == trigger.as_deref(),
            }
    });
    out.push(
        Check::when("source-dependency", met)
            .expected(
                trigger
                    .filter(|t| split_ref(t).is_some_and(|(uri, _)| uri == wanted))
                    .unwrap_or_else(|| format!("{wanted}@<ref>")),
            )
            .found(dependency.unwrap_or("none"))
            .from(provenance.source_place())
            .next_step("the build took its source from elsewhere than what started it"),
    );
}

/// Level that this builder can give; told also where none is demanded, for summaries.
pub(crate) fn level(level_max: Option<u8>, demand: &SlsaDemand, out: &mut Vec<Check>) {
    let found = level_max.map_or_else(|| "none".to_owned(), |level| format!("{LEVEL_PREFIX}{level}"));
    let from = "list of trusted builders";
    out.push(match demand.level_min {
        Some(wanted) => Check::when("build-level", level_max.is_some_and(|level| level >= wanted))
            .expected(format!("{LEVEL_PREFIX}{wanted} or more"))
            .found(found)
            .from(from),
        None => Check::noted("build-level").found(found).from(from),
    });
}

/// `git+https://…` from any of the ways to write a repository.
pub(crate) fn normalised(uri: &str) -> String {
    if uri.starts_with("git+") {
        uri.to_owned()
    } else if uri.contains("://") {
        format!("git+{uri}")
    } else {
        format!("git+https://{uri}")
    }
}

/// Splits a git URI at its first `@`.
fn split_ref(uri: &str) -> Option<(&str, Option<&str>)> {
    if !uri.starts_with("git+") {
        return None;
    }
    Some(match uri.split_once('@') {
        Some((uri, git_ref)) => (uri, Some(git_ref)),
        None => (uri, None),
    })
}
