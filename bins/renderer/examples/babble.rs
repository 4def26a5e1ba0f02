//! A renderer that says to its worker whatever its source holds, for the tests; never shipped.

use std::process::ExitCode;

use enclave::inside::Visit;
use enclave::inside::walls::{self, Walls};

#[global_allocator]
static ALLOCATOR: renderer::memory::Limited = renderer::memory::Limited;

fn main() -> ExitCode {
    let parent = std::env::args().nth(2).and_then(|word| word.parse().ok());
    let visit = Visit::over_stdin();
    let Ok(built) = walls::build(Walls::All, parent.unwrap_or_default()) else {
        return ExitCode::FAILURE;
    };
    // A test that sees no outcome fails by itself.
    let ordered = visit.announce(built).and_then(|()| visit.order());
    let Ok((order, _fonts)) = ordered else { return ExitCode::FAILURE };
    let mut script = vec![0; usize::try_from(order.source_bytes).unwrap_or_default()];
    let count = visit.read_at(0, &mut script).unwrap_or_default();
    let mut rest = script.get(..count).unwrap_or_default();
    while let Ok(written @ 1..) = rustix::io::write(std::io::stdin(), rest) {
        rest = rest.get(written..).unwrap_or_default();
    }
    ExitCode::SUCCESS
}
