//! What a specification must be before it is run: within bounds, without contradiction, and such that a
//! server that is not there does not meet it.

use std::collections::BTreeMap;

use miette::Diagnostic;

use super::{
    CliProbe, ConfigProbe, Configuration, File, FlagDefault, HttpExpect, HttpProbe, Launch, Probe, Process,
    Reply, Request, Scheme, Server, TlsProbe,
};
use crate::limits::probe::{
    BOMB_BYTES_MAX, ENTRIES_MAX, REQUEST_SECONDS_MAX, SERIES_MAX, SERVERS_MAX, TEXT_BYTES_MAX,
};

/// Why a specification is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SpecError {
    /// A server that is not there would meet it.
    #[error("`{place}` expects nothing that a dead server could not give")]
    #[diagnostic(
        code(probe::cannot_fail),
        help(
            "expect something that only a living server shows: a status, a header, a text of the body or the log"
        )
    )]
    CannotFail {
        /// Which part, e.g. `expect[0]`.
        place: String,
    },
    /// No server can meet it.
    #[error("`{place}` cannot be met: {detail}")]
    #[diagnostic(code(probe::cannot_hold), help("take out one of the two that exclude each other"))]
    CannotHold {
        /// Which part.
        place: String,
        /// What excludes what.
        detail: String,
    },
    /// Something in it is not as it must be.
    #[error("`{place}`: expected {expected}, found {found}")]
    #[diagnostic(code(probe::specification), help("mend the specification as described"))]
    Malformed {
        /// Which part.
        place: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

type Checked = Result<(), SpecError>;

fn malformed(place: &str, expected: impl Into<String>, found: impl Into<String>) -> SpecError {
    SpecError::Malformed { place: place.to_owned(), expected: expected.into(), found: found.into() }
}

fn require(good: bool, place: &str, expected: &str, found: &str) -> Checked {
    if good { Ok(()) } else { Err(malformed(place, expected, format!("`{}`", found.escape_debug()))) }
}

fn count(len: usize, max: usize, place: &str) -> Checked {
    if len <= max { Ok(()) } else { Err(malformed(place, format!("at most {max} entries"), len.to_string())) }
}

fn text(text: &str, place: &str) -> Checked {
    if text.len() > TEXT_BYTES_MAX {
        return Err(malformed(place, format!("at most {TEXT_BYTES_MAX} bytes"), text.len().to_string()));
    }
    Ok(())
}

impl Probe {
    /// Refuses a specification that is malformed, that nothing could meet, or that a dead server would.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn check(&self) -> Checked {
        match self {
            Self::HttpProbe(probe) => http(probe),
            Self::TlsProbe(probe) => tls(probe),
            Self::CliProbe(probe) => cli(probe),
            Self::FlagDefault(probe) => flag(probe),
            Self::ConfigProbe(probe) => config(probe),
        }
    }
}

fn http(probe: &HttpProbe) -> Checked {
    launch(&probe.launch)?;
    count(probe.before.len(), ENTRIES_MAX, "before")?;
    for (index, step) in probe.before.iter().enumerate() {
        request(step, &probe.launch, &format!("before[{index}]"))?;
    }
    request(&probe.request, &probe.launch, "request")?;
    alternatives(&probe.expect, |expect, place| http_expect(expect, &probe.launch, place))
}

/// At least one, each checked under its place.
fn alternatives<T>(all: &[T], check: impl Fn(&T, &str) -> Checked) -> Checked {
    count(all.len(), ENTRIES_MAX, "expect")?;
    if all.is_empty() {
        return Err(SpecError::CannotFail { place: "expect".to_owned() });
    }
    all.iter().enumerate().try_for_each(|(index, one)| check(one, &format!("expect[{index}]")))
}

fn http_expect(expect: &HttpExpect, launch: &Launch, place: &str) -> Checked {
    let HttpExpect { status, header, header_absent, body_contains, body_absent, .. } = expect;
    let within = |name: &str| format!("{place}.{name}");
    if let Some(status) = *status {
        require((100..600).contains(&status), &within("status"), "100 to 599", &status.to_string())?;
    }
    headers(header, &within("header"))?;
    count(header_absent.len(), ENTRIES_MAX, &within("header-absent"))?;
    for name in header_absent {
        require(is_token(name), &within("header-absent"), "a header field's name", name)?;
    }
    texts_and_not(body_contains, body_absent, place, "body")?;
    texts_and_not(&expect.log_contains, &expect.log_absent, place, "log")?;
    for (name, list) in [("server-saw", &expect.server_saw), ("server-saw-not", &expect.server_saw_not)] {
        for (server, wanted) in list {
            let place = within(&format!("{name}.{server}"));
            require(launch.servers.contains_key(server), &place, "a server of the launch", server)?;
            if wanted.is_empty() {
                return Err(SpecError::CannotFail { place });
            }
            texts(wanted, &place)?;
        }
    }
    for (server, wanted) in &expect.server_saw {
        let refused = expect.server_saw_not.get(server).map(Vec::as_slice).unwrap_or_default();
        disjoint(wanted, refused, &within(&format!("server-saw.{server}")))?;
    }
    let lower = |name: &String| name.to_ascii_lowercase();
    let named: Vec<String> = header.keys().map(lower).collect();
    disjoint(&named, &header_absent.iter().map(lower).collect::<Vec<_>>(), &within("header"))?;

    let of_answer = status.is_some()
        || !(header.is_empty()
            && header_absent.is_empty()
            && body_contains.is_empty()
            && body_absent.is_empty());
    if expect.reply != Reply::Answered && of_answer {
        let detail = "without an answer there is neither status, header nor body".to_owned();
        return Err(SpecError::CannotHold { place: place.to_owned(), detail });
    }
    if expect.reply == Reply::TimedOut
        && matches!(expect.process, Some(Process::Exited | Process::ExitStatus(_)))
    {
        let detail = "a request that waits in vain needs a process that lives".to_owned();
        return Err(SpecError::CannotHold { place: place.to_owned(), detail });
    }
    let positive = match expect.reply {
        Reply::Answered => {
            status.is_some()
                || !header.is_empty()
                || !body_contains.is_empty()
                || !expect.log_contains.is_empty()
                || !expect.server_saw.is_empty()
        }
        // Other requests must be answered at the same time: see `Reply`.
        Reply::TimedOut => true,
        // A crash for another reason must not count.
        Reply::Broken => !expect.log_contains.is_empty() || !expect.server_saw.is_empty(),
    };
    if positive { Ok(()) } else { Err(SpecError::CannotFail { place: place.to_owned() }) }
}

fn tls(probe: &TlsProbe) -> Checked {
    launch(&probe.launch)?;
    if probe.launch.scheme != Scheme::Https {
        return Err(malformed("launch.scheme", "`https`", "`http`"));
    }
    alternatives(&probe.expect, |_, _| Ok(()))
}

fn cli(probe: &CliProbe) -> Checked {
    launch(&probe.launch)?;
    alternatives(&probe.expect, |expect, place| {
        texts_and_not(&expect.output_contains, &expect.output_absent, place, "output")?;
        // A program that cannot even start ends with a status other than 0.
        if expect.exit_status != 0 && expect.output_contains.is_empty() {
            return Err(SpecError::CannotFail { place: place.to_owned() });
        }
        Ok(())
    })
}

fn flag(probe: &FlagDefault) -> Checked {
    let name = probe.flag.strip_prefix("--").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    require(!name.is_empty() && name.chars().all(plain), "flag", "`--` and a name", &probe.flag)?;
    text(&probe.default, "default")?;
    match (&probe.component, &probe.launch) {
        (Some(component), None) => component_name(component, "component"),
        (None, Some(given)) => {
            launch(given)?;
            let sets = |arg: &&String| {
                arg.strip_prefix(&probe.flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
                    || arg.strip_prefix("--no-") == Some(name)
            };
            match given.args.iter().find(sets) {
                Some(arg) => Err(malformed("launch.args", "arguments without the flag", format!("`{arg}`"))),
                None => Ok(()),
            }
        }
        _ => Err(malformed("flag-default", "either `component` or `launch`", "both or none")),
    }
}

fn config(probe: &ConfigProbe) -> Checked {
    launch(&probe.launch)?;
    alternatives(&probe.expect, |expect, place| {
        texts_and_not(&expect.log_contains, &expect.log_absent, place, "log")?;
        if expect.configuration == Configuration::Refused && expect.log_contains.is_empty() {
            return Err(SpecError::CannotFail { place: place.to_owned() });
        }
        Ok(())
    })
}

fn launch(launch: &Launch) -> Checked {
    component_name(&launch.component, "launch.component")?;
    if let Some(program) = &launch.program {
        let plain = !program.is_empty() && !program.contains('\0') && !program.split('/').any(|p| p == "..");
        let good = plain && (program.starts_with('/') || !program.contains('/'));
        require(good, "launch.program", "a program's name or absolute path", program)?;
    }
    for (len, max, place) in [
        (launch.args.len(), ENTRIES_MAX, "launch.args"),
        (launch.files.len(), ENTRIES_MAX, "launch.files"),
        (launch.servers.len(), SERVERS_MAX, "launch.servers"),
    ] {
        count(len, max, place)?;
    }
    for arg in &launch.args {
        require(!arg.contains('\0'), "launch.args", "an argument without a zero byte", arg)?;
        filled(arg, launch, "launch.args")?;
    }
    for (path, file) in &launch.files {
        let place = format!("launch.files.{}", path.escape_debug());
        let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
        require(path.len() <= 255 && path.split('/').all(plain), &place, "a relative path", path)?;
        match file {
            File::Text(content) => filled(content, launch, &place)?,
            File::ByVersion(list) => {
                count(list.len(), ENTRIES_MAX, &place)?;
                if list.is_empty() {
                    return Err(malformed(&place, "at least one version's text", "none"));
                }
                list.iter().try_for_each(|one| filled(&one.text, launch, &place))?;
            }
            File::Special(_) => {}
        }
    }
    for (name, server) in &launch.servers {
        let place = format!("launch.servers.{}", name.escape_debug());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        require(good, &place, "a name of lower-case letters, digits and `-`", name)?;
        match server {
            Server::Answer { status, headers: fields, body, .. } => {
                require((200..600).contains(status), &place, "a status of 200 to 599", &status.to_string())?;
                headers(fields, &place)?;
                fields.values().try_for_each(|value| filled(value, launch, &place))?;
                filled(body, launch, &place)?;
            }
            Server::ManySeries { count } => {
                let expected = format!("1 to {SERIES_MAX} series");
                require((1..=SERIES_MAX).contains(count), &place, &expected, &count.to_string())?;
            }
            Server::GzipBomb { bytes } => {
                let expected = format!("1 to {BOMB_BYTES_MAX} bytes");
                require((1..=BOMB_BYTES_MAX).contains(bytes), &place, &expected, &bytes.to_string())?;
            }
            Server::Datagrams {} => {}
        }
    }
    if let Some(path) = &launch.ready {
        request_path(path, "launch.ready")?;
    }
    Ok(())
}

fn component_name(name: &str, place: &str) -> Checked {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
    require(good && name.len() <= 128, place, "a component's name", name)
}

/// A text in which placeholders may stand: those for servers must name one.
fn filled(content: &str, launch: &Launch, place: &str) -> Checked {
    text(content, place)?;
    for rest in content.split("{port:").skip(1) {
        let name = rest.split_once('}').map_or(rest, |(name, _)| name);
        require(launch.servers.contains_key(name), place, "a server of the launch in `{port:…}`", name)?;
    }
    Ok(())
}

fn request(request: &Request, launch: &Launch, place: &str) -> Checked {
    let within = |name: &str| format!("{place}.{name}");
    request_path(&request.path, &within("path"))?;
    filled(&request.path, launch, &within("path"))?;
    headers(&request.headers, &within("headers"))?;
    for (name, value) in &request.headers {
        let own = ["connection", "content-length", "transfer-encoding"];
        let good = !own.contains(&name.to_ascii_lowercase().as_str());
        require(good, &within("headers"), "a header field that is not set by itself", name)?;
        filled(value, launch, &within("headers"))?;
    }
    if let Some(body) = &request.body {
        filled(body, launch, &within("body"))?;
    }
    if let Some(wanted) = &request.until_body_contains {
        texts(std::slice::from_ref(wanted), &within("until-body-contains"))?;
    }
    if let Some(seconds) = request.timeout_seconds {
        let expected = format!("1 to {REQUEST_SECONDS_MAX} seconds");
        let good = (1..=REQUEST_SECONDS_MAX).contains(&seconds);
        require(good, &within("timeout-seconds"), &expected, &seconds.to_string())?;
    }
    Ok(())
}

/// What can stand in a request line without ending it.
fn request_path(path: &str, place: &str) -> Checked {
    let good = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic()) && path.len() <= 8192;
    require(good, place, "a path of printable ASCII that begins with `/`", path)
}

fn headers(fields: &BTreeMap<String, String>, place: &str) -> Checked {
    count(fields.len(), ENTRIES_MAX, place)?;
    for (name, value) in fields {
        require(is_token(name), place, "a header field's name", name)?;
        let good = value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) && value.len() <= 8192;
        require(good, place, "a header field's value of printable ASCII", value)?;
    }
    Ok(())
}

/// RFC 9110, 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// Every text contains the empty one, so that expecting it expects nothing.
fn texts(list: &[String], place: &str) -> Checked {
    count(list.len(), ENTRIES_MAX, place)?;
    for wanted in list {
        require(!wanted.is_empty(), place, "a text", wanted)?;
        text(wanted, place)?;
    }
    Ok(())
}

fn texts_and_not(contains: &[String], absent: &[String], place: &str, of: &str) -> Checked {
    texts(contains, &format!("{place}.{of}-contains"))?;
    texts(absent, &format!("{place}.{of}-absent"))?;
    disjoint(contains, absent, &format!("{place}.{of}-contains"))
}

/// A text that is there contains all texts inside it.
fn disjoint(contains: &[String], absent: &[String], place: &str) -> Checked {
    for refused in absent {
        if let Some(wanted) = contains.iter().find(|wanted| wanted.contains(refused.as_str())) {
            let detail = format!("`{}` contains `{}`", wanted.escape_debug(), refused.escape_debug());
            return Err(SpecError::CannotHold { place: place.to_owned(), detail });
        }
    }
    Ok(())
}
