//! Placeholder until the assembly stands.
fn main() {}
