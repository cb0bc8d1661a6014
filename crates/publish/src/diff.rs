//! Differences between two texts, line by line, as `diff -u` shows them.

use std::fmt::Write as _;

/// Lines around a difference.
const CONTEXT: usize = 3;
/// The most pairs of lines that are compared; beyond it a text counts as replaced.
const MOST_PAIRS: usize = 4_000_000;

/// How a line goes from the old text to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineChange {
    Same,
    Removed,
    Added,
}

/// The difference in the unified format, empty where there is none. None is a file that does not exist.
#[must_use]
pub fn unified(name: &str, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    let head = |side: &str, content: Option<&[u8]>| match content {
        Some(_) => format!("{side}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let mut out = format!("--- {}\n+++ {}\n", head("a", before), head("b", after));
    let texts = [before, after].map(|content| std::str::from_utf8(content.unwrap_or_default()));
    let [Ok(before), Ok(after)] = texts else {
        return format!("{out}Binary files differ\n");
    };
    if before == after {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (lines(before), lines(after));
    let changes = changes(&old, &new);
    for hunk in hunks(&changes) {
        write_hunk(&mut out, &changes, hunk);
    }
    out
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

type Step<'a> = (LineChange, &'a str);

/// Every line with how it goes, by their longest common subsequence.
fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    let head = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail =
        old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(one, other)| one == other).count();
    let (old_mid, new_mid) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut steps: Vec<Step<'a>> = old[..head].iter().map(|line| (LineChange::Same, *line)).collect();
    if old_mid.len().saturating_mul(new_mid.len()) > MOST_PAIRS {
        steps.extend(old_mid.iter().map(|line| (LineChange::Removed, *line)));
        steps.extend(new_mid.iter().map(|line| (LineChange::Added, *line)));
    } else {
        middle(old_mid, new_mid, &mut steps);
    }
    steps.extend(old_rest[old_rest.len() - tail..].iter().map(|line| (LineChange::Same, *line)));
    steps
}

fn middle<'a>(old: &[&'a str], new: &[&'a str], steps: &mut Vec<Step<'a>>) {
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            steps.push((LineChange::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < old.len()
            && (j == new.len() || common[(i + 1) * width + j] >= common[i * width + j + 1])
        {
            steps.push((LineChange::Removed, old[i]));
            i += 1;
        } else {
            steps.push((LineChange::Added, new[j]));
            j += 1;
        }
    }
}

/// The ranges of lines that are shown.
fn hunks(steps: &[Step<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    let changed = steps.iter().enumerate().filter(|(_, (change, _))| *change != LineChange::Same);
    for (n, _) in changed {
        let (from, to) = (n.saturating_sub(CONTEXT), (n + 1 + CONTEXT).min(steps.len()));
        match hunks.last_mut().filter(|last| last.end >= from) {
            Some(last) => last.end = to,
            None => hunks.push(from..to),
        }
    }
    hunks
}

fn write_hunk(out: &mut String, steps: &[Step<'_>], hunk: std::ops::Range<usize>) {
    let count =
        |steps: &[Step<'_>], but: LineChange| steps.iter().filter(|(change, _)| *change != but).count();
    let (above, shown) = (&steps[..hunk.start], &steps[hunk]);
    let range = |but| {
        let (before, length) = (count(above, but), count(shown, but));
        format!("{},{length}", if length == 0 { before } else { before + 1 })
    };
    let _ = writeln!(out, "@@ -{} +{} @@", range(LineChange::Added), range(LineChange::Removed));
    for (change, line) in shown {
        let mark = match change {
            LineChange::Same => ' ',
            LineChange::Removed => '-',
            LineChange::Added => '+',
        };
        let end = if line.ends_with('\n') { "" } else { "\n\\ No newline at end of file\n" };
        let _ = write!(out, "{mark}{line}{end}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_as_diff_shows_them() {
        for (before, after, expected) in [
            (Some("a\nb\n"), Some("a\nb\n"), ""),
            (Some("a\nb\n"), Some("a\nc\n"), "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
            (None, Some("a\n"), "--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+a\n"),
            (Some("a\n"), None, "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"),
            (
                Some("a"),
                Some("b"),
                "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+b\n\
                 \\ No newline at end of file\n",
            ),
            (
                Some("1\n2\n3\n4\n5\n6\n7\n8\n9\n"),
                Some("1\n2\n3\n4\nx\n6\n7\n8\n9\n"),
                "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n",
            ),
        ] {
            assert_eq!(unified("f", before.map(str::as_bytes), after.map(str::as_bytes)), expected);
        }
        assert!(unified("f", Some(b"\xff"), Some(b"a")).ends_with("Binary files differ\n"));
    }

    #[test]
    fn large_texts_are_replaced_as_a_whole() {
        let (before, after) = ("a\n".repeat(3_000), "b\n".repeat(3_000));
        let shown = unified("f", Some(before.as_bytes()), Some(after.as_bytes()));
        assert_eq!(shown.matches("\n-a").count(), 3_000);
    }
}
