//! A definition drafted from what an artifact says of itself and from its source.
//!
//! Each value is marked: *derived* from the source or from the package URL, *observed* in the artifact,
//! or *guessed* where neither says. What was observed stands under `observed`, so that every report of an
//! audit with that recipe repeats the mark. A draft is text for a person to read; nothing takes it unread.
//!
//! What the artifact says becomes a value only where a definition could have it ([`domain`]); anything else
//! is told in a comment, escaped. Values are written by the TOML serializer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use toml::{Table, Value};

use super::members::{FILE, MODE_BITS, PROGRAM, take_apart};
use crate::audit::AuditError;
use crate::component::{PackageUrl, domain};
use crate::digest::{Algorithm, hash_file};
use crate::limits::archive::ArchiveLimits;
use crate::limits::observe::ObserveLimits;
use crate::observe::go::{GoBuildInfo, GoFolders, folders};
use crate::observe::{Content, observe};
use crate::source::go::archive::ModuleZip;
use crate::source::go::{ModuleProxy, ModuleVersion};

/// Words of linker flags that are values of a promu build, and what stands for them.
const PROMU: [(&str, &str); 3] =
    [(".Revision=", "{revision}"), (".BuildUser=", "{build-user}"), (".BuildDate=", "{build-date}")];
/// Settings that are flags of a build with their values.
const VALUED: [&str; 3] = ["-gcflags", "-asmflags", "-buildmode"];
/// Settings that no recipe can have, with the value that means nothing.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("CGO_ENABLED", "0"),
    ("-race", "false"),
    ("-msan", "false"),
    ("-asan", "false"),
    ("-cover", "false"),
    ("-pgo", ""),
];
/// Why a draft takes a member of a wheel's `.dist-info` for none of the source.
const PACKERS: &str = "of the wheel's own packaging";
/// Characters of a foreign text that a comment repeats.
const SHOWN_MAX: usize = 200;

const OBSERVED: &str = "observed in the artifact";

/// Drafts the release's tables. `scratch` is an empty folder; the proxy is asked for the source, to find
/// the archive's other members in it.
pub fn draft(
    purl: &PackageUrl,
    name: &str,
    artifact: &Path,
    scratch: &Path,
    proxy: &ModuleProxy<'_>,
) -> Result<String, AuditError> {
    let mut files = BTreeMap::new();
    let whole = read(artifact);
    if whole.is_none() {
        let limits =
            ArchiveLimits { expanded_bytes_max: proxy.limits.published_bytes_max, ..ArchiveLimits::DEFAULT };
        files = take_apart(artifact, scratch, &limits)?.files;
    }
    let mut binaries: Vec<Binary> = Vec::new();
    for (member, file) in &files {
        if let Some((info, folders)) = read(&file.path) {
            binaries.push(Binary { member: member.clone(), info, folders });
        }
    }
    binaries.extend(whole.map(|(info, folders)| Binary { member: name.to_owned(), info, folders }));
    let Some(first) = binaries.first() else {
        return Ok("# no member is a Go binary that says how it was built\n".to_owned());
    };
    let channel = match purl.kind() {
        "npm" => "npm",
        "pypi" => "wheel",
        _ => "upstream",
    };
    // A wheel has a version of its own; what the program is a version of, only the program tells.
    let version = match channel {
        "wheel" => first.info.main.as_ref().map_or("", |main| main.version.trim_end_matches("+dirty")),
        _ => purl.version().unwrap_or_default(),
    };
    let source = source_of(&first.info, version);
    let mut out = Draft::default();
    out.line(&format!("[[release.{channel}]]"));
    out.value("purl", purl.to_string().into());
    match channel {
        "upstream" => out.checked("artifact", "derived from the file's name", name, domain::is_file_name),
        "wheel" => out.checked("wheel", "derived from the file's name", name, domain::is_file_name),
        _ => {}
    }
    match &source {
        Some(m) => {
            out.comment(match channel {
                "wheel" => "module and version observed in the artifact",
                _ => "module observed in the artifact, version derived from the package URL",
            });
            out.value("source", table([("module", &m.path), ("version", &m.version)]));
        }
        None => out.comment("the artifact names no main module that can be fetched: write `source`"),
    }
    let known = source.as_ref().map(|m| in_source(m, proxy)).transpose()?.unwrap_or_default();
    if !files.is_empty() {
        out.line("members = [");
        for (member, file) in &files {
            let base = base_of(member);
            if !domain::is_below(member) {
                out.line(&format!("    # `{}` is no name that a recipe may have", shown(member)));
            } else if binaries.iter().any(|b| b.member == *member) {
                out.line("    # observed: a Go binary");
                out.member(member, ("binary", base), file.mode, PROGRAM);
            } else {
                let (digest, _) = hash_file(Algorithm::Sha256, &file.path)
                    .map_err(|source| AuditError::Work { path: file.path.clone(), source })?;
                match known.get(&digest.to_hex()) {
                    Some(at) => {
                        out.line("    # derived: the same bytes in the source");
                        out.member(member, ("file", at), file.mode, FILE);
                    }
                    None if channel == "wheel" && is_packers(member) => {
                        out.line("    # guessed by its place, and not in the source: read it");
                        out.member(member, ("unsourced", PACKERS), file.mode, FILE);
                    }
                    None => out.line(&format!(
                        "    # `{}`: not in the source, so that nothing explains it",
                        shown(member)
                    )),
                }
            }
        }
        out.line("]");
    }
    recipe(&mut out, channel, version, &binaries);
    Ok(out.text)
}

/// A Go binary of the artifact.
struct Binary {
    member: String,
    info: GoBuildInfo,
    folders: GoFolders,
}

fn read(path: &Path) -> Option<(GoBuildInfo, GoFolders)> {
    let limits = &ObserveLimits::DEFAULT;
    let Content::Go(go) = observe(path, limits).ok()?.content else { return None };
    let found = folders(std::fs::File::open(path).ok()?, &go.build_info, limits).ok()?;
    Some((go.build_info, found))
}

/// Whether a wheel's packer writes the member: it lies below `.dist-info`.
fn is_packers(member: &str) -> bool {
    member.split_once('/').is_some_and(|(folder, _)| folder.ends_with(".dist-info"))
}

fn base_of(member: &str) -> &str {
    member.rsplit('/').next().unwrap_or(member)
}

fn source_of(info: &GoBuildInfo, version: &str) -> Option<ModuleVersion> {
    let main = info.main.as_ref()?;
    let version = if version.starts_with('v') { version.to_owned() } else { format!("v{version}") };
    ModuleVersion::new(&main.path, &version)
}

/// Names of the source's files by their SHA-256.
fn in_source(
    module: &ModuleVersion,
    proxy: &ModuleProxy<'_>,
) -> Result<BTreeMap<String, String>, AuditError> {
    let object = proxy.zip(module)?;
    let zip = ModuleZip::open(module, &object.path, proxy.limits)?;
    let files = zip.digests()?.into_iter().filter(|(name, _)| domain::is_below(name));
    Ok(files.map(|(name, hex)| (hex, name)).collect())
}

/// The recipe's tables: what was derived, then what was observed.
fn recipe(out: &mut Draft, channel: &str, version: &str, binaries: &[Binary]) {
    let Some(Binary { info, folders, .. }) = binaries.first() else { return };
    let trimmed = setting(info, "-trimpath") == Some("true");
    out.line(&format!("\n[release.{channel}.go]"));
    if trimmed {
        out.comment("guessed, and of no effect: `-trimpath` leaves no folder in the binary");
        out.value("path", "/app".into());
    } else if folders.source.as_deref().is_none_or(|f| !domain::is_folder(f)) {
        out.comment("guessed: the folder is in the binary's line tables, and was not found there");
        out.value("path", "/app".into());
    }
    if trimmed && info.setting("-ldflags").is_none() {
        out.comment("guessed: `-trimpath` hides the linker flags; the project's build files have them");
        out.value("ldflags", "-s -w".into());
    }
    for (key, harmless) in UNSUPPORTED {
        if let Some(value) = setting(info, key).filter(|v| *v != harmless) {
            out.comment(&format!("{key} was `{}`, and this tool cannot build that", shown(value)));
        }
    }
    let tag = if version.starts_with('v') { version.to_owned() } else { format!("v{version}") };
    let stamped = setting(info, "vcs.revision").is_some();
    if stamped && info.main.as_ref().is_some_and(|m| m.version.trim_end_matches("+dirty") == tag) {
        out.line(&format!("\n[release.{channel}.go.vcs]"));
        out.comment(
            "derived: the binary's version, which is the one above, shows that the checkout saw this tag",
        );
        out.value("tags", vec![tag].into());
    }
    out.line("\n# Read from the artifact under test: assumed, and listed so in every report.");
    out.line(&format!("[release.{channel}.go.observed]"));
    observed(out, info, folders, trimmed, binaries);
}

fn setting<'i>(info: &'i GoBuildInfo, key: &str) -> Option<&'i str> {
    info.setting(key).filter(|v| !v.is_empty())
}

fn observed(out: &mut Draft, info: &GoBuildInfo, folders: &GoFolders, trimmed: bool, binaries: &[Binary]) {
    let go = info.go_version.strip_prefix("go").unwrap_or(&info.go_version);
    // Experiments stand behind the version; they are a setting of their own.
    let go = go.split(' ').next().unwrap_or_default();
    if domain::is_toolchain(go) {
        out.comment(OBSERVED);
        out.value("toolchain", go.into());
    } else {
        out.comment(&format!(
            "`{}` is no released tool chain: it cannot be had by its version",
            shown(&info.go_version)
        ));
    }
    if !trimmed {
        for (key, found) in
            [("path", &folders.source), ("gopath", &folders.gopath), ("goroot", &folders.goroot)]
        {
            if let Some(folder) = found {
                out.checked(key, "observed in the line tables", folder, domain::is_folder);
            }
        }
    }
    let mut env = Table::new();
    for key in domain::TARGETS {
        let Some(value) = setting(info, key) else { continue };
        if domain::is_target_value(key, value) {
            env.insert(key.to_owned(), value.into());
        } else {
            out.comment(&format!("{key} was `{}`, which no recipe may have", shown(value)));
        }
    }
    out.comment(OBSERVED);
    out.value("env", Value::Table(env));
    let mut flags: Vec<String> = Vec::new();
    if trimmed {
        flags.push("-trimpath".to_owned());
    }
    for key in VALUED {
        let Some(value) = setting(info, key).filter(|v| (key, *v) != ("-buildmode", "exe")) else { continue };
        let flag = format!("{key}={value}");
        if domain::is_flag(&flag) {
            flags.push(flag);
        } else {
            out.comment(&format!("`{}` is a flag that no recipe may have", shown(&flag)));
        }
    }
    if !flags.is_empty() {
        out.comment(OBSERVED);
        out.value("flags", flags.into());
    }
    if let Some(tags) = setting(info, "-tags") {
        let (good, bad): (Vec<&str>, Vec<&str>) = tags.split(',').partition(|t| domain::is_tag(t));
        bad.iter().for_each(|t| out.comment(&format!("`{}` is no build tag", shown(t))));
        out.comment("observed in the artifact, in this order");
        out.value("tags", good.into_iter().map(str::to_owned).collect::<Vec<_>>().into());
    }
    if let Some(flags) = info.setting("-ldflags") {
        let words: Vec<String> = flags.split(' ').map(with_holes).collect();
        let mark =
            "observed in the artifact; what the build made up is left open, and read when it is audited";
        out.checked("ldflags", mark, &words.join(" "), domain::is_ldflags);
    }
    let mut built = Vec::new();
    for Binary { member, info, .. } in binaries {
        let base = base_of(member);
        if domain::is_file_name(base) && domain::is_package(&info.package) {
            built.push(table([("name", base), ("package", &info.package)]));
        } else {
            let (base, package) = (shown(base), shown(&info.package));
            out.comment(&format!("`{base}` is built from `{package}`, which no recipe may have"));
        }
    }
    out.comment(OBSERVED);
    out.value("binaries", Value::Array(built));
    if let (Some(revision), Some(time)) = (setting(info, "vcs.revision"), setting(info, "vcs.time")) {
        if domain::is_revision(revision) && domain::is_time(time) {
            let mut vcs = Table::new();
            vcs.insert("revision".to_owned(), revision.into());
            vcs.insert("time".to_owned(), time.into());
            vcs.insert("modified".to_owned(), (setting(info, "vcs.modified") == Some("true")).into());
            out.comment(OBSERVED);
            out.value("vcs", Value::Table(vcs));
        } else {
            let (revision, time) = (shown(revision), shown(time));
            out.comment(&format!("`{revision}` of `{time}` is no commit with its time"));
        }
    }
}

/// A word of linker flags with the values that a build makes up left open.
fn with_holes(word: &str) -> String {
    for (key, hole) in PROMU {
        if let Some((before, _)) = word.split_once(key) {
            return format!("{before}{key}{hole}");
        }
    }
    word.to_owned()
}

fn table<const N: usize>(rows: [(&str, &str); N]) -> Value {
    Value::Table(rows.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect())
}

/// A foreign text for a comment: on one line, and not too long.
fn shown(text: &str) -> String {
    let mut escaped: String = text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        escaped.push('…');
    }
    escaped
}

/// The text as it grows.
#[derive(Default)]
struct Draft {
    text: String,
}

impl Draft {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// A member, with its mode where a definition would take another one for granted. A mode that no
    /// definition may have is told, and the audit will refuse it.
    fn member(&mut self, path: &str, origin: (&str, &str), mode: Option<u64>, usual: u64) {
        let found = mode.map(|mode| mode & MODE_BITS).filter(|mode| *mode != usual);
        let text = found.map(|mode| format!("{mode:04o}")).unwrap_or_default();
        let row = match found {
            Some(_) if domain::is_mode(&text) => table([("path", path), origin, ("mode", &text)]),
            _ => table([("path", path), origin]),
        };
        if found.is_some() {
            self.line(&format!("    # observed: the mode {text}"));
        }
        self.line(&format!("    {row},"));
    }

    fn value(&mut self, key: &str, value: Value) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    /// A text of the artifact, where a definition could have it; otherwise a comment says what it was.
    fn checked(&mut self, key: &str, mark: &str, text: &str, fits: fn(&str) -> bool) {
        if fits(text) {
            self.comment(mark);
            self.value(key, text.into());
        } else {
            self.comment(&format!("`{key}` was `{}`, which no recipe may have", shown(text)));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn drafted(text: &str, go: &str, folders: GoFolders) -> String {
        let info = GoBuildInfo::parse(go, text, &ObserveLimits::DEFAULT).unwrap();
        let mut out = Draft::default();
        recipe(&mut out, "npm", "1.0.0", &[Binary { member: "package/bin/x".to_owned(), info, folders }]);
        out.text
    }

    #[test]
    fn every_value_is_marked_and_what_was_observed_stands_there() {
        let text = "path\tm/cmd/x\nmod\tm\tv1.0.0+dirty\t\nbuild\t-ldflags=\"-X a.BuildUser=root@1 -X a.Version=2  -s\"\n\
                    build\t-tags=netgo,b\nbuild\tGOOS=linux\nbuild\tGOARCH=amd64\nbuild\tGOAMD64=v1\n\
                    build\tvcs.revision=0123456789ab\nbuild\tvcs.time=2026-01-01T00:00:00Z\nbuild\tvcs.modified=true\n";
        let folders =
            GoFolders { source: Some("/src/m".to_owned()), gopath: Some("/go".to_owned()), goroot: None };
        let out = drafted(text, "go1.25.5 X:foo", folders);
        let lines: Vec<&str> = out.lines().collect();
        for line in [
            "env = { GOAMD64 = \"v1\", GOARCH = \"amd64\", GOOS = \"linux\" }",
            "path = \"/src/m\"",
            "gopath = \"/go\"",
            "tags = [\"v1.0.0\"]",
            "tags = [\"netgo\", \"b\"]",
            "ldflags = \"-X a.BuildUser={build-user} -X a.Version=2  -s\"",
            "binaries = [{ name = \"x\", package = \"m/cmd/x\" }]",
            "toolchain = \"1.25.5\"",
            "vcs = { modified = true, revision = \"0123456789ab\", time = \"2026-01-01T00:00:00Z\" }",
        ] {
            let at = lines.iter().position(|l| *l == line);
            assert!(at.is_some(), "{line} is not in\n{out}");
            let mark = lines.get(at.unwrap() - 1).unwrap();
            assert!(mark.starts_with("# observed") || mark.starts_with("# derived"), "{line}: {mark}");
        }
        let parsed: toml::Table = out.parse().unwrap();
        let go = &parsed["release"]["npm"]["go"];
        assert_eq!(go["vcs"].as_table().unwrap().len(), 1, "{out}");
        assert_eq!(go.as_table().unwrap().len(), 2, "nothing was derived but the tag: {out}");
    }

    #[test]
    fn an_artifact_that_lies_makes_no_other_table() {
        let evil = r#""a\"]\n[evil]\nx = 1\n""#;
        let text = format!(
            "path\tx \"]\nmod\tm\t(devel)\t\nbuild\tGOOS={evil}\nbuild\tGOARCH={evil}\nbuild\t-tags={evil}\n\
             build\t-ldflags={evil}\nbuild\t-gcflags={evil}\nbuild\tvcs.revision={evil}\nbuild\tvcs.time={evil}\n\
             build\tCGO_ENABLED={evil}\n"
        );
        let folders = GoFolders { source: Some("/a\n[evil]".to_owned()), gopath: None, goroot: None };
        let out = drafted(&text, "devel go1.27-\n[evil]", folders);
        let table: toml::Table = out.parse().unwrap();
        assert!(!out.lines().any(|l| l.starts_with("[evil]") || l.starts_with("x = ")), "{out}");
        assert_eq!(table.keys().collect::<Vec<_>>(), ["release"], "{out}");
        let go = table["release"]["npm"]["go"].as_table().unwrap();
        let observed = go["observed"].as_table().unwrap();
        assert_eq!(go.keys().collect::<Vec<_>>(), ["observed", "path"], "{out}");
        assert_eq!(observed.keys().collect::<Vec<_>>(), ["binaries", "env", "tags"], "{out}");
        assert!(observed.values().all(|v| v.to_string().len() < 4), "none of it became a value: {out}");
        assert!(out.contains("no released tool chain"), "{out}");
    }
}
