//! The coded numbers of a JPEG: Huffman's codes, the bits they are read from, and how numbers are
//! skipped several at a time. ITU-T T.81, annex F.

/// The bits of a window that is looked up at once.
const WINDOW: u32 = 13;
/// Bits of a code that are looked up at once.
const SHORT: u32 = 9;
/// The most bits that a difference of two means takes.
const MAX_DIFFERENCE: u32 = 11;
/// The last of a block's numbers.
const LAST: u32 = 63;

/// Codes of Huffman's.
pub(super) struct Codes {
    /// Length and symbol, by the first bits; a length of 0 where the code is longer.
    short: Vec<(u8, u8)>,
    /// Of each length from 1 on: the first code behind it, aligned to 16 bits, and what is added to
    /// a code for its symbol's place.
    ends: [(u32, i32); 16],
    symbols: Vec<u8>,
}

impl Codes {
    pub(super) fn of(counts: [u8; 16], symbols: &[u8]) -> Option<Self> {
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
pub(super) struct Skip {
    /// Bits of whole numbers; 0 if the first is longer than the window.
    bits: u8,
    /// How far they reach.
    reach: u8,
    /// Whether the block ends behind them.
    ends: bool,
}

/// For every window.
pub(super) fn skips(codes: &Codes) -> Vec<Skip> {
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
pub(super) struct Bits<'a> {
    pub(super) data: &'a [u8],
    /// The next ones, highest first.
    held: u64,
    count: u32,
    /// How many of these were made up because the data ended.
    pub(super) made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn of(data: &'a [u8]) -> Self {
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
    pub(super) const fn is_at_end(&self) -> bool {
        self.count >= self.made_up && self.count - self.made_up < 8
    }

    /// Goes on behind the marker with this number.
    pub(super) fn restart(&mut self, number: u8) -> Option<()> {
        let rest = self.data.strip_prefix(&[255, 0xd0 + number])?;
        self.is_at_end().then(|| *self = Self::of(rest))
    }
}

/// The next difference of two means; `None` where it is longer than any may be.
#[inline]
pub(super) fn difference(bits: &mut Bits<'_>, codes: &Codes) -> Option<i32> {
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

/// Skips what is left of a block; `None` where that ends beyond the block.
#[inline]
pub(super) fn skip_others(bits: &mut Bits<'_>, codes: &Codes, skips: &[Skip]) -> Option<()> {
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
