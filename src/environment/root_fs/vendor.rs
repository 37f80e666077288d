//! For whom the tree's tool chain builds (deb-origin(5)).

use std::path::Path;

use rustix::fs::FileType;

use super::error::RootFsError;
use super::tree::Tree;

const FOLDER: &str = "etc/dpkg/origins";
/// Bytes of an origin file that are read; Debian's has 100.
const ORIGIN_BYTES_MAX: u64 = 64 << 10;

/// The `Vendor` of a tree's default origin.
pub(super) fn of(root: &Path) -> Result<String, RootFsError> {
    let none = |detail: &str| RootFsError::NoVendor { path: root.to_owned(), detail: detail.to_owned() };
    let io = |e: std::io::Error| RootFsError::io("look at", root, e);
    let tree = Tree::open(root).map_err(|e| io(e.into()))?;
    let mut walker = tree.walker();
    let mut place = format!("{FOLDER}/default").into_bytes();
    match walker.kind(&place).map_err(|e| io(e.into()))? {
        None => return Err(none("`/etc/dpkg/origins/default` is missing")),
        Some(FileType::Symlink) => {
            let target = walker.target(&place).map_err(|e| io(e.into()))?;
            if target.contains(&b'/') {
                return Err(none("`/etc/dpkg/origins/default` leads out of its folder"));
            }
            place = [FOLDER.as_bytes(), b"/", &target].concat();
        }
        Some(_) => {}
    }
    let Some(bytes) = walker.read(&place, ORIGIN_BYTES_MAX).map_err(io)? else {
        return Err(none("`/etc/dpkg/origins/default` leads to no file"));
    };
    let text = String::from_utf8_lossy(&bytes);
    let vendor = text.lines().find_map(|l| l.strip_prefix("Vendor:")).map(str::trim);
    vendor
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| none("`/etc/dpkg/origins/default` has no `Vendor` field"))
}
