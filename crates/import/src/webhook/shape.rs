//! Whether a rule is one that the original reads at all: a file with anything else in it gives no hooks there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::original::OriginalValue;

/// The first part of a rule that the original does not read, and what it expects there.
pub(super) struct UnreadablePart<'a> {
    pub(super) at: OriginalValue<'a>,
    pub(super) expected: &'static str,
}

impl<'a> UnreadablePart<'a> {
    /// The first one in a rule.
    pub(super) fn of(rule: &OriginalValue<'a>) -> Option<Self> {
        if rule.value.is_null() {
            return None;
        }
        if let Some(wrong) = Self::unless(is_map(rule.value), rule, "a map of which each key is there once") {
            return Some(wrong);
        }
        let lists = ["and", "or"].into_iter().filter_map(|key| rule.get(key));
        for list in lists {
            if !list.value.is_array() {
                return Some(Self { at: list, expected: "a list of rules" });
            }
            if let Some(wrong) = list.list().iter().find_map(Self::of) {
                return Some(wrong);
            }
        }
        rule.get("not").and_then(|rule| Self::of(&rule)).or_else(|| Self::in_match(&rule.get("match")?))
    }

    fn in_match(rule: &OriginalValue<'a>) -> Option<Self> {
        const TEXTS: [&str; 5] = ["type", "regex", "secret", "value", "ip-range"];
        let parameter = || {
            let parameter = rule.get("parameter")?;
            Self::unless(is_map(parameter.value), &parameter, "a map of which each key is there once")
                .or_else(|| Self::in_texts(&parameter, &["source", "name", "envname"]))
        };
        Self::unless(is_map(rule.value), rule, "a map of which each key is there once")
            .or_else(|| Self::in_texts(rule, &TEXTS))
            .or_else(parameter)
    }

    fn in_texts(map: &OriginalValue<'a>, keys: &[&str]) -> Option<Self> {
        let texts = keys.iter().filter_map(|key| map.get(key));
        texts.into_iter().find_map(|at| Self::unless(at.text().is_some(), &at, "a string"))
    }

    fn unless(good: bool, at: &OriginalValue<'a>, expected: &'static str) -> Option<Self> {
        (!good).then(|| Self { at: at.clone(), expected })
    }
}

/// A map without keys that differ in case alone: of those the original reads one, and here it would be another.
fn is_map(value: &Value) -> bool {
    let mut seen = BTreeSet::new();
    value.as_object().is_some_and(|map| map.keys().all(|key| seen.insert(key.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::original::OriginalFile;
    use serde_json::json;

    #[test]
    fn what_the_original_does_not_read() {
        let leaf =
            json!({"match": {"type": "value", "value": 5, "parameter": {"source": "url", "name": true}}});
        for (rule, readable) in [
            (leaf.clone(), true),
            (json!({}), true),
            (json!({"and": [leaf, null], "or": null, "not": {"or": []}}), true),
            (json!("x"), false),
            (json!([leaf]), false),
            (json!({"and": leaf}), false),
            (json!({"or": "x"}), false),
            (json!({"or": ["x"]}), false),
            (json!({"not": [leaf]}), false),
            (json!({"match": [leaf["match"]]}), false),
            (json!({"not": {"match": {"type": ["value"]}}}), false),
            (json!({"match": {"ip-range": ["10.0.0.0/8"]}}), false),
            (json!({"match": {"parameter": "x"}}), false),
            (json!({"match": {"parameter": {"name": {}}}}), false),
            (json!({"not": {}, "NOT": {}}), false),
            (json!({"match": {"value": "a", "Value": "b"}}), false),
        ] {
            let file = OriginalFile::read(&rule.to_string(), "f").unwrap();
            assert_eq!(UnreadablePart::of(&file.top()).is_none(), readable, "{rule}");
        }
    }
}
