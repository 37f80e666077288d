//! `reprove trust`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reprove::limits::signature::SignatureLimits;
use reprove::verify::openpgp::{Certificate, CertificateStanding, Keyring};
use reprove::verify::roots::{self, ENDS_SOON_DAYS, RootListing, Standing, days_between};
use serde::Serialize;

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::host;
use crate::render::{self, Failure};

/// A trusted root of Sigstore's has 10 kB; no honest one is near this.
const ROOT_BYTES_MAX: u64 = 4 << 20;
/// Folders below `policies/trust` that are looked into.
const FOLDER_DEPTH_MAX: usize = 4;

/// Show what verification trusts, or refresh it.
#[derive(Debug, clap::Args)]
pub(crate) struct Trust {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the Sigstore roots and the OpenPGP keyrings, with age and end.
    Show(Show),
    /// Fetch the newest Sigstore root, authenticated from the built-in one; the only command about trust
    /// that uses the network.
    #[cfg(feature = "tuf")]
    Update(Update),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Time of judgment (RFC 3339), in place of now.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// List this `trusted_root.json` in place of the built-in roots.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
}

#[cfg(feature = "tuf")]
#[derive(Debug, clap::Args)]
struct Update {
    /// Whose root.
    #[arg(long, value_enum, default_value_t = Instance::Public)]
    instance: Instance,
    /// Mirror of the instance's TUF repository.
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// Time of judgment (RFC 3339), in place of now.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
}

#[cfg(feature = "tuf")]
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Instance {
    /// The public one.
    Public,
    /// GitHub's, for private repositories.
    Github,
    /// The public one's rehearsal.
    Staging,
}

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum TrustError {
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(cli::trust_read),
        help("check that the file exists and can be read, and that `--root` names the right folder")
    )]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[cfg(feature = "tuf")]
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(
        code(cli::trust_write),
        help("check the disk and the folder's permissions, or name another with `--work DIR`")
    )]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The result of `show`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct Shown {
    as_of: Timestamp,
    sigstore: Vec<RootListing>,
    openpgp: Vec<KeyringListing>,
}

#[derive(Debug, Serialize)]
struct KeyringListing {
    file: String,
    /// Certificates that could not be read; they vouch for nothing.
    unreadable: usize,
    /// Why the whole file could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    certificates: Vec<Certificate>,
}

impl Trust {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        match &self.action {
            Action::Show(show) => show.run(args),
            #[cfg(feature = "tuf")]
            Action::Update(update) => update.run(args),
        }
    }
}

impl Show {
    fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let as_of = self.as_of.unwrap_or_else(host::now);
        let sigstore = match &self.trusted_root {
            None => roots::embedded(as_of),
            Some(path) => {
                let json = String::from_utf8_lossy(&read(path, ROOT_BYTES_MAX)?).into_owned();
                roots::from_json(&path.display().to_string(), &json, as_of).map(|root| vec![root])
            }
        }
        .map_err(|e| Failure::new(e, Exit::Usage))?;
        let openpgp = keyrings(&args.root.join("policies/trust"), as_of)?;
        let shown = Shown { as_of, sigstore, openpgp };
        for warning in shown.warnings() {
            render::line(&format!("warning: {warning}"));
        }
        let text = match args.format {
            Format::Json => render::json(&shown)?,
            Format::Text => shown.text(),
        };
        // Something that no longer counts is missing evidence in every later verification.
        let ended = shown.sigstore.iter().any(|r| r.standing == Standing::Ended)
            || shown.openpgp.iter().any(|k| k.problem.is_some());
        render::answer(&text, if ended { Exit::Inconclusive } else { Exit::Pass })
    }
}

impl Shown {
    /// What must not be overlooked.
    fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        for root in &self.sigstore {
            let end = root.tuf_expires.map(|t| day(Some(t))).unwrap_or_default();
            match root.standing {
                Standing::Ended => all.push(format!(
                    "the {} root has ended {end}: run `reprove trust update` or install a newer release",
                    root.instance
                )),
                Standing::EndsSoon => all.push(format!(
                    "the {} root ends within {ENDS_SOON_DAYS} days, on {end}: run `reprove trust update` or install a newer release",
                    root.instance
                )),
                Standing::NotBegun | Standing::Live => {}
            }
        }
        for keyring in &self.openpgp {
            if let Some(problem) = &keyring.problem {
                all.push(format!("`{}` cannot be used: {problem}", keyring.file));
            }
            if keyring.unreadable > 0 {
                all.push(format!("`{}`: {} certificates cannot be read", keyring.file, keyring.unreadable));
            }
            let over =
                keyring.certificates.iter().filter(|c| c.standing != CertificateStanding::Live).count();
            if over > 0 && over == keyring.certificates.len() {
                all.push(format!("`{}`: no certificate counts at {}", keyring.file, day(Some(self.as_of))));
            }
            let soon = |c: &&Certificate| {
                c.expires.is_some_and(|e| e > self.as_of && days_between(self.as_of, e) < ENDS_SOON_DAYS)
            };
            for certificate in keyring.certificates.iter().filter(soon) {
                all.push(format!(
                    "`{}`: certificate {} ends on {}",
                    keyring.file,
                    certificate.fingerprint,
                    day(certificate.expires)
                ));
            }
        }
        all
    }

    fn text(&self) -> String {
        let mut out = format!("trust as of {}\n", self.as_of);
        for root in &self.sigstore {
            let _ = writeln!(out, "\n{} ({}): {}", root.instance, root.source, root.standing.word());
            let _ = writeln!(out, "  {}", root.digest);
            if let (Some(version), Some(expires)) = (root.tuf_version, root.tuf_expires) {
                let left = days_between(self.as_of, expires);
                let _ =
                    writeln!(out, "  TUF root version {version}, until {} ({left} days)", day(Some(expires)));
            }
            if let Some(age) = root.age_days {
                let _ = writeln!(out, "  newest entry of {}, {age} days old", day(root.newest_entry));
            }
            for entry in &root.entries {
                let _ = writeln!(
                    out,
                    "  {:<21}  {:<9}  {} to {}  {}",
                    entry.role.words(),
                    entry.standing.word(),
                    day(entry.from),
                    entry.until.map_or_else(|| "now on".to_owned(), |t| day(Some(t))),
                    entry.name
                );
            }
        }
        for keyring in &self.openpgp {
            let _ = writeln!(out, "\n{}: {} certificates", keyring.file, keyring.certificates.len());
            for certificate in &keyring.certificates {
                let standing = match &certificate.standing {
                    CertificateStanding::Live => "live".to_owned(),
                    CertificateStanding::Expired => "ended".to_owned(),
                    CertificateStanding::Revoked(reason) => format!("revoked ({reason})"),
                    CertificateStanding::NotValid(reason) => format!("not valid ({reason})"),
                };
                let _ = writeln!(
                    out,
                    "  {}  {standing}, {}  {}",
                    certificate.fingerprint,
                    certificate
                        .expires
                        .map_or_else(|| "no end".to_owned(), |t| format!("until {}", day(Some(t)))),
                    certificate.user_ids.first().map_or("no user id", String::as_str)
                );
            }
        }
        if self.openpgp.is_empty() {
            out.push_str("\nno OpenPGP keyring in policies/trust\n");
        }
        out
    }
}

/// The day of a time; enough for ends and ages.
fn day(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "ever".to_owned(), |t| jiff::tz::Offset::UTC.to_datetime(t).date().to_string())
}

/// Every OpenPGP keyring under a folder, told by content.
fn keyrings(folder: &Path, as_of: Timestamp) -> Result<Vec<KeyringListing>, Failure> {
    let limits = SignatureLimits::DEFAULT;
    let mut files = Vec::new();
    collect(folder, FOLDER_DEPTH_MAX, &mut files).map_err(|source| {
        Failure::new(TrustError::Read { path: folder.to_owned(), source }, Exit::CouldNotLook)
    })?;
    files.sort();
    let mut listed = Vec::new();
    for path in files {
        let bytes = read(&path, limits.keyring_bytes_max as u64 + 1)?;
        if !is_keyring(&bytes) {
            continue;
        }
        let file = path.display().to_string();
        listed.push(match Keyring::read(&bytes, &limits) {
            Ok(keyring) => KeyringListing {
                file,
                unreadable: keyring.unreadable(),
                problem: None,
                certificates: keyring.certificates(as_of),
            },
            Err(e) => {
                KeyringListing { file, unreadable: 0, problem: Some(e.to_string()), certificates: Vec::new() }
            }
        });
    }
    Ok(listed)
}

/// A public key packet in the old or new format (RFC 9580, section 4.2), or ASCII armour.
fn is_keyring(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x98..=0x9b | 0xc6))
        || bytes.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            files.push(entry.path());
        } else if kind.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, files)?;
        }
    }
    Ok(())
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes)).map_err(|source| {
        Failure::new(TrustError::Read { path: path.to_owned(), source }, Exit::CouldNotLook)
    })?;
    Ok(bytes)
}

#[cfg(feature = "tuf")]
impl Update {
    fn run(&self, args: &Args) -> Result<Exit, Failure> {
        use reprove::fetch::tuf::{self, TufError};
        use sigstore_trust_root::SigstoreInstance;

        let (instance, name) = match self.instance {
            Instance::Public => (SigstoreInstance::PublicGood, "public"),
            Instance::Github => (SigstoreInstance::GitHub, "github"),
            Instance::Staging => (SigstoreInstance::Staging, "staging"),
        };
        let as_of = self.as_of.unwrap_or_else(host::now);
        let folder = args.work_dir()?.join("trust").join(name);
        let write = |path: &Path, source| {
            Failure::new(TrustError::Write { path: path.to_owned(), source }, Exit::CouldNotLook)
        };
        let metadata = folder.join("tuf");
        fs::create_dir_all(&metadata).map_err(|e| write(&metadata, e))?;
        let url = self.repository.as_deref().unwrap_or_else(|| instance.tuf_url());
        let refreshed =
            tuf::refresh(args.fetcher(), url, instance.tuf_root(), &metadata, as_of).map_err(|error| {
                let exit = match error {
                    TufError::Unreachable { .. } => Exit::CouldNotLook,
                    TufError::Refused { .. } => Exit::Fail,
                };
                Failure::new(error, exit)
            })?;
        let path = folder.join("trusted_root.json");
        // A root must be usable before it takes the place of the last one.
        let json = String::from_utf8_lossy(&refreshed.trusted_root).into_owned();
        let listing = roots::from_json(&path.display().to_string(), &json, as_of)
            .map_err(|e| Failure::new(e, Exit::Fail))?;
        let part = folder.join("trusted_root.json.part");
        fs::write(&part, &refreshed.trusted_root)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|e| write(&path, e))?;
        let text = match args.format {
            Format::Json => render::json(&listing)?,
            Format::Text => format!(
                "{} authenticated from the built-in root, TUF root version {} until {}\n{}\nuse it with: --trusted-root {}\n",
                url,
                refreshed.root_version,
                day(Some(refreshed.root_expires)),
                listing.digest,
                path.display()
            ),
        };
        render::answer(&text, Exit::Pass)
    }
}
