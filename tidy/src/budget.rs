//! Limits for the length of files and functions.

use crate::finding::Finding;
use crate::read::rust::{Role, RustFile};

/// Lines of a file outside its tests.
pub const FILE_LINES: usize = 400;
/// Lines of a function, from `fn` to its closing brace.
pub const FUNCTION_LINES: usize = 60;

/// Files and functions that are too long. Tests can be long; bench and tidy cannot.
#[must_use]
pub fn check(file: &RustFile<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let measures = ["bench/src/", "tidy/src/", "e2e/src/"].iter().any(|folder| file.path.starts_with(folder));
    if file.role == Role::Test && !measures {
        return found;
    }
    let lines = file.product_lines();
    if lines > FILE_LINES {
        let what =
            format!("{lines} lines outside tests, {FILE_LINES} are allowed: split it along its subjects");
        found.push(Finding::new(file.path, 0, what));
    }
    for function in file.functions() {
        if file.in_test[function.first] {
            continue;
        }
        let (first, last) = (file.code[function.first].line, file.code[function.last].line);
        let lines = last - first + 1;
        if lines > FUNCTION_LINES {
            let name = function.name;
            let what =
                format!("fn {name} has {lines} lines, {FUNCTION_LINES} are allowed: give its parts names");
            found.push(Finding::new(file.path, first, what));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_product_lines_only() {
        let body = |lines: usize| "    x();\n".repeat(lines);
        for (path, text, expected) in [
            ("a/src/x.rs", format!("fn f() {{\n{}}}\n", body(58)), vec![]),
            ("a/src/x.rs", format!("\nfn f() {{\n{}}}\n", body(59)), vec![2]),
            ("a/src/x.rs", format!("#[cfg(test)]\nmod tests {{\nfn f() {{\n{}}}\n}}\n", body(500)), vec![]),
            ("a/src/x.rs", "const A: u8 = 1;\n".repeat(400), vec![]),
            ("a/src/x.rs", "const A: u8 = 1;\n".repeat(401), vec![0]),
            ("a/tests/it/main.rs", "const A: u8 = 1;\n".repeat(401), vec![]),
            ("bench/src/main.rs", format!("fn f() {{\n{}}}\n", body(59)), vec![1]),
        ] {
            let lines: Vec<usize> = check(&RustFile::read(path, &text)).iter().map(|f| f.line).collect();
            assert_eq!(lines, expected, "{path} {}", &text[..20]);
        }
    }
}
