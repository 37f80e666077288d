//! Probes of programs that Go built: the given ones, in a root that holds nothing else.

use reprove::component::{Component, GoRelease, Release};
use reprove::probe::spec::Item;
use reprove::probe::{Subject, install_programs, program_names};

use super::{Outcome, Probe, ProbeCommandError, Tested, file, hashed};
use crate::args::Args;
use crate::exit::Exit;
use crate::render::Failure;

/// Starts what the items say, with the given programs.
pub(super) fn run(
    probe: &Probe,
    args: &Args,
    component: &Component,
    (release, go): (&Release, &GoRelease),
    items: Vec<Item>,
) -> Result<Exit, Failure> {
    let usage = |error| Failure::new(error, Exit::Usage);
    let purl = release.purl.to_string();
    if probe.artifacts.is_empty() {
        return Err(usage(ProbeCommandError::NoProgram { purl }));
    }
    let (mut files, mut tested) = (Vec::new(), Vec::new());
    for path in &probe.artifacts {
        let (path, digest, _) = hashed(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !go.recipe.binaries.iter().any(|binary| binary.name == name) {
            let (component, detail) = (component.name.clone(), "the release has no program of that name");
            return Err(usage(ProbeCommandError::Program { path, component, detail }));
        }
        tested.push(Tested { name: name.clone(), digest, published: false });
        files.push((path, program_names(&name, &component.name)));
    }
    let work = args.work_dir()?;
    std::fs::create_dir_all(&work).map_err(file(&work))?;
    let folder = tempfile::Builder::new().prefix("programs-").tempdir_in(&work).map_err(file(&work))?;
    let root = folder.path().join("root");
    install_programs(&root, files.iter().map(|(path, names)| (path.as_path(), names.clone())))
        .map_err(file(&root))?;
    let subject =
        Subject { root: &root, in_place: &[], env: &[], version: &release.version, work_dir: &work };
    let progress = args.progress();
    let probes = probe.ask(&subject, items, &progress)?;
    progress.finish();
    probe.answer(args, &Outcome { purl, tested, missing: Vec::new(), probes })
}
