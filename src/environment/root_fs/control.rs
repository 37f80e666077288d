//! A binary package's control file: the one stanza that dpkg would put into its database.

/// The fields that unpacking needs, and the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) architecture: String,
    /// `Multi-Arch: same`: dpkg then writes the architecture into the names of its files.
    pub(super) multi_arch_same: bool,
    /// Names in `Replaces`. Their version ranges are not looked at: in a set of packages that can be
    /// installed together a conflict outside the range does not occur.
    pub(super) replaces: Vec<String>,
    /// Lines, without the last new line.
    pub(super) text: String,
}

impl Control {
    /// Reads one stanza; says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "its control file is not UTF-8")?;
        let text = text.trim_end_matches('\n');
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            if line.trim().is_empty() {
                return Err("its control file holds an empty line".into());
            }
            if line.starts_with([' ', '\t']) {
                let Some((_, value)) = fields.last_mut() else {
                    return Err("its control file starts with a continuation line".into());
                };
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err("a line of its control file is not a field".into());
            };
            if fields.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)) {
                return Err(format!("its control file has the field `{name}` twice"));
            }
            if ["status", "conffiles", "config-version"].iter().any(|f| name.eq_ignore_ascii_case(f)) {
                return Err(format!("its control file has the field `{name}`, which is dpkg's own"));
            }
            fields.push((name, value.trim().to_owned()));
        }
        let optional = |name: &str| fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let required =
            |name: &str| optional(name).cloned().ok_or_else(|| format!("its control file lacks `{name}`"));
        let control = Self {
            package: required("Package")?,
            version: required("Version")?,
            architecture: required("Architecture")?,
            multi_arch_same: optional("Multi-Arch").is_some_and(|v| v == "same"),
            replaces: optional("Replaces").map(|v| names(v)).unwrap_or_default(),
            text: text.to_owned(),
        };
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
                && !text.starts_with('.')
        };
        if !plain(&control.package) || !plain(&control.architecture) {
            return Err("its name or architecture holds characters that policy does not allow".into());
        }
        Ok(control)
    }

    /// Base name of dpkg's files about this package.
    pub(super) fn info_name(&self) -> String {
        if self.multi_arch_same {
            format!("{}:{}", self.package, self.architecture)
        } else {
            self.package.clone()
        }
    }
}

/// Package names of a relation field.
fn names(relations: &str) -> Vec<String> {
    relations
        .split([',', '|'])
        .filter_map(|r| r.trim().split([' ', '(', ':', '[']).next())
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "Package: libx1\nVersion: 1.0-1\nArchitecture: amd64\nMulti-Arch: same\n\
        Replaces: libx (<< 1.0), oldx:any |\n older\nDescription: short\n long\n .\n";

    #[test]
    fn fields_are_read_and_continuations_joined() {
        let control = Control::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(control.replaces, ["libx", "oldx", "older"]);
        assert_eq!(control.info_name(), "libx1:amd64");
        assert!(control.text.ends_with(" ."));
    }

    #[test]
    fn what_would_forge_a_database_entry_is_refused() {
        for bad in [
            GOOD.replace("Description", "\nPackage: other\nDescription"),
            GOOD.replace("Description", "Status: install ok installed\nDescription"),
            GOOD.replace("libx1", "../x"),
            GOOD.replace("libx1", "lib/x"),
            GOOD.replace("Version: 1.0-1\n", ""),
            GOOD.replace("Description", "version: 2\nDescription"),
            format!(" x\n{GOOD}"),
            "nonsense\n".to_owned(),
            String::new(),
        ] {
            assert!(Control::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
