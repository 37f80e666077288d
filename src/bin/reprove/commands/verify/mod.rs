//! `reprove verify`.

mod inputs;
pub(crate) mod long_lived;
mod many;
mod options;
mod text;
mod unread;

use reprove::attest;
use reprove::digest::Digest;
use reprove::limits::signature::SignatureLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::statement::dsse::PAYLOAD_TYPE_IN_TOTO;
use reprove::verdict::Verdict;
use reprove::verify::policy::Policy;
use reprove::verify::{self, ArtifactAnswer, Context, SummaryOf, git, signed};
use serde::Serialize;

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::host;
use crate::key::signing_key;
use crate::render::{self, Failure};

use inputs::InputError;
pub(crate) use inputs::{subject_of, text as read_text};
pub(crate) use options::Verify;
use unread::{Reading, Unread};

/// `$id` of the published JSON Schema, `policies/verify/answer.schema.json`.
const SCHEMA_ID: &str = "https://reprove.dev/schema/verify/v1";

/// The result as JSON.
#[derive(Serialize)]
struct Run<'a> {
    schema: &'static str,
    as_of: jiff::Timestamp,
    trust_roots: Vec<&'a str>,
    artifacts: &'a [ArtifactAnswer],
    /// Files that could not be read, where there were others to judge.
    unread: &'a [Unread],
    verdict: Verdict,
}

impl Verify {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let limits = VerifyLimits::DEFAULT;
        let usage = |e: verify::policy::PolicyError| Failure::new(e, Exit::Usage);
        let policy_file = self.policy_file()?;
        let policy = match &policy_file {
            Some((name, text)) => Policy::from_toml(name, text).map_err(usage)?,
            None => Policy::new(),
        };
        let policy = self.demands(policy).map_err(usage)?;
        policy.validate().map_err(usage)?;
        let trust = self.trust()?;
        let as_of = self.as_of.unwrap_or_else(host::now);
        let log_entries = inputs::log_entries(&self.rekor_entries, &limits)?;
        let context =
            Context { trust: &trust, policy: &policy, log_entries: &log_entries, as_of, limits: &limits };
        // A summary, and a demand on every attestation, leave nothing out.
        let reading = match self.vsa.is_some() || policy.every_attestation {
            true => Reading::All,
            false => Reading::SomeOfSeveral,
        };
        let named = inputs::named(&self.files)?;
        if reading != Reading::All
            && named.len() > 1
            && let Some(indexed) = inputs::Indexed::of(&self.attestations, &limits)?
        {
            return self.in_turns(&named, indexed, &context, args);
        }
        let mut given = inputs::attestations(&self.attestations, &limits, reading)?;
        let answers = if let Some(repository) = &self.repository {
            vec![self.judge_revision(repository, &context)?]
        } else if self.files.is_empty() {
            vec![verify::verify_alone(&given.attestations, &context)]
        } else {
            let (subjects, more) = inputs::subjects(&named, &given.attestations, &limits, reading)?;
            given.unread.extend(more);
            self.judge(subjects, &given, &context)?
        };
        if let Some(path) = &self.vsa {
            self.write_summary(path, &answers, policy_file.as_ref(), &given.digests, as_of)?;
        }
        let (verdict, exit) = unread::overall(answers.iter().map(|a| a.verdict), given.unread.len());
        let shown = match args.format {
            Format::Json => render::json(&Run {
                schema: SCHEMA_ID,
                as_of,
                trust_roots: trust.sigstore.iter().map(verify::trust::SigstoreRoot::name).collect(),
                artifacts: &answers,
                unread: &given.unread,
                verdict,
            })?,
            Format::Text => text::report(&answers, &given.unread, verdict, args.verbose),
        };
        render::answer(&shown, exit)
    }

    /// Many artifacts and many documents: some at a time, so that memory does not grow with their number.
    fn in_turns(
        &self,
        named: &[inputs::Named],
        mut indexed: inputs::Indexed,
        context: &Context<'_>,
        args: &Args,
    ) -> Result<Exit, Failure> {
        let roots = context.trust.sigstore.iter().map(verify::trust::SigstoreRoot::name).collect();
        let mut out = many::Report::new(args.format, args.verbose, context.as_of, roots)?;
        out.unread(std::mem::take(&mut indexed.unread));
        for turn in named.chunks(inputs::TURN) {
            let (subjects, mut given) = indexed.turn(turn, context.limits)?;
            out.unread(std::mem::take(&mut given.unread));
            out.answers(&self.judge(subjects, &given, context)?)?;
        }
        out.end()
    }

    fn judge(
        &self,
        subjects: inputs::Subjects,
        given: &inputs::Given,
        context: &Context<'_>,
    ) -> Result<Vec<ArtifactAnswer>, Failure> {
        let (subjects, paths): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
        let answers = verify::verify(&subjects, &given.attestations, context);
        if given.signatures.is_empty() {
            return Ok(answers);
        }
        let limits = SignatureLimits::DEFAULT;
        let keys = self.long_lived.load(&limits)?;
        let both = subjects.iter().zip(&paths).zip(answers);
        both.map(|((subject, path), answer)| {
            let more = long_lived::answers(
                subject,
                path.as_deref(),
                &given.signatures,
                &keys,
                context.as_of,
                &limits,
            )?;
            Ok(verify::with_answers(answer, more, context))
        })
        .collect()
    }

    /// Judges a tag or commit: by the keys that were given, or for gitsign by the demands on its signer.
    fn judge_revision(
        &self,
        repository: &std::path::Path,
        context: &Context<'_>,
    ) -> Result<ArtifactAnswer, Failure> {
        let limits = SignatureLimits::DEFAULT;
        let keys = self.long_lived.load(&limits)?;
        let keys = signed::Keys { sigstore: Some(context), ..keys.keys() };
        let (revision, artifact) = match (&self.tag, &self.commit) {
            (Some(tag), _) => (tag, format!("tag {tag}")),
            (None, Some(commit)) => (commit, format!("commit {commit}")),
            (None, None) => return Err(Failure::new(InputError::NoRevision, Exit::Usage)),
        };
        crate::git::ignore_configuration();
        let opened = git::open(repository).map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let found = git::answer_revision(&opened, revision, &keys, context.as_of, &limits)
            .map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let artifact = match &found.commit {
            Some(commit) if self.tag.is_some() => format!("{artifact}, commit {commit}"),
            _ => artifact,
        };
        Ok(ArtifactAnswer {
            artifact,
            digests: None,
            verdict: found.answer.verdict,
            checks: Vec::new(),
            attestations: vec![found.answer],
            not_checked: git::NOT_CHECKED.to_vec(),
        })
    }

    fn write_summary(
        &self,
        path: &std::path::Path,
        answers: &[ArtifactAnswer],
        policy: Option<&(String, String)>,
        inputs: &[(String, Digest)],
        time_verified: jiff::Timestamp,
    ) -> Result<(), Failure> {
        // The grammar requires these with `--vsa`.
        let (Some(key), Some(verifier_id)) = (&self.key, &self.vsa_verifier_id) else { return Ok(()) };
        let key = signing_key(key)?;
        let digest = policy.map(|(_, text)| Digest::sha256(text.as_bytes()));
        let of = SummaryOf {
            verifier_id,
            resource_uri: self.vsa_resource_uri.as_deref().unwrap_or_default(),
            policy_uri: policy.map_or("arguments", |(name, _)| name.as_str()),
            policy_digest: digest.as_ref(),
            inputs,
            time_verified,
        };
        let Some(statement) = verify::summarise(answers, &of) else {
            return Err(Failure::new(InputError::NothingToSummarise, Exit::Usage));
        };
        let payload = attest::statement_bytes(&statement).map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let envelope = attest::sign(PAYLOAD_TYPE_IN_TOTO, &payload, &key)
            .map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let json = render::json(&envelope)?;
        attest::write_atomically(path, json.as_bytes()).map_err(|e| Failure::new(e, Exit::CouldNotLook))
    }
}
