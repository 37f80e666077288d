//! The findings of external audits: a table whose rows open to their evidence.

use super::page::Html;
use crate::evaluate::evidence::{Answer, Answered, Basis};
use crate::evaluate::register::Asserts;
use crate::evaluate::standing::Standing;
use crate::limits::report::ReportLimits;
use crate::report::findings::{EvidenceRow, FindingRow, Findings, Tested};
use crate::report::shown::count;
use crate::verdict::Verdict;

/// The colour of a standing.
pub(in crate::report) const fn colour(standing: Standing) -> Verdict {
    match standing.settles() {
        2.. => Verdict::Pass,
        _ if standing.fails() => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

/// Whether an answer is good news, bad news, or neither.
fn news(evidence: &EvidenceRow) -> Verdict {
    let holds = match evidence.answer.as_ref().map(|a| &a.answered) {
        Some(Answered::Holds {}) => true,
        Some(Answered::DoesNotHold {}) => false,
        Some(Answered::CouldNotTell { .. }) | None => return Verdict::Inconclusive,
    };
    match evidence.asserts {
        Asserts::Fixed | Asserts::MitigationPresent | Asserts::DefaultSafe if holds => Verdict::Pass,
        Asserts::Fixed | Asserts::MitigationPresent | Asserts::DefaultSafe => Verdict::Fail,
        Asserts::NotResolved if holds => Verdict::Fail,
        Asserts::NotResolved => Verdict::Pass,
        _ => Verdict::Inconclusive,
    }
}

/// `3 open, 2 mitigated`: worst first.
pub(in crate::report) fn counts(findings: &Findings) -> String {
    let counts = findings.counts();
    if counts.is_empty() {
        return "none is about this component".to_owned();
    }
    counts.iter().map(|(s, n)| format!("{n} {s}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn tile(page: &mut Html, findings: &Findings) {
    let verdict = findings.verdict();
    let open = findings.rows.iter().filter(|r| r.standing.is_bad()).count();
    let unproven = findings.rows.iter().filter(|r| r.standing == Standing::Unproven).count();
    let word = match (open, unproven) {
        (0, 0) if findings.rows.is_empty() => "none".to_owned(),
        (0, 0) => "all settled".to_owned(),
        (0, n) => format!("{n} unproven"),
        (n, _) => format!("{n} open"),
    };
    page.raw("<li class=\"tile\"><h2>Audit findings</h2><p class=\"word ")
        .class(verdict)
        .raw("\">")
        .icon(verdict)
        .text(&word)
        .within("</p><p>", &counts(findings), "</p></li>\n");
}

pub(super) fn section(page: &mut Html, findings: &Findings, limits: &ReportLimits) {
    page.raw("<section id=\"findings\" aria-labelledby=\"h-findings\">\n<h2 id=\"h-findings\">Findings of external audits</h2>\n");
    page.raw("<p>What auditors found, what people say of it, and what the machine shows in this release. It changes nothing in the verdict above, which is about bytes.</p>\n");
    page.raw("<dl>\n<dt>what ran</dt><dd>");
    tested(page, &findings.tested);
    page.within("</dd>\n<dt>standings</dt><dd>", &counts(findings), "</dd>\n");
    if findings.elsewhere > 0 {
        let text = format!("{} are about other components", findings.elsewhere);
        page.within("<dt>left out</dt><dd>", &text, "</dd>\n");
    }
    page.within("<dt>judged on</dt><dd>", &findings.as_of.to_string(), "</dd>\n</dl>\n");
    if !findings.rows.is_empty() {
        page.raw("<div class=\"register\">\n<p class=\"finding head\" aria-hidden=\"true\"><span>Standing</span><span>Severity</span><span>Finding</span><span>People say</span><span>How we know</span><span>Since</span></p>\n");
    }
    for row in findings.rows.iter().take(limits.inputs_max) {
        finding(page, row);
    }
    if !findings.rows.is_empty() {
        page.raw("</div>\n");
    }
    page.raw("<h3>Not looked at</h3>\n");
    if findings.not_looked.is_empty() {
        page.raw("<p>Every check of these findings was made.</p>\n");
    } else {
        page.raw("<ul class=\"lines\">\n");
        for gap in findings.not_looked.iter().take(limits.inputs_max) {
            page.raw("<li>").prose(&gap.text).within(" <code class=\"soft\">", &gap.code, "</code></li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("<p>What probes cannot tell: a program that recognises a request and answers it as if the fault were mended is not found out by asking. What stands against it is that the program was built here, from the source that is named.</p>\n<details><summary>What each standing means</summary><div class=\"inner\"><dl>\n");
    for standing in Standing::ALL {
        page.within("<dt>", standing.word(), "</dt><dd>").text(standing.meaning()).raw("</dd>\n");
    }
    page.raw("</dl></div></details>\n</section>\n");
}

pub(super) fn tested(page: &mut Html, tested: &Tested) {
    match tested {
        Tested::Rebuilt { artifact, digest, identical } => {
            page.text(match identical {
                true => "our own build, whose bytes are the published ones: ",
                false => "our own build; the published artifact has other bytes: ",
            });
            page.within("<code>", artifact, "</code> ").digest(digest, None);
        }
        Tested::Published { artifact, digest, reason } => {
            page.text("the published artifact, which nothing here ties to a source (").text(reason);
            page.within("): <code>", artifact, "</code> ").digest(digest, None);
        }
        Tested::Nothing { reason } => {
            page.text("nothing: ").text(reason);
        }
    }
}

fn finding(page: &mut Html, row: &FindingRow) {
    let verdict = colour(row.standing);
    page.within("<details id=\"finding-", &row.id, "\"");
    if row.standing.fails() {
        page.raw(" open");
    }
    page.raw("><summary class=\"finding\"><span>").badge(row.standing.word(), verdict).within(
        "</span><span><i class=\"label\">severity </i>",
        row.severity.word(),
        "</span><span class=\"title\"><code>",
    );
    page.text(&row.id).within("</code> ", &row.title, "</span><span><i class=\"label\">people say </i>");
    match &row.claim {
        Some(claim) => page.text(claim.state.word()),
        None => page.raw("nothing known"),
    };
    page.within("</span><span><i class=\"label\">how we know </i>", row.strength.word(), "")
        .within(
            "</span><span><i class=\"label\">since </i>",
            &row.since,
            "</span></summary>\n<div class=\"inner\">\n<dl>\n",
        )
        .raw("<dt>the machine</dt><dd>")
        .text(row.standing.word())
        .raw(": ")
        .prose(&row.because)
        .raw("</dd>\n<dt>people</dt><dd>");
    match &row.claim {
        None => {
            page.raw("Nobody is known to have said anything for this release.");
        }
        Some(claim) => {
            page.text(claim.state.word()).raw(", ").text(&claim.who);
            if let Some(when) = claim.when {
                page.raw(", ").text(&when.to_string());
            }
            if let Some(since) = &claim.since {
                page.raw(", from ").text(since).raw(" on");
            }
            page.raw(": ").prose(&claim.why);
            if let (Some(owner), Some(until)) = (&claim.owner, claim.until) {
                page.raw("; ").text(owner).raw(" answers for it until ").text(&until.to_string());
            }
            for link in &claim.links {
                page.within("<br><code>", link, "</code>");
            }
        }
    }
    page.raw("</dd>\n<dt>found</dt><dd>").prose(&row.summary).raw("</dd>\n");
    if let Some(left) = &row.left_over {
        page.raw("<dt>left over</dt><dd>").prose(left).raw("</dd>\n");
    }
    if let Some(release) = &row.held_in {
        page.within("<dt>better in</dt><dd>", release, "</dd>\n");
    }
    page.within("<dt>report</dt><dd>", &row.auditor, ", page ").text(&row.page).within(
        "; written down in <code>",
        &row.place,
        "</code></dd>\n</dl>\n",
    );
    let n = row.evidence.len();
    if n == 0 {
        page.raw("<p>Nothing is known that would show it.</p>\n");
    } else {
        page.within(
            "<p class=\"equal\">",
            &count(n, "check", "checks"),
            "</p>\n<ol class=\"diffs plain\">\n",
        );
        for evidence in &row.evidence {
            check(page, evidence);
        }
        page.raw("</ol>\n");
    }
    page.raw("</div></details>\n");
}

fn check(page: &mut Html, evidence: &EvidenceRow) {
    let word = evidence.answer.as_ref().map_or("not looked", |a| a.answered.word());
    page.raw("<li><div class=\"cardhead\"><p class=\"kind\"><code>").text(&evidence.id).raw("</code> ");
    match &evidence.why {
        Some(why) => page.prose(why),
        None => page.text(evidence.asserts.word()),
    };
    page.raw("</p>").badge(word, news(evidence)).raw("</div>\n<dl>\n<dt>asserts</dt><dd>");
    page.text(evidence.asserts.word());
    page.raw(if evidence.required { "; required" } else { "; beside" }).raw("</dd>\n");
    if let Some(answer) = &evidence.answer {
        seen(page, answer);
    }
    page.raw("</dl></li>\n");
}

pub(super) fn seen(page: &mut Html, answer: &Answer) {
    page.within("<dt>asked</dt><dd><pre>", "", "").block(&answer.request).raw("</pre></dd>\n");
    page.raw("<dt>expected</dt><dd>").prose(&answer.expected).raw("</dd>\n<dt>found</dt><dd>");
    page.text(&answer.found).raw("</dd>\n");
    if let Some(counter) = &answer.counter_example {
        let word = match counter.fails_there {
            Some(true) => "fails there, as it must",
            Some(false) => "holds there too: the check tells nothing apart",
            None => "not looked at",
        };
        page.within("<dt>counter-example</dt><dd>", &counter.at, ": ").text(word).raw(" (");
        page.text(&counter.found).raw(")</dd>\n");
    }
    page.raw("<dt>looked at</dt><dd>").text(&basis(&answer.basis)).raw(", ").text(answer.strength().word());
    page.raw("</dd>\n<dt>run it again</dt><dd><pre>").block(&answer.again).raw("</pre></dd>\n");
}

/// What was looked at, in words.
pub(in crate::report) fn basis(basis: &Basis) -> String {
    match basis {
        Basis::RebuiltBinary { artifact, .. } => format!("our build of {artifact}"),
        Basis::PublishedBinary { artifact, .. } => format!("the published {artifact}"),
        Basis::ReleaseSource { package, .. } => format!("the source package {package}"),
        Basis::Repository { name, commit } => format!("a clone of {name} at {commit}"),
        Basis::Record {} => "what was recorded".to_owned(),
        Basis::Statement {} => "what people say".to_owned(),
        Basis::Nothing {} => "nothing".to_owned(),
    }
}
