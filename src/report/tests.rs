#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use proptest::prelude::*;

use super::samples::{self, all};
use super::*;
use crate::limits::report::ReportLimits;
use crate::verdict::Verdict;

const LIMITS: ReportLimits = ReportLimits::DEFAULT;

fn report() -> Report {
    Report::new(all().into_iter().map(|(_, e)| Component::judge(e)).collect())
}

#[test]
fn each_sample_has_its_word_and_only_identical_passes() {
    for (expected, evidence) in all() {
        let component = Component::judge(evidence);
        assert_eq!(component.outcome(), expected);
        assert_eq!(component.verdict(), expected.verdict(), "{expected}");
        assert_eq!(component.verdict() == Verdict::Pass, expected == Outcome::Identical);
        assert_eq!(component.judgement().blocks.is_empty(), expected == Outcome::Identical, "{expected}");
    }
    assert_eq!(Report::new(Vec::new()).verdict(), Verdict::Inconclusive);
}

#[test]
fn a_check_counts_as_its_finding_does_and_every_renderer_shows_it() {
    use crate::verify::Finding;
    let with = |finding, next: &str| {
        let mut evidence = samples::identical();
        let check = Checked::new("source-drift", "<u>`x`|y", finding).expected("the same").found("other");
        evidence.checks = vec![check.next(next)];
        Component::judge(evidence)
    };
    for (finding, next, verdict, blocks, told) in [
        (Finding::Established, "", Verdict::Pass, false, false),
        (Finding::Noted, "", Verdict::Pass, false, false),
        (Finding::Noted, "look", Verdict::Pass, false, true),
        (Finding::Absent, "look", Verdict::Inconclusive, true, false),
        (Finding::Refuted, "look", Verdict::Fail, true, false),
    ] {
        let component = with(finding, next);
        let judgement = component.judgement().clone();
        assert_eq!((component.verdict(), component.outcome()), (verdict, Outcome::Identical), "{finding}");
        assert_eq!(judgement.blocks.iter().any(|b| b.code == "source-drift"), blocks, "{finding}");
        assert_eq!(judgement.not_established.iter().any(|g| g.code == "source-drift"), told, "{finding}");
        let report = Report::new(vec![component]);
        assert_eq!(Report::from_json(report.to_json().as_bytes(), &LIMITS).unwrap(), report);
        let style = text::TextStyle { color: false, short_digests: false };
        assert!(text::render(&report, style, &LIMITS).contains(finding.word()));
        let markdown = markdown::render(&report, &LIMITS);
        assert!(markdown.contains("| `source-drift` |") && !markdown.contains("<u>"), "{markdown}");
        let page = html::render(&report.components()[0], report.tool(), &LIMITS);
        assert!(page.contains("&lt;u&gt;") && !page.contains("<u>"), "{finding}");
    }
}

type Change = fn(&mut Evidence);

#[test]
fn each_missing_piece_of_evidence_forbids_the_pass() {
    let cases: &[(&str, Verdict, Change)] = &[
        ("source-signature-refuted", Verdict::Fail, |e| {
            e.source.signature = SourceSignature::Refuted { reason: "the digest does not fit".into() };
        }),
        ("source-signature-absent", Verdict::Inconclusive, |e| {
            e.source.signature = SourceSignature::Absent {}
        }),
        ("source-signature-absent", Verdict::Inconclusive, |e| {
            e.source.signature = SourceSignature::Verified { by: vec![] };
        }),
        ("source-signature-not-checked", Verdict::Inconclusive, |e| {
            e.source.signature = SourceSignature::NotChecked { reason: "built without `openpgp`".into() };
        }),
        ("index-not-vouched", Verdict::Inconclusive, |e| e.indexes[1].signed_by.clear()),
        ("index-absent", Verdict::Inconclusive, |e| e.indexes.clear()),
        ("source-missing", Verdict::Inconclusive, |e| e.source.files[1].state = FileState::Missing),
        ("source-mismatch", Verdict::Inconclusive, |e| e.source.files[1].state = FileState::Mismatched),
        ("source-not-looked", Verdict::Inconclusive, |e| e.source.files[1].state = FileState::NotLooked),
        ("source-not-found", Verdict::Inconclusive, |e| e.source.files.clear()),
        ("environment-not-resolved", Verdict::Inconclusive, |e| e.environment.lock = None),
        ("environment-missing", Verdict::Inconclusive, |e| e.environment.missing.push("gcc-12".into())),
        ("build-not-attempted", Verdict::Inconclusive, |e| {
            e.rebuild.result = BuildResult::NotAttempted { reason: "interrupted".into() };
        }),
        ("build-limit", Verdict::Inconclusive, |e| {
            e.rebuild.result = BuildResult::LimitReached { limit: "2 h of wall time".into() };
        }),
        ("build-failed", Verdict::Inconclusive, |e| {
            e.rebuild.result = BuildResult::StepFailed { step: 1, command: "make".into(), status: None };
        }),
        ("nothing-compared", Verdict::Inconclusive, |e| e.artifacts.clear()),
        ("artifact-not-built", Verdict::Inconclusive, |e| e.artifacts[0].rebuilt = None),
        ("bytes-differ", Verdict::Fail, |e| e.artifacts[0].rebuilt = Some(samples::bytes("x", 24_117_248))),
        ("bytes-differ", Verdict::Fail, |e| e.artifacts[0].rebuilt.as_mut().unwrap().len_bytes += 1),
        ("comparison-not-possible", Verdict::Inconclusive, |e| {
            e.not_looked
                .push(Gap { code: "comparison-not-possible".into(), text: "the disk was full".into() });
        }),
    ];
    for (code, verdict, change) in cases {
        let mut evidence = samples::identical();
        change(&mut evidence);
        let component = Component::judge(evidence);
        assert_eq!(component.verdict(), *verdict, "{code}");
        let codes: Vec<_> = component.judgement().blocks.iter().map(|b| b.code.as_str()).collect();
        assert!(codes.contains(code), "{code} not in {codes:?}");
    }
    let mut evidence = samples::identical();
    evidence.source.signature = SourceSignature::KeyNotKnown { keys: vec!["0123456789ABCDEF".into()] };
    let component = Component::judge(evidence);
    assert_eq!(component.verdict(), Verdict::Pass, "the signed index holds by itself");
    assert!(component.judgement().not_established.iter().any(|g| g.code == "source-signer-not-known"));
}

#[test]
fn an_explanation_that_is_not_whole_explains_nothing() {
    let cases: &[(Change, Outcome)] = &[
        (|e| e.artifacts[1].differences.truncate(1), Outcome::Different),
        (|e| e.artifacts[1].differences.clear(), Outcome::Different),
        (
            |e| {
                let d = samples::difference(
                    "data.tar/./usr/bin/x",
                    crate::compare::Cause::ElfCode,
                    Some(1),
                    None,
                );
                e.artifacts[1].differences.push(d);
            },
            Outcome::Different,
        ),
        (
            |e| e.artifacts[1].limits = samples::undetermined().artifacts[0].limits.clone(),
            Outcome::Undetermined,
        ),
        (|e| e.artifacts[1].passes.clear(), Outcome::IdentifiersOnly),
        (|e| e.artifacts[1].rebuilt_again = Some(samples::bytes("again", 1)), Outcome::Unstable),
        (|e| e.artifacts[1].rebuilt_again = e.artifacts[1].rebuilt.clone(), Outcome::IdentifiersOnly),
    ];
    for (i, (change, expected)) in cases.iter().enumerate() {
        let mut evidence = samples::identifiers_only();
        change(&mut evidence);
        assert_eq!(Component::judge(evidence).outcome(), *expected, "case {i}");
    }
    let mut evidence = samples::equivalent();
    evidence.artifacts[0].passes.clear();
    assert_eq!(Component::judge(evidence).outcome(), Outcome::Different, "no pass named, no equivalence");
}

#[test]
fn a_registry_s_release_is_judged_by_its_members_and_by_what_its_archive_says_of_them() {
    let gaps = |e: &Evidence| -> Vec<String> {
        Component::judge(e.clone()).judgement().not_established.iter().map(|g| g.code.clone()).collect()
    };
    let good = samples::of_registry();
    assert_eq!(Component::judge(good.clone()).verdict(), Verdict::Pass);
    assert_eq!(gaps(&good), ["archive-not-reproduced", "source-author-not-signed"]);
    let cases: &[(&str, Outcome, Verdict, Change)] = &[
        ("index-not-vouched", Outcome::Identical, Verdict::Inconclusive, |e| e.indexes[0].signed_by.clear()),
        ("archive-differs", Outcome::Different, Verdict::Fail, |e| {
            e.containers[0].differences[0].cause = crate::compare::Cause::FileMode;
            e.containers[0].differences[0].tier = crate::compare::Cause::FileMode.tier();
        }),
        ("member-not-expected", Outcome::Different, Verdict::Fail, |e| {
            let mut extra = samples::pair("tool-1.2.3.tgz", 10);
            extra.member = Some("package/install.js".to_owned());
            extra.rebuilt = None;
            extra.differences =
                vec![samples::difference("", crate::compare::Cause::MemberRemoved, None, None)];
            e.artifacts.push(extra);
        }),
        ("published-not-reachable", Outcome::PublishedNotReachable, Verdict::Inconclusive, |e| {
            *e = samples::published_not_reachable();
        }),
        ("build-unstable", Outcome::Unstable, Verdict::Inconclusive, |e| {
            *e = samples::published_not_reachable();
            e.artifacts.clear();
            e.unpublished[0].rebuilt_again = Some(samples::bytes("other", 1));
        }),
    ];
    for (code, outcome, verdict, change) in cases {
        let mut evidence = good.clone();
        change(&mut evidence);
        let component = Component::judge(evidence);
        assert_eq!((component.outcome(), component.verdict()), (*outcome, *verdict), "{code}");
        assert!(component.judgement().blocks.iter().any(|b| b.code == *code), "{code}");
    }
    let mut unsigned = good;
    unsigned.indexes[0].signed_by.clear();
    unsigned.indexes[0].kind = IndexKind::Unsigned;
    assert_eq!(Component::judge(unsigned.clone()).verdict(), Verdict::Pass, "the lock pins what it said");
    assert!(gaps(&unsigned).contains(&"index-not-signed".to_owned()));
}

#[test]
fn identical_bytes_stay_identical_when_the_second_build_varies() {
    let mut evidence = samples::identical();
    evidence.artifacts[0].rebuilt_again = Some(samples::bytes("again", 1));
    assert_eq!(Component::judge(evidence).outcome(), Outcome::Identical);
}

#[test]
fn json_reads_back_and_a_forged_judgement_is_refused() {
    let report = report();
    let json = report.to_json();
    let back = Report::from_json(json.as_bytes(), &LIMITS).unwrap();
    assert_eq!(back, report);
    assert_eq!(back.to_json(), json);
    for (from, to) in [
        ("\"verdict\": \"inconclusive\"", "\"verdict\": \"pass\""),
        ("\"outcome\": \"different\"", "\"outcome\": \"identical\""),
        ("\"state\": \"missing\"", "\"state\": \"checked\""),
        ("\"verdict\": \"fail\"", "\"verdict\": \"pass\""),
    ] {
        let forged = json.replacen(from, to, 1);
        assert_ne!(forged, json);
        let error = Report::from_json(forged.as_bytes(), &LIMITS).unwrap_err();
        assert!(matches!(error, ReportError::Judgement { .. }), "{from}: {error}");
    }
    for (from, to) in [
        ("\"schema\": \"https", "\"schema\": \"http"),
        ("\"tool\":", "\"extra\": 1, \"tool\":"),
        ("\"purl\"", "\"purI\""),
    ] {
        let other = json.replacen(from, to, 1);
        assert!(Report::from_json(other.as_bytes(), &LIMITS).is_err(), "{from}");
    }
    let small = ReportLimits { file_bytes_max: 100, ..LIMITS };
    assert!(matches!(Report::from_json(json.as_bytes(), &small), Err(ReportError::Limit { .. })));
}

#[test]
fn what_varies_is_only_there_when_asked_for() {
    let component = Component::judge(samples::identical());
    let key = component.evidence().release.key();
    let plain = Report::new(vec![component]);
    assert!(!plain.to_json().contains("build_seconds"));
    let run = Run { build_seconds: [(key, 161)].into(), ..Run::default() };
    let with = plain.with_run(run);
    assert!(with.to_json().contains("build_seconds"));
    let text = text::render(&with, text::TextStyle { color: false, short_digests: true }, &LIMITS);
    assert!(text.contains("2 min 41 s"), "{text}");
}

#[test]
fn text_and_markdown_of_every_outcome() {
    for (outcome, evidence) in all() {
        let name = outcome.word().replace(' ', "_");
        let report = Report::new(vec![Component::judge(evidence)]);
        for (color, suffix) in [(false, "plain"), (true, "color")] {
            let style = text::TextStyle { color, short_digests: color };
            let text = text::render(&report, style, &LIMITS);
            if !color {
                let last = text.trim_end().rsplit(' ').next().unwrap();
                assert_eq!(last, outcome.verdict().word());
                assert!(!text.contains('\u{1b}'));
            }
            insta::assert_snapshot!(format!("{name}_{suffix}"), text);
        }
        insta::assert_snapshot!(format!("{name}_markdown"), markdown::render(&report, &LIMITS));
    }
    let text = text::render(&report(), text::TextStyle { color: false, short_digests: true }, &LIMITS);
    let summary: Vec<_> = text.lines().rev().take(12).collect();
    insta::assert_snapshot!("all_summary", summary.into_iter().rev().collect::<Vec<_>>().join("\n"));
}

/// Four releases as JSON, read by the tests that need a browser or another validator.
#[test]
fn the_sample_report_is_what_the_samples_give() {
    let evidence = [
        samples::identical(),
        samples::identifiers_only(),
        samples::different(),
        samples::source_unavailable(),
    ];
    let mut judged: Vec<_> = evidence.into_iter().map(Component::judge).collect();
    // The register stands beside one of them.
    judged[2] = judged[2].clone().with_findings({
        let release = &judged[2].evidence().release;
        findings::tests::sample(&release.component, &release.version)
    });
    let report = Report::new(judged);
    insta::assert_binary_snapshot!("sample.json", report.to_json().into_bytes());
}

#[test]
fn the_schema_names_the_words_that_the_code_knows() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["$id"], SCHEMA_ID);
    let words = |name: &str| -> Vec<String> {
        let list = schema["$defs"][name]["enum"].as_array().unwrap();
        list.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(words("outcome"), Outcome::ALL.map(|o| o.word().to_owned()));
    assert_eq!(
        words("cause"),
        crate::compare::Cause::ALL.iter().map(|c| c.id().to_owned()).collect::<Vec<_>>()
    );
    assert_eq!(words("verdict"), ["pass", "inconclusive", "fail"]);
    assert_eq!(words("standing"), crate::evaluate::standing::Standing::ALL.map(|s| s.code().to_owned()));
}

/// What was done to a source before its build is in every form that tells how it was built.
#[test]
fn a_preparation_is_told() {
    let mut e = samples::identical();
    let prepared = Preparation {
        env: [("STATIC".to_owned(), ".ui/static".to_owned())].into(),
        commands: vec![vec!["bash".to_owned(), "scripts/compress.sh".to_owned()]],
    };
    e.environment.build.as_mut().unwrap().preparation = Some(prepared.clone());
    let component = Component::judge(e);
    let statement = statements::provenance(&component, &Tool::this()).unwrap();
    let told = serde_json::to_value(&statement).unwrap();
    let told = &told["predicate"]["buildDefinition"]["internalParameters"]["preparation"];
    assert_eq!(
        (&told["commands"][0][1], &told["environment"]["STATIC"]),
        (&"scripts/compress.sh".into(), &".ui/static".into())
    );
    let report = Report::new(vec![component]);
    let read = Report::from_json(report.to_json().as_bytes(), &LIMITS).unwrap();
    let build = read.components()[0].evidence().environment.build.clone();
    assert_eq!(build.unwrap().preparation, Some(prepared));
    let page: String = html::pages(&report, &LIMITS).into_iter().map(|p| p.html).collect();
    assert!(page.contains("<pre>bash scripts/compress.sh</pre>") && page.contains("STATIC=.ui/static"));
}

fn hostile() -> Evidence {
    let bad = "<script>alert(1)</script>\"'&\u{202e}\u{0}\u{1b}[31m`|](x)";
    let mut e = samples::different();
    e.release.component = format!("../{bad}");
    e.release.version = bad.into();
    e.release.channel = bad.into();
    e.release.purl = bad.into();
    e.source.files[0].name = bad.into();
    e.source.signature = SourceSignature::Refuted { reason: bad.into() };
    e.environment.toolchain.insert(bad.into(), bad.into());
    e.environment.packages[0].name = bad.into();
    let build = e.environment.build.as_mut().unwrap();
    build.commands = vec![vec![bad.into()]];
    let env = [(bad.to_owned(), bad.to_owned())].into();
    build.preparation = Some(Preparation { env, commands: vec![vec![bad.into()]] });
    e.rebuild.isolation = vec![bad.into()];
    e.again = vec![bad.into()];
    e.observations[0].value = "\u{2066}x".repeat(1 << 20);
    e.indexes[0].suite = bad.into();
    e.indexes[0].signed_by = vec![bad.into()];
    let d = &mut e.artifacts[0].differences[0];
    d.path = bad.into();
    d.field = Some(bad.into());
    d.a = Some("<img src=x onerror=alert(1)>".repeat(400_000));
    d.note = Some(bad.into());
    d.hunks = vec![bad.into(); 3];
    e
}

#[test]
fn hostile_text_becomes_neither_markup_nor_invisible_in_any_renderer() {
    let report = Report::new(vec![Component::judge(hostile()), Component::judge(samples::identical())]);
    let style = text::TextStyle { color: false, short_digests: false };
    let mut rendered = vec![text::render(&report, style, &LIMITS), markdown::render(&report, &LIMITS)];
    let pages = html::pages(&report, &LIMITS);
    for page in &pages {
        assert!(!page.html.contains("<script"), "{}", page.name);
        assert!(!page.html.contains("<img"), "{}", page.name);
        assert!(!page.name.as_str().starts_with('.') && !page.name.as_str().contains('/'), "{}", page.name);
        rendered.push(page.html.clone());
    }
    // Lines that are indented by four are code, in which nothing is markup.
    assert!(!rendered[1].lines().any(|l| l.contains("<script") && !l.starts_with("    ")));
    for text in &rendered {
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{0}', '\u{1b}']));
        assert!(text.len() < 500_000, "{}", text.len());
    }
    assert!(rendered.iter().any(|t| t.contains("cut here")));
}

#[test]
fn pages_stand_alone_and_come_out_the_same_twice() {
    let report = report();
    let pages = html::pages(&report, &LIMITS);
    assert_eq!(pages, html::pages(&report, &LIMITS));
    assert_eq!(pages.len(), report.components().len() + 1);
    let mut names: Vec<_> = pages.iter().map(|p| p.name.to_string()).collect();
    assert_eq!(names[0], "index.html");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), pages.len());
    let address = regex::Regex::new(r#"(?i)(src|href|action|data|poster|srcset)\s*=\s*"([^"]*)""#).unwrap();
    let anchor = regex::Regex::new(r##"href="#([^"]*)""##).unwrap();
    for page in &pages {
        let html = &page.html;
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        for found in address.captures_iter(html) {
            let to = &found[2];
            let ours = to == "data:," || to.starts_with('#') || names.iter().any(|n| n == to);
            assert!(ours, "{}: {to}", page.name);
        }
        for id in anchor.captures_iter(html) {
            assert!(html.contains(&format!("id=\"{}\"", &id[1])), "#{}", &id[1]);
        }
        for forbidden in ["<script", "url(", "@import", " style=", "javascript:", "onclick"] {
            assert!(!html.contains(forbidden), "{}: {forbidden}", page.name);
        }
        assert_eq!(html.matches("<h1").count(), 1);
        assert_eq!(html.matches("<main").count(), 1);
        for tag in ["table", "details", "section", "dl", "ul", "ol", "div", "p", "span", "code", "mark", "li"]
        {
            let opened = regex::Regex::new(&format!("<{tag}[ >]")).unwrap().find_iter(html).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{}: <{tag}>", page.name);
        }
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count());
    }
    assert_eq!(html::pages(&Report::new(vec![Component::judge(samples::identical())]), &LIMITS).len(), 1);
}

/// WCAG 2.2, 1.4.3: text needs a contrast of 4.5 to 1 with what is behind it.
#[test]
fn every_colour_has_contrast_on_every_ground_it_is_used_on() {
    fn luminance(hex: &str) -> f64 {
        let channel = |i: usize| {
            let c = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
    }
    let css = include_str!("html/style.css");
    let declaration = regex::Regex::new(r"--([a-z-]+): #([0-9a-f]{6});").unwrap();
    let (light, dark) = css.split_at(css.find("prefers-color-scheme: dark").unwrap());
    for (scheme, part) in [("light", light), ("dark", dark)] {
        let colors: std::collections::BTreeMap<_, _> =
            declaration.captures_iter(part).map(|c| (c[1].to_owned(), c[2].to_owned())).collect();
        let mut pairs =
            vec![("pass", "pass-tint"), ("inconclusive", "inconclusive-tint"), ("fail", "fail-tint")];
        for ink in ["ink", "soft", "pass", "inconclusive", "fail", "mark", "link"] {
            pairs.extend([(ink, "ground"), (ink, "paper")]);
        }
        pairs.extend([
            ("ink", "code"),
            ("ink", "pass-tint"),
            ("ink", "inconclusive-tint"),
            ("ink", "fail-tint"),
        ]);
        for (ink, ground) in pairs {
            let (a, b) = (luminance(&colors[ink]), luminance(&colors[ground]));
            let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(ratio >= 4.5, "{scheme}: {ink} on {ground} is {ratio:.2}");
        }
    }
}

/// Permutes every list whose order says nothing.
fn permuted(mut e: Evidence, seed: usize) -> Evidence {
    fn turn<T>(list: &mut [T], seed: usize) {
        if !list.is_empty() {
            let n = seed % list.len();
            list.rotate_left(n);
            if seed % 2 == 1 {
                list.reverse();
            }
        }
    }
    turn(&mut e.indexes, seed);
    turn(&mut e.source.files, seed);
    turn(&mut e.environment.packages, seed);
    turn(&mut e.environment.missing, seed);
    turn(&mut e.rebuild.isolation, seed);
    turn(&mut e.rebuild.varied, seed);
    turn(&mut e.artifacts, seed);
    for p in &mut e.artifacts {
        turn(&mut p.differences, seed);
    }
    for i in &mut e.indexes {
        turn(&mut i.signed_by, seed);
    }
    e
}

/// Takes one piece of evidence away; the last ones take away what speaks for the publisher only.
fn without(mut e: Evidence, what: usize) -> Evidence {
    match what {
        0 => e.indexes.clear(),
        1 => e.indexes.iter_mut().for_each(|i| i.signed_by.clear()),
        2 => e.source.files.clear(),
        3 => e.source.files.iter_mut().for_each(|f| f.state = FileState::NotLooked),
        4 => e.source.signature = SourceSignature::NotChecked { reason: "taken away".into() },
        5 => e.source.signature = SourceSignature::Absent {},
        6 => e.environment.lock = None,
        7 => e.rebuild.result = BuildResult::NotAttempted { reason: "taken away".into() },
        8 => e.artifacts.clear(),
        9 => e.artifacts.iter_mut().for_each(|p| p.rebuilt = None),
        10 => e.artifacts.iter_mut().for_each(|p| p.rebuilt_again = None),
        11 => e.artifacts.iter_mut().for_each(|p| p.differences.clear()),
        12 => e.artifacts.iter_mut().for_each(|p| p.passes.clear()),
        13 => e.artifacts.iter_mut().for_each(|p| {
            p.differences.pop();
        }),
        _ => e.observations.clear(),
    }
    e
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn bytes_do_not_depend_on_input_order(which in 0usize..10, seed in 0usize..1000) {
        let evidence = all().remove(which).1;
        let a = Component::judge(evidence.clone());
        let b = Component::judge(permuted(evidence, seed));
        prop_assert_eq!(Report::new(vec![a]).to_json(), Report::new(vec![b]).to_json());
    }

    #[test]
    fn taking_evidence_away_never_makes_a_pass(
        which in 0usize..10, taken in proptest::collection::vec(0usize..15, 1..5), refuted in any::<bool>(),
    ) {
        let mut evidence = all().remove(which).1;
        if refuted {
            evidence.source.signature = SourceSignature::Refuted { reason: "other bytes".into() };
        }
        let before = Component::judge(evidence.clone()).verdict();
        for what in taken {
            evidence = without(evidence, what);
        }
        let after = Component::judge(evidence).verdict();
        prop_assert!(after != Verdict::Pass || before == Verdict::Pass);
    }
}
