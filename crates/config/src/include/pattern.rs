//! File names with `*` and `?`.

/// Whether a path has `*` or `?` in it.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a file name fits: `*` is any characters, `?` is one. Hidden files only fit a pattern that begins with `.`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut n) = (0, 0);
    // After the last `*`: where the pattern goes on, and the character that it goes on with.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                star = Some((at, n));
            }
            Some(c) if *c == '?' || *c == name[n] => {
                at += 1;
                n += 1;
            }
            _ => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (at, n) = (after, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit() {
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yml~", false),
            ("*.yml", ".a.yml", false),
            (".*.yml", ".a.yml", true),
            ("*", "", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "aXbbY", false),
            ("ä*.yml", "äö.yml", true),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
        assert!(is_pattern("a/*.yml") && is_pattern("a?") && !is_pattern("a/b.yml"));
    }
}
