//! What Tradovate, an authorization server and the disk say of the session.

use std::{str, sync::LazyLock};

use http::{HeaderValue, StatusCode};
use secrecy::ExposeSecret as _;

use crate::{
    auth::{
        StoreKey,
        courier::Answer,
        source::SourceError,
        state::Call,
        vault::{self, Record},
    },
    fuzzing::CANARY,
    oauth2,
    origin::Origin,
    tradovate::{ApiHosts, Environment, Hosts, Steering, TrustedSuffixes, wire},
};

/// An answer to a login or a renewal: a line `acquire|renew STATUS DATE`, then the body.
///
/// # Panics
/// When something does not hold. So do the others.
pub fn token_response(input: &[u8]) {
    let (line, body) = first_line(input);
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let call = if words.next() == Some(b"renew") { Call::Renew } else { Call::Acquire };
    let status = status(words.next());
    let steering = Steering::new(demo());
    match wire::decode(call, status.as_u16(), words.next(), body, &steering, &[CANARY]) {
        Ok(grant) => {
            assert!(status.is_success(), "granted by a {status}");
            assert!(!grant.token.expose_secret().is_empty(), "an empty token");
            if let Some(origin) = grant.origin {
                may_have_the_token(&origin);
            }
        }
        Err(error) => harmless(&error),
    }
}

/// An answer of an authorization server: a line `STATUS DATE`, then the body.
///
/// # Panics
/// When a token comes of a refusal, or a secret of either side is told in an error.
pub fn oauth_answer(input: &[u8]) {
    let (line, body) = first_line(input);
    let mut words = line.splitn(2, |&byte| byte == b' ');
    let status = status(words.next());
    let date = words.next().and_then(|date| HeaderValue::from_bytes(date).ok());
    let answer = Answer { status, date, body: body.to_vec().into() };
    assert!(!format!("{answer:?}").contains(CANARY));
    // Read for its form alone: any instant will do.
    let _ = answer.server_date();

    match oauth2::decode(&answer, &[CANARY]) {
        Ok(granted) => {
            assert!(status.is_success(), "granted by a {status}");
            assert!(!granted.token.expose_secret().is_empty(), "an empty token");
            assert!(granted.refresh.is_none_or(|refresh| !refresh.expose_secret().is_empty()));
            for life in [granted.life, granted.refresh_life].into_iter().flatten() {
                assert!((1..=3_162_240_000).contains(&life.as_secs()), "a life of {life:?}");
            }
        }
        Err(error) => {
            harmless(&error);
            let tokens: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            for token in ["access_token", "refresh_token"].map(|name| tokens.get(name)).into_iter().flatten()
            {
                // Shorter ones may be a word of the message by chance; and one with a blank in it, which no token is
                // (RFC 6750 §2.1), a run of words.
                let is_telling = |token: &&str| token.len() > 24 && !token.contains(' ');
                if let Some(token) = token.as_str().filter(is_telling) {
                    assert!(!error.to_string().contains(token), "{error} repeats {token}");
                }
            }
        }
    }
    // What Tradovate's own answers may say beside a token.
    if let Some(error) = wire::objection(body, &[CANARY]) {
        harmless(&error);
    }
    if let Some(origin) = wire::origin(body, &Steering::new(demo()), &[CANARY]) {
        may_have_the_token(&origin);
    }
}

/// What is said against a session, or stands in its way: it repeats no secret, and makes nobody wait for ever.
fn harmless(error: &SourceError) {
    assert!(!format!("{error} {error:?}").contains(CANARY), "a secret is repeated");
    if let SourceError::Penalty { wait, .. } = error {
        assert!(wait.as_secs() <= 3600, "a penalty of {wait:?}");
    }
}

/// A line with a redirect's `Location`, then `apiHosts`: the token goes only where it may.
///
/// # Panics
/// When it goes elsewhere.
pub fn hosts(input: &[u8]) {
    let (location, json) = first_line(input);
    let location = str::from_utf8(location).unwrap_or_default();
    let named: Option<ApiHosts> = serde_json::from_slice(json).ok();
    let simulation: Origin = "http://a.localhost:9000".parse().expect("it is an origin");

    let dynamic = demo();
    let movable = Hosts::new(Environment::Demo, Some(simulation.clone()), &["localhost".to_owned()]);
    let fixed = Hosts::new(Environment::Demo, Some(simulation), &[]);
    let lead = |hosts: &Hosts| {
        let from = hosts.bootstrap();
        let redirected = hosts.redirect(&from, location).ok().flatten();
        assert_ne!(redirected.as_ref(), Some(&from), "it stays, and is called a move");
        let named = named.as_ref().and_then(|named| hosts.resolve(named).ok().flatten());
        [redirected, named].into_iter().flatten()
    };
    lead(&dynamic).for_each(|origin| may_have_the_token(&origin));
    for origin in lead(&movable) {
        assert_eq!((origin.is_tls(), origin.port()), (false, 9000), "{origin}");
        assert!(origin.host() == "localhost" || origin.host().ends_with(".localhost"), "{origin}");
    }
    assert_eq!(lead(&fixed).count(), 0);

    // What an operator writes passes through the same parser.
    if let Ok(origin) = location.parse::<Origin>() {
        let again: Origin = origin.to_string().parse().expect("an origin reads back");
        assert_eq!(again, origin);
        assert!(!origin.authority().contains(['@', '/', '?', '#', '\\', ' ']), "{origin}");
    }
    if let Ok(url) = location.parse::<oauth2::TokenUrl>() {
        assert!(!url.to_string().contains(['?', '#']), "{url}");
    }
}

/// An origin of Tradovate's, at the usual port: told apart here by the plainest means there are.
fn may_have_the_token(origin: &Origin) {
    let shown = origin.to_string();
    let host = shown.strip_prefix("https://").unwrap_or_else(|| panic!("{shown} is in clear"));
    let plain =
        host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
    assert!(plain, "{shown} is no plain name");
    let trusted = ["tradovateapi.com", "tradovate.com", "ninjatrader.com"]
        .into_iter()
        .any(|domain| host == domain || host.ends_with(&format!(".{domain}")));
    assert!(trusted, "a token for {shown}");
}

/// What a session was kept in, encrypted or in clear: whatever is read can be written, and read again; and nothing but
/// a record of this seat comes of it.
///
/// # Panics
/// When it cannot, or something else does.
pub fn stored_session(input: &[u8]) {
    if let Ok(record) = Record::parse(input) {
        let written = record.to_bytes().expect("what was read can be written");
        let again = Record::parse(&written).expect("what was written can be read");
        assert_eq!(*again.to_bytes().expect("and written again"), *written);
    }
    for key in [None, Some(&*KEY)] {
        if let Some(record) = vault::salvage(input, key, SEAT) {
            assert_eq!(record.seat, SEAT, "another seat's record");
            record.to_bytes().expect("what is left can be written");
        }
    }
}

fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b'\n', input).unwrap_or(input.len());
    (&input[..at], input.get(at + 1..).unwrap_or_default())
}

fn status(word: Option<&[u8]>) -> StatusCode {
    word.and_then(|word| StatusCode::from_bytes(word).ok()).unwrap_or_default()
}

fn demo() -> Hosts {
    Hosts::Dynamic { environment: Environment::Demo, trusted: TrustedSuffixes::default() }
}

const SEAT: &str = "fuzz at https://demo.tradovateapi.com";
static KEY: LazyLock<StoreKey> = LazyLock::new(|| StoreKey::parse(&"0f".repeat(32)).expect("it is a key"));
