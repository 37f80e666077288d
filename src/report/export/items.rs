//! One list for every format: the rebuild, the findings and the controls of a release, each with what was
//! shown.

use crate::evaluate::control::{Judged, State};
use crate::evaluate::evidence::Answer;
use crate::evaluate::register::Severity as Reported;
use crate::evaluate::standing::Standing;
use crate::evaluate::waiver::{Shown, Waived};
use crate::report::controls::{fails, finding_id};
use crate::report::file::Component;
use crate::report::findings::FindingRow;
use crate::verdict::Verdict;

/// What was shown of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Showing {
    /// It is as it should be.
    Good,
    /// It is not.
    Bad,
    /// It is as the document tells, and nobody's fault.
    Told,
    /// It was not established.
    Unknown,
    /// It does not concern the release.
    Elsewhere,
}

/// Where an item comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our rebuild.
    Rebuild,
    /// A finding of an audit, with an id of the report.
    Finding,
    /// A recommendation or a finding without an id in its report.
    Recommendation,
    /// A control.
    Control,
}

/// One item.
pub(super) struct Item<'r> {
    pub(super) kind: Kind,
    /// A name that begins with a letter and holds letters, digits, `-`, `.` and `_`.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) text: String,
    /// `info` to `critical`; none where the report gives none.
    pub(super) severity: Option<&'static str>,
    pub(super) showing: Showing,
    /// The state or standing, and why.
    pub(super) state: String,
    pub(super) because: String,
    pub(super) answers: Vec<&'r Answer>,
    pub(super) waiver: Option<&'r Shown>,
}

/// An id that every format takes for a name.
fn name(id: &str) -> String {
    match id.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => id.to_owned(),
        false => format!("finding-{id}"),
    }
}

fn finding<'r>(component: &'r Component, row: &'r FindingRow) -> Item<'r> {
    let about = Waived::Finding(finding_id(&row.audit, &row.id));
    Item {
        kind: if row.id_is_the_reports { Kind::Finding } else { Kind::Recommendation },
        id: name(&row.id),
        title: row.title.clone(),
        text: row.summary.clone(),
        severity: (row.severity != Reported::NoneGiven).then(|| row.severity.word()),
        showing: match row.standing {
            Standing::Fixed | Standing::Mitigated => Showing::Good,
            Standing::Unproven => Showing::Unknown,
            Standing::NotApplicable => Showing::Elsewhere,
            _ => Showing::Bad,
        },
        state: row.standing.word().to_owned(),
        because: row.because.clone(),
        answers: row.evidence.iter().filter_map(|e| e.answer.as_ref()).collect(),
        waiver: waiver(component, &about),
    }
}

fn control<'r>(component: &'r Component, row: &'r Judged) -> Item<'r> {
    Item {
        kind: Kind::Control,
        id: name(&row.id),
        title: row.text.clone(),
        text: row.text.clone(),
        severity: Some(row.severity.word()),
        showing: match row.state {
            _ if fails(row) => Showing::Bad,
            State::Kept | State::Met | State::Gone => Showing::Good,
            State::OpenByDefault | State::AsSaid => Showing::Told,
            State::NotOfThisRelease => Showing::Elsewhere,
            _ => Showing::Unknown,
        },
        state: row.state.words().to_owned(),
        because: row.reason.clone(),
        answers: row.checks.iter().map(|c| &c.answer).collect(),
        waiver: waiver(component, &Waived::Control(row.id.clone())),
    }
}

/// The waiver that counts for something.
fn waiver<'r>(component: &'r Component, about: &Waived) -> Option<&'r Shown> {
    let all = component.controls().into_iter().flat_map(|c| &c.waivers);
    all.filter(|s| s.waiver.about == *about && s.term.counts()).max_by_key(|s| s.waiver.until)
}

/// Everything of one release, the rebuild first.
pub(super) fn of(component: &Component) -> Vec<Item<'_>> {
    let judgement = component.judgement();
    let mut items = vec![Item {
        kind: Kind::Rebuild,
        id: "REBUILD".to_owned(),
        title: "The published artifacts are what their authenticated source gives".to_owned(),
        text: "Our own build of the authenticated source, in a sealed environment, has the same bytes as the published artifacts.".to_owned(),
        severity: Some("high"),
        showing: match judgement.verdict {
            Verdict::Pass => Showing::Good,
            Verdict::Fail => Showing::Bad,
            Verdict::Inconclusive => Showing::Unknown,
        },
        state: component.outcome().word().to_owned(),
        because: judgement.why.clone(),
        answers: Vec::new(),
        waiver: None,
    }];
    items.extend(component.findings().into_iter().flat_map(|f| &f.rows).map(|r| finding(component, r)));
    items.extend(component.controls().into_iter().flat_map(|c| &c.rows).map(|r| control(component, r)));
    items
}
