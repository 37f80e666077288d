//! A file of probes.

use serde::Deserialize;
use toml::Spanned;

use super::{Probe, SpecError};
use crate::limits::probe::SPECS_BYTES_MAX;

/// The only schema number that is read.
const SCHEMA: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    probe: Vec<Spanned<Item>>,
}

/// A probe with its name.
///
/// Not closed by an attribute, which `flatten` does not allow: what is left over goes to [`Probe`], and
/// that is closed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// Its name, unique in the file.
    pub id: String,
    /// What a probe that holds means, for people.
    #[serde(default)]
    pub why: String,
    /// The probe.
    #[serde(flatten)]
    pub probe: Probe,
}

/// Why a file of probes is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SpecsError {
    /// It is not TOML of the schema.
    #[error("{file}: {detail}")]
    #[diagnostic(code(probe::specs), help("mend the file as described; the schema is closed"))]
    Schema {
        /// Which file.
        file: String,
        /// What is wrong, with the place.
        detail: String,
    },
    /// One of its probes is refused.
    #[error("{file}:{line}: probe `{id}`")]
    #[diagnostic(code(probe::refused), help("mend that probe; the cause says how"))]
    Probe {
        /// Which file.
        file: String,
        /// The line of its heading.
        line: usize,
        /// Its name.
        id: String,
        /// What is wrong.
        #[source]
        source: Box<SpecError>,
    },
}

/// Reads a file of probes: `schema = 1`, then a table `[[probe]]` for each.
///
/// # Errors
///
/// The first fault, with file and line.
pub fn read(file: &str, text: &str) -> Result<Vec<Item>, SpecsError> {
    let refuse = |detail: String| SpecsError::Schema { file: file.to_owned(), detail };
    if text.len() as u64 > SPECS_BYTES_MAX {
        return Err(refuse(format!("expected at most {SPECS_BYTES_MAX} bytes, found {}", text.len())));
    }
    let parsed: File = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
    if parsed.schema != SCHEMA {
        return Err(refuse(format!("expected schema {SCHEMA}, found {}", parsed.schema)));
    }
    let mut items: Vec<Item> = Vec::new();
    for spanned in parsed.probe {
        let before = text.get(..spanned.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let item = spanned.into_inner();
        if item.id.is_empty() || items.iter().any(|other| other.id == item.id) {
            return Err(refuse(format!("line {line}: expected an id of its own, found `{}`", item.id)));
        }
        item.probe.check().map_err(|source| SpecsError::Probe {
            file: file.to_owned(),
            line,
            id: item.id.clone(),
            source: Box::new(source),
        })?;
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use miette::Diagnostic as _;

    use super::*;

    const GOOD: &str = r#"
schema = 1

[[probe]]
id = "quit"
why = "the lifecycle interface is off by default"
kind = "http-probe"
launch = { component = "prometheus", args = ["--config.file={dir}/p.yml"], files = { "p.yml" = "x {port:ok}" }, servers = { ok = { serves = "answer" } } }
request = { method = "POST", path = "/-/quit" }
expect = [{ versions = "<3.0.0", status = 403, process = "alive" }, { status = 404, process = { exit-status = 2 } }]
"#;

    fn code(text: &str) -> String {
        let error = read("f.toml", text).unwrap_err();
        let inner = match &error {
            SpecsError::Probe { source, .. } => source.code(),
            SpecsError::Schema { .. } => error.code(),
        };
        inner.unwrap().to_string()
    }

    #[test]
    fn a_good_file_is_read_and_written_again() {
        let items = read("f.toml", GOOD).unwrap();
        assert_eq!((items[0].id.as_str(), items[0].probe.kind()), ("quit", "http-probe"));
        assert_eq!(items[0].probe.component(), "prometheus");
        let text = toml::to_string(&items[0].probe).unwrap();
        assert_eq!(toml::from_str::<Probe>(&text).unwrap(), items[0].probe);
    }

    #[test]
    fn each_fault_is_refused() {
        for (from, to, expected) in [
            // Closed at every depth.
            ("id = \"quit\"", "id = \"quit\"\nextra = 1", "probe::specs"),
            ("component = \"prom", "colour = \"red\", component = \"prom", "probe::specs"),
            ("method = \"POST\"", "method = \"POST\", retries = 3", "probe::specs"),
            ("status = 403", "status = 403, statuses = [1]", "probe::specs"),
            ("serves = \"answer\"", "serves = \"answer\", delay = 1", "probe::specs"),
            ("serves = \"answer\"", "serves = \"datagrams\", tls = true", "probe::specs"),
            ("\"http-probe\"", "\"ftp-probe\"", "probe::specs"),
            ("<3.0.0", "3.x", "probe::specs"),
            ("schema = 1", "schema = 2", "probe::specs"),
            ("id = \"quit\"", "id = \"\"", "probe::specs"),
            // What a dead server would meet.
            ("status = 403, process = \"alive\"", "process = \"alive\"", "probe::cannot_fail"),
            ("status = 403, process = \"alive\"", "process = \"exited\"", "probe::cannot_fail"),
            ("status = 403, process = \"alive\"", "body-absent = [\"x\"]", "probe::cannot_fail"),
            ("status = 403, process = \"alive\"", "header-absent = [\"x\"]", "probe::cannot_fail"),
            ("status = 403, process = \"alive\"", "log-absent = [\"x\"]", "probe::cannot_fail"),
            ("status = 403, process = \"alive\"", "memory-bytes-max = 5", "probe::cannot_fail"),
            ("status = 403", "reply = \"broken\"", "probe::cannot_fail"),
            ("status = 403", "server-saw-not = { ok = [\"x\"] }", "probe::cannot_fail"),
            ("status = 403", "server-saw = { ok = [] }", "probe::cannot_fail"),
            ("expect = [{ versions", "expect = [{}, { versions", "probe::cannot_fail"),
            // What no server could meet.
            ("status = 403", "reply = \"timed-out\", status = 403", "probe::cannot_hold"),
            (
                "status = 403, process = \"alive\"",
                "reply = \"timed-out\", process = \"exited\"",
                "probe::cannot_hold",
            ),
            ("status = 403", "body-contains = [\"abc\"], body-absent = [\"b\"]", "probe::cannot_hold"),
            ("status = 403", "header = { a-b = \"x\" }, header-absent = [\"A-B\"]", "probe::cannot_hold"),
            // What is not well formed.
            ("status = 403", "status = 1000", "probe::specification"),
            ("status = 403", "body-contains = [\"\"]", "probe::specification"),
            ("status = 403", "server-saw = { other = [\"x\"] }", "probe::specification"),
            ("path = \"/-/quit\"", "path = \"quit\"", "probe::specification"),
            ("path = \"/-/quit\"", "path = \"/a b\"", "probe::specification"),
            ("path = \"/-/quit\"", "path = \"/a\\r\\nX: y\"", "probe::specification"),
            ("path = \"/-/quit\"", "path = \"/\", headers = { A = \"x\\r\\nB: c\" }", "probe::specification"),
            (
                "path = \"/-/quit\"",
                "path = \"/\", headers = { content-LENGTH = \"5\" }",
                "probe::specification",
            ),
            ("path = \"/-/quit\"", "path = \"/\", timeout-seconds = 61", "probe::specification"),
            ("\"p.yml\" =", "\"../p.yml\" =", "probe::specification"),
            ("\"p.yml\" =", "\"/p.yml\" =", "probe::specification"),
            ("{port:ok}", "{port:okay}", "probe::specification"),
            ("component = \"prometheus\"", "component = \"../x\"", "probe::specification"),
            ("component = \"prometheus\"", "component = \"a\", program = \"../x\"", "probe::specification"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            assert_eq!(code(&GOOD.replacen(from, to, 1)), expected, "{to}");
        }
        assert_eq!(code(&GOOD.repeat(2).replacen("schema = 1", "", 1)), "probe::specs", "twice the same id");
        let long = GOOD.replacen("x {port:ok}", &"x".repeat(70_000), 1);
        assert_eq!(code(&long), "probe::specification");
    }

    #[test]
    fn a_refused_probe_is_named_with_its_line() {
        let error = read("f.toml", &GOOD.replacen("status = 403, process = \"alive\"", "", 1)).unwrap_err();
        assert_eq!(error.to_string(), "f.toml:4: probe `quit`");
    }

    #[test]
    fn the_other_kinds_are_read_and_checked() {
        let read = |body: &str| read("f.toml", &format!("schema = 1\n[[probe]]\nid = \"a\"\n{body}"));
        let launch = "launch = { component = \"c\", scheme = \"https\" }\n";
        for good in [
            format!("kind = \"tls-probe\"\n{launch}offer = \"1.1\"\nexpect = [{{ handshake = \"refused\" }}]"),
            "kind = \"cli-probe\"\nlaunch = { component = \"c\" }\nexpect = [{ exit-status = 1, output-contains = [\"x\"] }]".to_owned(),
            "kind = \"flag-default\"\ncomponent = \"c\"\nflag = \"--a.b\"\ndefault = \"\"".to_owned(),
            format!("kind = \"flag-default\"\n{launch}flag = \"--a\"\ndefault = \"5m\""),
            format!("kind = \"config-probe\"\n{launch}expect = [{{ configuration = \"accepted\" }}]"),
        ] {
            assert!(read(&good).is_ok(), "{good}: {:?}", read(&good));
        }
        for bad in [
            "kind = \"tls-probe\"\nlaunch = { component = \"c\" }\noffer = \"1.1\"\nexpect = [{ handshake = \"refused\" }]",
            "kind = \"cli-probe\"\nlaunch = { component = \"c\" }\nexpect = [{ exit-status = 1 }]",
            "kind = \"cli-probe\"\nlaunch = { component = \"c\" }\nexpect = []",
            "kind = \"flag-default\"\ncomponent = \"c\"\nflag = \"-a\"\ndefault = \"\"",
            "kind = \"flag-default\"\nflag = \"--a\"\ndefault = \"\"",
            "kind = \"flag-default\"\nlaunch = { component = \"c\", args = [\"--a=1\"] }\nflag = \"--a\"\ndefault = \"\"",
            "kind = \"flag-default\"\nlaunch = { component = \"c\", args = [\"--no-a\"] }\nflag = \"--a\"\ndefault = \"\"",
            "kind = \"config-probe\"\nlaunch = { component = \"c\" }\nexpect = [{ configuration = \"refused\" }]",
        ] {
            assert!(matches!(read(bad), Err(SpecsError::Probe { .. })), "{bad}");
        }
    }
}
