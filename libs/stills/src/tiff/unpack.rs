//! Strips and tiles of a TIFF, unpacked into rows as they were stored.

use hayro_ccitt::{DecodeSettings, Decoder, DecoderContext, EncodingMode};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::lzw;
use super::shape::Packing;
use crate::error::Error;
use crate::memory::zeroed;

/// So many rows of `row` bytes each; what is missing at the end is an error.
pub(super) fn whole_rows(bytes: &[u8], row: usize, rows: u32) -> Result<&[u8], Error> {
    let length = row.checked_mul(rows as usize).ok_or(Error::Memory { what: "a strip" })?;
    bytes.get(..length).ok_or_else(|| Error::corrupt("TIFF: ends too early"))
}

/// Unpacks `rows` rows of `row` bytes each into `target`, whatever was there; what is missing at the
/// end is an error.
pub(super) fn unpack(
    packing: Packing,
    packed: &[u8],
    (columns, rows): (u32, u32),
    row: usize,
    target: &mut Vec<u8>,
) -> Result<(), Error> {
    let bytes = row.checked_mul(rows as usize).ok_or(Error::Memory { what: "a strip" })?;
    match packing {
        Packing::Plain => {
            target.clear();
            target.extend_from_slice(packed.get(..bytes).unwrap_or_default());
        }
        Packing::Lzw => {
            if target.len() < bytes {
                *target = zeroed(bytes);
            }
            target.truncate(bytes);
            lzw::unpack(packed, target)?;
        }
        // More than there is room for is cut off: it is no part of the picture.
        Packing::Deflate => {
            *target = decompress_to_vec_zlib_with_limit(packed, bytes)
                .unwrap_or_else(|error| error.output);
        }
        Packing::Runs => *target = runs(packed, bytes),
        Packing::Fax1 { aligned } => {
            *target = fax(packed, (columns, rows), row, EncodingMode::Group3_1D, aligned);
        }
        Packing::Fax2 => {
            *target = fax(packed, (columns, rows), row, EncodingMode::Group3_2D, false);
        }
        Packing::Fax4 => *target = fax(packed, (columns, rows), row, EncodingMode::Group4, false),
        Packing::Jpeg | Packing::OldJpeg { .. } => target.clear(),
    }
    if target.len() < bytes {
        return Err(Error::corrupt("TIFF: ends too early"));
    }
    target.truncate(bytes);
    Ok(())
}

/// Apple's way: a byte many times over, or some as they are.
fn runs(packed: &[u8], bytes: usize) -> Vec<u8> {
    let mut unpacked = Vec::new();
    let mut rest = packed;
    while let Some((head, behind)) = rest.split_first() {
        if unpacked.len() >= bytes {
            break;
        }
        rest = match head {
            128 => behind,
            129.. => {
                let Some((byte, behind)) = behind.split_first() else { break };
                unpacked.extend(std::iter::repeat_n(*byte, 257 - usize::from(*head)));
                behind
            }
            _ => {
                let Some((run, behind)) = behind.split_at_checked(usize::from(*head) + 1) else {
                    break;
                };
                unpacked.extend_from_slice(run);
                behind
            }
        };
    }
    unpacked.truncate(bytes);
    unpacked
}

/// Lines of black and white as fax machines send them. Those that lack at the end are white.
fn fax(
    packed: &[u8],
    (columns, rows): (u32, u32),
    row: usize,
    encoding: EncodingMode,
    aligned: bool,
) -> Vec<u8> {
    struct Lines {
        columns: usize,
        row: usize,
        bits: Vec<u8>,
        at: usize,
    }
    impl Decoder for Lines {
        fn push_row(&mut self, changes: &[u32]) {
            let at = self.at;
            self.at += self.row;
            let Some(line) = self.bits.get_mut(at..at + self.row) else { return };
            for black in changes.chunks(2) {
                let from = black.first().map_or(0, |from| *from as usize);
                let to = black.get(1).map_or(self.columns, |to| *to as usize);
                for at in from..to.min(self.columns) {
                    if let Some(byte) = line.get_mut(at / 8) {
                        *byte |= 0x80 >> (at % 8);
                    }
                }
            }
        }
    }
    let bits = vec![0; row * rows as usize];
    let mut lines = Lines { columns: columns as usize, row, bits, at: 0 };
    let settings = DecodeSettings {
        columns,
        rows,
        end_of_block: true,
        end_of_line: matches!(encoding, EncodingMode::Group3_2D),
        rows_are_byte_aligned: aligned,
        encoding,
        strict: false,
    };
    // As far as it can be read.
    let decoded = hayro_ccitt::decode(packed, &mut lines, &mut DecoderContext::new(settings));
    if decoded.is_err() && lines.at == 0 { Vec::new() } else { lines.bits }
}
