//! dispatcher
fn main() {}
