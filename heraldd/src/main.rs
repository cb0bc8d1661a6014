//! heraldd.
fn main() {}
