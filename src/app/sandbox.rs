//! `sandbox`: a simulated Tradovate, and the proxy in front of it, for people without an account.

use std::fmt::Write as _;

use secrecy::ExposeSecret as _;

use crate::{
    app::{App, AppError, Hangups, Kills, SANDBOX, Seat, Signals, Source},
    auth::Vault,
    cli::{self, Extent},
    clock::Clock,
    config::Config,
    downstream::{Address, Addresses},
    guard::Marker,
    sandbox::{CREDENTIALS, EDGETAG, Face, Options, Rules, Sandbox, StartError},
    tradovate::{Environment, Hosts},
};

/// Runs the simulation, with the proxy or alone, until a signal.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn sandbox(config: &Config, asked: &cli::Sandbox) -> Result<(), AppError> {
    let signals = Signals::listen()?;
    tokio::spawn(hear(Hangups::listen()?));
    let kills = Kills::listen()?;
    // One clock for both: who advances the broker's time advances the proxy's.
    let clock = Clock::simulated_from_now();
    let options = Options {
        http: asked.api_listen,
        https: asked.api_tls_listen,
        clock: clock.clone(),
        rules: Rules { token_life: asked.token_life, ..Rules::default() },
    };
    let sandbox = Sandbox::start(options).await.map_err(unstarted)?;
    let ended = match asked.extent {
        Extent::ApiOnly => {
            cli::print(&banner(&sandbox, None));
            signals.clone().first().await;
            Ok(())
        }
        Extent::WithProxy => {
            let app = App::bind(config, seat(config, &sandbox, clock)?).await?;
            let scheme = if config.listening.tls.is_some() { "https" } else { "http" };
            cli::print(&banner(&sandbox, Some((scheme, &app))));
            tokio::spawn(kills.heed(app.guards()));
            app.run_until(signals.clone().first(), signals.clone().second()).await
        }
    };
    tokio::select! {
        () = sandbox.shutdown() => ended,
        () = signals.second() => Ok(()),
    }
}

/// The sandbox has nothing to read again, and a closed terminal is no reason to end.
async fn hear(mut hangups: Hangups) {
    loop {
        hangups.next().await;
        tracing::info!("SIGHUP: the sandbox reads no configuration again; restart it to change it");
    }
}

fn unstarted(error: StartError) -> AppError {
    match error {
        StartError::Bind { face, address, source } => {
            let flag = match face {
                Face::Plain => "--api-listen",
                Face::Tls => "--api-tls-listen",
            };
            AppError::Bind { what: "simulated API", flag, address: Address::Tcp(address), source }
        }
        StartError::Certificate(source) => AppError::SandboxCertificate(source),
    }
}

fn seat(config: &Config, sandbox: &Sandbox, clock: Clock) -> Result<Seat, AppError> {
    let origin = format!("http://{}", sandbox.http_addr()).parse().map_err(AppError::SandboxOrigin)?;
    Ok(Seat {
        environment: SANDBOX,
        // The rule `home_host` can move the user between names of this machine, and nothing can move him off it.
        source: Source::login(
            config,
            CREDENTIALS.for_login(),
            Hosts::new(Environment::Demo, Some(origin), &["localhost".to_owned()]),
        )?,
        // The simulation forgets its sessions when it ends; so does the proxy in front of it.
        vault: Vault::Memory,
        marker: Marker::Nowhere,
        clock,
        audit: None,
    })
}

/// A URL as curl takes it, of a port if there is one.
fn url(scheme: &str, addresses: &Addresses) -> String {
    match (addresses.tcp(), addresses.unix()) {
        (None, Some(path)) => format!("--unix-socket {} http://localhost", path.display()),
        (Some(address), _) => format!("{scheme}://{address}"),
        (None, None) => String::new(),
    }
}

/// What a newcomer reads first.
fn banner(sandbox: &Sandbox, app: Option<(&str, &App)>) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    let api = sandbox.http_addr();
    let listening =
        app.and_then(|(scheme, app)| Some((scheme, app.listen().ok()?, app.admin_listen().ok()?)));
    if let Some((scheme, proxy, admin)) = listening {
        let (proxy, admin) = (url(scheme, &proxy), url("http", &admin));
        line(&format!("proxy          {proxy}/v1/   (plain HTTP; it holds the session)"));
        line(&format!("admin          {admin}/status   /metrics   /readyz   /livez"));
        line(&format!("simulated API  http://{api}/v1/   control: http://{api}/sandbox"));
        line("");
        line("Try, in another terminal:");
        line(&format!("  curl {proxy}/v1/account/list"));
        line(&format!("  curl {proxy}/v1/order/placeorder -H 'Content-Type: application/json' -d '{ORDER}'"));
        line(&format!("  curl {proxy}/v1/order/list"));
        line("");
        line("No account, no money, nothing leaves this machine. Ctrl-C ends it.");
    } else {
        line(&format!("simulated API  http://{api}/v1/   control: http://{api}/sandbox"));
        if let Some(tls) = sandbox.https_addr() {
            line(&format!(
                "over TLS       https://{tls}/v1/   certificate to trust: http://{api}/sandbox/ca"
            ));
        }
        line(&format!(
            "log in with    name {}  password {}  appId {}  cid {}  sec {}",
            CREDENTIALS.name, CREDENTIALS.password, CREDENTIALS.app_id, CREDENTIALS.cid, CREDENTIALS.sec
        ));
        line(&format!(
            "or by OAuth    http://{api}/auth/oauthtoken  client id {}  secret {}  refresh token {}",
            CREDENTIALS.cid,
            CREDENTIALS.sec,
            sandbox.control().mint_refresh_token().expose_secret()
        ));
        line(&format!(
            "another API    http://{api}/v1/oauth-app/client/token  client id {}  secret {}  refresh token {}",
            EDGETAG.id,
            EDGETAG.secret,
            sandbox.control().mint_edgetag_refresh_token().expose_secret()
        ));
    }
    text
}

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
