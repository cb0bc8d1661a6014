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
