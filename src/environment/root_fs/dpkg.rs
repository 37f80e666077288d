//! dpkg's database (`/var/lib/dpkg`, deb(5), dpkg(1)) as it stands after all packages are configured, so
//! that dpkg-query, dpkg-checkbuilddeps, dpkg-shlibdeps and dpkg itself answer as on an installed system.

use super::error::RootFsError;
use super::generated::Generator;
use super::package::Unpacked;

const FOLDER: &str = "var/lib/dpkg";

/// Writes the database.
pub(super) fn write(generator: &mut Generator<'_>, packages: &[Unpacked]) -> Result<(), RootFsError> {
    for folder in ["alternatives", "info", "parts", "triggers", "updates"] {
        generator.folder(&format!("{FOLDER}/{folder}"), Some(0o755))?;
    }
    let mut status = String::new();
    for package in packages {
        stanza(&mut status, package);
        let base = format!("{FOLDER}/info/{}", package.control.info_name());
        generator.write(&format!("{base}.list"), 0o644, &package.list)?;
        for (name, bytes) in &package.info {
            let script = ["preinst", "postinst", "prerm", "postrm", "config"].contains(&name.as_str());
            generator.write(&format!("{base}.{name}"), if script { 0o755 } else { 0o644 }, bytes)?;
        }
    }
    generator.write(&format!("{FOLDER}/info/format"), 0o644, b"1\n")?;
    generator.write(&format!("{FOLDER}/status"), 0o644, status.as_bytes())?;
    for empty in ["available", "diversions", "statoverride", "triggers/File", "triggers/Unincorp"] {
        generator.write(&format!("{FOLDER}/{empty}"), 0o644, b"")?;
    }
    Ok(())
}

fn stanza(status: &mut String, package: &Unpacked) {
    for line in package.control.text.lines() {
        status.push_str(line);
        status.push('\n');
        if line.get(..8).is_some_and(|n| n.eq_ignore_ascii_case("package:")) {
            status.push_str("Status: install ok installed\n");
        }
    }
    if !package.conffiles.is_empty() {
        status.push_str("Conffiles:\n");
        for (path, md5) in &package.conffiles {
            status.push_str(&format!(" {path} {md5}\n"));
        }
    }
    status.push('\n');
}
