//! A kill that cancels: what it waits for, and what waits for it.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    guards::{order, turn},
    support::{
        api::Api,
        http,
        patience::until,
        proxy::{Proxy, serve},
    },
};

#[test]
fn the_end_of_the_process_waits_for_a_kill_and_a_second_signal_says_how_far_it_came() {
    for is_patient in [true, false] {
        let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
        let mut command = serve(state.path(), &api.origin());
        command.env("TRADOVATE_PROXY_DRAIN_TIMEOUT", "60s");
        let proxy = Proxy::start_ready(command);
        assert_eq!((order(&proxy), order(&proxy)), (200, 200));
        api.fault(&json!({"path": "order/cancelorder", "action": "pass", "delay_ms": 3_600_000}));
        let admin = proxy.admin;
        let killing = std::thread::spawn(move || turn(&["kill", "--cancel-working"], admin));
        until("the first cancel", || (api.requests("order/cancelorder").len() == 1).then_some(()));
        proxy.process.signal(Signal::TERM);
        proxy.process.line("a kill is under way");
        if is_patient {
            assert_eq!(
                http::call(api.address, "DELETE", "/sandbox/faults", "Connection: close\r\n", "")
                    .unwrap()
                    .status,
                200
            );
            let killed = killing.join().unwrap();
            assert_eq!((killed.code, killed.stderr.as_str()), (Some(0), ""), "{killed:?}");
            assert!(killed.stdout.contains("still working  none\n"), "{killed:?}");
            assert_eq!(api.requests("order/cancelorder").len(), 2);
        } else {
            proxy.process.signal(Signal::TERM);
            let line = proxy.process.line("not all working orders are cancelled");
            for part in [
                "cancelled=0",
                "unknown=1",
                "not_sent=1",
                "broken off: the proxy ended",
                "kill --cancel-working",
            ] {
                assert!(line.contains(part), "no {part:?} in {line}");
            }
        }
        assert_eq!(proxy.process.end().code, Some(0));
    }
}

#[test]
fn orders_that_work_are_cancelled_before_one_that_is_on_its_way_has_arrived() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    assert_eq!(order(&proxy), 200);
    api.fault(&json!({"path": "order/placeorder", "action": "pass", "delay_ms": 3_600_000}));
    std::thread::scope(|scope| {
        let late = scope.spawn(|| order(&proxy));
        until("the order on its way", || (api.requests("order/placeorder").len() == 2).then_some(()));
        let killing = scope.spawn(|| turn(&["kill", "--cancel-working"], proxy.admin));
        until("the first cancel", || (!api.requests("order/cancelorder").is_empty()).then_some(()));
        let heal = http::call(api.address, "DELETE", "/sandbox/faults", "Connection: close\r\n", "");
        assert_eq!((heal.unwrap().status, late.join().unwrap()), (200, 200));
        let killed = killing.join().unwrap();
        // Had it waited for the order's answer first, it would complain that there was none.
        assert_eq!((killed.code, killed.stderr.as_str()), (Some(0), ""), "{killed:?}");
        assert!(killed.stdout.contains("still working  none\n"), "{killed:?}");
    });
    assert_eq!(api.requests("order/cancelorder").len(), 2, "what arrived late is cancelled too");
}
