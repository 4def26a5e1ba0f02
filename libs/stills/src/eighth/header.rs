//! The segments of a JPEG before its pixels, as far as its means need them.

use super::entropy::Codes;

/// The most segments before the picture.
const MAX_SEGMENTS: usize = 4_096;

pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks across and down in each unit of the scan.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Which table of quantities, and what its means are multiples of.
    pub(super) table: u8,
    pub(super) quantum: i32,
    /// Which codes of means, and of the other numbers.
    pub(super) codes: (usize, usize),
}

pub(super) struct Header {
    /// Units of the scan, across and down.
    pub(super) units: (usize, usize),
    pub(super) components: Vec<Component>,
    pub(super) means: [Option<Codes>; 4],
    pub(super) others: [Option<Codes>; 4],
    /// Units from one restart to the next; 0 for none.
    pub(super) interval: usize,
}

fn short(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|short| usize::from(u16::from_be_bytes(*short)))
}

impl Header {
    /// Reads all segments up to the scan; gives what lies behind.
    pub(super) fn read(jpeg: &[u8]) -> Option<(Self, &[u8])> {
        let mut header = Self {
            units: (0, 0),
            components: Vec::new(),
            means: [const { None }; 4],
            others: [const { None }; 4],
            interval: 0,
        };
        let mut quanta = [0_i32; 4];
        let mut rest = jpeg.strip_prefix(b"\xff\xd8")?;
        for _ in 0..MAX_SEGMENTS {
            let (marker, behind) = match rest {
                [255, 255, ..] => {
                    rest = rest.get(1..)?;
                    continue;
                }
                [255, marker, behind @ ..] => (*marker, behind),
                _ => return None,
            };
            let length = short(behind)?;
            let body = behind.get(2..length)?;
            rest = behind.get(length..)?;
            match marker {
                0xc0 | 0xc1 => header.frame(body)?,
                0xc4 => header.codes(body)?,
                0xdb => quantities(body, &mut quanta)?,
                0xdd => header.interval = short(body)?,
                0xda => {
                    header.scan(body, quanta)?;
                    return Some((header, rest));
                }
                0xe0..=0xef | 0xfe => {}
                _ => return None,
            }
        }
        None
    }

    fn frame(&mut self, body: &[u8]) -> Option<()> {
        let (height, width) = (short(body.get(1..)?)?, short(body.get(3..)?)?);
        let (8, count, true) = (*body.first()?, *body.get(5)?, self.components.is_empty()) else {
            return None;
        };
        for component in body.get(6..6 + usize::from(count) * 3)?.as_chunks::<3>().0 {
            let [id, sampling, table] = *component;
            self.components.push(Component {
                id,
                across: usize::from(sampling >> 4),
                down: usize::from(sampling & 15),
                table,
                quantum: 0,
                codes: (0, 0),
            });
        }
        if let [only] = self.components.as_mut_slice() {
            // By itself, every block is a unit.
            (only.across, only.down) = (1, 1);
        }
        let across = self.components.iter().map(|it| it.across).max()?;
        let down = self.components.iter().map(|it| it.down).max()?;
        let fine = self.components.iter().all(|it| it.across > 0 && it.down > 0);
        if !fine || across > 4 || down > 4 || width == 0 || height == 0 {
            return None;
        }
        self.units = (width.div_ceil(8 * across), height.div_ceil(8 * down));
        Some(())
    }

    fn codes(&mut self, body: &[u8]) -> Option<()> {
        let mut rest = body;
        while let Some((class, behind)) = rest.split_first() {
            let (counts, behind) = behind.split_first_chunk::<16>()?;
            let count: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, behind) = behind.split_at_checked(count)?;
            let codes = Codes::of(*counts, symbols)?;
            let place = usize::from(class & 15);
            match class >> 4 {
                0 => *self.means.get_mut(place)? = Some(codes),
                1 => *self.others.get_mut(place)? = Some(codes),
                _ => return None,
            }
            rest = behind;
        }
        Some(())
    }

    /// All components at once, all numbers of each block.
    fn scan(&mut self, body: &[u8], quanta: [i32; 4]) -> Option<()> {
        let count = self.components.len();
        if usize::from(*body.first()?) != count || !matches!(count, 1 | 3) {
            return None;
        }
        let (chosen, rest) = body.get(1..)?.split_at_checked(count * 2)?;
        if !rest.starts_with(&[0, 63, 0]) {
            return None;
        }
        for (component, chosen) in self.components.iter_mut().zip(chosen.as_chunks::<2>().0) {
            let [id, tables] = *chosen;
            if id != component.id {
                return None;
            }
            component.quantum = *quanta.get(usize::from(component.table))?;
            component.codes = (usize::from(tables >> 4), usize::from(tables & 15));
        }
        Some(())
    }
}

/// The first number of each table, which a mean is a multiple of.
fn quantities(body: &[u8], quanta: &mut [i32; 4]) -> Option<()> {
    let mut rest = body;
    while let Some((class, behind)) = rest.split_first() {
        let (first, bytes) = match class >> 4 {
            0 => (usize::from(*behind.first()?), 64),
            1 => (short(behind)?, 128),
            _ => return None,
        };
        *quanta.get_mut(usize::from(class & 15))? = i32::try_from(first).ok()?;
        rest = behind.get(bytes..)?;
    }
    Some(())
}
