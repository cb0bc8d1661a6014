//! Rules for banned calls, comments and file names.

use crate::finding::Finding;
use crate::read::lexer::Kind;
use crate::read::rust::{RustFile, closing};

/// A call that belongs to some places only.
struct Ban {
    tokens: &'static [&'static str],
    allowed: fn(&str) -> bool,
    what: &'static str,
}

const PROCESS: &str = "starts a process: only crates/exec does that, call it";
const CLOCK: &str = "reads the wall clock: only clock modules do that, take a Clock";
const ROUTER: &str = "is for herald-core and what is built on it: a crate below knows no routers";
const UNSAFE: &str =
    "`unsafe` outside of crates/spawn and the plugin boundary: find a safe way, or a crate that has one";

const BANS: [Ban; 15] = [
    Ban { tokens: &["Command", "::", "new"], allowed: starts_processes, what: PROCESS },
    Ban { tokens: &["Command", "as"], allowed: starts_processes, what: PROCESS },
    Ban { tokens: &["process", "::", "Command"], allowed: starts_processes, what: PROCESS },
    Ban { tokens: &["posix_spawn"], allowed: starts_processes, what: PROCESS },
    Ban { tokens: &["execve"], allowed: starts_processes, what: PROCESS },
    Ban { tokens: &["SystemTime", "::", "now"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["UNIX_EPOCH", ".", "elapsed"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["Timestamp", "::", "now"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["Zoned", "::", "now"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["Utc", "::", "now"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["Local", "::", "now"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["now_v7"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["clock_gettime"], allowed: is_clock, what: CLOCK },
    Ban { tokens: &["Router"], allowed: may_know_routers, what: ROUTER },
    Ban { tokens: &["unsafe"], allowed: is_plugin_boundary, what: UNSAFE },
];

fn starts_processes(path: &str) -> bool {
    path.starts_with("crates/exec/src/") || path.starts_with("crates/spawn/src/")
}

fn is_clock(path: &str) -> bool {
    path.ends_with("/clock.rs") || path.contains("/clock/")
}

/// The store keeps core's records, notices are about routers, importers write configurations, and the control API shows
/// what is configured.
fn may_know_routers(path: &str) -> bool {
    let may = ["crates/control/src/model/", "crates/import/", "crates/notices/", "crates/store/"];
    !path.starts_with("crates/") || may.iter().any(|folder| path.starts_with(folder))
}

fn is_plugin_boundary(path: &str) -> bool {
    let in_crate = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with("/src/plugin"));
    path.starts_with("plugins/")
        || path.starts_with("crates/spawn/src/")
        || path.starts_with("crates/plugin-host/src/")
        || in_crate("herald-core")
}

/// Calls where they do not belong. Test code may start processes and read clocks; but not use `unsafe`.
#[must_use]
pub fn calls(file: &RustFile<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for ban in &BANS {
        for at in file.find(ban.tokens) {
            let everywhere = ban.what == UNSAFE;
            if (everywhere || file.is_product(at)) && !(ban.allowed)(file.path) {
                found.push(Finding::new(
                    file.path,
                    file.code[at].line,
                    format!("{} {}", ban.tokens.concat(), ban.what),
                ));
            }
        }
    }
    found
}

/// Reads a body whole: (tokens, what in the same function shows that there is a limit).
const WHOLE_READS: [(&[&str], &[&str]); 8] = [
    (&[".", "collect", "(", ")", ".", "await"], &["Limited"]),
    (&[".", "bytes", "(", ")", ".", "await"], &["Limited"]),
    (&[".", "text", "(", ")", ".", "await"], &["Limited"]),
    (&[".", "json", "(", ")", ".", "await"], &["Limited"]),
    (&["to_bytes", "("], &[]),
    (&[".", "read_to_end", "("], &["take"]),
    (&[".", "read_to_string", "("], &["take"]),
    (&["io", "::", "read_to_string"], &["take"]),
];

/// Bodies and streams that are read whole without a visible size limit. Streams of items (`StreamExt::collect`) are
/// distinguished from bodies by the file's imports.
#[must_use]
pub fn whole_reads(file: &RustFile<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let knows_bodies = file.find(&["BodyExt"]).next().is_some();
    for (pattern, caps) in &WHOLE_READS {
        if pattern.contains(&"collect") && !knows_bodies {
            continue;
        }
        for at in file.find(pattern) {
            if !file.is_product(at) {
                continue;
            }
            let capped = file.function_around(at).is_some_and(|function| {
                file.code[function.first..=function.last].iter().any(|token| caps.contains(&token.text))
            });
            if !capped {
                let what =
                    format!("`{}` reads without a cap: put a limit on it in this function", pattern.concat());
                found.push(Finding::new(file.path, file.code[at].line, what));
            }
        }
    }
    found
}

/// Unfinished work, silenced warnings, expectations without a reason.
#[must_use]
pub fn debts(file: &RustFile<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for comment in &file.comments {
        for (n, line) in comment.text.lines().enumerate() {
            if let Some(word) = put_off(line) {
                let what = format!("{word}: do it now, or open an issue and leave the comment out");
                found.push(Finding::new(file.path, comment.line + n, what));
            }
        }
    }
    for name in ["todo", "unimplemented", "dbg"] {
        for at in file.find(&[name, "!"]) {
            found.push(Finding::new(
                file.path,
                file.code[at].line,
                format!("{name}!: write what belongs there"),
            ));
        }
    }
    for (at, token) in file.code.iter().enumerate() {
        let in_attribute = token.text == "[" && at > 0 && matches!(file.code[at - 1].text, "#" | "!");
        let Some(end) = closing(&file.code, at).filter(|_| in_attribute && token.kind == Kind::Mark) else {
            continue;
        };
        let words = &file.code[at..end];
        let has = |word: &str| words.iter().any(|t| t.kind == Kind::Word && t.text == word);
        if words.get(1).is_some_and(|t| t.text == "allow") {
            found.push(Finding::new(file.path, token.line, "allow: use #[expect(…, reason = \"…\")]"));
        } else if words.get(1).is_some_and(|t| t.text == "expect") && !has("reason") {
            found.push(Finding::new(file.path, token.line, "expect without a reason: say why"));
        }
    }
    found
}

fn put_off(line: &str) -> Option<&'static str> {
    ["TODO", "FIXME", "XXX", "HACK"]
        .into_iter()
        .find(|word| line.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word))
}

/// Files and folders whose name does not describe their contents.
#[must_use]
pub fn names(path: &str) -> Vec<Finding> {
    const EMPTY: [&str; 10] =
        ["util", "utils", "common", "helper", "helpers", "misc", "errors", "shared", "types", "stuff"];
    path.split('/')
        .filter_map(|part| EMPTY.into_iter().find(|name| part.split('.').next() == Some(*name)))
        .map(|name| {
            Finding::new(path, 0, format!("nothing is called {name} here: name it after what it does"))
        })
        .collect()
}

/// Unfinished work in files that are not Rust.
#[must_use]
pub fn debts_in_text(path: &str, text: &str) -> Vec<Finding> {
    text.lines()
        .enumerate()
        .filter_map(|(n, line)| put_off(line).map(|word| (n, word)))
        .map(|(n, word)| Finding::new(path, n + 1, format!("{word}: do it now, or open an issue")))
        .collect()
}

/// The absolute path of this checkout in a file: it does not exist on other machines.
#[must_use]
pub fn machine_paths(path: &str, text: &str, root: &str) -> Vec<Finding> {
    if root.matches('/').count() < 2 {
        return Vec::new();
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let here = line.match_indices(root).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + root.len()..].chars().next();
            !before.is_some_and(is_name) && !after.is_some_and(|c| is_name(c) && c != '/')
        });
        if here {
            found.push(Finding::new(path, n + 1, "names the folder of this checkout: make it relative"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str, &[usize])], rule: fn(&RustFile<'_>) -> Vec<Finding>) {
        for (path, text, expected) in cases {
            let lines: Vec<usize> = rule(&RustFile::read(path, text)).iter().map(|f| f.line).collect();
            assert_eq!(lines, *expected, "{path}: {text}");
        }
    }

    #[test]
    fn calls_belong_to_places() {
        check(
            &[
                ("heraldd/src/x.rs", "fn f() {\n Command::new(\"a\"); }", &[2]),
                ("heraldd/src/x.rs", "use tokio::process::Command;", &[1]),
                ("heraldd/src/x.rs", "use std::process::{self, Command as C};", &[1]),
                ("heraldd/src/x.rs", "// Command::new\n\"Command::new\"", &[]),
                ("crates/exec/src/x.rs", "Command::new(a)", &[]),
                ("crates/exec/tests/it/x.rs", "Command::new(a)", &[]),
                ("heraldd/src/x.rs", "#[cfg(test)]\nmod tests { fn f() { Command::new(a) } }", &[]),
                ("bench/src/x.rs", "Command::new(a)", &[]),
                ("heraldd/src/x.rs", "SystemTime::now()", &[1]),
                ("heraldd/src/x.rs", "jiff::Timestamp\n::now()", &[1]),
                ("heraldd/src/x.rs", "Instant::now()", &[]),
                ("herald-core/src/clock.rs", "Timestamp::now()", &[]),
                ("herald-core/src/unlock.rs", "Timestamp::now()", &[1]),
                ("crates/exec/src/x.rs", "use x::Router;", &[1]),
                ("crates/store/src/x.rs", "use x::Router;", &[]),
                ("heraldd/src/x.rs", "use x::Router;", &[]),
                ("crates/net/src/x.rs", "// Router\n#[cfg(test)]\nmod tests { use x::Router; }", &[]),
                ("heraldd/src/x.rs", "unsafe { f() }", &[1]),
                ("e2e/tests/x.rs", "unsafe { f() }", &[1]),
                ("crates/plugin-host/src/library.rs", "unsafe { f() }", &[]),
                ("crates/exec/src/plugin.rs", "unsafe { f() }", &[1]),
                ("plugins/hello/src/lib.rs", "unsafe { f() }", &[]),
            ],
            calls,
        );
    }

    #[test]
    fn whole_reads_need_a_cap() {
        check(
            &[
                ("a/src/x.rs", "async fn f() { answer.bytes().await }", &[1]),
                ("a/src/x.rs", "async fn f() { answer\n.text()\n.await }", &[2]),
                ("a/src/x.rs", "use http_body_util::BodyExt;\nfn f() { body.collect().await }", &[2]),
                ("a/src/x.rs", "fn f() { stream.collect().await }", &[]),
                ("a/src/x.rs", "use a::BodyExt;\nfn f() { Limited::new(body, 9).collect().await }", &[]),
                ("a/src/x.rs", "fn f() { file.read_to_end(&mut x) }", &[1]),
                ("a/src/x.rs", "fn f() { file.take(9).read_to_end(&mut x) }", &[]),
                ("a/src/x.rs", "fn f() { axum::body::to_bytes(body, 9) }", &[1]),
                ("a/src/x.rs", "fn f() { text.bytes().next() }", &[]),
                ("a/tests/x.rs", "fn f() { answer.bytes().await }", &[]),
            ],
            whole_reads,
        );
    }

    #[test]
    fn debts_are_found() {
        check(
            &[
                ("a/src/x.rs", "// TODO: later", &[1]),
                ("a/src/x.rs", "/* one\n FIXME */", &[2]),
                ("a/src/x.rs", "\"TODO\" // TODOS", &[]),
                ("a/src/x.rs", "fn f() {\n todo!() }", &[2]),
                ("a/tests/x.rs", "unimplemented!(\"x\")", &[1]),
                ("a/src/x.rs", "#[allow(dead_code)]\nfn f() {}", &[1]),
                ("a/src/x.rs", "#![allow(dead_code)]", &[1]),
                ("a/src/x.rs", "#[expect(dead_code)]\nfn f() {}", &[1]),
                ("a/src/x.rs", "#[expect(dead_code, reason = \"x\")]\nfn f() { allow(1) }", &[]),
            ],
            debts,
        );
        assert_eq!(debts_in_text("a.md", "one\n- FIXME two\n").len(), 1);
        assert_eq!(debts_in_text("a.md", "nothing").len(), 0);
    }

    #[test]
    fn names_say_something() {
        for (path, count) in [
            ("a/src/util.rs", 1),
            ("a/tests/common/mod.rs", 1),
            ("a/src/errors.rs", 1),
            ("a/src/error.rs", 0),
            ("a/src/utility_belt.rs", 0),
            ("a/src/helpers/errors.rs", 2),
        ] {
            assert_eq!(names(path).len(), count, "{path}");
        }
    }

    #[test]
    fn the_checkout_is_nowhere_named() {
        for (text, root, count) in [
            ("see /home/me/herald/x", "/home/me/herald", 1),
            ("see /home/me/heralds", "/home/me/herald", 0),
            ("see /mnt/home/me/herald", "/home/me/herald", 0),
            ("\"/home/me/herald\"", "/home/me/herald", 1),
            ("cd /src/x", "/src", 0),
        ] {
            assert_eq!(machine_paths("a", text, root).len(), count, "{text}");
        }
    }
}
