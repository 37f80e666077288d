//! Google Cloud Build: provenance as the describe command prints it, in which a signed statement, an
//! unsigned copy of it in plain text and unsigned facts about the image stand side by side.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::authenticated::{Authenticated, Content};
use super::document::{base64, envelope};
use super::json;
use super::policy::SlsaDemand;
use super::public_key::PublicKey;
use super::slsa::builder_id::BuilderId;
use super::slsa::version::VersionTag;
use super::statement::ForeignStatement;
use super::{Check, Signer};
use crate::digest::{Algorithm, DigestSet};
use crate::limits::verify::VerifyLimits;
use crate::statement::dsse::{PAYLOAD_TYPE_IN_TOTO, Signature, pae};

const PROVENANCE_V0_1: &str = "https://slsa.dev/provenance/v0.1";
const PROVENANCE_V1: &str = "https://slsa.dev/provenance/v1";
const WORKER: &str = "https://cloudbuild.googleapis.com/GoogleHostedWorker";
const BUILD_TYPE_V1: &str = "https://cloud.google.com/build/gcb-buildtypes/google-worker/v1";
const KEY_RING: &str = "projects/verified-builder/locations/";
const BRANCH: &str = "refs/heads/";
const TAG: &str = "refs/tags/";

/// The occurrence that verified, with its place in the document.
pub(crate) struct Occurrence<'a> {
    pub(crate) value: &'a Value,
    pub(crate) statement: ForeignStatement,
}

/// Finds the first occurrence with a signature that verifies.
pub(crate) fn authenticate<'a>(
    document: &'a Value,
    keys: &BTreeMap<String, PublicKey>,
    limits: &VerifyLimits,
) -> (Authenticated, Option<Occurrence<'a>>) {
    let mut answer = Authenticated::new(Content::Message(None));
    let list = json::at(document, &["provenance_summary", "provenance"]).and_then(Value::as_array);
    let mut reasons = Vec::new();
    for occurrence in list.into_iter().flatten() {
        match occurrence_signature(occurrence, keys, limits) {
            Ok((name, payload, statement)) => {
                answer.checks.push(Check::established("signature").from(format!("Cloud Build key `{name}`")));
                answer.checks.push(
                    Check::noted("transparency-log")
                        .found("Cloud Build logs nothing and signs no time: the key alone vouches"),
                );
                answer.signers = vec![Signer::Key { id: format!("google-cloud-build/{name}") }];
                answer.content =
                    Content::Payload { payload_type: PAYLOAD_TYPE_IN_TOTO.to_owned(), bytes: payload };
                return (answer, Some(Occurrence { value: occurrence, statement }));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    let found = if reasons.is_empty() { "no provenance".to_owned() } else { reasons.join("; ") };
    let check = Check::refuted("signature")
        .expected("a signature by one of Cloud Build's keys")
        .found(found)
        .from("provenance_summary.provenance")
        .next_step("ask Cloud Build for the provenance again, with `--show-provenance`");
    (answer.refuted(check), None)
}

type Found = (String, Vec<u8>, ForeignStatement);

fn occurrence_signature(
    occurrence: &Value,
    keys: &BTreeMap<String, PublicKey>,
    limits: &VerifyLimits,
) -> Result<Found, String> {
    let value = occurrence.get("envelope").ok_or("no envelope")?;
    let envelope = envelope(value, "envelope", limits).map_err(|e| e.to_string())?;
    if envelope.payload_type != PAYLOAD_TYPE_IN_TOTO {
        return Err(format!("the payload type is `{}`", envelope.payload_type.escape_debug()));
    }
    let payload = base64(&envelope.payload).ok_or("the payload is not base64")?;
    let mut last = "no signature".to_owned();
    for signature in &envelope.signatures {
        match one_signature(signature, &payload, keys, limits) {
            Ok((name, statement)) => return Ok((name, payload, statement)),
            Err(reason) => last = reason,
        }
    }
    Err(last)
}

fn one_signature(
    signature: &Signature,
    payload: &[u8],
    keys: &BTreeMap<String, PublicKey>,
    limits: &VerifyLimits,
) -> Result<(String, ForeignStatement), String> {
    let key_id = &signature.keyid;
    let unknown = || format!("the key `{}` is not one of Cloud Build's", key_id.escape_debug());
    let rest = key_id.strip_prefix(KEY_RING).ok_or_else(unknown)?;
    let (location, key) = rest.split_once("/keyRings/attestor/cryptoKeys/").ok_or_else(unknown)?;
    let (name, pre_encoded, predicate) = match (location, key) {
        ("global", "google-hosted-worker/cryptoKeyVersions/1") => {
            ("global-pae-google-hosted-worker_1".to_owned(), true, PROVENANCE_V1)
        }
        ("global", "provenanceSigner/cryptoKeyVersions/1") => {
            ("global-pae-provenanceSigner_1".to_owned(), true, PROVENANCE_V0_1)
        }
        (region, "builtByGCB/cryptoKeyVersions/1") if !region.starts_with("global-pae") => {
            (region.to_owned(), false, PROVENANCE_V0_1)
        }
        _ => return Err(unknown()),
    };
    let public = keys.get(&name).ok_or_else(unknown)?;
    let bytes = base64(&signature.sig).ok_or("the signature is not base64")?;
    // The regional keys sign the bare payload, from before DSSE had a pre-authentication encoding.
    let verifies = if pre_encoded {
        public.verify(&pae(PAYLOAD_TYPE_IN_TOTO, payload), &bytes)
    } else {
        public.verify(payload, &bytes)
    };
    if !verifies {
        return Err(format!("the key `{name}` did not make this signature"));
    }
    let statement = ForeignStatement::parse(payload, limits.subjects_max)?;
    if statement.predicate_type != predicate {
        return Err(format!("the key `{name}` does not sign `{}`", statement.predicate_type.escape_debug()));
    }
    Ok((name, statement))
}

/// Checks the occurrence, the unsigned facts around it, and the demand.
pub(crate) fn check(
    document: &Value,
    occurrence: &Occurrence<'_>,
    artifact: &DigestSet,
    demand: &SlsaDemand,
    out: &mut Vec<Check>,
) {
    image(document, occurrence, artifact, out);
    copy(occurrence, out);
    let statement = &occurrence.statement;
    let is_v1 = statement.predicate_type == PROVENANCE_V1;
    let version = builder(statement, is_v1, demand, out);
    out.push(
        Check::when("artifact-digest", statement.subject_of(artifact, Some(Algorithm::Sha256)).is_some())
            .expected(artifact.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            .found(
                statement
                    .subjects
                    .iter()
                    .flat_map(|s| s.digest.values().cloned())
                    .take(4)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
            .from("subject"),
    );
    source(statement, is_v1, version.as_deref(), demand, out);
    references(statement, is_v1, demand, out);
    // Cloud Build states level 3 for hosted workers; v0.1 predates the statement.
    super::slsa::level(Some(3), demand, out);
}

fn image(document: &Value, occurrence: &Occurrence<'_>, artifact: &DigestSet, out: &mut Vec<Check>) {
    let hex = artifact.get(Algorithm::Sha256).map(crate::digest::Digest::to_hex).unwrap_or_default();
    let ends =
        |text: Option<&str>, suffix: String| !hex.is_empty() && text.is_some_and(|t| t.ends_with(&suffix));
    let kind = json::text(occurrence.value, &["kind"]);
    out.push(
        Check::when("occurrence-kind", kind == Some("BUILD"))
            .expected("BUILD")
            .found(kind.unwrap_or("none"))
            .from("kind"),
    );
    let resource = json::text(occurrence.value, &["resourceUri"]);
    let digest = json::text(document, &["image_summary", "digest"]);
    let full = json::text(document, &["image_summary", "fully_qualified_digest"]);
    for (met, found, from) in [
        (ends(resource, format!("@sha256:{hex}")), resource, "resourceUri"),
        (!hex.is_empty() && digest == Some(format!("sha256:{hex}").as_str()), digest, "image_summary.digest"),
        (ends(full, format!("sha256:{hex}")), full, "image_summary.fully_qualified_digest"),
    ] {
        out.push(
            Check::when("image-digest", met)
                .expected(format!("sha256:{hex}"))
                .found(found.unwrap_or("none"))
                .from(from)
                .next_step("the document is about another image"),
        );
    }
}

/// The plain copy has to say what the signed statement says: people read the copy.
fn copy(occurrence: &Occurrence<'_>, out: &mut Vec<Check>) {
    let statement = &occurrence.statement;
    let (name, predicate) = if statement.predicate_type == PROVENANCE_V1 {
        ("inTotoSlsaProvenanceV1", "predicate")
    } else {
        ("intotoStatement", "slsaProvenance")
    };
    let null = Value::Null;
    let text = json::at(occurrence.value, &["build", name]).unwrap_or(&null);
    let unsigned = known(text, text.get(predicate).unwrap_or(&null), predicate == "predicate");
    let signed = known(&statement.value, statement.predicate(), predicate == "predicate");
    out.push(
        Check::when("plain-copy", unsigned == signed)
            .expected("the signed statement, field by field")
            .found(if unsigned == signed { "the same" } else { "something else" })
            .from(format!("build.{name}"))
            .next_step("believe the signed statement only, and ask who edited the copy"),
    );
}

/// The fields that both versions define; `null` and absent are one.
fn known(header: &Value, predicate: &Value, is_v1: bool) -> Value {
    let take = |value: &Value, names: &[&str]| -> Value {
        let mut map = Map::new();
        for name in names {
            if let Some(field) = value.get(*name).filter(|v| !v.is_null()) {
                // Cloud Build spells this one in two ways, which its readers do not tell apart.
                let known = if *name == "invocationID" { "invocationId" } else { *name };
                map.insert(known.to_owned(), instant(name, field));
            }
        }
        Value::Object(map)
    };
    let each = |value: Option<&Value>, names: &[&str]| -> Value {
        Value::Array(value.and_then(Value::as_array).into_iter().flatten().map(|v| take(v, names)).collect())
    };
    let nil = Value::Null;
    let at = |name: &str| predicate.get(name).unwrap_or(&nil);
    let body = if is_v1 {
        let definition = at("buildDefinition");
        let run = at("runDetails");
        let resource = ["uri", "digest", "name", "downloadLocation", "mediaType", "content", "annotations"];
        json!({
            "definition": take(definition, &["buildType", "externalParameters", "internalParameters"]),
            "dependencies": each(definition.get("resolvedDependencies"), &resource),
            "builder": take(run.get("builder").unwrap_or(&nil), &["id", "version"]),
            "builderDependencies": each(json::at(run, &["builder", "builderDependencies"]), &resource),
            "metadata": take(run.get("metadata").unwrap_or(&nil), &["invocationId", "invocationID", "startedOn", "finishedOn"]),
            "byproducts": each(run.get("byproducts"), &resource),
        })
    } else {
        json!({
            "builder": take(at("builder"), &["id"]),
            "recipe": take(at("recipe"), &["type", "entryPoint", "arguments", "environment"]),
            "metadata": take(at("metadata"), &["buildStartedOn", "buildFinishedOn", "reproducible"]),
            "completeness": take(json::at(predicate, &["metadata", "completeness"]).unwrap_or(&nil), &["arguments", "environment", "materials"]),
            "materials": each(predicate.get("materials"), &["uri", "digest"]),
        })
    };
    json!({
        "header": take(header, &["_type", "predicateType"]),
        "subject": each(header.get("subject"), &["name", "digest"]),
        "predicate": body,
    })
}

/// Times are compared as times, everything else as it stands.
fn instant(name: &str, value: &Value) -> Value {
    let is_time = name.ends_with("On");
    match value.as_str().filter(|_| is_time).and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(time) => Value::String(time.to_string()),
        None => value.clone(),
    }
}

fn builder(
    statement: &ForeignStatement,
    is_v1: bool,
    demand: &SlsaDemand,
    out: &mut Vec<Check>,
) -> Option<String> {
    let predicate = statement.predicate();
    let (id, from) = if is_v1 {
        (json::text(predicate, &["runDetails", "builder", "id"]), "predicate.runDetails.builder.id")
    } else {
        (json::text(predicate, &["builder", "id"]), "predicate.builder.id")
    };
    let id = id.unwrap_or_default();
    let parsed = BuilderId::parse(id).filter(|b| b.name == WORKER);
    let version = parsed.as_ref().and_then(|b| b.version);
    let valid =
        parsed.is_some() && if is_v1 { version.is_none() } else { matches!(version, Some("v0.2" | "v0.3")) };
    let wanted = demand.builder_id.as_deref();
    let satisfies = wanted
        .and_then(BuilderId::parse)
        .is_some_and(|w| parsed.as_ref().is_some_and(|p| p.satisfies(&w, false)));
    out.push(
        Check::when("builder", valid && satisfies)
            .expected(wanted.unwrap_or("a builder in the policy: none is named"))
            .found(id)
            .from(from)
            .next_step(format!("name the builder with `--builder-id {WORKER}` if you trust Cloud Build")),
    );
    let kind = if is_v1 {
        json::text(predicate, &["buildDefinition", "buildType"])
    } else {
        json::text(predicate, &["recipe", "type"])
    };
    let kind = kind.unwrap_or_default();
    let steps = [
        "https://cloudbuild.googleapis.com/CloudBuildYaml@",
        "https://cloudbuild.googleapis.com/CloudBuildSteps@",
    ];
    let (met, expected) = if is_v1 {
        (kind == BUILD_TYPE_V1, BUILD_TYPE_V1.to_owned())
    } else if version == Some("v0.2") {
        (kind == id, id.to_owned())
    } else {
        (steps.iter().any(|s| kind.starts_with(s)), steps.join("* or "))
    };
    out.push(Check::when("build-type", met).expected(expected).found(kind).from("predicate"));
    if !is_v1 {
        let expected = "type.googleapis.com/google.devtools.cloudbuild.v1.Build";
        let found = json::text(predicate, &["recipe", "arguments", "@type"]);
        out.push(
            Check::when("build-arguments", found == Some(expected))
                .expected(expected)
                .found(found.unwrap_or("none"))
                .from("predicate.recipe.arguments.@type"),
        );
    }
    version.map(str::to_owned)
}

fn source(
    statement: &ForeignStatement,
    is_v1: bool,
    version: Option<&str>,
    demand: &SlsaDemand,
    out: &mut Vec<Check>,
) {
    let Some(wanted) = demand.source_uri.as_deref() else {
        out.push(Check::absent("source-uri").expected("a source repository in the policy").found("none"));
        return;
    };
    let predicate = statement.predicate();
    let config = |name: &str| {
        json::text(predicate, &["buildDefinition", "externalParameters", "buildConfigSource", name])
    };
    let found = if is_v1 {
        config("repository").zip(config("ref")).map(|(repository, git_ref)| format!("{repository}@{git_ref}"))
    } else {
        predicate
            .get("materials")
            .and_then(|m| m.get(0))
            .and_then(|m| json::text(m, &["uri"]))
            .map(str::to_owned)
    };
    let found = found.unwrap_or_default();
    let uri = found.strip_prefix("git+").unwrap_or(&found);
    let wanted = if uri.starts_with("https://") && !wanted.starts_with("https://") {
        format!("https://{wanted}")
    } else {
        wanted.to_owned()
    };
    let rest = uri.strip_prefix(wanted.as_str()).filter(|_| !wanted.is_empty());
    let met = match (is_v1, version) {
        (true, _) => rest.is_some_and(|r| r.starts_with('@') && r.matches('@').count() == 1),
        (false, Some("v0.2")) => rest.is_some_and(|r| r.starts_with("/commit/") || r.starts_with('#')),
        (false, Some("v0.3")) => rest.is_some_and(|r| r.is_empty() || r.starts_with('#')),
        _ => false,
    };
    out.push(
        Check::when("source-uri", met)
            .expected(wanted)
            .found(if found.is_empty() { "none" } else { &found })
            .from(if is_v1 {
                "predicate.buildDefinition.externalParameters.buildConfigSource"
            } else {
                "predicate.materials[0].uri"
            }),
    );
}

fn references(statement: &ForeignStatement, is_v1: bool, demand: &SlsaDemand, out: &mut Vec<Check>) {
    let predicate = statement.predicate();
    let tag = if is_v1 {
        let parameters = ["buildDefinition", "internalParameters", "systemSubstitutions", "TAG_NAME"];
        let tag = json::text(predicate, &parameters);
        let config =
            json::text(predicate, &["buildDefinition", "externalParameters", "buildConfigSource", "ref"]);
        tag.filter(|tag| config == Some(format!("{TAG}{tag}").as_str()))
    } else {
        json::text(predicate, &["recipe", "arguments", "substitutions", "TAG_NAME"])
    };
    let from = if is_v1 {
        "predicate.buildDefinition.internalParameters.systemSubstitutions.TAG_NAME"
    } else {
        "predicate.recipe.arguments.substitutions.TAG_NAME"
    };
    if let Some(wanted) = demand.source_tag.as_deref() {
        out.push(
            Check::when("source-tag", tag == Some(wanted))
                .expected(wanted)
                .found(tag.unwrap_or("none"))
                .from(from),
        );
    }
    if let Some(wanted) = demand.source_versioned_tag.as_deref() {
        let met = tag
            .and_then(VersionTag::parse)
            .is_some_and(|t| VersionTag::parse(wanted).is_some_and(|w| w.admits(&t)));
        out.push(
            Check::when("source-versioned-tag", met).expected(wanted).found(tag.unwrap_or("none")).from(from),
        );
    }
    if let Some(wanted) = demand.source_branch.as_deref() {
        out.push(
            Check::absent("source-branch")
                .expected(format!("{BRANCH}{wanted}"))
                .found("Cloud Build's provenance states no branch that can be relied on")
                .next_step("demand a tag instead"),
        );
    }
    if !demand.workflow_inputs.is_empty()
        || demand.external_parameters.is_some()
        || demand.source_commit.is_some()
    {
        out.push(
            Check::absent("workflow-input")
                .expected("inputs, parameters or a commit as the policy demands")
                .found("these demands are not defined for Cloud Build")
                .next_step("leave them out of the policy for this image"),
        );
    }
}
