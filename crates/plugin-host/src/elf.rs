//! Whether a shared library is all there.
//!
//! The dynamic linker maps what the file's head promises without asking how long the file is. Touching a page that
//! lies past the end, of a library that is still being copied say, ends the whole process with SIGBUS.

use std::io::{self, Read, Seek, SeekFrom};

/// What the first bytes of a shared library are on Linux.
pub(super) const MAGIC: [u8; 4] = *b"\x7fELF";

/// The length of the head of a 64-bit file, in bytes.
const HEAD: usize = 64;
/// The length of one program header, in bytes.
const SEGMENT: usize = 56;
/// The type of a segment that is mapped.
const LOAD: u64 = 1;

/// What a file is, by its head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ElfCheck {
    /// No shared library.
    Foreign,
    /// Its end is missing.
    Cut,
    /// It can be mapped. Other problems are reported by the dynamic linker.
    Mappable,
}

/// Looks at a file of this length, in bytes.
///
/// # Errors
/// When it cannot be read.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> io::Result<ElfCheck> {
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if !head.starts_with(&MAGIC) {
        return Ok(ElfCheck::Foreign);
    }
    // The linker refuses what is shorter, or of another class or byte order than this machine, before it maps anything.
    let [_, _, _, _, class, order, ..] = *head.as_slice() else { return Ok(ElfCheck::Mappable) };
    let native = if cfg!(target_endian = "little") { 1 } else { 2 };
    if head.len() < HEAD || class != 2 || order != native || !cfg!(target_pointer_width = "64") {
        return Ok(ElfCheck::Mappable);
    }
    let (at, size, count) = (number(&head, 32, 8), number(&head, 54, 2), number(&head, 56, 2));
    if size != SEGMENT as u64 {
        return Ok(ElfCheck::Mappable);
    }
    if at.checked_add(size * count).is_none_or(|end| end > length) {
        return Ok(ElfCheck::Cut);
    }
    let mut segments = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.by_ref().take(size * count).read_to_end(&mut segments)?;
    let cut = segments.chunks(SEGMENT).any(|segment| {
        let end = number(segment, 8, 8).checked_add(number(segment, 32, 8));
        number(segment, 0, 4) == LOAD && end.is_none_or(|end| end > length)
    });
    Ok(if cut { ElfCheck::Cut } else { ElfCheck::Mappable })
}

/// The number of so many bytes in this machine's order; 0 past the end.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    let field = bytes.get(at..at + size).unwrap_or_default().iter();
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if cfg!(target_endian = "little") { field.rev().fold(0, push) } else { field.fold(0, push) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_library_is_whole_until_a_byte_of_its_segments_is_missing() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let check = |bytes: &[u8]| check(&mut Cursor::new(bytes), bytes.len() as u64).unwrap();
        assert_eq!(check(&whole), ElfCheck::Mappable);
        // Wherever the segments end: what follows them is of no use when it is run.
        let (mut cut, mut mappable) = (HEAD, whole.len());
        while mappable - cut > 1 {
            let middle = usize::midpoint(cut, mappable);
            match check(&whole[..middle]) {
                ElfCheck::Cut => cut = middle,
                _ => mappable = middle,
            }
        }
        assert!(mappable > 4096, "{mappable}");
        for length in [HEAD, HEAD + 1, 1000, 4096, mappable / 2, mappable - 1] {
            assert_eq!(check(&whole[..length]), ElfCheck::Cut, "{length}");
        }
        for (bytes, expected) in [
            (&b""[..], ElfCheck::Foreign),
            (b"\x7fEL", ElfCheck::Foreign),
            (b"#!/bin/sh\n", ElfCheck::Foreign),
            (b"\x7fELF", ElfCheck::Mappable),
            (b"\x7fELF and then nothing", ElfCheck::Mappable),
        ] {
            assert_eq!(check(bytes), expected);
        }
    }

    #[test]
    fn numbers_that_lie_are_found() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let table = usize::try_from(number(&whole, 32, 8)).unwrap();
        let count = usize::try_from(number(&whole, 56, 2)).unwrap();
        let first =
            (0..count).map(|nth| table + nth * SEGMENT).find(|at| number(&whole, *at, 4) == LOAD).unwrap();
        for (what, field) in
            [("headers", 32..40), ("offset", first + 8..first + 16), ("size", first + 32..first + 40)]
        {
            let mut lying = whole.clone();
            lying[field].fill(0xff);
            let length = lying.len() as u64;
            assert_eq!(check(&mut Cursor::new(&lying), length).unwrap(), ElfCheck::Cut, "{what}");
        }
    }
}
