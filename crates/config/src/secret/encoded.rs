//! The ways in which programs write a secret: Base64, hexadecimal, as in a URL, in JSON, and for a shell.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The shortest secret whose other forms are known: those of a shorter one could be something else.
const SHORTEST: usize = 8;
/// What RFC 3986 leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the path of a URL holds as it is, and what browsers leave in a part of it.
const IN_PATHS: &AsciiSet = &UNRESERVED.remove(b'/');
const IN_BROWSERS: &AsciiSet = &UNRESERVED.remove(b'!').remove(b'\'').remove(b'(').remove(b')').remove(b'*');

/// The other forms of a secret.
pub(super) fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    // Parameters are handed on as JSON, and a shell that prints its commands quotes them.
    forms.extend(in_json(secret));
    forms.insert(secret.replace('\'', r"'\''"));
    if secret.len() >= SHORTEST {
        forms.extend(encodings(secret));
    }
    forms.remove(secret);
    forms
}

/// As JSON writes it: with only the escapes that it must have, once and twice; in ASCII; with `\/`; and as Go does it.
fn in_json(secret: &str) -> Vec<String> {
    let plain = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
    };
    let by_number = |text: &str, is_escaped: fn(char) -> bool| {
        let mut escaped = String::new();
        for c in text.chars() {
            match c {
                c if is_escaped(c) => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(escaped, "\\u{unit:04x}");
                    }
                }
                c => escaped.push(c),
            }
        }
        escaped
    };
    let once = plain(secret);
    let ascii = by_number(&once, |c| !c.is_ascii());
    let go = by_number(&once, |c| matches!(c, '<' | '>' | '&'));
    vec![plain(&once), ascii.replace('/', r"\/"), once.replace('/', r"\/"), ascii, go, once]
}

fn encodings(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for before in 0..3 {
        forms.insert(base64(secret, before, |bytes| STANDARD_NO_PAD.encode(bytes)));
        forms.insert(base64(secret, before, |bytes| URL_SAFE_NO_PAD.encode(bytes)));
    }
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.insert(hex.to_uppercase());
    forms.insert(hex);
    for left in [UNRESERVED, IN_PATHS, IN_BROWSERS] {
        let url = utf8_percent_encode(secret, left).to_string();
        let form = url.replace("%20", "+");
        for url in [url, form] {
            forms.insert(lower_escapes(&url));
            forms.insert(url);
        }
    }
    forms
}

/// What is the same of a secret in Base64 behind so many other bytes, whatever those and the following ones are.
fn base64(secret: &str, before: usize, encode: fn(&[u8]) -> String) -> String {
    let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.bytes()).collect();
    // A character holds six bits.
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    encode(&bytes).get(first..end).unwrap_or_default().to_owned()
}

/// `%2F` as `%2f`.
fn lower_escapes(url: &str) -> String {
    let mut parts = url.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_make_of_a_secret_is_among_its_forms() {
        let secret = "p\u{e4}ss/w?rd >1";
        let forms = forms(secret);
        for before in ["", "u", "us", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let whole = format!("{before}{secret}{after}");
                for encoded in [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    let found = forms.iter().any(|form| form.len() > 8 && encoded.contains(form.as_str()));
                    assert!(found, "{encoded}: {forms:?}");
                }
            }
        }
        for form in ["70c3a47373", "70C3A47373", "p%C3%A4ss%2Fw%3Frd%20%3E1", "p%c3%a4ss%2fw%3frd+%3e1"] {
            assert!(forms.iter().any(|known| known.contains(form)), "{form}: {forms:?}");
        }
    }

    #[test]
    fn parts_of_urls_json_and_quoted_words() {
        for (secret, form) in [
            ("pa/ss+word123", "pa/ss%2Bword123"),
            ("pa ss(word)!", "pa%20ss(word)!"),
            ("pa\"ssword", r#"pa\"ssword"#),
            (r"pa\ssword", r"pa\\ssword"),
            (r"pa\ssword", r"pa\\\\ssword"),
            ("pa\tss", r"pa\tss"),
            ("p\u{e4}ss\u{20ac}\u{1f600}", r"p\u00e4ss\u20ac\ud83d\ude00"),
            ("pa/ss", r"pa\/ss"),
            ("a<b>&c", r"a\u003cb\u003e\u0026c"),
            ("it's me", r"it'\''s me"),
        ] {
            assert!(forms(secret).contains(form), "{secret}: {:?}", forms(secret));
        }
    }

    #[test]
    fn short_ones_have_none() {
        assert!(forms("hunter2").is_empty());
        assert!(!forms("hunter22").contains("hunter22"));
    }
}
