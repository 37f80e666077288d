//! The artifacts: matrix, digests side by side, differences.

use std::collections::BTreeMap;

use super::page::Html;
use crate::compare::{Cause, Difference};
use crate::limits::report::ReportLimits;
use crate::report::classify::{Class, artifact_outcome, artifact_word};
use crate::report::file::Component;
use crate::report::model::{ArtifactPair, BuiltAlone, Container, Outcome};
use crate::report::shown::{bytes, count};
use crate::verdict::Verdict;

/// Whether anything of this release was compared.
pub(super) const fn compared(outcome: Outcome) -> bool {
    outcome.is_compared()
}

pub(super) fn section(page: &mut Html, component: &Component, limits: &ReportLimits) {
    let pairs = &component.evidence().artifacts;
    page.raw("<section id=\"artifacts\" aria-labelledby=\"h-artifacts\">\n<h2 id=\"h-artifacts\">Artifacts: published beside rebuilt</h2>\n");
    let alone = &component.evidence().unpublished;
    if pairs.is_empty() && alone.is_empty() {
        page.raw("<p>No published artifact is defined for this release; nothing was compared.</p>\n");
    }
    let was_compared = compared(component.outcome());
    if pairs.len() > 1 {
        matrix(page, pairs, was_compared);
    }
    for pair in pairs {
        artifact(page, pair, was_compared, limits);
    }
    for built in alone {
        built_alone(page, built);
    }
    for archive in &component.evidence().containers {
        container(page, archive, limits);
    }
    page.raw("</section>\n");
}

fn matrix(page: &mut Html, pairs: &[ArtifactPair], was_compared: bool) {
    page.raw("<div class=\"card\"><table>\n<caption>Every published artifact of this release</caption>\n")
        .raw("<thead><tr><th scope=\"col\">Artifact</th><th scope=\"col\">Published</th><th scope=\"col\">Rebuilt</th><th scope=\"col\">Comparison</th></tr></thead>\n<tbody>\n");
    for pair in pairs {
        let (word, verdict) = artifact_word(pair, was_compared);
        let rebuilt = pair.rebuilt.as_ref().map_or_else(|| "none".to_owned(), |b| bytes(b.len_bytes));
        page.within("<tr><th scope=\"row\"><code>", &pair.label(), "</code></th>")
            .within("<td data-label=\"published\">", &bytes(pair.published.len_bytes), "</td>")
            .within("<td data-label=\"rebuilt\">", &rebuilt, "</td><td>")
            .badge(word, verdict)
            .raw("</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n");
}

fn artifact(page: &mut Html, pair: &ArtifactPair, was_compared: bool, limits: &ReportLimits) {
    let (word, verdict) = artifact_word(pair, was_compared);
    page.within(
        "<article class=\"card\">\n<div class=\"cardhead\"><h3><code>",
        &pair.label(),
        "</code></h3>",
    )
    .badge(word, verdict)
    .raw("</div>\n<dl>\n<dt>published</dt><dd>");
    let rebuilt = pair.rebuilt.as_ref();
    page.digest(&pair.published.digest, rebuilt.map(|b| &b.digest)).within(
        "<span class=\"len\">",
        &bytes(pair.published.len_bytes),
        "</span></dd>\n<dt>rebuilt</dt><dd>",
    );
    match rebuilt {
        Some(built) => page.digest(&built.digest, Some(&pair.published.digest)).within(
            "<span class=\"len\">",
            &bytes(built.len_bytes),
            "</span>",
        ),
        None => page.within("<span class=\"soft\">", pair.unsourced.as_deref().unwrap_or("none"), "</span>"),
    };
    page.raw("</dd>\n");
    if let Some(again) = &pair.rebuilt_again {
        page.raw("<dt>rebuilt again</dt><dd>").digest(&again.digest, rebuilt.map(|b| &b.digest)).within(
            "<span class=\"len\">",
            &bytes(again.len_bytes),
            "</span></dd>\n",
        );
    }
    page.raw("</dl>\n");
    if artifact_outcome(pair) == Outcome::Identical {
        page.raw("<p class=\"equal\">All digits of the two digests are equal: every byte is the same.</p>\n");
    } else if rebuilt.is_some() {
        page.raw("<p class=\"equal\">Digits that differ are underlined and bold.</p>\n");
        differences(page, pair, limits);
    }
    page.raw("</article>\n");
}

/// What was built with nothing published beside it.
fn built_alone(page: &mut Html, built: &BuiltAlone) {
    page.within(
        "<article class=\"card\">\n<div class=\"cardhead\"><h3><code>",
        &built.label(),
        "</code></h3>",
    )
    .badge("not compared", Verdict::Inconclusive)
    .raw("</div>\n<dl>\n<dt>published</dt><dd><span class=\"soft\">not reachable</span></dd>\n");
    for (what, side) in [("rebuilt", Some(&built.rebuilt)), ("rebuilt again", built.rebuilt_again.as_ref())] {
        if let Some(side) = side {
            let other = (what != "rebuilt").then_some(&built.rebuilt.digest);
            page.raw("<dt>").raw(what).raw("</dt><dd>").digest(&side.digest, other).within(
                "<span class=\"len\">",
                &bytes(side.len_bytes),
                "</span></dd>\n",
            );
        }
    }
    page.raw("</dl>\n</article>\n");
}

/// An archive whose members are compared above.
fn container(page: &mut Html, archive: &Container, limits: &ReportLimits) {
    page.within(
        "<article class=\"card\">\n<div class=\"cardhead\"><h3><code>",
        archive.name.as_str(),
        "</code>: the archive itself</h3></div>\n<dl>\n<dt>published</dt><dd>",
    )
    .digest(&archive.published.digest, None)
    .within("<span class=\"len\">", &bytes(archive.published.len_bytes), "</span></dd>\n</dl>\n");
    if archive.differences.is_empty() {
        page.raw("<p>Nothing in its headers differs from an archive of ours with the same members.</p>\n");
    }
    listed(page, &archive.differences, limits);
    page.raw("</article>\n");
}

fn listed(page: &mut Html, all: &[Difference], limits: &ReportLimits) {
    if all.is_empty() {
        return;
    }
    by_cause(page, all);
    page.within(
        "<details open><summary>Each difference <span class=\"soft\">",
        &count(all.len(), "place", "places"),
        "</span></summary><div class=\"inner\">\n<ol class=\"plain diffs\">\n",
    );
    for d in all.iter().take(limits.differences_max) {
        difference(page, d);
    }
    page.raw("</ol>\n");
    let left = all.len().saturating_sub(limits.differences_max);
    if left > 0 {
        page.within(
            "<p class=\"soft\">Cut here: ",
            &count(left, "more difference is", "more differences are"),
            " in the JSON.</p>\n",
        );
    }
    page.raw("</div></details>\n");
}

fn differences(page: &mut Html, pair: &ArtifactPair, limits: &ReportLimits) {
    listed(page, &pair.differences, limits);
    if artifact_outcome(pair) == Outcome::Equivalent {
        page.raw("<p>Normalizations under which both sides are equal: ");
        for (i, pass) in pair.passes.iter().enumerate() {
            page.raw(if i > 0 { ", " } else { "" })
                .within("<code>", &pass.id, "</code>")
                .raw(" version ")
                .text(&pass.version.to_string());
        }
        page.raw(".</p>\n");
    }
    if !pair.limits.is_empty() {
        page.raw("<p><strong>The comparison had to stop:</strong></p>\n<ul class=\"lines\">\n");
        for stop in pair.limits.iter().take(limits.differences_max) {
            page.within("<li><code>", &stop.path, "</code>: ").text(&stop.detail).within(
                " (<code>",
                stop.cause.id(),
                "</code>)</li>\n",
            );
        }
        page.raw("</ul>\n");
    }
}

/// What differs, by cause, before any detail.
fn by_cause(page: &mut Html, differences: &[Difference]) {
    let mut causes: BTreeMap<(Class, Cause), (usize, u64)> = BTreeMap::new();
    for d in differences {
        let entry = causes.entry((Class::of(d), d.cause)).or_default();
        entry.0 += 1;
        entry.1 += d.bytes.unwrap_or(0);
    }
    page.raw("<table>\n<caption>Why they differ</caption>\n<thead><tr><th scope=\"col\">Cause</th><th scope=\"col\">Kind</th><th scope=\"col\">Places</th><th scope=\"col\">Bytes counted</th></tr></thead>\n<tbody>\n");
    for ((class, cause), (places, n)) in causes {
        page.within("<tr><th scope=\"row\">", cause.describe(), "")
            .within("<small><code>", cause.id(), "</code></small></th>")
            .within("<td>", class.word(), "</td>")
            .within("<td>", &count(places, "place", "places"), "</td>")
            .within("<td>", &if n == 0 { "not counted".to_owned() } else { bytes(n) }, "</td></tr>\n");
    }
    page.raw("</tbody></table>\n");
}

fn difference(page: &mut Html, d: &Difference) {
    page.within("<li><p class=\"place\"><code>", &d.path, "</code>");
    if let Some(field) = &d.field {
        page.within(" in <code>", field, "</code>");
    }
    page.within("</p>\n<p><span class=\"kind\">", d.cause.describe(), "</span> <span class=\"soft\">")
        .within("", Class::of(d).word(), ", <code>")
        .text(d.cause.id())
        .raw("</code>");
    if let Some(n) = d.bytes {
        page.raw(", ").text(&bytes(n)).raw(if n == 1 { " differs" } else { " differ" });
    }
    page.raw("</span></p>\n");
    if let Some(note) = &d.note {
        page.within("<p>", note, "</p>\n");
    }
    if d.a.is_some() || d.b.is_some() {
        page.raw("<dl>");
        for (side, value) in [("published", &d.a), ("rebuilt", &d.b)] {
            page.raw("<dt>").raw(side).raw("</dt><dd>");
            match value {
                Some(value) => page.within("<code>", value, "</code>"),
                None => page.raw("<span class=\"soft\">none</span>"),
            };
            page.raw("</dd>");
        }
        page.raw("</dl>\n");
    }
    if !d.hunks.is_empty() {
        page.raw("<pre class=\"hunk\">").block(&d.hunks.join("\n")).raw("</pre>\n");
    }
    if let Some(accepted) = &d.accepted {
        page.within("<p>Documented by ", &accepted.owner, "")
            .within(" until ", &accepted.until, ": ")
            .text(&accepted.reason)
            .raw(". It makes nothing identical.</p>\n");
    }
    page.raw("</li>\n");
}
