//! The report as HTML: one file for each release, and an index when there are several.
//!
//! Each file stands alone: no script, no font, no image, no address outside itself, and a content
//! security policy that would block them. It reads in light and dark, on a phone and on paper. Only
//! the evidence decides its bytes.

mod artifacts;
pub(super) mod controls;
pub(super) mod findings;
mod inputs;
mod page;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use page::Html;

use super::LIMITS;
use super::file::{Component, Report, Tool};
use super::summary;
use crate::artifact::ArtifactName;
use crate::attest::{WriteError, write_atomically};
use crate::limits::report::ReportLimits;
use crate::verdict::Verdict;

/// One file of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// File name: of letters, digits, `.`, `-`, `_` and `+` only.
    pub name: ArtifactName,
    /// The page.
    pub html: String,
}

/// All pages: one for each release, and `index.html` first when there is not exactly one release.
pub fn pages(report: &Report, limits: &ReportLimits) -> Vec<Page> {
    let names = file_names(report.components());
    let mut pages = Vec::new();
    if report.components().len() != 1
        && let Ok(name) = ArtifactName::new("index.html")
    {
        pages.push(Page { name, html: index(report, &names, limits) });
    }
    for (component, name) in report.components().iter().zip(names) {
        pages.push(Page { name, html: render(component, report.tool(), limits) });
    }
    pages
}

/// Writes the pages, `report.json` and `report.md` into a folder, each file as a whole or not at all.
/// Gives the paths written, the page to open first.
pub fn write(report: &Report, folder: &Path, limits: &ReportLimits) -> Result<Vec<PathBuf>, WriteError> {
    let mut files: Vec<_> = pages(report, limits).into_iter().map(|p| (p.name.to_string(), p.html)).collect();
    files.push(("report.json".to_owned(), report.to_json()));
    files.push(("report.md".to_owned(), super::markdown::render(report, limits)));
    let mut written = Vec::with_capacity(files.len());
    for (name, content) in files {
        let path = folder.join(name);
        write_atomically(&path, content.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// A name for each release's page, in order, all different whatever the releases are called.
fn file_names(components: &[Component]) -> Vec<ArtifactName> {
    let mut taken = BTreeSet::from(["index".to_owned()]);
    let mut names = Vec::new();
    for component in components {
        let release = &component.evidence().release;
        let alone =
            components.iter().filter(|c| c.evidence().release.component == release.component).count() == 1;
        let stem = if alone {
            release.component.clone()
        } else {
            format!("{}-{}", release.component, release.version)
        };
        let mut stem: String = crate::attest::safe_name(&stem).chars().take(120).collect();
        let base = stem.clone();
        let mut n = 2;
        while !taken.insert(stem.to_ascii_lowercase()) {
            stem = format!("{base}-{n}");
            n += 1;
        }
        if let Ok(name) = ArtifactName::new(format!("{stem}.html")) {
            names.push(name);
        }
    }
    names
}

/// The page of one release.
pub fn render(component: &Component, tool: &Tool, limits: &ReportLimits) -> String {
    let (evidence, judgement) = (component.evidence(), component.judgement());
    let release = &evidence.release;
    let mut page = Html::new(limits.value_chars_max);
    page.raw("<header class=\"band\"><div class=\"wrap\">\n<p class=\"eyebrow\">Audit report</p>\n")
        .within("<h1>", &release.component, " <span class=\"version\">")
        .text(&release.version)
        .within("</span></h1>\n<p class=\"where\">", &release.channel, ", ")
        .text(&release.architecture)
        .raw("</p>\n");
    verdict_box(&mut page, component.outcome().word(), judgement.verdict, &judgement.why);
    page.raw("</div></header>\n<main id=\"content\" class=\"wrap\">\n");
    tiles(&mut page, component, limits);
    contents(&mut page, component);
    blocks(&mut page, component);
    if let Some(found) = component.findings() {
        findings::section(&mut page, found, limits);
    }
    if let Some(held) = component.controls() {
        controls::section(&mut page, held, limits);
    }
    artifacts::section(&mut page, component, limits);
    checks(&mut page, component, limits);
    not_proved(&mut page, component);
    observations(&mut page, component, limits);
    inputs::source(&mut page, evidence, limits);
    inputs::build(&mut page, evidence, limits);
    again(&mut page, component, limits);
    page.raw("<section id=\"appendix\" aria-labelledby=\"h-appendix\">\n<h2 id=\"h-appendix\">Appendix: the words</h2>\n<details><summary>What each word means</summary><div class=\"inner\"><dl>\n");
    for (word, meaning) in WORDS {
        page.raw("<dt>").raw(word).raw("</dt><dd>").raw(meaning).raw("</dd>\n");
    }
    page.raw("</dl></div></details>\n<dl>\n").within(
        "<dt>package URL</dt><dd><code>",
        &release.purl,
        "</code></dd>\n</dl>\n</section>\n</main>\n",
    );
    page.into_page(&format!("{} {}: {}", release.component, release.version, component.outcome()), tool)
}

const WORDS: [(&str, &str); 12] = [
    ("identical", "every published byte equals the rebuilt one; the only word that can pass"),
    (
        "partly identical",
        "every member of this source is identical; others do not come from it, and were compared with nothing",
    ),
    ("recorded inputs only", "only the record of what the build used differs; not identical"),
    (
        "identifiers only",
        "only identifiers that the toolchain derives from its own version strings differ; not identical",
    ),
    ("equivalent", "equal after the normalizations that are named; not identical"),
    ("different", "the bytes differ in another way"),
    ("unstable", "our own two builds disagree, so that a difference accuses nobody"),
    ("undetermined", "the bytes differ, and the comparison had to stop before it could say where"),
    (
        "published artifact not reachable",
        "it was built, but what was published could not be had, so that nothing could be compared",
    ),
    ("not built", "the build failed or left no artifact to compare"),
    ("environment unavailable", "the locked inputs of the build could not be had"),
    ("source unavailable", "the source could not be had as it is announced"),
];

fn verdict_box(page: &mut Html, word: &str, verdict: Verdict, why: &str) {
    page.raw("<div class=\"verdict ")
        .class(verdict)
        .raw("\" role=\"group\" aria-label=\"Verdict\">")
        .icon(verdict);
    page.within("<strong>", word, "</strong>");
    if word != verdict.word() {
        page.within("<span class=\"badge ", verdict.word(), "\">").text(verdict.word()).raw("</span>");
    }
    page.raw("<p class=\"why\">").prose(&sentence(why)).raw("</p></div>\n");
}

fn tiles(page: &mut Html, component: &Component, limits: &ReportLimits) {
    let evidence = component.evidence();
    let chars_max = limits.value_chars_max.min(300);
    let mut rebuild = summary::comparison(component);
    if !artifacts::compared(component.outcome()) {
        rebuild = summary::rebuild(evidence, chars_max);
    }
    page.raw("<ul class=\"tiles\">\n");
    let rows = [
        ("Rebuild", rebuild),
        ("Source", summary::source(evidence, chars_max)),
        ("Signatures", summary::signatures(evidence, chars_max)),
    ];
    for (title, row) in rows {
        page.raw("<li class=\"tile\"><h2>")
            .raw(title)
            .raw("</h2><p class=\"word ")
            .class(row.verdict)
            .raw("\">")
            .icon(row.verdict)
            .text(row.word)
            .within("</p><p>", &row.detail, "</p></li>\n");
    }
    if let Some(found) = component.findings() {
        findings::tile(page, found);
    }
    if let Some(held) = component.controls() {
        controls::tile(page, held);
    }
    page.raw("</ul>\n");
}

fn contents(page: &mut Html, component: &Component) {
    page.raw("<nav class=\"toc\" aria-label=\"On this page\"><ul>\n");
    for link in [
        "<li><a href=\"#blocks\">What blocks</a></li>\n",
        "findings",
        "controls",
        "<li><a href=\"#artifacts\">Artifacts</a></li>\n",
        "checks",
        "<li><a href=\"#not-proved\">Not established</a></li>\n",
        "<li><a href=\"#observations\">Assumed</a></li>\n",
        "<li><a href=\"#source\">Source</a></li>\n",
        "<li><a href=\"#build\">Build</a></li>\n",
        "<li><a href=\"#again\">Do it again</a></li>\n",
        "<li><a href=\"#appendix\">Appendix</a></li>\n",
    ] {
        page.raw(match link {
            "findings" if component.findings().is_none() => "",
            "findings" => "<li><a href=\"#findings\">Audit findings</a></li>\n",
            "controls" if component.controls().is_none() => "",
            "controls" => "<li><a href=\"#controls\">Security model</a></li>\n",
            "checks" if component.evidence().checks.is_empty() => "",
            "checks" => "<li><a href=\"#checks\">Checks</a></li>\n",
            link => link,
        });
    }
    page.raw("</ul></nav>\n");
}

fn blocks(page: &mut Html, component: &Component) {
    let blocks = &component.judgement().blocks;
    page.raw("<section id=\"blocks\" aria-labelledby=\"h-blocks\">\n<h2 id=\"h-blocks\">What stands between this and a pass</h2>\n");
    if blocks.is_empty() {
        page.raw("<p>Nothing. What this pass rests on, and what it does not establish, is below.</p>\n");
    }
    page.raw("<ol class=\"plain\">\n");
    for block in blocks {
        page.within(
            "<li class=\"card\"><div class=\"cardhead\"><h3><code>",
            &block.subject,
            "</code></h3><code class=\"soft\">",
        )
        .text(&block.code)
        .raw("</code></div>\n<dl><dt>expected</dt><dd>");
        value(page, &block.expected, &block.found);
        page.raw("</dd><dt>found</dt><dd>");
        value(page, &block.found, &block.expected);
        page.raw("</dd><dt>next step</dt><dd>").prose(&block.next).raw("</dd></dl></li>\n");
    }
    page.raw("</ol>\n</section>\n");
}

/// A digest as a digest, anything else as prose.
fn value(page: &mut Html, text: &str, other: &str) {
    match text.parse() {
        Ok(digest) => page.digest(&digest, other.parse().ok().as_ref()),
        Err(_) => page.prose(text),
    };
}

/// Checks beside the bytes, one card each.
fn checks(page: &mut Html, component: &Component, limits: &ReportLimits) {
    let checks = &component.evidence().checks;
    if checks.is_empty() {
        return;
    }
    page.raw("<section id=\"checks\" aria-labelledby=\"h-checks\">\n<h2 id=\"h-checks\">Checks of the release</h2>\n");
    for check in checks.iter().take(limits.inputs_max) {
        page.within("<article class=\"card\">\n<div class=\"cardhead\"><h3>", &check.subject, "</h3>");
        match check.finding.verdict() {
            Some(verdict) => page.badge(check.finding.word(), verdict),
            None => page.within("<span class=\"soft\">", check.finding.word(), "</span>"),
        };
        page.within("<code class=\"soft\">", &check.code, "</code></div>\n<dl>");
        for (what, text) in
            [("expected", &check.expected), ("found", &check.found), ("next step", &check.next)]
        {
            if !text.is_empty() {
                page.raw("<dt>").raw(what).raw("</dt><dd>").prose(text).raw("</dd>");
            }
        }
        page.raw("</dl>\n</article>\n");
    }
    page.raw("</section>\n");
}

fn not_proved(page: &mut Html, component: &Component) {
    let gaps = &component.judgement().not_established;
    page.raw("<section id=\"not-proved\" aria-labelledby=\"h-not-proved\">\n<h2 id=\"h-not-proved\">Not established</h2>\n");
    if gaps.is_empty() {
        page.raw("<p>In this audit: nothing beyond what no match proves.</p>\n");
    } else {
        page.raw("<p>In this audit:</p>\n<ul class=\"lines\">\n");
        for gap in gaps {
            page.raw("<li>").prose(&gap.text).within(" <code class=\"soft\">", &gap.code, "</code></li>\n");
        }
        page.raw("</ul>\n");
    }
    page.raw("<details open><summary>What even identical bytes do not prove</summary><div class=\"inner\"><ul class=\"lines\">\n");
    for limit in LIMITS {
        page.raw("<li>").raw(limit).raw("</li>\n");
    }
    page.raw("</ul></div></details>\n</section>\n");
}

fn observations(page: &mut Html, component: &Component, limits: &ReportLimits) {
    let observations = &component.evidence().observations;
    page.raw("<section id=\"observations\" aria-labelledby=\"h-observations\">\n<h2 id=\"h-observations\">Assumed: read from the published artifact</h2>\n");
    if observations.is_empty() {
        page.raw(
            "<p>Nothing: no value was read from the published artifact and replayed in the build.</p>\n",
        );
    } else {
        page.raw("<p>These values came from the artifact under test and were replayed in our build. They were assumed, not proved.</p>\n");
    }
    for o in observations.iter().take(limits.inputs_max) {
        page.within(
            "<article class=\"card\"><div class=\"cardhead\"><h3>",
            &o.name,
            "</h3></div>\n<dl><dt>value</dt><dd><pre>",
        )
        .block(&o.value)
        .within("</pre></dd><dt>read from</dt><dd><code>", &o.read_from, "</code></dd><dt>decides</dt><dd>")
        .text(&o.effect)
        .raw("</dd></dl></article>\n");
    }
    page.raw("</section>\n");
}

fn again(page: &mut Html, component: &Component, limits: &ReportLimits) {
    let commands = &component.evidence().again;
    page.raw("<section id=\"again\" aria-labelledby=\"h-again\">\n<h2 id=\"h-again\">Do it again</h2>\n");
    if commands.is_empty() {
        page.raw("<p>No commands were recorded.</p>\n");
    } else {
        page.raw("<p>On another machine, trusting nothing of this one:</p>\n<pre>");
        for command in commands.iter().take(limits.inputs_max) {
            page.text(command).raw("\n");
        }
        page.raw("</pre>\n");
    }
    page.raw("</section>\n");
}

/// The index of several releases.
fn index(report: &Report, names: &[ArtifactName], limits: &ReportLimits) -> String {
    let mut page = Html::new(limits.value_chars_max);
    let components = report.components();
    page.raw("<header class=\"band\"><div class=\"wrap\">\n<p class=\"eyebrow\">Audit report</p>\n<h1>")
        .text(&super::shown::count(components.len(), "release", "releases"))
        .raw(" audited</h1>\n");
    let count = |v| components.iter().filter(|c| c.verdict() == v).count();
    let why = format!(
        "{} pass, {} inconclusive, {} fail; the verdict over all is the worst one",
        count(Verdict::Pass),
        count(Verdict::Inconclusive),
        count(Verdict::Fail)
    );
    verdict_box(&mut page, report.verdict().word(), report.verdict(), &why);
    page.raw("</div></header>\n<main id=\"content\" class=\"wrap\">\n<section aria-labelledby=\"h-releases\">\n<h2 id=\"h-releases\">Releases</h2>\n<div class=\"card\"><table class=\"releases\">\n<caption>One page for each release</caption>\n")
        .raw("<thead><tr><th scope=\"col\">Release</th><th scope=\"col\">Outcome</th><th scope=\"col\">Verdict</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n");
    for (component, name) in components.iter().zip(names) {
        let release = &component.evidence().release;
        page.within("<tr><th scope=\"row\"><a href=\"", name.as_str(), "\">")
            .text(&release.component)
            .within("</a> ", &release.version, "")
            .within(
                "<small>",
                &format!("{}, {}", release.channel, release.architecture),
                "</small></th><td class=\"word\">",
            )
            .text(component.outcome().word());
        if let Some(found) = component.findings() {
            page.within("<small>findings: ", &findings::counts(found), "</small>");
        }
        page.raw("</td><td>")
            .badge(component.verdict().word(), component.verdict())
            .raw("</td><td>")
            .prose(&sentence(&component.judgement().why))
            .raw("</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n</section>\n<section aria-labelledby=\"h-limits\"><h2 id=\"h-limits\">What even identical bytes do not prove</h2>\n<ul class=\"lines\">\n");
    for limit in LIMITS {
        page.raw("<li>").raw(limit).raw("</li>\n");
    }
    page.raw("</ul></section>\n</main>\n");
    page.into_page("Audit report", report.tool())
}

/// Our own phrases begin with a small letter and have no full stop; on a page they are sentences.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}
