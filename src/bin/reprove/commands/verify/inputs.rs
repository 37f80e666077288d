//! What `reprove verify` reads: artifacts and attestations.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;
use reprove::digest::{Algorithm, Digest, DigestSet, Hasher};
use reprove::limits::verify::VerifyLimits;
use reprove::verify::{self, Attestation, LogEntry, Subject, document, oci, signed};

use super::long_lived::Signed;
use super::unread::{Reading, Tolerance, Unread};
use crate::exit::Exit;
use crate::render::Failure;

/// Bytes read at a time; large enough that system calls do not show in a profile.
const CHUNK_BYTES: usize = 256 * 1024;
/// A policy, key or trust root is never longer: Sigstore's largest trust root has 60 kB.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Debian's keyring of all its developers has 28 MB.
const KEYRING_BYTES_MAX: u64 = 128 << 20;

/// What cannot be taken.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum InputError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`")]
    #[diagnostic(code(cli::read), help("check that the file exists and may be read"))]
    Read {
        /// Which.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A text file is too long.
    #[error("`{path}` has more than {max} bytes")]
    #[diagnostic(code(cli::text_limit), help("check that this is the file you mean"))]
    TextLimit {
        /// Which.
        path: String,
        /// The limit.
        max: u64,
    },
    /// A glob that matches nothing, or cannot be read.
    #[error("`{pattern}` names no file")]
    #[diagnostic(code(cli::no_such_file), help("name an existing file or folder, or `sha256:` and a digest"))]
    NoSuchFile {
        /// As given.
        pattern: String,
    },
    /// A digest that is none.
    #[error("`{found}` is no digest")]
    #[diagnostic(code(cli::digest), help("write `sha256:` followed by 64 lower-case hexadecimal digits"))]
    Digest {
        /// As given.
        found: String,
        /// What is wrong with it.
        #[source]
        source: reprove::digest::DigestError,
    },
    /// A summary without artifacts.
    #[error("a verification summary needs an artifact to be about")]
    #[diagnostic(
        code(cli::nothing_to_summarise),
        help("name the artifact's file, or `sha256:` and its digest")
    )]
    NothingToSummarise,
    /// A repository without a tag or commit in it.
    #[error("a repository is not signed, its tags and commits are")]
    #[diagnostic(code(cli::no_revision), help("name one with `--tag NAME` or `--commit ID`"))]
    NoRevision,
}

fn read_error(path: &Path, source: std::io::Error) -> Failure {
    Failure::new(InputError::Read { path: path.display().to_string(), source }, Exit::CouldNotLook)
}

/// Reads a policy, key or trust root.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|e| read_error(path, e))?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        let error = InputError::TextLimit { path: path.display().to_string(), max: TEXT_BYTES_MAX };
        return Err(Failure::new(error, Exit::CouldNotLook));
    }
    Ok(text)
}

/// Reads a keyring or a signature.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(KEYRING_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|e| read_error(path, e))?;
    if bytes.len() as u64 > KEYRING_BYTES_MAX {
        let error = InputError::TextLimit { path: path.display().to_string(), max: KEYRING_BYTES_MAX };
        return Err(Failure::new(error, Exit::CouldNotLook));
    }
    Ok(bytes)
}

/// Attestations with the digests of the files that held them.
pub(super) struct Given {
    pub(super) attestations: Vec<Attestation>,
    /// Signatures by long-lived keys, and lists of checksums.
    pub(super) signatures: Vec<Signed>,
    pub(super) digests: Vec<(String, Digest)>,
    pub(super) unread: Vec<Unread>,
}

/// Reads files, folders of them, and image layouts.
pub(super) fn attestations(
    paths: &[PathBuf],
    limits: &VerifyLimits,
    reading: Reading,
) -> Result<Given, Failure> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() && !oci::is_layout(path) {
            true => files.extend(folder(path)?),
            false => files.push(path.clone()),
        }
    }
    let mut given =
        Given { attestations: Vec::new(), signatures: Vec::new(), digests: Vec::new(), unread: Vec::new() };
    let mut tolerance = Tolerance::of(files.len(), reading);
    for file in files {
        let name = file.display().to_string();
        // Only a summary of the run, which reads everything, tells the digests.
        let with_digest = reading == Reading::All;
        let read = document(&file, &name, with_digest, limits, &mut given);
        tolerance.keep(&name, read)?;
    }
    given.unread = tolerance.unread;
    Ok(given)
}

fn document(
    file: &Path,
    name: &str,
    with_digest: bool,
    limits: &VerifyLimits,
    given: &mut Given,
) -> Result<(), Failure> {
    let could_not = |e| Failure::new(e, Exit::CouldNotLook);
    if file.is_dir() {
        given.attestations.extend(oci::read(file, limits).map_err(could_not)?);
        return Ok(());
    }
    let bytes = oci::read_file(file, limits).map_err(could_not)?;
    let digest = with_digest.then(|| Digest::sha256(&bytes));
    let is_json = bytes.trim_ascii_start().first().is_some_and(|b| matches!(b, b'{' | b'['));
    match if is_json { None } else { signed::recognise(&bytes) } {
        Some(format) => given.signatures.push(Signed { name: name.to_owned(), bytes, format }),
        None => {
            given.attestations.extend(verify::document::read(&bytes, name, limits).map_err(could_not)?);
        }
    }
    given.digests.extend(digest.map(|digest| (name.to_owned(), digest)));
    Ok(())
}

/// Documents above this many are read when their artifact's turn comes, so that memory does not grow with them.
const RESIDENT_MAX: usize = 256;
/// Artifacts of one turn: enough for every core, few enough for memory.
pub(super) const TURN: usize = 128;

/// Attestations by the digests that they state, unread.
pub(super) struct Indexed {
    files: Vec<PathBuf>,
    by_digest: HashMap<Digest, Vec<u32>>,
    /// What may be about any artifact.
    any: Vec<PathBuf>,
    algorithms: Vec<Algorithm>,
    /// What could not be read at all.
    pub(super) unread: Vec<Unread>,
}

/// Artifacts with the paths of those that are files.
pub(super) type Subjects = Vec<(Subject, Option<PathBuf>)>;

impl Indexed {
    /// Indexes files and folders of them; `None` where there are so few that they are as well read at once.
    pub(super) fn of(paths: &[PathBuf], limits: &VerifyLimits) -> Result<Option<Self>, Failure> {
        let (mut files, mut any) = (Vec::new(), Vec::new());
        for path in paths {
            match path.is_dir() {
                true if oci::is_layout(path) => any.push(path.clone()),
                true => files.extend(folder(path)?),
                false => files.push(path.clone()),
            }
        }
        if files.len() <= RESIDENT_MAX {
            return Ok(None);
        }
        let mut by_digest: HashMap<Digest, Vec<u32>> = HashMap::new();
        for (index, file) in (0u32..).zip(&files) {
            let stated = oci::read_file(file, limits).map(|bytes| document::stated_digests(&bytes, limits));
            match stated.ok().flatten() {
                Some(stated) => stated.into_iter().for_each(|d| by_digest.entry(d).or_default().push(index)),
                None => any.push(file.clone()),
            }
        }
        // Read one by one, so that each turn reads only those that can be read.
        let (mut algorithms, mut tolerance) = (BTreeSet::new(), Tolerance::of(files.len(), Reading::Some));
        let mut readable = Vec::new();
        for path in any {
            let name = path.display().to_string();
            let read = attestations(std::slice::from_ref(&path), limits, Reading::All);
            if let Some(given) = tolerance.keep(&name, read)? {
                algorithms.extend(verify::algorithms(&given.attestations));
                readable.push(path);
            }
        }
        algorithms.insert(Algorithm::Sha256);
        algorithms.extend(by_digest.keys().map(Digest::algorithm));
        let (any, unread) = (readable, tolerance.unread);
        Ok(Some(Self { files, by_digest, any, algorithms: algorithms.into_iter().collect(), unread }))
    }

    /// One turn: these artifacts, hashed, and the documents that are about them, read.
    pub(super) fn turn(&self, named: &[Named], limits: &VerifyLimits) -> Result<(Subjects, Given), Failure> {
        let (subjects, mut unread) = hashed(named, &self.algorithms, false, limits, Reading::Some)?;
        let digests = subjects.iter().flat_map(|(subject, _)| subject.digests.iter());
        let indexes: BTreeSet<u32> =
            digests.filter_map(|digest| self.by_digest.get(digest)).flatten().copied().collect();
        let about = indexes.into_iter().filter_map(|index| self.files.get(usize::try_from(index).ok()?));
        let paths: Vec<_> = self.any.iter().chain(about).cloned().collect();
        let mut given = attestations(&paths, limits, Reading::Some)?;
        let subjects = if verify::needs_bytes(&given.attestations) {
            let (again, more) = hashed(named, &self.algorithms, true, limits, Reading::Some)?;
            unread = more;
            again
        } else {
            subjects
        };
        given.unread.append(&mut unread);
        Ok((subjects, given))
    }
}

/// What the names on the command line stand for, in order.
pub(super) fn named(names: &[String]) -> Result<Vec<Named>, Failure> {
    let mut all = Vec::new();
    for name in names {
        match digest(name)? {
            Some(digest) => all.push(Named::Digest(name.clone(), digest)),
            None => all.extend(files(name)?.into_iter().map(Named::File)),
        }
    }
    Ok(all)
}

/// One artifact before it is looked at.
pub(super) enum Named {
    File(PathBuf),
    Digest(String, Digest),
}

impl Named {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Digest(name, _) => name.clone(),
        }
    }

    fn subject(
        &self,
        algorithms: &[Algorithm],
        keep: bool,
        limits: &VerifyLimits,
    ) -> Result<(Subject, Option<PathBuf>), Failure> {
        match self {
            Self::File(path) => Ok((subject(path, algorithms, keep, limits)?, Some(path.clone()))),
            Self::Digest(name, digest) => {
                let digests = DigestSet::single(digest.clone());
                Ok((Subject { name: name.clone(), is_file_name: false, digests, bytes: None }, None))
            }
        }
    }
}

/// Reads saved log entries.
pub(super) fn log_entries(paths: &[PathBuf], limits: &VerifyLimits) -> Result<Vec<LogEntry>, Failure> {
    let could_not = |e| Failure::new(e, Exit::CouldNotLook);
    let mut entries = Vec::new();
    for path in paths {
        let bytes = oci::read_file(path, limits).map_err(could_not)?;
        entries.extend(LogEntry::read(&bytes, &path.display().to_string(), limits).map_err(could_not)?);
    }
    Ok(entries)
}

/// Files of a folder in the order of their names, without those of folders within.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| read_error(path, e))? {
        let file = entry.map_err(|e| read_error(path, e))?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Hashes the artifacts, each once and in constant memory.
pub(super) fn subjects(
    named: &[Named],
    attestations: &[Attestation],
    limits: &VerifyLimits,
    reading: Reading,
) -> Result<(Subjects, Vec<Unread>), Failure> {
    let needs_bytes = verify::needs_bytes(attestations);
    hashed(named, &verify::algorithms(attestations), needs_bytes, limits, reading)
}

fn hashed(
    named: &[Named],
    algorithms: &[Algorithm],
    keep: bool,
    limits: &VerifyLimits,
    reading: Reading,
) -> Result<(Subjects, Vec<Unread>), Failure> {
    let mut tolerance = Tolerance::of(named.len(), reading);
    let mut subjects = Vec::new();
    for one in named {
        subjects.extend(tolerance.keep(&one.name(), one.subject(algorithms, keep, limits))?);
    }
    Ok((subjects, tolerance.unread))
}

/// One artifact for the conformance protocol, which has a rule of its own for what is a digest.
pub(crate) fn subject_of(
    name: &str,
    is_digest: bool,
    attestations: &[Attestation],
    limits: &VerifyLimits,
) -> Result<Vec<Subject>, Failure> {
    let artifact = match if is_digest { digest(name)? } else { None } {
        Some(digest) => Named::Digest(name.to_owned(), digest),
        None => Named::File(name.into()),
    };
    let needs_bytes = verify::needs_bytes(attestations);
    Ok(vec![artifact.subject(&verify::algorithms(attestations), needs_bytes, limits)?.0])
}

fn digest(name: &str) -> Result<Option<Digest>, Failure> {
    if !["sha256:", "sha512:"].iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(None);
    }
    let refused = |source| Failure::new(InputError::Digest { found: name.to_owned(), source }, Exit::Usage);
    name.parse().map(Some).map_err(refused)
}

/// What a name stands for: a file, a folder's files, or a glob's.
fn files(name: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = Path::new(name);
    if path.is_dir() {
        return folder(path);
    }
    if path.exists() || !name.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let nothing = || Failure::new(InputError::NoSuchFile { pattern: name.to_owned() }, Exit::Usage);
    let glob =
        GlobBuilder::new(name).literal_separator(true).build().map_err(|_| nothing())?.compile_matcher();
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let plain = |file: &Path| file.strip_prefix("./").unwrap_or(file).to_owned();
    let found: BTreeSet<PathBuf> =
        folder(parent)?.iter().map(|file| plain(file)).filter(|file| glob.is_match(file)).collect();
    if found.is_empty() { Err(nothing()) } else { Ok(found.into_iter().collect()) }
}

fn subject(
    path: &Path,
    algorithms: &[Algorithm],
    keep: bool,
    limits: &VerifyLimits,
) -> Result<Subject, Failure> {
    let mut file = File::open(path).map_err(|e| read_error(path, e))?;
    let mut hashers: Vec<Hasher> = algorithms.iter().map(|a| Hasher::new(*a)).collect();
    // No larger than the file: among many small ones the memory would cost more than the hash.
    let length = file.metadata().map_or(u64::MAX, |m| if m.is_file() { m.len() } else { u64::MAX });
    let mut buffer =
        vec![0; usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1).min(CHUNK_BYTES)];
    let mut kept = keep.then(Vec::new);
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(read_error(path, e)),
        };
        let bytes = buffer.get(..n).unwrap_or_default();
        hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
        if let Some(all) = &mut kept {
            if (all.len() + n) as u64 > limits.message_bytes_max {
                kept = None;
            } else {
                all.extend_from_slice(bytes);
            }
        }
    }
    let mut digests = hashers.into_iter().map(Hasher::finish);
    let first = digests.next().unwrap_or_else(|| Digest::sha256(&[]));
    let digests = digests.fold(DigestSet::single(first), DigestSet::with);
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    Ok(Subject { name, is_file_name: true, digests, bytes: kept })
}
