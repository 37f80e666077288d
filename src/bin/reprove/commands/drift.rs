//! `reprove drift`.

use std::fmt::Write as _;
use std::path::PathBuf;

use reprove::limits::git::GitLimits;
use reprove::source::git::{self, Clone, Packaged};
use reprove::verdict::Verdict;
use serde::Serialize;

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::failures;
use crate::render::{self, Failure};

/// Say whether a packed source holds what a tag of its repository holds.
///
/// Takes a Go module's zip, a Python source distribution, a Rust crate, or a tar archive of a source. What
/// each packer leaves out, adds or rewrites by its own rules is told as such; all else is drift, as the
/// file was that carried the attack on xz. Exit codes: 0 no drift, 1 drift, 4 could not look.
#[derive(Debug, clap::Args)]
pub(crate) struct Drift {
    /// The packed source.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// A clone of its repository. Nothing of it is executed, and no configuration is read.
    #[arg(long, value_name = "DIR")]
    repository: PathBuf,

    /// The tag that it is made from.
    #[arg(long, value_name = "NAME", group = "revision", required_unless_present = "commit")]
    tag: Option<String>,

    /// The commit that it is made from, by its whole name.
    #[arg(long, value_name = "ID", group = "revision")]
    commit: Option<String>,

    /// The folder of the repository that was packed.
    #[arg(long, value_name = "PATH", default_value = "")]
    folder: String,
}

/// The result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    file: String,
    packaging: String,
    commit: String,
    same: usize,
    drifted: Vec<File>,
    explained: Vec<File>,
    submodules: Vec<String>,
    verdict: Verdict,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    path: String,
    how: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
}

impl Drift {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let file = self.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let packed = Packaged::read(&file, &self.file).map_err(failures::git_source)?;
        let clone = Clone::open(&self.repository, &GitLimits::DEFAULT).map_err(failures::git_source)?;
        let named = match (&self.tag, &self.commit) {
            (Some(tag), _) => clone.tag(tag),
            (None, commit) => clone.object(commit.as_deref().unwrap_or_default()),
        };
        let commit = named.and_then(|raw| clone.commit(&raw)).map_err(failures::git_source)?;
        let listing = clone.listing(&commit).map_err(failures::git_source)?;
        let folder = match self.folder.trim_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let drift = git::drift(&packed, &clone, &listing, &folder).map_err(failures::git_source)?;
        let verdict = if drift.unexplained().next().is_some() { Verdict::Fail } else { Verdict::Pass };
        // Nothing in common is no drift of one source: it is another one.
        let verdict = if drift.same == 0 { Verdict::Fail } else { verdict };
        let told = |f: &git::Drifted| File { path: f.path.clone(), how: f.way.words(), rule: f.rule };
        let answer = Answer {
            file,
            packaging: packed.packaging.words(),
            commit: commit.id.clone(),
            same: drift.same,
            drifted: drift.unexplained().map(told).collect(),
            explained: drift.files.iter().filter(|f| f.rule.is_some()).map(told).collect(),
            submodules: drift.submodules,
            verdict,
        };
        let out = match args.format {
            Format::Json => render::json(&answer)?,
            Format::Text => text(&answer, args.verbose),
        };
        render::answer(&out, answer.verdict.into())
    }
}

fn text(answer: &Answer, verbose: bool) -> String {
    let mut out = format!("{} ({})\n\n", render::printable(&answer.file), answer.packaging);
    let _ = writeln!(out, "  commit        {}", answer.commit);
    let _ = writeln!(out, "  the same      {} files", answer.same);
    for file in &answer.drifted {
        let _ = writeln!(out, "  drifted       {}: {}", render::printable(&file.path), file.how);
    }
    for path in &answer.submodules {
        let _ = writeln!(out, "  not looked    {}: a submodule", render::printable(path));
    }
    if verbose {
        for file in &answer.explained {
            let rule = file.rule.unwrap_or_default();
            let _ = writeln!(out, "  by rule       {}: {}; {rule}", render::printable(&file.path), file.how);
        }
    } else if !answer.explained.is_empty() {
        let _ = writeln!(out, "  by rule       {} files (`--verbose` names them)", answer.explained.len());
    }
    let _ = match answer.drifted.len() {
        0 if answer.same == 0 => writeln!(out, "\nnothing is the same: {}", answer.verdict),
        0 => writeln!(out, "\nno drift: {}", answer.verdict),
        n => writeln!(out, "\n{n} drifted: {}", answer.verdict),
    };
    out
}
