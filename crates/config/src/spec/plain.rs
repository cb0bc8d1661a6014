//! Descriptions as text for a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::markdown::values;
use super::{Description, OptionKind, OptionSpec};

/// How wide the text is.
const WIDTH: usize = 80;

/// A component type or a section; `params` is what comes before its parameters, or before what it gives.
pub fn component(page: &mut String, params: &str, description: &Description) {
    wrapped(page, "  ", &description.doc);
    options(page, "Options:", &description.options);
    options(page, &format!("{params}:"), &description.params);
    if !description.gives.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\n{params}:");
        for (name, what) in &description.gives {
            let _ = writeln!(page, "\n  {name}");
            wrapped(page, "      ", what);
        }
    }
    let example = description.example.trim_matches('\n');
    if !example.is_empty() {
        let _ = writeln!(page, "\nExample:\n");
        example.lines().for_each(|line| {
            let _ = writeln!(page, "{}", format!("  {line}").trim_end());
        });
    }
}

fn options(page: &mut String, heading: &str, options: &[OptionSpec]) {
    if !options.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\n{heading}");
        rows(page, "", options);
    }
}

/// Each option, and each option of an option.
fn rows(page: &mut String, above: &str, options: &[OptionSpec]) {
    for option in options {
        let default = match (&option.default, option.required) {
            (Some(Value::String(text)), _) => format!(", default {text}"),
            (Some(default), _) => format!(", default {default}"),
            (None, true) => ", required".to_owned(),
            (None, false) => String::new(),
        };
        let kind = values(option).replace('`', "");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "\n  {above}{}  ({kind}{default})", option.name);
        wrapped(page, "      ", &option.doc);
        if let OptionKind::Fields(inner) = &option.kind {
            rows(page, &format!("{above}{}.", option.name), inner);
        } else if let OptionKind::NamedFields(inner) = &option.kind {
            rows(page, &format!("{above}{}.NAME.", option.name), inner);
        }
    }
}

/// A text in lines that begin with `margin` and are no wider than `WIDTH`, where its words allow that.
pub fn wrapped(page: &mut String, margin: &str, text: &str) {
    let mut line = margin.to_owned();
    for word in text.split_whitespace() {
        let is_first = line.len() == margin.len();
        if !is_first && line.chars().count() + 1 + word.chars().count() > WIDTH {
            page.push_str(&line);
            page.push('\n');
            line.truncate(margin.len());
            line.push_str(word);
        } else {
            if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    if line.len() > margin.len() {
        page.push_str(&line);
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_for_the_terminal() {
        let words = "word ".repeat(30);
        let inner =
            vec![OptionSpec::new("max", OptionKind::Integer { min: 1, max: 9 }, "How many.").default(3)];
        let description = Description::new("tick", &words)
            .option(OptionSpec::new("interval", OptionKind::Duration, "The time between.").default("1s"))
            .option(OptionSpec::new("retry", OptionKind::Fields(inner), "What then."))
            .param(OptionSpec::new("mode", OptionKind::OneOf(&["a", "b"]), "Which.").required())
            .example("\ntrigger:\n  tick: {}\n");
        let mut page = String::new();
        component(&mut page, "job_param holds", &description);
        let line = format!("  {}\n", ["word"; 15].join(" "));
        let expected = format!(
            "{line}{line}\nOptions:\n\n  interval  (duration, default 1s)\n      The time between.\n\n  retry  (map)\n      \
             What then.\n\n  retry.max  (whole number, 1 to 9, default 3)\n      How many.\n\njob_param holds:\n\n  \
             mode  (a or b, required)\n      Which.\n\nExample:\n\n  trigger:\n    tick: {{}}\n"
        );
        assert_eq!(page, expected);
    }
}
