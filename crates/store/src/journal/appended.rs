//! How postcard appends to bytes.

use postcard::ser_flavors::Flavor;

/// Bytes that grow: the library's own way to append to something, byte by byte, takes four times as long.
pub(super) struct Appended(pub(super) Vec<u8>);

impl Flavor for Appended {
    type Output = Vec<u8>;

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_what_the_library_writes() {
        let value = (7_u8, "text", [1_u8; 16], vec![300_u32, 5], Some("x".repeat(200)));
        let before = b"before".to_vec();
        let appended = postcard::serialize_with_flavor(&value, Appended(before.clone())).unwrap();
        assert_eq!(appended, [before, postcard::to_allocvec(&value).unwrap()].concat());
    }
}
