//! `healthcheck`: whether a running proxy is ready, as an exit status.

use crate::{
    cli::{Exit, question::Question},
    config::{Environment, Flags},
};

/// Asks the admin listener's `/readyz`, for at most two seconds, and complains unless the answer is 200.
pub fn healthcheck(flags: &Flags, environment: &Environment) -> Exit {
    let question = Question::get("/readyz");
    match question.ask(flags, environment) {
        Ok((_, answer)) if answer.status == 200 => Exit::Success,
        Ok((address, answer)) => {
            question.complain(&address, &format_args!("{}: {}", answer.status, answer.line()));
            Exit::Failure
        }
        Err(exit) => exit,
    }
}
