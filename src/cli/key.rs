//! `key`: makes a caller's key.

use secrecy::ExposeSecret as _;

use crate::{
    callers::mint,
    cli::{Exit, complain, print},
};

/// Prints a new key for the caller called `name`, and the entry by which the configuration recognises it. The key is
/// shown here and nowhere else: it goes to the caller, and the entry into `caller-keys` or `admin-keys`.
pub fn key(name: &str) -> Exit {
    match mint(name) {
        Ok(minted) => {
            print(&format!("key    {}\nentry  {}\n", minted.key.expose_secret(), minted.entry));
            complain(&ADVICE);
            Exit::Success
        }
        Err(invalid) => {
            complain(&invalid);
            Exit::Usage
        }
    }
}

/// On standard error, so that a pipe gets the two lines alone.
const ADVICE: &str = "the key is not shown again: give it to the caller, who sends it as X-Proxy-Key or Authorization: \
                      Bearer; the entry goes into TRADOVATE_PROXY_CALLER_KEYS (or its file), for an operator or a \
                      scraper into TRADOVATE_PROXY_ADMIN_KEYS";
