//! Go build information, read from ELF, Mach-O and PE executables without running or mapping them.
//!
//! The linker writes a 32-byte header (`\xff Go buildinf:`, pointer size, flags) into a data section.
//! Since Go 1.18 two length-prefixed strings follow it; before, it holds two pointers to string headers,
//! which are followed through the executable's address map.

mod folders;
mod locate;
mod modinfo;

use std::io::{Read, Seek};

use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;
pub use folders::{GoFolders, folders};
use locate::{Image, MAGIC};
pub use modinfo::{GoBuildInfo, GoModule, GoSetting, Missing};

/// Which executable format holds the information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutableFormat {
    /// ELF.
    Elf,
    /// Mach-O, thin.
    MachO,
    /// Portable Executable.
    Pe,
}

/// How the strings are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Behind the header (Go 1.18 and later).
    Inline,
    /// Through pointers (before Go 1.18).
    Pointer,
}

/// A Go executable's information and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoExecutable {
    /// The executable's format.
    pub format: ExecutableFormat,
    /// How the strings are stored.
    pub layout: Layout,
    /// Offset of the header in the file, bytes.
    pub offset_bytes: u64,
    /// The information.
    pub build_info: GoBuildInfo,
}

/// Reads a Go executable's build information; `None` where the file is an executable without it, or
/// none at all. Memory stays bounded by the limits whatever the file's size.
pub fn read(file: impl Read + Seek, limits: &ObserveLimits) -> Result<Option<GoExecutable>, ObserveError> {
    let mut image = match Image::open(file, limits)? {
        Some(image) => image,
        None => return Ok(None),
    };
    let Some(offset_bytes) = image.find_header()? else {
        return Ok(None);
    };
    let header = image.bytes(offset_bytes, 32)?;
    let byte = |at: usize| header.get(at).copied().unwrap_or_default();
    debug_assert!(header.starts_with(MAGIC));
    let flags = byte(15);
    let (layout, version, text) = if flags & 2 != 0 {
        let mut at = offset_bytes + 32;
        let version = image.inline_string(&mut at, limits.go_version_bytes_max, "go_version_bytes_max")?;
        let text =
            image.inline_string(&mut at, limits.go_module_text_bytes_max, "go_module_text_bytes_max")?;
        (Layout::Inline, version, text)
    } else {
        let pointer_bytes = match byte(14) {
            4 => 4,
            8 => 8,
            other => return Err(ObserveError::GoHeader { what: format!("a pointer size of {other}") }),
        };
        let big = flags & 1 != 0;
        let version = image.pointer_string(
            offset_bytes + 16,
            pointer_bytes,
            big,
            limits.go_version_bytes_max,
            "go_version_bytes_max",
        )?;
        let text = image.pointer_string(
            offset_bytes + 16 + pointer_bytes,
            pointer_bytes,
            big,
            limits.go_module_text_bytes_max,
            "go_module_text_bytes_max",
        )?;
        (Layout::Pointer, version, text)
    };
    let version = String::from_utf8(version)
        .map_err(|_| ObserveError::GoHeader { what: "a version that is not UTF-8".to_owned() })?;
    // The linker frames the text with two 16-byte sentinels; Go itself takes a text without a newline
    // before the second one as none.
    let framed = text.len() >= 33 && text.get(text.len() - 17) == Some(&b'\n');
    let text = if framed { text.get(16..text.len() - 16).unwrap_or_default() } else { &[] };
    let text = std::str::from_utf8(text)
        .map_err(|_| ObserveError::GoHeader { what: "module text that is not UTF-8".to_owned() })?;
    let build_info = GoBuildInfo::parse(&version, text, limits)?;
    Ok(Some(GoExecutable { format: image.format(), layout, offset_bytes, build_info }))
}
