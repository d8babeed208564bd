//! What is said of a panic, and where it is counted.
//!
//! A panic is a defect, and costs the one task that it happens in: a connection with its request. Tokio catches it
//! there; guards give back what the request held, and its connection is reset. A panic in the session's task, or in
//! a worker's own loop, ends the process with an error instead ([`super`]).

use std::{
    panic::{self, PanicHookInfo},
    sync::LazyLock,
    thread,
};

use prometheus::IntCounter;

/// Logs every panic from now on, and counts it, in place of what the standard library prints: its message. That may
/// hold anything the code had at hand (an index out of a string's bounds quotes the string), and so a secret. The
/// place is enough to find the defect.
pub fn report_panics() {
    panic::set_hook(Box::new(report));
}

/// How many there have been in this process; they have one hook, and so one counter.
pub(super) fn counter() -> IntCounter {
    PANICS.clone()
}

fn report(panic: &PanicHookInfo<'_>) {
    PANICS.inc();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(
        place,
        thread,
        "panicked, which is a defect: the request that met it got no answer, the others go on. Please report this line. If an order was under way (outcome=panicked), look at order/list before it is sent again"
    );
}

static PANICS: LazyLock<IntCounter> = LazyLock::new(|| {
    let counter = IntCounter::new(
        "tradovate_proxy_panics_total",
        "Defects of the proxy that cost a request, or a part of it, its life.",
    );
    counter.expect("a name and a help text that Prometheus allows")
});

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The hook is the whole process's, so it is tried in one of its own.
    #[test]
    fn a_panic_is_logged_by_its_place_and_counted_and_its_message_is_not_shown() {
        let this = std::env::current_exe().unwrap();
        let run = Command::new(this).args(["--ignored", "--exact", CHILD, "--nocapture"]).output().unwrap();
        let output =
            format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{output}");
        assert!(output.contains("which is a defect"), "{output}");
        assert!(output.contains("src/app/panics.rs:"), "{output}");
        assert!(output.contains("counted 1"), "{output}");
        assert!(!output.contains("canary"), "{output}");
    }

    #[test]
    #[ignore = "run by the test above, as a process of its own"]
    fn panics_with_a_secret_at_hand() {
        tracing::subscriber::with_default(tracing_subscriber::fmt().finish(), || {
            report_panics();
            let secret = "canary-token";
            assert!(panic::catch_unwind(|| panic!("no place for {secret}")).is_err());
        });
        println!("counted {}", counter().get());
    }

    const CHILD: &str = "app::panics::tests::panics_with_a_secret_at_hand";
}
