//! Comparisons: published packages repacked with one byte changed, two real versions, a large tree.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::archive::ar::ArReader;

use crate::{Case, Job, Peer, Target};

/// Files of the tree, and how many differ.
const TREE_FILES: usize = 20_000;
const TREE_CHANGED: [usize; 3] = [17, 9_999, 19_998];

/// Cases on the packages that `tests/bench/setup` leaves in `<scratch>/compare`.
pub(crate) fn cases(scratch: &Path) -> io::Result<Result<Vec<Case>, String>> {
    let folder = scratch.join("compare");
    let (Some(prometheus), Some(coreutils)) = (first(&folder, "prometheus_")?, first(&folder, "coreutils_")?)
    else {
        return Ok(Err("comparisons: run `tests/bench/setup` first; it needs apt and a mirror".into()));
    };
    let mut cases = vec![Case {
        name: "start-up".into(),
        ours: job(&["--version"]),
        peer: diffoscope(&["--version"]),
        targets: vec![Target::WallMillis(5.0)],
    }];
    let (same, copy) = (folder.join("same-a.deb"), folder.join("same-b.deb"));
    repack(&prometheus, &same, None)?;
    fs::copy(&same, &copy)?;
    cases.push(pair("two identical .debs of Prometheus", &same, &copy, vec![Target::CpuSeconds(0.03)]));
    let changed = folder.join("changed.deb");
    repack(&prometheus, &changed, Some("usr/bin/prometheus"))?;
    let targets = vec![Target::CpuSeconds(2.2), Target::WallMillis(1300.0), Target::PeakMib(64.0)];
    cases.push(pair("Prometheus, one byte of a program", &same, &changed, targets));
    let (one, other) = (folder.join("coreutils-a.deb"), folder.join("coreutils-b.deb"));
    repack(&coreutils, &one, None)?;
    repack(&coreutils, &other, Some("usr/bin/du"))?;
    cases.push(pair("coreutils, one byte of a program", &one, &other, vec![Target::CpuSeconds(0.35)]));
    let versions = all(&folder, "libssl3_")?;
    if let [a, .., b] = versions.as_slice() {
        cases.push(pair("two versions of libssl3", a, b, vec![Target::CpuSeconds(2.0)]));
    }
    let (left, right) = (folder.join("tree-a"), folder.join("tree-b"));
    tree(&left, false)?;
    tree(&right, true)?;
    let mut case = pair("a tree of 20,000 files, three differ", &left, &right, vec![Target::CpuSeconds(0.5)]);
    case.peer =
        Peer::Runs("diff -rq".into(), shell(format!("diff -rq '{}' '{}'", left.display(), right.display())));
    cases.push(case);
    Ok(Ok(cases))
}

fn all(folder: &Path, start: &str) -> io::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(start) && name.ends_with(".deb") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn first(folder: &Path, start: &str) -> io::Result<Option<PathBuf>> {
    Ok(all(folder, start)?.into_iter().next())
}

pub(crate) fn reprove() -> PathBuf {
    // The example lies in `<target>/release/examples`, the program one folder above.
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).unwrap_or(Path::new(".")).join("reprove")
}

fn job(arguments: &[&str]) -> Job {
    let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
    Box::new(move || {
        let mut command = Command::new(reprove());
        command.args(&arguments);
        Ok(command)
    })
}

/// A command whose exit code 1 says "different" and is no failure.
pub(crate) fn shell(line: String) -> Job {
    Box::new(move || {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{line} >/dev/null; test $? -le 1"));
        Ok(command)
    })
}

fn diffoscope(arguments: &[&str]) -> Peer {
    if Command::new("diffoscope").arg("--version").output().is_err() {
        return Peer::Absent("diffoscope is not installed".into());
    }
    Peer::Runs("diffoscope".into(), shell(format!("diffoscope {}", arguments.join(" "))))
}

fn pair(name: &str, a: &Path, b: &Path, targets: Vec<Target>) -> Case {
    let (a, b) = (a.display().to_string(), b.display().to_string());
    Case {
        name: name.to_owned(),
        ours: shell(format!("'{}' compare '{a}' '{b}'", reprove().display())),
        peer: diffoscope(&["--text", "-", &a, &b]),
        targets,
    }
}

/// Writes a .deb again with its data compressed by `xz -0`, one byte of a program changed if one is
/// named; the list of checksums is left as it was.
fn repack(from: &Path, to: &Path, change: Option<&str>) -> io::Result<()> {
    let mut reader = ArReader::new(fs::File::open(from)?).map_err(io::Error::other)?;
    let mut out = b"!<arch>\n".to_vec();
    while let Some(header) = reader.next_header().map_err(io::Error::other)? {
        let mut body = Vec::new();
        reader.body().read_to_end(&mut body)?;
        let mut name = String::from_utf8_lossy(&header.name).into_owned();
        if name.starts_with("data.tar") {
            let mut data = Vec::new();
            liblzma::read::XzDecoder::new_multi_decoder(body.as_slice()).read_to_end(&mut data)?;
            if let Some(program) = change {
                flip(&mut data, program)?;
            }
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(&data)?;
            body = encoder.finish()?;
            name = "data.tar.xz".into();
        }
        writeln!(
            out,
            "{name:<16}{:<12}{:<6}{:<6}{:<8o}{:<10}`",
            header.mtime,
            0,
            0,
            header.mode,
            body.len()
        )?;
        out.extend_from_slice(&body);
        if body.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    fs::write(to, out)
}

fn flip(data: &mut [u8], program: &str) -> io::Result<()> {
    let mut at = None;
    for entry in tar::Archive::new(&data[..]).entries()? {
        let entry = entry?;
        if entry.path()?.to_string_lossy().trim_start_matches("./") == program {
            at = usize::try_from(entry.raw_file_position() + entry.size() / 2).ok();
        }
    }
    let at = at.ok_or_else(|| io::Error::other(format!("no `{program}` in the package")))?;
    if let Some(byte) = data.get_mut(at) {
        *byte ^= 1;
    }
    Ok(())
}

/// Some 135 MB in small files, made once.
fn tree(folder: &Path, changed: bool) -> io::Result<()> {
    if folder.join("done").exists() {
        return Ok(());
    }
    for n in 0..TREE_FILES {
        let below = folder.join(format!("{:03}", n / 100));
        fs::create_dir_all(&below)?;
        let mut body: Vec<u8> =
            (0..6_700u32).map(|i| (i.wrapping_mul(31).wrapping_add(n as u32) >> 3) as u8).collect();
        if changed && TREE_CHANGED.contains(&n) {
            body.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        }
        fs::write(below.join(format!("{n:05}")), body)?;
    }
    fs::write(folder.join("done"), "")
}
