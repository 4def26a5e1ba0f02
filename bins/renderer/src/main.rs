//! `darkroom-renderer`: started by a worker, never by hand.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: renderer::memory::Limited = renderer::memory::Limited;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    renderer::run(&words, &renderer::Light)
}
