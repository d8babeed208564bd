//! From arguments to a [`Command`].

use std::{ffi::OsString, net::SocketAddr, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command as Parser, builder::ValueParser};

use crate::{
    admin,
    callers::{Caller, InvalidName},
    cli::{
        AuditQuestion, Command, Exit, Extent, Sandbox, SessionOrder, Turn, audit::AuditVerb, complain,
        exit::EXIT_CODES, explain,
    },
    config::{self, Flags, SETTINGS},
};

/// Parses the arguments, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Unparsed> {
    let matches = parser().try_get_matches_from(arguments).map_err(Unparsed)?;
    Ok(match matches.subcommand() {
        None => Command::Serve(flags(&matches)),
        Some(("sandbox", matches)) => Command::Sandbox(sandbox(matches)),
        Some(("check", matches)) => Command::Check(flags(matches)),
        Some(("healthcheck", matches)) => Command::Healthcheck(flags(matches)),
        Some(("status", matches)) => Command::Status(flags(matches)),
        Some(("session", matches)) => session(matches),
        Some(("key", matches)) => key(matches),
        Some(("kill", matches)) => {
            Command::Kill(Turn::Kill { cancel_working: matches.get_flag(CANCEL_WORKING) }, flags(matches))
        }
        Some(("release", matches)) => Command::Kill(Turn::Release, flags(matches)),
        Some(("explain", matches)) => Command::Explain(explain::asked(matches), flags(matches)),
        Some(("audit", matches)) => audit(matches),
        Some((_, matches)) => Command::Serve(flags(matches)),
    })
}

/// Arguments that are no command: mistakes, or a wish for help or the version.
#[derive(Debug)]
pub struct Unparsed(clap::Error);

impl Unparsed {
    /// Prints what there is to say, to where it belongs.
    pub fn explain(self) -> Exit {
        if self.0.use_stderr() {
            complain(&self.0.to_string().trim_end());
            Exit::Usage
        } else {
            // A closed pipe (`--help | head -1`) is nobody's failure.
            let _ = self.0.print();
            Exit::Success
        }
    }
}

fn parser() -> Parser {
    Parser::new("tradovate-proxy")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Owns one Tradovate session: plain local HTTP in, authenticated requests out")
        .args(setting_flags(&[]))
        .args_conflicts_with_subcommands(true)
        .subcommand(Parser::new("serve").about("Run the proxy (the default)").args(setting_flags(&[])))
        .subcommand(
            Parser::new("sandbox")
                .about("Run a simulated Tradovate with the proxy in front of it: no account needed")
                .args(setting_flags(SANDBOX_SETTINGS))
                .args(sandbox_flags()),
        )
        .subcommand(
            Parser::new("check")
                .about("Read the configuration and show it, secrets hidden, or all that is wrong with it")
                .args(setting_flags(&[])),
        )
        .subcommand(
            Parser::new("healthcheck")
                .about("Ask the running proxy's /readyz: status 0 if it is ready, else 1 and the reason")
                .args(setting_flags(ADMIN_SETTINGS)),
        )
        .subcommand(
            Parser::new("status")
                .about("Show how a running proxy stands, and what to do: status 0 if it is ready, else 1")
                .args(setting_flags(ADMIN_SETTINGS)),
        )
        .subcommand(
            Parser::new("session")
                .about("Have a running proxy renew its session, open one, lend its seat or take it back")
                .subcommand_required(true)
                .subcommands(ORDERS.iter().map(order_parser)),
        )
        .subcommand(
            Parser::new("key")
                .about("Make a key for a caller or an operator: prints it once, and what recognises it")
                .arg(
                    Arg::new(NAME)
                        .value_name("NAME")
                        .required(true)
                        .value_parser(is_name)
                        .help("What logs and metrics call whoever has it: letters, digits, `-`, `_` and `.`"),
                ),
        )
        .subcommand(
            Parser::new("kill")
                .about("Turn a running proxy's kill switch on: nothing passes but reads, cancels and liquidations")
                .args(setting_flags(ADMIN_SETTINGS))
                .arg(
                    Arg::new(CANCEL_WORKING)
                        .long(CANCEL_WORKING)
                        .action(ArgAction::SetTrue)
                        .help("Cancel all working orders too, protective stops among them"),
                ),
        )
        .subcommand(
            Parser::new("release")
                .about("Turn a running proxy's kill switch off")
                .args(setting_flags(ADMIN_SETTINGS)),
        )
        .subcommand(
            Parser::new("explain")
                .about("Say what would become of a request, and which rule decides: status 1 if it would be refused")
                .args(explain::arguments())
                .args(setting_flags(&[])),
        )
        .subcommand(audit_parser())
        .after_long_help(format!("{}\n\n{EXIT_CODES}", config::help()))
}

fn is_name(text: &str) -> Result<String, InvalidName> {
    text.parse::<Caller>().map(|_| text.to_owned())
}

/// The flags of the settings in `only`, or of all when that is empty.
fn setting_flags(only: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting, setting.flag_name()?)))
        .filter(|(_, name)| only.is_empty() || only.contains(name))
        .map(|(setting, name)| {
            let help = format!("{} [{}, default: {}]", setting.what, setting.env, setting.default);
            Arg::new(name).long(name).value_name(setting.form).help(help.replace('`', ""))
        })
}

fn flags(matches: &ArgMatches) -> Flags {
    SETTINGS
        .iter()
        .filter_map(|setting| {
            let name = setting.flag_name()?;
            // Not every command has every flag.
            let value = matches.try_get_one::<String>(name).ok()??;
            Some((name, value.clone()))
        })
        .collect()
}

/// One order of `session`.
struct OrderForm {
    name: &'static str,
    path: &'static str,
    about: &'static str,
    /// The terms that say for how long, and until when, with their help.
    terms: Option<[(&'static str, &'static str); 2]>,
}

const ORDERS: &[OrderForm] = &[
    OrderForm {
        name: "renew",
        path: "/session/renew",
        about: "Extend the session now, inside the budget of renewals",
        terms: None,
    },
    OrderForm {
        name: "acquire",
        path: "/session/acquire",
        about: "Open a session now, inside the budget of logins; it may end another program's",
        terms: None,
    },
    OrderForm {
        name: "pause",
        path: "/session/pause",
        about: "Lend the seat: use no session, and answer every request with 503",
        terms: Some([
            ("for", "Take it back by itself after this long"),
            ("until", "Take it back by itself at this instant"),
        ]),
    },
    OrderForm {
        name: "resume",
        path: "/session/resume",
        about: "Take the seat back, after a pause or after another login took it",
        terms: Some([
            ("in", "Not now: end the pause after this long"),
            ("at", "Not now: end the pause at this instant"),
        ]),
    },
];

fn order_parser(form: &OrderForm) -> Parser {
    let parser = Parser::new(form.name).about(form.about).args(setting_flags(ADMIN_SETTINGS));
    let Some([(span, of_span), (instant, of_instant)]) = form.terms else { return parser };
    let is_span = |text: &str| admin::span(text).map(|_| text.to_owned());
    let is_instant = |text: &str| text.parse::<jiff::Timestamp>().map(|_| text.to_owned());
    let span = Arg::new(span).long(span).value_name("DURATION").help(of_span).value_parser(is_span);
    let instant = Arg::new(instant)
        .long(instant)
        .value_name("INSTANT")
        .help(format!("{of_instant}, such as 2026-11-23T08:00:00Z"))
        .value_parser(is_instant)
        .conflicts_with(span.get_id());
    parser.arg(span).arg(instant)
}

fn session(matches: &ArgMatches) -> Command {
    let required = "clap has seen to it that there is one of the orders";
    let (name, matches) = matches.subcommand().expect(required);
    let form = ORDERS.iter().find(|form| form.name == name).expect(required);
    let mut terms = form.terms.into_iter().flatten();
    let term = terms.find_map(|(name, _)| Some((name, matches.get_one::<String>(name)?.clone())));
    Command::Session(SessionOrder { path: form.path, term }, flags(matches))
}

fn key(matches: &ArgMatches) -> Command {
    Command::Key(matches.get_one::<String>(NAME).expect("clap has seen to it that there is a name").clone())
}

fn audit_parser() -> Parser {
    let verb = |name: &'static str, about: &'static str| {
        let directory = Arg::new(DIR)
            .long(DIR)
            .value_name("DIRECTORY")
            .value_parser(ValueParser::path_buf())
            .help("Where it is, if not where the settings say");
        Parser::new(name).about(about).args(setting_flags(AUDIT_SETTINGS)).arg(directory)
    };
    Parser::new("audit")
        .about("Check or show the order audit log, whether the proxy runs or not")
        .subcommand_required(true)
        .subcommand(verb(
            "verify",
            "Find any line that was changed, removed or cut off: status 0 if there is none, else 1",
        ))
        .subcommand(verb("show", "Show it, a line for each"))
}

fn audit(matches: &ArgMatches) -> Command {
    let (verb, matches) = match matches.subcommand() {
        Some(("show", matches)) => (AuditVerb::Show, matches),
        Some((_, matches)) => (AuditVerb::Verify, matches),
        None => unreachable!("clap has seen to it that there is one"),
    };
    Command::Audit(AuditQuestion { verb, directory: matches.get_one(DIR).cloned() }, flags(matches))
}

fn sandbox_flags() -> [Arg; 4] {
    [
        Arg::new(API_ONLY)
            .long(API_ONLY)
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["listen", "admin-listen"])
            .help("Run the simulated API alone, without the proxy"),
        Arg::new(API_LISTEN)
            .long(API_LISTEN)
            .value_name("ADDRESS:PORT")
            .value_parser(address())
            .default_value("127.0.0.1:9480")
            .help("Where the simulated API answers in plain HTTP"),
        Arg::new(API_TLS_LISTEN)
            .long(API_TLS_LISTEN)
            .value_name("ADDRESS:PORT")
            .value_parser(address())
            .default_value_if(API_ONLY, "true", "127.0.0.1:9443")
            .help("Where it answers over TLS [default: nowhere; with --api-only 127.0.0.1:9443]")
            .hide_default_value(true),
        Arg::new(TOKEN_LIFE)
            .long(TOKEN_LIFE)
            .value_name("DURATION")
            .value_parser(ValueParser::from(config::parse_duration))
            .default_value("80m")
            .help("How long its tokens live; below 15m a proxy runs into its own limit of renewals"),
    ]
}

fn sandbox(matches: &ArgMatches) -> Sandbox {
    let defaulted = "has a default value";
    Sandbox {
        flags: flags(matches),
        extent: if matches.get_flag(API_ONLY) { Extent::ApiOnly } else { Extent::WithProxy },
        api_listen: *matches.get_one::<SocketAddr>(API_LISTEN).expect(defaulted),
        api_tls_listen: matches.get_one::<SocketAddr>(API_TLS_LISTEN).copied(),
        token_life: *matches.get_one::<Duration>(TOKEN_LIFE).expect(defaulted),
    }
}

fn address() -> ValueParser {
    ValueParser::from(config::parse_address)
}

/// Settings that lead to a running proxy.
const ADMIN_SETTINGS: &[&str] = &["admin-listen", "config"];

/// Settings that mean something in front of the simulation too.
const SANDBOX_SETTINGS: &[&str] =
    &["listen", "admin-listen", "config", "log", "log-format", "workers", "drain-timeout", "upstream-http2"];

const NAME: &str = "name";
const CANCEL_WORKING: &str = "cancel-working";
/// Settings that lead to an audit log.
const AUDIT_SETTINGS: &[&str] = &["state-dir", "config"];

const DIR: &str = "dir";
const API_ONLY: &str = "api-only";
const API_LISTEN: &str = "api-listen";
const API_TLS_LISTEN: &str = "api-tls-listen";
const TOKEN_LIFE: &str = "token-life";

#[cfg(test)]
mod tests;
