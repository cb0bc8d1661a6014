//! The name that was probably meant.

/// The name among `known` that `given` was probably meant to be.
pub fn near_miss<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count().min(given.chars().count()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// What to write instead of a name that does not exist: the one that was probably meant, and which names there are.
pub fn expected<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.join(", ");
    match (near_miss(given, known.iter().copied()), known.len()) {
        (_, 0) => "there is none".to_owned(),
        (Some(meant), 1) => format!("did you mean \"{meant}\"?"),
        (Some(meant), _) => format!("did you mean \"{meant}\"? Expected one of: {list}"),
        (None, _) => format!("expected one of: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_comes_first() {
        for (given, known, says) in [
            (
                "manul",
                &["manual", "nightly"][..],
                "did you mean \"manual\"? Expected one of: manual, nightly",
            ),
            ("manul", &["manual"], "did you mean \"manual\"?"),
            ("x", &["manual", "nightly"], "expected one of: manual, nightly"),
            ("x", &[], "there is none"),
        ] {
            assert_eq!(expected(given, known.iter().copied()), says);
        }
    }
}
