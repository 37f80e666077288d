//! A project's page in the simple index: JSON (PEP 691, 700, 740) or HTML (PEP 503, 592, 629).

use std::collections::BTreeMap;
use std::str::FromStr as _;

use html5gum::{DefaultEmitter, HtmlString, Token, Tokenizer};
use jiff::Timestamp;
use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use super::PypiError;
use super::{FileKind, ProjectName, distribution};
use crate::digest::{Algorithm, Digest};
use crate::fetch::{Page, join};
use crate::limits::pypi::PypiLimits;

/// What is asked for, in the order of preference (PEP 691, "Content types").
pub(super) const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
     application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: [&str; 2] = ["application/vnd.pypi.simple.v1+html", "text/html"];

/// One file of a project, as the index announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Plain file name.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// The release it belongs to.
    pub version: Version,
    /// Where it may be had.
    pub url: String,
    /// SHA-256, where the index announces one.
    pub digest: Option<Digest>,
    /// Length in bytes, where the index says it.
    pub len_bytes: Option<u64>,
    /// Versions of Python it is for; an expression that is none leaves the file out of every choice.
    pub requires_python: Option<String>,
    /// Why its publisher has withdrawn it; empty where no reason is given.
    pub yanked: Option<String>,
    /// When it came to the index, where the index says it.
    pub uploaded: Option<Timestamp>,
    /// Where its attestations may be had (PEP 740), where the index has some.
    pub provenance: Option<String>,
}

impl ListedFile {
    /// Whether it may be used with this version of Python.
    pub fn fits_python(&self, python: &Version) -> bool {
        let Some(text) = self.requires_python.as_deref().filter(|t| !t.trim().is_empty()) else {
            return true;
        };
        VersionSpecifiers::from_str(text).is_ok_and(|specifiers| specifiers.contains(python))
    }
}

/// The files of a project that are distributions by their names. Others are left out: installers, eggs,
/// and names that would lead elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The project.
    pub project: ProjectName,
    /// Its files, in the order of the page.
    pub files: Vec<ListedFile>,
    /// Files that were left out.
    pub left_out: usize,
    /// Whether the page came over an encrypted connection, from the first address to the last.
    pub encrypted: bool,
}

#[derive(Debug, Deserialize)]
struct JsonPage {
    meta: JsonMeta,
    name: String,
    files: Vec<JsonFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonMeta {
    api_version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    requires_python: Option<String>,
    yanked: Option<Yanked>,
    size: Option<u64>,
    upload_time: Option<String>,
    provenance: Option<String>,
}

/// `false`, `true`, or the reason.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Yanked {
    Is(bool),
    Because(String),
}

/// A file before its name is looked at.
struct RawFile {
    name: String,
    url: Option<String>,
    sha256: Option<String>,
    len_bytes: Option<u64>,
    requires_python: Option<String>,
    yanked: Option<String>,
    uploaded: Option<Timestamp>,
    provenance: Option<String>,
}

/// Reads a page, which anybody may have written.
pub(super) fn read(
    project: &ProjectName,
    page: &Page,
    asked: &str,
    limits: &PypiLimits,
) -> Result<Listing, PypiError> {
    let failed = |detail: String| PypiError::Page { project: project.to_string(), detail };
    let looks_like_json = page.bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let raw = match page.media_type.as_str() {
        JSON | "application/json" => json(project, page),
        media if HTML.contains(&media) => html(page, limits),
        // A file on disk, or a server that does not say.
        "" if looks_like_json => json(project, page),
        "" => html(page, limits),
        media => Err(format!("it is of the type `{}`", media.escape_debug())),
    };
    let raw = raw.map_err(failed)?;
    if raw.len() > limits.files_max {
        let what = format!("page of {project}");
        return Err(PypiError::Limit { what, limit: "files_max", max: limits.files_max as u64 });
    }
    let count = raw.len();
    let local = page.url.starts_with("file:");
    let files: Vec<ListedFile> = raw.into_iter().filter_map(|file| listed(project, file, local)).collect();
    let encrypted = [asked, &page.url].iter().all(|url| !url.starts_with("http:"));
    Ok(Listing { project: project.clone(), left_out: count - files.len(), files, encrypted })
}

fn listed(project: &ProjectName, raw: RawFile, local: bool) -> Option<ListedFile> {
    let (kind, version) = distribution(project, &raw.name)?;
    let url = raw.url?;
    // A page from elsewhere has no business with this machine's files.
    if !url.starts_with("https:") && !url.starts_with("http:") && !local {
        return None;
    }
    Some(ListedFile {
        name: raw.name,
        kind,
        version,
        url,
        digest: raw.sha256.and_then(|hex| Digest::from_hex(Algorithm::Sha256, &hex).ok()),
        len_bytes: raw.len_bytes,
        requires_python: raw.requires_python,
        yanked: raw.yanked,
        uploaded: raw.uploaded,
        provenance: raw.provenance,
    })
}

fn json(project: &ProjectName, page: &Page) -> Result<Vec<RawFile>, String> {
    let read: JsonPage = serde_json::from_slice(&page.bytes).map_err(|e| e.to_string())?;
    // PEP 629: another major version may mean anything.
    if !read.meta.api_version.starts_with("1.") {
        let found = read.meta.api_version.escape_debug();
        return Err(format!("expected version 1 of the index's interface, found `{found}`"));
    }
    if ProjectName::new(&read.name).as_ref() != Some(project) {
        return Err(format!("it is the page of `{}`", read.name.escape_debug()));
    }
    let raw = read.files.into_iter().map(|file| RawFile {
        url: page.resolve(&file.url),
        sha256: file.hashes.get("sha256").cloned(),
        name: file.filename,
        len_bytes: file.size,
        requires_python: file.requires_python,
        yanked: match file.yanked {
            None | Some(Yanked::Is(false)) => None,
            Some(Yanked::Is(true)) => Some(String::new()),
            Some(Yanked::Because(reason)) => Some(reason),
        },
        uploaded: file.upload_time.and_then(|time| time.parse().ok()),
        provenance: file.provenance.and_then(|url| page.resolve(&url)),
    });
    Ok(raw.collect())
}

fn html(page: &Page, limits: &PypiLimits) -> Result<Vec<RawFile>, String> {
    let text = std::str::from_utf8(&page.bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut base = page.url.clone();
    let (mut files, mut open) = (Vec::new(), None::<RawFile>);
    // So that the text of a script or a style is no markup.
    let mut emitter = DefaultEmitter::<()>::default();
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                let value = |name: &str| {
                    let value = tag.attributes.get(&HtmlString(name.as_bytes().to_vec()))?;
                    Some(String::from_utf8_lossy(value).into_owned())
                };
                match tag.name.as_slice() {
                    b"meta" if value("name").as_deref() == Some("pypi:repository-version") => {
                        let version = value("content").unwrap_or_default();
                        if !version.starts_with("1.") {
                            let found = version.escape_debug();
                            return Err(format!(
                                "expected version 1 of the index's interface, found `{found}`"
                            ));
                        }
                    }
                    b"base" => {
                        if let Some(to) = value("href").and_then(|href| join(&base, &href)) {
                            base = to;
                        }
                    }
                    b"a" => {
                        files.extend(open.take());
                        open = value("href").map(|href| anchor(&base, &href, &value));
                    }
                    _ => {}
                }
            }
            Token::String(text) => {
                if let Some(file) = &mut open {
                    file.name.push_str(&String::from_utf8_lossy(&text));
                }
            }
            Token::EndTag(tag) if tag.name.as_slice() == b"a" => files.extend(open.take()),
            _ => {}
        }
        if files.len() > limits.files_max {
            break;
        }
    }
    files.extend(open);
    for file in &mut files {
        file.name = file.name.trim().to_owned();
    }
    Ok(files)
}

fn anchor(base: &str, href: &str, value: &dyn Fn(&str) -> Option<String>) -> RawFile {
    let (address, fragment) = href.split_once('#').unwrap_or((href, ""));
    RawFile {
        name: String::new(),
        url: join(base, address),
        sha256: fragment.split('&').find_map(|part| part.strip_prefix("sha256=")).map(str::to_owned),
        len_bytes: None,
        requires_python: value("data-requires-python"),
        yanked: value("data-yanked"),
        uploaded: None,
        provenance: value("data-provenance").and_then(|url| join(base, &url)),
    }
}

#[cfg(test)]
mod tests;
