//! The security model's controls, waivers and the policy's decision: a table whose rows open to their
//! checks.

use super::findings;
use super::page::Html;
use crate::evaluate::control::{Asserts, Judged, JudgedCheck, State};
use crate::evaluate::evidence::Answered;
use crate::evaluate::policy::Said;
use crate::evaluate::waiver::Term;
use crate::limits::report::ReportLimits;
use crate::report::controls::{Controls, fails};
use crate::report::shown::count;
use crate::verdict::Verdict;

/// The colour of a state: an open door is never green, though the document tells the truth about it.
pub(in crate::report) fn colour(row: &Judged) -> Verdict {
    match row.state {
        _ if fails(row) => Verdict::Fail,
        State::Kept | State::Met | State::Gone => Verdict::Pass,
        _ => Verdict::Inconclusive,
    }
}

/// Whether a check's answer is good news, bad news, or neither.
fn news(check: &JudgedCheck) -> Verdict {
    match (&check.answer.answered, check.asserts) {
        (Answered::Holds {}, Asserts::Holds | Asserts::Mitigation | Asserts::Gone) => Verdict::Pass,
        (Answered::DoesNotHold {}, Asserts::Holds | Asserts::Mitigation | Asserts::Gone) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

pub(super) fn tile(page: &mut Html, controls: &Controls) {
    let broken = controls.rows.iter().filter(|r| fails(r)).count();
    let open = controls.tally().count(State::OpenByDefault);
    let word = match (broken, open) {
        (0, 0) => "none broken".to_owned(),
        (0, n) => format!("{n} open by default"),
        (n, _) => format!("{n} broken"),
    };
    // An open door is not green, whatever the policy bears.
    let verdict = match controls.verdict() {
        Verdict::Pass if open > 0 => Verdict::Inconclusive,
        verdict => verdict,
    };
    page.raw("<li class=\"tile\"><h2>Security model</h2><p class=\"word ")
        .class(verdict)
        .raw("\">")
        .icon(verdict)
        .text(&word)
        .within("</p><p>", &controls.tally().line(), "</p></li>\n");
}

pub(super) fn section(page: &mut Html, controls: &Controls, limits: &ReportLimits) {
    page.raw("<section id=\"controls\" aria-labelledby=\"h-controls\">\n<h2 id=\"h-controls\">Controls of the security model</h2>\n");
    page.raw("<p>What the document promises, warns of and leaves to the operator, and how this release answers with its defaults. <em>Open by default</em> says that what the document warns of is there.</p>\n<dl>\n");
    page.within("<dt>document</dt><dd>", &controls.model.title, ", ").within(
        "<code>",
        &controls.model.path,
        "</code> of ",
    );
    page.text(&controls.model.repository).within(
        " at <code>",
        &controls.model.revision,
        "</code></dd>\n<dt>what ran</dt><dd>",
    );
    findings::tested(page, &controls.tested);
    page.within("</dd>\n<dt>states</dt><dd>", &controls.tally().line(), "</dd>\n");
    if controls.elsewhere > 0 {
        let text = format!("{} are about other components", controls.elsewhere);
        page.within("<dt>left out</dt><dd>", &text, "</dd>\n");
    }
    page.within("<dt>judged on</dt><dd>", &controls.as_of.to_string(), "</dd>\n</dl>\n");
    decision(page, controls, limits);
    let mut part = "";
    for row in controls.rows.iter().take(limits.inputs_max) {
        if row.part != part {
            if !part.is_empty() {
                page.raw("</div>\n");
            }
            part = &row.part;
            page.within("<h3>", part, "</h3>\n<div class=\"register\">\n");
            page.raw("<p class=\"finding control head\" aria-hidden=\"true\"><span>State</span><span>Severity</span><span>Control</span><span>Kind</span><span>How we know</span></p>\n");
        }
        control(page, row);
    }
    if !part.is_empty() {
        page.raw("</div>\n");
    }
    waivers(page, controls);
    page.raw("<h3>Not looked at</h3>\n");
    if controls.not_looked.is_empty() {
        page.raw("<p>Every check of these controls was made.</p>\n");
    } else {
        page.raw("<ul class=\"lines\">\n");
        for gap in controls.not_looked.iter().take(limits.inputs_max) {
            page.raw("<li>").prose(&gap.text).within(" <code class=\"soft\">", &gap.code, "</code></li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("</section>\n");
}

fn decision(page: &mut Html, controls: &Controls, limits: &ReportLimits) {
    let Some(decision) = &controls.decision else {
        page.raw("<p>No policy was asked.</p>\n");
        return;
    };
    page.raw("<h3>What the policy decides</h3>\n<p>").badge(decision.verdict.word(), decision.verdict);
    page.within(" <code>", &decision.policy, "</code>, ")
        .text(&decision.engine)
        .raw(", digest of the policy ");
    page.digest(&decision.policy_digest, None).raw("</p>\n");
    let mut list = |title: &'static str, said: &[Said], verdict: Verdict| {
        if said.is_empty() {
            return;
        }
        page.raw("<details").raw(if verdict == Verdict::Fail { " open" } else { "" }).raw("><summary>");
        page.raw(title).raw(": ").text(&said.len().to_string()).raw("</summary>\n<ul class=\"lines\">\n");
        for s in said.iter().take(limits.inputs_max) {
            page.within("<li><code>", &s.subject, "</code> ").prose(&s.message);
            page.within(" <code class=\"soft\">", &s.code, "</code></li>\n");
        }
        page.raw("</ul></details>\n");
    };
    list("Denied", &decision.deny, Verdict::Fail);
    list("Unsettled", &decision.unsettled, Verdict::Inconclusive);
    list("Told", &decision.warn, Verdict::Pass);
}

fn control(page: &mut Html, row: &Judged) {
    let verdict = colour(row);
    page.within("<details id=\"control-", &row.id, "\"").raw(if fails(row) { " open" } else { "" });
    page.raw("><summary class=\"finding control\"><span>").badge(row.state.words(), verdict);
    page.within(
        "</span><span><i class=\"label\">severity </i>",
        row.severity.word(),
        "</span><span class=\"title\"><code>",
    );
    page.text(&row.id).within("</code> ", &row.text, "</span><span><i class=\"label\">kind </i>");
    page.text(row.kind.word()).within(
        "</span><span><i class=\"label\">how we know </i>",
        row.strength.word(),
        "</span></summary>\n",
    );
    page.raw("<div class=\"inner\">\n<dl>\n<dt>in this release</dt><dd>").text(row.state.words()).raw(": ");
    page.prose(&row.reason).raw("</dd>\n<dt>said by</dt><dd>").text(row.place.stated.words());
    if let Some(section) = &row.place.section {
        page.raw(", section ").text(section);
    }
    if let [first, .., last] | [first @ last] = row.place.lines.as_slice() {
        let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
        page.within("; translation, ", &lines, "");
    }
    page.raw("</dd>\n");
    for (name, text) in [("<dt>differs</dt><dd>", &row.differs), ("<dt>note</dt><dd>", &row.note)] {
        if let Some(text) = text {
            page.raw(name).prose(text).raw("</dd>\n");
        }
    }
    if let Some(deployed) = &row.deployment {
        page.raw("<dt>deployment</dt><dd>").badge(deployed.verdict.word(), deployed.verdict);
        for violated in &deployed.violated {
            page.raw("<br>").text(violated);
        }
        if !deployed.not_looked.is_empty() {
            page.within("<br>not looked at: ", &deployed.not_looked.join(", "), "");
        }
        page.raw("</dd>\n");
    }
    page.raw("</dl>\n");
    if row.checks.is_empty() {
        page.raw("<p>Nothing here can look at it.</p>\n");
    } else {
        let n = count(row.checks.len(), "check", "checks");
        page.within("<p class=\"equal\">", &n, "</p>\n<ol class=\"diffs plain\">\n");
        row.checks.iter().for_each(|c| check(page, c));
        page.raw("</ol>\n");
    }
    page.raw("</div></details>\n");
}

fn check(page: &mut Html, check: &JudgedCheck) {
    page.within("<li><div class=\"cardhead\"><p class=\"kind\"><code>", &check.answer.id, "</code> ");
    match &check.why {
        Some(why) => page.prose(why),
        None => page.text(check.asserts.word()),
    };
    page.raw("</p>")
        .badge(check.answer.answered.word(), news(check))
        .raw("</div>\n<dl>\n<dt>asserts</dt><dd>");
    page.text(check.asserts.word())
        .raw(if check.required { "; required" } else { "; beside" })
        .raw("</dd>\n");
    findings::seen(page, &check.answer);
    page.raw("</dl></li>\n");
}

/// The colour of a waiver's term.
const fn term(term: Term) -> Verdict {
    match term {
        Term::Active { .. } => Verdict::Pass,
        Term::Ending { .. } | Term::Pending { .. } => Verdict::Inconclusive,
        Term::Past { .. } => Verdict::Fail,
    }
}

fn waivers(page: &mut Html, controls: &Controls) {
    page.raw("<h3>Waivers</h3>\n");
    if controls.waivers.is_empty() && controls.unknown_waivers.is_empty() {
        page.raw("<p>There is none for this release.</p>\n");
        return;
    }
    page.raw("<ul class=\"lines\">\n");
    for shown in &controls.waivers {
        let w = &shown.waiver;
        page.raw("<li>").badge(shown.term.word(), term(shown.term)).within(" <code>", &w.id, "</code>, ");
        page.text(&w.about.to_string()).raw(": ").text(&shown.term.sentence());
        page.raw(if shown.used { ". " } else { ". It excuses nothing here. " }).prose(&w.reason);
        page.raw(" Owner ").text(&w.owner).raw(", allowed by ").text(&w.approver).raw(", from ");
        page.text(&w.from.to_string()).within(" to ", &w.until.to_string(), "</li>\n");
    }
    for id in &controls.unknown_waivers {
        page.raw("<li>").badge("unknown", Verdict::Fail).within(
            " <code>",
            id,
            "</code> is about nothing that is known.</li>\n",
        );
    }
    page.raw("</ul>\n");
}
