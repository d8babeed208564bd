//! U6: an upstream that repeats the request hands our token to whoever sees the answer. No caller does.

use super::{OURS, Packets, asked, goes_on, is_no_answer, raw};
use crate::support::client::End;

const TOKEN: &str = "SIM-access-raw-1";

#[tokio::test]
async fn a_head_with_our_token_is_withheld_wherever_it_stands_there() {
    let (mut upstream, proxy) = raw().await;
    for head in [
        format!("HTTP/1.1 200 OK\r\nAuthorization: {OURS}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX-Test: {OURS}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX-Test:{TOKEN}\r\n"),
        format!("HTTP/1.1 200 OK\r\nX-Test: a{TOKEN}b\r\n"),
        format!("HTTP/1.1 200 OK\r\n{TOKEN}: 1\r\n"),
        format!("HTTP/1.1 302 Found\r\nLocation: https://evil.example/?token={TOKEN}\r\n"),
        format!("HTTP/1.1 400 {TOKEN}\r\n"),
        format!("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer error=\"{OURS}\"\r\n"),
        // Left out of every answer, and a sign all the same.
        format!("HTTP/1.1 200 OK\r\nSet-Cookie: a={TOKEN}\r\n"),
        format!("HTTP/1.1 103 Early Hints\r\nX-Test: {OURS}\r\n\r\nHTTP/1.1 200 OK\r\n"),
        format!("HTTP/1.1 100 Continue\r\nX-Test: {OURS}\r\n\r\nHTTP/1.1 200 OK\r\n"),
    ] {
        for method in ["GET", "POST"] {
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, method).await;
            request.write(format!("{head}Content-Length: 0\r\n\r\n")).await;
            // The client fails on any answer that holds a token.
            is_no_answer(&client.answer().await, "token-echoed", &head);
            request.left().await;
            goes_on(&mut client, &mut upstream, &head).await;
        }
    }
}

#[tokio::test]
async fn a_body_with_our_token_is_withheld() {
    let (mut upstream, proxy) = raw().await;
    for body in [
        format!("GET / HTTP/1.1\r\nAuthorization: {OURS}\r\n"),
        format!("{{\"token\":\"{TOKEN}\"}}"),
        TOKEN.to_owned(),
        format!("SIM-access-SIM-access-raw-{TOKEN}"),
    ] {
        let length = body.len();
        let (one, two) = body.split_at(length / 2);
        let in_two = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
        let (sized, chunked) = (format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n");
        for (framing, framed) in [
            (sized.as_str(), body.clone()),
            (chunked, format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
            (chunked, in_two),
            // Until the connection closes.
            ("", body.clone()),
        ] {
            let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n{framed}");
            for packets in Packets::ALL {
                let mut client = proxy.client().await;
                let mut request = asked(&mut client, &mut upstream, "GET").await;
                request.offer(answer.as_bytes(), packets == Packets::ByteByByte).await;
                match client.try_answer_to("GET").await {
                    // It came with its head, which had not been passed on.
                    Ok(told) => is_no_answer(&told, "token-echoed", &answer),
                    // The head had gone.
                    Err(end) => assert_eq!(end, End::Reset, "{answer:?}"),
                }
                request.left().await;
                goes_on(&mut proxy.client().await, &mut upstream, &answer).await;
            }
        }
    }
}

#[tokio::test]
async fn not_one_byte_of_our_token_passes_however_a_body_is_cut() {
    let (mut upstream, proxy) = raw().await;
    for cut in 0..=TOKEN.len() {
        let mut client = proxy.client().await;
        let mut request = asked(&mut client, &mut upstream, "GET").await;
        let (one, two) = TOKEN.split_at(cut);
        request
            .write(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nbefore:{one}"))
            .await;
        if cut < TOKEN.len() {
            client.head().await;
            assert_eq!(client.bytes(12).await, b"7\r\nbefore:\r\n");
            request.write(format!("{two}behind!")).await;
            // Nothing more: not so much as the token's first byte.
            assert_eq!(client.end().await, End::Reset, "cut at {cut}");
        } else {
            is_no_answer(&client.answer().await, "token-echoed", "whole");
        }
        request.left().await;
        goes_on(&mut proxy.client().await, &mut upstream, "a token in two pieces").await;
    }
}

#[tokio::test]
async fn trailers_with_our_token_are_withheld() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let mut request = asked(&mut client, &mut upstream, "GET").await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    request.write(format!("{head}2\r\n{{}}\r\n0\r\nX-Test: {OURS}\r\n\r\n")).await;
    assert_eq!(client.try_answer_to("GET").await.unwrap_err(), End::Reset);
    request.left().await;
    goes_on(&mut proxy.client().await, &mut upstream, "a trailer").await;
}

#[tokio::test]
async fn what_only_begins_like_our_token_passes_whole() {
    let (mut upstream, proxy) = raw().await;
    for body in
        ["SIM-access-raw-", "S", "a SIM", "SIM-access-raw-2", "SSSSSSIM-SIM-access", "sim-access-raw-1"]
    {
        for packets in Packets::ALL {
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, "GET").await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let (last, rest) = answer.as_bytes().split_last().unwrap();
            request.offer(rest, packets == Packets::ByteByByte).await;
            request.answer([*last]).await;
            client.head().await;
            assert_eq!(client.bytes(body.len()).await, body.as_bytes());
            goes_on(&mut client, &mut upstream, body).await;
        }
    }
}
