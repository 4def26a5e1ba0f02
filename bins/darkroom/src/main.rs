//! darkroom
fn main() {}
