//! The wire battery: every way known to us in which two parsers have read the same bytes as different messages, tried
//! on either side of the proxy.
//!
//! A row is data: the rule or the incident behind it, and bytes. Each row is sent twice, in one packet and byte by
//! byte, and what is asserted is always the whole: status, code, what becomes of the connection, and every byte that
//! the other side received. Behind a request that is refused there always stands another, which must not be taken for
//! one where the first one's end is unknown.
//!
//! From the caller: [`request_lines`], [`targets`], [`lines`], [`lengths`], [`codings`], [`chunks`], [`tunnels`];
//! [`forwarded`], what is read and sent anew; [`managed`], what must not be added, removed or doubled; [`echoes`], our
//! own token on its way back. From upstream: [`answer_heads`], [`answer_bodies`], [`surplus`]. [`peers`] asks nginx and
//! `HAProxy` how they read what the proxy forwards.

mod answer_bodies;
mod answer_heads;
mod chunks;
mod codings;
mod echoes;
mod forwarded;
mod lengths;
mod lines;
mod managed;
mod peers;
mod request_lines;
mod surplus;
mod targets;
mod tunnels;

use crate::support::{
    Answer, Client, RawUpstream,
    client::End,
    refusal::{goes_on, is_refusal},
    upstream::raw,
};

/// The rule or incident behind a row, and what is sent.
type Row = (&'static str, Vec<u8>);

/// How bytes arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packets {
    One,
    ByteByByte,
}

impl Packets {
    const ALL: [Self; 2] = [Self::One, Self::ByteByByte];
}

/// A row with text in it.
fn row(rule: &'static str, bytes: impl Into<Vec<u8>>) -> Row {
    (rule, bytes.into())
}

/// A GET with these field lines, each with its line end.
fn get(fields: impl AsRef<[u8]>) -> Vec<u8> {
    let start = b"GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n";
    [start, fields.as_ref(), b"\r\n"].concat()
}

/// An order with these field lines and this body.
fn post(fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let start =
        b"POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    [start, fields.as_ref(), b"\r\n", body.as_ref()].concat()
}

/// Each row is refused with this status and code, nothing of it reaches upstream, and the connection ends: the request
/// behind it is never read.
async fn refuses_and_hangs_up(rows: impl IntoIterator<Item = Row>, status: u16, code: &str) {
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes) in rows {
        for packets in Packets::ALL {
            let context = context(rule, &bytes, packets);
            let mut client = proxy.client().await;
            let both = [&bytes[..], b"GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
            send(&mut client, &both, packets).await;
            client.finish().await;
            let answer = client.try_answer_to(&line(&bytes)).await;
            let answer = answer.unwrap_or_else(|end| panic!("{end:?} without an answer: {context}"));
            if bytes.starts_with(b"HEAD ") {
                // RFC 9110 §9.3.2: the head alone.
                assert_eq!((answer.status(), answer.outcome()), (status, Some("not-sent")), "{context}");
            } else {
                is_refusal(&answer, status, code, &context);
            }
            assert_eq!(answer.header("connection"), Some("close"), "{context}");
            assert_eq!(client.end().await, End::Closed, "{context}");
            goes_on(&mut proxy.client().await, &mut upstream, &context).await;
        }
    }
}

/// Each row is a whole request that is refused with this status and code: nothing of it reaches upstream, and the
/// connection carries the next one.
async fn refuses_and_goes_on(rows: impl IntoIterator<Item = Row>, status: u16, code: &str) {
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes) in rows {
        for packets in Packets::ALL {
            let context = context(rule, &bytes, packets);
            let mut client = proxy.client().await;
            send(&mut client, &bytes, packets).await;
            let answer = client.answer_to(&line(&bytes)).await;
            is_refusal(&answer, status, code, &context);
            assert_eq!(answer.header("connection"), None, "{context}");
            goes_on(&mut client, &mut upstream, &context).await;
        }
    }
}

/// Each row reaches upstream once and in exactly these bytes, with `{host}` for its own authority and `{bearer}` for
/// the line with the live token; its answer reaches the caller, and the connection carries the next request.
async fn forwards(rows: impl IntoIterator<Item = (&'static str, Vec<u8>, Vec<u8>)>) {
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes, expected) in rows {
        for packets in Packets::ALL {
            let context = context(rule, &bytes, packets);
            let expected = filled_in(&expected, &upstream);
            let mut client = proxy.client().await;
            send(&mut client, &bytes, packets).await;
            let request = upstream.request().await;
            assert_eq!(text(&request.raw), text(&expected), "{context}");
            request.ok("").await;
            assert_eq!(client.answer_to(&line(&bytes)).await.status(), 200, "{context}");
            goes_on(&mut client, &mut upstream, &context).await;
        }
    }
}

/// Each row is offered as the answer to a request, and what its caller gets of it is judged. Upstream's connection is not
/// used again, and the proxy goes on.
async fn is_offered(rows: impl IntoIterator<Item = Row>, is_judged: impl Fn(Result<&Answer, End>, &str)) {
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes) in rows {
        for packets in Packets::ALL {
            let context = context(rule, &bytes, packets);
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, "GET").await;
            request.offer(&bytes, packets == Packets::ByteByByte).await;
            let answer = client.try_answer_to("GET").await;
            is_judged(answer.as_ref().map_err(|end| *end), &context);
            request.left().await;
            let mut next = if answer.is_ok() { client } else { proxy.client().await };
            goes_on(&mut next, &mut upstream, &context).await;
        }
    }
}

/// What came is no answer, and the caller is told so: it may have been carried out (RFC 9110 §15.6.3).
fn is_no_answer(answer: &Answer, code: &str, context: &str) {
    assert_eq!((answer.status(), answer.problem().as_str()), (502, code), "{context}");
    assert_eq!(answer.outcome(), Some("unknown"), "{context}");
}

fn filled_in(expected: &[u8], upstream: &RawUpstream) -> Vec<u8> {
    let expected = String::from_utf8(expected.to_vec()).unwrap();
    let bearer = format!("Authorization: {OURS}\r\n");
    expected.replace("{host}", &upstream.address.to_string()).replace("{bearer}", &bearer).into_bytes()
}

/// The proxy may have answered, and left, before it has all.
async fn send(client: &mut Client, bytes: &[u8], packets: Packets) {
    let size = if packets == Packets::One { bytes.len().max(1) } else { 1 };
    for packet in bytes.chunks(size) {
        if client.try_send(packet).await.is_err() {
            return;
        }
    }
}

/// Asks for something, and gives what reached upstream.
async fn asked(
    client: &mut Client,
    upstream: &mut RawUpstream,
    method: &str,
) -> crate::support::upstream::Request {
    client.send(format!("{method} /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    upstream.request().await
}

/// The request line, which decides whether the answer has a body.
fn line(bytes: &[u8]) -> String {
    text(bytes.split(|&byte| byte == b'\r').next().unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// What to say of a row that fails.
fn context(rule: &str, bytes: &[u8], packets: Packets) -> String {
    let shown = text(bytes);
    let cut = shown.char_indices().nth(SHOWN).map_or(shown.len(), |(at, _)| at);
    format!("{rule}: \"{}\" in packets {packets:?}", &shown[..cut])
}

/// Characters of a row that a failure shows.
const SHOWN: usize = 400;

/// The one bearer that a raw upstream is to see.
const OURS: &str = "Bearer SIM-access-raw-1";
