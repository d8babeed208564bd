//! Two proxies that log in as one user, each a process of its own with a state directory of its own, for a simulated
//! day: they cannot fight. Whoever loses the seat takes it back at once the first time and then after growing gaps,
//! inside the budgets of an hour, and says all the while what is wrong.
//!
//! - [`contender`]: one of the processes: this test binary, started again, on a clock that it is told to advance
//! - [`arena`]: the broker and both of them, minute by minute
//! - [`fights`]: with a broker that allows one session a user, by policy
//! - [`peace`]: with one that allows two

mod arena;
mod contender;
mod fights;
mod peace;
