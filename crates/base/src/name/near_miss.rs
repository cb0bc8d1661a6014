//! The name that was probably meant.

/// The name among `known` that `given` was probably meant to be.
pub fn near_miss<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    // The lengths alone say it of most.
    let may_be = |name: &&str| name.chars().count().abs_diff(length) <= most_slips(given, name);
    known
        .into_iter()
        .filter(may_be)
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, name)| {
            *distance <= most_slips(given, name)
                && !is_another(given, name, *distance)
                && !has_another_word(given, name)
        })
        .min()
        .map(|(_, name)| name)
}

/// How many letters may be wrong in names of this length.
fn most_slips(given: &str, name: &str) -> usize {
    match name.chars().count().min(given.chars().count()) {
        0..=5 => 1,
        6..=7 => 2,
        length => 1 + length / 4,
    }
}

/// Whether a short name begins with another letter, which is rarely a slip: `c.com` is not `a.com`.
fn is_another(given: &str, name: &str, distance: usize) -> bool {
    let rest = |text: &str| text.chars().skip(1).collect::<String>();
    let first = |text: &str| text.chars().next().map(|c| c.to_ascii_lowercase());
    let is_short = name.chars().count().min(given.chars().count()) <= 5;
    is_short
        && first(given) != first(name)
        && strsim::damerau_levenshtein(&rest(given), &rest(name)) + 1 == distance
}

/// Whether a word of a name is another one, and not a slip: `db_password` is not `git_password`.
fn has_another_word(given: &str, name: &str) -> bool {
    let words = |text: &str| text.split(['_', '-']).map(str::to_owned).collect::<Vec<_>>();
    let (given, name) = (words(given), words(name));
    let is_another = |(given, name): (&String, &String)| {
        strsim::damerau_levenshtein(given, name) > most_slips(given, name)
    };
    given.len() > 1 && given.len() == name.len() && given.iter().zip(&name).any(is_another)
}

/// What to write instead of a name that does not exist: the one that was probably meant, and which names there are.
pub fn expected<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let list = known.join(", ");
    match (near_miss(given, known.iter().copied()), known.len()) {
        (_, 0) => "there are none".to_owned(),
        (Some(meant), 1) => format!("did you mean \"{meant}\"?"),
        (Some(meant), _) => format!("did you mean \"{meant}\"? Expected one of: {list}"),
        (None, _) => format!("expected one of: {list}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_was_meant() {
        for (given, name, is_near) in [
            ("tik", "tick", true),
            ("al", "all", true),
            ("prnt", "print", true),
            ("rpint", "print", true),
            ("rint", "print", true),
            ("inof", "info", true),
            ("levl", "level", true),
            ("args", "arg", true),
            ("nihgtyl", "nightly", true),
            ("xightly", "nightly", true),
            ("git_barnch", "git_branch", true),
            ("gti_branch", "git_branch", true),
            ("gitbranch", "git_branch", true),
            ("db_password", "git_password", false),
            ("ssh_password", "git_password", false),
            ("http_username", "git_username", false),
            ("host", "port", false),
            ("z", "a", false),
            ("N", "n", true),
            ("rr", "r", true),
            ("c.com", "a.com", false),
            ("ship", "shop", true),
            ("chop", "shop", false),
            ("user", "tls", false),
        ] {
            assert_eq!(near_miss(given, [name]).is_some(), is_near, "{given} {name}");
        }
    }

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
            ("x", &[], "there are none"),
        ] {
            assert_eq!(expected(given, known.iter().copied()), says);
        }
    }
}
