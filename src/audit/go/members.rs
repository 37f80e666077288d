//! Members of a published archive, taken out one by one, and what its headers say of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::super::AuditError;
use crate::archive::ArchiveError;
use crate::archive::compression::Compression;
use crate::archive::tar::TarReader;
use crate::compare::{Cause, Confidence, Difference};
use crate::limits::archive::ArchiveLimits;

/// Mode of a folder and of a program, and of any other file, in an archive that nobody has tampered with.
const PROGRAM: u64 = 0o755;
const FILE: u64 = 0o644;
/// What of a mode has a meaning: rights, and the bits that give another user's.
const MODE_BITS: u64 = 0o7777;

/// An archive, taken apart.
pub(super) struct Parts {
    /// Regular files by name, in a scratch folder.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// What its headers say beside that.
    pub(super) headers: Vec<Difference>,
}

/// Takes an archive apart into an empty folder. Members have numbers there, never their own names.
pub(super) fn take_apart(
    archive: &Path,
    to: &Path,
    programs: &[&str],
    limits: &ArchiveLimits,
) -> Result<Parts, AuditError> {
    let disk = |source| AuditError::Work { path: archive.to_path_buf(), source };
    let mut file = File::open(archive).map_err(disk)?;
    let mut start = [0; 16];
    let have = file.read(&mut start).map_err(disk)?;
    file.rewind().map_err(disk)?;
    let inner = BufReader::new(file);
    let reader: Box<dyn Read + Send> = match Compression::recognise(start.get(..have).unwrap_or_default()) {
        Some(compression) => compression.decoder(inner, limits)?,
        None => Box::new(inner),
    };
    let bounded = crate::archive::compression::Bounded::new(reader, limits.expanded_bytes_max);
    let mut tar = TarReader::new(bounded, limits);
    let mut parts = Parts { files: BTreeMap::new(), headers: Vec::new() };
    let mut fields = Fields::default();
    let mut count = 0u64;
    while let Some(entry) = tar.next_entry()? {
        count += 1;
        if count > limits.members_max {
            let (format, limit, max) = ("tar", "members_max", limits.members_max);
            return Err(ArchiveError::Limit { format, limit, max }.into());
        }
        let name = String::from_utf8_lossy(&entry.name).trim_end_matches('/').to_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        fields.note(&name, &entry);
        if entry.kind == b'5' {
            parts.mode(&name, PROGRAM, entry.mode);
            continue;
        }
        if !entry.is_file() {
            let kind = char::from(entry.kind).escape_default().to_string();
            let link = String::from_utf8_lossy(&entry.link).into_owned();
            let said = format!("type `{kind}`{}{link}", if link.is_empty() { "" } else { ", to " });
            parts.headers.push(difference(&name, Cause::FileType, Some(said), "a regular file"));
            continue;
        }
        let expected = if programs.contains(&name.as_str()) { PROGRAM } else { FILE };
        parts.mode(&name, expected, entry.mode);
        let path = to.join(count.to_string());
        let mut out =
            File::create_new(&path).map_err(|source| AuditError::Work { path: path.clone(), source })?;
        let mut buffer = vec![0; 128 << 10];
        loop {
            let n = tar.read_body(&mut buffer)?;
            if n == 0 {
                break;
            }
            out.write_all(buffer.get(..n).unwrap_or_default())
                .map_err(|source| AuditError::Work { path: path.clone(), source })?;
        }
        if parts.files.insert(name.clone(), path).is_some() {
            parts.headers.push(difference(&name, Cause::DuplicateName, None, "each name once"));
        }
    }
    if tar.end().is_some_and(|end| end.other_bytes > 0) {
        parts.headers.push(difference(".", Cause::TrailingData, None, "nothing after the archive's end"));
    }
    parts.headers.extend(fields.differences());
    Ok(parts)
}

impl Parts {
    fn mode(&mut self, name: &str, expected: u64, found: u64) {
        if found & MODE_BITS != expected {
            let said = format!("{:04o}", found & MODE_BITS);
            self.headers.push(difference(name, Cause::FileMode, Some(said), &format!("{expected:04o}")));
        }
    }
}

/// Values of headers that tell of the publisher's machine, each with the members that have it.
#[derive(Default)]
struct Fields {
    seen: BTreeMap<(&'static str, String), (String, u64)>,
}

impl Fields {
    fn note(&mut self, name: &str, entry: &crate::archive::tar::TarEntry) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for (field, value) in [
            ("time", text(&entry.mtime)),
            ("owner", format!("{}:{}", entry.uid, entry.gid)),
            ("owner's name", format!("{}:{}", text(&entry.uname), text(&entry.gname))),
        ] {
            let seen = self.seen.entry((field, value)).or_insert_with(|| (name.to_owned(), 0));
            seen.1 += 1;
        }
    }

    fn differences(self) -> impl Iterator<Item = Difference> {
        self.seen
            .into_iter()
            .filter(|((field, value), _)| *field == "time" || !matches!(value.as_str(), "0:0" | ":"))
            .map(|((field, value), (first, count))| {
                let cause = match field {
                    "time" => Cause::TarMtime,
                    "owner" => Cause::TarUidGid,
                    _ => Cause::TarOwnerName,
                };
                let mut d = difference(&first, cause, Some(value), "not reproduced");
                d.field = Some(field.to_owned());
                if count > 1 {
                    d.note = Some(format!("the same in {count} members"));
                }
                d
            })
    }
}

pub(super) fn difference(path: &str, cause: Cause, published: Option<String>, expected: &str) -> Difference {
    Difference {
        path: path.escape_debug().to_string(),
        cause,
        tier: cause.tier(),
        confidence: Confidence::Exact,
        a: published,
        b: Some(expected.to_owned()),
        field: None,
        bytes: None,
        derived: false,
        note: None,
        hunks: Vec::new(),
        accepted: None,
    }
}
