//! Many frames of a film on one picture: a contact sheet to look at, a storyboard to scrub along.

use std::fmt::Write;

use domain::job::Role;
use domain::wish::Format;
use stills::{Easel, Error, Layout, Made, Raster};

use crate::digits;
use crate::ff::Scaler;
use crate::film::Film;
use crate::jpeg;
use crate::page::{self, within_box};

/// A storyboard has a frame for every so many milliseconds, if it has not too many then.
const CELL_MS: u64 = 6_000;
/// The fewest and the most frames of a storyboard.
const CELLS: (u64, u64) = (10, 100);
/// The longest edge of a storyboard's frame, in pixels.
const CELL_PX: u32 = 160;
/// Frames of a storyboard beside one another.
const CELL_COLUMNS: usize = 10;
/// How many frames a contact sheet has, and how many of them beside one another.
const PICTURES: u64 = 12;
const PICTURE_COLUMNS: usize = 4;
/// The longest edge of a contact sheet's frame, in pixels.
const PICTURE_PX: u32 = 320;
/// Space between a contact sheet's frames and around them, in pixels.
const GAP_PX: u32 = 12;
/// What a contact sheet's frames lie on.
const GROUND: [u8; 3] = [24, 24, 27];
/// Films up to this length with few key frames are decoded whole instead, in milliseconds.
const WHOLE_MS: u64 = 60_000;

/// A frame, small and upright.
struct Cell {
    /// From when on it stands for the film, in milliseconds.
    from_ms: u64,
    /// When it is shown, in milliseconds.
    ms: u64,
    raster: Raster,
}

/// Hands out a film's frames as one sprite, and the cues that say which part of it is when.
///
/// # Errors
/// When no frame can be decoded, or a limit is reached.
pub(crate) fn storyboard(film: &mut Film<'_, '_>, easel: &mut Easel<'_>) -> Result<(), Error> {
    let length_ms = film.length_ms.max(1);
    let cells = cells(film, length_ms.div_ceil(CELL_MS).clamp(CELLS.0, CELLS.1), CELL_PX)?;
    let Some(size) = cells.first().map(|cell| cell.raster.dimensions()) else {
        return Err(Error::corrupt("no frame can be decoded"));
    };
    let columns = cells.len().min(CELL_COLUMNS);
    let mut sprite = Canvas::grid(size, columns, cells.len(), 0);
    let mut cues = "WEBVTT\n".to_owned();
    let ends = cells.iter().skip(1).map(|next| next.from_ms).chain([length_ms]);
    for ((index, cell), end_ms) in cells.iter().enumerate().zip(ends) {
        let (x, y) = sprite.place(index);
        sprite.put(&cell.raster, (x, y));
        let (from, to) = (clock(cell.from_ms), clock(end_ms.max(cell.from_ms + 1)));
        let (width, height) = size;
        // Writing to a text cannot fail.
        let _ok = write!(cues, "\n{from} --> {to}\nstoryboard.jpg#xywh={x},{y},{width},{height}\n");
    }
    let sprite = sprite.raster()?;
    let bytes = jpeg::write(&sprite, easel)?;
    easel.extra(&made(Role::Storyboard, sprite.dimensions(), Format::Jpg, &bytes))?;
    easel.extra(&made(Role::StoryboardCues, (0, 0), Format::Vtt, cues.as_bytes()))
}

/// Hands out a film's frames side by side, with their times.
///
/// # Errors
/// As [`storyboard`].
pub(crate) fn contact_sheet(film: &mut Film<'_, '_>, easel: &mut Easel<'_>) -> Result<(), Error> {
    let cells = cells(film, PICTURES, PICTURE_PX)?;
    let Some(size) = cells.first().map(|cell| cell.raster.dimensions()) else {
        return Err(Error::corrupt("no frame can be decoded"));
    };
    let columns = cells.len().min(PICTURE_COLUMNS);
    let mut sheet = Canvas::grid(size, columns, cells.len(), GAP_PX);
    for (index, cell) in cells.iter().enumerate() {
        let (x, y) = sheet.place(index);
        sheet.put(&cell.raster, (x, y));
        sheet.label(&moment(cell.ms, film.length_ms), (x + size.0, y + size.1));
    }
    let sheet = sheet.raster()?;
    let bytes = jpeg::write(&sheet, easel)?;
    easel.extra(&made(Role::ContactSheet, sheet.dimensions(), Format::Jpg, &bytes))
}

/// Frames from all along the film, no frame twice: key frames, but where a short film has few.
fn cells(film: &mut Film<'_, '_>, count: u64, edge_px: u32) -> Result<Vec<Cell>, Error> {
    let keys = gather(film, count, edge_px, Film::key_frame)?;
    if keys.len() as u64 * 2 > count || film.length_ms > WHOLE_MS || film.length_ms == 0 {
        return Ok(keys);
    }
    gather(film, count, edge_px, Film::frame_at)
}

type Finder<'i, 's> = fn(&mut Film<'i, 's>, u64) -> Result<Option<crate::ff::Frame>, Error>;

fn gather<'i, 's>(
    film: &mut Film<'i, 's>,
    count: u64,
    edge_px: u32,
    find: Finder<'i, 's>,
) -> Result<Vec<Cell>, Error> {
    let mut scaler = Scaler::new();
    let mut cells: Vec<Cell> = Vec::new();
    let mut size = None;
    for index in 0..count {
        let from_ms = film.length_ms * index / count;
        let middle_ms = film.length_ms * (2 * index + 1) / (2 * count);
        let Some(frame) = find(film, middle_ms)? else { continue };
        let ms = frame.time().map_or(middle_ms, |time| film.ms(time));
        // Key frames lie further apart than what is asked for, or the film goes back in time.
        if cells.last().is_some_and(|last| last.ms >= ms) {
            continue;
        }
        // All are as large as the first, whatever becomes of the film midway.
        let seen = *size.get_or_insert_with(|| within_box(film.look.seen(&frame), edge_px));
        let stored = page::turned(film.look.orientation, seen);
        let raster = page::raster(&mut scaler, &frame, stored)?;
        let raster = page::upright(page::opaque(raster)?, film.look.orientation)?;
        let from_ms = if cells.is_empty() { 0 } else { from_ms };
        cells.push(Cell { from_ms, ms, raster });
        if film.length_ms == 0 {
            break;
        }
    }
    Ok(cells)
}

/// A moment of a film of that length, as exact as it takes to tell it from the next on the sheet.
fn moment(ms: u64, length_ms: u64) -> String {
    let (seconds, tenth) = (ms / 1_000, ms % 1_000 / 100);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    if length_ms >= 3_600_000 {
        format!("{}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    } else if length_ms >= PICTURES * 1_000 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}.{tenth}")
    }
}

/// Hours, minutes, seconds and thousandths.
fn clock(ms: u64) -> String {
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{:02}:{:02}:{seconds:02}.{ms:03}", minutes / 60, minutes % 60)
}

const fn made(role: Role, dimensions: (u32, u32), format: Format, bytes: &[u8]) -> Made<'_> {
    Made { role, page: 1, size_index: 0, dimensions, original: dimensions, format, bytes }
}

/// A picture that others are put on.
struct Canvas {
    width: u32,
    height: u32,
    cell: (u32, u32),
    columns: usize,
    gap: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn grid(cell: (u32, u32), columns: usize, count: usize, gap: u32) -> Self {
        let columns = columns.max(1);
        let span = |cells: usize, edge: u32| u32::try_from(cells).unwrap_or(1) * (edge + gap) + gap;
        let (width, height) = (span(columns, cell.0), span(count.div_ceil(columns), cell.1));
        let pixels = GROUND.repeat(width as usize * height as usize);
        Self { width, height, cell, columns, gap, pixels }
    }

    /// Where the cell of that index begins.
    fn place(&self, index: usize) -> (u32, u32) {
        let at = |cells: usize, edge: u32| {
            u32::try_from(cells).unwrap_or(0) * (edge + self.gap) + self.gap
        };
        (at(index % self.columns, self.cell.0), at(index / self.columns, self.cell.1))
    }

    fn put(&mut self, raster: &Raster, (x, y): (u32, u32)) {
        let row_bytes = raster.dimensions().0 as usize * 3;
        for (row, y) in raster.pixels().chunks_exact(row_bytes.max(1)).zip(y..) {
            let from = (y as usize * self.width as usize + x as usize) * 3;
            if let Some(target) = self.pixels.get_mut(from..from + row_bytes) {
                target.copy_from_slice(row);
            }
        }
    }

    /// A time in a dark box that ends at that corner.
    fn label(&mut self, time: &str, (right, bottom): (u32, u32)) {
        let label = digits::label(time);
        let (left, top) = (right.saturating_sub(label.width), bottom.saturating_sub(label.height));
        let rows = label.ink.chunks_exact(label.width.max(1) as usize);
        for (row, y) in rows.zip(top..) {
            for (ink, x) in row.iter().zip(left..) {
                let from = (y as usize * self.width as usize + x as usize) * 3;
                for channel in self.pixels.get_mut(from..from + 3).unwrap_or_default() {
                    let dark = u16::from(*channel) * 2 / 5;
                    let value = dark + (255 - dark) * u16::from(*ink) / 255;
                    *channel = u8::try_from(value).unwrap_or(u8::MAX);
                }
            }
        }
    }

    fn raster(self) -> Result<Raster, Error> {
        Raster::new(self.width, self.height, Layout::Rgb, self.pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_have_hours_and_thousandths() {
        assert_eq!(clock(0), "00:00:00.000");
        assert_eq!(clock(3_723_004), "01:02:03.004");
    }

    #[test]
    fn moments_of_a_short_film_are_told_apart() {
        assert_eq!(moment(1_250, 5_000), "0:01.2");
        assert_eq!(moment(61_250, 90_000), "1:01");
        assert_eq!(moment(3_723_004, 7_200_000), "1:02:03");
    }

    #[test]
    fn a_grid_has_room_for_every_cell() {
        let canvas = Canvas::grid((16, 9), 10, 11, 2);
        assert_eq!((canvas.width, canvas.height), (182, 24));
        assert_eq!(canvas.place(10), (2, 13));
    }
}
