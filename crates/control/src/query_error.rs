//! What is wrong with the parameters of a call, in words for who wrote them.

/// What the reader of a query says, without its own words.
#[must_use]
pub fn in_words(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    let (name, what) = said.split_once(": ").map_or(("", said), |(name, what)| (name, what));
    let place = if name.is_empty() { String::new() } else { format!("`{name}`: ") };
    if let Some(rest) = what.strip_prefix("unknown variant ") {
        return format!(
            "{place}{}",
            rest.replace(", expected ", " is not valid; expected ").replace('`', "")
        );
    }
    if let Some(rest) = what.strip_prefix("unknown field ") {
        return format!("unknown parameter {}", rest.replace(", expected ", "; expected "));
    }
    if let Some(rest) = what.strip_prefix("missing field ") {
        return format!("the parameter {rest} is missing");
    }
    if let Some(rest) = what.strip_prefix("duplicate field ") {
        return format!("the parameter {rest} is given twice");
    }
    match what {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            format!("{place}expected a whole number")
        }
        "number too large to fit in target type" => format!("{place}the number is too large"),
        "provided string was not `true` or `false`" => format!("{place}expected true or false"),
        other => format!("{place}{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (said, expected) in [
            (
                "Failed to deserialize query string: by: unknown variant `status`, expected one of `router`, `task`",
                "`by`: status is not valid; expected one of router, task",
            ),
            (
                "Failed to deserialize query string: limit: invalid digit found in string",
                "`limit`: expected a whole number",
            ),
            ("Failed to deserialize query string: missing field `path`", "the parameter `path` is missing"),
            (
                "Failed to deserialize query string: limt: unknown field `limt`, expected `limit` or `router`",
                "unknown parameter `limt`; expected `limit` or `router`",
            ),
            (
                "Failed to deserialize query string: unknown field `limt`, expected `limit`",
                "unknown parameter `limt`; expected `limit`",
            ),
            ("Failed to deserialize query string: something else", "something else"),
        ] {
            assert_eq!(in_words(said), expected, "{said}");
        }
    }
}
