//! What the data path costs before and after the sockets: nanoseconds per pure step, and per read of the token.
//!
//! ```text
//! cargo bench --bench data_path                 everything, about a minute and a half
//! cargo bench --bench data_path -- token        one group
//! ```
//!
//! [`steps`] follows a request in the order of [`tradovate_proxy::proxy`], on the requests that curl and Python's
//! `requests` send; its `whole` is all of them in a row, on the buffers of a connection that is used again.
//! [`token`] sets the one read that every request shares with the renewer beside what could have been used
//! instead.
//!
//! All of it is user time without a system call: a request costs some twenty microseconds in the kernel on its
//! way through a proxy, so what these steps can save or waste is seen in the `loopback` bench.

mod steps;
mod token;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    steps::bench(&mut criterion);
    token::bench(&mut criterion);
    criterion.final_summary();
}
