//! Checks that all linked packages can be distributed under MIT or Apache-2.0.

use serde_json::Value;

/// Licences that only require their text and the names of the authors.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages in the answer of `cargo metadata` whose licence does not allow that, one sentence each.
#[must_use]
pub fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata.get("packages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if packages.is_empty() {
        return vec!["cargo metadata named no packages".to_owned()];
    }
    packages
        .iter()
        .filter_map(|package| {
            let text = |key: &str| package.get(key).and_then(Value::as_str);
            let name = format!("{} {}", text("name").unwrap_or("?"), text("version").unwrap_or("?"));
            match text("license") {
                None => {
                    Some(format!("{name} names no licence: do without it, or read its files and add it here"))
                }
                Some(licence) if !allows(licence) => {
                    Some(format!("{name} is under {licence}: do without it"))
                }
                Some(_) => None,
            }
        })
        .collect()
}

/// Whether an SPDX expression leaves a way that is allowed: one side of each `OR`, both of each `AND`.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let fine = any(&words, &mut at);
    fine && at == words.len()
}

fn any(words: &[&str], at: &mut usize) -> bool {
    let mut fine = both(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        fine |= both(words, at);
    }
    fine
}

fn both(words: &[&str], at: &mut usize) -> bool {
    let mut fine = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        fine &= one(words, at);
    }
    fine
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let fine = any(words, at);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return fine && closed;
    }
    let mut name = (*word).to_owned();
    if let (Some(&"WITH"), Some(exception)) = (words.get(*at), words.get(*at + 1)) {
        name = format!("{name} WITH {exception}");
        *at += 2;
    }
    ALLOWED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_expressions() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
            ("MIT AND GPL-3.0-only", false),
            ("Apache-2.0 WITH LLVM-exception OR AGPL-3.0", true),
            ("GPL-2.0 WITH LLVM-exception", false),
            ("(MIT", false),
            ("", false),
        ] {
            assert_eq!(allows(expression), expected, "{expression}");
        }
    }

    #[test]
    fn names_the_package() {
        let metadata = json!({"packages": [
            {"name": "good", "version": "1.0.0", "license": "MIT"},
            {"name": "bad", "version": "2.0.0", "license": "SSPL-1.0"},
            {"name": "none", "version": "3.0.0", "license": null},
        ]});
        let found = check(&metadata);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("bad 2.0.0"), "{found:?}");
        assert_eq!(check(&json!({})).len(), 1);
    }
}
