//! Text of a manual page, made from the Markdown of descriptions.

use roff::{Inline, Roff, bold, roman};

/// Adds a text of paragraphs, headings, tables of two columns, and code blocks.
pub(crate) fn blocks(page: &mut Roff, text: &str) {
    let mut paragraph = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_block = line.is_empty() || ["```", "## ", "|"].iter().any(|begin| line.starts_with(begin));
        if !is_block {
            paragraph.push_str(line);
            paragraph.push(' ');
            continue;
        }
        if !paragraph.is_empty() {
            page.control("PP", []).text(inlines(&std::mem::take(&mut paragraph)));
        }
        if line.starts_with("```") {
            code(page, lines.by_ref().take_while(|line| !line.starts_with("```")));
        } else if let Some(heading) = line.strip_prefix("## ") {
            page.control("SH", [heading.to_uppercase().as_str()]);
        } else if is_row(line) && lines.peek().is_some_and(|below| below.starts_with("|--")) {
            lines.next();
        } else if let Some((name, what)) = line.trim_matches(['|', ' ']).split_once(" | ") {
            item(page, inlines(name), what);
        }
    }
    if !paragraph.is_empty() {
        page.control("PP", []).text(inlines(&paragraph));
    }
}

fn is_row(line: &str) -> bool {
    line.starts_with('|')
}

/// Adds a term and, below it and indented, what is said of it.
pub(crate) fn item(page: &mut Roff, term: Vec<Inline>, what: &str) {
    page.control("TP", []).text(term).text(inlines(what));
}

/// Adds lines as they are.
pub(crate) fn code<'a>(page: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    page.control("PP", []).control("RS", ["4"]).control("nf", []);
    for line in lines {
        page.text([roman(line)]);
    }
    page.control("fi", []).control("RE", []);
}

/// A text in one line: code is bold, a link is its text and its address.
pub(crate) fn inlines(text: &str) -> Vec<Inline> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(n, part)| if n % 2 == 1 { bold(part) } else { roman(without_links(part)) }).collect()
}

fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((name, (address, after))) =
            link.split_once("](").and_then(|(name, rest)| Some((name, rest.split_once(')')?)))
        else {
            break;
        };
        plain.push_str(&format!("{before}{name} ({address})"));
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_a_manual_page() {
        for (markdown, expected) in [
            (
                "Some `code` and\na [link](https://x/y), [1, 2].",
                ".PP\nSome \\fBcode\\fR and a link (https://x/y), [1, 2].\n",
            ),
            (".hidden\n\n'quoted'", ".PP\n\\&.hidden\n.PP\n\\&'quoted'\n"),
            ("## Routers and tasks", ".SH \"ROUTERS AND TASKS\"\n"),
            ("| a | b |\n|---|---|\n| `x` | what |", ".TP\n\\fBx\\fR\nwhat\n"),
            (
                "```yaml\na:\n  .b: '\\n'\n\n'c'\n```\nEnd",
                ".PP\n.RS 4\n.nf\na:\n  .b: '\\\\n'\n\n\\&'c'\n.fi\n.RE\n.PP\nEnd\n",
            ),
        ] {
            let mut page = Roff::new();
            blocks(&mut page, markdown);
            assert_eq!(page.to_roff(), expected, "{markdown}");
        }
    }
}
