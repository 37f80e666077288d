//! Go's build information (`go version -m`), field by field, for executables of any format.

use super::super::blob::Blob;
use super::super::cause::{Cause, Tier};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::stamped::{self, Anatomy};
use crate::limits::observe::ObserveLimits;
use crate::observe::go::{self, GoBuildInfo, GoModule};

/// What the linker writes before and after the module text (`cmd/go/internal/modload`, `infoStart` and
/// `infoEnd`).
const START: [u8; 16] =
    [0x30, 0x77, 0xaf, 0x0c, 0x92, 0x74, 0x08, 0x02, 0x41, 0xe1, 0xc1, 0x07, 0xe6, 0xd6, 0x18, 0xe6];
const END: [u8; 16] =
    [0xf9, 0x32, 0x43, 0x31, 0x86, 0x18, 0x20, 0x72, 0x00, 0x82, 0x42, 0x10, 0x41, 0x16, 0xd8, 0xf2];
/// Copies of the text that are looked for; the linker writes two.
const COPIES_MAX: usize = 8;
/// Words that begin the lines whose fields are compared.
const WORDS: [&str; 5] = ["path", "mod", "dep", "=>", "build"];

/// Reports each field of the build information that differs. Executables without any give nothing.
pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (Some(a), Some(b)) = (read(pair.a), read(pair.b)) else { return Ok(()) };
    if a != b {
        fields(walk, pair, &a, &b);
    }
    Ok(())
}

fn read(blob: &Blob) -> Option<GoBuildInfo> {
    let reader = std::io::BufReader::new(blob.seekable());
    Some(go::read(reader, &ObserveLimits::DEFAULT).ok().flatten()?.build_info)
}

/// Compares two executables by their stamps and regions, with the module text put aside where its
/// fields say how it differs.
pub(crate) fn stamped(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    mut a: Anatomy,
    mut b: Anatomy,
) -> Result<(), Stop> {
    (a.aside, b.aside) = copies(pair)?;
    let aside = !a.aside.is_empty();
    stamped::compare(walk, pair, a, b)?;
    let before = walk.found();
    compare(walk, pair)?;
    if aside && walk.found() == before {
        walk.add(Difference::exact(pair.path, Cause::Content).field("go build info"));
    }
    folders(walk, pair, Cause::BuildPath)
}

/// Reports folders of the build that the line tables of both sides name, and that differ. Build information
/// does not hold them; without this, only the bytes that depend on them would be told.
pub(crate) fn folders(walk: &mut Walk<'_>, pair: Pair<'_>, cause: Cause) -> Result<(), Stop> {
    let found = |blob: &Blob| go::folders(blob.seekable(), &read(blob)?, &ObserveLimits::DEFAULT).ok();
    let (Some(a), Some(b)) = (found(pair.a), found(pair.b)) else { return Ok(()) };
    for (what, x, y) in
        [("the source", a.source, b.source), ("GOPATH", a.gopath, b.gopath), ("GOROOT", a.goroot, b.goroot)]
    {
        if let (Some(x), Some(y)) = (&x, &y)
            && x != y
        {
            let difference = Difference::exact(pair.path, cause);
            walk.add(difference.field(format!("go line tables, folder of {what}")).values(x, y).pattern());
        }
    }
    Ok(())
}

/// Places on each side that hold the module text.
pub(crate) type Copies = (Vec<(u64, u64)>, Vec<(u64, u64)>);

/// Where the text stands whose differences [`compare`] names field by field: in the build information,
/// and once more in the data that the program itself reads. Nothing where a line differs that it does
/// not name, or where one of the copies says something else.
pub(crate) fn copies(pair: Pair<'_>) -> Result<Copies, Stop> {
    let (Some(a), Some(b)) = (read(pair.a), read(pair.b)) else { return Ok(Copies::default()) };
    if a == b {
        return Ok(Copies::default());
    }
    let (Some((at_a, text_a)), Some((at_b, text_b))) = (texts(pair.a, &a)?, texts(pair.b, &b)?) else {
        return Ok(Copies::default());
    };
    Ok(if only_fields(&text_a, &text_b) { (at_a, at_b) } else { Copies::default() })
}

/// Whether what differs are lines whose words are known, the others standing in one order.
fn only_fields(a: &str, b: &str) -> bool {
    let other =
        |text: &str| -> std::collections::BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (in_a, in_b) = (other(a), other(b));
    let known = |line: &str| line.split_once('\t').is_some_and(|(word, _)| WORDS.contains(&word));
    let split = |text: &str, theirs: &std::collections::BTreeSet<String>| {
        text.lines().map(str::to_owned).partition::<Vec<String>, _>(|line| theirs.contains(line))
    };
    let ((common_a, only_a), (common_b, only_b)) = (split(a, &in_b), split(b, &in_a));
    common_a == common_b && only_a.iter().chain(&only_b).all(|line| known(line))
}

type Texts = (Vec<(u64, u64)>, String);

/// Every framed copy of the module text; `None` unless all are alike and say what was read.
fn texts(blob: &Blob, info: &GoBuildInfo) -> Result<Option<Texts>, Stop> {
    let most = usize::try_from(ObserveLimits::DEFAULT.go_module_text_bytes_max).unwrap_or(usize::MAX);
    let mut places = Vec::new();
    let mut first: Option<Vec<u8>> = None;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < blob.len() {
        let n = blob.read_at(at, &mut buffer)?;
        let part = buffer.get(..n).unwrap_or_default();
        let Some(found) = memchr::memmem::find(part, &START) else {
            // A frame may begin in this piece and go on in the next.
            at += (n.saturating_sub(START.len() - 1)).max(1) as u64;
            continue;
        };
        let from = at + found as u64 + START.len() as u64;
        let rest = blob.slice(from, u64::MAX).head(most.saturating_add(END.len()))?;
        let Some(length) = memchr::memmem::find(&rest, &END) else { return Ok(None) };
        let text = rest.get(..length).unwrap_or_default();
        if first.get_or_insert_with(|| text.to_vec()) != text || places.len() >= COPIES_MAX {
            return Ok(None);
        }
        places.push((from, from + length as u64));
        at = from + length as u64;
    }
    let Some(text) = first.and_then(|text| String::from_utf8(text).ok()) else { return Ok(None) };
    let same = GoBuildInfo::parse(&info.go_version, &text, &ObserveLimits::DEFAULT).is_ok_and(|i| i == *info);
    Ok(same.then_some((places, text)))
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
        let main = a.main.as_ref().is_some_and(|m| m.path == *path);
        let follows = main && stem(a).is_some() && stem(a) == stem(b);
        let cause = if follows { Cause::VcsRevision } else { Cause::VersionString };
        add(cause, &format!("module {path}"), left, right);
    }
}

/// The version of the main module without the time and the revision that Go puts into it where no tag
/// stands at the commit (`v0.0.0-20240102030405-0123456789ab`); `None` unless they are those of the
/// build's own `vcs.time` and `vcs.revision`.
fn stem(info: &GoBuildInfo) -> Option<(String, String)> {
    let module = info.main.as_ref()?;
    let (version, dirty) = match module.version.split_once('+') {
        Some((version, dirty)) => (version, dirty),
        None => (module.version.as_str(), ""),
    };
    let (rest, revision) = version.rsplit_once('-')?;
    let at = rest.len().checked_sub(14)?;
    let (stem, time) = (rest.get(..at)?, rest.get(at..)?);
    let digits: String = info.setting("vcs.time")?.chars().filter(char::is_ascii_digit).take(14).collect();
    let known = revision.len() == 12 && info.setting("vcs.revision")?.starts_with(revision) && time == digits;
    (known && module.sum.is_empty() && module.replacement.is_none())
        .then(|| (stem.to_owned(), dirty.to_owned()))
}

fn spelled(module: &GoModule) -> String {
    let mut text = format!("{} {}", module.version, module.sum);
    if let Some(replacement) = &module.replacement {
        text.push_str(&format!(" => {} {}", replacement.path, spelled(replacement)));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn framed(text: &str) -> Vec<u8> {
        [&START[..], text.as_bytes(), &END].concat()
    }

    #[test]
    fn copies_must_be_alike_and_say_what_was_read() {
        let text = "path\tp\nmod\tp\t(devel)\t\nbuild\t-tags=a\n";
        let info = GoBuildInfo::parse("go1.23", text, &ObserveLimits::DEFAULT).unwrap();
        let found = |bytes: Vec<u8>| texts(&Blob::memory(bytes), &info).unwrap().map(|(places, _)| places);
        let two = [framed(text), b"between".to_vec(), framed(text)].concat();
        let length = text.len() as u64;
        assert_eq!(found(two), Some(vec![(16, 16 + length), (55 + length, 55 + 2 * length)]));
        assert_eq!(found([framed(text), framed("path\tq\n")].concat()), None);
        assert_eq!(found(framed("path\tq\n")), None);
        assert_eq!(found(START.to_vec()), None);
        // Across the pieces in which a file is read.
        let far = [vec![0; (1 << 20) - 7], framed(text)].concat();
        assert_eq!(found(far), Some(vec![((1 << 20) + 9, (1 << 20) + 9 + length)]));
    }

    #[test]
    fn a_version_that_repeats_the_commit_follows_from_it() {
        let info = |version: &str, time: &str| {
            let text = format!(
                "path\tp\nmod\tp\t{version}\t\nbuild\tvcs.revision=0123456789abcdef\nbuild\tvcs.time={time}\n"
            );
            GoBuildInfo::parse("go1.24", &text, &ObserveLimits::DEFAULT).unwrap()
        };
        let time = "2024-01-02T03:04:05Z";
        let of = |version: &str| stem(&info(version, time));
        assert_eq!(of("v0.0.0-20240102030405-0123456789ab"), Some(("v0.0.0-".to_owned(), String::new())));
        assert_eq!(of("v1.2.3-0.20240102030405-0123456789ab+dirty").unwrap().1, "dirty");
        assert_eq!(of("v0.0.0-20240102030406-0123456789ab"), None);
        assert_eq!(of("v0.0.0-20240102030405-1123456789ab"), None);
        assert_eq!(of("v1.2.3"), None);
        assert_eq!(of("(devel)"), None);
    }

    #[test]
    fn only_lines_that_are_compared_may_differ() {
        assert!(only_fields("path\tp\nbuild\t-tags=a,b\n", "path\tp\nbuild\t-tags=b,a\n"));
        assert!(!only_fields("path\tp\nword\ta\n", "path\tp\nword\tb\n"));
        assert!(!only_fields("path\tp\nbuild\tx=a\n", "build\tx=a\npath\tp\n"));
    }
}
