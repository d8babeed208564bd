//! Addresses that are taken, and addresses that are not to be had by accident.

use std::net::TcpListener;

use crate::support::{
    process::{Ended, program, run},
    proxy::serve,
};

fn taken() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// 69 (`EX_UNAVAILABLE`), and one sentence that names the address and the flag to change.
fn names(ended: &Ended, flag: &str, address: &str) {
    let Ended { code, stdout, stderr } = ended;
    assert_eq!(*code, Some(69), "{ended:?}");
    assert!(stdout.is_empty(), "{stdout}");
    let complaint = stderr.lines().last().unwrap_or_default();
    assert!(complaint.starts_with(&format!("tradovate-proxy: {address} ")), "{stderr}");
    assert!(complaint.contains(&format!(" {flag}")), "{stderr}");
}

#[test]
fn the_sandbox_names_the_flag_of_a_port_that_is_taken() {
    let (_listener, address) = taken();
    let flags = ["--listen", "--admin-listen", "--api-listen", "--api-tls-listen"];
    for taken in flags {
        let mut arguments = vec!["sandbox"];
        for flag in flags {
            arguments.extend([flag, if flag == taken { &address } else { "127.0.0.1:0" }]);
        }
        names(&run(program(&arguments)), taken, &address);
    }
}

#[test]
fn serve_names_the_flag_of_a_port_that_is_taken() {
    let (_listener, address) = taken();
    for (variable, flag) in
        [("TRADOVATE_PROXY_LISTEN", "--listen"), ("TRADOVATE_PROXY_ADMIN_LISTEN", "--admin-listen")]
    {
        let state = tempfile::tempdir().unwrap();
        let mut command = serve(state.path(), "http://127.0.0.1:1");
        command.env(variable, &address);
        names(&run(command), flag, &address);
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused_unless_that_was_asked_for() {
    for variable in ["TRADOVATE_PROXY_LISTEN", "TRADOVATE_PROXY_ADMIN_LISTEN"] {
        let state = tempfile::tempdir().unwrap();
        let mut command = serve(state.path(), "http://127.0.0.1:1");
        command.env(variable, "0.0.0.0:0");
        let ended = run(command);
        assert_eq!(ended.code, Some(78), "{ended:?}");
        for part in [variable, "0.0.0.0:0", "TRADOVATE_PROXY_UNSAFE_OPEN=yes"] {
            assert!(ended.stderr.contains(part), "{ended:?}");
        }
    }
}

#[test]
fn an_address_that_others_can_reach_is_served_where_that_was_asked_for() {
    let state = tempfile::tempdir().unwrap();
    let mut command = serve(state.path(), "http://127.0.0.1:1");
    command.env("TRADOVATE_PROXY_LISTEN", "0.0.0.0:0").env("TRADOVATE_PROXY_UNSAFE_OPEN", "yes");
    let proxy = crate::support::proxy::Proxy::start(command);
    assert!(proxy.listen.ip().is_unspecified(), "{proxy:?}");
    assert_eq!(proxy.stop().code, Some(0));
}
