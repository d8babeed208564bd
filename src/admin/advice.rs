//! What an operator should do now, in one sentence for every state.

use crate::auth::{State, Status};

/// The renewer's own advice where it has some, since it knows the cause; else what the state alone tells.
pub(super) fn advice(status: &Status) -> String {
    status.advice.clone().unwrap_or_else(|| of(status.state).to_owned())
}

fn of(state: State) -> &'static str {
    match state {
        State::Starting => "wait: the first token is got without being asked for",
        State::Live => "nothing: the token is renewed without being asked for",
        State::Overdue => {
            "nothing yet: the token still works, and its renewal is tried again until it expires"
        }
        State::Lapsed => "wait: a token is got as soon as Tradovate can be reached",
        State::Held => "wait for the next attempt: to ask sooner would bring the user closer to a lock-out",
        State::Rejected => "correct the credentials: nothing is tried before they change",
        State::Kicked => {
            "end the other program or browser that signs in as this user, or take the seat back now: \
             tradovate-proxy session resume"
        }
        State::Paused => "take the seat back when the other is done: tradovate-proxy session resume",
    }
}
