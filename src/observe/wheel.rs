//! Python wheels (the binary distribution format, version 1.0): what the `WHEEL` file says, whether
//! `RECORD` fits the bytes, and how the zip was written.

mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::archive::ArchiveError;
use crate::archive::compression::Bounded;
use crate::archive::zip::{self, ZipEntry};
use crate::digest::{Algorithm, hash_reader};
use crate::limits::archive::ArchiveLimits;
use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;
pub use programs::{Program, Unread};
use programs::{decoder, is_executable};

/// What a wheel says of itself and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// The `.dist-info` folder.
    pub dist_info: String,
    /// `Generator`: the build backend and its version. Announced, not proved.
    pub generator: Option<String>,
    /// `Wheel-Version`.
    pub wheel_version: Option<String>,
    /// `Root-Is-Purelib`.
    pub root_is_purelib: Option<bool>,
    /// `Tag` lines, in order.
    pub tags: Vec<String>,
    /// `RECORD` against the bytes.
    pub record: Record,
    /// How the zip was written.
    pub zip: ZipFacts,
    /// Go programs among the members, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Program>,
    /// Executables that were not looked into, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// `RECORD` checked against the members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Members whose SHA-256 and size are as recorded.
    pub matching: usize,
    /// Members whose digest or size differs from the recorded one.
    pub mismatched: Vec<String>,
    /// Members that `RECORD` does not list (signature files beside it excepted).
    pub unlisted: Vec<String>,
    /// Entries of `RECORD` without a member.
    pub absent: Vec<String>,
    /// Entries without a SHA-256 digest: nothing was checked for them.
    pub unchecked: Vec<String>,
}

impl Record {
    /// Whether every member is recorded with its own digest and size, and nothing else is.
    pub fn fits(&self) -> bool {
        self.mismatched.is_empty()
            && self.unlisted.is_empty()
            && self.absent.is_empty()
            && self.unchecked.is_empty()
    }
}

/// How a zip was written: what a rebuild must imitate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZipFacts {
    /// Members.
    pub members: usize,
    /// Whether names come in byte order.
    pub sorted: bool,
    /// Distinct DOS times of the members with how many bear each, `YYYY-MM-DDThh:mm:ss`, no zone.
    pub times: BTreeMap<String, usize>,
    /// Compression method numbers with how many members use each.
    pub methods: BTreeMap<u16, usize>,
    /// "Version made by" values with how many members bear each.
    pub made_by: BTreeMap<u16, usize>,
    /// Unix modes (octal) with how many members bear each.
    pub modes: BTreeMap<String, usize>,
}

/// One member's row while reading.
struct Row {
    name: String,
    len_bytes: u64,
    sha256: [u8; 32],
}

fn malformed(what: impl std::fmt::Display) -> ObserveError {
    ObserveError::Wheel { what: what.to_string() }
}

/// Counts and sums what passes.
struct Summed<R> {
    inner: R,
    crc: flate2::Crc,
    len_bytes: u64,
    start: [u8; 4],
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let from = usize::try_from(self.len_bytes).unwrap_or(usize::MAX);
        for (to, byte) in self.start.iter_mut().skip(from).zip(buffer.iter().take(n)) {
            *to = *byte;
        }
        self.crc.update(buffer.get(..n).unwrap_or_default());
        self.len_bytes += n as u64;
        Ok(n)
    }
}

/// A DOS time: two-second steps since 1980.
fn dos_time(time: u32) -> String {
    let (date, clock) = (time >> 16, time & 0xffff);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        1980 + (date >> 9),
        date >> 5 & 15,
        date & 31,
        clock >> 11,
        clock >> 5 & 63,
        (clock & 31) * 2
    )
}

/// Reads a wheel; `None` where the zip holds no `.dist-info/WHEEL`. Its programs are not looked into.
pub fn read(file: File, limits: &ObserveLimits) -> Result<Option<Wheel>, ObserveError> {
    read_members(file, limits, false)
}

/// As [`read`], with what the Go programs in it say of themselves.
pub fn read_with_programs(file: File, limits: &ObserveLimits) -> Result<Option<Wheel>, ObserveError> {
    read_members(file, limits, true)
}

fn read_members(
    file: File,
    limits: &ObserveLimits,
    with_programs: bool,
) -> Result<Option<Wheel>, ObserveError> {
    let bounds = ArchiveLimits { members_max: limits.wheel_members_max as u64, ..ArchiveLimits::DEFAULT };
    let archive = zip::read(&file, &bounds).map_err(|error| match error {
        ArchiveError::Limit { limit: "members_max", max, .. } => {
            ObserveError::Limit { limit: "wheel_members_max", max }
        }
        other => malformed(other),
    })?;
    if archive.overlapping {
        return Err(malformed("two members share bytes"));
    }
    let mut facts = ZipFacts { sorted: true, members: archive.entries.len(), ..ZipFacts::default() };
    let mut listed: Vec<(String, &ZipEntry)> = Vec::new();
    for entry in &archive.entries {
        let name = std::str::from_utf8(&entry.name)
            .map_err(|_| malformed("a member's name is not UTF-8"))?
            .to_owned();
        if entry.local_name != entry.name {
            return Err(malformed(format!("`{}` has another name beside its bytes", name.escape_debug())));
        }
        *facts.times.entry(dos_time(entry.time.0)).or_default() += 1;
        *facts.methods.entry(entry.method).or_default() += 1;
        *facts.made_by.entry(entry.made_by).or_default() += 1;
        *facts.modes.entry(format!("{:o}", entry.external >> 16)).or_default() += 1;
        if listed.last().is_some_and(|(last, _)| *last > name) {
            facts.sorted = false;
        }
        listed.push((name, entry));
    }
    let Some(dist_info) = listed.iter().find_map(|(name, ..)| {
        name.strip_suffix("/WHEEL")
            .filter(|d| d.ends_with(".dist-info") && !d.contains('/'))
            .map(str::to_owned)
    }) else {
        return Ok(None);
    };
    let (mut rows, mut executables) = (Vec::with_capacity(listed.len()), Vec::new());
    let mut seen = BTreeSet::new();
    let mut left = limits.wheel_expanded_bytes_max;
    let (mut wheel_text, mut record_text) = (None, None);
    for (name, entry) in listed {
        if name.ends_with('/') {
            continue;
        }
        if !seen.insert(name.clone()) {
            return Err(malformed(format!("two members are named `{}`", name.escape_debug())));
        }
        if entry.local_sums != (entry.crc32, entry.packed_bytes, entry.len_bytes) {
            return Err(malformed(format!("`{}` has two sizes or sums", name.escape_debug())));
        }
        let Some(decoder) = decoder(&file, entry) else {
            let method = entry.method;
            return Err(malformed(format!("compression method {method} of `{}`", name.escape_debug())));
        };
        let inner = Bounded::new(decoder, left);
        let mut reader = Summed { inner, crc: flate2::Crc::new(), len_bytes: 0, start: [0; 4] };
        let small = name == format!("{dist_info}/WHEEL") || name == format!("{dist_info}/RECORD");
        let unreadable = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::FileTooLarge => ObserveError::Limit {
                limit: "wheel_expanded_bytes_max",
                max: limits.wheel_expanded_bytes_max,
            },
            _ => malformed(format!("`{}`: {e}", name.escape_debug())),
        };
        let (digest, len_bytes) = if small {
            let mut bytes = Vec::new();
            let most = limits.wheel_metadata_bytes_max;
            (&mut reader).take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
            if bytes.len() as u64 > most {
                return Err(ObserveError::Limit { limit: "wheel_metadata_bytes_max", max: most });
            }
            let text = String::from_utf8(bytes).map_err(|_| malformed(format!("`{name}` is not UTF-8")))?;
            let hashed = hash_reader(Algorithm::Sha256, text.as_bytes()).map_err(unreadable)?;
            if name.ends_with("/WHEEL") {
                wheel_text = Some(text)
            } else {
                record_text = Some(text)
            }
            hashed
        } else {
            hash_reader(Algorithm::Sha256, &mut reader).map_err(unreadable)?
        };
        if (reader.crc.sum(), reader.len_bytes) != (entry.crc32, entry.len_bytes) {
            return Err(malformed(format!("`{}` does not fit its CRC or size", name.escape_debug())));
        }
        left -= len_bytes.min(left);
        let sha256 = digest.as_bytes().try_into().map_err(malformed)?;
        if with_programs && is_executable(reader.start) {
            executables.push((name.clone(), entry));
        }
        rows.push(Row { name, len_bytes, sha256 });
    }
    let (programs, unread) = programs::read(&file, executables, left, limits);
    let text = wheel_text.unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|l| l.split_once(':').filter(|(k, _)| *k == name).map(|(_, v)| v.trim().to_owned()))
    };
    Ok(Some(Wheel {
        generator: field("Generator"),
        wheel_version: field("Wheel-Version"),
        root_is_purelib: field("Root-Is-Purelib").map(|v| v.eq_ignore_ascii_case("true")),
        tags: text.lines().filter_map(|l| l.strip_prefix("Tag:")).map(|v| v.trim().to_owned()).collect(),
        record: check_record(record_text.as_deref().unwrap_or_default(), &dist_info, &rows)?,
        dist_info,
        zip: facts,
        programs,
        unread,
    }))
}

fn check_record(text: &str, dist_info: &str, rows: &[Row]) -> Result<Record, ObserveError> {
    let mut recorded = BTreeMap::new();
    for line in text.lines().filter(|l| !l.trim().is_empty()) {
        let fields =
            csv_fields(line).ok_or_else(|| malformed(format!("`RECORD` line `{}`", line.escape_debug())))?;
        let [path, hash, size] = <[String; 3]>::try_from(fields).map_err(|_| {
            malformed(format!("`RECORD` line `{}` has not three fields", line.escape_debug()))
        })?;
        if recorded.insert(path.clone(), (hash, size)).is_some() {
            return Err(malformed(format!("`RECORD` lists `{}` twice", path.escape_debug())));
        }
    }
    let mut record = Record::default();
    // The specification leaves RECORD itself and signatures of it without a digest.
    let exempt = |name: &str| {
        ["RECORD", "RECORD.jws", "RECORD.p7s"].iter().any(|f| name == format!("{dist_info}/{f}"))
    };
    for row in rows {
        let entry = recorded.remove(&row.name);
        if exempt(&row.name) {
            continue;
        }
        let Some((hash, size)) = entry else {
            record.unlisted.push(row.name.clone());
            continue;
        };
        let expected: Option<&[u8]> = match hash.split_once('=').map(|(algorithm, _)| algorithm) {
            Some("sha256") => Some(&row.sha256),
            _ => None,
        };
        let announced = hash.split_once('=').and_then(|(_, text)| URL_SAFE_NO_PAD.decode(text).ok());
        match (expected, announced) {
            (Some(expected), Some(announced)) => {
                if expected == announced.as_slice() && size.parse() == Ok(row.len_bytes) {
                    record.matching += 1;
                } else {
                    record.mismatched.push(row.name.clone());
                }
            }
            (Some(_), None) => record.mismatched.push(row.name.clone()),
            (None, _) => record.unchecked.push(row.name.clone()),
        }
    }
    record.absent = recorded.into_keys().filter(|name| !exempt(name)).collect();
    Ok(record)
}

/// Fields of one CSV line (RFC 4180 quoting).
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                let (at, c) = chars.next()?;
                match c {
                    '"' if chars.next_if(|(_, c)| *c == '"').is_some() => value.push('"'),
                    '"' => break at + 1,
                    c => value.push(c),
                }
            };
            fields.push(value);
            match quoted.get(end..)? {
                "" => return Some(fields),
                after => rest = after.strip_prefix(',')?,
            }
        } else {
            match rest.split_once(',') {
                Some((value, after)) => {
                    fields.push(value.to_owned());
                    rest = after;
                }
                None => {
                    fields.push(rest.to_owned());
                    return Some(fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Seek, Write};

    use super::*;

    fn wheel(members: &[(&str, &[u8])]) -> File {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, body) in members {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(body).unwrap();
            let packed = encoder.finish().unwrap();
            let mut crc = flate2::Crc::new();
            crc.update(body);
            let mut common = Vec::new();
            for short in [20u16, 0, 8, 0, 0x21] {
                common.extend(short.to_le_bytes());
            }
            for long in [crc.sum(), packed.len() as u32, body.len() as u32, name.len() as u32] {
                common.extend(long.to_le_bytes());
            }
            directory.extend(b"PK\x01\x02\x14\x03");
            directory.extend(&common);
            directory.extend([0; 10]);
            directory.extend((bytes.len() as u32).to_le_bytes());
            directory.extend(name.as_bytes());
            bytes.extend(b"PK\x03\x04");
            bytes.extend(common);
            bytes.extend(name.as_bytes());
            bytes.extend(packed);
        }
        let at = bytes.len() as u32;
        bytes.extend(&directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend([(members.len() as u16).to_le_bytes(), (members.len() as u16).to_le_bytes()].concat());
        bytes.extend((directory.len() as u32).to_le_bytes());
        bytes.extend(at.to_le_bytes());
        bytes.extend([0; 2]);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    const TEXT: &[u8] =
        b"Wheel-Version: 1.0\nGenerator: setuptools (80.9.0)\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

    fn record(of_a: &[u8]) -> String {
        let sum = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(crate::digest::Digest::sha256(bytes).as_bytes());
        format!(
            "\"a,\"\"b.py\",sha256={},{}\r\nx-1.dist-info/WHEEL,sha256={},{}\nx-1.dist-info/RECORD,,\n",
            sum(of_a),
            of_a.len(),
            sum(TEXT),
            TEXT.len()
        )
    }

    fn read_all(record: &str, extra: &[(&str, &[u8])]) -> Result<Option<Wheel>, ObserveError> {
        let mut members: Vec<(&str, &[u8])> = vec![("a,\"b.py", b"x = 1\n"), ("x-1.dist-info/WHEEL", TEXT)];
        members.extend(extra);
        members.push(("x-1.dist-info/RECORD", record.as_bytes()));
        read(wheel(&members), &ObserveLimits::DEFAULT)
    }

    #[test]
    fn what_the_wheel_says_is_read_and_its_record_fits() {
        let wheel = read_all(&record(b"x = 1\n"), &[]).unwrap().unwrap();
        assert_eq!(wheel.generator.as_deref(), Some("setuptools (80.9.0)"));
        assert_eq!(wheel.tags, ["py3-none-any"]);
        assert_eq!((wheel.record.matching, wheel.record.fits()), (2, true));
        assert_eq!((wheel.zip.members, wheel.zip.sorted), (3, false));
    }

    #[test]
    fn a_false_record_is_told() {
        let lying = read_all(&record(b"x = 2\n"), &[]).unwrap().unwrap().record;
        assert_eq!((lying.fits(), lying.mismatched.as_slice()), (false, &["a,\"b.py".to_owned()][..]));
        let unlisted = read_all(&record(b"x = 1\n"), &[("evil.pth", b"import os")]).unwrap().unwrap().record;
        assert_eq!((unlisted.fits(), unlisted.unlisted.as_slice()), (false, &["evil.pth".to_owned()][..]));
        let absent =
            read_all(&format!("{}gone.py,sha256=AA,1\n", record(b"x = 1\n")), &[]).unwrap().unwrap().record;
        assert_eq!((absent.fits(), absent.absent.as_slice()), (false, &["gone.py".to_owned()][..]));
        let weak = record(b"x = 1\n").replacen("sha256=", "md5=", 1);
        assert!(!read_all(&weak, &[]).unwrap().unwrap().record.fits());
    }

    #[test]
    fn hostile_wheels_are_refused() {
        assert!(read_all("a,b\n", &[]).is_err());
        assert!(read_all(&format!("{0}{0}", record(b"x = 1\n")), &[]).is_err());
        assert!(read_all(&record(b"x = 1\n"), &[("a,\"b.py", b"twice")]).is_err());
        let limits = ObserveLimits { wheel_expanded_bytes_max: 1000, ..ObserveLimits::DEFAULT };
        let bomb = wheel(&[("x-1.dist-info/WHEEL", TEXT), ("bomb", &[0; 100_000])]);
        assert!(matches!(
            read(bomb, &limits),
            Err(ObserveError::Limit { limit: "wheel_expanded_bytes_max", .. })
        ));
        assert!(read(wheel(&[]), &ObserveLimits::DEFAULT).unwrap().is_none());
        // A body that is not the one its CRC was taken of.
        let mut damaged = Vec::new();
        wheel(&[("x-1.dist-info/WHEEL", TEXT)]).read_to_end(&mut damaged).unwrap();
        *damaged.get_mut(14).unwrap() ^= 1;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&damaged).unwrap();
        assert!(read(file, &ObserveLimits::DEFAULT).is_err());
    }
}
