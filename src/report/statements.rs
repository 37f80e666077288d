//! The model as in-toto statements: the comparison, and provenance of our own build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::classify::artifact_outcome;
use super::file::{Component, Tool};
use super::model::{ArtifactPair, Evidence, Index};
use super::words::Words;
use crate::attest::provenance::{
    BUILDER_ID, BuildDefinition, Builder, ExternalParameters, InternalParameters, PREDICATE_TYPE,
    Preparation, Provenance, RunDetails, build_type,
};
use crate::attest::{SigningKey, WriteError, write_statement};
use crate::digest::{Digest, DigestSet};
use crate::statement::predicate::rebuild::{
    self, ComparedArtifact, DifferenceSummary, NotEstablished, RebuildComparison, subject_name,
};
use crate::statement::{ResourceDescriptor, Statement, Subject};

/// The comparison, about the published artifacts; none when the release has no artifact to speak of.
pub fn comparison(component: &Component, tool: &Tool) -> Option<Statement<RebuildComparison>> {
    let (evidence, judgement) = (component.evidence(), component.judgement());
    if evidence.artifacts.is_empty() {
        return None;
    }
    let predicate = RebuildComparison {
        purl: evidence.release.purl.clone(),
        verdict: judgement.verdict,
        outcome: judgement.outcome,
        why: judgement.why.clone(),
        tool: tool.clone(),
        lock: evidence.environment.lock.clone().map(DigestSet::single),
        artifacts: evidence.artifacts.iter().map(compared).collect(),
        observations: evidence.observations.clone(),
        not_established: judgement
            .not_established
            .iter()
            .map(|g| NotEstablished { code: g.code.clone(), text: g.text.clone() })
            .collect(),
    };
    let subject = |p: &ArtifactPair| Subject {
        name: subject_name(&p.name, p.member.as_deref()),
        digest: DigestSet::single(p.published.digest.clone()),
    };
    Some(Statement::new(evidence.artifacts.iter().map(subject).collect(), rebuild::PREDICATE_TYPE, predicate))
}

fn compared(pair: &ArtifactPair) -> ComparedArtifact {
    let mut causes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for d in &pair.differences {
        let entry = causes.entry(d.cause.id()).or_default();
        entry.0 += 1;
        entry.1 += d.bytes.unwrap_or(0);
    }
    ComparedArtifact {
        name: pair.name.clone(),
        member: pair.member.clone(),
        rebuilt: pair.rebuilt.as_ref().map(|b| DigestSet::single(b.digest.clone())),
        outcome: artifact_outcome(pair),
        differences: causes
            .into_iter()
            .map(|(cause, (places, bytes))| DifferenceSummary { cause: cause.to_owned(), places, bytes })
            .collect(),
    }
}

/// Provenance of our build, about the rebuilt artifacts; none when it built nothing.
pub fn provenance(component: &Component, tool: &Tool) -> Option<Statement<Provenance>> {
    let evidence = component.evidence();
    let subject: Vec<_> = evidence
        .artifacts
        .iter()
        .filter_map(|p| {
            let digest = DigestSet::single(p.rebuilt.as_ref()?.digest.clone());
            Some(Subject { name: subject_name(&p.name, p.member.as_deref()), digest })
        })
        .chain(evidence.unpublished.iter().map(|b| Subject {
            name: subject_name(&b.name, b.member.as_deref()),
            digest: DigestSet::single(b.rebuilt.digest.clone()),
        }))
        .collect();
    let build = evidence.environment.build.as_ref().filter(|_| !subject.is_empty())?;
    let predicate = Provenance {
        build_definition: BuildDefinition {
            build_type: build_type(&evidence.release.purl).to_owned(),
            external_parameters: ExternalParameters {
                release: evidence.release.purl.clone(),
                lock: evidence.environment.lock.clone().map(DigestSet::single),
            },
            internal_parameters: InternalParameters {
                path: build.path.clone(),
                source_date_epoch: build.source_date_epoch,
                environment: build.env.clone(),
                commands: build.commands.clone(),
                preparation: build.preparation.as_ref().map(|before| Preparation {
                    environment: before.env.clone(),
                    commands: before.commands.clone(),
                }),
            },
            resolved_dependencies: dependencies(evidence),
        },
        run_details: RunDetails {
            builder: Builder {
                id: BUILDER_ID.to_owned(),
                version: BTreeMap::from([(tool.name.clone(), tool.version.clone())]),
            },
        },
    };
    Some(Statement::new(subject, PREDICATE_TYPE, predicate))
}

fn dependencies(evidence: &Evidence) -> Vec<ResourceDescriptor> {
    let descriptor = |name: String, uri: Option<String>, digest: &Digest| ResourceDescriptor {
        name: Some(name),
        uri,
        digest: BTreeMap::from([(digest.algorithm().name().to_owned(), digest.to_hex())]),
        ..ResourceDescriptor::default()
    };
    let vendor = vendor(&evidence.release.purl);
    let words = Words::of(&evidence.release.purl);
    let named = |i: &Index| descriptor(format!("{}{}", words.index_input, i.suite), None, &i.digest);
    let indexes = evidence.indexes.iter().map(named);
    let sources = evidence.source.files.iter().map(|f| descriptor(f.name.clone(), None, &f.digest));
    let packages = evidence.environment.packages.iter().map(|p| {
        let uri = p.purl.clone().unwrap_or_else(|| {
            let (name, version) = (encoded(&p.name), encoded(&p.version));
            format!("pkg:deb/{vendor}/{name}@{version}?arch={}", encoded(&p.architecture))
        });
        descriptor(p.name.clone(), Some(uri), &p.digest)
    });
    indexes.chain(sources).chain(packages).collect()
}

/// The namespace of a Debian package URL.
fn vendor(purl: &str) -> &str {
    purl.strip_prefix("pkg:deb/").and_then(|rest| rest.split_once('/')).map_or("debian", |(vendor, _)| vendor)
}

/// Percent-encoded as a part of a package URL.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Writes both statements to `<attestations>/<component>/<version>/{comparison,provenance}.intoto.json`,
/// and signed as `.dsse.json` when a key is given. Gives the paths written.
pub fn write(
    component: &Component,
    tool: &Tool,
    attestations: &Path,
    key: Option<&SigningKey>,
) -> Result<Vec<PathBuf>, WriteError> {
    let release = &component.evidence().release;
    let (name, version) = (&*release.component, &*release.version);
    let mut written = Vec::new();
    if let Some(statement) = comparison(component, tool) {
        written.extend(write_statement(attestations, name, version, "comparison", &statement, key)?);
    }
    if let Some(statement) = provenance(component, tool) {
        written.extend(write_statement(attestations, name, version, "provenance", &statement, key)?);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::attest::statement_bytes;
    use crate::report::samples;
    use crate::statement::dsse::Envelope;
    use crate::statement::predicate::rebuild::{RebuildStatementError, read};

    fn comparison_of(evidence: Evidence) -> Statement<RebuildComparison> {
        comparison(&Component::judge(evidence), &Tool::this()).unwrap()
    }

    #[test]
    fn every_outcome_is_stated_and_reads_back() {
        let with_artifacts = |(_, e): &(_, Evidence)| !e.artifacts.is_empty();
        for (outcome, evidence) in samples::all().into_iter().filter(with_artifacts) {
            let statement = comparison_of(evidence);
            let bytes = statement_bytes(&statement).unwrap();
            assert_eq!(read(&bytes).unwrap(), statement, "{outcome}");
            assert_eq!(statement.predicate.outcome, outcome);
            assert_eq!(statement_bytes(&statement).unwrap(), bytes);
        }
        let mut none = samples::identical();
        none.artifacts.clear();
        assert!(comparison(&Component::judge(none), &Tool::this()).is_none());
        let alone = Component::judge(samples::published_not_reachable());
        assert!(comparison(&alone, &Tool::this()).is_none(), "nothing published, nothing to state about it");
        let built = provenance(&alone, &Tool::this()).unwrap();
        assert_eq!(built.subject[0].name, "tool-1.2.3.tar.gz/tool-1.2.3/tool");
        assert_eq!(
            built.predicate.build_definition.build_type,
            "https://reprove.dev/build-type/locked-commands/v1"
        );
        let member = comparison_of(samples::of_registry());
        assert_eq!(member.subject[0].name, "tool-1.2.3.tgz/package/bin/tool");
        assert_eq!(read(&statement_bytes(&member).unwrap()).unwrap(), member);
    }

    #[test]
    fn a_statement_whose_words_do_not_fit_its_digests_is_refused() {
        let identical =
            String::from_utf8(statement_bytes(&comparison_of(samples::identical())).unwrap()).unwrap();
        let different =
            String::from_utf8(statement_bytes(&comparison_of(samples::different())).unwrap()).unwrap();
        let hex = samples::identical().artifacts[0].published.digest.to_hex();
        let other = samples::digest("other").to_hex();
        for (text, from, to) in [
            (&identical, &*format!("\"sha256\": \"{hex}\""), &*format!("\"sha256\": \"{other}\"")),
            (
                &identical,
                "\"outcome\": \"identical\",\n        \"diff",
                "\"outcome\": \"different\",\n        \"diff",
            ),
            (&different, "\"outcome\": \"different\"", "\"outcome\": \"identical\""),
            (&different, "\"verdict\": \"fail\"", "\"verdict\": \"pass\""),
            (&different, "\"name\": \"sl_", "\"name\": \"ls_"),
        ] {
            let forged = text.replacen(from, to, 1);
            assert_ne!(&forged, text, "{from}");
            let error = read(forged.as_bytes()).unwrap_err();
            assert!(matches!(error, RebuildStatementError::Contradiction { .. }), "{from}: {error}");
        }
        for (from, to) in
            [("\"purl\"", "\"extra\": 1, \"purl\""), ("\"subject\"", "\"more\": 1, \"subject\"")]
        {
            let extended = identical.replacen(from, to, 1);
            assert!(matches!(read(extended.as_bytes()), Err(RebuildStatementError::Syntax { .. })), "{from}");
        }
        for (from, to) in [("comparison/v1", "comparison/v2"), ("Statement/v1", "Statement/v0.1")] {
            let other = identical.replacen(from, to, 1);
            assert!(matches!(read(other.as_bytes()), Err(RebuildStatementError::Type { .. })), "{from}");
        }
        assert!(matches!(read(&vec![b' '; 17 << 20]), Err(RebuildStatementError::Limit { .. })));
    }

    #[test]
    fn provenance_names_every_input_by_digest_and_no_time() {
        let component = Component::judge(samples::different());
        let statement = provenance(&component, &Tool::this()).unwrap();
        let evidence = component.evidence();
        let rebuilt = evidence.artifacts[0].rebuilt.as_ref().unwrap();
        assert_eq!(statement.subject[0].digest, DigestSet::single(rebuilt.digest.clone()));
        let inputs = &statement.predicate.build_definition.resolved_dependencies;
        assert_eq!(
            inputs.len(),
            evidence.indexes.len() + evidence.source.files.len() + evidence.environment.packages.len()
        );
        assert!(inputs.iter().all(|i| i.digest["sha256"].len() == 64));
        assert_eq!(
            inputs.last().unwrap().uri.as_deref(),
            Some("pkg:deb/debian/libc6-dev-9@12.2.0-9%2Bdeb12u1?arch=amd64")
        );
        let text = String::from_utf8(statement_bytes(&statement).unwrap()).unwrap();
        for absent in ["startedOn", "finishedOn", "invocationId", "metadata"] {
            assert!(!text.contains(absent), "{absent}");
        }
        assert!(provenance(&Component::judge(samples::source_unavailable()), &Tool::this()).is_none());
    }

    #[test]
    fn statements_are_written_inside_the_folder_and_the_same_twice() {
        let root = tempfile::tempdir().unwrap();
        let attestations = root.path().join("attestations");
        let mut evidence = samples::identical();
        evidence.release.component = "../../escape".to_owned();
        evidence.release.version = "/etc".to_owned();
        let component = Component::judge(evidence);
        let first = write(&component, &Tool::this(), &attestations, None).unwrap();
        assert_eq!(first.len(), 2);
        let contents: Vec<_> = first.iter().map(|p| std::fs::read(p).unwrap()).collect();
        for path in &first {
            let plain = path.components().all(|c| !matches!(c, std::path::Component::ParentDir));
            assert!(path.starts_with(&attestations) && plain, "{}", path.display());
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(write(&component, &Tool::this(), &attestations, None).unwrap(), first);
        assert_eq!(first.iter().map(|p| std::fs::read(p).unwrap()).collect::<Vec<_>>(), contents);
    }

    #[test]
    fn an_envelope_carries_the_statement_s_bytes_and_does_not_outlive_them() {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let key = SigningKey::from_pkcs8(pkcs8.as_ref()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let component = Component::judge(samples::identical());
        let written = write(&component, &Tool::this(), root.path(), Some(&key)).unwrap();
        let names: Vec<_> =
            written.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(
            names,
            [
                "comparison.intoto.json",
                "comparison.dsse.json",
                "provenance.intoto.json",
                "provenance.dsse.json"
            ]
        );
        let envelope: Envelope = serde_json::from_slice(&std::fs::read(&written[1]).unwrap()).unwrap();
        let limits = crate::limits::signature::SignatureLimits::DEFAULT;
        let verified =
            crate::verify::key::verify_envelope(&envelope, &[key.public().clone()], &limits).unwrap();
        let payload = verified.payload().unwrap();
        assert_eq!(payload, std::fs::read(&written[0]).unwrap());
        assert_eq!(read(payload).unwrap(), comparison(&component, &Tool::this()).unwrap());

        write(&component, &Tool::this(), root.path(), None).unwrap();
        assert!(written[1].exists(), "it still carries the statement");
        let mut evidence = component.evidence().clone();
        evidence.artifacts[0].rebuilt = Some(samples::bytes("other", 1));
        write(&Component::judge(evidence), &Tool::this(), root.path(), None).unwrap();
        assert!(!written[1].exists(), "it carries another statement");
    }
}
