//! JPEG at an eighth of its size: every block of eight by eight pixels is its mean, which is its
//! first number, and the others are skipped several at a time. ITU-T T.81, baseline and extended
//! with Huffman codes, of 8 bits, in one scan.
//!
//! Whatever is otherwise, or odd in any way, is left to libjpeg-turbo, which gives the same samples.

use crate::raster::{Layout, Raster, room};

/// The bits of a window that is looked up at once.
const WINDOW: u32 = 13;
/// Bits of a code that are looked up at once.
const SHORT: u32 = 9;
/// The most bits that a difference of two means takes.
const MAX_DIFFERENCE: u32 = 11;
/// The last of a block's numbers.
const LAST: u32 = 63;
/// The most segments before the picture.
const MAX_SEGMENTS: usize = 4_096;

/// The means of all blocks, a plane for each component; `None` if this is not the way to have them.
pub(crate) fn decode(jpeg: &[u8]) -> Option<Vec<Raster>> {
    let (header, scan) = Header::read(jpeg)?;
    header.means(scan)
}

/// Codes of Huffman's.
struct Codes {
    /// Length and symbol, by the first bits; a length of 0 where the code is longer.
    short: Vec<(u8, u8)>,
    /// Of each length from 1 on: the first code behind it, aligned to 16 bits, and what is added to
    /// a code for its symbol's place.
    ends: [(u32, i32); 16],
    symbols: Vec<u8>,
}

impl Codes {
    fn of(counts: [u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut short = vec![(0, 0); 1 << SHORT];
        let mut ends = [(0, 0); 16];
        let (mut code, mut place) = (0_u32, 0_usize);
        for ((length, count), end) in (1_u32..).zip(counts).zip(&mut ends) {
            let first = code;
            for symbol in symbols.get(place..place + usize::from(count))? {
                if length <= SHORT {
                    let (from, to) = (code << (SHORT - length), (code + 1) << (SHORT - length));
                    let places = short.get_mut(from as usize..to as usize)?;
                    places.fill((u8::try_from(length).ok()?, *symbol));
                }
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            let offset = i32::try_from(place).ok()? - i32::try_from(first).ok()?;
            *end = (code << (16 - length), offset);
            place += usize::from(count);
            code <<= 1;
        }
        Some(Self { short, ends, symbols: symbols.to_vec() })
    }

    /// Length and symbol of the code that these bits begin with.
    #[inline]
    fn find(&self, bits: u16) -> Option<(u32, u8)> {
        let (length, symbol) = *self.short.get(usize::from(bits >> (16 - SHORT)))?;
        if length > 0 {
            return Some((length.into(), symbol));
        }
        let mut longer = (1_u32..).zip(self.ends).skip(SHORT as usize);
        let (length, (_, offset)) = longer.find(|(_, (end, _))| u32::from(bits) < *end)?;
        let place = i32::from(bits >> (16 - length)) + offset;
        Some((length, *self.symbols.get(usize::try_from(place).ok()?)?))
    }
}

/// What a window of bits holds of numbers that are skipped.
#[derive(Clone, Copy, Default)]
struct Skip {
    /// Bits of whole numbers; 0 if the first is longer than the window.
    bits: u8,
    /// How far they reach.
    reach: u8,
    /// Whether the block ends behind them.
    ends: bool,
}

/// For every window.
fn skips(codes: &Codes) -> Vec<Skip> {
    (0..1_u32 << WINDOW)
        .map(|window| {
            let mut skip = Skip::default();
            loop {
                let taken = u32::from(skip.bits);
                let rest = window << (32 - WINDOW) << taken;
                let Some((length, symbol)) = codes.find((rest >> 16) as u16) else { break };
                let (run, size) = (symbol >> 4, u32::from(symbol & 15));
                let Ok(bits) = u8::try_from(taken + length + size) else { break };
                let reach = skip.reach + run + 1;
                if u32::from(bits) > WINDOW || u32::from(reach) > LAST {
                    break;
                }
                skip.bits = bits;
                if size == 0 && run < 15 {
                    skip.ends = true;
                    break;
                }
                skip.reach = reach;
            }
            skip
        })
        .collect()
}

/// Bits from the highest on; a zero behind every byte of ones is left out.
struct Bits<'a> {
    data: &'a [u8],
    /// The next ones, highest first.
    held: u64,
    count: u32,
    /// How many of these were made up because the data ended.
    made_up: u32,
}

impl<'a> Bits<'a> {
    const fn of(data: &'a [u8]) -> Self {
        Self { data, held: 0, count: 0, made_up: 0 }
    }

    /// Holds 56 bits or more.
    #[inline]
    fn refill(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        if self.count > 56 {
            return;
        }
        if let Some(eight) = self.data.first_chunk::<8>() {
            let eight = u64::from_be_bytes(*eight);
            // Whether one of the bytes is 255.
            if (!eight).wrapping_sub(ONES) & eight & (ONES << 7) == 0 {
                self.held |= eight >> self.count;
                let bytes = (64 - self.count) / 8;
                self.count += bytes * 8;
                self.data = self.data.get(bytes as usize..).unwrap_or_default();
                return;
            }
        }
        while self.count <= 56 {
            let (byte, rest) = match self.data {
                [255, 0, rest @ ..] => (255, rest),
                [255, ..] | [] => {
                    self.made_up += 8;
                    self.count += 8;
                    continue;
                }
                [byte, rest @ ..] => (*byte, rest),
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
            self.data = rest;
        }
    }

    #[inline]
    const fn skip(&mut self, bits: u32) {
        self.held <<= bits;
        self.count -= bits;
    }

    /// Whether nothing but what fills a byte is left before a marker, and nothing was made up.
    const fn is_at_end(&self) -> bool {
        self.count >= self.made_up && self.count - self.made_up < 8
    }

    /// Goes on behind the marker with this number.
    fn restart(&mut self, number: u8) -> Option<()> {
        let rest = self.data.strip_prefix(&[255, 0xd0 + number])?;
        self.is_at_end().then(|| *self = Self::of(rest))
    }
}

struct Component {
    id: u8,
    /// Blocks across and down in each unit of the scan.
    across: usize,
    down: usize,
    /// Which table of quantities, and what its means are multiples of.
    table: u8,
    quantum: i32,
    /// Which codes of means, and of the other numbers.
    codes: (usize, usize),
}

struct Header {
    /// Units of the scan, across and down.
    units: (usize, usize),
    components: Vec<Component>,
    means: [Option<Codes>; 4],
    others: [Option<Codes>; 4],
    /// Units from one restart to the next; 0 for none.
    interval: usize,
}

fn short(bytes: &[u8]) -> Option<usize> {
    bytes.first_chunk().map(|short| usize::from(u16::from_be_bytes(*short)))
}

impl Header {
    /// Reads all segments up to the scan; gives what lies behind.
    fn read(jpeg: &[u8]) -> Option<(Self, &[u8])> {
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

    fn means(&self, scan: &[u8]) -> Option<Vec<Raster>> {
        let others: Vec<Option<(&Codes, Vec<Skip>)>> =
            self.others.iter().map(|codes| codes.as_ref().map(|it| (it, skips(it)))).collect();
        let mut tracks = Vec::new();
        for component in &self.components {
            let (others, skips) = others.get(component.codes.1)?.as_ref()?;
            let means = self.means.get(component.codes.0)?.as_ref()?;
            let (wide, high) = (self.units.0 * component.across, self.units.1 * component.down);
            let edge = |edge: usize| u32::try_from(edge).ok();
            let samples = room(edge(wide)?, edge(high)?, 1).ok()?;
            let track = Track { means, others, skips, wide, high, samples, last: 0, component };
            tracks.push(track);
        }
        let mut bits = Bits::of(scan);
        let (mut left, mut restarts) = (self.interval, 0_u8);
        for row in 0..self.units.1 {
            if bits.made_up > u64::BITS {
                return None;
            }
            for column in 0..self.units.0 {
                if self.interval > 0 {
                    if left == 0 {
                        bits.restart(restarts % 8)?;
                        restarts = restarts.wrapping_add(1);
                        tracks.iter_mut().for_each(|track| track.last = 0);
                        left = self.interval;
                    }
                    left -= 1;
                }
                for track in &mut tracks {
                    track.unit(&mut bits, column, row)?;
                }
            }
        }
        let done = bits.is_at_end() && bits.data.starts_with(b"\xff\xd9");
        let planes = tracks.into_iter().map(|track| {
            let edge = |edge: usize| u32::try_from(edge).ok();
            Raster::new(edge(track.wide)?, edge(track.high)?, Layout::Gray, track.samples).ok()
        });
        if done { planes.collect() } else { None }
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

/// A component on its way.
struct Track<'a> {
    component: &'a Component,
    means: &'a Codes,
    others: &'a Codes,
    skips: &'a [Skip],
    wide: usize,
    high: usize,
    samples: Vec<u8>,
    /// The mean before, which the next one is told as the difference from.
    last: i32,
}

impl Track<'_> {
    /// The blocks of one unit.
    #[inline]
    fn unit(&mut self, bits: &mut Bits<'_>, column: usize, row: usize) -> Option<()> {
        let (across, down) = (self.component.across, self.component.down);
        for y in 0..down {
            let at = (row * down + y) * self.wide + column * across;
            for x in 0..across {
                self.last = self.last.checked_add(difference(bits, self.means)?)?;
                skip_others(bits, self.others, self.skips)?;
                let mean = i16::try_from(self.last).ok()?;
                // In eighths, and from the middle on.
                let sample = ((i32::from(mean) * self.component.quantum + 4) >> 3) + 128;
                *self.samples.get_mut(at + x)? = u8::try_from(sample.clamp(0, 255)).ok()?;
            }
        }
        Some(())
    }
}

#[inline]
fn difference(bits: &mut Bits<'_>, codes: &Codes) -> Option<i32> {
    bits.refill();
    let (length, size) = codes.find((bits.held >> 48) as u16)?;
    let size = u32::from(size);
    if size > MAX_DIFFERENCE {
        return None;
    }
    bits.skip(length);
    // In two steps: of no bits, there is nothing to shift down.
    let value = i32::try_from(bits.held >> 1 >> (63 - size)).ok()?;
    bits.skip(size);
    // Those that begin with a zero are below it.
    Some(if size > 0 && value >> (size - 1) == 0 { value - (1 << size) + 1 } else { value })
}

#[inline]
fn skip_others(bits: &mut Bits<'_>, codes: &Codes, skips: &[Skip]) -> Option<()> {
    let mut at = 1_u32;
    loop {
        // The longest code and the longest number behind it.
        if bits.count < 31 {
            bits.refill();
        }
        let skip = *skips.get((bits.held >> (64 - WINDOW)) as usize)?;
        // What reaches beyond the block's end is of the next one.
        if skip.bits > 0 && at + u32::from(skip.reach) <= LAST {
            bits.skip(skip.bits.into());
            at += u32::from(skip.reach);
            if skip.ends {
                return Some(());
            }
            continue;
        }
        let (length, symbol) = codes.find((bits.held >> 48) as u16)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        bits.skip(length + size);
        if size == 0 && run < 15 {
            return Some(());
        }
        at += run + 1;
        if at > LAST {
            return (at == LAST + 1).then_some(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use turbojpeg::{
        Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage,
        yuv_pixels_len,
    };

    fn written(subsamp: Subsamp, quality: i32, (width, height): (usize, usize)) -> Vec<u8> {
        let mut dice = 1_u32;
        let pixels: Vec<u8> = (0..width * height * 3)
            .map(|at| {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (at / 3 % width, at / 3 / width);
                // Smooth, sharp and noisy parts.
                match (x / 64 + y / 48) % 3 {
                    0 => (x * 2 + y + at % 3 * 40) as u8,
                    1 => u8::from((x / 5 + y / 7) % 2 == 0) * 255,
                    _ => (dice >> 24) as u8,
                }
            })
            .collect();
        let mut compressor = Compressor::new().expect("a compressor");
        compressor.set_quality(quality).expect("quality");
        compressor.set_subsamp(subsamp).expect("sampling");
        compressor.set_optimize(quality % 2 == 1).expect("codes");
        let (pixels, pitch) = (pixels.as_slice(), width * 3);
        let image = Image { pixels, width, pitch, height, format: PixelFormat::RGB };
        compressor.compress_to_vec(image).expect("a JPEG")
    }

    /// What libjpeg-turbo makes of it, all planes one after the other.
    fn expected(jpeg: &[u8]) -> (Vec<u8>, (usize, usize), Subsamp) {
        let mut decompressor = Decompressor::new().expect("a decompressor");
        let header = decompressor.read_header(jpeg).expect("a header");
        let scale = ScalingFactor::ONE_EIGHTH;
        decompressor.set_scaling_factor(scale).expect("a scale");
        let (width, height) = (scale.scale(header.width), scale.scale(header.height));
        let subsamp = header.subsamp;
        let mut pixels = vec![0; yuv_pixels_len(width, 1, height, subsamp).expect("a length")];
        let image = YuvImage { pixels: pixels.as_mut_slice(), width, align: 1, height, subsamp };
        decompressor.decompress_to_yuv(jpeg, image).expect("planes");
        (pixels, (width, height), subsamp)
    }

    #[test]
    fn samples_are_those_of_libjpeg_turbo() {
        for (subsamp, across, down) in [
            (Subsamp::None, 1, 1),
            (Subsamp::Sub2x1, 2, 1),
            (Subsamp::Sub2x2, 2, 2),
            (Subsamp::Sub1x2, 1, 2),
            (Subsamp::Sub4x1, 4, 1),
            (Subsamp::Gray, 1, 1),
        ] {
            for (quality, dimensions) in [
                (12, (640, 480)),
                (75, (641, 479)),
                (91, (317, 203)),
                (100, (129, 9)),
                (55, (8, 8)),
            ] {
                let jpeg = written(subsamp, quality, dimensions);
                let planes = decode(&jpeg).unwrap_or_else(|| panic!("{subsamp:?} {quality}"));
                let (expected, (width, height), _) = expected(&jpeg);
                let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
                let mut rest = expected.as_slice();
                for (index, plane) in planes.iter().enumerate() {
                    let (wide, high) =
                        if index == 0 { (wide, high) } else { (wide / across, high / down) };
                    let (samples, behind) = rest.split_at(wide * high);
                    rest = behind;
                    // What fills whole samples of colour is beyond the picture.
                    let shown = if index == 0 { (width, height) } else { (wide, high) };
                    for (y, row) in samples.chunks(wide).take(shown.1).enumerate() {
                        let at = y * plane.width as usize;
                        let found = &plane.pixels[at..at + shown.0];
                        assert_eq!(&row[..shown.0], found, "{subsamp:?} {quality} {y}");
                    }
                }
                assert!(rest.is_empty(), "{subsamp:?}");
            }
        }
    }

    #[test]
    fn what_is_odd_is_left_to_others_and_nothing_panics() {
        let jpeg = written(Subsamp::Sub2x2, 80, (320, 240));
        assert!(decode(&jpeg).is_some());
        for length in (0..jpeg.len()).step_by(7) {
            assert!(decode(&jpeg[..length]).is_none(), "{length}");
        }
        let mut dice = 7_usize;
        for _ in 0..3_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut broken = jpeg.clone();
            let at = (dice >> 20) % broken.len();
            broken[at] ^= 1 << (dice >> 50 & 7);
            let _either = decode(&broken);
        }
        let mut progressive = Compressor::new().expect("a compressor");
        progressive.set_progressive(true).expect("scans");
        let (pixels, pitch) = (&[90; 64 * 64 * 3][..], 64 * 3);
        let image = Image { pixels, width: 64, pitch, height: 64, format: PixelFormat::RGB };
        assert!(decode(&progressive.compress_to_vec(image).expect("a JPEG")).is_none());
    }

    #[test]
    fn restarts_are_found_where_they_belong() {
        // Three gray blocks: a difference of five bits by the code 01, the end of a block by 0.
        let head = b"\xff\xd8\xff\xdb\0\x43\0".iter().chain(&[1; 64]).chain(
            b"\xff\xc0\0\x0b\x08\0\x08\0\x18\x01\x01\x11\0\
              \xff\xc4\0\x15\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\
              \xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        );
        let frame: Vec<u8> = head.copied().collect();
        let scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0";
        let units = |interval: &[u8], data: &[u8]| {
            [&frame, &b"\xff\xdd\0\x04\0"[..], interval, scan, data, b"\xff\xd9"].concat()
        };
        let unit = [0b0110_0000_u8];
        let samples = |jpeg: &[u8]| decode(jpeg).map(|planes| planes[0].pixels.clone());
        let parted = [&unit[..], b"\xff\xd0", &unit, b"\xff\xd1", &unit].concat();
        assert_eq!(samples(&units(&[1], &parted)), Some(vec![130; 3]));
        // Without restarts each mean builds on the one before.
        assert_eq!(samples(&units(&[0], &unit.repeat(3))), Some(vec![130, 132, 134]));
        let swapped = [&unit[..], b"\xff\xd1", &unit, b"\xff\xd0", &unit].concat();
        assert_eq!(samples(&units(&[1], &swapped)), None);
        assert_eq!(samples(&units(&[1], &unit)), None);
    }
}
