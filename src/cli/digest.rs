//! The digest that names a policy by its contents.
//!
//! SHA-256 over each file in include order: its length as eight bytes, least significant first, then
//! its text. So moving a line from one file to the next changes it, and renaming a file does not.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::source::{FileId, Sources};

/// 64 hexadecimal digits.
pub(super) fn digest(sources: &Sources, files: &[FileId]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        let text = sources.file(*file).text();
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[(&str, &str)]) -> String {
        let mut sources = Sources::new();
        let files: Vec<FileId> =
            texts.iter().map(|(name, text)| sources.add(*name, *text)).collect();
        digest(&sources, &files)
    }

    #[test]
    fn contents_and_boundaries_count_and_names_do_not() {
        let plain = of(&[("a.fw", "ab"), ("b.fw", "c")]);
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, of(&[("x.fw", "ab"), ("y.fw", "c")]));
        assert_ne!(plain, of(&[("a.fw", "a"), ("b.fw", "bc")]));
        assert_ne!(plain, of(&[("b.fw", "c"), ("a.fw", "ab")]));
    }

    #[test]
    fn the_digest_is_the_one_that_is_published() {
        // printf '\2\0\0\0\0\0\0\0ab' | sha256sum
        let expected = "5dff2b3fa79721a8181b9beb1db6bcce93b482f9aa3a5c9b864fc4429e31d5f2";
        assert_eq!(of(&[("a.fw", "ab")]), expected);
    }
}
