//! A file as it is looked at: its head in memory, more of it on demand, numbers checked.

/// How much of a file is always looked at, in bytes.
pub const HEAD_BYTES: usize = 64 << 10;

/// Reads from an offset; `None` when that fails.
pub(crate) type ReadAt<'a> = dyn FnMut(u64, &mut [u8]) -> Option<usize> + 'a;

/// A file.
pub(crate) struct File<'a> {
    pub(crate) head: &'a [u8],
    /// All bytes; those of the head where no more is known.
    pub(crate) length: u64,
    /// Whether there is, or may be, more than the head.
    pub(crate) is_cut: bool,
    read_at: Option<&'a mut ReadAt<'a>>,
}

impl<'a> File<'a> {
    pub(crate) fn of_head(head: &'a [u8]) -> Self {
        let is_cut = head.len() >= HEAD_BYTES;
        let head = head.get(..HEAD_BYTES).unwrap_or(head);
        Self { head, length: head.len() as u64, is_cut, read_at: None }
    }

    pub(crate) fn of(head: &'a [u8], length: u64, read_at: &'a mut ReadAt<'a>) -> Self {
        Self { head, length, is_cut: length > head.len() as u64, read_at: Some(read_at) }
    }

    /// Whether these bytes stand at an offset of the head.
    pub(crate) fn has(&self, offset: usize, magic: &[u8]) -> bool {
        has(self.head, offset, magic)
    }

    /// Whether a magic stands there that is no word of a text: one of few letters counts only where
    /// the beginning is no text otherwise.
    pub(crate) fn is_marked(&self, offset: usize, magic: &[u8]) -> bool {
        const LOOK_BYTES: usize = 512;
        let is_word = magic.len() <= 6
            && magic.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
            && !magic.starts_with(b"%!");
        let is_text = |byte: &u8| matches!(byte, 7..=13 | 27 | 32..);
        self.has(offset, magic) && (!is_word || !self.head.iter().take(LOOK_BYTES).all(is_text))
    }

    /// Up to `count` bytes from anywhere; fewer at the end, or where no more can be read.
    pub(crate) fn bytes(&mut self, offset: u64, count: usize) -> Vec<u8> {
        let from_head = usize::try_from(offset).ok().and_then(|from| self.head.get(from..));
        if let Some(rest) = from_head
            && (rest.len() >= count || self.read_at.is_none() || !self.is_cut)
        {
            return rest.get(..count).unwrap_or(rest).to_vec();
        }
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(left)];
        let read = self.read_at.as_mut().and_then(|read_at| read_at(offset, &mut bytes));
        bytes.truncate(read.unwrap_or(0));
        bytes
    }
}

/// Whether these bytes stand at an offset.
pub(crate) fn has(bytes: &[u8], offset: usize, magic: &[u8]) -> bool {
    bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic))
}

/// Where these bytes stand first.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

/// `N` bytes at an offset.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// A number of 16 bits, little end first.
pub(crate) fn u16_le(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// A number of 32 bits, little end first.
pub(crate) fn u32_le(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// A number of 32 bits, big end first.
pub(crate) fn u32_be(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_be_bytes)
}

/// A number of 64 bits, little end first.
pub(crate) fn u64_le(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}
