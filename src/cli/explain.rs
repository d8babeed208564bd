//! `explain METHOD PATH`: what would become of a request, and which rule decides. Asks no network.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::{
    cli::{Exit, complain, print},
    config::{Config, Environment, Flags, Purpose},
    downstream::Address,
    guard::{self, Marker, Situation},
    proxy::{Explained, Ground, explain as judge},
    tradovate::Endpoints,
};

/// The request to explain, in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    method: String,
    path: String,
    body: Option<PathBuf>,
    headers: Vec<String>,
    json: bool,
}

/// Says what a proxy with this configuration, started now, would do with the request. A success exactly when it would
/// not refuse it.
pub fn explain(asked: &Explain, flags: &Flags, environment: &Environment) -> Exit {
    let config = match Config::load(Purpose::Serve, flags, environment) {
        Ok(config) => config,
        Err(errors) => {
            complain(&errors);
            return Exit::Config;
        }
    };
    let body = match asked.body.as_deref().map_or_else(|| Ok(Vec::new()), read) {
        Ok(body) => body,
        Err(error) => {
            complain(&format_args!("the body cannot be read: {error}"));
            return Exit::Usage;
        }
    };
    let marker = Marker::In(config.state_dir.clone());
    let situation = Situation {
        environment: config.environment.name(),
        killed: guard::at_start(&marker, config.guards.kill_file.as_deref()),
    };
    let addresses: Vec<_> = config
        .listening
        .callers
        .iter()
        .filter_map(|address| match address {
            Address::Tcp(address) => Some(address.ip()),
            Address::Unix(_) => None,
        })
        .collect();
    let ground = Ground {
        api: config.api,
        callers: &config.callers,
        addresses: &addresses,
        endpoints: &Endpoints::new(),
        content_types: &config.content_types,
        limits: &config.limits,
        rules: &config.guards,
        situation: &situation,
    };
    match judge(&ground, asked.head(body.len()).as_bytes(), &body) {
        Ok(explained) => {
            print(&if asked.json { in_json(&explained) } else { asked.in_words(&explained) });
            if explained.is_refused() { Exit::Failure } else { Exit::Success }
        }
        Err(unexplained) => {
            complain(&unexplained);
            Exit::Usage
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        io::stdin().read_to_end(&mut body)?;
        return Ok(body);
    }
    fs::read(path)
}

impl Explain {
    /// The head as a client would write it.
    fn head(&self, length: usize) -> String {
        let has = |name: &str| {
            let mut names = self.headers.iter().filter_map(|header| header.split(':').next());
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !has("host") {
            head.push_str("Host: localhost\r\n");
        }
        for header in &self.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if self.body.is_some() {
            if !has("content-type") {
                head.push_str("Content-Type: application/json\r\n");
            }
            // Writing to a String cannot fail.
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        head + "\r\n"
    }

    fn in_words(&self, explained: &Explained) -> String {
        let mut text = format!("request   {} {}\n", self.method, self.path);
        // Writing to a String cannot fail.
        if let (Some(operation), Some(effect)) = (explained.operation, explained.effect) {
            let relief = if explained.relief { ", takes risk away" } else { "" };
            let _ = writeln!(text, "endpoint  {operation}: {effect}{relief}");
        }
        for (index, found) in explained.rules.iter().enumerate() {
            let label = if index == 0 { "rules" } else { "" };
            let _ = writeln!(text, "{label:9} {}: {}", found.rule, found.finds);
        }
        let _ = match (explained.rule, explained.status) {
            (Some(rule), status) => writeln!(
                text,
                "verdict   refused by {rule}: {} {}\n          {}\n          {}",
                status.unwrap_or_default(),
                explained.code.unwrap_or_default(),
                explained.detail.as_deref().unwrap_or_default(),
                explained.help.as_deref().unwrap_or_default(),
            ),
            (None, Some(_)) => writeln!(text, "verdict   answered by the proxy itself: nothing is sent"),
            (None, None) => writeln!(text, "verdict   forwarded, once there is a token"),
        };
        text.replace(|c: char| c.is_control() && c != '\n', " ")
    }
}

fn in_json(explained: &Explained) -> String {
    serde_json::to_string_pretty(explained).unwrap_or_default() + "\n"
}

/// The arguments besides the settings.
pub(super) fn arguments() -> [Arg; 5] {
    [
        Arg::new(METHOD).required(true).value_name("METHOD").help("The request's method"),
        Arg::new(PATH)
            .required(true)
            .value_name("PATH")
            .help("Its path, and its query if it has one: /v1/order/placeorder"),
        Arg::new(BODY).long(BODY).value_name("FILE").value_parser(value_parser!(PathBuf)).help(
            "A file with its body, or - for standard input; application/json unless a header says otherwise",
        ),
        Arg::new(HEADER)
            .long(HEADER)
            .value_name("NAME: VALUE")
            .action(ArgAction::Append)
            .value_parser(header)
            .help("A header; may be given again"),
        Arg::new(JSON).long(JSON).action(ArgAction::SetTrue).help("Print JSON"),
    ]
}

pub(super) fn asked(matches: &ArgMatches) -> Explain {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    Explain {
        method: text(METHOD),
        path: text(PATH),
        body: matches.get_one::<PathBuf>(BODY).cloned(),
        headers: matches.get_many::<String>(HEADER).into_iter().flatten().cloned().collect(),
        json: matches.get_flag(JSON),
    }
}

fn header(text: &str) -> Result<String, &'static str> {
    let is_one_line = !text.contains(char::is_control) && !text.starts_with([' ', ':']);
    if is_one_line && text.contains(':') {
        Ok(text.to_owned())
    } else {
        Err("not a header such as 'X-Expect-Env: demo'")
    }
}

const METHOD: &str = "method";
const PATH: &str = "path";
const BODY: &str = "body";
const HEADER: &str = "header";
const JSON: &str = "json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_what_a_client_would_write() {
        let mut asked = Explain {
            method: "POST".to_owned(),
            path: "/v1/order/placeorder".to_owned(),
            body: Some("order.json".into()),
            headers: vec!["X-Expect-Env: demo".to_owned()],
            json: false,
        };
        assert_eq!(
            asked.head(2),
            "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nX-Expect-Env: demo\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        );
        asked.headers = vec!["host: a".to_owned(), "content-TYPE: text/plain".to_owned()];
        asked.body = None;
        assert_eq!(
            asked.head(0),
            "POST /v1/order/placeorder HTTP/1.1\r\nhost: a\r\ncontent-TYPE: text/plain\r\n\r\n"
        );
        for bad in ["", "X", ": x", " A: b", "A: b\r\nC: d"] {
            assert!(header(bad).is_err(), "{bad:?}");
        }
    }
}
