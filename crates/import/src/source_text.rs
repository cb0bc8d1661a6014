//! The bytes of the other program's file, as text.

use super::imported::ImportError;

/// A file that its program reads as UTF-8.
///
/// # Errors
/// The first line that is not UTF-8.
pub fn utf8<'a>(bytes: &'a [u8], file_name: &str) -> Result<&'a str, ImportError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        ImportError::NotUtf8 { file: file_name.to_owned(), line }
    })
}

/// A crontab. Cron never reads its comments: those that are not UTF-8 are read as Latin-1.
///
/// # Errors
/// The first other line that is not UTF-8.
pub fn crontab(bytes: &[u8], file_name: &str) -> Result<String, ImportError> {
    let mut text = String::with_capacity(bytes.len());
    for (n, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) if line.trim_ascii_start().starts_with(b"#") => {
                text.extend(line.iter().map(|byte| char::from(*byte)));
            }
            Err(_) => return Err(ImportError::NotUtf8 { file: file_name.to_owned(), line: n + 1 }),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_a_crontab_may_be_latin_1() {
        for (bytes, read) in [
            (&b"# Werkst\xe4tten\r\n0 3 * * * a\n"[..], Ok("# Werkst\u{e4}tten\r\n0 3 * * * a\n")),
            (b" \t# \xff\n", Ok(" \t# \u{ff}\n")),
            ("# ä\nA=ä\n".as_bytes(), Ok("# ä\nA=ä\n")),
            (b"# a\n0 3 * * * echo \xe4\n", Err(2)),
            (b"A=b\nC=\xe4", Err(2)),
            (b"0 3 * * * a # \xe4", Err(1)),
            (b"", Ok("")),
        ] {
            let read = read.map(str::to_owned);
            let read = read.map_err(|line| ImportError::NotUtf8 { file: "f".to_owned(), line });
            assert_eq!(crontab(bytes, "f"), read);
        }
    }

    #[test]
    fn other_files_are_utf_8() {
        assert_eq!(utf8("a\nä".as_bytes(), "f"), Ok("a\nä"));
        let error = utf8(b"# a\n# \xe4\n", "hooks.yaml").unwrap_err();
        assert_eq!(error.to_string(), "hooks.yaml:2: not UTF-8");
    }
}
