#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

pub(crate) const GOOD: &str = r#"schema = 1

[audit]
id = "acme-2025"
title = "Review of tiny"
auditor = "Acme"
date = 2025-03-01
scope = ["acme/tiny"]
findings = 2
report = { file = "review.pdf", sha256 = "0000000000000000000000000000000000000000000000000000000000000000", pages = 9 }

[[finding]]
id = "T-1"
title = "Answers to everybody"
severity = "high"
section = "Findings"
page = "3-4"
components = ["tiny"]
summary = """
Anybody who reaches the port
may stop the server."""

[[finding.claim]]
state = "mitigated"
who = "tiny's maintainers"
when = 2025-04-01
why = "a flag guards it"
since = "1.2.0"
links = ["acme/tiny@a1f34bec2e6584a2fee9aec901f3157e3e12cbaa", "acme/tiny#12", "report:4"]

[[finding.evidence]]
id = "T-1.e1"
kind = "http-probe"
asserts = "mitigation-present"
required = true
why = "the default refuses"
launch = { component = "tiny", args = ["--listen=127.0.0.1:{port}"] }
request = { method = "POST", path = "/quit" }
expect = [{ status = 403 }]

[[finding.evidence]]
id = "T-1.e2"
kind = "source-contains"
asserts = "residual-present"
required = false
path = "web.c"
pattern = 'quit\('
counter-example = { repository = "acme/tiny", revision = "v0.9" }

[[finding]]
key = "2025-H1"
title = "Documentation"
severity = "none-given"
section = "Advice"
page = "9"
components = ["tiny"]
summary = "Say who may reach it."

[[finding.evidence]]
id = "2025-H1.e1"
kind = "manual"
asserts = "mitigation-present"
required = true
release = "1.2.0"
what = "the first page of the manual"
reviewers = [{ name = "A. One", on = 2025-05-01, saw = true }, { name = "B. Two", on = 2025-05-02, saw = true }]
"#;

pub(crate) fn read(text: &str) -> Result<Register, DefinitionError> {
    let file = "policies/findings/acme-2025.toml".to_owned();
    Register::read(&[Definition { file, text: text.to_owned() }])
}

#[test]
fn a_register_is_read() {
    let register = read(GOOD).unwrap();
    let (audit, finding) = register.find("t-1").unwrap();
    assert_eq!((audit.auditor.as_str(), audit.date.to_string().as_str()), ("Acme", "2025-03-01"));
    assert_eq!(finding.summary, "Anybody who reaches the port may stop the server.");
    assert_eq!(finding.place, "policies/findings/acme-2025.toml:13");
    assert_eq!(finding.claims.first().unwrap().links.len(), 3);
    let probe = finding.evidence.first().unwrap();
    assert_eq!((probe.component.as_deref(), probe.check.kind()), (Some("tiny"), "http-probe"));
    assert_eq!(register.find("2025-H1").map(|(_, f)| f.id_is_the_reports), Some(false));
    let questions: Vec<_> =
        register.findings().flat_map(|(_, f)| &f.evidence).map(|e| e.question()).collect();
    assert!(questions.iter().enumerate().all(|(n, q)| questions.iter().skip(n + 1).all(|o| o != q)));
}

#[test]
fn each_mistake_is_named_with_its_place() {
    let mut wrong = Vec::new();
    let probe = "request = { method = \"POST\", path = \"/quit\" }\nexpect = [{ status = 403 }]";
    for (from, to, expected) in [
        ("schema = 1", "schema = 2", "1:10: schema 2 is not known, expected 1"),
        ("auditor", "auditer", "6:1: unknown field `auditer`"),
        ("id = \"acme-2025\"", "id = \"acme\"", "4:6: `acme` is not the file's name, expected `acme-2025`"),
        ("findings = 2", "findings = 3", "9:12: the audit has 3 findings, but 2 are written down"),
        ("date = 2025-03-01", "date = \"soon\"", "7:8: invalid type"),
        ("pages = 9", "pages = 0", "10:118: 0 pages, expected 1 to 800"),
        ("sha256 = \"00", "sha256 = \"0x", "10:42: not a SHA-256"),
        (
            "key = \"2025-H1\"",
            "key = \"T-1\"",
            "51:7: finding `T-1` is given twice, first at policies/findings/acme-2025.toml:13",
        ),
        ("key = \"2025-H1\"", "", "50:1: the finding has neither `id` nor `key`"),
        ("severity = \"high\"", "severity = \"bad\"", "15:12: unknown variant `bad`"),
        ("page = \"3-4\"", "page = \"3-40\"", "17:8: `3-40` is not a page of a report of 9"),
        (
            "components = [\"tiny\"]\nsummary = \"\"\"",
            "components = []\nsummary = \"\"\"",
            "18:14: the finding is about no component",
        ),
        ("why = \"a flag guards it\"\n", "", "23:1: a claim without a reason"),
        ("state = \"mitigated\"", "state = \"done\"", "24:9: unknown variant `done`"),
        ("state = \"mitigated\"", "state = \"accepted\"", "23:1: an acceptance without owner, day or end"),
        (
            "state = \"mitigated\"",
            "state = \"accepted\"\nowner = \"O\"\nuntil = 2027-01-01",
            "26:9: an acceptance of 640 days, expected 1 to 366",
        ),
        ("since = \"1.2.0\"", "since = \"v1.2.0\"", "28:9: `v1.2.0` is not an upstream version"),
        ("acme/tiny#12", "acme/tiny#0", "29:64: `acme/tiny#0` is not a link"),
        ("report:4", "report:40", "29:80: page 40 of a report of 9"),
        ("id = \"T-1.e2\"", "id = \"T-1.e1\"", "41:1: evidence `T-1.e1` is given twice"),
        ("id = \"T-1.e2\"", "id = \"X.e2\"", "41:1: evidence `X.e2` does not begin with its finding's id"),
        ("kind = \"source-contains\"", "kind = \"source\"", "43:8: `source` is not a kind of evidence"),
        ("asserts = \"residual-present\"", "asserts = \"good\"", "44:11: unknown variant `good`"),
        ("path = \"web.c\"", "path = \"../web.c\"", "46:8: `../web.c` is not a path inside a source tree"),
        (
            "'quit\\('",
            "'(quit)?'",
            "47:11: `(quit)?` matches every text, the empty one too, and so can never fail",
        ),
        ("pattern = 'quit\\('\n", "", "41:1: `source-contains` has no `pattern`"),
        ("path = \"web.c\"", "path = \"web.c\"\nlaunch = \"x\"", "47:1: unknown field `launch`"),
        ("required = false\n", "", "41:1: missing field `required`"),
        (
            probe,
            "request = { path = \"/quit\" }\nexpect = [{ body-absent = [\"x\"] }]",
            "31:1: `expect[0]` expects nothing that a dead server could not give",
        ),
        (
            "{ component = \"tiny\", args",
            "{ component = \"big\", args",
            "31:1: evidence `T-1.e1` is about `big`",
        ),
        (
            "name = \"B. Two\"",
            "name = \"A. One\"",
            "59:1: a manual check needs two different named reviewers",
        ),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let found = read(&text).unwrap_err().to_string();
        let found = found.strip_prefix("policies/findings/acme-2025.toml:").unwrap_or(&found);
        if !found.starts_with(expected) {
            wrong.push(format!("{to}\n  expected {expected}\n     found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_finding_may_not_stand_in_two_files() {
    let files = ["acme-2025", "acme-2026"].map(|id| Definition {
        file: format!("policies/findings/{id}.toml"),
        text: GOOD.replace("acme-2025", id),
    });
    let found = Register::read(&files).unwrap_err().to_string();
    assert_eq!(
        found,
        "policies/findings/acme-2026.toml:13:6: finding `T-1` is given twice, first at policies/findings/acme-2025.toml:13"
    );
}

#[test]
fn the_registers_of_the_project_are_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let register = Register::load(root).unwrap();
    let counts: Vec<_> = register
        .audits
        .iter()
        .map(|a| {
            (a.id.as_str(), a.findings.len(), a.findings.iter().map(|f| f.evidence.len()).sum::<usize>())
        })
        .collect();
    assert_eq!(counts, [("chainguard-2023", 6, 11), ("cure53-2018", 11, 56), ("cure53-2020", 11, 46)]);
    let components: Vec<_> =
        crate::component::Component::all(root).unwrap().into_iter().map(|c| c.name).collect();
    for (_, finding) in register.findings() {
        for component in &finding.components {
            assert!(components.contains(component), "{}: no component `{component}`", finding.place);
        }
    }
}
