//! One way to look at provenance v0.2 and v1 as GitHub's builders write them.

use serde_json::{Map, Value};

use super::super::json;
use super::super::statement::ForeignStatement;
use super::{PROVENANCE_V0_2, PROVENANCE_V1, byob};
use crate::statement::predicate::{provenance_v0_2, provenance_v1};

/// Provenance of either version.
#[derive(Debug, Clone)]
pub(crate) enum Provenance {
    V0_2(Box<provenance_v0_2::Provenance>),
    V1(Box<provenance_v1::Provenance>),
}

/// Who wrote it, which decides where things stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// A builder that signs for itself.
    Builder,
    /// A delegator, for a builder that it calls.
    Delegator,
    /// A workflow of the user's: the npm client or GitHub's attestation action.
    User,
}

impl Provenance {
    pub(crate) fn of(statement: &ForeignStatement) -> Result<Self, String> {
        let predicate = statement.predicate().clone();
        match statement.predicate_type.as_str() {
            PROVENANCE_V0_2 => {
                serde_json::from_value(predicate).map(|p| Self::V0_2(Box::new(p))).map_err(|e| e.to_string())
            }
            PROVENANCE_V1 => {
                serde_json::from_value(predicate).map(|p| Self::V1(Box::new(p))).map_err(|e| e.to_string())
            }
            other => Err(format!("the predicate type is `{}`", other.escape_debug())),
        }
    }

    pub(crate) fn builder_id(&self) -> &str {
        match self {
            Self::V0_2(p) => &p.builder.id,
            Self::V1(p) => &p.run_details.builder.id,
        }
    }

    pub(crate) const fn builder_place(&self) -> &'static str {
        match self {
            Self::V0_2(_) => "predicate.builder.id",
            Self::V1(_) => "predicate.runDetails.builder.id",
        }
    }

    pub(crate) fn build_type(&self) -> &str {
        match self {
            Self::V0_2(p) => &p.build_type,
            Self::V1(p) => &p.build_definition.build_type,
        }
    }

    /// The first dependency, which by convention is the source.
    pub(crate) fn source_uri(&self) -> Option<&str> {
        match self {
            Self::V0_2(p) => p.materials.first().map(|m| m.uri.as_str()),
            Self::V1(p) => p.build_definition.resolved_dependencies.first().map(|d| d.uri.as_str()),
        }
        .filter(|uri| !uri.is_empty())
    }

    pub(crate) const fn source_place(&self) -> &'static str {
        match self {
            Self::V0_2(_) => "predicate.materials[0].uri",
            Self::V1(_) => "predicate.buildDefinition.resolvedDependencies[0].uri",
        }
    }

    /// Repository and ref that started the build, as one URI.
    pub(crate) fn trigger_uri(&self, writer: Writer) -> Option<String> {
        match self {
            Self::V0_2(p) => Some(p.invocation.config_source.uri.clone()).filter(|uri| !uri.is_empty()),
            Self::V1(p) if writer == Writer::User => {
                let workflow = p.build_definition.external_parameters.get("workflow")?;
                let repository = json::text(workflow, &["repository"])?;
                let git_ref = json::text(workflow, &["ref"])?;
                Some(format!("git+{repository}@{git_ref}"))
            }
            Self::V1(_) => {
                let reference = self.environment()?.get("GITHUB_WORKFLOW_REF")?.as_str()?;
                let (path, git_ref) =
                    reference.split_once('@').filter(|(_, r)| !r.is_empty() && !r.contains('@'))?;
                let mut parts = path.splitn(3, '/');
                let (owner, name) = (parts.next()?, parts.next()?);
                Some(format!("git+https://github.com/{owner}/{name}@{git_ref}"))
            }
        }
    }

    pub(crate) const fn trigger_place(&self, writer: Writer) -> &'static str {
        match (self, writer) {
            (Self::V0_2(_), _) => "predicate.invocation.configSource.uri",
            (Self::V1(_), Writer::User) => "predicate.buildDefinition.externalParameters.workflow",
            (Self::V1(_), _) => "predicate.buildDefinition.internalParameters.GITHUB_WORKFLOW_REF",
        }
    }

    /// GitHub's context, where the builder recorded it.
    pub(crate) fn environment(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::V0_2(p) => p.invocation.environment.as_object(),
            Self::V1(p) => p.build_definition.internal_parameters.as_object(),
        }
    }

    pub(crate) const fn environment_place(&self) -> &'static str {
        match self {
            Self::V0_2(_) => "predicate.invocation.environment",
            Self::V1(_) => "predicate.buildDefinition.internalParameters",
        }
    }

    fn context(&self, writer: Writer, name: &str) -> Option<&Value> {
        let environment = self.environment()?;
        // The first builders wrote lower case; everything since writes GitHub's own names.
        match (self, writer) {
            (Self::V0_2(_), Writer::Builder | Writer::User) => environment.get(name),
            _ => environment.get(&name.to_ascii_uppercase()),
        }
    }

    fn context_text(&self, writer: Writer, name: &str) -> Option<&str> {
        self.context(writer, name)?.as_str()
    }

    /// The branch's ref: the one built, or for a tag the one that it was made from where the event
    /// says so.
    pub(crate) fn branch_ref(&self, writer: Writer) -> Option<String> {
        if writer == Writer::Delegator
            && let Some(source) = self.source_uri()
        {
            let git_ref = source.split_once('@')?.1;
            if git_ref.starts_with("refs/heads/") {
                return Some(git_ref.to_owned());
            }
            if !git_ref.starts_with("refs/tags/") {
                return None;
            }
        }
        match self.context_text(writer, "github_ref_type")? {
            "branch" => self.context_text(writer, "github_ref").map(str::to_owned),
            "tag" => self.branch_of_tag(writer),
            _ => None,
        }
    }

    fn branch_of_tag(&self, writer: Writer) -> Option<String> {
        let base = self.context_text(writer, "github_base_ref")?;
        if !base.is_empty() {
            return Some(base.to_owned());
        }
        let payload = self.context(writer, "github_event_payload")?;
        match self.context_text(writer, "github_event_name")? {
            "push" => json::text(payload, &["base_ref"]).map(str::to_owned),
            "release" => json::text(payload, &["release", "target_commitish"])
                .map(|branch| format!("refs/heads/{branch}")),
            _ => None,
        }
    }

    /// The tag's ref.
    pub(crate) fn tag_ref(&self, writer: Writer) -> Option<String> {
        if writer == Writer::Delegator
            && let Some(source) = self.source_uri()
        {
            let git_ref = source.split_once('@').map(|(_, r)| r);
            return git_ref.filter(|r| r.starts_with("refs/tags/")).map(str::to_owned);
        }
        match self.context_text(writer, "github_ref_type")? {
            "tag" => self.context_text(writer, "github_ref").map(str::to_owned),
            _ => None,
        }
    }

    /// Inputs of a manually started workflow.
    pub(crate) fn workflow_inputs(&self, writer: Writer) -> Option<&Map<String, Value>> {
        if self.context_text(writer, "github_event_name")? != "workflow_dispatch" {
            return None;
        }
        self.context(writer, "github_event_payload")?.get("inputs")?.as_object()
    }

    pub(crate) fn external_parameters(&self) -> Option<&Value> {
        match self {
            Self::V0_2(_) => None,
            Self::V1(p) => Some(&p.build_definition.external_parameters),
        }
    }

    /// Whether the source may stand without a ref: early npm provenance, and delegated builders that
    /// build from another commit than the one that started them.
    pub(crate) fn source_ref_may_be_absent(&self) -> bool {
        let build_type = self.build_type();
        build_type == super::NPM_CLI_V1 || build_type == byob::BUILD_TYPE
    }
}
