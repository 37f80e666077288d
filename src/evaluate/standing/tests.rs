#![allow(clippy::unwrap_used, clippy::panic)]
use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::evaluate::evidence::{Basis, EvidenceSpec};
use crate::evaluate::register::tests::{GOOD, read};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn subject<'a>(version: &'a str) -> Subject<'a> {
    Subject { component: "tiny", version, as_of: day("2026-01-15") }
}

/// A finding with one required check for each word; the ids are `T-1.e0`, `T-1.e1`, ….
fn finding(asserts: &[(Asserts, bool)], claims: &[&str]) -> Finding {
    let register = read(GOOD).unwrap();
    let (_, found) = register.find("T-1").unwrap();
    let mut finding = found.clone();
    let template = finding.evidence.first().unwrap().clone();
    finding.evidence = asserts
        .iter()
        .enumerate()
        .map(|(n, (asserts, required))| EvidenceSpec {
            id: format!("T-1.e{n}"),
            asserts: *asserts,
            required: *required,
            ..template.clone()
        })
        .collect();
    let claim = finding.claims.first().unwrap().clone();
    finding.claims = claims
        .iter()
        .map(|words| {
            let (state, rest) = words.split_once(' ').unwrap_or((words, ""));
            let state = match state {
                "open" => ClaimState::Open,
                "fixed" => ClaimState::Fixed,
                "mitigated" => ClaimState::Mitigated,
                "accepted" => ClaimState::Accepted,
                _ => ClaimState::Declined,
            };
            let accepted = state == ClaimState::Accepted;
            Claim {
                state,
                since: (!accepted && !rest.is_empty()).then(|| rest.to_owned()),
                owner: accepted.then(|| "O. Wner".to_owned()),
                until: accepted.then(|| crate::evaluate::evidence::Day(day(rest))),
                ..claim.clone()
            }
        })
        .collect();
    finding
}

fn answer(n: usize, answered: Answered, identical: bool) -> Answer {
    let digest = Digest::sha256(b"x");
    Answer {
        id: format!("T-1.e{n}"),
        kind: "http-probe".to_owned(),
        answered,
        basis: Basis::RebuiltBinary { artifact: "tiny.deb".to_owned(), digest, identical },
        request: String::new(),
        expected: String::new(),
        found: String::new(),
        counter_example: None,
        again: String::new(),
    }
}

/// `+` holds, `-` does not hold, `?` could not tell, ` ` was not looked at.
fn answers(signs: &str) -> Vec<Answer> {
    let answered = |sign| match sign {
        '+' => Some(Answered::Holds {}),
        '-' => Some(Answered::DoesNotHold {}),
        '?' => Some(Answered::could_not_tell("x", "no")),
        _ => None,
    };
    signs.chars().enumerate().filter_map(|(n, s)| Some(answer(n, answered(s)?, true))).collect()
}

#[test]
fn the_grid() {
    use Asserts::{
        Comparison, Context, DefaultSafe, DefaultUnchanged, Fixed, MitigationPresent, NotResolved,
        ResidualPresent,
    };
    let req = |all: &[Asserts]| all.iter().map(|a| (*a, true)).collect::<Vec<_>>();
    for (asserts, signs, claims, held, expected) in [
        (req(&[Fixed]), "+", vec![], None, Standing::Fixed),
        (req(&[Fixed]), "-", vec![], None, Standing::Open),
        (req(&[Fixed]), "?", vec![], None, Standing::Unproven),
        (req(&[Fixed]), " ", vec![], None, Standing::Unproven),
        (req(&[NotResolved]), "-", vec![], None, Standing::Fixed),
        (req(&[NotResolved]), "+", vec![], None, Standing::Open),
        (req(&[NotResolved]), "?", vec!["fixed"], None, Standing::Unproven),
        (req(&[NotResolved]), "+", vec!["fixed"], None, Standing::Contradicted),
        (req(&[NotResolved]), "+", vec!["mitigated"], None, Standing::Contradicted),
        (req(&[NotResolved]), "+", vec!["declined"], None, Standing::Open),
        // The last claim counts, and only for releases that it is for.
        (req(&[NotResolved]), "+", vec!["fixed", "open"], None, Standing::Open),
        (req(&[NotResolved]), "+", vec!["fixed 9.0.0"], None, Standing::Open),
        (req(&[NotResolved]), "+", vec!["fixed 1.0.0"], None, Standing::Contradicted),
        (req(&[NotResolved]), "+", vec![], Some("0.9"), Standing::Regressed),
        (req(&[NotResolved]), "+", vec!["fixed"], Some("0.9"), Standing::Regressed),
        (req(&[NotResolved]), "?", vec![], Some("0.9"), Standing::Unproven),
        (req(&[MitigationPresent]), "+", vec!["fixed"], None, Standing::Mitigated),
        (req(&[DefaultSafe]), "+", vec![], None, Standing::Mitigated),
        (req(&[DefaultSafe]), "-", vec![], None, Standing::Open),
        (req(&[MitigationPresent, ResidualPresent]), "++", vec![], None, Standing::Mitigated),
        (req(&[MitigationPresent, NotResolved]), "++", vec![], None, Standing::Open),
        (req(&[MitigationPresent, NotResolved]), "+?", vec![], None, Standing::Unproven),
        (req(&[Fixed, ResidualPresent]), "++", vec![], None, Standing::Mitigated),
        (req(&[Fixed, ResidualPresent]), "+-", vec![], None, Standing::Fixed),
        (req(&[Fixed, ResidualPresent]), "+?", vec![], None, Standing::Unproven),
        (req(&[Fixed, DefaultUnchanged]), "++", vec![], None, Standing::Mitigated),
        (req(&[ResidualPresent]), "+", vec!["declined"], None, Standing::Open),
        (req(&[ResidualPresent]), "-", vec![], None, Standing::Unproven),
        // Without its counterpart, a probe shows nothing.
        (req(&[NotResolved, Comparison]), "++", vec![], None, Standing::Open),
        (req(&[NotResolved, Comparison]), "+-", vec![], None, Standing::Unproven),
        (req(&[NotResolved, Comparison]), "-?", vec![], None, Standing::Unproven),
        (req(&[Context]), "+", vec![], None, Standing::Unproven),
        (vec![(Fixed, false)], "+", vec![], None, Standing::Unproven),
        (vec![(Fixed, true), (NotResolved, false)], "++", vec![], None, Standing::Fixed),
        (vec![], "", vec!["fixed"], None, Standing::Unproven),
        (req(&[NotResolved]), "+", vec!["accepted 2026-01-15"], None, Standing::Accepted),
        (req(&[NotResolved]), "+", vec!["accepted 2026-01-14"], None, Standing::Lapsed),
        (req(&[NotResolved]), "?", vec!["accepted 2026-01-14"], None, Standing::Lapsed),
        (req(&[NotResolved]), "-", vec!["accepted 2026-01-14"], None, Standing::Fixed),
    ] {
        let finding = finding(&asserts, &claims);
        let derived = derive(&finding, &subject("1.5.0+ds-1"), &answers(signs), held);
        assert_eq!(derived.standing, expected, "{asserts:?} {signs} {claims:?}: {}", derived.because);
    }
    // What people will say some day is not what they say.
    let mut early = finding(&req(&[NotResolved]), &["fixed"]);
    for (when, expected) in [("2026-01-15", Standing::Contradicted), ("2026-01-16", Standing::Open)] {
        early.claims[0].when = Some(crate::evaluate::evidence::Day(day(when)));
        assert_eq!(derive(&early, &subject("1.5.0"), &answers("+"), None).standing, expected, "{when}");
    }
    let other = Subject { component: "other", ..subject("1") };
    let derived = derive(&finding(&req(&[Fixed]), &[]), &other, &answers("+"), None);
    assert_eq!(derived.standing, Standing::NotApplicable);
}

#[test]
fn it_is_as_strong_as_the_weakest_check_that_carries_it() {
    let finding = finding(&[(Asserts::Fixed, true), (Asserts::MitigationPresent, true)], &[]);
    let strength = |a: Answer, b: Answer| derive(&finding, &subject("1.5.0"), &[a, b], None).strength;
    let holds = |n, identical| answer(n, Answered::Holds {}, identical);
    assert_eq!(strength(holds(0, true), holds(1, true)), Strength::TiedBinary);
    assert_eq!(strength(holds(0, true), holds(1, false)), Strength::RebuiltBinary);
    let mut document = holds(1, true);
    document.kind = "document".to_owned();
    assert_eq!(strength(holds(0, true), document), Strength::Document);
    // Bad news is as strong as the strongest that tells it.
    let refuted = |n, identical| answer(n, Answered::DoesNotHold {}, identical);
    assert_eq!(strength(refuted(0, false), refuted(1, true)), Strength::TiedBinary);
}

fn any_asserts() -> impl Strategy<Value = Asserts> {
    prop::sample::select(vec![
        Asserts::Fixed,
        Asserts::MitigationPresent,
        Asserts::DefaultSafe,
        Asserts::DefaultUnchanged,
        Asserts::ResidualPresent,
        Asserts::NotResolved,
        Asserts::RiskDocumented,
        Asserts::Drift,
        Asserts::Comparison,
        Asserts::Context,
    ])
}

proptest! {
    /// Whatever the register, the claims and the answers: with less evidence a standing settles no more,
    /// and what it rests on is no stronger where it is good news.
    #[test]
    fn taking_evidence_away_never_improves(
        asserts in prop::collection::vec((any_asserts(), prop::bool::weighted(0.8)), 0..6),
        signs in "[-+?]{6}",
        claim in prop::sample::select(vec!["", "open", "fixed", "mitigated 1.0.0", "accepted 2026-02-01", "accepted 2026-01-01", "declined"]),
        held in prop::option::of(Just("1.0.0")),
        gone in 0usize..6,
        erased: bool,
    ) {
        let claims: Vec<&str> = if claim.is_empty() { vec![] } else { vec![claim] };
        let finding = finding(&asserts, &claims);
        let all = answers(&signs);
        let less: Vec<Answer> = all
            .iter()
            .enumerate()
            .filter_map(|(n, a)| match (n == gone, erased) {
                (false, _) => Some(a.clone()),
                (true, false) => Some(a.clone().taken_away()),
                (true, true) => None,
            })
            .collect();
        let before = derive(&finding, &subject("1.5.0"), &all, held);
        let after = derive(&finding, &subject("1.5.0"), &less, held);
        prop_assert!(
            after.standing.settles() <= before.standing.settles(),
            "{} became {} without e{gone}: {asserts:?} {signs}", before.standing, after.standing
        );
        if after.standing.settles() >= 2 && after.standing == before.standing {
            prop_assert!(after.strength <= before.strength || !asserts[gone].1);
        }
    }

    /// The order of the answers carries nothing.
    #[test]
    fn the_order_of_answers_carries_nothing(
        asserts in prop::collection::vec((any_asserts(), any::<bool>()), 0..6),
        signs in "[-+?]{6}",
    ) {
        let finding = finding(&asserts, &["fixed"]);
        let (all, mut back) = (answers(&signs), answers(&signs));
        back.reverse();
        prop_assert_eq!(
            derive(&finding, &subject("1.5.0"), &all, None),
            derive(&finding, &subject("1.5.0"), &back, None)
        );
    }
}
