//! Fuzzes `requests`; see the target itself.
#![no_main]

#[path = "../../libs/testkit/tests/fuzz/targets/mod.rs"]
#[allow(dead_code, reason = "each program runs one of the targets")]
mod targets;

libfuzzer_sys::fuzz_target!(init: targets::lay_seeds("requests"), |data: &[u8]| targets::requests(data));
