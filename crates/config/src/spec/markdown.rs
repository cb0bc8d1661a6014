//! Descriptions as Markdown, for the reference page.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Description, OptionKind, OptionSpec};

/// What a component type or a section does, its options, its parameters and an example. `params` introduces the
/// parameters.
pub fn component(page: &mut String, params: &str, description: &Description) {
    let _ = write!(page, "\n{}\n", description.doc);
    if !description.options.is_empty() {
        page.push('\n');
        options(page, "option", &description.options);
    }
    if !description.params.is_empty() {
        let _ = write!(page, "\n{params}:\n\n");
        options(page, "parameter", &description.params);
    }
    if !description.gives.is_empty() {
        let _ = write!(page, "\n{params}:\n\n| key | what |\n|---|---|\n");
        for (name, what) in &description.gives {
            let _ = writeln!(page, "| `{name}` | {} |", cell(what));
        }
    }
    let example = description.example.trim_matches('\n');
    if !example.is_empty() {
        let _ = write!(page, "\n```yaml\n{example}\n```\n");
    }
}

/// The options as a table; `what` is the head of its first column.
pub fn options(page: &mut String, what: &str, options: &[OptionSpec]) {
    let _ = write!(page, "| {what} | value | default | what it does |\n|---|---|---|---|\n");
    rows(page, "", options);
}

/// A row for each option, and for each option of an option.
fn rows(page: &mut String, above: &str, options: &[OptionSpec]) {
    for option in options {
        let default = match (&option.default, option.required) {
            (Some(Value::String(text)), _) => format!("`{}`", cell(text)),
            (Some(default), _) => format!("`{}`", cell(&default.to_string())),
            (None, true) => "required".to_owned(),
            (None, false) => "–".to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{}` | {} | {default} | {} |",
            format_args!("{above}{}", option.name),
            values(option),
            cell(&option.doc)
        );
        if let OptionKind::Fields(inner) = &option.kind {
            rows(page, &format!("{above}{}.", option.name), inner);
        } else if let OptionKind::NamedFields(inner) = &option.kind {
            rows(page, &format!("{above}{}.NAME.", option.name), inner);
        }
    }
}

/// Which values an option takes, as Markdown.
#[must_use]
pub fn values(option: &OptionSpec) -> String {
    match option.takes {
        Some(values) => values.to_owned(),
        None => kind(&option.kind),
    }
}

fn kind(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Any => "any value".to_owned(),
        OptionKind::Text => "text".to_owned(),
        OptionKind::Secret => "secret".to_owned(),
        OptionKind::Secrets => "secret or list of secrets".to_owned(),
        OptionKind::Boolean => "true or false".to_owned(),
        OptionKind::Integer { min, max } if (*min, *max) == (i64::MIN, i64::MAX) => "whole number".to_owned(),
        OptionKind::Integer { min, max: i64::MAX } => format!("whole number from {min}"),
        OptionKind::Integer { min, max } => format!("whole number, {min} to {max}"),
        OptionKind::Duration => "duration".to_owned(),
        OptionKind::Size => "size".to_owned(),
        OptionKind::FilePath => "path".to_owned(),
        OptionKind::Url => "URL".to_owned(),
        OptionKind::Texts => "text or list of texts".to_owned(),
        OptionKind::OneOf(allowed) => {
            allowed.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(" or ")
        }
        OptionKind::Map | OptionKind::Fields(_) => "map".to_owned(),
        OptionKind::NamedFields(_) => "maps by name".to_owned(),
    }
}

/// A text that does not end its table cell.
#[must_use]
pub fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
