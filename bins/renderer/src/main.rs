//! renderer
fn main() {}
