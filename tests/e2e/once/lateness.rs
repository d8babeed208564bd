//! Answers that come later than the proxy waits, and so to nobody.

use tokio::net::TcpListener;

use super::{Effect, origin::origin, outcome, record::Outcome};
use crate::support::{
    client::End,
    stage::Way,
    upstream::{raw, raw_with},
    within,
};

#[tokio::test]
async fn an_answer_that_comes_too_late_is_nobodys() {
    for way in Way::ALL {
        let (origin, proxy) =
            origin(way, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "60ms")).await;
        let mut client = proxy.client().await;
        for (number, effect) in (1..).zip(Effect::ALL) {
            let late = 2 * number;
            origin.answering.send_replace(false);
            client.send(effect.request(late)).await;
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.outcome()), (504, Some("unknown")), "{way:?} {effect:?}");
            // The late answer finds nobody: the next request gets its own.
            origin.answering.send_replace(true);
            client.send(effect.request(late + 1)).await;
            let answer = client.answer().await;
            assert_eq!(answer.text(), format!("{{\"number\":\"{:06}\"}}", late + 1), "{way:?} {effect:?}");
            assert_eq!(
                (origin.arrivals.of(late), origin.arrivals.of(late + 1)),
                (1, 1),
                "{way:?} {effect:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_stalls_sends_nothing_again() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_UPSTREAM_IDLE", "60ms")).await;
    for effect in Effect::UNREPEATABLE {
        for (begun, expected) in [
            // A short answer is read whole before any of it is passed on.
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Outcome::Unknown),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"ord", Outcome::Unknown),
            ("HTTP/1.1 201 OK\r\nContent-Length: 9\r\n\r\n{\"ord", Outcome::BrokenOff),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"or\r\n", Outcome::BrokenOff),
        ] {
            let mut client = proxy.client().await;
            client.send(effect.request(1)).await;
            let mut request = upstream.request().await;
            request.write(begun).await;
            let answered = client.try_answer_to("POST ").await;
            assert_eq!(outcome(answered.as_ref()), expected, "{effect:?} {begun:?}");
            assert!(matches!(answered, Ok(_) | Err(End::Reset)), "{effect:?} {begun:?}");
            request.left().await;
            upstream.is_untouched();
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_handshake_in_vain_is_not_sent() {
    let (mut origin, proxy) =
        origin(Way::Tls, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_TLS", "60ms")).await;
    let address = origin.address;
    origin.stop().await;
    // It accepts, and never says a word.
    let mute = within("the port", TcpListener::bind(address)).await.unwrap();
    let accepted = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            connections.push(mute.accept().await.unwrap());
        }
    });
    let mut client = proxy.client().await;
    for (number, effect) in (1..).zip(Effect::ALL) {
        client.send(effect.request(number)).await;
        let answer = client.answer().await;
        assert_eq!(answer.problem(), "tls-failed", "{effect:?}");
        assert_eq!(answer.outcome(), Some("not-sent"), "{effect:?}");
        assert_eq!(origin.arrivals.of(number), 0, "{effect:?}");
    }
    accepted.abort();
}

#[tokio::test]
async fn what_waits_for_a_token_in_vain_is_not_sent() {
    let (mut upstream, proxy) = raw().await;
    upstream.answers_session_calls(false);
    upstream.clock.advance(std::time::Duration::from_secs(81 * 60)).unwrap();
    let mut client = proxy.client().await;
    for effect in Effect::UNREPEATABLE {
        client.send(effect.request(1)).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.problem().as_str(), answer.outcome()),
            ("no-token", Some("not-sent")),
            "{effect:?}"
        );
    }
    upstream.is_untouched();
}
