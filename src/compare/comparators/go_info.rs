//! Go's build information (`go version -m`), field by field, for executables of any format.

use super::super::cause::{Cause, Tier};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use crate::limits::observe::ObserveLimits;
use crate::observe::go::{self, GoBuildInfo, GoModule};

/// Reports each field of the build information that differs. Executables without any give nothing.
pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let read = |blob: &super::super::blob::Blob| {
        go::read(std::io::BufReader::new(blob.seekable()), &ObserveLimits::DEFAULT).ok().flatten()
    };
    let (Some(a), Some(b)) = (read(pair.a), read(pair.b)) else { return Ok(()) };
    if a.build_info != b.build_info {
        fields(walk, pair, &a.build_info, &b.build_info);
    }
    Ok(())
}

fn fields(walk: &mut Walk<'_>, pair: Pair<'_>, a: &GoBuildInfo, b: &GoBuildInfo) {
    let mut add = |cause: Cause, field: &str, x: Option<&str>, y: Option<&str>| {
        if x == y {
            return;
        }
        let mut difference = Difference::exact(pair.path, cause).field(format!("go build info, {field}"));
        if let Some(x) = x {
            difference = difference.left(x);
        }
        if let Some(y) = y {
            difference = difference.right(y);
        }
        if cause.tier() == Tier::Pattern {
            difference = difference.pattern();
        }
        walk.add(difference);
    };
    add(Cause::CompilerVersion, "go", Some(&a.go_version), Some(&b.go_version));
    add(Cause::VersionString, "path", Some(&a.package), Some(&b.package));
    let mut keys: Vec<&str> = a.settings.iter().chain(&b.settings).map(|s| s.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let cause = match key {
            "vcs.revision" | "vcs.modified" => Cause::VcsRevision,
            "vcs.time" => Cause::EmbeddedTimestamp,
            _ => Cause::CompilerFlags,
        };
        add(cause, key, a.setting(key), b.setting(key));
    }
    let modules = |info: &GoBuildInfo| -> std::collections::BTreeMap<String, String> {
        info.main.iter().chain(&info.dependencies).map(|m| (m.path.clone(), spelled(m))).collect()
    };
    let (x, y) = (modules(a), modules(b));
    for path in x.keys().chain(y.keys().filter(|p| !x.contains_key(*p))) {
        let (left, right) = (x.get(path).map(String::as_str), y.get(path).map(String::as_str));
        add(Cause::VersionString, &format!("module {path}"), left, right);
    }
}

fn spelled(module: &GoModule) -> String {
    let mut text = format!("{} {}", module.version, module.sum);
    if let Some(replacement) = &module.replacement {
        text.push_str(&format!(" => {} {}", replacement.path, spelled(replacement)));
    }
    text.trim_end().to_owned()
}
