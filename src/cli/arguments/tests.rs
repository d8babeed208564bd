use super::*;

fn parsed(arguments: &str) -> Result<Command, Exit> {
    let arguments = format!("tradovate-proxy {arguments}");
    parse(arguments.split_whitespace().map(OsString::from)).map_err(Unparsed::explain)
}

fn sandboxed(arguments: &str) -> Sandbox {
    let Ok(Command::Sandbox(sandbox)) = parsed(arguments) else { panic!("{arguments}") };
    sandbox
}

#[test]
fn the_parser_is_sound() {
    parser().debug_assert();
    let help = parser().render_long_help().to_string();
    for setting in SETTINGS.iter() {
        assert!(help.contains(setting.env), "{}", setting.env);
    }
    assert!(help.contains("78  the configuration"));
}

#[test]
fn serve_is_what_is_meant_when_nothing_is_said() {
    for arguments in ["--listen 127.0.0.1:1", "serve --listen 127.0.0.1:1"] {
        let Ok(Command::Serve(flags)) = parsed(arguments) else { panic!("{arguments}") };
        assert_eq!(format!("{flags:?}"), r#"Flags({"listen": "127.0.0.1:1"})"#);
    }
    let cancel_working = |arguments: &str| match parsed(arguments) {
        Ok(Command::Kill(Turn::Kill { cancel_working }, _)) => cancel_working,
        other => panic!("{other:?}"),
    };
    assert!(cancel_working("kill --cancel-working") && !cancel_working("kill"));
    assert!(matches!(parsed("release"), Ok(Command::Kill(Turn::Release, _))));
    assert!(matches!(parsed("explain GET /v1/a --json --header A:b --env demo"), Ok(Command::Explain(..))));
    assert!(matches!(parsed("check --env live"), Ok(Command::Check(_))));
    assert!(matches!(parsed("key desk-bot"), Ok(Command::Key(name)) if name == "desk-bot"));
    let Ok(Command::Audit(question, _)) = parsed("audit verify --state-dir s --dir d") else { panic!() };
    assert_eq!(question, AuditQuestion { verb: AuditVerb::Verify, directory: Some("d".into()) });
    assert!(matches!(parsed("healthcheck --admin-listen 127.0.0.1:1"), Ok(Command::Healthcheck(_))));
}

#[test]
fn mistakes_are_usage_and_help_is_success() {
    for mistake in [
        "--lisen x",
        "serv",
        "--listen",
        "sandbox --env live",
        "healthcheck --listen 127.0.0.1:1",
        "sandbox --api-only --listen 127.0.0.1:1",
        "sandbox --token-life 5",
        "--env demo serve",
        "status --listen 127.0.0.1:1",
        "session",
        "session stop",
        "session renew --for 30m",
        "session pause --for 0s",
        "session pause --for soon",
        "session pause --until tomorrow",
        "session pause --for 30m --until 2026-11-23T08:00:00Z",
        "session resume --for 30m",
        "key",
        "key local",
        "key two,names",
        "key desk --config x",
        "release --cancel-working",
        "kill --listen 127.0.0.1:1",
        "explain GET",
        "explain GET /v1/a --header X",
        "audit",
        "audit mend",
        "audit verify --listen 127.0.0.1:1",
    ] {
        assert_eq!(parsed(mistake).unwrap_err(), Exit::Usage, "{mistake}");
    }
    for wish in ["--help", "--version", "sandbox --help", "session --help", "session pause --help"] {
        assert_eq!(parsed(wish).unwrap_err(), Exit::Success, "{wish}");
    }
}

#[test]
fn an_order_is_a_path_and_at_most_one_term() {
    for (arguments, path, term) in [
        ("renew", "/session/renew", None),
        ("acquire --config x", "/session/acquire", None),
        ("pause", "/session/pause", None),
        ("pause --for 1h30m", "/session/pause", Some(("for", "1h30m"))),
        ("pause --until 2026-11-23T08:00:00Z", "/session/pause", Some(("until", "2026-11-23T08:00:00Z"))),
        ("resume --in 30m", "/session/resume", Some(("in", "30m"))),
        (
            "resume --at 2026-11-23T08:00:00Z --admin-listen [::1]:1",
            "/session/resume",
            Some(("at", "2026-11-23T08:00:00Z")),
        ),
    ] {
        let Ok(Command::Session(order, _)) = parsed(&format!("session {arguments}")) else {
            panic!("{arguments}")
        };
        let term = term.map(|(name, text)| (name, text.to_owned()));
        assert_eq!(order, SessionOrder { path, term }, "{arguments}");
    }
    assert!(matches!(parsed("status --admin-listen 127.0.0.1:1"), Ok(Command::Status(_))));
}

#[test]
fn the_sandbox_alone_speaks_tls_by_default() {
    let both = sandboxed("sandbox --token-life 90s");
    assert_eq!((both.extent, both.api_tls_listen), (Extent::WithProxy, None));
    assert_eq!((both.api_listen.port(), both.token_life.as_secs()), (9480, 90));
    let alone = sandboxed("sandbox --api-only --api-listen 127.0.0.1:1");
    assert_eq!((alone.extent, alone.api_listen.port()), (Extent::ApiOnly, 1));
    assert_eq!(alone.api_tls_listen.map(|address| address.port()), Some(9443));
    assert_eq!(sandboxed("sandbox --api-tls-listen [::1]:7").api_tls_listen.map(|a| a.port()), Some(7));
}
