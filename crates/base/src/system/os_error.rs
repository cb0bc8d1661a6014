//! Errors of the operating system as people read them.

/// The text of an error without the numbers of the operating system, and in lower case as it follows a colon:
/// `Connection refused (os error 111)` becomes `connection refused`.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut plain = without_numbers(text);
    let mut chars = plain.chars();
    match (chars.next(), chars.next()) {
        // Not in an abbreviation, such as `TLS`.
        (Some(first), Some(second)) if first.is_ascii_uppercase() && second.is_ascii_lowercase() => {
            plain.replace_range(..1, &first.to_ascii_lowercase().to_string());
            plain
        }
        _ => plain,
    }
}

/// A whole message without the numbers of the operating system, which follow its words.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_left_out() {
        for (text, expected) in [
            ("Connection refused (os error 111)", "connection refused"),
            ("a: No such file (os error 2); b", "a: No such file; b"),
            ("a (os error 1), b (os error 2)", "a, b"),
            ("TLS: x", "TLS: x"),
            ("cut (os error 1", "cut"),
            ("A", "A"),
            ("", ""),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
