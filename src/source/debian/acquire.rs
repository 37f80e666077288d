//! Fetches what is known by digest, after asking whether all of it is still to be had.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::{Access, Archive, DebianError, Dsc, DscSignature, LockedFile, LockedSource};
use crate::artifact::ArtifactName;
use crate::event::Stage;
use crate::fetch::{Availability, Length, Request};
use crate::store::Object;
use crate::verify::openpgp::Keyring;

/// A file that no mirror offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnofferedFile {
    /// Its name.
    pub name: String,
    /// Which archive should serve it.
    pub archive: String,
    /// Path below the archive's root.
    pub path: String,
}

impl From<&LockedFile> for UnofferedFile {
    fn from(file: &LockedFile) -> Self {
        Self { name: file.name.clone(), archive: file.archive.clone(), path: file.path.clone() }
    }
}

/// Whether files known by digest are to be had.
#[derive(Debug)]
pub enum Offered {
    /// All of them, now in the store, in the order in which they were asked for.
    All(Vec<Object>),
    /// Every mirror says that it does not have these. Nothing was downloaded if that was known
    /// beforehand.
    Missing(Vec<UnofferedFile>),
}

/// Fetches files into the store, several at a time. First asks, for all that the store does not have,
/// whether a mirror offers them; where one is missing, nothing is downloaded. A mirror that cannot be
/// reached is an error: it says nothing about what is there.
pub fn fetch_files(access: &Access<'_>, files: &[LockedFile], stage: Stage) -> Result<Offered, DebianError> {
    let mut requests = Vec::with_capacity(files.len());
    let mut wanted: Vec<(&LockedFile, Vec<String>)> = Vec::new();
    for file in files {
        let archive = Archive::of_name(&file.archive).ok_or_else(|| DebianError::Field {
            what: file.name.clone(),
            detail: format!("`{}` is not an archive", file.archive.escape_debug()),
        })?;
        // What the store has needs no mirror, not even a configured one.
        let urls = match access.store.get(&file.digest)? {
            Some(_) => Vec::new(),
            None => {
                let urls = access.mirrors.urls(archive, &file.path)?;
                wanted.push((file, urls.clone()));
                urls
            }
        };
        requests.push(Request { urls, digest: file.digest.clone(), length: Length::Exactly(file.size) });
    }
    let missing = missing(access, &wanted)?;
    if !missing.is_empty() {
        return Ok(Offered::Missing(missing));
    }
    let mut objects = Vec::with_capacity(files.len());
    let mut gone = Vec::new();
    let answers = access.fetcher.fetch_all(access.store, &requests, stage, access.observer)?;
    for (file, answer) in files.iter().zip(answers) {
        match answer {
            Ok(object) => objects.push(object),
            Err(e) if e.is_missing() => gone.push(file.into()),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(if gone.is_empty() { Offered::All(objects) } else { Offered::Missing(gone) })
}

/// Those that no mirror has. The first mirror is asked for all; each next one only for what those
/// before it lack.
fn missing(
    access: &Access<'_>,
    wanted: &[(&LockedFile, Vec<String>)],
) -> Result<Vec<UnofferedFile>, DebianError> {
    let mut left: Vec<usize> = (0..wanted.len()).collect();
    let mut unreachable = None;
    let mut unknown = BTreeSet::new();
    let most = wanted.iter().map(|(_, urls)| urls.len()).max().unwrap_or(0);
    for n in 0..most {
        let asked: Vec<(usize, String)> =
            left.iter().filter_map(|i| Some((*i, wanted.get(*i)?.1.get(n)?.clone()))).collect();
        let urls: Vec<String> = asked.iter().map(|(_, url)| url.clone()).collect();
        for ((index, _), answer) in asked.iter().zip(access.fetcher.availability(&urls)) {
            match answer {
                Availability::Available { .. } => left.retain(|i| i != index),
                Availability::Missing => {}
                Availability::Unreachable(e) => {
                    unknown.insert(*index);
                    unreachable.get_or_insert(e);
                }
            }
        }
    }
    match unreachable {
        Some(e) if left.iter().any(|i| unknown.contains(i)) => Err((*e).into()),
        _ => Ok(left.iter().filter_map(|i| wanted.get(*i)).map(|(file, _)| (*file).into()).collect()),
    }
}

/// A source package whose files are all in the store and authentic.
#[derive(Debug)]
pub struct AuthenticatedSource {
    /// Each file with its bytes, in the order of the lock.
    pub files: Vec<(LockedFile, Object)>,
    /// The `.dsc`, which agrees with the lock.
    pub dsc: Dsc,
}

/// Files of a source that no mirror offers: the release cannot be rebuilt from here, which says
/// nothing about the release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceUnavailable {
    /// Each missing file.
    pub missing: Vec<UnofferedFile>,
    /// What became of the `.dsc`'s signature, if at least the `.dsc` is there.
    pub signature: Option<DscSignature>,
}

/// The result of asking for a source.
#[derive(Debug)]
pub enum SourceAcquisition {
    /// All there.
    Authenticated(AuthenticatedSource),
    /// Something is missing.
    Unavailable(SourceUnavailable),
}

/// Obtains a source package by the digests of a lock (or of [`super::find_source`]). Every file is
/// asked for before anything is downloaded; the `.dsc` is read, must name the same files, and its
/// signature is judged at `as_of` against `developers`.
pub fn acquire(
    access: &Access<'_>,
    source: &LockedSource,
    developers: &Keyring,
    as_of: Timestamp,
) -> Result<SourceAcquisition, DebianError> {
    check_source_files(source)?;
    let read_dsc = |file: &LockedFile, object: &Object| -> Result<Dsc, DebianError> {
        let bytes = object.read(access.limits.signature.signed_text_bytes_max as u64)?;
        let dsc = Dsc::read(&file.name, &bytes, developers, as_of, &access.limits)?;
        dsc.agree(source)?;
        Ok(dsc)
    };
    let listed = source.dsc().ok_or(DebianError::SourceFiles { file: source.name.clone() })?;
    match fetch_files(access, &source.files, Stage::Source)? {
        Offered::All(objects) => {
            let files: Vec<_> = source.files.iter().cloned().zip(objects).collect();
            let found = files.iter().find(|(f, _)| f == listed);
            let (file, object) = found.ok_or(DebianError::SourceFiles { file: listed.name.clone() })?;
            let dsc = read_dsc(file, object)?;
            Ok(SourceAcquisition::Authenticated(AuthenticatedSource { files, dsc }))
        }
        Offered::Missing(missing) => {
            let there = !missing.iter().any(|m| m.path == listed.path);
            let signature = match there {
                true => match fetch_files(access, std::slice::from_ref(listed), Stage::Source)? {
                    Offered::All(objects) => match objects.first() {
                        Some(object) => Some(read_dsc(listed, object)?.signature),
                        None => None,
                    },
                    Offered::Missing(_) => None,
                },
                false => None,
            };
            Ok(SourceAcquisition::Unavailable(SourceUnavailable { missing, signature }))
        }
    }
}

/// Plain names, none twice, exactly one `.dsc`.
pub(super) fn check_source_files(source: &LockedSource) -> Result<(), DebianError> {
    let mut names = BTreeSet::new();
    for file in &source.files {
        if ArtifactName::new(file.name.as_str()).is_err() || !names.insert(file.name.as_str()) {
            return Err(DebianError::SourceFiles { file: file.name.clone() });
        }
    }
    match names.iter().filter(|n| n.ends_with(".dsc")).count() {
        1 => Ok(()),
        _ => Err(DebianError::SourceFiles { file: source.name.clone() }),
    }
}
