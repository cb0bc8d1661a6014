//! Regular expressions as Go reads them, written so that Herald reads the same.

/// Go's classes know ASCII only.
const CLASSES: [(char, &str); 3] = [('d', "0-9"), ('w', "0-9A-Za-z_"), ('s', r"\t\n\f\r ")];

/// A pattern that Go does not accept either: why, as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is not valid: {0}")]
pub(super) struct InvalidPattern(String);

/// The same pattern, as Rust reads it.
///
/// # Errors
/// When it is not valid: the original fails on every request.
pub(super) fn from_go(pattern: &str) -> Result<String, InvalidPattern> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    // Whether inside of brackets, and whether at their very beginning.
    let (mut inside, mut first) = (false, false);
    while let Some(c) = chars.next() {
        let begins = std::mem::take(&mut first);
        match c {
            '\\' => escape(&mut out, &mut chars, inside),
            '[' if !inside => {
                (inside, first) = (true, true);
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if chars.peek() != Some(&':') => out.push_str(r"\["),
            // A named class such as `[:alpha:]`, to its end.
            '[' => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            ']' if inside && begins => out.push_str(r"\]"),
            ']' => {
                inside = false;
                out.push(']');
            }
            '&' | '~' if inside => {
                out.push('\\');
                out.push(c);
            }
            '-' if inside && chars.peek() == Some(&'-') => out.push_str(r"\-"),
            c => out.push(c),
        }
    }
    match regex::Regex::new(&out) {
        Ok(_) => Ok(out),
        Err(error) => {
            Err(InvalidPattern(error.to_string().lines().last().unwrap_or_default().trim().to_owned()))
        }
    }
}

/// What follows a backslash.
fn escape(out: &mut String, chars: &mut std::iter::Peekable<std::str::Chars<'_>>, inside: bool) {
    let Some(c) = chars.next() else {
        out.push('\\');
        return;
    };
    let class = CLASSES.iter().find(|(name, _)| *name == c.to_ascii_lowercase());
    match (c, class) {
        (c, Some((_, class))) if c.is_ascii_lowercase() && inside => out.push_str(class),
        (c, Some((_, class))) if c.is_ascii_lowercase() => out.push_str(&format!("[{class}]")),
        (_, Some((_, class))) => out.push_str(&format!("[^{class}]")),
        ('b', _) if !inside => out.push_str(r"(?-u:\b)"),
        ('<' | '>', _) => out.push(c),
        ('Q', _) => {
            let rest: String = std::mem::take(&mut chars.clone().collect());
            let literal = rest.split(r"\E").next().unwrap_or_default();
            out.push_str(&regex::escape(literal));
            let past = literal.chars().count() + if rest.len() > literal.len() { 2 } else { 0 };
            chars.by_ref().take(past).for_each(drop);
        }
        (c, _) => {
            out.push('\\');
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_matches() {
        for (go, rust) in [
            (r"^refs/heads/(.*)$", Some(r"^refs/heads/(.*)$")),
            (r"\d+\.\w", Some(r"[0-9]+\.[0-9A-Za-z_]")),
            (r"[\d.-]\s\D", Some(r"[0-9.-][\t\n\f\r ][^0-9]")),
            (r"[a\W]", Some(r"[a[^0-9A-Za-z_]]")),
            (r"[[]x[^]]", Some(r"[\[]x[^\]]")),
            (r"[[:alpha:]_]", Some(r"[[:alpha:]_]")),
            (r"[a&&b]", Some(r"[a\&\&b]")),
            (r"\bx\b", Some(r"(?-u:\b)x(?-u:\b)")),
            (r"\Qa.b\Ec", Some(r"a\.bc")),
            (r"\Qa.b", Some(r"a\.b")),
            (r"\<a", Some("<a")),
            (r"\/\[", Some(r"\/\[")),
            (r"(?P<x>a)", Some(r"(?P<x>a)")),
            (r"a(", None),
            (r"a\", None),
            (r"(?=a)", None),
        ] {
            assert_eq!(from_go(go).ok().as_deref(), rust, "{go}");
        }
        assert!(!regex::Regex::new(&from_go(r"^\d$").unwrap()).unwrap().is_match("٣"));
    }
}
