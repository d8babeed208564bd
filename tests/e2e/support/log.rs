//! All that is logged while the tests run, at its loudest, by the proxy and by every library in it: none of it may hold
//! a secret.

use std::{
    io::{self, Write},
    process,
    sync::{
        LazyLock, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use tradovate_proxy::{
    sandbox::{CREDENTIALS, EDGETAG},
    telemetry::{Format, subscriber},
};

use super::coats::Coats;

/// From the first call on, whatever is logged is looked through. A secret in it ends the whole run, since by then it is
/// no longer known which test it belongs to.
pub(crate) fn is_heard() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let trace = "trace".parse().expect("a level");
        let log = subscriber(&trace, Format::Text, || Listener);
        tracing::subscriber::set_global_default(log).expect("nobody else listens");
    });
}

/// Events looked through so far.
static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Takes one whole event for each `write`.
struct Listener;

impl Write for Listener {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if let Some(found) = secret_in(event) {
            let line = String::from_utf8_lossy(event);
            let _ = writeln!(io::stderr(), "\na secret is logged, {found}:\n{line}");
            process::abort();
        }
        HEARD.fetch_add(1, Ordering::Relaxed);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The coat in which a secret stands in `text`, if one does.
fn secret_in(text: &[u8]) -> Option<&'static str> {
    static SECRETS: LazyLock<[Coats; 4]> = LazyLock::new(|| {
        // Tokens of the raw upstream differ in a number at their end.
        [CREDENTIALS.password, CREDENTIALS.sec, EDGETAG.secret, "SIM-access-raw-"].map(Coats::of)
    });
    let known = SECRETS.iter().find_map(|secret| secret.found(text));
    known.or_else(|| holds_minted(text).then_some("whole"))
}

/// Whether a token or the like of the sandbox's stands in `text` with the part that nobody can guess: that it names one
/// by its beginning is no secret.
fn holds_minted(text: &[u8]) -> bool {
    text.windows(4).enumerate().filter(|(_, start)| start == b"SIM-").any(|(at, _)| {
        let minted = text[at..].split(|&byte| byte != b'-' && !byte.is_ascii_alphanumeric()).next();
        let random = minted.unwrap_or_default().rsplit(|&byte| byte == b'-').next().unwrap_or_default();
        random.len() >= 32 && random.iter().all(u8::is_ascii_hexdigit)
    })
}

#[test]
fn a_secret_in_the_log_is_found() {
    for leak in [
        format!("password={}", CREDENTIALS.password),
        format!("Basic {}", {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", EDGETAG.id, EDGETAG.secret))
        }),
        format!("{:?}", b"Bearer SIM-access-raw-1"),
        "token: \"SIM-access-0001-0123456789abcdef0123456789abcdef\"".to_owned(),
    ] {
        assert!(secret_in(leak.as_bytes()).is_some(), "{leak}");
    }
    assert_eq!(secret_in(b"token SIM-access-0001-(redacted) of generation 3"), None);
}

#[test]
fn the_log_is_listened_to() {
    is_heard();
    let before = HEARD.load(Ordering::Relaxed);
    tracing::trace!("the quietest there is");
    assert!(HEARD.load(Ordering::Relaxed) > before);
}
