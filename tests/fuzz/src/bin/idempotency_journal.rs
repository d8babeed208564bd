//! The journal of idempotency keys, as a crash may leave it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tradovate_proxy::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::idempotency_journal(input));
