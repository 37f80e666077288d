//! What commands that ask Debian's archives have in common: mirrors, keyrings, access.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use reprove::event::Observer;
use reprove::fetch::Fetcher;
use reprove::limits::debian::DebianLimits;
use reprove::limits::signature::SignatureLimits;
use reprove::source::debian::{Access, Mirrors};
use reprove::store::Store;
use reprove::verify::openpgp::Keyring;

use crate::args::Args;
use crate::exit::Exit;
use crate::render::Failure;

/// Where apt's configuration lies on a host that has one.
const APT_FOLDER: &str = "/etc/apt";

/// Mirrors from the command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct MirrorArgs {
    /// Ask this mirror before those of the host's apt configuration: the folder that holds `dists/` and
    /// `pool/`. For security updates `security=URL`. Repeatable.
    #[arg(long = "mirror", value_name = "[security=]URL")]
    mirrors: Vec<String>,
}

/// What is wrong with a file of the host or the policies.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum FileError {
    #[error("cannot read the apt configuration `{}`", path.display())]
    #[diagnostic(
        code(cli::apt_configuration),
        help("let it be read, or run where no `/etc/apt` is and name the mirror with `--mirror URL`")
    )]
    Apt {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the keyring `{}`", path.display())]
    #[diagnostic(
        code(cli::keyring),
        help(
            "name the folder that holds `policies/` with `--root DIR`, or an existing file with `--keyring FILE`"
        )
    )]
    Keyring {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl MirrorArgs {
    /// The mirrors of the command line, then those of the host's apt configuration.
    pub(crate) fn mirrors(&self) -> Result<Mirrors, Failure> {
        let files = apt_files(Path::new(APT_FOLDER))?;
        let usage = |e| Failure::new(e, Exit::Usage);
        let mut mirrors = Mirrors::from_apt(&files, &DebianLimits::DEFAULT).map_err(usage)?;
        mirrors.prefer(&self.mirrors).map_err(usage)?;
        Ok(mirrors)
    }
}

/// The archives, asked within the default bounds.
pub(crate) fn access<'a>(
    mirrors: &'a Mirrors,
    fetcher: &'a Fetcher,
    store: &'a Store,
    observer: &'a dyn Observer,
) -> Access<'a> {
    Access { mirrors, fetcher, store, observer, limits: DebianLimits::DEFAULT }
}

/// `sources.list`, then the files of `sources.list.d` in the order of their names; those that are
/// not there are not there.
fn apt_files(folder: &Path) -> Result<Vec<(String, String)>, Failure> {
    let mut paths = vec![folder.join("sources.list")];
    if let Ok(entries) = fs::read_dir(folder.join("sources.list.d")) {
        let mut more: Vec<PathBuf> = entries
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "list" || e == "sources"))
            .collect();
        more.sort();
        paths.extend(more);
    }
    let mut files = Vec::new();
    for path in paths {
        match read_bounded(&path, DebianLimits::DEFAULT.apt_file_bytes_max + 1) {
            Ok(bytes) => {
                files.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Failure::new(FileError::Apt { path, source }, Exit::CouldNotLook)),
        }
    }
    Ok(files)
}

/// The keyring that vouches for indexes: `policies/trust/debian-archive-keyring.pgp`; nobody's where no
/// archive is `asked`.
pub(crate) fn archive_keyring(args: &Args, asked: bool) -> Result<Keyring, Failure> {
    if !asked {
        return Ok(Keyring::nobody());
    }
    keyring(&[args.root.join("policies/trust/debian-archive-keyring.pgp")])
}

/// The keyring for the signatures of `.dsc` files: `policies/trust/debian-developers.pgp`, and those
/// given; nobody's where no archive is `asked`.
pub(crate) fn developer_keyring(args: &Args, more: &[PathBuf], asked: bool) -> Result<Keyring, Failure> {
    if !asked {
        return Ok(Keyring::nobody());
    }
    let mut paths = vec![args.root.join("policies/trust/debian-developers.pgp")];
    paths.extend_from_slice(more);
    keyring(&paths)
}

fn keyring(paths: &[PathBuf]) -> Result<Keyring, Failure> {
    let limits = SignatureLimits::DEFAULT;
    let mut files = Vec::new();
    for path in paths {
        let read = read_bounded(path, limits.keyring_bytes_max as u64 + 1);
        let failed = |source| FileError::Keyring { path: path.clone(), source };
        files.push(read.map_err(|e| Failure::new(failed(e), Exit::Usage))?);
    }
    let slices: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    Keyring::read_all(&slices, &limits).map_err(|e| Failure::new(e, Exit::Usage))
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}
