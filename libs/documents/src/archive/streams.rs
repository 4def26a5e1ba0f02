//! Compressed streams: a tar inside is listed, anything else is the one entry.

use std::io::{BufReader, Read};

use domain::limits::Limits;
use stills::{Error, Source};

use super::tar::{self, Stream, Tape};
use super::{Entry, Listing, date_of_seconds};
use crate::unzip::{Part, most_expanded};

/// Memory for a dictionary, in KiB and in bytes.
const MOST_DICTIONARY_KIB: u32 = 256 << 10;
const MOST_WINDOW_BYTES: u64 = 256 << 20;

/// Lists what gzip holds.
pub(crate) fn gzip(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let mut head = [0; 1_024];
    let count = source.read_at(0, &mut head).map_err(Error::Source)?;
    let (name, modified) = gzip_header(head.get(..count).unwrap_or_default());
    let packed = source.length();
    let inner = flate2::read::MultiGzDecoder::new(whole(source));
    list(inner, packed, ("TAR.GZ", "GZIP"), name, modified, limits)
}

/// Lists what bzip2 holds.
pub(crate) fn bzip2(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let packed = source.length();
    let inner = bzip2::read::MultiBzDecoder::new(whole(source));
    list(inner, packed, ("TAR.BZ2", "BZIP2"), None, None, limits)
}

/// Lists what xz holds.
pub(crate) fn xz(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let packed = source.length();
    let inner = lzma_rust2::XzReader::new_mem_limit(whole(source), true, MOST_DICTIONARY_KIB);
    list(inner, packed, ("TAR.XZ", "XZ"), None, None, limits)
}

/// Lists what Zstandard holds.
pub(crate) fn zstd(source: &mut dyn Source, limits: &Limits) -> Result<Listing, Error> {
    let packed = source.length();
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    decoder.set_max_window_size(MOST_WINDOW_BYTES);
    let inner = ruzstd::decoding::StreamingDecoder::new_with_decoder(whole(source), decoder);
    list(inner.map_err(Error::corrupt)?, packed, ("TAR.ZST", "ZSTD"), None, None, limits)
}

fn whole(source: &mut dyn Source) -> BufReader<Part<'_>> {
    let left = source.length();
    BufReader::with_capacity(64 << 10, Part { source, from: 0, left })
}

/// The name and the time in a gzip header.
fn gzip_header(head: &[u8]) -> (Option<String>, Option<String>) {
    let seconds =
        head.get(4..8).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes));
    let modified =
        seconds.filter(|seconds| *seconds > 0).and_then(|seconds| date_of_seconds(seconds.into()));
    let flags = head.get(3).copied().unwrap_or(0);
    // A name comes first unless there is an extra field, which few write.
    let name = (flags & 0x0c == 8).then(|| {
        let name: Vec<u8> = head.iter().skip(10).take_while(|byte| **byte != 0).copied().collect();
        encoding_rs::WINDOWS_1252.decode(&name).0.into_owned()
    });
    (name, modified)
}

fn list(
    inner: impl Read,
    packed: u64,
    (tar_format, format): (&'static str, &'static str),
    name: Option<String>,
    modified: Option<String>,
    limits: &Limits,
) -> Result<Listing, Error> {
    let mut inner = inner.take(limits.expanded_bytes.min(most_expanded(packed)));
    let mut head = vec![0; 1_024];
    let count = Stream(&mut inner).fill(&mut head).map_err(Error::corrupt)?;
    head.truncate(count);
    if filetype::sniff(&head).media_type == "application/x-tar" {
        let mut listing = Listing { format: tar_format, ..Listing::default() };
        let mut tape = Stream(head.as_slice().chain(&mut inner));
        if tar::read(&mut tape, limits, &mut listing).is_err() {
            listing.is_cut = true;
            listing.total = listing.entries.len() as u64;
        }
        listing.is_cut |= inner.limit() == 0;
        return Ok(listing);
    }
    let rest = std::io::copy(&mut inner, &mut std::io::sink());
    let is_cut = rest.is_err() || inner.limit() == 0;
    let found = filetype::sniff(&head);
    let extension =
        if found.extension.is_empty() { String::new() } else { format!(".{}", found.extension) };
    let entry = Entry {
        name: name.unwrap_or_else(|| format!("content{extension}")),
        size: rest.ok().map(|rest| rest + count as u64).filter(|_| !is_cut),
        modified,
        ..Entry::default()
    };
    Ok(Listing { format, total: 1, entries: vec![entry], is_cut, is_sealed: false })
}
