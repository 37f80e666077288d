//! Values of an archive's headers that tell of the publisher's machine, each with the members that have it.

use std::collections::BTreeMap;

use super::difference;
use crate::archive::tar::TarEntry;
use crate::archive::zip::{ZipEntry, extra_fields};
use crate::compare::{Cause, Difference};

/// Values that are told of one field; a hostile archive has as many as members.
const VALUES_MAX: usize = 50;

/// What was noted, in order.
#[derive(Default)]
pub(super) struct Fields {
    /// By field and value: the first member, and how many.
    seen: BTreeMap<(Cause, &'static str, String), (String, u64)>,
}

impl Fields {
    pub(super) fn note(&mut self, cause: Cause, field: &'static str, value: String, name: &str) {
        let seen = self.seen.entry((cause, field, value)).or_insert_with(|| (name.to_owned(), 0));
        seen.1 += 1;
    }

    pub(super) fn tar(&mut self, name: &str, entry: &TarEntry) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.note(Cause::TarMtime, "time", text(&entry.mtime), name);
        if (entry.uid, entry.gid) != (0, 0) {
            self.note(Cause::TarUidGid, "owner", format!("{}:{}", entry.uid, entry.gid), name);
        }
        if !entry.uname.is_empty() || !entry.gname.is_empty() {
            let value = format!("{}:{}", text(&entry.uname), text(&entry.gname));
            self.note(Cause::TarOwnerName, "owner's name", value, name);
        }
    }

    pub(super) fn zip(&mut self, name: &str, entry: &ZipEntry) {
        self.note(Cause::ZipMtime, "time", dos_time(entry.time.0), name);
        let (host, version) = (entry.made_by >> 8, entry.made_by & 0xff);
        let creator = format!("system {host}, version {}.{}", version / 10, version % 10);
        self.note(Cause::ZipCreator, "made by", creator, name);
        let ids = |extra: &[u8]| {
            extra_fields(extra).map(|(id, _)| format!("{id:04x}")).collect::<Vec<_>>().join(" ")
        };
        let (central, local) = (ids(&entry.extra.0), ids(&entry.extra.1));
        if !central.is_empty() || !local.is_empty() {
            self.note(Cause::ZipExtra, "extra fields", format!("{central} | {local}"), name);
        }
        if !entry.comment.is_empty() {
            let value = String::from_utf8_lossy(&entry.comment).into_owned();
            self.note(Cause::ZipComment, "comment", value, name);
        }
    }

    pub(super) fn differences(self) -> Vec<Difference> {
        let mut counts: BTreeMap<(Cause, &'static str), usize> = BTreeMap::new();
        let mut told = Vec::new();
        for ((cause, field, value), (first, count)) in self.seen {
            let n = counts.entry((cause, field)).or_default();
            *n += 1;
            if *n > VALUES_MAX {
                continue;
            }
            let mut one = difference(&first, cause, Some(value), "not reproduced");
            one.field = Some(field.to_owned());
            if count > 1 {
                one.note = Some(format!("the same in {count} members"));
            }
            told.push(one);
        }
        for ((cause, field), n) in counts.into_iter().filter(|(_, n)| *n > VALUES_MAX) {
            let mut rest = difference(".", cause, None, "not reproduced");
            rest.field = Some(field.to_owned());
            rest.note = Some(format!("{} more values", n - VALUES_MAX));
            told.push(rest);
        }
        told
    }
}

/// MS-DOS date and time (APPNOTE 4.4.6).
fn dos_time(time: u32) -> String {
    let (date, clock) = (time >> 16, time & 0xffff);
    let day = format!("{:04}-{:02}-{:02}", 1980 + (date >> 9), (date >> 5) & 15, date & 31);
    format!("{day} {:02}:{:02}:{:02}", clock >> 11, (clock >> 5) & 63, (clock & 31) * 2)
}
