//! What each state of the session looks like from here.

use super::*;

/// A moment of the session as the renewer would tell it, with only what each state is sure to have.
fn in_state(clock: &Clock, state: State) -> Status {
    let next = match state {
        State::Live | State::Overdue => Some(Step::Attempt(Errand::Renew)),
        State::Starting | State::Lapsed | State::Held | State::Kicked | State::Paused => {
            Some(Step::Attempt(Errand::Acquire))
        }
        State::Rejected => None,
    };
    Status {
        reason: (state != State::Live).then(|| format!("because <{}>", state.name())),
        next: next.map(|step| (step, clock.now() + SignedDuration::from_mins(10))),
        ..status(clock, state)
    }
}

#[tokio::test]
async fn each_state_has_its_readiness_its_reason_its_next_action_and_one_sentence_of_advice() {
    for state in State::ALL {
        let mut running = running();
        let serves = matches!(state, State::Live | State::Overdue);
        let moment = in_state(&running.clock, state);
        if serves {
            running.publisher.publish(session(&running.clock, SignedDuration::from_mins(80)), moment);
        } else {
            running.publisher.report(moment);
        }
        let name = state.name();

        let alive = running.get("/livez").await;
        assert!(alive.starts_with("HTTP/1.1 200 "), "{name}: restarting would mend nothing: {alive}");

        let report = json(&running.get("/status").await);
        let shown = &report["session"];
        assert_eq!((&report["ready"], shown["state"].as_str()), (&serves.into(), Some(name)));
        assert_eq!(shown["reason"].is_null(), state == State::Live, "{shown}");
        assert_eq!(shown["next"].is_null(), state == State::Rejected, "{shown}");
        let advice = shown["advice"].as_str().unwrap();
        assert!(!advice.trim().is_empty() && !advice.contains('\n'), "{name}: {advice:?}");
        assert_eq!(shown["paused_until"].is_null(), state != State::Paused, "{shown}");

        let ready = running.get("/readyz").await;
        if serves {
            assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
        } else {
            let expected = format!("\r\n\r\nnot ready: {name}: because <{name}>: {advice}\n");
            assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with(&expected), "{ready}");
        }
        let page = running.get("/").await;
        for text in [format!(">{name}</b>"), advice.to_owned(), format!("<th>session<td>{name} since ")] {
            assert!(page.contains(&text), "no {text:?} in {page}");
        }
    }
}

#[tokio::test]
async fn what_the_renewer_advises_comes_before_what_the_state_tells() {
    let mut running = running();
    running.publisher.report(Status {
        advice: Some("solve the captcha".to_owned()),
        ..in_state(&running.clock, State::Held)
    });
    assert_eq!(json(&running.get("/status").await)["session"]["advice"], "solve the captcha");
}

#[tokio::test]
async fn a_pause_without_an_end_has_none() {
    let mut running = running();
    running.publisher.report(status(&running.clock, State::Paused));
    let shown = &json(&running.get("/status").await)["session"];
    assert!(shown["paused_until"].is_null() && shown["next"].is_null(), "{shown}");
    assert!(shown["advice"].as_str().unwrap().contains("session resume"), "{shown}");
}

#[tokio::test]
async fn a_draining_process_lives_and_is_not_ready() {
    let mut running = running();
    let live = status(&running.clock, State::Live);
    running.publisher.publish(session(&running.clock, SignedDuration::from_mins(80)), live);
    assert!(running.get("/readyz").await.starts_with("HTTP/1.1 200 "));
    running.admin.drain();
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("not ready: draining: "), "{ready}");
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200 "));
    let report = json(&running.get("/status").await);
    assert_eq!((&report["ready"], &report["draining"]), (&false.into(), &true.into()));
    assert_eq!(report["session"]["state"], "live");
}

#[tokio::test]
async fn the_page_runs_nothing_fetches_nothing_and_holds_no_text_as_markup() {
    let mut running = running();
    running.publisher.report(in_state(&running.clock, State::Held));
    let page = running.get("/").await;
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'"),
        "{head}"
    );
    assert!(body.contains("because &lt;held&gt;") && !body.contains("<held>"), "{body}");
    for absent in ["<script", "<img", "<link", "<form", "src=", "//", "onload"] {
        let addresses = ["http://127.0.0.1:8080", "https://demo", &format!("http://{}", running.address)];
        let rest = addresses.iter().fold(body.to_owned(), |body, address| body.replace(address, ""));
        assert!(!rest.contains(absent), "{absent} in {rest}");
    }
    assert!(body.contains("<meta http-equiv=refresh content=5>"), "{body}");
}

#[tokio::test]
async fn the_rows_say_when_and_how_far_off_that_is() {
    let mut running = running();
    let now = running.clock.now();
    let live = Status {
        last: Some(Attempt { call: Call::Renew, at: now, result: "ok" }),
        clock_skew_seconds: Some(-2),
        store_trouble: Some("read-only\u{1b}[2J file system".to_owned()),
        ..in_state(&running.clock, State::Live)
    };
    running.publisher.publish(session(&running.clock, SignedDuration::from_mins(80)), live);
    // As the command reads it.
    let answer = running.get("/status").await;
    let report: Report = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let rows = report.rows();
    let row = |label: &str| {
        let found = rows.iter().find(|row| row.0 == label);
        found.map_or_else(|| panic!("no {label} in {rows:?}"), |row| row.1.as_str())
    };
    assert_eq!(row("serving"), "yes");
    assert!(row("session").starts_with("live since ") && row("session").ends_with("s ago)"), "{rows:?}");
    assert!(row("token").starts_with("number 7, expires "), "{rows:?}");
    assert!(row("token").contains("(in 1h 19m 5") || row("token").contains("(in 1h 20m)"), "{rows:?}");
    assert!(row("next").starts_with("renew ") && row("next").contains("(in 9m 5"), "{rows:?}");
    assert!(row("last").ends_with(": ok"), "{rows:?}");
    assert_eq!(row("clock"), "Tradovate's is -2 s ahead of ours");
    assert!(row("store").ends_with("read-only [2J file system"), "{rows:?}");
    assert_eq!(row("environment"), "demo at https://demo-api-7.tradovateapi.com");
    assert_eq!(row("guards"), "none: every request passes");
    assert_eq!(row("callers"), "http://127.0.0.1:8080, open to every program of this machine");
}

#[tokio::test]
async fn the_rows_promise_nothing_that_the_kill_switch_or_a_socket_does_not_keep() {
    let mut running = running();
    running.publisher.report(in_state(&running.clock, State::Live));
    let answer = running.get("/status").await;
    let mut report: Report = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let row = |report: &Report, label: &str| {
        report.rows().into_iter().find(|row| row.0 == label).map(|row| row.1).unwrap_or_default()
    };
    report.guards.kill.engaged = true;
    assert_eq!(row(&report, "guards"), "none besides the kill switch");
    report.guards.max_quantity = Some(2);
    assert_eq!(row(&report, "guards"), "at most 2 an order");
    for (listen, access, expected) in [
        ("unix:/run/p.sock", "loopback", "open to the users whom socket-mode and socket-users let in"),
        (
            "127.0.0.1:8080,unix:/run/p.sock",
            "loopback",
            "the port open to every program of this machine, the socket to the users whom socket-mode and \
             socket-users let in",
        ),
        (
            "10.0.0.5:8443,unix:/run/p.sock",
            "certificates",
            "the port with a client certificate only, the socket to the users whom socket-mode and socket-users let in",
        ),
        ("unix:/run/p.sock", "keys", "with a key only"),
        ("0.0.0.0:8080", "unsafe-open", "OPEN TO WHOEVER REACHES IT (unsafe-open)"),
    ] {
        listen.clone_into(&mut report.listen);
        access.clone_into(&mut report.access.proxy);
        let callers = row(&report, "callers");
        assert!(callers.ends_with(&format!(", {expected}")), "{listen}: {callers}");
    }
}
