//! tradovate-proxy: its defaults, but for limits that this load would reach, and with guards.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, process::Command};

use crate::harness::{
    peer::{CONNECTIONS, Place},
    stage::{Transport, free_port},
};

pub(super) fn command(program: &Path, place: &Place<'_>) -> anyhow::Result<Command> {
    let scheme = match place.transport {
        Transport::Plain => "http",
        Transport::Tls => "https",
    };
    let listen = format!("127.0.0.1:{},unix:{}", place.port, place.file("socket").display());
    let admin = format!("127.0.0.1:{}", free_port()?);
    let mut command = Command::new(program);
    command.env_clear().arg("serve");
    for (name, value) in CREDENTIALS.iter().chain(GUARDS) {
        command.env(name, value);
    }
    // From files: with secrets in its environment it would begin by starting itself anew without them, and a tool that
    // counts would be left behind.
    for (name, file) in SECRETS {
        let path = place.file(file);
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(b"any")?;
        command.env(name, path);
    }
    command
        .env("TRADOVATE_PROXY_UPSTREAM_URL", format!("{scheme}://{}", place.upstream))
        .env("TRADOVATE_PROXY_UPSTREAM_CA", place.stage.ca())
        .env("TRADOVATE_PROXY_STATE_DIR", place.file("state"))
        .env("TRADOVATE_PROXY_LISTEN", listen)
        .env("TRADOVATE_PROXY_ADMIN_LISTEN", admin)
        .env("TRADOVATE_PROXY_WORKERS", "1")
        .env("TRADOVATE_PROXY_GUARDS_KILL_FILE", place.file("kill"))
        .env("TRADOVATE_PROXY_LIMIT_CONNECTIONS", CONNECTIONS.to_string())
        // Counted as ever, and never reached.
        .env("TRADOVATE_PROXY_BUDGET_PER_HOUR", "1000000000")
        .env("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "1000000000");
    Ok(command)
}

/// The upstream lets anybody in.
const CREDENTIALS: &[(&str, &str)] =
    &[("TRADOVATE_NAME", "sidebyside"), ("TRADOVATE_APP_ID", "sidebyside"), ("TRADOVATE_CID", "1")];

const SECRETS: &[(&str, &str)] = &[("TRADOVATE_PASSWORD_FILE", "password"), ("TRADOVATE_SEC_FILE", "sec")];

const GUARDS: &[(&str, &str)] = &[
    ("TRADOVATE_PROXY_HOSTS", "proxy.internal"),
    ("TRADOVATE_PROXY_GUARDS_ACCOUNTS", "DEMO15460,6270"),
    ("TRADOVATE_PROXY_GUARDS_SYMBOLS", "ES*"),
    ("TRADOVATE_PROXY_GUARDS_ORDER_TYPES", "Limit,Stop"),
    ("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2"),
    ("TRADOVATE_PROXY_GUARDS_ORDERS_PER_MINUTE", "20"),
];
