//! What is fuzzed: every reader of bytes or words that strangers send, as a function of bytes.
//!
//! Nothing is returned: a target is wrong when it panics, hangs, or breaks a promise that it
//! asserts.

mod callers;
mod conversations;
mod files;
mod network;
mod protocols;
mod records;

use std::path::{Path, PathBuf};

pub use callers::{addresses, objects, wishes};
pub use conversations::{hosts, pages, renderers};
pub use files::{documents, drawings, films, kinds, listings, pictures};
pub use network::{answers, requests, subscribers};
pub use protocols::{artifacts, frames, words};
pub use records::{envelopes, events, proofs};

/// A target and what it takes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also that of its program.
    pub name: &'static str,
    /// Runs it once.
    pub run: fn(&[u8]),
    /// Well-formed inputs to begin from.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How often the short run tries it.
    pub rounds: u32,
}

/// Every target.
pub const ALL: &[Target] = &[
    Target { name: "frames", run: frames, seeds: protocols::frame_seeds, rounds: 30_000 },
    Target { name: "kinds", run: kinds, seeds: files::file_seeds, rounds: 20_000 },
    Target { name: "listings", run: listings, seeds: files::file_seeds, rounds: 20_000 },
    Target { name: "pictures", run: pictures, seeds: files::file_seeds, rounds: 2_000 },
    Target { name: "wishes", run: wishes, seeds: callers::wish_seeds, rounds: 20_000 },
    Target { name: "addresses", run: addresses, seeds: callers::address_seeds, rounds: 20_000 },
    Target { name: "envelopes", run: envelopes, seeds: records::envelope_seeds, rounds: 20_000 },
    Target { name: "events", run: events, seeds: records::event_seeds, rounds: 10_000 },
    Target { name: "objects", run: objects, seeds: callers::object_seeds, rounds: 20_000 },
    Target { name: "drawings", run: drawings, seeds: files::drawing_seeds, rounds: 1_500 },
    Target { name: "documents", run: documents, seeds: files::document_seeds, rounds: 600 },
    Target { name: "artifacts", run: artifacts, seeds: protocols::artifact_seeds, rounds: 20_000 },
    Target { name: "words", run: words, seeds: protocols::word_seeds, rounds: 20_000 },
    Target { name: "films", run: films, seeds: files::film_seeds, rounds: 10_000 },
    Target { name: "proofs", run: proofs, seeds: records::proof_seeds, rounds: 20_000 },
    Target {
        name: "renderers",
        run: renderers,
        seeds: conversations::renderer_seeds,
        rounds: 20_000,
    },
    Target { name: "hosts", run: hosts, seeds: conversations::host_seeds, rounds: 10_000 },
    Target { name: "pages", run: pages, seeds: conversations::page_seeds, rounds: 5_000 },
    Target { name: "requests", run: requests, seeds: network::request_seeds, rounds: 5_000 },
    Target { name: "answers", run: answers, seeds: network::answer_seeds, rounds: 20_000 },
    Target {
        name: "subscribers",
        run: subscribers,
        seeds: network::subscriber_seeds,
        rounds: 20_000,
    },
];

/// Lays what a target begins from into the folder that its program was started with: its seeds, and
/// for those that read files small ones of the corpus. For the fuzzer, which then changes them.
pub fn lay_seeds(name: &str) {
    const LARGEST: u64 = 32 << 10;
    const READ_FILES: [&str; 6] =
        ["kinds", "listings", "pictures", "drawings", "documents", "films"];
    let mut words = std::env::args().skip(1);
    let Some(folder) = words.find(|word| !word.starts_with('-')).map(PathBuf::from) else { return };
    let target = ALL.iter().find(|target| target.name == name);
    let mut seeds = target.map_or_else(Vec::new, |target| (target.seeds)());
    if READ_FILES.contains(&name) {
        let mut folders =
            vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/corpus/files")];
        while let Some(entries) = folders.pop().map(std::fs::read_dir) {
            for path in entries.into_iter().flatten().flatten().map(|entry| entry.path()) {
                match path.symlink_metadata() {
                    Ok(about) if about.is_dir() => folders.push(path),
                    Ok(about) if about.is_file() && about.len() <= LARGEST => {
                        seeds.extend(std::fs::read(path));
                    }
                    _ => {}
                }
            }
        }
    }
    for (nth, seed) in seeds.iter().enumerate() {
        // A folder that cannot be written is the fuzzer's to complain of.
        let _ = std::fs::write(folder.join(format!("seed-{nth}")), seed);
    }
}
