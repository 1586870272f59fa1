//! A quick hasher for lists that are only looked up, where the standard one's protection against
//! chosen keys is not needed: it took a third of the time of the whole meaning.

use std::hash::{BuildHasherDefault, Hasher};

/// Multiply and rotate, word by word (the scheme of Firefox and rustc's `FxHasher`).
#[derive(Default)]
pub(super) struct Quick(u64);

pub(super) type QuickBuild = BuildHasherDefault<Quick>;

impl Quick {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.add(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.add(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.add(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.add(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    /// The table looks at the lowest and the highest bits; the good ones are high.
    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}
