//! What was seen against what was expected.

use std::collections::BTreeMap;

use super::answer::{Answer, Difference, Observed, ProcessState};
use super::http::{NoAnswer, Response};
use super::spec::{HttpExpect, Process, Reply};

/// Everything that was seen of one HTTP probe.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) reply: Result<Response, NoAnswer>,
    /// Whether the component answered another request after one that timed out, or after an answer.
    pub(super) answers_still: bool,
    pub(super) process: ProcessState,
    pub(super) log: String,
    pub(super) log_cut: bool,
    pub(super) servers: BTreeMap<String, Vec<String>>,
    pub(super) memory_peak_bytes: Option<u64>,
    /// Whether the peak is known until the end, and not only until some look before it.
    pub(super) memory_to_the_end: bool,
}

/// One alternative, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judged {
    /// Met in full.
    Met,
    /// Not met.
    NotMet(Vec<Difference>),
    /// What is expected to be absent could lie beyond what was read, or what is to be looked at was not
    /// established.
    Unknown(String),
}

/// Characters of an expectation or finding that a difference shows.
const SHOWN_CHARS: usize = 200;

pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

pub(super) fn difference(what: &str, expected: impl Into<String>, found: impl AsRef<str>) -> Difference {
    Difference { what: what.to_owned(), expected: expected.into(), found: shown(found.as_ref()) }
}

/// Judges an alternative.
pub(super) fn http(expect: &HttpExpect, seen: &Seen) -> Judged {
    let mut differences = Vec::new();
    let mut unknown = None;
    match (&seen.reply, expect.reply) {
        (Ok(response), Reply::Answered) => answered(expect, response, &mut differences, &mut unknown),
        (Err(NoAnswer::TimedOut), Reply::TimedOut) => {
            if !seen.answers_still {
                unknown = Some(
                    "the component answers nothing any more, so nothing is known of this request".to_owned(),
                );
            }
        }
        (Err(NoAnswer::Broken(_)), Reply::Broken) => {}
        (found, expected) => {
            let expected = match expected {
                Reply::Answered => "an answer",
                Reply::TimedOut => "no answer within the time",
                Reply::Broken => "a connection that ends without an answer",
            };
            let found = match found {
                Ok(response) => format!("status {}", response.status),
                Err(no_answer) => no_answer.text(),
            };
            differences.push(difference("reply", expected, found));
        }
    }
    for wanted in expect.log_contains.iter().filter(|wanted| !seen.log.contains(wanted.as_str())) {
        if seen.log_cut {
            unknown.get_or_insert_with(|| "the output is longer than what was kept".to_owned());
        } else {
            differences.push(difference("log", format!("contains `{wanted}`"), tail(&seen.log)));
        }
    }
    absent("log", &expect.log_absent, &seen.log, seen.log_cut, &mut differences, &mut unknown);
    servers(expect, seen, &mut differences, &mut unknown);
    process(expect, seen, &mut differences);
    if let Some(max) = expect.memory_bytes_max {
        match seen.memory_peak_bytes {
            Some(peak) if peak > max => {
                differences.push(difference("memory", format!("at most {max} bytes"), peak.to_string()));
            }
            Some(_) if seen.memory_to_the_end => {}
            Some(_) | None => unknown = Some("the memory was not established until the end".to_owned()),
        }
    }
    // A difference is certain, whatever else is unknown.
    match (differences.is_empty(), unknown) {
        (false, _) => Judged::NotMet(differences),
        (true, Some(reason)) => Judged::Unknown(reason),
        (true, None) => Judged::Met,
    }
}

fn answered(
    expect: &HttpExpect,
    response: &Response,
    differences: &mut Vec<Difference>,
    unknown: &mut Option<String>,
) {
    if let Some(status) = expect.status.filter(|status| *status != response.status) {
        differences.push(difference("status", status.to_string(), response.status.to_string()));
    }
    for (name, wanted) in &expect.header {
        let found = response.headers.get(&name.to_ascii_lowercase());
        if found != Some(wanted) {
            let found = found.map_or("absent", String::as_str);
            differences.push(difference(&format!("header {name}"), wanted.clone(), found));
        }
    }
    for name in &expect.header_absent {
        if let Some(found) = response.headers.get(&name.to_ascii_lowercase()) {
            differences.push(difference(&format!("header {name}"), "absent", found));
        }
    }
    let body = String::from_utf8_lossy(&response.body);
    for wanted in expect.body_contains.iter().filter(|wanted| !body.contains(wanted.as_str())) {
        if response.cut {
            unknown.get_or_insert_with(|| "the body is longer than what was read".to_owned());
        } else {
            differences.push(difference("body", format!("contains `{wanted}`"), &body));
        }
    }
    absent("body", &expect.body_absent, &body, response.cut, differences, unknown);
}

fn absent(
    what: &str,
    refused: &[String],
    text: &str,
    cut: bool,
    differences: &mut Vec<Difference>,
    unknown: &mut Option<String>,
) {
    for refused in refused {
        if let Some(at) = text.find(refused.as_str()) {
            let found = around(text, at, SHOWN_CHARS);
            differences.push(difference(what, format!("does not contain `{refused}`"), found));
        } else if cut {
            unknown.get_or_insert_with(|| format!("the {what} is longer than what was read"));
        }
    }
}

fn servers(
    expect: &HttpExpect,
    seen: &Seen,
    differences: &mut Vec<Difference>,
    unknown: &mut Option<String>,
) {
    let nothing = Vec::new();
    for (name, wanted) in &expect.server_saw {
        let saw = seen.servers.get(name).unwrap_or(&nothing);
        for text in wanted.iter().filter(|text| !saw.iter().any(|s| s.contains(text.as_str()))) {
            let found = if saw.is_empty() { "nothing was sent".to_owned() } else { saw.join(" | ") };
            differences.push(difference(&format!("server {name}"), format!("was sent `{text}`"), found));
        }
    }
    for (name, refused) in &expect.server_saw_not {
        let saw = seen.servers.get(name).unwrap_or(&nothing);
        for text in refused {
            if let Some(found) = saw.iter().find(|s| s.contains(text.as_str())) {
                differences.push(difference(
                    &format!("server {name}"),
                    format!("was not sent `{text}`"),
                    found,
                ));
            }
        }
        if saw.is_empty() {
            unknown.get_or_insert_with(|| format!("nothing was sent to the server `{name}`"));
        }
    }
}

fn process(expect: &HttpExpect, seen: &Seen, differences: &mut Vec<Difference>) {
    let found = match seen.process {
        ProcessState::Alive if seen.answers_still => "alive".to_owned(),
        ProcessState::Alive => "alive, but it answers no more".to_owned(),
        ProcessState::Exited(status) => format!("exited with status {status}"),
        ProcessState::Signalled(signal) => format!("ended by signal {signal}"),
        ProcessState::LimitReached => "ended at a limit".to_owned(),
    };
    let (expected, good) = match expect.process {
        None => return,
        Some(Process::Alive) => {
            ("alive".to_owned(), seen.process == ProcessState::Alive && seen.answers_still)
        }
        Some(Process::Exited) => ("exited".to_owned(), matches!(seen.process, ProcessState::Exited(_))),
        Some(Process::ExitStatus(status)) => {
            (format!("exited with status {status}"), seen.process == ProcessState::Exited(status.into()))
        }
    };
    if !good {
        differences.push(difference("process", expected, found));
    }
}

/// One answer from all alternatives: those that are for another version are left out, a met one decides,
/// one of which nothing is known leaves the rest open.
pub(super) fn answer(judged: Vec<Judged>, version: &str) -> Answer {
    if judged.is_empty() {
        let reason = format!("nothing is expected of version {version}");
        return Answer::CouldNotTell { reason };
    }
    if judged.contains(&Judged::Met) {
        return Answer::Holds {};
    }
    let mut nearest: Option<Vec<Difference>> = None;
    for one in judged {
        match one {
            Judged::Unknown(reason) => return Answer::CouldNotTell { reason },
            Judged::NotMet(found) if nearest.as_ref().is_none_or(|best| found.len() < best.len()) => {
                nearest = Some(found);
            }
            Judged::Met | Judged::NotMet(_) => {}
        }
    }
    Answer::DoesNotHold { differences: nearest.unwrap_or_default() }
}

/// What is kept of what was seen.
pub(super) fn observed(seen: &Seen, expects: &[HttpExpect], excerpt_bytes_max: usize) -> Observed {
    let texts = |of: fn(&HttpExpect) -> &[String]| expects.iter().flat_map(of).map(String::as_str);
    let of_body = texts(|e| &e.body_contains).chain(texts(|e| &e.body_absent));
    let of_log: Vec<&str> = texts(|e| &e.log_contains).chain(texts(|e| &e.log_absent)).collect();
    let mut observed = Observed {
        process: Some(seen.process),
        memory_peak_bytes: seen.memory_peak_bytes,
        servers_saw: seen.servers.clone(),
        ..Observed::default()
    };
    match &seen.reply {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            observed.status = Some(response.status);
            observed.headers = response.headers.clone();
            observed.body_bytes = Some(response.body.len() as u64);
            observed.body_excerpt = Some(excerpt(&body, of_body, excerpt_bytes_max));
        }
        Err(no_answer) => observed.no_answer = Some(no_answer.text()),
    }
    if !of_log.is_empty() || seen.process != ProcessState::Alive {
        observed.log_excerpt = Some(excerpt_of_log(&seen.log, &of_log, excerpt_bytes_max));
    }
    for saw in observed.servers_saw.values_mut() {
        saw.truncate(4);
        for text in saw {
            *text = excerpt(text, std::iter::empty(), excerpt_bytes_max);
        }
    }
    observed
}

/// What surrounds the first of the texts that occurs, else the beginning.
fn excerpt<'a>(text: &str, wanted: impl Iterator<Item = &'a str>, bytes_max: usize) -> String {
    let at = wanted.filter_map(|wanted| text.find(wanted)).next();
    around(text, at.unwrap_or(0), bytes_max)
}

/// What surrounds the first of the texts that occurs, else the end.
pub(super) fn excerpt_of_log(log: &str, wanted: &[&str], bytes_max: usize) -> String {
    match wanted.iter().filter_map(|wanted| log.find(wanted)).next() {
        Some(at) => around(log, at, bytes_max),
        None => around(log, log.len(), bytes_max),
    }
}

fn tail(text: &str) -> String {
    around(text, text.len(), SHOWN_CHARS)
}

/// At most so many bytes with `at` in them, as far before as behind, cut at characters.
fn around(text: &str, at: usize, bytes_max: usize) -> String {
    let start = at.saturating_sub(bytes_max / 2).min(text.len().saturating_sub(bytes_max));
    let start = (start..=text.len()).find(|&n| text.is_char_boundary(n)).unwrap_or(text.len());
    let end = start.saturating_add(bytes_max).min(text.len());
    let end = (start..=end).rev().find(|&n| text.is_char_boundary(n)).unwrap_or(start);
    let (before, behind) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
    format!("{before}{}{behind}", text.get(start..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let headers = BTreeMap::from([("x-frame-options".to_owned(), "deny".to_owned())]);
        Seen {
            reply: Ok(Response { status: 200, headers, body: b"hello world".to_vec(), cut: false }),
            answers_still: true,
            process: ProcessState::Alive,
            log: "started\n".to_owned(),
            log_cut: false,
            servers: BTreeMap::from([("ok".to_owned(), vec!["GET /x".to_owned()])]),
            memory_peak_bytes: Some(100),
            memory_to_the_end: true,
        }
    }

    fn words(judged: &Judged) -> String {
        match judged {
            Judged::Met => "met".to_owned(),
            Judged::Unknown(_) => "unknown".to_owned(),
            Judged::NotMet(all) => all.iter().map(|d| d.what.as_str()).collect::<Vec<_>>().join(","),
        }
    }

    fn expecting(change: impl FnOnce(&mut HttpExpect)) -> HttpExpect {
        let mut expect = HttpExpect { status: Some(200), ..HttpExpect::default() };
        change(&mut expect);
        expect
    }

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&t| t.to_owned()).collect()
    }

    #[test]
    fn each_expectation_is_met_or_named() {
        let map = |name: &str, texts: &[&str]| BTreeMap::from([(name.to_owned(), list(texts))]);
        let header = |value: &str| BTreeMap::from([("X-Frame-Options".to_owned(), value.to_owned())]);
        type Change = Box<dyn FnOnce(&mut HttpExpect)>;
        let cases: Vec<(Change, &str)> = vec![
            (Box::new(|_| {}), "met"),
            (Box::new(|e| e.status = Some(404)), "status"),
            (Box::new(move |e| e.header = header("deny")), "met"),
            (Box::new(move |e| e.header = header("DENY")), "header X-Frame-Options"),
            (Box::new(|e| e.header_absent = list(&["X-FRAME-OPTIONS"])), "header X-FRAME-OPTIONS"),
            (Box::new(|e| e.header_absent = list(&["other"])), "met"),
            (Box::new(|e| e.body_contains = list(&["hello", "moon"])), "body"),
            (Box::new(|e| e.body_absent = list(&["world"])), "body"),
            (Box::new(|e| e.body_absent = list(&["moon"])), "met"),
            (Box::new(|e| e.log_contains = list(&["started"])), "met"),
            (Box::new(|e| e.log_contains = list(&["stopped"])), "log"),
            (Box::new(|e| e.log_absent = list(&["start"])), "log"),
            (Box::new(move |e| e.server_saw = map("ok", &["GET /x"])), "met"),
            (Box::new(move |e| e.server_saw = map("ok", &["GET /y"])), "server ok"),
            (Box::new(move |e| e.server_saw_not = map("ok", &["GET"])), "server ok"),
            (Box::new(move |e| e.server_saw_not = map("ok", &["secret"])), "met"),
            (Box::new(move |e| e.server_saw_not = map("idle", &["secret"])), "unknown"),
            (Box::new(|e| e.process = Some(Process::Alive)), "met"),
            (Box::new(|e| e.process = Some(Process::Exited)), "process"),
            (Box::new(|e| e.memory_bytes_max = Some(100)), "met"),
            (Box::new(|e| e.memory_bytes_max = Some(99)), "memory"),
            (Box::new(|e| e.reply = Reply::TimedOut), "reply"),
        ];
        for (number, (change, expected)) in cases.into_iter().enumerate() {
            let expect = expecting(change);
            assert_eq!(words(&http(&expect, &seen())), expected, "case {number}");
        }
    }

    #[test]
    fn what_was_not_read_to_its_end_is_not_absent() {
        let mut cut = seen();
        cut.log_cut = true;
        if let Ok(response) = &mut cut.reply {
            response.cut = true;
        }
        for (change, expected) in [
            (expecting(|e| e.body_absent = list(&["moon"])), "unknown"),
            (expecting(|e| e.body_absent = list(&["hello"])), "body"),
            (expecting(|e| e.body_contains = list(&["moon"])), "unknown"),
            (expecting(|e| e.body_contains = list(&["hello"])), "met"),
            (expecting(|e| e.log_absent = list(&["x"])), "unknown"),
            (expecting(|e| e.log_contains = list(&["x"])), "unknown"),
        ] {
            assert_eq!(words(&http(&change, &cut)), expected, "{change:?}");
        }
    }

    #[test]
    fn a_peak_that_was_not_seen_to_the_end_holds_no_bound() {
        let bound = |max| expecting(|e| e.memory_bytes_max = Some(max));
        let polled = Seen { memory_to_the_end: false, ..seen() };
        let never = Seen { memory_peak_bytes: None, ..polled.clone() };
        for (max, seen, expected) in [
            (100, &polled, "unknown"),
            (99, &polled, "memory"),
            (100, &never, "unknown"),
            (99, &never, "unknown"),
        ] {
            assert_eq!(words(&http(&bound(max), seen)), expected, "{max} {:?}", seen.memory_peak_bytes);
        }
    }

    #[test]
    fn no_answer_is_told_from_a_component_that_is_dead() {
        let expect = HttpExpect { reply: Reply::TimedOut, ..HttpExpect::default() };
        let hanging = Seen { reply: Err(NoAnswer::TimedOut), ..seen() };
        assert_eq!(http(&expect, &hanging), Judged::Met);
        let dead = Seen { answers_still: false, ..hanging.clone() };
        assert_eq!(words(&http(&expect, &dead)), "unknown");
        let broken = Seen { reply: Err(NoAnswer::Broken("reset".to_owned())), ..hanging };
        assert_eq!(words(&http(&expect, &broken)), "reply");
        let alive = expecting(|e| e.process = Some(Process::Alive));
        assert_eq!(words(&http(&alive, &Seen { answers_still: false, ..seen() })), "process");
        let status = expecting(|e| e.process = Some(Process::ExitStatus(2)));
        for (state, expected) in [
            (ProcessState::Exited(2), "met"),
            (ProcessState::Exited(1), "process"),
            (ProcessState::Signalled(2), "process"),
            (ProcessState::LimitReached, "process"),
        ] {
            assert_eq!(words(&http(&status, &Seen { process: state, ..seen() })), expected, "{state:?}");
        }
    }

    #[test]
    fn one_answer_comes_from_all_alternatives() {
        let not = |n: usize| Judged::NotMet(vec![difference("status", "1", "2"); n]);
        let word = |judged: &[Judged]| answer(judged.to_vec(), "1.0").word();
        assert_eq!(word(&[]), "could not tell");
        assert_eq!(word(&[not(1), Judged::Met]), "holds");
        assert_eq!(word(&[Judged::Unknown(String::new()), Judged::Met]), "holds");
        assert_eq!(word(&[not(1), Judged::Unknown(String::new())]), "could not tell");
        match answer(vec![not(3), not(1), not(2)], "1.0") {
            Answer::DoesNotHold { differences } => assert_eq!(differences.len(), 1),
            other => assert_eq!(other.word(), "does not hold"),
        }
    }

    #[test]
    fn excerpts_are_cut_at_characters() {
        assert_eq!(around("abc", 0, 10), "abc");
        assert_eq!(around("äöüäöü", 6, 5), "…üä…");
        assert_eq!(around("abcdef", 6, 2), "…ef");
        assert_eq!(around("", 0, 2), "");
        for at in 0..=12 {
            assert!(around("äöüäöü", at, 3).trim_matches('…').len() <= 3);
        }
    }
}
