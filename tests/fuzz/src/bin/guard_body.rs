//! The body of an order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tradovate_proxy::fuzzing;

fuzz_target!(|input: &[u8]| fuzzing::guard_body(input));
