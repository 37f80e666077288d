//! `reprove compare`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reprove::compare::view::{self, TextOptions};
use reprove::compare::{
    Answer, CompareError, CompareLimits, CompareOptions, Comparison, Deadline, Ledger, SCHEMA_JSON,
    compare_paths,
};

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::render::{self, Failure};

/// Compare a published artifact with a rebuilt one and explain every difference.
///
/// Files or directories. Exit codes: 0 identical, 1 different, 3 undetermined, 5 equivalent only after
/// named normalizations, 2 wrong arguments, 4 could not look.
#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// The artifact as its publisher distributes it.
    #[arg(required_unless_present = "print_schema")]
    published: Option<PathBuf>,
    /// The artifact as it was built again.
    #[arg(required_unless_present = "print_schema")]
    rebuilt: Option<PathBuf>,

    /// Highest tier of normalization that may lead to `equivalent`: 0 transport, 1 container,
    /// 2 derived values, 3 patterns.
    #[arg(long, value_name = "TIER", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    normalize: u8,
    /// Write a view for a browser, in one file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Hunks shown in text.
    #[arg(long, value_name = "N", default_value_t = TextOptions::default().hunks_max)]
    max_hunks: usize,
    /// A known value (build user, date, identifier) to put aside on both sides; may be repeated.
    #[arg(long, value_name = "VALUE")]
    mask: Vec<String>,
    /// Disassemble changed machine code around the change (needs the feature `disassemble`).
    #[arg(long)]
    disassemble: bool,
    /// Documented differences (default: `policies/differences.toml` below `--root`, if it is there).
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// The day for which the ledger's end dates are looked at (default: today, UTC).
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<jiff::civil::Date>,
    /// Folder for unlinked temporary files (default: the system's).
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Write the JSON Schema of the result to standard output and end.
    #[arg(long)]
    print_schema: bool,

    #[command(flatten)]
    limits: Limits,
}

/// Bounds on what the artifacts may cost.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
struct Limits {
    /// Decoded bytes over both sides.
    #[arg(long, value_name = "BYTES", default_value_t = CompareLimits::DEFAULT.expanded_bytes_max)]
    limit_bytes: u64,
    /// Decoded bytes for each compressed byte.
    #[arg(long, value_name = "N", default_value_t = CompareLimits::DEFAULT.ratio_max)]
    limit_ratio: u64,
    /// Members over both sides.
    #[arg(long, value_name = "N", default_value_t = CompareLimits::DEFAULT.members_max)]
    limit_members: u64,
    /// Layers of containers in each other.
    #[arg(long, value_name = "N", default_value_t = CompareLimits::DEFAULT.depth_max)]
    limit_depth: u32,
    /// Memory of a decoder's window.
    #[arg(long, value_name = "BYTES", default_value_t = CompareLimits::DEFAULT.decoder_memory_bytes_max)]
    limit_decoder_memory: u64,
    /// Bytes in temporary files at one time.
    #[arg(long, value_name = "BYTES", default_value_t = CompareLimits::DEFAULT.scratch_bytes_max)]
    limit_scratch: u64,
    /// Seconds for the whole comparison.
    #[arg(long, value_name = "SECONDS", default_value_t = CompareLimits::DEFAULT.seconds_max)]
    limit_time: u64,
    /// Lines, and thousands of bytes, that explaining may look at.
    #[arg(long, value_name = "N", default_value_t = CompareLimits::DEFAULT.diff_work_max)]
    limit_diff_work: u64,
}

impl Compare {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        if self.print_schema {
            return render::answer(SCHEMA_JSON, Exit::Pass);
        }
        let (Some(published), Some(rebuilt)) = (&self.published, &self.rebuilt) else {
            return Ok(Exit::Usage);
        };
        let seconds = self.limits.limit_time;
        let start = Instant::now();
        let options = CompareOptions {
            limits: CompareLimits {
                expanded_bytes_max: self.limits.limit_bytes,
                ratio_max: self.limits.limit_ratio,
                members_max: self.limits.limit_members,
                depth_max: self.limits.limit_depth.min(CompareLimits::DEPTH_CEILING),
                decoder_memory_bytes_max: self.limits.limit_decoder_memory,
                scratch_bytes_max: self.limits.limit_scratch,
                seconds_max: seconds,
                diff_work_max: self.limits.limit_diff_work,
                ..CompareLimits::DEFAULT
            },
            deadline: Some(Deadline::new(move || start.elapsed() > Duration::from_secs(seconds))),
            normalize: self.normalize,
            mask: self.mask.clone(),
            disassemble: self.disassemble,
            ..CompareOptions::new(self.scratch.clone().unwrap_or_else(std::env::temp_dir))
        };
        let mut comparison = compare_paths(published, rebuilt, &options).map_err(failure)?;
        if let Some(ledger) = self.ledger(args)? {
            let as_of =
                self.as_of.unwrap_or_else(|| jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date());
            ledger.apply(&mut comparison, as_of);
        }
        if let Some(file) = &self.html {
            std::fs::write(file, view::html(&comparison)).map_err(|source| {
                Failure::new(CompareError::Write { path: file.clone(), source }, Exit::CouldNotLook)
            })?;
        }
        let text = match args.format {
            Format::Text => view::text(&comparison, TextOptions { hunks_max: self.max_hunks }),
            Format::Json => render::json(&comparison)?,
        };
        render::answer(&text, exit(&comparison))
    }

    fn ledger(&self, args: &Args) -> Result<Option<Ledger>, Failure> {
        let file = match &self.ledger {
            Some(file) => file.clone(),
            None => {
                let file = args.root.join("policies/differences.toml");
                if !file.is_file() {
                    return Ok(None);
                }
                file
            }
        };
        Ledger::read(&file).map(Some).map_err(failure)
    }
}

fn exit(comparison: &Comparison) -> Exit {
    match comparison.verdict {
        Answer::Identical => Exit::Pass,
        Answer::Equivalent => Exit::Equivalent,
        Answer::Different => Exit::Fail,
        Answer::Undetermined => Exit::Inconclusive,
    }
}

/// A wrong ledger and wrong arguments are for the user to mend; the rest could not be looked at.
fn failure(error: CompareError) -> Failure {
    let exit = match error {
        CompareError::Ledger { .. } | CompareError::Kinds { .. } => Exit::Usage,
        _ => Exit::CouldNotLook,
    };
    Failure::new(error, exit)
}
