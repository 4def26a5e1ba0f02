//! `darkroom-host`: builds walls around itself, then starts a program that reads untrusted bytes.
//! Started by a worker, never by hand.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    ExitCode::from(enclave::inside::host(&words))
}
