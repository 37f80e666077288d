//! One probe on a component that is started: sends, waits until what is expected has had its time, and
//! judges.

use std::time::{Duration, Instant};

use super::answer::{Answer, Observed, ProcessState};
use super::http::NoAnswer;
use super::judge::{self, Judged, Seen, difference};
use super::launch::{NotStarted, Setting, Started, process_state};
use super::spec::{
    CliProbe, ConfigProbe, Configuration, FlagDefault, Handshake, HttpExpect, HttpProbe, Process, Reply,
    TlsProbe, Versions,
};
use super::tls::{Offered, offer, version_word};
use crate::rebuild::sandbox::Outcome;

/// What one probe gave: an error is a reason for which nothing can be told.
pub(super) type Asked = Result<(Answer, Observed), NotStarted>;

/// Between two looks at what is to settle.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What is expected to be absent has had its time after this: a log's writer is not faster than its
/// answer, and scrapes are waited for by `until-body-contains`.
const QUIET: Duration = Duration::from_millis(500);
/// For the question whether the component still answers.
const CONTROL_TIME: Duration = Duration::from_secs(3);

/// Those alternatives that are for the version.
fn applicable<'e, T>(
    all: &'e [T],
    setting: &Setting<'_>,
    versions: impl Fn(&T) -> Option<&Versions>,
) -> Vec<&'e T> {
    let version = setting.version.as_ref();
    all.iter()
        .filter(|one| versions(one).is_none_or(|v| version.is_some_and(|have| v.include(have))))
        .collect()
}

pub(super) fn http(
    started: &mut Started<'_>,
    probe: &HttpProbe,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    for (number, step) in probe.before.iter().enumerate() {
        match started.request(step) {
            Ok(response) if response.status < 400 => {}
            Ok(response) => {
                return Err(format!("request {} before it got status {}", number + 1, response.status));
            }
            Err(no_answer) => return Err(format!("request {} before it: {}", number + 1, no_answer.text())),
        }
    }
    let settle_until = Instant::now() + setting.limits.settle_time_max;
    let mut reply = started.request(&probe.request);
    if let Some(wanted) = &probe.request.until_body_contains {
        let there = |reply: &Result<super::http::Response, NoAnswer>| match reply {
            Ok(response) => String::from_utf8_lossy(&response.body).contains(wanted.as_str()),
            Err(_) => false,
        };
        while !there(&reply) && Instant::now() < settle_until && started.state()?.is_none() {
            std::thread::sleep(2 * LOOK_EVERY);
            reply = started.request(&probe.request);
        }
    }
    // Who breaks a connection off may be about to end.
    let quiet_until = Instant::now() + QUIET;
    while matches!(reply, Err(NoAnswer::Broken(_)))
        && Instant::now() < quiet_until
        && started.state()?.is_none()
    {
        std::thread::sleep(LOOK_EVERY);
    }
    let expects = applicable(&probe.expect, setting, |e| e.versions.as_ref());
    if expects.iter().any(|e| !e.log_absent.is_empty() || !e.server_saw_not.is_empty()) {
        std::thread::sleep(QUIET);
    }
    let settles = expects.iter().any(|e| {
        let ends = matches!(e.process, Some(Process::Exited | Process::ExitStatus(_)));
        ends || !e.log_contains.is_empty() || !e.server_saw.is_empty()
    });
    let wants_memory = expects.iter().any(|e| e.memory_bytes_max.is_some());
    loop {
        let seen = look(started, &reply, &expects, wants_memory)?;
        let judged: Vec<Judged> = expects.iter().map(|e| judge::http(e, &seen)).collect();
        let met = judged.contains(&Judged::Met);
        if met || !settles || wants_memory || Instant::now() >= settle_until {
            let observed = judge::observed(&seen, &probe.expect, setting.limits.excerpt_bytes_max);
            let answer = match judge::answer(judged, version) {
                // What we ended ourselves refutes nothing.
                Answer::DoesNotHold { .. } if seen.process == ProcessState::LimitReached => {
                    Answer::CouldNotTell { reason: "the component reached a limit and was ended".to_owned() }
                }
                answer => answer,
            };
            return Ok((answer, observed));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Looks at everything once.
fn look(
    started: &mut Started<'_>,
    reply: &Result<super::http::Response, NoAnswer>,
    expects: &[&HttpExpect],
    wants_memory: bool,
) -> Result<Seen, NotStarted> {
    let asks_again = expects.iter().any(|e| e.reply == Reply::TimedOut || e.process == Some(Process::Alive));
    let answers_still = asks_again && started.control(Instant::now() + CONTROL_TIME).is_ok();
    let mut process = started.process()?;
    let (mut memory_peak_bytes, mut memory_to_the_end) = (None, false);
    if wants_memory && let Some(run) = started.stop()? {
        memory_peak_bytes = Some(run.usage.peak_memory_bytes).filter(|bytes| *bytes > 0);
        memory_to_the_end = run.usage.peak_to_the_end;
        process = process_state(run);
    }
    let (log, log_cut) = started.log();
    let servers = started.servers_saw();
    let reply = reply.clone();
    Ok(Seen { reply, answers_still, process, log, log_cut, servers, memory_peak_bytes, memory_to_the_end })
}

pub(super) fn tls(
    started: &mut Started<'_>,
    probe: &TlsProbe,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    let deadline = Instant::now() + setting.limits.request_time_max;
    let offered = started.connect(deadline).and_then(|mut socket| offer(&mut socket, probe.offer));
    let word = match &offered {
        Ok(Offered::Chosen(code)) => format!("the server chose {}", version_word(*code)),
        Ok(Offered::Refused) => "refused: alert protocol_version".to_owned(),
        Ok(Offered::Alert(alert)) => format!("alert {alert}, which is not about the version"),
        Err(no_answer) => no_answer.text(),
    };
    let found = match &offered {
        Ok(Offered::Chosen(code)) if *code == probe.offer.code() => Handshake::Accepted,
        Ok(Offered::Refused) => Handshake::Refused,
        Ok(Offered::Chosen(_) | Offered::Alert(_)) | Err(_) => return Err(word),
    };
    let judged = applicable(&probe.expect, setting, |e| e.versions.as_ref()).into_iter().map(|expect| {
        if expect.handshake == found {
            Judged::Met
        } else {
            let expected = match expect.handshake {
                Handshake::Accepted => format!("TLS {} is accepted", probe.offer.word()),
                Handshake::Refused => format!("TLS {} is refused", probe.offer.word()),
            };
            Judged::NotMet(vec![difference("handshake", expected, &word)])
        }
    });
    let answer = judge::answer(judged.collect(), version);
    let process = Some(started.process()?);
    Ok((answer, Observed { handshake: Some(word), process, ..Observed::default() }))
}

pub(super) fn cli(
    started: &mut Started<'_>,
    probe: &CliProbe,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    let (status, log, cut) = to_its_end(started, setting)?;
    let expects = applicable(&probe.expect, setting, |e| e.versions.as_ref());
    let judged = expects.into_iter().map(|expect| {
        let as_http = HttpExpect {
            reply: Reply::Broken,
            log_contains: expect.output_contains.clone(),
            log_absent: expect.output_absent.clone(),
            process: Some(Process::ExitStatus(expect.exit_status)),
            ..HttpExpect::default()
        };
        judge::http(&as_http, &ended(status, &log, cut))
    });
    let answer = judge::answer(judged.collect(), version);
    let wanted: Vec<&str> =
        probe.expect.iter().flat_map(|e| e.output_contains.iter().map(String::as_str)).collect();
    Ok((answer, of_output(status, &log, &wanted, setting)))
}

/// A program that has ended, in the words of the judgement of HTTP probes.
fn ended(status: i32, log: &str, log_cut: bool) -> Seen {
    Seen {
        reply: Err(NoAnswer::Broken(String::new())),
        answers_still: false,
        process: ProcessState::Exited(status),
        log: log.to_owned(),
        log_cut,
        servers: std::collections::BTreeMap::new(),
        memory_peak_bytes: None,
        memory_to_the_end: false,
    }
}

fn of_output(status: i32, log: &str, wanted: &[&str], setting: &Setting<'_>) -> Observed {
    Observed {
        process: Some(ProcessState::Exited(status)),
        log_excerpt: Some(judge::excerpt_of_log(log, wanted, setting.limits.excerpt_bytes_max)),
        ..Observed::default()
    }
}

/// Waits for the end of a program; its exit status and output.
fn to_its_end(started: &mut Started<'_>, setting: &Setting<'_>) -> Result<(i32, String, bool), NotStarted> {
    let time = setting.limits.ready_time_max;
    let deadline = Instant::now() + time;
    while started.state()?.is_none() {
        if Instant::now() >= deadline {
            started.stop()?;
            return Err(format!("it did not end within {} s", time.as_secs()));
        }
        std::thread::sleep(LOOK_EVERY / 5);
    }
    let (log, cut) = started.log();
    match started.state()?.map(|run| run.outcome) {
        Some(Outcome::Exited { status }) => Ok((status, log, cut)),
        Some(outcome) => Err(format!("it did not end by itself: {}", outcome_text(outcome))),
        None => Err("it did not end".to_owned()),
    }
}

/// How a run ended, for people.
pub(super) fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Exited { status } => format!("exited with status {status}"),
        Outcome::Signalled { signal } => format!("ended by signal {signal}"),
        Outcome::TimedOut { after } => format!("ended after {} s", after.as_secs()),
        Outcome::LimitReached { limit } => format!("ended at the limit {}", limit.name()),
        Outcome::Stopped => "stopped by the probe".to_owned(),
    }
}

pub(super) fn config(
    started: &mut Started<'_>,
    probe: &ConfigProbe,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    let ready = started.ready()?;
    let process = started.process()?;
    let refused = matches!(process, ProcessState::Exited(status) if status != 0);
    if !ready && !refused {
        return Err(started.state()?.map_or_else(String::new, |run| outcome_text(run.outcome)));
    }
    let (log, log_cut) = started.log();
    let expects = applicable(&probe.expect, setting, |e| e.versions.as_ref());
    let judged = expects.into_iter().map(|expect| {
        let as_http = HttpExpect {
            reply: Reply::Broken,
            log_contains: expect.log_contains.clone(),
            log_absent: expect.log_absent.clone(),
            ..HttpExpect::default()
        };
        let judged = judge::http(&as_http, &ended(0, &log, log_cut));
        let accepted = expect.configuration == Configuration::Accepted;
        if accepted == ready {
            return judged;
        }
        let word = |accepted: bool| if accepted { "accepted" } else { "refused" };
        let wrong = difference("configuration", word(accepted), word(ready));
        match judged {
            Judged::NotMet(more) => Judged::NotMet([vec![wrong], more].concat()),
            Judged::Met | Judged::Unknown(_) => Judged::NotMet(vec![wrong]),
        }
    });
    let answer = judge::answer(judged.collect(), version);
    let wanted: Vec<&str> =
        probe.expect.iter().flat_map(|e| e.log_contains.iter().map(String::as_str)).collect();
    let log_excerpt = Some(judge::excerpt_of_log(&log, &wanted, setting.limits.excerpt_bytes_max));
    Ok((answer, Observed { process: Some(process), log_excerpt, ..Observed::default() }))
}

/// Asks the running server for its flags.
pub(super) fn flag_of_server(
    started: &mut Started<'_>,
    probe: &FlagDefault,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    let request = super::spec::Request {
        method: super::spec::Method::Get,
        path: "/api/v1/status/flags".to_owned(),
        headers: std::collections::BTreeMap::new(),
        body: None,
        until_body_contains: None,
        timeout_seconds: None,
    };
    let response = started.request(&request).map_err(|no_answer| no_answer.text())?;
    if response.status != 200 {
        return Err(format!("the server answered its flags with status {}", response.status));
    }
    let flags: serde_json::Value = serde_json::from_slice(&response.body)
        .map_err(|error| format!("the server's flags are not JSON: {error}"))?;
    let name = probe.flag.trim_start_matches('-');
    let found = flags.get("data").and_then(|data| data.get(name)).and_then(serde_json::Value::as_str);
    let found = found.ok_or_else(|| format!("the server knows no flag `{}`", probe.flag))?;
    Ok(of_default(probe, setting, version, found))
}

/// Reads the program's `--help`.
pub(super) fn flag_of_help(
    started: &mut Started<'_>,
    probe: &FlagDefault,
    setting: &Setting<'_>,
    version: &str,
) -> Asked {
    let (_, help, cut) = to_its_end(started, setting)?;
    if cut {
        return Err("the help is longer than what is kept".to_owned());
    }
    let found = default_in(&help, &probe.flag)?;
    Ok(of_default(probe, setting, version, &found))
}

fn of_default(probe: &FlagDefault, setting: &Setting<'_>, version: &str, found: &str) -> (Answer, Observed) {
    let fits = !applicable(std::slice::from_ref(probe), setting, |p| p.versions.as_ref()).is_empty();
    let judged = fits.then(|| match found == probe.default {
        true => Judged::Met,
        false => {
            let expected = format!("`{}`", probe.default);
            Judged::NotMet(vec![difference(
                &format!("default of {}", probe.flag),
                expected,
                format!("`{found}`"),
            )])
        }
    });
    let answer = judge::answer(judged.into_iter().collect(), version);
    (answer, Observed { default: Some(judge::shown(found)), ..Observed::default() })
}

/// The default in a help text as `kingpin` writes it: `--flag=VALUE`, the value quoted where it is a
/// text, an upper-case name of the flag where there is none. A switch has no value, and its help says
/// nothing of its default.
fn default_in(help: &str, flag: &str) -> Result<String, String> {
    let mut found = None;
    for line in help.lines() {
        let line = line.trim_start();
        let line = match line.split_once(", ") {
            Some((short, rest)) if short.len() == 2 && short.starts_with('-') => rest,
            _ => line,
        };
        let Some(rest) = line.strip_prefix(flag) else { continue };
        if let Some(value) = rest.strip_prefix('=') {
            found = Some(value);
            break;
        }
        if rest.is_empty() || rest.starts_with(' ') {
            return Err(format!("the help says no default of `{flag}`, which takes no value"));
        }
    }
    let value = found.ok_or_else(|| format!("the help names no flag `{flag}`"))?;
    if let Some(quoted) = value.strip_prefix('"') {
        let inner = quoted.split_once('"').map(|(inner, _)| inner);
        return inner.map(str::to_owned).ok_or_else(|| "a quotation in the help does not end".to_owned());
    }
    let value = value.split("  ").next().unwrap_or_default().trim_end();
    let value = value.strip_suffix(" ...").or_else(|| value.strip_suffix("...")).unwrap_or(value);
    let placeholder = flag.trim_start_matches('-').to_uppercase();
    match value {
        _ if value == placeholder => Ok(String::new()),
        _ if value.starts_with('<') => Err(format!("the help shows `{value}` instead of a default")),
        _ => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::default_in;

    #[test]
    fn defaults_are_read_from_a_help_text() {
        const HELP: &str = r#"usage: prog [<flags>]

Flags:
  -h, --[no-]help                Show context-sensitive help.
      --config.file="prog.yml"   Prometheus configuration file path.
      --web.listen-address=:9100 ...
                                 Addresses on which to listen.
      --web.config.file=""       Path to a file.
      --query.timeout=2m         Maximum time.
      --web.enable-lifecycle     Enable shutdown.
      --retention=RETENTION      How long.
      --other=<text>             Something.
      --web.listen=x             Another with the same beginning.
  -d, --dir=data                 With a short form.
"#;
        for (flag, expected) in [
            ("--config.file", Some("prog.yml")),
            ("--web.listen-address", Some(":9100")),
            ("--web.config.file", Some("")),
            ("--query.timeout", Some("2m")),
            ("--retention", Some("")),
            ("--dir", Some("data")),
            ("--web.listen", Some("x")),
            ("--web.enable-lifecycle", None),
            ("--other", None),
            ("--absent", None),
        ] {
            assert_eq!(default_in(HELP, flag).ok().as_deref(), expected, "{flag}");
        }
    }
}
