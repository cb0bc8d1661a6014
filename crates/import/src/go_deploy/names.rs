//! Names that Herald takes.

/// The longest name of an application.
const LONGEST: usize = 64;

/// A name like this one that is valid and not taken. `default` where nothing is left of it.
pub(super) fn unique(text: &str, default: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let valid: String = text.trim().chars().map(letter).collect();
    let valid = valid.trim_start_matches(['.', '-']);
    let base = if valid.chars().any(|c| c.is_ascii_alphanumeric()) { valid } else { default };
    // All of it is ASCII.
    let shortened = |room: usize| &base[..base.len().min(room)];
    let mut name = shortened(LONGEST).to_owned();
    let mut n = 2;
    while is_taken(&name) {
        let suffix = format!("_{n}");
        name = format!("{}{suffix}", shortened(LONGEST - suffix.len()));
        n += 1;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_valid_and_unique() {
        let long = "x".repeat(100);
        for (text, taken, name) in [
            ("api-1", &[][..], "api-1"),
            ("api-1", &["api-1", "api-1_2"], "api-1_3"),
            ("api 1/ä", &[], "api_1__"),
            ("抖客", &[], "app"),
            ("抖客", &["app"], "app_2"),
            ("", &[], "app"),
            ("..-x", &[], "x"),
            (&long, &[], &long[..64]),
            (&long, &[&long[..64]], &format!("{}_2", &long[..62])),
        ] {
            assert_eq!(unique(text, "app", |name| taken.contains(&name)), name, "{text}");
        }
    }
}
