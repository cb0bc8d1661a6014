//! The limits of the counting rules: `tidy/limits.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::finding::{Counted, Finding};
use crate::rules::Rule;

/// The file with the limits.
pub const PATH: &str = "tidy/limits.toml";

const HEAD: &str = "\
# What the counting rules of tidy still let pass. A number is how many there may be; what is not listed may have none.
# Lower a number whenever you can, never raise one; delete the line at 0.
#     cargo run -p tidy --bin measure              prints what there is, and where a limit is larger than needed
#     cargo run -p tidy --bin measure -- --list RULE
#                                                  prints every place that a rule (a section of this file) counts
#     cargo run -p tidy --bin measure -- --lower   writes this file with every limit that is larger than needed lowered
";

/// The limits, by rule and key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Whether a limit that is larger than needed is a finding, too.
    pub tight: bool,
    numbers: BTreeMap<String, BTreeMap<String, usize>>,
}

/// A limit that is larger than what there is.
#[derive(Debug, PartialEq, Eq)]
pub struct Slack {
    /// What the limit is for.
    pub key: String,
    /// The limit.
    pub limit: usize,
    /// What there is.
    pub count: usize,
}

impl Limits {
    /// Reads `limits.toml`: sections, `"key" = number`, `tight = true`, comments.
    ///
    /// # Errors
    /// When a line is none of these.
    pub fn parse(text: &str, rules: &[Rule]) -> Result<Self, Finding> {
        let mut limits = Self::default();
        let mut section = String::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            let wrong = |what: &str| Finding::new(PATH, n + 1, what);
            if line.is_empty() || line.starts_with('#') {
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                if !rules.iter().any(|rule| rule.name == name) {
                    return Err(wrong("there is no rule of this name, see tidy/src/rules/mod.rs"));
                }
                name.clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().trim_matches('"'), value.trim());
                if section.is_empty() && key == "tight" {
                    limits.tight = value == "true";
                } else {
                    let number = value.parse().map_err(|_| wrong("expected \"key\" = number"))?;
                    let numbers = limits.numbers.entry(section.clone()).or_default();
                    if numbers.insert(key.to_owned(), number).is_some() {
                        return Err(wrong("this key has a limit already: delete one of the two"));
                    }
                }
            } else {
                return Err(wrong("expected a section or \"key\" = number"));
            }
        }
        Ok(limits)
    }

    /// The limit of a key.
    #[must_use]
    pub fn of(&self, rule: &str, key: &str) -> usize {
        self.numbers.get(rule).and_then(|numbers| numbers.get(key)).copied().unwrap_or(0)
    }

    /// What is over its limit; when tight, limits that are larger than needed, too.
    #[must_use]
    pub fn check(&self, rule: &Rule, counted: &[Counted]) -> Vec<Finding> {
        let mut found = Vec::new();
        for (key, findings) in by_key(counted) {
            let limit = self.of(rule.name, key);
            if findings.len() > limit {
                let what = format!(
                    "[{}] \"{key}\": {} are there, {limit} are allowed; all of them follow",
                    rule.name,
                    findings.len()
                );
                found.push(Finding::new(PATH, 0, what));
                found.extend(findings.into_iter().cloned());
            }
        }
        if self.tight {
            found.extend(self.slack(rule, counted).into_iter().map(|slack| {
                let todo = if slack.count == 0 {
                    "delete it".into()
                } else {
                    format!("lower it to {}", slack.count)
                };
                Finding::new(PATH, 0, format!("[{}] \"{}\" = {}: {todo}", rule.name, slack.key, slack.limit))
            }));
        }
        found
    }

    /// The limits of a rule that are larger than needed.
    #[must_use]
    pub fn slack(&self, rule: &Rule, counted: &[Counted]) -> Vec<Slack> {
        let counts = by_key(counted);
        let limits = self.numbers.get(rule.name).into_iter().flatten();
        limits
            .map(|(key, limit)| Slack {
                key: key.clone(),
                limit: *limit,
                count: counts.get(key.as_str()).map_or(0, Vec::len),
            })
            .filter(|slack| slack.limit > slack.count)
            .collect()
    }

    /// The text of `limits.toml` with every limit lowered to what there is.
    #[must_use]
    pub fn lowered(&self, measured: &[(&Rule, Vec<Counted>)]) -> String {
        let mut text = format!(
            "{HEAD}\n# Whether a limit that is larger than needed fails the test.\ntight = {}\n",
            self.tight
        );
        for (rule, counted) in measured {
            // Writing to a String cannot fail.
            let _ =
                write!(text, "\n# {}{}\n[{}]\n", rule.about[..1].to_uppercase(), &rule.about[1..], rule.name);
            for (key, findings) in by_key(counted) {
                let limit = self.of(rule.name, key).min(findings.len());
                if limit > 0 {
                    let _ = writeln!(text, "\"{key}\" = {limit}");
                }
            }
        }
        text
    }

    /// Limits that are exactly what there is.
    #[must_use]
    pub fn exactly(measured: &[(&Rule, Vec<Counted>)]) -> Self {
        let numbers = measured
            .iter()
            .map(|(rule, counted)| {
                let counts = by_key(counted).into_iter().map(|(key, found)| (key.to_owned(), found.len()));
                (rule.name.to_owned(), counts.collect())
            })
            .collect();
        Self { tight: false, numbers }
    }
}

/// The findings of each key.
#[must_use]
pub fn by_key(counted: &[Counted]) -> BTreeMap<&str, Vec<&Finding>> {
    let mut found: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for one in counted {
        found.entry(&one.key).or_default().push(&one.finding);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { name: "rule", about: "things; by crate", measure: |_| Vec::new() };

    fn counted(keys: &[&str]) -> Vec<Counted> {
        keys.iter()
            .map(|key| Counted { key: (*key).to_owned(), finding: Finding::new(key, 1, "x") })
            .collect()
    }

    fn limits(text: &str) -> Limits {
        Limits::parse(text, &[RULE]).unwrap()
    }

    #[test]
    fn what_is_over_its_limit_is_found() {
        for (text, keys, expected) in [
            ("[rule]\n\"a\" = 2\n", vec!["a", "a"], 0),
            // The limit and each of the three.
            ("[rule]\n\"a\" = 2\n", vec!["a", "a", "a"], 4),
            ("# nothing\n", vec!["a"], 2),
            ("[rule]\n\"a\" = 2\n\"b\" = 1", vec!["a"], 0),
            ("tight = true\n[rule]\n\"a\" = 2\n\"b\" = 1", vec!["a"], 2),
            ("tight = true\n[rule]\n\"a\" = 1", vec!["a"], 0),
        ] {
            assert_eq!(limits(text).check(&RULE, &counted(&keys)).len(), expected, "{text} {keys:?}");
        }
    }

    #[test]
    fn lines_that_say_nothing_are_found() {
        for text in ["[other]", "[rule]\nx", "[rule]\n\"a\" = many", "[rule]\na = 1\n\"a\" = 2"] {
            assert!(Limits::parse(text, &[RULE]).is_err(), "{text}");
        }
    }

    #[test]
    fn lowering_never_raises() {
        let before = limits("[rule]\n\"a\" = 3\n\"b\" = 1\n\"c\" = 1\n");
        let measured = [(&RULE, counted(&["a", "a", "b", "b", "d"]))];
        let after = limits(&before.lowered(&measured));
        assert_eq!(["a", "b", "c", "d"].map(|key| after.of("rule", key)), [2, 1, 0, 0]);
        assert_eq!(Limits::exactly(&measured).of("rule", "d"), 1);
    }
}
