//! Which request goes, over every state, restart and damage.

use std::{
    fs,
    future::poll_fn,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use http::StatusCode;
use jiff::Timestamp;
use tempfile::TempDir;

use super::{
    digest::place,
    entry::State,
    ledger::{Ledger, Verdict},
    *,
};
use crate::{clock::Clock, http1::RequestHead};

const BOUNDS: Bounds = Bounds { entries: 3, answer_bytes: 100, age: Duration::from_secs(60) };

fn ledger(directory: &TempDir) -> Ledger {
    Ledger::open(Journal::within(directory.path()), BOUNDS)
}

fn journal(directory: &Path) -> PathBuf {
    directory.join("idempotency.journal")
}

fn key(name: &str) -> Digest {
    place("", Key::new(name).unwrap())
}

fn order(symbol: &str) -> Digest {
    request("POST", "/v1/order/placeorder", symbol.as_bytes())
}

fn kept(body: &[u8]) -> Arc<Kept> {
    let mut kept = Kept::new(StatusCode::OK, b"Fine");
    kept.field("X-Test", b"\xff");
    kept.data(body);
    Arc::new(kept)
}

fn answered(body: &[u8]) -> State {
    State::Answered { answer: kept(body) }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// What is said of an order with this key.
fn begin(ledger: &mut Ledger, name: &str, second: i64) -> Result<Verdict, String> {
    ledger.begin(key(name), order("ES"), at(second)).map_err(|refusal| match refusal {
        Refusal::InFlight => "in flight".to_owned(),
        Refusal::AnotherRequest => "another request".to_owned(),
        Refusal::OutcomeUnknown => "unknown".to_owned(),
        Refusal::NotKept { status } => format!("not kept, {status}"),
        Refusal::Full { entries } => format!("full with {entries}"),
        Refusal::Unwritable(why) => why.to_string(),
    })
}

const FIRST: Result<Verdict, String> = Ok(Verdict::First);

#[test]
fn a_key_lets_one_request_go_and_gives_its_answer_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = ledger(&directory);
    assert_eq!(begin(&mut ledger, "a", 0), FIRST);
    assert_eq!(begin(&mut ledger, "a", 1), Err("in flight".to_owned()));
    ledger.settle(key("a"), answered(b"one"), at(2));
    assert_eq!(begin(&mut ledger, "a", 3), Ok(Verdict::Repeat(kept(b"one"))));
    let another = ledger.begin(key("a"), order("NQ"), at(3));
    assert!(matches!(another, Err(Refusal::AnotherRequest)), "{another:?}");
    // Another key, and the same of another caller's.
    assert_eq!(begin(&mut ledger, "b", 3), FIRST);
    let others = place("other", Key::new("a").unwrap());
    assert_eq!(ledger.begin(others, order("ES"), at(3)).unwrap(), Verdict::First);
}

#[test]
fn what_was_not_sent_frees_its_key_and_what_is_unknown_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = ledger(&directory);
    assert_eq!(begin(&mut ledger, "a", 0), FIRST);
    assert!(ledger.forget(key("a"), at(1)).unwrap());
    assert_eq!(begin(&mut ledger, "a", 2), FIRST);
    ledger.settle(key("a"), State::Unknown, at(3));
    // However long ago.
    assert_eq!(begin(&mut ledger, "a", 1_000_000), Err("unknown".to_owned()));
    assert!(ledger.forget(key("a"), at(4)).unwrap());
    assert!(!ledger.forget(key("a"), at(4)).unwrap());
    assert_eq!(begin(&mut ledger, "a", 5), FIRST);
}

#[test]
fn an_answer_that_was_too_large_is_not_given_again_but_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = ledger(&directory);
    assert_eq!(begin(&mut ledger, "a", 0), FIRST);
    ledger.settle(key("a"), State::NotKept { status: StatusCode::CREATED }, at(1));
    assert_eq!(begin(&mut ledger, "a", 2), Err("not kept, 201 Created".to_owned()));
}

#[test]
fn room_is_made_by_what_was_answered_longest_ago_and_never_by_what_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = ledger(&directory);
    for (second, name) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(begin(&mut ledger, name, i64::try_from(second).unwrap()), FIRST);
    }
    assert_eq!(begin(&mut ledger, "d", 5), Err("full with 3".to_owned()));
    ledger.settle(key("a"), State::Unknown, at(5));
    ledger.settle(key("b"), answered(b"b"), at(6));
    ledger.settle(key("c"), answered(b"c"), at(7));
    assert_eq!(begin(&mut ledger, "d", 8), FIRST);
    assert_eq!(begin(&mut ledger, "c", 8), Ok(Verdict::Repeat(kept(b"c"))));
    assert_eq!(begin(&mut ledger, "a", 8), Err("unknown".to_owned()));
    assert_eq!(begin(&mut ledger, "b", 8), FIRST, "it was forgotten");
}

#[test]
fn an_answered_key_is_forgotten_when_it_is_old_enough() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = ledger(&directory);
    assert_eq!(begin(&mut ledger, "a", 0), FIRST);
    ledger.settle(key("a"), answered(b"a"), at(1));
    assert_eq!(begin(&mut ledger, "a", 60), Ok(Verdict::Repeat(kept(b"a"))));
    assert_eq!(begin(&mut ledger, "a", 61), FIRST);
}

#[test]
fn the_next_process_knows_what_this_one_did_and_takes_what_was_in_flight_for_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = ledger(&directory);
    assert!(!journal(directory.path()).exists(), "nothing is written before there is something to write");
    assert_eq!(begin(&mut before, "answered", 0), FIRST);
    before.settle(key("answered"), answered(b"one"), at(1));
    assert_eq!(begin(&mut before, "free", 1), FIRST);
    before.forget(key("free"), at(2)).unwrap();
    // And here it is killed.
    assert_eq!(begin(&mut before, "in-flight", 2), FIRST);
    drop(before);

    let mode = fs::metadata(journal(directory.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(journal(directory.path())).unwrap();
    assert!(!text.contains("placeorder"), "{text}");
    for _ in 0..2 {
        let mut after = ledger(&directory);
        assert_eq!(begin(&mut after, "answered", 3), Ok(Verdict::Repeat(kept(b"one"))));
        assert_eq!(begin(&mut after, "in-flight", 3), Err("unknown".to_owned()));
    }
    let mut after = ledger(&directory);
    assert_eq!(begin(&mut after, "free", 3), FIRST);
}

#[test]
fn wherever_a_crash_cuts_the_journal_no_answered_order_may_go_again_unknown_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = ledger(&directory);
    assert_eq!(begin(&mut before, "a", 0), FIRST);
    let begun = fs::read(journal(directory.path())).unwrap().len();
    before.settle(key("a"), answered(b"one"), at(1));
    drop(before);
    let whole = fs::read(journal(directory.path())).unwrap();
    for length in 0..=whole.len() {
        fs::write(journal(directory.path()), &whole[..length]).unwrap();
        let mut after = ledger(&directory);
        let expected = match length {
            // Before the first line was whole, nothing had left.
            _ if length < begun => FIRST,
            _ if length < whole.len() => Err("unknown".to_owned()),
            _ => Ok(Verdict::Repeat(kept(b"one"))),
        };
        assert_eq!(begin(&mut after, "a", 2), expected, "cut after {length} bytes");
        // What is written behind the cut is read again.
        assert_eq!(begin(&mut after, "b", 2), FIRST);
        drop(after);
        assert_eq!(begin(&mut ledger(&directory), "b", 3), Err("unknown".to_owned()), "cut after {length}");
    }
}

#[test]
fn a_damaged_line_is_skipped_and_the_others_are_known() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = ledger(&directory);
    for name in ["a", "b"] {
        assert_eq!(begin(&mut before, name, 0), FIRST);
        before.settle(key(name), answered(name.as_bytes()), at(1));
    }
    drop(before);
    let mut text = fs::read(journal(directory.path())).unwrap();
    let middle = text.iter().position(|&byte| byte == b'\n').unwrap() + 40;
    text[middle] ^= 1;
    fs::write(journal(directory.path()), &text).unwrap();
    let mut after = ledger(&directory);
    // Its answer is lost, and that it was begun is not.
    assert_eq!(begin(&mut after, "a", 2), Err("unknown".to_owned()));
    assert_eq!(begin(&mut after, "b", 2), Ok(Verdict::Repeat(kept(b"b"))));
}

#[test]
fn a_journal_that_cannot_be_written_or_read_lets_nothing_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut unwritable = Ledger::open(Journal::within(&directory.path().join("missing")), BOUNDS);
    assert!(begin(&mut unwritable, "a", 0).unwrap_err().contains("cannot be written"));
    // And takes nothing for begun.
    assert!(begin(&mut unwritable, "a", 1).unwrap_err().contains("cannot be written"));

    fs::create_dir(journal(directory.path())).unwrap();
    assert!(begin(&mut ledger(&directory), "a", 0).unwrap_err().contains("cannot be asked"));

    let mut nowhere = Ledger::open(Journal::Closed(Unwritable::Nowhere), BOUNDS);
    assert!(begin(&mut nowhere, "a", 0).unwrap_err().contains("in memory alone"));
}

#[test]
fn a_journal_that_is_removed_is_written_anew_or_lets_nothing_go() {
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let open = || Ledger::open(Journal::within(&state), BOUNDS);
    fs::create_dir(&state).unwrap();
    let mut ledger = open();
    begin(&mut ledger, "a", 0).unwrap();
    fs::remove_file(journal(&state)).unwrap();
    begin(&mut ledger, "b", 1).unwrap();
    drop(ledger);
    let mut next = open();
    for known in ["a", "b"] {
        assert!(begin(&mut next, known, 2).is_err(), "{known} has been forgotten");
    }

    fs::remove_dir_all(&state).unwrap();
    assert!(begin(&mut next, "c", 3).is_err(), "there is nowhere to write it down");
    fs::create_dir(&state).unwrap();
    begin(&mut next, "c", 4).unwrap();
    drop(next);
    for known in ["a", "b", "c"] {
        assert!(begin(&mut open(), known, 5).is_err(), "{known} has been forgotten");
    }
}

#[test]
fn a_journal_of_things_past_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = ledger(&directory);
    assert_eq!(begin(&mut before, "unknown", 0), FIRST);
    before.settle(key("unknown"), State::Unknown, at(0));
    for second in 0..200 {
        assert_eq!(begin(&mut before, "again", second), FIRST);
        before.forget(key("again"), at(second)).unwrap();
    }
    assert_eq!(begin(&mut before, "last", 2_000), FIRST);
    drop(before);
    let lines = fs::read_to_string(journal(directory.path())).unwrap().lines().count();
    assert!(lines < 300, "{lines} lines");
    let mut after = ledger(&directory);
    assert_eq!(begin(&mut after, "unknown", 2_000), Err("unknown".to_owned()));
    assert_eq!(begin(&mut after, "last", 2_000), Err("unknown".to_owned()));
}

#[test]
fn a_key_is_one_field_of_visible_ascii() {
    let among = |lines: &str| {
        let bytes = format!("POST / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        Key::among(&head.fields(bytes.as_bytes())).map(|key| key.is_some())
    };
    assert_eq!(among(""), Ok(false));
    assert_eq!(among("idempotency-key: a\r\n"), Ok(true));
    assert_eq!(among(&format!("Idempotency-Key: {}\r\n", "~".repeat(255))), Ok(true));
    for (lines, why) in [
        ("Idempotency-Key: \r\n".to_owned(), BadKey::Form),
        ("Idempotency-Key: a b\r\n".to_owned(), BadKey::Form),
        ("Idempotency-Key: \u{e9}\r\n".to_owned(), BadKey::Form),
        (format!("Idempotency-Key: {}\r\n", "a".repeat(256)), BadKey::Form),
        ("Idempotency-Key: a\r\nIdempotency-Key: a\r\n".to_owned(), BadKey::Twice),
    ] {
        assert_eq!(among(&lines), Err(why), "{lines:?}");
    }
}

#[test]
fn a_digest_knows_where_one_part_ends_and_the_next_begins() {
    assert_ne!(place("a", Key::new("bc").unwrap()), place("ab", Key::new("c").unwrap()));
    let one = request("POST", "/v1/order/placeorder", b"{}");
    assert_ne!(one, request("PUT", "/v1/order/placeorder", b"{}"));
    assert_ne!(one, request("POST", "/v1/order/placeorder?", b"{}"));
    assert_ne!(one, request("POST", "/v1/order/placeorder", b"{ }"));
}

/// A register in memory, and what it says of an order under the key `a`.
async fn ask(register: &Register) -> Result<Admission, Refusal> {
    register.begin("", Key::new("a").unwrap(), order("ES"), Duration::from_secs(2)).await
}

#[tokio::test]
async fn an_attempt_that_is_dropped_says_itself_what_is_known() {
    let register = Register::start(Journal::Memory, BOUNDS, Clock::system()).unwrap();
    {
        // Nobody waits for the leave.
        let left = ask(&register);
        tokio::pin!(left);
        poll_once(left.as_mut()).await;
    }
    register.flush().await;
    // It has not left.
    let Ok(Admission::First(attempt)) = ask(&register).await else { panic!("not the first") };
    drop(attempt);
    // It has, and was not sent after all.
    let Ok(Admission::First(mut attempt)) = ask(&register).await else { panic!("not freed") };
    attempt.leaves();
    attempt.has_not_left();
    drop(attempt);
    // It has.
    let Ok(Admission::First(mut attempt)) = ask(&register).await else { panic!("not freed") };
    assert!(matches!(ask(&register).await, Err(Refusal::InFlight)));
    let busy = register.forget("", Key::new("a").unwrap()).await;
    assert!(matches!(busy, Err(Unforgettable::InFlight)), "{busy:?}");
    attempt.leaves();
    drop(attempt);
    assert!(matches!(ask(&register).await, Err(Refusal::OutcomeUnknown)));
    assert!(!register.forget("another", Key::new("a").unwrap()).await.unwrap());
    assert!(register.forget("", Key::new("a").unwrap()).await.unwrap());
    let Ok(Admission::First(attempt)) = ask(&register).await else { panic!("not forgotten") };
    attempt.answered(kept(b"yes"));
    let Ok(Admission::Repeat(again)) = ask(&register).await else { panic!("not kept") };
    assert_eq!(again, kept(b"yes"));
}

async fn poll_once<T>(mut future: Pin<&mut impl Future<Output = T>>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}
