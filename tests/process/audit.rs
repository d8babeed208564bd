//! The order audit log of the program itself: killed, on a full disk, on one that fails or hangs; and the commands that
//! look at it.

use std::{fs, path::Path, process::Command};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;
use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    broker::Broker,
    http::{self, Answer},
    patience::until,
    process::{Ended, deaf, program, run},
    proxy::{Proxy, serve},
    tool::{has_strace, straced},
};

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
const PLACE: &str = "order/placeorder";
/// No such order: the cancel was sent, and the broker has answered.
const UPSTREAMS_OWN: u16 = 404;

struct Stage {
    broker: Broker,
    state: TempDir,
}

impl Stage {
    fn new() -> Self {
        Self { broker: Broker::start(), state: tempfile::tempdir().unwrap() }
    }

    fn command(&self) -> Command {
        serve(self.state.path(), &self.broker.origin())
    }

    fn start(&self) -> Proxy {
        Proxy::start_ready(self.command())
    }

    fn verify(&self) -> Ended {
        audit("verify", self.state.path())
    }

    /// How many orders the broker has seen.
    fn placed(&self) -> usize {
        self.broker.control().requests_to(PLACE).len()
    }
}

fn audit(verb: &str, state: &Path) -> Ended {
    run(program(&["audit", verb, "--state-dir", state.to_str().unwrap()]))
}

fn order(proxy: &Proxy) -> Answer {
    http::post(proxy.listen, "/v1/order/placeorder", ORDER)
}

fn cancel(proxy: &Proxy) -> Answer {
    http::post(proxy.listen, "/v1/order/cancelorder", r#"{"orderId":1}"#)
}

fn field<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut fields = answer.head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[test]
fn a_killed_order_is_named_by_the_next_start_and_by_the_verification() {
    let stage = Stage::new();
    let proxy = stage.start();
    let placed = order(&proxy);
    let id = field(&placed, "x-proxy-request-id").unwrap().to_owned();
    assert_eq!(stage.verify().code, Some(0), "while it runs");
    // Carried out, and never answered.
    stage.broker.control().inject(Fault::next(PLACE, Action::Hang).handled());
    let mut caller = http::Connection::open(proxy.listen).unwrap();
    caller.send("POST", "/v1/order/placeorder", "Content-Type: application/json\r\n", ORDER).unwrap();
    stage.broker.has_read(PLACE, 2);
    proxy.process.kill();
    let verdict = stage.verify();
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert!(
        verdict.stdout.contains("no end yet (under way, or the proxy was killed): place-order "),
        "{verdict:?}"
    );

    let next = stage.start();
    next.process.line("so its outcome is unknown: look at order/list");
    assert_eq!(next.stop().code, Some(0));
    let verdict = stage.verify();
    assert!(
        verdict.stdout.contains("outcome unknown (the proxy ended first; look at order/list): place-order "),
        "{verdict:?}"
    );
    assert!(!verdict.stdout.contains(&id) && verdict.stdout.contains("intact: "), "{verdict:?}");
    let shown = audit("show", stage.state.path());
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.contains(&format!("begun    {id} place-order by local")), "{shown:?}");
    assert!(shown.stdout.contains(&format!("ended    {id} answered 200")), "{shown:?}");
    assert_eq!(stage.placed(), 2);
}

#[test]
fn a_changed_log_fails_the_verification_and_says_where() {
    let stage = Stage::new();
    assert_eq!(stage.verify().code, Some(1), "there is none yet");
    let proxy = stage.start();
    order(&proxy);
    proxy.stop();
    let file = stage.state.path().join("audit/orders-000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("\"orderQty\":1", "\"orderQty\":2", 1)).unwrap();
    let verdict = stage.verify();
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    for part in ["orders-000001.jsonl:4: it does not follow the line before it", "keep a copy of it"] {
        assert!(verdict.stderr.contains(part), "no {part:?} in {verdict:?}");
    }
}

#[test]
fn on_a_full_disk_orders_are_refused_cancels_pass_and_both_are_written_down_later() {
    let stage = Stage::new();
    let proxy = Proxy::start_ready(deaf(&stage.command()));
    assert_eq!(order(&proxy).status, 200);
    let pid = Pid::from_raw(proxy.process.pid().cast_signed()).unwrap();
    let usual = getrlimit(Resource::Fsize);
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: Some(0), ..usual }).unwrap();
    let refused = order(&proxy);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("not-recorded")), "{refused:?}");
    proxy.process.line("orders are refused; cancels and liquidations are sent");
    assert_eq!(cancel(&proxy).status, UPSTREAMS_OWN);
    assert_eq!(stage.placed(), 1);
    assert_eq!(stage.verify().code, Some(0), "what was written is whole");

    prlimit(Some(pid), Resource::Fsize, usual).unwrap();
    proxy.process.line("the audit log is written again");
    assert_eq!(order(&proxy).status, 200);
    proxy.stop();
    let verdict = stage.verify();
    assert!(
        verdict.code == Some(0) && verdict.stdout.contains("nothing could be written from"),
        "{verdict:?}"
    );
    let shown = audit("show", stage.state.path()).stdout;
    assert!(shown.contains("cancel-order by local orderId=1") && shown.contains("(not-recorded)"), "{shown}");
}

#[test]
fn a_sync_that_fails_begins_another_file() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let stage = Stage::new();
    // The first file's own sync, then the first order's.
    let fails = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=3"];
    let proxy = Proxy::start_ready(straced(&stage.command(), &fails));
    let answers =
        [(); 3].map(|()| until("an answer, or the end of the trouble", || Some(order(&proxy).status)));
    assert!(answers.contains(&503), "{answers:?}");
    until("orders again", || (order(&proxy).status == 200).then_some(()));
    proxy.stop();
    let verdict = stage.verify();
    assert!(
        verdict.code == Some(0) && verdict.stdout.contains("may never have reached the disk"),
        "{verdict:?}"
    );
    assert!(stage.state.path().join("audit/orders-000002.jsonl").exists());
}

#[test]
fn a_disk_that_hangs_delays_an_order_for_a_bounded_time_and_a_cancel_hardly() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let stage = Stage::new();
    let hangs = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=8s:when=2+"];
    let mut command = stage.command();
    command.env("TRADOVATE_PROXY_DRAIN_TIMEOUT", "1s");
    let proxy = Proxy::start_ready(straced(&command, &hangs));
    assert_eq!(cancel(&proxy).status, UPSTREAMS_OWN);
    let refused = order(&proxy);
    assert_eq!((refused.status, refused.json()["outcome"].as_str()), (503, Some("not-sent")), "{refused:?}");
    assert!(refused.json()["detail"].as_str().unwrap().contains("the disk has not answered"), "{refused:?}");
    assert_eq!(cancel(&proxy).status, UPSTREAMS_OWN);
    assert_eq!((stage.placed(), stage.broker.control().requests_to("order/cancelorder").len()), (0, 2));
    let ready = proxy.readiness().text();
    assert!(ready.contains("orders are refused"), "{ready}");
    proxy.process.kill();
}

#[test]
fn a_killed_proxy_has_lost_no_order_that_was_sent() {
    let stage = Stage::new();
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..12 {
        let proxy = stage.start();
        let address = proxy.listen;
        let callers = [(); 3].map(|()| {
            std::thread::spawn(
                move || while http::try_post(address, "/v1/order/placeorder", ORDER).is_ok() {},
            )
        });
        crate::support::patience::linger(std::time::Duration::from_millis(random.u64(5..60)));
        proxy.process.kill();
        for caller in callers {
            caller.join().unwrap();
        }
    }
    let verdict = stage.verify();
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    let log = audit("show", stage.state.path()).stdout;
    let begun = log.matches(" begun    ").count();
    assert!(begun >= stage.placed() && stage.placed() > 0, "{begun} lines for {} orders", stage.placed());
}
