//! The documents and the program speak of the same things. That the table of settings is the true one is tested
//! where the table is made.

use std::{collections::BTreeSet, fs, path::Path};

use rustix::process::Signal;
use tradovate_proxy::{
    cli,
    config::{SETTINGS, Setting},
};

use crate::support::{
    api::address_in,
    http::{self, Connection},
    patience::until,
    process::{Process, program},
};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_readmes_metrics_are_those_of_the_sandbox() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("<!-- metrics -->").expect("README has a metrics section");
    let (section, _) = rest.split_once("<!-- metrics end -->").expect("README's metrics section ends");
    let first_cells = section.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let documented: BTreeSet<String> = first_cells.filter_map(name_in).collect();
    assert!(documented.len() > 5, "no table in {section}");

    let scraped = metrics_of_a_sandbox();
    let is_ours = |name: &&String| name.starts_with("tradovate_proxy_");
    let unknown: Vec<_> = documented.difference(&scraped).collect();
    assert!(unknown.is_empty(), "README has metrics that there are not: {unknown:?}");
    let untold: Vec<_> = scraped.difference(&documented).filter(is_ours).collect();
    assert!(untold.is_empty(), "README does not have these metrics: {untold:?}");
}

/// The name in the first backticks of a table's cell, without labels.
fn name_in(cell: &str) -> Option<String> {
    let name = cell.split('`').nth(1)?;
    Some(name.split('{').next()?.to_owned())
}

/// What a scraper finds after a request or two.
fn metrics_of_a_sandbox() -> BTreeSet<String> {
    let any = "127.0.0.1:0";
    let flags = ["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any];
    let sandbox = Process::start(program(&flags));
    let proxy = address_in(&sandbox.line("proxy  "), "http://");
    let admin = address_in(&sandbox.line("admin  "), "http://");
    assert_eq!(http::get(proxy, "/v1/account/list").status, 200);
    // The answer comes before it is counted, and what was never counted is not there.
    let text = until("the request to be counted", || {
        let text = http::get(admin, "/metrics").text();
        text.contains("tradovate_proxy_requests_total{").then_some(text)
    });
    sandbox.signal(Signal::TERM);
    assert_eq!(sandbox.end().code, Some(0));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    types.map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboards_ask_for_metrics_that_there_are() {
    let scraped = metrics_of_a_sandbox();
    for file in ["docker/alerts.yml", "docker/alerts.test.yml"] {
        let text = read(file);
        let names: BTreeSet<&str> =
            words(&text).filter(|word| word.starts_with("tradovate_proxy_")).collect();
        assert!(!names.is_empty(), "{file} has no metrics");
        for name in names {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let is_known = scraped.contains(name) || family.is_some_and(|family| scraped.contains(family));
            assert!(is_known, "{file}: there is no {name}");
        }
    }
}

#[test]
fn the_container_files_name_settings_that_there_are() {
    names_settings("docker/Dockerfile", &[]);
    for file in ["docker/compose.yaml", "docker/compose.sandbox.yaml"] {
        // The directory that compose takes the secrets from, for compose itself.
        names_settings(file, &["TRADOVATE_SECRETS"]);
    }
}

#[test]
fn the_readme_names_settings_that_there_are() {
    names_settings("README.md", &[]);
}

/// Every variable in `file` is a setting, or one of `others`.
fn names_settings(file: &str, others: &[&str]) {
    let names = |setting: &Setting| [Some(setting.env.to_owned()), setting.file_env()];
    let known: BTreeSet<String> = SETTINGS.iter().flat_map(|setting| names(setting)).flatten().collect();
    let is_known = |name: &str| known.contains(name) || others.contains(&name);
    // `TRADOVATE_` and the like stand for all that begin so.
    let is_prefix = |name: &str| name.ends_with('_') && known.iter().any(|known| known.starts_with(name));
    let text = read(file);
    for name in words(&text).filter(|word| word.starts_with("TRADOVATE_")) {
        assert!(is_known(name) || is_prefix(name), "{file}: there is no {name}");
    }
}

#[test]
fn the_readmes_commands_are_commands() {
    let readme = read("README.md");
    let fenced: Vec<&str> = fenced(&readme).collect();
    assert!(fenced.iter().any(|line| line.starts_with("cargo run --release -- sandbox")), "{fenced:?}");
    assert!(fenced.iter().any(|line| line.starts_with("cargo test")), "{fenced:?}");
    for line in fenced {
        let line = line.split(" #").next().unwrap().trim_end_matches([' ', '&', '\\']);
        let mut words: Vec<&str> = line.split_whitespace().collect();
        // Variables before a command.
        words.drain(..words.iter().take_while(|word| word.contains('=')).count());
        let arguments = match words[..] {
            ["cargo", "run", "--release", "--", ref arguments @ ..] => arguments,
            [program, ref arguments @ ..] if program.rsplit('/').next() == Some("tradovate-proxy") => {
                arguments
            }
            ["cargo", "test", ref arguments @ ..] => {
                let known = ["--locked", "--release", "--all-targets", "--workspace", "--all-features"];
                assert!(arguments.iter().all(|argument| known.contains(argument)), "{line}");
                continue;
            }
            _ => continue,
        };
        let command = [&["tradovate-proxy"], arguments].concat();
        let is_wish = arguments.iter().any(|argument| ["--help", "-h", "--version"].contains(argument));
        assert!(is_wish || cli::parse(command.iter().map(Into::into)).is_ok(), "{line}");
    }
}

/// The lines in code fences, without a prompt.
fn fenced(markdown: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    markdown.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            is_inside = !is_inside;
            return None;
        }
        is_inside.then(|| line.trim().trim_start_matches("$ "))
    })
}

#[test]
fn advice_names_settings_that_there_are() {
    let any = "127.0.0.1:0";
    let mut command = program(&["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any]);
    command.env("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "50ms").env("TRADOVATE_PROXY_LIMIT_BODY_BYTES", "1");
    let sandbox = Process::start(command);
    let proxy = address_in(&sandbox.line("proxy  "), "http://");
    for (request, status) in [
        ("GET /v1/account/list HTTP/1.1\r\n", 408),
        (
            "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{}",
            413,
        ),
    ] {
        let mut connection = Connection::open(proxy).unwrap();
        connection.write(request).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        let help = answer.json()["help"].as_str().unwrap().to_owned();
        let named: Vec<&str> = help
            .split([' ', ';', ','])
            .filter(|word| word.starts_with("limits.") || word.starts_with("timeouts."))
            .collect();
        assert!(!named.is_empty(), "{help}");
        for name in named {
            assert!(SETTINGS.iter().any(|setting| setting.key == name), "there is no {name}: {help}");
        }
    }
}

/// Runs of characters that names are made of.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}
