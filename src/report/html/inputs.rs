//! Source, build and environment: each input with its digest.

use std::collections::BTreeMap;

use super::page::Html;
use crate::limits::report::ReportLimits;
use crate::report::classify::vouches;
use crate::report::model::{BuildResult, Evidence, FileState, IndexKind, SourceSignature};
use crate::report::shown::{bytes, count};
use crate::report::summary;
use crate::report::words::Words;
use crate::verdict::Verdict;

pub(super) fn source(page: &mut Html, evidence: &Evidence, limits: &ReportLimits) {
    let source = &evidence.source;
    let row = summary::source(evidence, limits.value_chars_max);
    page.raw("<section id=\"source\" aria-labelledby=\"h-source\">\n<h2 id=\"h-source\">Source</h2>\n<div class=\"card\">\n<div class=\"cardhead\">")
        .within("<h3>", &format!("{} {}", source.package, source.version), "</h3>")
        .badge(row.word, row.verdict)
        .raw("</div>\n<dl>\n<dt>signature</dt><dd>");
    signature(page, &source.signature);
    let words = Words::of(&evidence.release.purl);
    page.within("</dd>\n</dl>\n<table>\n<caption>", words.files, "</caption>\n")
        .raw("<thead><tr><th scope=\"col\">File</th><th scope=\"col\">Obtained</th><th scope=\"col\">Digest</th></tr></thead>\n<tbody>\n");
    for file in source.files.iter().take(limits.inputs_max) {
        let verdict = if file.state == FileState::Checked { Verdict::Pass } else { Verdict::Inconclusive };
        page.within("<tr><th scope=\"row\"><code>", &file.name, "</code>")
            .within("<small>", &bytes(file.len_bytes), "</small></th><td>")
            .badge(file.state.word(), verdict)
            .raw("</td>")
            .digest_cell(&file.digest)
            .raw("</tr>\n");
    }
    page.raw("</tbody></table>\n</div>\n");
    cut(page, source.files.len(), limits.inputs_max);
    let vouched = evidence.indexes.iter().all(vouches);
    page.raw(if vouched { "<details>" } else { "<details open>" })
        .within("<summary>", words.indexes, " <span class=\"soft\">")
        .within(
            "",
            &count(evidence.indexes.len(), "index", "indexes"),
            "</span></summary><div class=\"inner\">\n",
        )
        .within("<table>\n<caption>", words.announced, "</caption>\n")
        .within("<thead><tr><th scope=\"col\">", words.index, "</th>")
        .raw(
            "<th scope=\"col\">Signatures verified</th><th scope=\"col\">Digest</th></tr></thead>\n<tbody>\n",
        );
    for index in evidence.indexes.iter().take(limits.inputs_max) {
        page.within("<tr><th scope=\"row\">", &index.suite, "").within(
            "<small>",
            &index.date,
            "</small></th><td>",
        );
        match (index.signed_by.is_empty(), index.kind) {
            (false, _) => {}
            (true, IndexKind::Signed) => {
                page.badge("none", Verdict::Inconclusive);
            }
            (true, IndexKind::Unsigned) => {
                page.raw("<span class=\"soft\">nobody signs it</span>");
            }
        }
        for key in &index.signed_by {
            page.within("<small><code>", key, "</code></small>");
        }
        page.raw("</td>").digest_cell(&index.digest).raw("</tr>\n");
    }
    page.raw("</tbody></table>\n</div></details>\n</section>\n");
}

fn signature(page: &mut Html, signature: &SourceSignature) {
    match signature {
        SourceSignature::Verified { by } => {
            page.badge("verified", if by.is_empty() { Verdict::Inconclusive } else { Verdict::Pass });
            for signer in by {
                page.raw("<span class=\"len\">by ");
                if let Some(name) = &signer.name {
                    page.text(name).raw(", ");
                }
                page.within("key <code>", &signer.fingerprint, "</code></span>");
            }
        }
        SourceSignature::KeyNotKnown { keys } => {
            page.badge("key not known", Verdict::Inconclusive)
                .raw("<span class=\"len\">the trust root holds no key for ")
                .within(
                    "<code>",
                    &keys.join(", "),
                    "</code>; the signed index vouches for the file by itself</span>",
                );
        }
        SourceSignature::NotRelied { reason } => {
            page.badge("not relied on", Verdict::Inconclusive).within(
                "<span class=\"len\">",
                reason,
                "; the signed index vouches for the file by itself</span>",
            );
        }
        SourceSignature::Refuted { reason } => {
            page.badge("refuted", Verdict::Fail).within("<span class=\"len\">", reason, "</span>");
        }
        SourceSignature::Absent {} => {
            page.badge("absent", Verdict::Inconclusive);
        }
        SourceSignature::NotOffered { reason } => {
            page.within("<span class=\"soft\">not offered</span> <span class=\"len\">", reason, "</span>");
        }
        SourceSignature::NotChecked { reason } => {
            page.badge("not checked", Verdict::Inconclusive).within(
                "<span class=\"len\">",
                reason,
                "</span>",
            );
        }
    }
}

pub(super) fn build(page: &mut Html, evidence: &Evidence, limits: &ReportLimits) {
    let row = summary::rebuild(evidence, limits.value_chars_max);
    let (environment, rebuild) = (&evidence.environment, &evidence.rebuild);
    page.raw("<section id=\"build\" aria-labelledby=\"h-build\">\n<h2 id=\"h-build\">Build</h2>\n<div class=\"card\">\n<div class=\"cardhead\"><h3>How it was built</h3>")
        .badge(row.word, row.verdict)
        .raw("</div>\n<dl>\n");
    let result = match (&rebuild.result, rebuild.varied.is_empty()) {
        (BuildResult::Completed {}, true) => "every command succeeded; built once",
        (BuildResult::Completed {}, false) => "every command succeeded; built twice",
        _ => &row.detail,
    };
    page.within("<dt>result</dt><dd>", result, "</dd>\n");
    if !rebuild.isolation.is_empty() {
        page.within("<dt>sandbox</dt><dd>", &rebuild.isolation.join(", "), "</dd>\n");
    }
    if !rebuild.varied.is_empty() {
        page.within("<dt>varied</dt><dd>", &rebuild.varied.join(", "), "</dd>\n");
    }
    page.raw("<dt>lock</dt><dd>");
    match &environment.lock {
        Some(lock) => page.digest(lock, None),
        None => page.raw("<span class=\"soft\">none</span>"),
    };
    page.raw("</dd>\n");
    if let Some(build) = &environment.build {
        page.within("<dt>folder</dt><dd><code>", &build.path, "</code></dd>\n").within(
            "<dt>clock</dt><dd><code>SOURCE_DATE_EPOCH=",
            &build.source_date_epoch.to_string(),
            "</code></dd>\n<dt>commands</dt><dd>",
        );
        commands_and_environment(page, (&build.commands, &build.env), "environment", limits);
        if let Some(before) = &build.preparation {
            page.raw("<dt>before, to a copy of the source</dt><dd>");
            commands_and_environment(page, (&before.commands, &before.env), "its environment", limits);
        }
    }
    page.raw("</dl>\n</div>\n");
    if !rebuild.log_tail.is_empty() {
        let skip = rebuild.log_tail.len().saturating_sub(limits.log_lines_max);
        page.raw("<details open><summary>End of the build&#39;s log</summary><div class=\"inner\"><pre>");
        for line in rebuild.log_tail.iter().skip(skip) {
            page.text(line).raw("\n");
        }
        page.raw("</pre></div></details>\n");
    }
    if !environment.missing.is_empty() {
        page.raw("<details open><summary>Locked inputs that are no longer offered <span class=\"soft\">")
            .text(&environment.missing.len().to_string())
            .raw("</span></summary><div class=\"inner\"><ul class=\"lines\">\n");
        for name in environment.missing.iter().take(limits.inputs_max) {
            page.within("<li><code>", name, "</code></li>\n");
        }
        page.raw("</ul></div></details>\n");
    }
    if !environment.toolchain.is_empty() {
        page.raw("<details><summary>Toolchain <span class=\"soft\">as it describes itself</span></summary><div class=\"inner\"><dl>\n");
        for (name, value) in environment.toolchain.iter().take(limits.inputs_max) {
            page.within("<dt>", name, "</dt>").within("<dd><code>", value, "</code></dd>\n");
        }
        page.raw("</dl></div></details>\n");
    }
    let words = Words::of(&evidence.release.purl);
    let many = count(environment.packages.len(), words.inputs.0, words.inputs.1);
    page.raw("<details><summary>").raw(words.environment).within(" <span class=\"soft\">", &many, "</span></summary><div class=\"inner\">\n")
        .raw("<table>\n<caption>").raw(words.environment_caption).raw("</caption>\n<thead><tr><th scope=\"col\">Package</th><th scope=\"col\">Digest of the file</th></tr></thead>\n<tbody>\n");
    for package in environment.packages.iter().take(limits.inputs_max) {
        page.within("<tr><th scope=\"row\">", &package.name, "")
            .within(
                "<small>",
                &format!("{} {}, {}", package.version, package.architecture, bytes(package.len_bytes)),
                "</small></th>",
            )
            .digest_cell(&package.digest)
            .raw("</tr>\n");
    }
    page.raw("</tbody></table>\n");
    cut(page, environment.packages.len(), limits.inputs_max);
    page.raw("</div></details>\n</section>\n");
}

/// Ends the definition that is open with commands, and adds one with their environment.
fn commands_and_environment(
    page: &mut Html,
    (commands, env): (&[Vec<String>], &BTreeMap<String, String>),
    term: &str,
    limits: &ReportLimits,
) {
    for command in commands.iter().take(limits.inputs_max) {
        page.within("<pre>", &command.join(" "), "</pre>");
    }
    page.within("</dd>\n<dt>", term, "</dt><dd><pre>");
    let lines: Vec<_> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    page.block(&lines.join("\n")).raw("</pre></dd>\n");
}

fn cut(page: &mut Html, total: usize, shown: usize) {
    if total > shown {
        page.within(
            "<p class=\"soft\">Cut here: ",
            &count(total - shown, "more is", "more are"),
            " in the JSON.</p>\n",
        );
    }
}
