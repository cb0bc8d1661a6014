//! Rules that keep documents and examples consistent with the repository.

use crate::finding::Finding;

/// Files of `examples/` that its README does not name.
#[must_use]
pub fn examples_named(paths: &[&str], readme: &str) -> Vec<Finding> {
    paths
        .iter()
        .filter_map(|path| Some((path, path.strip_prefix("examples/")?)))
        .filter(|(_, name)| *name != "README.md" && !names(readme, name))
        .map(|(path, name)| {
            Finding::new(path, 0, format!("examples/README.md does not name {name}: say what it shows"))
        })
        .collect()
}

/// Whether the text holds the path, whole: `b.yml` does not name `a/b.yml`.
fn names(text: &str, path: &str) -> bool {
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].trim_end_matches("examples/").chars().next_back();
        !before.is_some_and(is_path) && !text[at + path.len()..].chars().next().is_some_and(is_path)
    })
}

/// Links from Markdown to files of the repository that are not there.
#[must_use]
pub fn dead_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        for part in line.split("](").skip(1) {
            let Some(target) = part.split([')', '#', ' ']).next() else { continue };
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let resolved = resolve(folder, target);
            if !exists(&resolved) {
                found.push(Finding::new(path, n + 1, format!("the link to {target} leads nowhere")));
            }
        }
    }
    found
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_nobody_names_is_found() {
        let readme = "- `a.yml`: x\n- examples/nginx/b.conf, my-c.yml";
        for (path, missing) in [
            ("examples/a.yml", 0),
            ("examples/nginx/b.conf", 0),
            ("examples/b.conf", 1),
            ("examples/c.yml", 1),
            ("examples/README.md", 0),
            ("elsewhere/x.yml", 0),
        ] {
            assert_eq!(examples_named(&[path], readme).len(), missing, "{path}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let exists = |path: &str| ["README.md", "docs/a.md", "docs"].contains(&path);
        for (path, text, dead) in [
            ("README.md", "[a](docs/a.md#x) [b](https://x/y) [c](#here)", 0),
            ("docs/a.md", "[a](../README.md) [d](./)", 0),
            ("docs/a.md", "[a](README.md)\n[b](../b.md)", 2),
        ] {
            assert_eq!(dead_links(path, text, exists).len(), dead, "{text}");
        }
    }
}
