//! Programs of the machine that some tests need, and that may not be there.

use std::{path::Path, process::Command};

/// The same command under `strace`, which does with the process's system calls what `arguments` say. The child is the
/// process itself and not the tracer, so that signals go where they are meant to.
pub(crate) fn straced(command: &Command, arguments: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qqq", "-o", "/dev/null"]).args(arguments);
    strace.arg(command.get_program()).args(command.get_args());
    strace.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace
}

/// Whether `strace` is there and may trace.
pub(crate) fn has_strace() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// The library that shows a process another wall clock, where it is installed.
pub(crate) fn faketime() -> Option<&'static Path> {
    FAKETIME.iter().map(Path::new).find(|library| library.exists())
}

const FAKETIME: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
