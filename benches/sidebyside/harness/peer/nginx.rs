//! nginx: one worker, connections to the upstream kept, no access log, and buffers that hold the largest answer at
//! once, which saves it a third of its time for those.

use std::{fs, path::Path, process::Command};

use crate::harness::{
    peer::{CONNECTIONS, IDLE, Place},
    stage::Transport,
};

pub(super) fn command(program: &Path, place: &Place<'_>) -> anyhow::Result<Command> {
    let file = place.file("nginx.conf");
    fs::write(&file, configuration(place))?;
    let mut command = Command::new(program);
    // -e: what is said before the configuration is read goes to the same place.
    command.arg("-p").arg(&place.folder).arg("-e").arg("stderr").arg("-c").arg(&file);
    Ok(command)
}

fn configuration(place: &Place<'_>) -> String {
    let Place { port, folder, upstream, transport, stage } = place;
    let (folder, token, idle) = (folder.display(), &stage.token, IDLE.as_secs());
    let (scheme, tls) = match transport {
        Transport::Plain => ("http", String::new()),
        Transport::Tls => (
            "https",
            format!(
                "proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name localhost; \
                 proxy_ssl_verify on; proxy_ssl_trusted_certificate {};",
                stage.ca().display()
            ),
        ),
    };
    format!(
        "\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections {}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    keepalive_timeout {idle}s;
    upstream api {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
        keepalive_timeout {idle}s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {scheme}://api;
            proxy_http_version 1.1;
            proxy_buffer_size 32k;
            proxy_buffers 4 32k;
            proxy_busy_buffers_size 64k;
            proxy_set_header Connection \"\";
            proxy_set_header Host localhost;
            proxy_set_header Authorization \"Bearer {token}\";
            {tls}
        }}
    }}
}}
",
        CONNECTIONS * 2
    )
}
