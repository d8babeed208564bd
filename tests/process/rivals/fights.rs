//! One seat, two proxies that want it.

use std::time::Duration;

use super::arena::Arena;

#[test]
fn two_that_reclaim_log_in_ever_more_rarely_and_settle_when_one_leaves() {
    let mut arena = Arena::of(1);
    arena.enters(FIRST, &[]);
    arena.enters(SECOND, &[]);
    arena.pass(DAY);

    let (logins, most) = (arena.logins.len(), most_logins(DAY));
    assert_eq!(most, 33, "the bound of a day");
    // A fight it was, and a slow one.
    assert!((10..=most).contains(&logins), "{logins} logins in a day; {:?}", arena.logins);
    arena.kept_the_budgets();
    for (device, minutes) in &arena.minutes {
        assert!(minutes.kicked > 60, "{device} said for only {minutes:?} what was wrong");
        assert!(minutes.seated > 6 * 60, "{device} had the seat for only {minutes:?}");
    }
    let sessions = arena.broker.control().sessions();
    assert_eq!(sessions.iter().filter(|session| session.is_open).count(), 1);

    let left = arena.contenders.pop().unwrap().stop();
    assert_eq!(left.code, Some(0), "{left:?}");
    arena.pass(2 * HOUR);
    let settled = arena.broker.control().now();
    assert!(arena.logins.len() <= logins + 1, "{:?}", arena.logins);
    arena.pass(6 * HOUR);
    assert_eq!(arena.logins_since(settled), 0, "{:?}", arena.logins);
    let status = arena.contenders[0].proxy.status();
    assert_eq!((&status["session"]["state"], &status["ready"]), (&"live".into(), &true.into()), "{status}");
    arena.contenders[0].proxy.serves();
}

#[test]
fn one_that_waits_to_be_told_leaves_the_seat_to_the_other() {
    let mut arena = Arena::of(1);
    arena.enters(FIRST, &[]);
    arena.enters(SECOND, &[("TRADOVATE_PROXY_SESSION_ON_KICK", "manual")]);
    arena.pass(DAY);
    // Each once, and the first once more when the second had closed its session.
    assert_eq!((arena.logins_of(FIRST), arena.logins_of(SECOND)), (2, 1), "{:?}", arena.logins);
    assert!(arena.minutes[FIRST].seated >= 24 * 60 - 5, "{:?}", arena.minutes);
    assert!(arena.minutes[SECOND].kicked >= 24 * 60 - 5, "{:?}", arena.minutes);
}

#[test]
fn one_that_yields_leaves_the_seat_to_the_other_but_for_one_question_each_time() {
    let mut arena = Arena::of(1);
    arena.enters(FIRST, &[]);
    let yielding =
        [("TRADOVATE_PROXY_SESSION_ON_KICK", "yield"), ("TRADOVATE_PROXY_SESSION_YIELD_FOR", "5h")];
    arena.enters(SECOND, &yielding);
    arena.pass(DAY);
    // Each question costs both a login: the answer is that the seat is still wanted.
    assert_eq!((arena.logins_of(FIRST), arena.logins_of(SECOND)), (6, 5), "{:?}", arena.logins);
    assert!(arena.minutes[FIRST].seated >= 24 * 60 - 15, "{:?}", arena.minutes);
    assert!(arena.minutes[SECOND].kicked >= 24 * 60 - 15, "{:?}", arena.minutes);
}

/// The most logins that two proxies can make: each its first, and from then on each the answer to the other's, no
/// sooner after it than the gap that belongs to its own count of kicks.
fn most_logins(time: Duration) -> usize {
    let gaps = GAPS.into_iter().chain(std::iter::repeat(GAPS[GAPS.len() - 1]));
    let of_both = gaps.flat_map(|gap| [gap; 2]);
    let answers = of_both.scan(Duration::ZERO, |elapsed, gap| {
        *elapsed += gap;
        Some(*elapsed)
    });
    2 + answers.take_while(|elapsed| *elapsed <= time).count()
}

/// How long after each kick in a row the seat is taken back.
const GAPS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const FIRST: &str = "00000000-0000-4000-8000-00000000000a";
const SECOND: &str = "00000000-0000-4000-8000-00000000000b";
