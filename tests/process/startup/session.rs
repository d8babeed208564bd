//! The commands of an operator: what they ask of a running proxy, what they print, and what they exit with.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use crate::support::{
    api::Api,
    process::{Ended, program, run},
    proxy::{Proxy, serve},
};

#[test]
fn status_says_how_a_proxy_stands_and_exits_0_exactly_while_it_is_ready() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let mut wrong = serve(state.path(), &api.origin());
    wrong.env("TRADOVATE_SEC", "not the key's");
    let proxy = Proxy::start(wrong);
    proxy.process.line("state=\"rejected\"");
    let rejected = status(proxy.admin);
    assert_eq!(rejected.code, Some(1), "{rejected:?}");
    for part in ["serving      no: ", "session      rejected since ", "what to do   correct "] {
        assert!(rejected.stdout.contains(part), "no {part:?} in {}", rejected.stdout);
    }
    assert_eq!(proxy.stop().code, Some(0));

    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    let live = status(proxy.admin);
    assert_eq!((live.code, live.stderr.as_str()), (Some(0), ""), "{live:?}");
    for part in
        ["serving      yes\n", "session      live since ", "next         renew ", "when kicked  reclaim\n"]
    {
        assert!(live.stdout.contains(part), "no {part:?} in {}", live.stdout);
    }
    let admin = proxy.admin;
    assert_eq!(proxy.stop().code, Some(0));
    let gone = status(admin);
    assert!(gone.code == Some(1) && gone.stderr.contains("/status: no proxy answers there"), "{gone:?}");
}

#[test]
fn an_order_is_posted_and_the_session_printed() {
    let session = r#"{"as_of":"2026-11-23T07:00:00Z","state":"paused","since":"2026-11-23T07:00:00Z",
        "advice":"take the seat back","on_kick":"manual","a_later_field":1}"#;
    for (arguments, line, body) in [
        (&["renew"][..], "POST /session/renew HTTP/1.0", ""),
        (&["acquire"], "POST /session/acquire HTTP/1.0", ""),
        (&["pause"], "POST /session/pause HTTP/1.0", ""),
        (&["pause", "--for", "30m"], "POST /session/pause HTTP/1.0", r#"{"for":"30m"}"#),
        (&["resume"], "POST /session/resume HTTP/1.0", ""),
        (
            &["resume", "--at", "2026-11-23T08:00:00Z"],
            "POST /session/resume HTTP/1.0",
            r#"{"at":"2026-11-23T08:00:00Z"}"#,
        ),
    ] {
        let listener = Scripted::answering("200 OK", session);
        let ended = order(listener.address, arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert!(ended.stdout.contains("session      paused since 2026-11-23T07:00:00Z"), "{ended:?}");
        let sent = listener.heard.join().unwrap().unwrap();
        assert_eq!(
            (sent.lines().next(), sent.split_once("\r\n\r\n").unwrap().1),
            (Some(line), body),
            "{sent}"
        );
    }
}

#[test]
fn an_order_that_was_not_carried_out_is_a_failure_with_its_reason() {
    let problem = r#"{"status":429,"detail":"not before noon","help":"wait"}"#;
    let listener = Scripted::answering("429 Too Many Requests", problem);
    let ended = order(listener.address, &["acquire"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.ends_with("/session/acquire: 429: not before noon\n  wait\n"), "{ended:?}");

    // What a real proxy refuses, and why.
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    let ended = order(proxy.admin, &["resume", "--in", "30m"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("409: the session is not paused"), "{ended:?}");
}

fn status(admin: SocketAddr) -> Ended {
    run(program(&["status", "--admin-listen", &admin.to_string()]))
}

fn order(admin: SocketAddr, arguments: &[&str]) -> Ended {
    let admin = admin.to_string();
    run(program(&[&["session"], arguments, &["--admin-listen", &admin]].concat()))
}

/// An admin listener that hears one request and has its answer ready.
struct Scripted {
    address: SocketAddr,
    heard: JoinHandle<io::Result<String>>,
}

impl Scripted {
    fn answering(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{body}");
        let heard = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept()?.0);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                stream.read_line(&mut request)?;
            }
            let length = request.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body)?;
            request.push_str(&String::from_utf8(body).unwrap());
            stream.get_mut().write_all(answer.as_bytes())?;
            Ok(request)
        });
        Self { address, heard }
    }
}
