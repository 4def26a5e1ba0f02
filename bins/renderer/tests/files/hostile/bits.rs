//! Checksums, compression and chunk framing, just enough to write files that lie.

/// Big-endian 32 bits.
pub(super) fn be32(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

/// Little-endian 32 bits.
pub(super) fn le32(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// Little-endian 16 bits.
pub(super) fn le16(value: u16) -> [u8; 2] {
    value.to_le_bytes()
}

/// The CRC of PNG and zip.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

/// Writes bits from the lowest on, as deflate wants them.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        self.pending |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// A Huffman code, which goes from its highest bit on.
    fn code(&mut self, value: u32, count: u32) {
        self.put(value.reverse_bits() >> (32 - count), count);
    }

    fn end(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 8 - self.count);
        }
        self.out
    }
}

fn literal(bits: &mut Bits, byte: u8) {
    let byte = u32::from(byte);
    if byte < 144 { bits.code(0x30 + byte, 8) } else { bits.code(0x190 + byte - 144, 9) }
}

/// A deflate stream of `first` and then its last byte `repeats` times more, a thousand to one.
pub(super) fn deflate_run(first: &[u8], repeats: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    // The fixed code for what comes first.
    bits.put(0, 1);
    bits.put(1, 2);
    for byte in first {
        literal(&mut bits, *byte);
    }
    bits.code(0, 7);
    // A code of our own for the run: one bit says 258 bytes more, one bit how far back.
    let last = usize::from(first.last().copied().unwrap_or(0));
    bits.put(1, 1);
    bits.put(2, 2);
    for (value, count) in [(29, 5), (0, 5), (14, 4)] {
        bits.put(value, count);
    }
    // Lengths of codes are told in the order 16, 17, 18, 0, 8, 7, ... 2, 14, 1.
    for place in 0..18 {
        bits.put(if [2, 3, 15, 17].contains(&place) { 2 } else { 0 }, 3);
    }
    let zeroes = |bits: &mut Bits, mut count: usize| {
        while count >= 11 {
            let run = count.min(138);
            bits.code(3, 2);
            bits.put(run as u32 - 11, 7);
            count -= run;
        }
        (0..count).for_each(|_| bits.code(0, 2));
    };
    zeroes(&mut bits, last);
    bits.code(2, 2);
    zeroes(&mut bits, 255 - last);
    bits.code(2, 2);
    zeroes(&mut bits, 28);
    bits.code(1, 2);
    bits.code(1, 2);
    for _ in 0..repeats / 258 / 8 {
        bits.put(0, 16);
    }
    for _ in 0..repeats / 258 % 8 {
        bits.put(0, 2);
    }
    for _ in 0..repeats % 258 {
        bits.code(2, 2);
    }
    bits.code(3, 2);
    bits.end()
}

/// The same with zlib's header; its checksum is wrong, which decoders see only at the end.
pub(super) fn zlib_run(first: &[u8], repeats: u64) -> Vec<u8> {
    [&[0x78, 0x9c][..], &deflate_run(first, repeats), &[0, 0, 0, 0]].concat()
}

/// Bytes in stored deflate blocks with zlib's header and checksum.
pub(super) fn zlib_stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(le16(block.len() as u16));
        out.extend(le16(!(block.len() as u16)));
        out.extend(block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    out.extend(be32(b << 16 | a));
    out
}

/// A PNG chunk.
pub(super) fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [kind, body].concat();
    [&be32(body.len() as u32)[..], &named, &be32(crc32(&named))].concat()
}

/// An MP4 box.
pub(super) fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&be32(body.len() as u32 + 8)[..], kind, body].concat()
}

/// A RIFF chunk, padded to an even length.
pub(super) fn riff(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let pad = vec![0; body.len() % 2];
    [kind, &le32(body.len() as u32)[..], body, &pad].concat()
}

/// An EBML element: id as written, length in eight bytes.
pub(super) fn ebml(id: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (1u64 << 56 | body.len() as u64).to_be_bytes();
    [id, &length, body].concat()
}

/// Numbers that look random and are the same every time (splitmix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Below `end`, which is at least 1.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }
}

#[test]
fn what_is_packed_here_can_be_unpacked() {
    let picture = super::stills::png(4, 2, 0, &zlib_stored(&[0, 1, 2, 3, 4, 0, 5, 6, 7, 8]), &[]);
    let drawn = image::load_from_memory(&picture).expect("a picture").to_luma8();
    assert_eq!(drawn.into_raw(), [1, 2, 3, 4, 5, 6, 7, 8]);
    let run = super::stills::png(300, 2, 0, &zlib_run(&[0], 601), &[]);
    assert!(image::load_from_memory(&run).is_ok_and(|drawn| drawn.width() == 300));
}
