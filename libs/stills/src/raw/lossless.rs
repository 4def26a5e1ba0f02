//! Lossless JPEG as DNG packs a sensor's values: ITU-T T.81, process 14, with Huffman codes.

use crate::error::Error;

/// The most components of a frame that DNG has.
const MAX_COMPONENTS: usize = 4;
/// Tables that a file may define.
const TABLES: usize = 4;
/// The longest code, in bits.
const LONGEST_CODE: u32 = 16;
/// Codes up to this long are found at once, in bits.
const SHORT_CODE: u32 = 9;
/// The largest category of differences: 32,768 alone, without further bits.
const LARGEST_CATEGORY: u8 = 16;

const START: u8 = 0xd8;
const LOSSLESS_FRAME: u8 = 0xc3;
const HUFFMAN_TABLES: u8 = 0xc4;
const ARITHMETIC_TABLES: u8 = 0xcc;
const SCAN: u8 = 0xda;
const END: u8 = 0xd9;
const RESTART_INTERVAL: u8 = 0xdd;

/// The values in the order in which they lie in the file, components side by side; `most` of them at
/// most.
pub(super) fn decode(jpeg: &[u8], most: usize) -> Result<Vec<u16>, Error> {
    let mut segments = Segments::of(jpeg)?;
    let mut tables: [Option<Table>; TABLES] = Default::default();
    let (mut frame, mut restart) = (None, 0);
    loop {
        let (marker, body) = segments.next()?;
        match marker {
            LOSSLESS_FRAME => frame = Some(Frame::parse(body).ok_or_else(broken)?),
            HUFFMAN_TABLES => define(&mut tables, body).ok_or_else(broken)?,
            RESTART_INTERVAL => restart = short(body, 0).ok_or_else(broken)?.into(),
            SCAN => {
                let frame = frame.ok_or_else(broken)?;
                if frame.values().is_none_or(|values| values > most) {
                    return Err(Error::corrupt("a lossless JPEG larger than its place"));
                }
                let scan = Scan::parse(body, frame, restart).ok_or_else(broken)?;
                return scan.decode(segments.rest, &tables).ok_or_else(broken);
            }
            // Frames of other kinds.
            0xc0..=0xcf if marker != ARITHMETIC_TABLES => {
                return Err(Error::Unsupported {
                    what: "a sensor's values as a lossy JPEG".into(),
                });
            }
            END => return Err(broken()),
            _ => {}
        }
    }
}

fn broken() -> Error {
    Error::corrupt("a lossless JPEG that is damaged")
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// Markers with what belongs to them.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    fn of(jpeg: &'a [u8]) -> Result<Self, Error> {
        let rest = jpeg.strip_prefix(&[0xff, START]).ok_or_else(broken)?;
        Ok(Self { rest })
    }

    fn next(&mut self) -> Result<(u8, &'a [u8]), Error> {
        let mut rest = self.rest.strip_prefix(&[0xff]).ok_or_else(broken)?;
        while let Some(behind) = rest.strip_prefix(&[0xff]) {
            rest = behind;
        }
        let (marker, behind) = rest.split_first().ok_or_else(broken)?;
        let length = short(behind, 0).ok_or_else(broken)?;
        let (body, after) = behind.split_at_checked(length.into()).ok_or_else(broken)?;
        self.rest = after;
        Ok((*marker, body.get(2..).ok_or_else(broken)?))
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    precision: u8,
    width: usize,
    height: usize,
    /// Names of the components; only as many as there are count.
    names: [u8; MAX_COMPONENTS],
    components: usize,
}

impl Frame {
    fn parse(body: &[u8]) -> Option<Self> {
        let (precision, height, width) = (*body.first()?, short(body, 1)?, short(body, 3)?);
        let components = usize::from(*body.get(5)?);
        if !(2..=16).contains(&precision)
            || width == 0
            || height == 0
            || !(1..=MAX_COMPONENTS).contains(&components)
        {
            return None;
        }
        let mut names = [0; MAX_COMPONENTS];
        let listed = body.get(6..)?.as_chunks::<3>().0.get(..components)?;
        for (name, [listed, factors, _]) in names.iter_mut().zip(listed) {
            // Every component is as large as the others.
            if *factors != 0x11 {
                return None;
            }
            *name = *listed;
        }
        Some(Self { precision, width: width.into(), height: height.into(), names, components })
    }

    fn values(&self) -> Option<usize> {
        self.width.checked_mul(self.height)?.checked_mul(self.components)
    }
}

/// A table of codes for categories of differences.
struct Table {
    /// By the next bits: length of the code and category; of length 0 where it is a longer one.
    short: Vec<(u8, u8)>,
    /// By length less one: the first code, how many, and where their categories begin.
    long: [(u32, u32, usize); LONGEST_CODE as usize],
    categories: Vec<u8>,
}

/// Takes what a segment defines.
fn define(tables: &mut [Option<Table>; TABLES], mut body: &[u8]) -> Option<()> {
    while let Some((kind, behind)) = body.split_first() {
        let (counts, behind) = behind.split_first_chunk::<16>()?;
        let total = counts.iter().map(|count| usize::from(*count)).sum();
        let (categories, behind) = behind.split_at_checked(total)?;
        // Tables from 16 on are for other processes.
        if *kind < 16 {
            *tables.get_mut(usize::from(*kind))? = Some(Table::new(counts, categories)?);
        }
        body = behind;
    }
    Some(())
}

impl Table {
    fn new(counts: &[u8; LONGEST_CODE as usize], categories: &[u8]) -> Option<Self> {
        if categories.iter().any(|category| *category > LARGEST_CATEGORY) {
            return None;
        }
        let mut long = [(0, 0, 0); LONGEST_CODE as usize];
        let mut short = vec![(0, 0); 1 << SHORT_CODE];
        let (mut code, mut from) = (0_u32, 0_usize);
        for ((length, count), place) in (1_u8..).zip(counts).zip(&mut long) {
            let count = u32::from(*count);
            if code + count > 1 << length {
                return None;
            }
            *place = (code, count, from);
            if u32::from(length) <= SHORT_CODE {
                let spare = SHORT_CODE - u32::from(length);
                for (code, category) in (code..code + count).zip(categories.get(from..)?) {
                    let first = (code << spare) as usize;
                    short.get_mut(first..first + (1 << spare))?.fill((length, *category));
                }
            }
            from += count as usize;
            code = (code + count) << 1;
        }
        Some(Self { short, long, categories: categories.to_vec() })
    }

    /// The next category.
    fn next(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let ahead = bits.peek(LONGEST_CODE);
        let (length, category) = self.short.get((ahead >> (LONGEST_CODE - SHORT_CODE)) as usize)?;
        if *length > 0 {
            bits.skip((*length).into())?;
            return Some(*category);
        }
        for (length, (first, count, from)) in (1..=LONGEST_CODE).zip(&self.long) {
            let code = ahead >> (LONGEST_CODE - length);
            if code >= *first && code - first < *count {
                bits.skip(length)?;
                return self.categories.get(from + (code - first) as usize).copied();
            }
        }
        None
    }
}

/// Bits of entropy-coded data, which ends at a marker.
struct Bits<'a> {
    rest: &'a [u8],
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// The next bits without taking them, up to 16; zeros behind the last one.
    fn peek(&mut self, bits: u32) -> u32 {
        while self.count <= 48 {
            let byte = match self.rest {
                [0xff, 0, behind @ ..] => {
                    self.rest = behind;
                    0xff
                }
                [0xff, ..] | [] => break,
                [byte, behind @ ..] => {
                    self.rest = behind;
                    *byte
                }
            };
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
        let ahead = if self.count >= bits {
            self.held >> (self.count - bits)
        } else {
            self.held << (bits - self.count)
        };
        (ahead & ((1 << bits) - 1)) as u32
    }

    /// Takes bits that were looked at; nothing where there are not as many.
    fn skip(&mut self, bits: u32) -> Option<()> {
        self.count = self.count.checked_sub(bits)?;
        self.held &= (1 << self.count) - 1;
        Some(())
    }

    /// A difference of that category.
    fn difference(&mut self, category: u8) -> Option<u16> {
        if category == 0 {
            return Some(0);
        }
        if category == LARGEST_CATEGORY {
            return Some(1 << 15);
        }
        let count = u32::from(category);
        let bits = self.peek(count);
        self.skip(count)?;
        let negative = bits >> (count - 1) == 0;
        let value = if negative { bits.wrapping_sub((1 << count) - 1) } else { bits };
        // Differences are counted modulo 2 to the 16th.
        Some((value & 0xffff) as u16)
    }

    /// Goes behind the marker of a restart, and whatever fills the last byte before it.
    fn restart(&mut self) -> Option<()> {
        let [0xff, 0xd0..=0xd7, behind @ ..] = self.rest else { return None };
        // More than a byte that is left over is no filling.
        if self.count >= 8 {
            return None;
        }
        (self.rest, self.held, self.count) = (behind, 0, 0);
        Some(())
    }
}

/// One scan, which holds all components.
struct Scan {
    frame: Frame,
    /// Which table each component uses.
    tables: [usize; MAX_COMPONENTS],
    predictor: u8,
    /// Low bits that are left out of every value.
    shift: u8,
    /// Rows between restarts.
    restart_rows: Option<usize>,
}

impl Scan {
    fn parse(body: &[u8], frame: Frame, restart: usize) -> Option<Self> {
        let (count, behind) = body.split_first()?;
        let count = usize::from(*count);
        let listed = behind.as_chunks::<2>().0.get(..count)?;
        let [predictor, _, shifts] = behind.get(count * 2..)?.first_chunk::<3>()?;
        let mut tables = [0; MAX_COMPONENTS];
        for ((table, name), [listed, choice]) in tables.iter_mut().zip(frame.names).zip(listed) {
            if *listed != name {
                return None;
            }
            *table = usize::from(choice >> 4);
        }
        let shift = shifts & 15;
        let fits = count == frame.components
            && (1..=7).contains(predictor)
            && shift < frame.precision
            // Restarts come between rows.
            && restart.is_multiple_of(frame.width);
        let restart_rows = (restart > 0).then(|| restart / frame.width);
        fits.then_some(Self { frame, tables, predictor: *predictor, shift, restart_rows })
    }

    fn decode(&self, data: &[u8], tables: &[Option<Table>; TABLES]) -> Option<Vec<u16>> {
        let step = self.frame.components;
        let row = self.frame.width * step;
        let mut chosen = Vec::with_capacity(step);
        for table in self.tables.get(..step)? {
            chosen.push(tables.get(*table)?.as_ref()?);
        }
        let mut bits = Bits { rest: data, held: 0, count: 0 };
        let mut values = vec![0_u16; self.frame.values()?];
        let begin = 1_u16 << (self.frame.precision - self.shift - 1);
        let (mut above, mut rest): (&mut [u16], &mut [u16]) = (&mut [], &mut values);
        for y in 0..self.frame.height {
            let (line, behind) = rest.split_at_mut_checked(row)?;
            let restarts = self.restart_rows.is_some_and(|rows| y > 0 && y.is_multiple_of(rows));
            if restarts {
                bits.restart()?;
            }
            let above_it = (y > 0 && !restarts).then_some(&*above);
            self.line(line, above_it, begin, &chosen, &mut bits)?;
            (above, rest) = (line, behind);
        }
        if self.shift > 0 {
            values.iter_mut().for_each(|value| *value <<= self.shift);
        }
        Some(values)
    }

    fn line(
        &self,
        line: &mut [u16],
        above: Option<&[u16]>,
        begin: u16,
        tables: &[&Table],
        bits: &mut Bits<'_>,
    ) -> Option<()> {
        let step = tables.len();
        for at in 0..line.len() {
            let table = tables.get(at % step)?;
            let difference = table.next(bits).and_then(|category| bits.difference(category))?;
            let left = at.checked_sub(step).and_then(|left| line.get(left).copied());
            let predicted = match (left, above) {
                (None, None) => begin,
                (Some(left), None) => left,
                (None, Some(above)) => *above.get(at)?,
                (Some(left), Some(above)) => {
                    predicted(self.predictor, left, *above.get(at)?, *above.get(at - step)?)
                }
            };
            *line.get_mut(at)? = predicted.wrapping_add(difference);
        }
        Some(())
    }
}

/// What a value is expected to be, by those to the left, above, and above to the left.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2 to the 16th")]
fn predicted(predictor: u8, left: u16, above: u16, corner: u16) -> u16 {
    let (a, b, c) = (i32::from(left), i32::from(above), i32::from(corner));
    let value = match predictor {
        1 => a,
        2 => b,
        3 => c,
        4 => a + b - c,
        5 => a + ((b - c) >> 1),
        6 => b + ((a - c) >> 1),
        _ => (a + b) >> 1,
    };
    value as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame with one table in which every category has five bits, and one of no use.
    fn jpeg(width: u8, height: u8, components: u8, predictor: u8, data: &[u8]) -> Vec<u8> {
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xc3, 0, 8 + 3 * components, 16];
        jpeg.extend([0, height, 0, width, components]);
        jpeg.extend((0..components).flat_map(|name| [name, 0x11, 0]));
        jpeg.extend([0xff, 0xc4, 0, 19 + 17, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        jpeg.extend(0..=16);
        jpeg.extend([0xff, 0xda, 0, 6 + 2 * components, components]);
        jpeg.extend((0..components).flat_map(|name| [name, 0]));
        jpeg.extend([predictor, 0, 0]);
        jpeg.extend(data);
        jpeg
    }

    #[test]
    fn a_value_is_the_one_expected_and_a_difference() {
        // Categories 2, 1, 0, 16: +3, -1, 0, 32,768.
        let bits = 0b000_1011_0000_1000_0001_0000_u32 << (32 - 23);
        let file = jpeg(4, 1, 1, 1, &bits.to_be_bytes());
        let values = decode(&file, 4).expect("decoded");
        assert_eq!(values, [32_771, 32_770, 32_770, 2]);
        assert_eq!(decode(&file, 3).expect_err("larger").code().name(), "corrupt");
        let cut = &file[..file.len() - 2];
        assert_eq!(decode(cut, 4).expect_err("cut").code().name(), "corrupt");
    }

    #[test]
    fn each_predictor_looks_where_it_should() {
        let found = [1, 2, 3, 4, 5, 6, 7].map(|predictor| predicted(predictor, 10, 21, 6));
        assert_eq!(found, [10, 21, 6, 25, 17, 23, 15]);
    }

    proptest! {
        #[test]
        fn whatever_the_data_nothing_panics(
            (width, height) in (1_u8..9, 1_u8..9),
            (components, predictor) in (0_u8..6, 0_u8..9),
            data in proptest::collection::vec(any::<u8>(), 0..200),
            (at, byte) in (0_usize..100, any::<u8>()),
        ) {
            let mut file = jpeg(width, height, components, predictor, &data);
            let whole = decode(&file, 4 * 81);
            if let Ok(values) = whole {
                let expected = [width, height, components].map(usize::from);
                prop_assert_eq!(values.len(), expected.iter().product::<usize>());
            }
            if let Some(target) = file.get_mut(at) {
                *target = byte;
            }
            let _any = decode(&file, 1 << 20);
        }
    }
}
