//! The broker is gone for hours, in the two ways in which brokers are gone; and service is back soon after it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tradovate_proxy::{
    auth::State,
    clock::Clock,
    sandbox::{Action, Control, Fault, Options, Sandbox},
};

use crate::support::{
    Proxy, Setup,
    stage::{ORDER, broker},
    within,
};

const READ: &str = "GET /v1/account/list";
const ORDERS: &str = "POST /v1/order/placeorder";
const LOGIN: &str = "auth/accesstokenrequest";

const MINUTE: Duration = Duration::from_secs(60);

/// From the broker's return to the first token.
const SOON: SignedDuration = SignedDuration::from_secs(15);

/// A proxy whose session has outlived its broker, and the broker's clock.
async fn lapsed(proxy: &Proxy, clock: &Clock) {
    clock.advance(80 * MINUTE).unwrap();
    proxy.reaches(State::Lapsed).await;
}

/// Waits until the proxy has nothing more to do for now; returns when it will have.
async fn idle(proxy: &Proxy, clock: &Clock) -> Timestamp {
    let mut status = proxy.session.watch();
    let planned = status.wait_for(|status| status.next.is_some_and(|(_, at)| at > clock.now()));
    let (_, at) = within("the next step to be planned", planned).await.unwrap().next.unwrap();
    at
}

/// Lets the proxy do what it plans next, at the moment it plans it for.
async fn turn(proxy: &Proxy, clock: &Clock) {
    let left = idle(proxy, clock).await.duration_since(clock.now());
    // It may have come by itself: simulated time goes on.
    if let Ok(left) = Duration::try_from(left) {
        clock.advance(left).unwrap();
    }
}

/// Half a day without a broker: first as the proxy plans it, then in great leaps, and at last as it plans it again.
async fn endures(proxy: &Proxy, clock: &Clock) {
    let gone = clock.now();
    while clock.now().duration_since(gone) < SignedDuration::from_mins(15) {
        turn(proxy, clock).await;
    }
    for _ in 0..24 {
        turn(proxy, clock).await;
        clock.advance(30 * MINUTE).unwrap();
        let answer = proxy.ask(ORDERS, ORDER).await;
        assert_eq!((answer.status(), answer.problem().as_str()), (503, "no-token"));
        assert_eq!(answer.outcome(), Some("not-sent"));
    }
    for _ in 0..20 {
        turn(proxy, clock).await;
    }
    // The last question has been asked in vain: the broker returns just after it.
    idle(proxy, clock).await;
}

/// The broker is there again. Lets the proxy find out, and checks how long that takes it.
async fn recovers(proxy: &Proxy, clock: &Clock, control: &Control) {
    let well = clock.now();
    let logged_in = async {
        let login = control.seen(|record| {
            record.path().ends_with(LOGIN) && record.status == Some(200) && record.time >= well
        });
        tokio::pin!(login);
        loop {
            tokio::select! {
                biased;
                record = &mut login => return record,
                () = turn(proxy, clock) => {}
            }
        }
    };
    let login = within("a login", logged_in).await;
    let took = login.time.duration_since(well);
    assert!((SignedDuration::ZERO..=SOON).contains(&took), "{took}");
    proxy.reaches(State::Live).await;
    assert_eq!(proxy.ask(READ, "").await.status(), 200);
    assert_eq!(proxy.ask(ORDERS, ORDER).await.status(), 200);
    assert_eq!(control.entities("order").len(), 1, "no order of before was kept and sent");
}

fn setup(sandbox: &Sandbox, clock: &Clock) -> Setup {
    let setup = Setup::before(&format!("http://{}", sandbox.http_addr()), clock);
    setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20ms")
}

#[tokio::test]
async fn service_is_back_soon_after_a_broker_that_refused_connections() {
    let (sandbox, clock) = broker().await;
    let proxy = setup(&sandbox, &clock).live().await;
    let http = sandbox.http_addr();
    sandbox.shutdown().await;
    lapsed(&proxy, &clock).await;
    endures(&proxy, &clock).await;
    let options = Options { http, clock: clock.clone(), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    recovers(&proxy, &clock, sandbox.control()).await;
    assert_eq!(sandbox.control().requests_to(LOGIN).len(), 1);
}

#[tokio::test]
async fn service_is_back_soon_after_a_broker_that_answered_503_to_everything() {
    let (sandbox, clock) = broker().await;
    let proxy = setup(&sandbox, &clock).live().await;
    let control = sandbox.control();
    let unwell = Action::Respond { status: 503, headers: Vec::new(), body: String::new() };
    control.inject(Fault::next("", unwell).times(u32::MAX));
    lapsed(&proxy, &clock).await;
    endures(&proxy, &clock).await;
    let during = control.requests_to(LOGIN).len() - 1;
    assert_eq!(during, 1, "an outage is asked about, not logged in to");
    control.clear_faults();
    recovers(&proxy, &clock, control).await;
    assert_eq!(control.requests_to(LOGIN).len(), 1 + during + 1);
}
