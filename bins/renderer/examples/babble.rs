//! A renderer that says to its worker whatever its source holds, for the tests; never shipped.

use std::process::ExitCode;

use enclave::inside::{Visit, VisitError};

#[global_allocator]
static ALLOCATOR: renderer::memory::Limited = renderer::memory::Limited;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    ExitCode::from(enclave::inside::serve(&words, || {}, &[], babble))
}

/// A test that sees no outcome fails by itself.
fn babble(visit: &Visit) -> Result<(), VisitError> {
    let (order, _fonts) = visit.order()?;
    let mut script = vec![0; usize::try_from(order.source_bytes).unwrap_or_default()];
    let count = visit.read_at(0, &mut script).unwrap_or_default();
    let mut rest = script.get(..count).unwrap_or_default();
    while let Ok(written @ 1..) = rustix::io::write(std::io::stdin(), rest) {
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}
