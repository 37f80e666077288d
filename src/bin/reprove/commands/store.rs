//! `reprove store`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use reprove::digest::Digest;
use reprove::store::{Freed, Verification};
use serde::Serialize;

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::host;
use crate::locks;
use crate::render::{self, Failure};

/// Look after the store of downloaded and made files.
#[derive(Debug, clap::Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Remove what no lock file names and no run has used for some time.
    Gc(Gc),
    /// Read every object and move those that are damaged away.
    Verify,
}

#[derive(Debug, clap::Args)]
struct Gc {
    /// Keep what was used in the last so many days; 0 removes everything that no lock names.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(..=36_500))]
    unused_days: u32,
}

/// Why the locks could not be read. Nothing is removed then.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum LocksError {
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(cli::locks_read),
        help("name the folder that holds `policies/` with `--root DIR`; nothing was removed")
    )]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is not a lock file", path.display())]
    #[diagnostic(
        code(cli::locks_parse),
        help("mend the file or write it again with `reprove lock`; nothing was removed")
    )]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// The result of `gc`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Collected {
    /// Lock files whose inputs were kept.
    locks: usize,
    #[serde(flatten)]
    freed: Freed,
}

impl Store {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        match &self.action {
            Action::Gc(gc) => gc.run(args),
            Action::Verify => verify(args),
        }
    }
}

impl Gc {
    fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let (locks, keep) = locked(&args.root.join("policies/components"))?;
        let unused = SignedDuration::from_hours(24 * i64::from(self.unused_days));
        let since = match self.unused_days {
            0 => Timestamp::MAX,
            _ => host::now().checked_sub(unused).unwrap_or(Timestamp::MIN),
        };
        let freed = args.open_store()?.gc(&keep, since)?;
        let text = match args.format {
            Format::Json => render::json(&Collected { locks, freed })?,
            Format::Text => format!(
                "lock files read: {locks}, digests they name: {}\nobjects kept: {}\nobjects removed: {}, leftovers removed: {}, freed: {}\n",
                keep.len(),
                freed.kept,
                freed.objects,
                freed.leftovers,
                render::bytes(freed.len_bytes),
            ),
        };
        render::answer(&text, Exit::Pass)
    }
}

fn verify(args: &Args) -> Result<Exit, Failure> {
    let progress = args.progress();
    let seen = args.open_store()?.verify(&progress)?;
    drop(progress);
    let (exit, word) = match (seen.corrupted.len(), seen.intact) {
        (0, 0) => (Exit::Inconclusive, "nothing to check"),
        (0, _) => (Exit::Pass, "intact"),
        _ => (Exit::Fail, "damaged"),
    };
    let text = match args.format {
        Format::Json => render::json(&seen)?,
        Format::Text => describe(&seen, word),
    };
    render::answer(&text, exit)
}

fn describe(seen: &Verification, word: &str) -> String {
    let mut text = String::new();
    for c in &seen.corrupted {
        text.push_str(&format!(
            "damaged `{}`: found `{}`, moved to `{}`\n",
            c.expected,
            c.found,
            c.moved_to.display()
        ));
    }
    for path in &seen.foreign {
        text.push_str(&format!("not of the store, left alone: `{}`\n", path.display()));
    }
    text.push_str(&format!(
        "objects intact: {}, damaged: {}, read: {}\nthe store: {word}\n",
        seen.intact,
        seen.corrupted.len(),
        render::bytes(seen.len_bytes)
    ));
    text
}

/// How many lock files there are below a folder, and every digest that they name. One that cannot be
/// read stops everything: its inputs would be taken for rubbish.
fn locked(folder: &Path) -> Result<(usize, BTreeSet<Digest>), Failure> {
    let unreadable =
        |path: &Path, source| Failure::new(LocksError::Read { path: path.to_owned(), source }, Exit::Usage);
    let (mut found, mut keep) = (0, BTreeSet::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let entry = entry.map_err(|e| unreadable(&folder, e))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                folders.push(path);
            } else if is_lock(&path) {
                let text = fs::read(&path).map_err(|e| unreadable(&path, e))?;
                let wrong =
                    |source| Failure::new(LocksError::Parse { path: path.clone(), source }, Exit::Usage);
                keep.extend(locks::digests(&text).map_err(wrong)?);
                found += 1;
            }
        }
    }
    Ok((found, keep))
}

fn is_lock(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with(".lock.json"))
}
