//! A part of the process that ends.

use super::command;
use crate::support::{
    broker::Broker,
    process::run,
    tool::{has_strace, straced},
};

#[test]
fn a_session_task_that_ends_takes_the_process_with_it() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    let mut command = command(state.path(), &broker);
    command.env("TRADOVATE_PROXY_WORKERS", "1").env("TRADOVATE_PROXY_AUDIT_LOG", "none");
    // The register of keys, the two of the kill switch and the worker get their threads; the one that stores the session
    // does not, which that task does not survive.
    let no_thread = |call: &str| format!("inject={call}:error=EAGAIN:when=5+");
    let (clone, clone3) = (no_thread("clone"), no_thread("clone3"));
    let ended = run(straced(&command, &["-e", "trace=clone,clone3", "-e", &clone, "-e", &clone3]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in ["panicked, which is a defect", "the session task ended by itself", "the process stops"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {ended:?}");
    }
    assert_eq!(broker.logins(), 0, "what could not be entered was not tried");
}
