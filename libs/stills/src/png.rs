//! PNG: what is looked at before its decoder is let at it, and its rows.

use std::io::Cursor;

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;
use png::{BitDepth, ColorType, Transformations};

use crate::colour::MAX_ICC_BYTES;
use crate::error::Error;
use crate::raster::Layout;
use crate::shrink::{Shrinker, Shrunk};

/// The most chunks that are looked through.
const MAX_CHUNKS: usize = 4_096;

/// Row by row what is of 8 bits, opaque and not interlaced, which most are; `None` for the rest.
pub(crate) fn decode(file: &[u8], least: (u32, u32)) -> Result<Option<Shrunk>, Error> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(Error::corrupt)?;
    let layout = match reader.output_color_type() {
        (ColorType::Grayscale, BitDepth::Eight) => Layout::Gray,
        (ColorType::Rgb, BitDepth::Eight) => Layout::Rgb,
        _ => return Ok(None),
    };
    if reader.info().interlaced {
        return Ok(None);
    }
    let mut shrinker = Shrinker::new(reader.info().size(), layout, least)?;
    while let Some(row) = reader.next_row().map_err(Error::corrupt)? {
        shrinker.row(row.data())?;
    }
    shrinker.finish().map(Some)
}

/// Cuts a colour profile out that is larger than any honest one, or that expands to be so: the
/// picture is as good without.
pub(crate) fn drop_large_profile(file: &mut Vec<u8>) {
    let mut at = 8_usize;
    for _ in 0..MAX_CHUNKS {
        let Some([l0, l1, l2, l3, name @ ..]) =
            file.get(at..).and_then(<[u8]>::first_chunk::<8>).copied()
        else {
            return;
        };
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let Some(end) = at.checked_add(12).and_then(|at| at.checked_add(length)) else { return };
        match &name {
            b"IDAT" => return,
            b"iCCP" => {
                let body = file.get(at + 8..at + 8 + length).unwrap_or_default();
                if is_large(body) && end <= file.len() {
                    file.drain(at..end);
                    continue;
                }
            }
            _ => {}
        }
        at = end;
    }
}

/// A name, a zero, the way of packing, and what is packed.
fn is_large(chunk: &[u8]) -> bool {
    let packed = chunk.iter().position(|byte| *byte == 0).and_then(|name| chunk.get(name + 2..));
    let packed = packed.unwrap_or_default();
    packed.len() > MAX_ICC_BYTES
        || decompress_to_vec_zlib_with_limit(packed, MAX_ICC_BYTES)
            .is_err_and(|error| error.output.len() >= MAX_ICC_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;

    fn chunk(name: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&length, name, body, &[0; 4]].concat()
    }

    #[test]
    fn a_profile_that_expands_beyond_reason_is_cut_out_and_others_stay() {
        for (bytes, stays) in [(3_000, true), (64 << 20, false)] {
            let packed = compress_to_vec_zlib(&vec![0; bytes], 6);
            let profile = chunk(b"iCCP", &[b"name\0\0", packed.as_slice()].concat());
            let head = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[0; 13])].concat();
            let tail = chunk(b"IDAT", b"pixels");
            let mut file = [head.clone(), profile.clone(), tail.clone()].concat();
            let before = file.clone();
            drop_large_profile(&mut file);
            let expected = if stays { before } else { [head, tail].concat() };
            assert!(file == expected, "{bytes}");
        }
    }
}
