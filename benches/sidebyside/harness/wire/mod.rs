//! What speaks HTTP here: the upstream, the generator of load, and a client that looks closely.

pub(crate) mod answer;
pub(crate) mod generator;
pub(crate) mod probe;
pub(crate) mod stream;
pub(crate) mod upstream;
