//! Content-Disposition of the parts of an answer, written and read so that every name a Unix file can bear
//! comes through.
//!
//! Quotes and backslashes are escaped with a backslash, as the Go original writes and reads them. A name with
//! control characters cannot stand in a header; it is sent as `filename*` (RFC 8187), which Go reads as well.

use crate::name::{self, NameError};

/// Why a Content-Disposition was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DispositionError {
    /// Not `form-data`.
    #[error("a part of the answer is not form-data")]
    Kind,
    /// It breaks the syntax.
    #[error("the Content-Disposition of a part of the answer cannot be read")]
    Malformed,
    /// The same parameter twice.
    #[error("the Content-Disposition of a part of the answer says something twice")]
    Twice,
    /// No name.
    #[error("a part of the answer has no name")]
    Nameless,
}

/// What a part says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disposition {
    /// The part's name.
    pub name: String,
    /// The file's name.
    pub filename: Option<String>,
    /// The checksum that version 1 carries: SHA-256 in hex.
    pub sha256sum: Option<String>,
}

impl Disposition {
    /// A part that is not a file.
    #[must_use]
    pub fn field(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The header's value.
    #[must_use]
    pub fn to_header(&self) -> Vec<u8> {
        let mut value = String::from("form-data");
        push(&mut value, "name", &self.name);
        if let Some(filename) = &self.filename {
            push(&mut value, "filename", filename);
        }
        if let Some(sum) = &self.sha256sum {
            push(&mut value, "sha256sum", sum);
        }
        value.into_bytes()
    }

    /// Reads a header's value.
    ///
    /// # Errors
    /// When it cannot be read in exactly one way.
    pub fn parse(header: &[u8]) -> Result<Self, DispositionError> {
        let text = std::str::from_utf8(header).map_err(|_| DispositionError::Malformed)?;
        let (kind, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(DispositionError::Kind);
        }
        let mut found = DispositionParams::default();
        while let Some(after) = rest.trim_start().strip_prefix(';') {
            let after = after.trim_start();
            if after.is_empty() {
                rest = after;
                break;
            }
            let (key, value, next) = parameter(after)?;
            found.set(&key.to_ascii_lowercase(), value)?;
            rest = next;
        }
        if !rest.trim().is_empty() {
            return Err(DispositionError::Malformed);
        }
        found.finish()
    }
}

fn push(value: &mut String, key: &str, text: &str) {
    if text.chars().any(char::is_control) {
        value.push_str(&format!("; {key}*=UTF-8''"));
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' => value.push(char::from(byte)),
                _ => value.push_str(&format!("%{byte:02X}")),
            }
        }
        return;
    }
    value.push_str(&format!("; {key}=\""));
    for c in text.chars() {
        if c == '"' || c == '\\' {
            value.push('\\');
        }
        value.push(c);
    }
    value.push('"');
}

/// Splits `key=value rest`.
fn parameter(text: &str) -> Result<(&str, String, &str), DispositionError> {
    let (key, rest) = text.split_once('=').ok_or(DispositionError::Malformed)?;
    let key = key.trim_end();
    if key.is_empty() || !key.bytes().all(is_token) {
        return Err(DispositionError::Malformed);
    }
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([';', ' ', '\t']).unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        if value.is_empty() || value.contains('"') {
            return Err(DispositionError::Malformed);
        }
        return Ok((key, value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', _) => return Ok((key, value, quoted.get(at + 1..).unwrap_or_default())),
            // Only what needs an escape is one: a lone backslash is a backslash, as Go reads it.
            ('\\', Some((_, escaped @ ('"' | '\\')))) => {
                value.push(*escaped);
                chars.next();
            }
            _ => value.push(c),
        }
    }
    Err(DispositionError::Malformed)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~*".contains(&byte)
}

/// The value of a `key*` parameter.
fn extended(value: &str) -> Result<String, DispositionError> {
    let mut pieces = value.splitn(3, '\'');
    let (charset, encoded) = (pieces.next(), pieces.nth(1));
    let (Some(charset), Some(encoded)) = (charset, encoded) else { return Err(DispositionError::Malformed) };
    if !charset.eq_ignore_ascii_case("utf-8") {
        return Err(DispositionError::Malformed);
    }
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let byte = rest.get(..2).and_then(|two| hex::decode(two).ok()).ok_or(DispositionError::Malformed)?;
        bytes.extend(byte);
        rest = rest.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| DispositionError::Malformed)
}

/// The parameters met so far, plain and extended.
#[derive(Default)]
struct DispositionParams {
    plain: [Option<String>; 3],
    extended: [Option<String>; 3],
}

const KEYS: [&str; 3] = ["name", "filename", "sha256sum"];

impl DispositionParams {
    fn set(&mut self, key: &str, value: String) -> Result<(), DispositionError> {
        let (slots, key, value) = match key.strip_suffix('*') {
            Some(key) => (&mut self.extended, key, extended(&value)?),
            None => (&mut self.plain, key, value),
        };
        let Some(slot) = KEYS.iter().position(|known| *known == key).and_then(|at| slots.get_mut(at)) else {
            return Ok(());
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(DispositionError::Twice),
        }
    }

    fn finish(self) -> Result<Disposition, DispositionError> {
        let [name, filename, sha256sum] = self.plain;
        let [long_name, long_filename, long_sum] = self.extended;
        let name = long_name.or(name).ok_or(DispositionError::Nameless)?;
        Ok(Disposition { name, filename: long_filename.or(filename), sha256sum: long_sum.or(sha256sum) })
    }
}

/// A name that a result file cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// The name of the part.
    #[error("the name {name:?} of a result file cannot be used: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: NameError,
    },
    /// The file name.
    #[error("the file name {filename:?} of the result file {name:?} cannot be used: {why}")]
    Filename {
        /// The name of the part.
        name: String,
        /// The file name.
        filename: String,
        /// What is wrong with it.
        why: NameError,
    },
}

/// Whether a part's name and filename can become `<name>/<filename>`.
///
/// # Errors
/// [`FileNameError`] says what is wrong with which.
pub fn check_names(name: &str, filename: &str) -> Result<(), FileNameError> {
    name::check(name).map_err(|why| FileNameError::Name { name: name.to_owned(), why })?;
    name::check(filename).map_err(|why| FileNameError::Filename {
        name: name.to_owned(),
        filename: filename.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unix_name_comes_through() {
        for filename in [
            "file1.dat",
            "with space",
            "quo\"te",
            "back\\slash",
            "\\",
            "\\\\\"",
            "new\nline",
            "\r\n",
            "tab\t",
            "ü",
            "日本語",
            "🦀.tar",
            "a;b=c",
            "a'b",
            "100%",
            "%22",
            "\u{7f}",
            "\u{85}",
            "..\\..\\x",
            "-",
            " lead",
        ] {
            let disposition = Disposition {
                name: filename.to_owned(),
                filename: Some(filename.to_owned()),
                sha256sum: Some("ab".to_owned()),
            };
            let header = disposition.to_header();
            assert!(header.iter().all(|b| *b >= 0x20 && *b != 0x7f), "{filename:?}");
            assert_eq!(Disposition::parse(&header), Ok(disposition), "{filename:?}");
        }
    }

    #[test]
    fn reads_what_others_write() {
        let file = |name: &str, filename: &str| {
            Ok(Disposition { name: name.to_owned(), filename: Some(filename.to_owned()), sha256sum: None })
        };
        for (header, expected) in [
            (&b"form-data; name=\"f\"; filename=\"a.dat\""[..], file("f", "a.dat")),
            (b"FORM-DATA;name=f;FileName=a.dat;", file("f", "a.dat")),
            (b"form-data; name=\"f\"; filename=\"C:\\dir\\a\"", file("f", "C:\\dir\\a")),
            (b"form-data; name=\"f\"; filename=\"a\"; filename*=utf-8'en'%C3%BC", file("f", "ü")),
            (b"form-data; name=\"f\"; filename=\"\"", file("f", "")),
            (b"form-data; name=\"f\"; x=\"y;z\"; filename=a", file("f", "a")),
            (b"attachment; name=\"f\"", Err(DispositionError::Kind)),
            (b"form-data", Err(DispositionError::Nameless)),
            (b"form-data; filename=\"a\"", Err(DispositionError::Nameless)),
            (b"form-data; name=\"f", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\\\"", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\" filename=\"a\"", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\"x", Err(DispositionError::Malformed)),
            (b"form-data; name", Err(DispositionError::Malformed)),
            (b"form-data; name=", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\"; name=\"g\"", Err(DispositionError::Twice)),
            (b"form-data; name=\"f\"; filename=\"a\"; FILENAME=\"b\"", Err(DispositionError::Twice)),
            (b"form-data; name=\"f\"; filename*=utf-8''%C3", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\"; filename*=utf-8''%4", Err(DispositionError::Malformed)),
            (b"form-data; name=\"f\"; filename*=latin1''a", Err(DispositionError::Malformed)),
            (b"form-data; name=\"\xff\"", Err(DispositionError::Malformed)),
        ] {
            assert_eq!(Disposition::parse(header), expected, "{}", String::from_utf8_lossy(header));
        }
    }
}
