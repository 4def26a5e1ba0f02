//! Channels of a picture or layer, as Photoshop packs them.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use crate::error::Error;
use crate::raster::room;

use super::{Cut, Header};

/// Channels one after the other, each with as many bytes as its depth says.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    pub(crate) bytes: Vec<Vec<u8>>,
}

/// Bytes of a row.
pub(crate) fn row_bytes(width: u32, depth: u16) -> usize {
    (width as usize * usize::from(depth)).div_ceil(8)
}

impl Planes {
    /// The composite's first `wanted` channels.
    pub(crate) fn read(cut: &mut Cut<'_>, header: &Header, wanted: usize) -> Result<Self, Error> {
        let (width, height) = header.dimensions;
        let (row, rows) = (row_bytes(width, header.depth), height as usize);
        let mut bytes = Vec::new();
        match cut.short()? {
            0 => {
                for _ in 0..wanted {
                    bytes.push(cut.take(row * rows)?.to_vec());
                }
            }
            1 => {
                let mut lengths = Cut(
                    cut.take(rows * usize::from(header.channels) * if header.big { 4 } else { 2 })?
                );
                for _ in 0..wanted {
                    bytes.push(runs(cut, &mut lengths, (row, rows), header)?);
                }
            }
            other => {
                return Err(Error::Unsupported { what: format!("PSD packed in way {other}") });
            }
        }
        Ok(Self { bytes })
    }

    /// In 8 bits each.
    pub(crate) fn cut_to_bytes(&self, depth: u16, width: u32) -> Vec<Vec<u8>> {
        let cut = |plane: &Vec<u8>| -> Vec<u8> {
            match depth {
                1 => plane
                    .chunks_exact(row_bytes(width, 1).max(1))
                    .flat_map(|row| {
                        let bits =
                            row.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
                        bits.take(width as usize).map(|bit| bit * 255)
                    })
                    .collect(),
                16 => {
                    let shorts = plane.as_chunks::<2>().0.iter().copied().map(u16::from_be_bytes);
                    shorts
                        .map(|value| {
                            u8::try_from((u32::from(value) + 128) / 257).unwrap_or(u8::MAX)
                        })
                        .collect()
                }
                32 => {
                    let lights = plane.as_chunks::<4>().0.iter().copied().map(f32::from_be_bytes);
                    #[allow(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "clamped to what a byte holds"
                    )]
                    let byte = |light: f32| (light.max(0.0).sqrt() * 255.0).clamp(0.0, 255.0) as u8;
                    lights.map(byte).collect()
                }
                _ => plane.clone(),
            }
        };
        self.bytes.iter().map(cut).collect()
    }

    /// Samples of `N` bytes, pixel by pixel.
    pub(crate) fn mixed<const N: usize, T: Copy + Default>(
        &self,
        channels: usize,
        read: fn([u8; N]) -> T,
    ) -> Vec<T> {
        let pixels = self.bytes.first().map_or(0, |plane| plane.len() / N);
        let mut samples = vec![T::default(); pixels * channels];
        for (channel, plane) in self.bytes.iter().take(channels).enumerate() {
            let places = samples.iter_mut().skip(channel).step_by(channels);
            for (sample, bytes) in places.zip(plane.as_chunks::<N>().0) {
                *sample = read(*bytes);
            }
        }
        samples
    }
}

/// One channel of a layer, of these dimensions.
pub(crate) fn layer_channel(
    packed: &[u8],
    (width, height): (u32, u32),
    header: &Header,
) -> Result<Vec<u8>, Error> {
    let (row, rows) = (row_bytes(width, header.depth), height as usize);
    let whole = row.checked_mul(rows).ok_or(Error::Memory { what: "pixels" })?;
    let mut cut = Cut(packed);
    match cut.short()? {
        0 => Ok(cut.take(whole)?.to_vec()),
        1 => {
            let mut lengths = Cut(cut.take(rows * if header.big { 4 } else { 2 })?);
            runs(&mut cut, &mut lengths, (row, rows), header)
        }
        way @ (2 | 3) => {
            let mut plane = decompress_to_vec_zlib_with_limit(cut.0, whole)
                .map_err(|error| Error::corrupt(format!("PSD: {error}")))?;
            if plane.len() != whole {
                return Err(Error::corrupt("PSD: a channel ends too early"));
            }
            if way == 3 {
                plane.chunks_exact_mut(row.max(1)).for_each(|row| sum_up(row, header.depth));
            }
            Ok(plane)
        }
        other => Err(Error::Unsupported { what: format!("PSD packed in way {other}") }),
    }
}

/// Undoes the differences between neighbours.
fn sum_up(row: &mut [u8], depth: u16) {
    match depth {
        16 => {
            let mut sum = 0_u16;
            for pair in row.as_chunks_mut::<2>().0 {
                sum = sum.wrapping_add(u16::from_be_bytes(*pair));
                *pair = sum.to_be_bytes();
            }
        }
        32 => {
            // The bytes of a number stand apart, all first ones before all second ones.
            add(row);
            let count = row.len() / 4;
            let apart = row.to_vec();
            for (at, number) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                for (part, byte) in number.iter_mut().enumerate() {
                    *byte = apart.get(part * count + at).copied().unwrap_or_default();
                }
            }
        }
        _ => add(row),
    }
}

fn add(row: &mut [u8]) {
    let mut sum = 0_u8;
    for byte in row {
        sum = sum.wrapping_add(*byte);
        *byte = sum;
    }
}

/// A channel of rows packed as runs.
fn runs(
    cut: &mut Cut<'_>,
    lengths: &mut Cut<'_>,
    (row, rows): (usize, usize),
    header: &Header,
) -> Result<Vec<u8>, Error> {
    let width = u32::try_from(row).map_err(|_odd| Error::Memory { what: "pixels" })?;
    let height = u32::try_from(rows).map_err(|_odd| Error::Memory { what: "pixels" })?;
    let mut plane = room(width, height, 1)?;
    for target in plane.chunks_exact_mut(row.max(1)) {
        let length = if header.big { lengths.int()? as usize } else { lengths.short()?.into() };
        unpack(cut.take(length)?, target)?;
    }
    Ok(plane)
}

/// `PackBits`.
fn unpack(packed: &[u8], row: &mut [u8]) -> Result<(), Error> {
    let (mut packed, mut at) = (Cut(packed), 0);
    let odd = || Error::corrupt("PSD: a row of odd length");
    while at < row.len() {
        let count = packed.byte()?;
        let (length, run) = match count {
            0..=127 => (usize::from(count) + 1, None),
            128 => continue,
            129..=255 => (257 - usize::from(count), Some(packed.byte()?)),
        };
        let place = row.get_mut(at..at + length).ok_or_else(odd)?;
        match run {
            Some(byte) => place.fill(byte),
            None => place.copy_from_slice(packed.take(length)?),
        }
        at += length;
    }
    Ok(())
}
