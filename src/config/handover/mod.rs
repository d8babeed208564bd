//! Secrets leave the environment.
//!
//! A process's environment can be read for as long as it runs: by its user in `/proc/PID/environ`, by whatever
//! collects crash dumps, by every child. What the kernel shows there is the memory that the process was started
//! with, so taking a variable out of one's own copy hides nothing (and is unsound once threads exist, which is
//! why `std::env::remove_var` is `unsafe`). Only a process that was *started* without a variable is free of it.
//!
//! So one is started: where a secret is in the environment, the process replaces itself by itself (`exec`:
//! same process id, parent, signals' fate and exit code) with the secrets taken out, and hands them over through
//! a pipe in place of standard input, which a service does not read. The pipe is drained at once, nothing is
//! left in it, and nothing touches a disk:
//!
//! ```text
//! started: TRADOVATE_PASSWORD=…       exec        started: TRADOVATE_PROXY_HANDOVER=stdin
//! pipe ◀── NAME=value NUL …        ─────────▶     standard input ──▶ Environment (memory only)
//! ```
//!
//! Secrets that come from files (`…_FILE`) cost none of this. What no process can mend: the environment of
//! its parent, and what a container engine or service manager recorded of it; files are the better way there.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, IsTerminal as _, Read, Write as _},
    os::fd::AsFd as _,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        process::CommandExt as _,
    },
    process::{Command, Stdio},
};

use secrecy::zeroize::Zeroizing;

use crate::config::{
    environment::Environment,
    setting::{Kind, SETTINGS},
};

/// The environment of this process, and the secrets that a former self handed over.
///
/// For processes that end soon this is all there is to do; one that stays goes on with [`shed`]. To be called
/// once, first of all.
pub fn receive() -> Result<Environment, HandoverError> {
    let mut environment = Environment::of_process();
    if environment.remove(MARKER) {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(HandoverError::Garbled);
        }
        // Read past the buffer that belongs to `Stdin`, which would keep a copy for the life of the process.
        let pipe = stdin.as_fd().try_clone_to_owned().map_err(HandoverError::Pipe)?;
        unpack(File::from(pipe), &mut environment)?;
    }
    Ok(environment)
}

/// Makes sure that no secret stays in the environment of this process: returns at once if none is there, and
/// otherwise not at all, save with an error. To be called before anything is opened, bound or started.
pub fn shed(environment: &Environment) -> Result<(), HandoverError> {
    // Asked anew: what came through the pipe is in `environment`, and not in the process's own.
    let own = Environment::of_process();
    let secrets: Vec<&str> = secret_names().filter(|name| own.get(name).is_some()).collect();
    if secrets.is_empty() {
        return Ok(());
    }
    let payload = pack(secret_names().filter_map(|name| Some((name, environment.get(name)?))))?;
    let (reader, mut writer) = io::pipe().map_err(HandoverError::Pipe)?;
    // Nobody reads before `exec`: `pack` made sure that it fits into any pipe.
    writer.write_all(&payload).map_err(HandoverError::Pipe)?;
    drop(writer);
    let program = std::env::current_exe().map_err(HandoverError::Program)?;
    let mut arguments = std::env::args_os();
    let mut next = Command::new(&program);
    next.arg0(arguments.next().unwrap_or_else(|| program.into_os_string()));
    next.args(arguments).stdin(Stdio::from(reader)).env(MARKER, "stdin");
    for name in secrets {
        next.env_remove(name);
    }
    Err(HandoverError::Exec(next.exec()))
}

/// `NAME=value`, each ended by NUL, which neither can hold.
fn pack<'a>(
    secrets: impl Iterator<Item = (&'a str, &'a OsStr)>,
) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
    let mut payload = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    for (name, value) in secrets {
        if payload.len() + name.len() + value.len() + 2 > MOST_BYTES {
            return Err(HandoverError::TooLong);
        }
        payload.extend_from_slice(name.as_bytes());
        payload.push(b'=');
        payload.extend_from_slice(value.as_bytes());
        payload.push(0);
    }
    Ok(payload)
}

/// Reads to the end what [`pack`] wrote. Names that are no secrets of ours are refused: this is no second way
/// to configure.
fn unpack(source: impl Read, environment: &mut Environment) -> Result<(), HandoverError> {
    let mut payload = Zeroizing::new(Vec::with_capacity(MOST_BYTES + 1));
    source.take(MOST_BYTES as u64 + 1).read_to_end(&mut payload).map_err(HandoverError::Pipe)?;
    if payload.is_empty() || payload.len() > MOST_BYTES {
        return Err(HandoverError::Garbled);
    }
    for entry in payload.split_inclusive(|&byte| byte == 0) {
        let entry = entry.strip_suffix(&[0]).ok_or(HandoverError::Garbled)?;
        let at = entry.iter().position(|&byte| byte == b'=').ok_or(HandoverError::Garbled)?;
        let name =
            secret_names().find(|name| name.as_bytes() == &entry[..at]).ok_or(HandoverError::Garbled)?;
        environment.insert(name, OsString::from_vec(entry[at + 1..].to_vec()));
    }
    Ok(())
}

fn secret_names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter(|setting| setting.kind == Kind::Secret).map(|setting| setting.env)
}

/// Why the secrets could not leave the environment. Starting with them there would break a promise, so the
/// process does not start.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// No pipe, or it broke.
    #[error("secrets could not be taken out of the environment: the pipe failed: {0}; {ADVICE}")]
    Pipe(#[source] io::Error),
    /// Our own program is not found: no `/proc`, say.
    #[error(
        "secrets could not be taken out of the environment: our own program was not found: {0}; {ADVICE}"
    )]
    Program(#[source] io::Error),
    /// It could not be started.
    #[error("secrets could not be taken out of the environment: restarting failed: {0}; {ADVICE}")]
    Exec(#[source] io::Error),
    /// More than the smallest pipe holds.
    #[error("the secrets in the environment are longer than {MOST_BYTES} bytes together; {ADVICE}")]
    TooLong,
    /// Somebody else set our marker.
    #[error("{MARKER} is set, but standard input holds no secrets: it is internal, do not set it")]
    Garbled,
}

/// Says to our next self that there is something to read.
const MARKER: &str = "TRADOVATE_PROXY_HANDOVER";

/// What fits into a pipe even where a user's pipes are cut to one page (pipe(7)).
const MOST_BYTES: usize = 4096;

const ADVICE: &str = "give them as files instead, by TRADOVATE_PASSWORD_FILE and TRADOVATE_SEC_FILE";

#[cfg(test)]
mod tests;
