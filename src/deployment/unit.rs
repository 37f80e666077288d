//! systemd units and the environment files beside them.

/// A setting with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: String,
    /// Line, from 1, on which it begins.
    pub(super) line: usize,
    /// Column, from 1, of its key.
    pub(super) column: usize,
}

/// Settings of the section `[Service]`, in order. Lines that end in a backslash go on (systemd.syntax).
pub(super) fn service(text: &str) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut in_service = false;
    let mut goes_on = false;
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if goes_on {
            // A comment among continued lines is left out.
            if line.starts_with(['#', ';']) {
                continue;
            }
            goes_on = line.ends_with('\\');
            if let Some(last) = settings.last_mut() {
                last.value.push(' ');
                last.value.push_str(line.trim_end_matches('\\').trim_end());
            }
            continue;
        }
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            in_service = line == "[Service]";
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| in_service) else { continue };
        goes_on = line.ends_with('\\');
        settings.push(Setting {
            key: key.trim().to_owned(),
            value: value.trim_end_matches('\\').trim().to_owned(),
            line: index + 1,
            column: raw.len() - raw.trim_start().len() + 1,
        });
    }
    settings
}

/// The last value of a key; an empty assignment takes back what came before.
pub(super) fn last<'s>(settings: &'s [Setting], key: &str) -> Option<&'s Setting> {
    settings.iter().rev().find(|s| s.key == key)
}

/// Whether every line that says something assigns a variable, and one does.
pub(super) fn is_environment(text: &str) -> bool {
    let mut lines =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])).peekable();
    lines.peek().is_some() && lines.all(|l| assignment(l).is_some())
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    good.then_some((name, value))
}

/// The variables of an environment file, quotes around a value taken off. A value that goes on over
/// several lines is read to the end of its first.
pub(super) fn environment(text: &str) -> Vec<Setting> {
    let parse = |(index, raw): (usize, &str)| {
        let (name, value) = assignment(raw.trim())?;
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|q| value.strip_prefix(*q).and_then(|v| v.strip_suffix(*q)))
            .unwrap_or(value);
        let column = raw.len() - raw.trim_start().len() + 1;
        Some(Setting { key: name.to_owned(), value: unquoted.to_owned(), line: index + 1, column })
    };
    text.lines().enumerate().filter_map(parse).collect()
}

/// What a unit's `ExecStart` runs: the program's name, and the flags as one text with variables of the
/// given files put in. `Err` names a variable that no file gives.
pub(super) fn exec_start(
    settings: &[Setting],
    variables: &[Setting],
) -> Option<Result<(String, String), String>> {
    let start = last(settings, "ExecStart").filter(|s| !s.value.is_empty())?;
    let line = start.value.trim_start_matches(['@', '-', ':', '+', '!']);
    let (program, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = program.rsplit('/').next().unwrap_or(program).to_owned();
    let own = settings.iter().filter(|s| s.key == "Environment").flat_map(|s| pairs(&s.value));
    let all: Vec<(String, String)> =
        variables.iter().map(|v| (v.key.clone(), v.value.clone())).chain(own).collect();
    let mut flags = String::new();
    let mut parts = rest.split('$');
    flags.push_str(parts.next().unwrap_or_default());
    let mut literal = false;
    for part in parts {
        if literal {
            // The second half of `$$`.
            flags.push('$');
            flags.push_str(part);
            literal = false;
            continue;
        }
        if part.is_empty() {
            literal = true;
            continue;
        }
        let braced = part.strip_prefix('{').and_then(|p| p.split_once('}'));
        let (variable, after) = braced.unwrap_or_else(|| {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            part.split_at(end)
        });
        match all.iter().rev().find(|(key, _)| key == variable) {
            Some((_, value)) => flags.push_str(value),
            None => return Some(Err(variable.to_owned())),
        }
        flags.push_str(after);
    }
    Some(Ok((name, flags)))
}

/// Assignments of an `Environment=` line: `A=b "C=d e"`.
pub(super) fn pairs(value: &str) -> Vec<(String, String)> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in value.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.iter().filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn settings_know_their_places_and_go_on() {
        let text = "[Unit]\nRestart=no\n[Service]\n# c\n  Restart = on-failure\nExecStart=/usr/bin/x \\\n# c\n  --a=1 \\\n  --b\n[Install]\nRestart=x\n";
        let settings = service(text);
        let found: Vec<_> =
            settings.iter().map(|s| (s.key.as_str(), s.value.as_str(), s.line, s.column)).collect();
        assert_eq!(found, [("Restart", "on-failure", 5, 3), ("ExecStart", "/usr/bin/x --a=1 --b", 6, 1)]);
    }

    #[test]
    fn the_command_line_is_that_of_the_unit_with_its_variables() {
        let run = |start: &str, variables: &str| {
            exec_start(
                &service(&format!("[Service]\nEnvironment=X=y \"Z=a b\"\nExecStart={start}\n")),
                &environment(variables),
            )
        };
        let some = |a: &str, b: &str| Some(Ok((a.to_owned(), b.to_owned())));
        assert_eq!(run("/usr/bin/prometheus $ARGS", "ARGS=\"--a --b=1\"\n"), some("prometheus", "--a --b=1"));
        assert_eq!(run("-/opt/alertmanager --x=${X}1 $Z", ""), some("alertmanager", "--x=y1 a b"));
        assert_eq!(run("/p --web.cors.origin=^x$$", ""), some("p", "--web.cors.origin=^x$"));
        assert_eq!(run("/p $ARGS", ""), Some(Err("ARGS".to_owned())));
        assert_eq!(run("", ""), None);
    }

    #[test]
    fn environment_files_are_told_from_others() {
        for good in ["A=1\n", "# c\n\nexport B='x'\n"] {
            assert!(is_environment(good), "{good}");
        }
        for bad in ["", "# only\n", "a: 1\n", "A=1\nb\n", "1=2\n"] {
            assert!(!is_environment(bad), "{bad}");
        }
    }
}
