//! A renderer that goes wrong on purpose, behind the same walls, for the tests; never shipped.
//!
//! The first word of the source says how.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::ExitCode;

use domain::FailureCode;
use domain::job::Role;
use domain::wish::Format;
use enclave::inside::{Picture, Visit, VisitError};
use enclave::{Sniffed, Stage};
use serde_json::{Map, Value};

#[global_allocator]
static ALLOCATOR: renderer::memory::Limited = renderer::memory::Limited;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // A test that sees no outcome fails by itself.
    let job = |visit: &Visit| renderer::survive(visit, || go_wrong(visit));
    ExitCode::from(enclave::inside::serve(&words, || {}, &[], job))
}

fn go_wrong(visit: &Visit) -> Result<(), VisitError> {
    let (order, _fonts) = visit.order()?;
    let mut word = vec![0; usize::try_from(order.source_bytes).unwrap_or_default()];
    let count = visit.read_at(0, &mut word).unwrap_or_default();
    word.truncate(count);
    let kind = Sniffed {
        media_type: "image/png".to_owned(),
        extension: "png".to_owned(),
        encoding: "binary".to_owned(),
    };
    let hand_out = |picture: Picture<'_>| {
        visit.sniffed(&kind)?;
        visit.pages(1)?;
        visit.artifact(&picture)
    };
    match word.as_slice() {
        b"hang" => loop {
            std::thread::park();
        },
        b"hide" => {
            hang_up();
            loop {
                std::thread::park();
            }
        }
        b"spin" => loop {
            black_box(0);
        },
        b"panic" => {
            let none: Option<()> = black_box(None);
            none.expect("what cannot be");
        }
        b"abort" => std::process::abort(),
        b"fault" => fault(),
        b"exit" => std::process::exit(3),
        b"overflow" => {
            black_box(deeper(0));
        }
        b"file" => {
            // The filter kills before this returns.
            let _ = std::fs::File::open("/etc/passwd");
        }
        b"memory" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 8 << 20]);
                black_box(&hoard);
            }
        }
        b"silence" => return Ok(()),
        b"done" => visit.done(Map::new(), BTreeMap::new())?,
        b"twice" => {
            visit.sniffed(&kind)?;
            visit.sniffed(&kind)?;
        }
        b"header" => {
            visit.sniffed(&Sniffed { media_type: "a/b\r\nX: y".to_owned(), ..kind.clone() })?;
        }
        b"pages" => visit.pages(0)?,
        b"unasked page" => hand_out(Picture { page: 2, ..picture(PNG) })?,
        b"unasked size" => hand_out(Picture { size_index: 7, ..picture(PNG) })?,
        b"other format" => hand_out(picture(b"<svg onload='alert(1)'/>"))?,
        b"other dimensions" => {
            hand_out(Picture { original: (9, 9), dimensions: (9, 9), ..picture(PNG) })?;
        }
        b"unasked extra" => hand_out(Picture { role: Role::Clip, ..picture(PNG) })?,
        b"unasked reading" => {
            visit.sniffed(&kind)?;
            visit.pages(1)?;
            visit.page_to_read(1, (1, 1), PNG)?;
        }
        b"unasked metadata" => {
            hand_out(picture(PNG))?;
            let found = Map::from_iter([("exif".to_owned(), Value::from("x"))]);
            visit.done(found, BTreeMap::new())?;
        }
        b"late handover" => {
            hand_out(picture(PNG))?;
            visit.hand_over(Stage::Office, Map::new(), BTreeMap::new())?;
        }
        b"invented code" => visit.failed(FailureCode::DestinationDenied, "\u{1b}[31m not mine")?,
        b"large" => hand_out(picture(&vec![0; 3 << 20]))?,
        _ => hand_out(picture(PNG)).and_then(|()| visit.done(Map::new(), BTreeMap::new()))?,
    }
    Ok(())
}

/// Closes the socket, which a renderer may.
#[allow(unsafe_code, reason = "standard input is owned by nobody")]
fn hang_up() {
    // SAFETY: nothing is read or written in this process any more.
    let socket = unsafe { std::os::fd::FromRawFd::from_raw_fd(0) };
    drop::<std::os::fd::OwnedFd>(socket);
}

/// The header of a PNG of 1 × 1 pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0";

fn picture(bytes: &[u8]) -> Picture<'_> {
    Picture {
        role: Role::Rendition,
        page: 1,
        size_index: 0,
        dimensions: (1, 1),
        original: (1, 1),
        format: Format::Png,
        bytes,
    }
}

/// Reads where nothing is mapped.
#[allow(unsafe_code, reason = "what is safe does not do this")]
fn fault() {
    // SAFETY: none, which is the point: the first page is never mapped, and the process ends here.
    black_box(unsafe {
        std::ptr::read_volatile(black_box(std::ptr::without_provenance::<u8>(64)))
    });
}

#[allow(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 512]);
    deeper(depth + 1) + frame.first().copied().unwrap_or_default()
}
