//! The comments in a `server.json`, which JSON does not have.

use crate::imported::ImportError;

/// A place in the text, from 1.
#[derive(Clone, Copy)]
struct TextPlace {
    line: usize,
    column: usize,
}

#[derive(Clone, Copy)]
enum CommentState {
    Json,
    /// Inside a string. `true`: behind a backslash.
    Text(bool),
    ToLineEnd,
    /// Since this place.
    ToItsEnd(TextPlace),
}

/// The text with a space for each character of a comment, so that every place stays what it is. What looks like a
/// comment inside a string is none.
///
/// # Errors
/// A comment is not closed.
pub(super) fn without_comments(text: &str, file_name: &str) -> Result<String, ImportError> {
    let mut out = String::with_capacity(text.len());
    let mut reading = CommentState::Json;
    let mut place = TextPlace { line: 1, column: 1 };
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let (shown, width) = match (reading, c) {
            (CommentState::ToItsEnd(_), '\n') => (c, 1),
            // A string ends with its line at the latest: what follows a missing quote is reported where it is missing.
            (_, '\n') => {
                reading = CommentState::Json;
                (c, 1)
            }
            (CommentState::Json, '/') if next == Some('/') => {
                reading = CommentState::ToLineEnd;
                (' ', 1)
            }
            (CommentState::Json, '/') if next == Some('*') => {
                reading = CommentState::ToItsEnd(place);
                (' ', 2)
            }
            (CommentState::ToItsEnd(_), '*') if next == Some('/') => {
                reading = CommentState::Json;
                (' ', 2)
            }
            (CommentState::ToLineEnd | CommentState::ToItsEnd(_), _) => (' ', 1),
            (CommentState::Json, '"') => {
                reading = CommentState::Text(false);
                (c, 1)
            }
            (CommentState::Json, _) => (c, 1),
            (CommentState::Text(false), '"') => {
                reading = CommentState::Json;
                (c, 1)
            }
            (CommentState::Text(is_escaped), _) => {
                reading = CommentState::Text(c == '\\' && !is_escaped);
                (c, 1)
            }
        };
        for n in 0..width {
            out.push(shown);
            if n > 0 {
                rest.next();
            }
        }
        place = match c {
            '\n' => TextPlace { line: place.line + 1, column: 1 },
            _ => TextPlace { column: place.column + width, ..place },
        };
    }
    match reading {
        CommentState::ToItsEnd(TextPlace { line, column }) => {
            let what = "a comment begins here with /* and is not closed; close it with */";
            Err(ImportError::Syntax { problems: format!("{file_name}:{line}:{column}: {what}\n") })
        }
        _ => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_become_spaces() {
        for (text, expected) in [
            (r#"{"a": "svn://h/x"} // y"#, r#"{"a": "svn://h/x"}     "#),
            (r#"{"a": "/* b */"}"#, r#"{"a": "/* b */"}"#),
            (r#"{"a": "\"// b"}// c"#, r#"{"a": "\"// b"}    "#),
            (r#"{"a": "\\"}// c"#, r#"{"a": "\\"}    "#),
            ("a /* b\n// c */ d", "a     \n        d"),
            ("/*/ a */b", "        b"),
            ("a // \"b\n\"c // d\"", "a      \n\"c // d\""),
            ("\"a\n// b\"", "\"a\n     "),
            ("// ä€😀\r\nb", "      \r\nb"),
            ("a / b", "a / b"),
            ("//", "  "),
            ("", ""),
        ] {
            // The end of a line of Windows is part of the comment.
            let read = without_comments(text, "f").unwrap();
            assert_eq!(read.replace('\r', " "), expected.replace('\r', " "), "{text}");
        }
        for (text, at) in [("/*", "1:1"), ("{}\n  /* a *\n/", "2:3"), ("ä /*/", "1:3")] {
            let error = without_comments(text, "f.json").unwrap_err().to_string();
            assert!(error.starts_with(&format!("f.json:{at}: a comment begins here")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn places_stay(text in r#"[/*"\\a\n {}]{0,40}"#) {
            if let Ok(read) = without_comments(&text, "f") {
                let lengths = |text: &str| text.split('\n').map(|line| line.chars().count()).collect::<Vec<_>>();
                prop_assert_eq!(lengths(&read), lengths(&text));
                prop_assert_eq!(without_comments(&read, "f").unwrap(), read);
            }
        }
    }
}
