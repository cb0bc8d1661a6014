//! File names with `*` and `?`.

use herald_base::name_pattern::matches;

/// Whether a file name fits: `*` is any characters, `?` is one. Hidden files only fit a pattern that begins with `.`.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    (!name.starts_with('.') || pattern.starts_with('.')) && matches(pattern, name)
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
    }
}
