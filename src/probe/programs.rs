//! A root for programs that need no other file, as Go links them: empty folders, and the programs.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Folders that a probe's root needs; everything else is the programs.
const FOLDERS: [&str; 9] = ["build", "dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "var"];

/// Makes the root anew at `root`, with a copy of each program, executable, under its names in `/usr/bin`.
/// Names are plain file names. Files are copied, since what a build left behind is not executable.
///
/// # Errors
///
/// What the disk says; nothing is known of the root then.
pub fn install_programs<'p>(
    root: &Path,
    programs: impl IntoIterator<Item = (&'p Path, Vec<String>)>,
) -> io::Result<()> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for (program, names) in programs {
        for name in names {
            let path = root.join("usr/bin").join(name);
            fs::copy(program, &path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Names under which probes look for a program: its own, and the component's where it is that of its
/// project, as in distributions (`pushgateway` is `prometheus-pushgateway` there).
pub fn program_names(program: &str, component: &str) -> Vec<String> {
    let distributed = program.replace('_', "-");
    let its_own =
        component == distributed || component.strip_suffix(&distributed).is_some_and(|p| p.ends_with('-'));
    let mut names = vec![program.to_owned()];
    if its_own && component != program {
        names.push(component.to_owned());
    }
    names
}
