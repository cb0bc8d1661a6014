//! Values of jobs as text and as tables.

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::elements::cut;

/// What of a table is shown.
const ROWS: usize = 50;
const COLUMNS: usize = 8;
/// The most characters of a cell.
const CELL: usize = 200;

/// A text as it is, everything else as JSON: numbers with all their digits.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

/// A list as rows, an object as its entries.
pub(super) fn table(title: &str, value: &Value) -> Markup {
    match value {
        Value::Array(rows) if rows.iter().any(Value::is_object) => objects(title, rows),
        Value::Array(rows) => lists(title, rows),
        Value::Object(entries) => {
            let row = |(key, value): (&String, &Value)| vec![key.clone(), text(value)];
            let count = entries.len();
            shown(title, &["Name".to_owned(), "Value".to_owned()], entries.iter().take(ROWS).map(row), count)
        }
        other => {
            html! { p.said { bdi { (cut(&text(other), CELL)) } } p.soft { "This is neither a list nor an object." } }
        }
    }
}

fn objects(title: &str, rows: &[Value]) -> Markup {
    let mut head: Vec<String> = Vec::new();
    for key in rows.iter().take(ROWS).filter_map(Value::as_object).flat_map(Map::keys) {
        if head.len() < COLUMNS && !head.contains(key) {
            head.push(key.clone());
        }
    }
    let row = |row: &Value| {
        let cell = |key: &String| row.get(key).map(text).unwrap_or_default();
        head.iter().map(cell).collect()
    };
    shown(title, &head, rows.iter().take(ROWS).map(row), rows.len())
}

fn lists(title: &str, rows: &[Value]) -> Markup {
    let row = |row: &Value| match row {
        Value::Array(cells) => cells.iter().take(COLUMNS).map(text).collect(),
        other => vec![text(other)],
    };
    let cells: Vec<Vec<String>> = rows.iter().take(ROWS).map(row).collect();
    let head: Vec<String> = match cells.iter().map(Vec::len).max() {
        Some(count) if count > 1 => (1..=count).map(|n| n.to_string()).collect(),
        _ => vec!["Value".to_owned()],
    };
    shown(title, &head, cells.into_iter(), rows.len())
}

fn shown(title: &str, head: &[String], rows: impl Iterator<Item = Vec<String>>, count: usize) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Table of " (title) } { table {
            thead { tr { @for name in head { th scope="col" { bdi { (cut(name, CELL)) } } } } }
            tbody { @for row in rows { tr { @for cell in row { td.text { bdi { (cut(&cell, CELL)) } } } } } }
        } }
        @if count == 0 { p.soft { "It is empty." } }
        @if count > ROWS { p.soft { (count - ROWS) " more are not shown." } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables() {
        let exact: Value = serde_json::from_str(
            r#"[{"disk": "/", "used": 0.10}, {"disk": "/b", "free": 18446744073709551617}]"#,
        )
        .unwrap();
        let cells = |cells: &[&str]| {
            cells.iter().map(|cell| format!(r#"<td class="text"><bdi>{cell}</bdi></td>"#)).collect::<String>()
        };
        for (value, heads, row) in [
            (exact, "disk used free", cells(&["/b", "", "18446744073709551617"])),
            (json!([[1, "x"], [2]]), "1 2", cells(&["1", "x"])),
            (json!(["a", "b"]), "Value", cells(&["b"])),
            (json!({"a": 1, "b": {"c": null}}), "Name Value", cells(&["b", "{&quot;c&quot;:null}"])),
        ] {
            let html = table("t", &value).into_string();
            let found: Vec<&str> = html
                .split(r#"<th scope="col"><bdi>"#)
                .skip(1)
                .map(|rest| rest.split('<').next().unwrap())
                .collect();
            assert_eq!(found.join(" "), heads, "{html}");
            assert!(html.contains(&row), "{row}: {html}");
        }
        let many: Vec<Value> = (0..60).map(|n| json!({ "n": n })).collect();
        let html = table("t", &Value::Array(many)).into_string();
        assert!(html.contains("10 more are not shown.") && !html.contains("<bdi>50</bdi>"), "{html}");
        assert!(table("t", &json!([])).into_string().contains("It is empty."));
        assert!(table("t", &json!(5)).into_string().contains("neither a list nor an object"));
    }
}
