//! The audit log, as it may be found.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tradovate_proxy::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::audit_log(input));
