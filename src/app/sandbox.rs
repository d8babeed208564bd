//! `sandbox`: a simulated Tradovate, and the proxy in front of it, for people without an account.

use std::fmt::Write as _;

use crate::{
    app::{App, AppError, Hangups, Seat, Signals},
    auth::Vault,
    cli::{self, Extent},
    clock::Clock,
    config::Config,
    sandbox::{CREDENTIALS, Face, Options, Rules, Sandbox, StartError},
    tradovate::Hosts,
};

/// Runs the simulation, with the proxy or alone, until a signal.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn sandbox(config: &Config, asked: &cli::Sandbox) -> Result<(), AppError> {
    let signals = Signals::listen()?;
    tokio::spawn(hear(Hangups::listen()?));
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
            let app = App::bind(config, seat(&sandbox, clock)?).await?;
            cli::print(&banner(&sandbox, Some(&app)));
            tokio::select! {
                ended = app.run(signals.clone().first()) => ended,
                () = signals.clone().second() => return Ok(()),
            }
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
            AppError::Bind { what: "simulated API", flag, address, source }
        }
        StartError::Certificate(source) => AppError::SandboxCertificate(source),
    }
}

fn seat(sandbox: &Sandbox, clock: Clock) -> Result<Seat, AppError> {
    let origin = format!("http://{}", sandbox.http_addr()).parse().map_err(AppError::SandboxOrigin)?;
    Ok(Seat {
        environment: "sandbox",
        hosts: Hosts::Fixed(origin),
        credentials: CREDENTIALS.for_login(),
        // The simulation forgets its sessions when it ends; so does the proxy in front of it.
        vault: Vault::Memory,
        clock,
    })
}

/// What a newcomer reads first.
fn banner(sandbox: &Sandbox, app: Option<&App>) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    let api = sandbox.http_addr();
    if let Some((proxy, admin)) = app.and_then(|app| Some((app.listen().ok()?, app.admin_listen().ok()?))) {
        line(&format!("proxy          http://{proxy}/v1/   (plain HTTP; it holds the session)"));
        line(&format!("admin          http://{admin}/status   /metrics   /readyz   /livez"));
        line(&format!("simulated API  http://{api}/v1/   control: http://{api}/sandbox"));
        line("");
        line("Try, in another terminal:");
        line(&format!("  curl http://{proxy}/v1/account/list"));
        line(&format!(
            "  curl http://{proxy}/v1/order/placeorder -H 'Content-Type: application/json' -d '{ORDER}'"
        ));
        line(&format!("  curl http://{proxy}/v1/order/list"));
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
    }
    text
}

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
