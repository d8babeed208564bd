//! Every way in: [`alike`], what none of them may change; then what each has of its own.

mod alike;
mod certificates;
mod sockets;
mod stubborn;
