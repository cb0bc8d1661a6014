//! What to say of an output that looks like a result in JSON, and is not taken for one.

use herald_base::depth::{self, NOT_THE_RESULT, TooDeep};
use serde_json::{Map, Value};

/// Why the JSON at the end of this output is not the job's result; none where there is none, or where all of it is
/// lines of JSON, as a program logs them.
pub(crate) fn of(output: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(output.trim_ascii()).ok()?;
    if !text.ends_with('}') {
        return None;
    }
    if let Err(why) = TooDeep::check(depth::of_json(text.as_bytes()))
        && text.starts_with('{')
    {
        return Some(why.note());
    }
    // An object over several lines begins at the beginning of one.
    let begin = text.rfind("\n{").map_or(0, |at| at + 1);
    let (before, last) = text.split_at(begin);
    if !last.starts_with('{') {
        return None;
    }
    let is_object = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
    match is_object(last) {
        Ok(_) if before.is_empty() || before.lines().all(|line| is_object(line).is_ok()) => None,
        Ok(_) => Some(format!(
            "the output ends with a JSON object, but other text is before it, {NOT_THE_RESULT}: write that text to \
             standard error"
        )),
        // Something in braces is not meant as JSON.
        Err(_) if !last[1..].trim_start().starts_with('"') => None,
        Err(error) => Some(format!(
            "the output looks like a JSON object, and is not valid JSON, {NOT_THE_RESULT}: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_result_and_is_none() {
        for (output, says) in [
            ("renewed\n{\"changed\": true}\n", "other text is before it"),
            ("renewed\n{\n  \"changed\": {\n    \"a\": 1\n  }\n}\n", "other text is before it"),
            ("{\"changed\": yes}", "is not valid JSON"),
            ("renewed\n{\"changed\": yes}", "is not valid JSON"),
            ("{\"a\": 1} {\"b\": 2}", "is not valid JSON"),
            ("{\"changed\": true}", ""),
            ("{\"level\": \"info\"}\n{\"level\": \"warn\"}\n", ""),
            ("{\"changed\": true}\ndone", ""),
            ("{a}", ""),
            ("fn main() {\n}", ""),
            ("count {3}", ""),
            ("", ""),
        ] {
            let note = of(output.as_bytes()).unwrap_or_default();
            assert!(note.contains(says) && note.is_empty() == says.is_empty(), "{output}: {note}");
        }
        assert_eq!(of(b"\xff\n{\"a\": 1}"), None);
    }
}
