//! What the library does not read by itself: the environment, the clock and the home directory,
//! turned into values for it.

use std::env;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use jiff::Timestamp;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::store::Store;

use crate::args::Args;
use crate::exit::Exit;
use crate::progress::{Progress, Style};
use crate::render::Failure;

/// What is wrong with the surroundings.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum HostError {
    /// No folder for the store.
    #[error("no folder for the store: neither `$XDG_CACHE_HOME` nor `$HOME` is an absolute path")]
    #[diagnostic(code(cli::no_work_folder), help("name one with `--work DIR`"))]
    NoWorkFolder,
}

impl Args {
    /// The folder for the store and caches: `--work`, or the user's cache folder.
    pub(crate) fn work_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.work {
            return Ok(dir.clone());
        }
        // The XDG base directory specification: relative paths are to be ignored.
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|p: &PathBuf| p.is_absolute());
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|cache| cache.join("reprove"))
            .ok_or_else(|| Failure::new(HostError::NoWorkFolder, Exit::CouldNotLook))
    }

    /// The store in the work folder.
    pub(crate) fn open_store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.work_dir()?.join("store"))?)
    }

    /// A fetcher with the proxies of the environment.
    pub(crate) fn fetcher(&self) -> Fetcher {
        Fetcher::new(proxies(), FetchLimits::DEFAULT)
    }

    /// Shows progress the way the options and the terminal ask for.
    pub(crate) fn progress(&self) -> Progress {
        let style = match (self.quiet, colour_allowed()) {
            (true, _) => Style::Quiet,
            (false, colour) => Style::Shown { build_lines: self.verbose, colour },
        };
        Progress::new(style)
    }
}

/// The clock, read once for each run by who needs it.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// True unless `NO_COLOR` is set to something (see no-color.org).
pub(crate) fn colour_allowed() -> bool {
    env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Whether results go to a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether results may be coloured.
pub(crate) fn colours_on_stdout() -> bool {
    stdout_is_terminal() && colour_allowed()
}

/// The usual variables. `HTTP_PROXY` in capitals is left out on purpose: in a CGI program a client
/// sets it with a `Proxy:` header (CVE-2016-5388).
fn proxies() -> Proxies {
    let var = |names: &[&str]| names.iter().find_map(|n| env::var(n).ok().filter(|v| !v.trim().is_empty()));
    let all = var(&["all_proxy", "ALL_PROXY"]);
    let http = var(&["http_proxy"]).or_else(|| all.clone());
    let https = var(&["https_proxy", "HTTPS_PROXY"]).or(all);
    match (&http, &https) {
        (None, None) => Proxies::None,
        _ => Proxies::Some { http, https, except: var(&["no_proxy", "NO_PROXY"]) },
    }
}
