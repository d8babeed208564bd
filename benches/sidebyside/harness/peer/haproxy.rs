//! HAProxy: one thread, connections to the upstream kept and shared, no log, and buffers that hold the largest answer
//! at once, which saves it a sixth of its time for those.

use std::{fs, path::Path, process::Command};

use crate::harness::{
    peer::{CONNECTIONS, IDLE, Place},
    stage::Transport,
};

pub(super) fn command(program: &Path, place: &Place<'_>) -> anyhow::Result<Command> {
    let file = place.file("haproxy.cfg");
    fs::write(&file, configuration(place))?;
    let mut command = Command::new(program);
    // -db: it stays in the foreground.
    command.arg("-db").arg("-f").arg(&file);
    Ok(command)
}

fn configuration(place: &Place<'_>) -> String {
    let Place { port, upstream, transport, stage, .. } = place;
    let (token, idle) = (&stage.token, IDLE.as_secs());
    let tls = match transport {
        Transport::Plain => String::new(),
        Transport::Tls => format!(
            "ssl ssl-min-ver TLSv1.3 verify required verifyhost localhost sni str(localhost) ca-file {}",
            stage.ca().display()
        ),
    };
    // It refuses to start where maxconn wants more file descriptors than there may be.
    format!(
        "\
global
    nbthread 1
    maxconn {CONNECTIONS}
    tune.bufsize 32768
defaults
    mode http
    timeout connect 5s
    timeout client {idle}s
    timeout server {idle}s
    timeout http-keep-alive {idle}s
    http-reuse always
frontend callers
    bind 127.0.0.1:{port}
    default_backend api
backend api
    http-request set-header Host localhost
    http-request set-header Authorization \"Bearer {token}\"
    server api {upstream} {tls}
"
    )
}
