//! Room for both.

use std::time::Duration;

use super::arena::Arena;

#[test]
fn a_third_login_now_and_then_costs_each_of_two_one_login() {
    let mut arena = Arena::of(2);
    arena.enters(FIRST, &[]);
    arena.enters(SECOND, &[]);
    arena.pass(6 * HOUR);
    assert_eq!(arena.logins.len(), 2, "there is room for both: {:?}", arena.logins);
    for day in 1..=2 {
        // Tradovate: the user's own browser counts. It closes the oldest session, whose holder closes the next oldest,
        // whose holder closes the browser's.
        let _ = arena.broker.control().log_in_elsewhere();
        arena.pass(9 * HOUR);
        let logins = (arena.logins_of(FIRST), arena.logins_of(SECOND));
        assert_eq!(logins, (1 + day, 1 + day), "{:?}", arena.logins);
    }
    arena.kept_the_budgets();
    for contender in &arena.contenders {
        assert_eq!(contender.proxy.status()["session"]["state"], "live");
        contender.proxy.serves();
    }
    assert!(arena.minutes.values().all(|minutes| minutes.seated >= 24 * 60 - 10), "{:?}", arena.minutes);
}

const HOUR: Duration = Duration::from_secs(60 * 60);

const FIRST: &str = "00000000-0000-4000-8000-00000000000a";
const SECOND: &str = "00000000-0000-4000-8000-00000000000b";
