//! No image of this process's memory on a disk: it would hold the token and the password.

use rustix::{
    io,
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
};

/// Forbids core dumps, and reading this process's memory and environment to other processes of the same user.
///
/// # Errors
/// When the system refuses, which a sandboxing profile may make it do; there is nothing to be done then but to
/// say so.
pub fn forbid_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The limit alone does not hold where cores are piped to a program (core(5)).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}
