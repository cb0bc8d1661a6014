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

/// What is wrong with the book that `docs/build-book` makes of the chapters in `docs/SUMMARY.md`: documents that are
/// not a chapter or are one twice, and links of chapters to what the book does not have. `text` is that of a file.
#[must_use]
pub fn book<'t>(paths: &[&str], text: impl Fn(&str) -> Option<&'t str>) -> Vec<Finding> {
    let chapters: Vec<String> = targets(text(SUMMARY).unwrap_or_default())
        .map(|(_, target)| resolve("docs", path_of(target)))
        .collect();
    let mut found = Vec::new();
    for path in paths.iter().filter(|path| path.ends_with(".md") && **path != SUMMARY) {
        let times = chapters.iter().filter(|chapter| chapter == path).count();
        let is_document = !path.contains('/') || path.starts_with("docs/");
        if times > 1 || times == 0 && is_document {
            found.push(Finding::new(
                path,
                0,
                format!("{SUMMARY} must name it once, and names it {times} times"),
            ));
        }
    }
    for chapter in &chapters {
        let folder = chapter.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in targets(text(chapter).unwrap_or_default()) {
            let to = match path_of(target) {
                "" => chapter.clone(),
                path => resolve(folder, path),
            };
            let readme = format!("{to}/README.md");
            let page = if chapters.contains(&readme) { &readme } else { &to };
            // Pictures are not among the texts that this has; whether they exist is checked with all links.
            let is_file = paths.contains(&to.as_str()) || to.starts_with("docs/images/");
            let is_fine = if chapters.contains(page) {
                let anchor = target.split_once('#').map(|(_, anchor)| anchor);
                anchor.is_none_or(|anchor| has_heading(text(page).unwrap_or_default(), anchor))
            } else {
                is_file
                    && !to.ends_with(".md")
                    && ["docs/", "examples/", "LICENSE-"].iter().any(|begin| to.starts_with(begin))
            };
            if !is_fine {
                found.push(Finding::new(
                    chapter,
                    line,
                    format!("the link to {target} leads nowhere in the book"),
                ));
            }
        }
    }
    found
}

/// The chapters of the book, as a list of links.
const SUMMARY: &str = "docs/SUMMARY.md";

/// Each link to a file or a heading, with the number of its line.
fn targets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let links = text.lines().enumerate().flat_map(|(n, line)| {
        line.split("](").skip(1).filter_map(move |part| Some((n + 1, part.split([')', ' ']).next()?)))
    });
    links
        .filter(|(_, target)| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
}

fn path_of(target: &str) -> &str {
    target.split_once('#').map_or(target, |(path, _)| path)
}

/// Whether a heading has this anchor: its letters, digits, `-` and `_` in small letters, with `-` for spaces.
fn has_heading(text: &str, anchor: &str) -> bool {
    text.lines().filter_map(|line| line.strip_prefix('#')).any(|heading| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).eq(anchor.chars())
    })
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

    #[test]
    fn what_the_book_lacks_is_found() {
        let summary = "[H](../README.md)\n- [A](a.md)\n- [D](d/README.md)";
        for (path, text, expected) in [
            ("README.md", "[a](docs/a.md#Two-words) [b](https://x/y)", vec!["docs/a.md#Two-words"]),
            ("README.md", "[a](docs/a.md#two-words) [d](docs/d/) [d](docs/d) [l](LICENSE-MIT)", vec![]),
            ("docs/a.md", "## Two words\n[t](#two-words) [e](../examples/x.yml)", vec![]),
            ("docs/a.md", "## Two words\n[t](#three) [e](../examples/)", vec!["#three", "../examples/"]),
            (
                "docs/a.md",
                "## Two words\n[s](SUMMARY.md) [c](../crates/x.rs)",
                vec!["SUMMARY.md", "../crates/x.rs"],
            ),
            ("docs/b.md", "", vec!["docs/b.md"]),
            ("docs/SUMMARY.md", "[H](../README.md)\n[D](d/README.md)", vec!["docs/a.md"]),
            ("docs/SUMMARY.md", &format!("{summary}\n- [A](a.md)"), vec!["docs/a.md"]),
        ] {
            let mut files = vec![
                ("LICENSE-MIT", ""),
                ("README.md", ""),
                ("crates/x.rs", ""),
                ("crates/x/README.md", ""),
                ("docs/SUMMARY.md", summary),
                ("docs/a.md", "## Two words"),
                ("docs/d/README.md", ""),
                ("examples/x.yml", ""),
            ];
            files.retain(|(name, _)| *name != path);
            files.push((path, text));
            let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
            let found =
                book(&paths, |path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text));
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), expected.len(), "{path} {text}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found}");
            }
        }
    }
}
