//! What `audit` is given beside a release: keys, the publisher's list of checksums, clones.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reprove::audit::{Announcement, Clones};
use reprove::component::Release;
use reprove::evaluate::repository::Repositories;
use reprove::limits::signature::SignatureLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::verify::Context;
use reprove::verify::policy::{Pattern, Policy};
use reprove::verify::signed::{Document, Keys};
use reprove::verify::trust::{SigstoreRoot, Trust};

use crate::commands::verify::long_lived::{Loaded, LongLived};
use crate::commands::verify::read_text;
use crate::exit::Exit;
use crate::register::RepositoryArgs;
use crate::render::Failure;

/// Endings of a signature that lies beside the file that it is over.
const SIGNATURES: [&str; 3] = ["asc", "sig", "minisig"];

/// The publisher's list of checksums, and whose signatures count.
#[derive(Debug, clap::Args)]
pub(crate) struct BesideArgs {
    /// The publisher's list of checksums for `--published` and `--input`. Without it the one that the
    /// definition names is taken where it lies beside such a file.
    #[arg(long, value_name = "FILE")]
    checksums: Option<PathBuf>,

    /// A signature over the list of checksums. Without it a file of the same name with `.asc`, `.sig` or
    /// `.minisig` beside the list is taken.
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    #[command(flatten)]
    keys: LongLived,

    /// Identity that has to have signed a tag by certificate (gitsign).
    #[arg(long, value_name = "PATTERN", requires = "issuer", help_heading = "Signer")]
    identity: Option<String>,

    /// Issuer that has to have vouched for that identity.
    #[arg(long, value_name = "PATTERN", requires = "identity", help_heading = "Signer")]
    issuer: Option<String>,

    /// Sigstore trust root (`trusted_root.json`) for such signatures, in place of the embedded ones.
    /// Repeatable.
    #[arg(long = "trusted-root", value_name = "FILE", requires = "identity", help_heading = "Signer")]
    trusted_roots: Vec<PathBuf>,
}

/// A list of checksums, or a signature over one, that no given file could stand in.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`--checksums` and `--signature` are about files that are given, and none is")]
#[diagnostic(
    code(cli::checksums_of_nothing),
    help(
        "give what was published with `--published FILE`, or an input of the build with `--input NAME=FILE`"
    )
)]
struct ChecksumsOfNothing;

/// All of it, read.
pub(crate) struct Beside {
    list: Option<(String, Vec<u8>)>,
    signature: Option<(String, Vec<u8>)>,
    loaded: Loaded,
    certificates: Option<(Trust, Policy)>,
    demanded: bool,
    repositories: Repositories,
    limits: VerifyLimits,
}

impl BesideArgs {
    /// Reads what was given, and what lies beside one of the `given` files.
    pub(crate) fn read<'r>(
        &self,
        given: &[&Path],
        repositories: &RepositoryArgs,
        mut releases: impl Iterator<Item = &'r Release>,
    ) -> Result<Beside, Failure> {
        if given.is_empty() && (self.checksums.is_some() || self.signature.is_some()) {
            return Err(Failure::new(ChecksumsOfNothing, Exit::Usage));
        }
        let mut named = || releases.next()?.go()?.checksums.clone();
        let beside = |file: &Path| given.iter().map(|p| p.with_file_name(file)).find(|path| path.is_file());
        let list = match &self.checksums {
            Some(path) => Some(path.clone()),
            None => named().and_then(|name| beside(Path::new(&name))),
        };
        let signature = match (&self.signature, &list) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(list)) => SIGNATURES
                .iter()
                .map(|end| PathBuf::from(format!("{}.{end}", list.display())))
                .find(|path| path.is_file()),
            (None, None) => None,
        };
        let limits = SignatureLimits::DEFAULT;
        let read = |path: PathBuf| {
            let bytes = bounded(&path, limits.list_bytes_max)?;
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
            Ok::<_, Failure>((name.unwrap_or_default(), bytes))
        };
        Ok(Beside {
            list: list.map(read).transpose()?,
            signature: signature.map(read).transpose()?,
            loaded: self.keys.load(&limits)?,
            certificates: self.certificates()?,
            demanded: self.keys.is_given() || self.identity.is_some(),
            repositories: repositories.repositories(),
            limits: VerifyLimits::DEFAULT,
        })
    }

    fn certificates(&self) -> Result<Option<(Trust, Policy)>, Failure> {
        let (Some(identity), Some(issuer)) = (&self.identity, &self.issuer) else { return Ok(None) };
        let pattern = |text: &str| Pattern::new(text).map_err(|e| Failure::new(e, Exit::Usage));
        let mut policy = Policy::new();
        policy.identities.push(pattern(identity)?);
        policy.issuers.push(pattern(issuer)?);
        let unusable = |e| Failure::new(e, Exit::Usage);
        if self.trusted_roots.is_empty() {
            return Ok(Some((Trust::embedded().map_err(unusable)?, policy)));
        }
        let roots = self.trusted_roots.iter().map(|path| {
            SigstoreRoot::from_json(&path.display().to_string(), &read_text(path)?).map_err(unusable)
        });
        Ok(Some((Trust::from_roots(roots.collect::<Result<_, _>>()?), policy)))
    }
}

impl Beside {
    /// Repositories alone.
    pub(crate) fn only(repositories: Repositories) -> Self {
        Self {
            list: None,
            signature: None,
            loaded: Loaded::default(),
            certificates: None,
            demanded: false,
            repositories,
            limits: VerifyLimits::DEFAULT,
        }
    }

    /// What signatures by certificate are judged with.
    pub(crate) fn context(&self, as_of: Timestamp) -> Option<Context<'_>> {
        let (trust, policy) = self.certificates.as_ref()?;
        Some(Context { trust, policy, log_entries: &[], as_of, limits: &self.limits })
    }

    /// Whose signatures count.
    pub(crate) fn keys<'a>(&'a self, context: Option<&'a Context<'a>>) -> Keys<'a> {
        Keys { sigstore: context, ..self.loaded.keys() }
    }

    /// What the publisher says of the file that was given.
    pub(crate) fn announced<'a>(&'a self, keys: &Keys<'a>) -> Option<Announcement<'a>> {
        let document = |(name, bytes): &'a (String, Vec<u8>)| Document { source: name, bytes };
        let list = document(self.list.as_ref()?);
        Some(Announcement { list, signature: self.signature.as_ref().map(document), keys: *keys })
    }

    /// The clones, and whose signatures in them count.
    pub(crate) fn clones<'a>(&'a self, keys: &'a Keys<'a>) -> Clones<'a> {
        Clones { repositories: &self.repositories, keys, demanded: self.demanded }
    }
}

fn bounded(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let failed = |source| {
        let path = camino::Utf8PathBuf::from(path.display().to_string());
        Failure::new(reprove::artifact::ArtifactError::Read { path, source }, Exit::Usage)
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One more than the reader takes, which then says that it is too long.
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
