//! Checksums of contents.

use md5::Md5;
use sha2::{Digest, Sha256};

/// The SHA-256 of this content in hex.
#[must_use]
pub fn sha256_hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// The MD5 of this content in hex: no protection, but what other programs compare with.
#[must_use]
pub fn md5_hex(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

/// One MD5 for several files, given as name and MD5: that of the lines `MD5  NAME`, sorted by name.
#[must_use]
pub fn md5_of_list<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut files: Vec<(&str, &str)> = files.into_iter().collect();
    files.sort_unstable();
    let lines: String = files.iter().map(|(name, md5)| format!("{md5}  {name}\n")).collect();
    md5_hex(lines.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums() {
        assert_eq!(md5_hex(b"aaaaaaaa"), "3dbe00a167653a1aaee01d93e77e730e");
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
        assert!(sha256_hex(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
        let list = md5_of_list([("b", "22"), ("a", "11")]);
        assert_eq!(list, md5_hex(b"11  a\n22  b\n"));
    }
}
