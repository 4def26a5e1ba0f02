//! The first of the ways in which PDFs are encrypted, as far as a test needs it.

use md5::{Digest, Md5};

const PADDING: [u8; 32] = [
    0x28, 0xbf, 0x4e, 0x5e, 0x4e, 0x75, 0x8a, 0x41, 0x64, 0x00, 0x4e, 0x56, 0xff, 0xfa, 0x01, 0x08,
    0x2e, 0x2e, 0x00, 0xb6, 0xd0, 0x68, 0x3e, 0x80, 0x2f, 0x0c, 0xa9, 0xfe, 0x64, 0x53, 0x69, 0x7a,
];
const OWNER: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
const ID: &[u8] = b"id of a file for tests";

/// A key for the password of the user.
pub(crate) struct Key([u8; 5]);

impl Key {
    pub(crate) fn of(password: &str) -> Self {
        let padded: Vec<u8> = password.bytes().chain(PADDING).take(32).collect();
        let mut hash = Md5::new();
        hash.update(&padded);
        hash.update(OWNER);
        hash.update((-4_i32).to_le_bytes());
        hash.update(ID);
        Self(*hash.finalize().first_chunk().expect("16 bytes"))
    }

    /// What the trailer says.
    pub(crate) fn trailer(&self) -> String {
        let user = rc4(&self.0, &PADDING);
        format!(
            "/ID [<{id}> <{id}>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <{}> /U <{}> >>",
            hex(&OWNER),
            hex(&user),
            id = hex(ID),
        )
    }

    /// The bytes of a stream or text of that object.
    pub(crate) fn seal(&self, object: u32, bytes: &[u8]) -> Vec<u8> {
        let mut hash = Md5::new();
        hash.update(self.0);
        hash.update(&object.to_le_bytes()[..3]);
        hash.update([0, 0]);
        rc4(&hash.finalize()[..10], bytes)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn rc4(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut table: Vec<u8> = (0..=255).collect();
    let mut other = 0_u8;
    for index in 0..256 {
        other = other.wrapping_add(table[index]).wrapping_add(key[index % key.len()]);
        table.swap(index, usize::from(other));
    }
    let (mut one, mut other) = (0_u8, 0_u8);
    bytes
        .iter()
        .map(|byte| {
            one = one.wrapping_add(1);
            other = other.wrapping_add(table[usize::from(one)]);
            table.swap(usize::from(one), usize::from(other));
            let sum = table[usize::from(one)].wrapping_add(table[usize::from(other)]);
            byte ^ table[usize::from(sum)]
        })
        .collect()
}
