//! Waivers, one fault a row.

use jiff::civil::date;

use super::*;

const GOOD: &str = "schema = 1\n[[waiver]]\nid = \"a\"\ncontrol = \"DOS-02\"\ncomponent = \"prometheus\"\nreleases = \">=2.0.0, <3.0.0\"\nreason = \"targets are our own\"\nowner = \"Ann Other\"\napprover = \"Some One\"\nfrom = 2026-10-01\nuntil = 2027-10-01\n";

fn read(text: &str) -> Result<Waivers, DefinitionError> {
    Waivers::read(&Definition { file: FILE.to_owned(), text: text.to_owned() })
}

#[test]
fn a_waiver_counts_from_its_first_day_to_its_last() {
    let waivers = read(GOOD).unwrap();
    let about = Waived::Control("DOS-02".to_owned());
    let term = |day| waivers.term(&about, "prometheus", "2.53.3+ds1-2", day).unwrap();
    for (day, expected, counts) in [
        (date(2026, 9, 30), Term::Pending { days: 1 }, false),
        (date(2026, 10, 1), Term::Active { days: 365 }, true),
        (date(2027, 8, 19), Term::Active { days: 43 }, true),
        (date(2027, 8, 20), Term::Ending { days: 42 }, true),
        (date(2027, 10, 1), Term::Ending { days: 0 }, true),
        (date(2027, 10, 2), Term::Past { days: 1 }, false),
        (date(2031, 1, 1), Term::Past { days: 1188 }, false),
    ] {
        assert_eq!(term(day), expected, "{day}");
        assert_eq!(term(day).counts(), counts, "{day}");
    }
}

#[test]
fn a_waiver_is_for_its_subject_component_and_releases_alone() {
    let waivers = read(GOOD).unwrap();
    let day = date(2026, 12, 1);
    let at = |about: Waived, component: &str, version: &str| waivers.term(&about, component, version, day);
    let control = |id: &str| Waived::Control(id.to_owned());
    assert!(at(control("DOS-02"), "prometheus", "2.42.0+ds-5+deb12u1").is_some());
    for (about, component, version) in [
        (control("DOS-01"), "prometheus", "2.42.0"),
        (Waived::Finding("DOS-02".to_owned()), "prometheus", "2.42.0"),
        (control("DOS-02"), "prometheus-alertmanager", "2.42.0"),
        (control("DOS-02"), "prometheus", "3.0.0"),
        (control("DOS-02"), "prometheus", "1.8.2"),
        (control("DOS-02"), "prometheus", "unstable"),
    ] {
        assert_eq!(at(about.clone(), component, version), None, "{about} {component} {version}");
    }
}

#[test]
fn of_two_waivers_the_one_that_counts_is_taken() {
    let second = GOOD
        .split_once("[[waiver]]")
        .map(|(_, rest)| format!("[[waiver]]{rest}"))
        .unwrap()
        .replace("id = \"a\"", "id = \"b\"")
        .replace("from = 2026-10-01\nuntil = 2027-10-01", "from = 2027-10-02\nuntil = 2028-03-01");
    let waivers = read(&format!("{GOOD}{second}")).unwrap();
    let about = Waived::Control("DOS-02".to_owned());
    let term = |day| waivers.term(&about, "prometheus", "2.42.0", day).unwrap();
    assert_eq!(term(date(2026, 12, 1)), Term::Active { days: 304 });
    assert_eq!(term(date(2027, 12, 1)), Term::Active { days: 91 });
    assert_eq!(term(date(2028, 4, 1)), Term::Past { days: 31 });
}

#[test]
fn what_excuses_nothing_is_named() {
    let waivers = read(GOOD).unwrap();
    let shown = waivers.shown("prometheus", "2.42.0", date(2026, 12, 1), |_| false);
    assert_eq!(shown.iter().map(|s| (s.waiver.id.as_str(), s.used)).collect::<Vec<_>>(), [("a", false)]);
    assert!(waivers.shown("prometheus", "3.1.0", date(2026, 12, 1), |_| true).is_empty());
    let known = BTreeSet::from([Waived::Control("DOS-02".to_owned())]);
    let unknown =
        |known: &BTreeSet<Waived>, component| waivers.of_unknown(known, &BTreeSet::from([component])).len();
    assert_eq!(unknown(&BTreeSet::new(), "prometheus"), 1);
    assert_eq!(unknown(&known, "prometheu"), 1);
    assert_eq!(unknown(&known, "prometheus"), 0);
}

#[test]
fn what_is_no_waiver_is_refused_with_its_place() {
    let replaced = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to)
    };
    let twice = format!("{GOOD}{}", GOOD.strip_prefix("schema = 1\n").unwrap());
    for (text, line, expected) in [
        (replaced("schema = 1", "schema = 2"), 1, "schema 2"),
        (replaced("control = \"DOS-02\"\n", ""), 3, "neither a control nor a finding"),
        (replaced("component =", "finding = \"x/y\"\ncomponent ="), 5, "names a control and a finding"),
        (replaced("control = \"DOS-02\"", "finding = \"PRM-01-001\""), 4, "is not a finding"),
        (replaced("reason = \"targets are our own\"\n", ""), 2, "missing field `reason`"),
        (replaced("targets are our own", "  "), 7, "not a reason"),
        (replaced("owner = \"Ann Other\"\n", ""), 2, "missing field `owner`"),
        (replaced("Some One", " ann  OTHER "), 9, "owns waiver `a` and approves it"),
        (replaced("until = 2027-10-01", "until = 2027-10-02"), 11, "longer than a year"),
        (replaced("until = 2027-10-01", "until = 2026-09-30"), 11, "ends before it begins"),
        (replaced("until = 2027-10-01", "until = 2027-02-30"), 11, ""),
        (replaced("until = 2027-10-01", "until = 2027-10-01T00:00:00Z"), 11, "is not a day"),
        (replaced("until = 2027-10-01\n", ""), 2, "missing field `until`"),
        (replaced("until =", "forever = true\nuntil ="), 11, "unknown field `forever`"),
        (replaced(">=2.0.0, <3.0.0", "all"), 6, "expected versions"),
        (twice, 13, "stands there twice"),
    ] {
        match read(&text) {
            Err(DefinitionError::Definition { line: found, detail, .. }) => {
                assert!(detail.contains(expected), "{expected}: {detail}");
                assert_eq!(found, line, "{detail}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}
