//! Rule for the dependencies between the crates of the workspace.

use crate::finding::Finding;

/// The crates of the workspace that a crate may depend on.
struct Arrows {
    /// Its folder.
    from: &'static str,
    /// In `[dependencies]` and `[build-dependencies]`.
    product: &'static [&'static str],
    /// In `[dev-dependencies]`, besides.
    tests: &'static [&'static str],
}

/// All allowed dependencies, including those of planned crates. `plugins/*` is each folder there, `crates/*` each
/// one there.
const ARROWS: &[Arrows] = &[
    Arrows { from: "crates/base", product: &[], tests: &[] },
    Arrows { from: "crates/config", product: &["crates/base"], tests: &[] },
    Arrows { from: "crates/exec", product: &["crates/base", "crates/spawn"], tests: &[] },
    Arrows { from: "crates/spawn", product: &[], tests: &[] },
    Arrows { from: "crates/cli-pages", product: &[], tests: &[] },
    Arrows { from: "crates/wire", product: &["crates/base"], tests: &[] },
    Arrows { from: "crates/net", product: &["crates/base"], tests: &[] },
    Arrows { from: "crates/schedule", product: &["crates/base"], tests: &[] },
    Arrows { from: "crates/terminal", product: &[], tests: &[] },
    // The level and the format of a log are options that config describes.
    Arrows { from: "crates/log", product: &["crates/base", "crates/config"], tests: &[] },
    // Its options are described for a configuration; networks are net's.
    Arrows { from: "crates/access", product: &["crates/base", "crates/config", "crates/net"], tests: &[] },
    // Networks and peers are net's.
    Arrows { from: "crates/webhook", product: &["crates/base", "crates/net"], tests: &[] },
    // The vocabulary of what it keeps, and the journal traits that it implements, are core's.
    Arrows { from: "crates/store", product: &["crates/base", "herald-core"], tests: &[] },
    // A command reads the state_dir from a configuration, asks the socket, and shows the answer on a terminal; `user`
    // changes the users file.
    Arrows {
        from: "crates/control",
        product: &["crates/access", "crates/base", "crates/config", "crates/net", "crates/terminal"],
        tests: &[],
    },
    // The options of the section are described for a configuration.
    Arrows { from: "crates/boards", product: &["crates/base", "crates/config"], tests: &[] },
    // It shows the data types of the API, by the role of the reader; lengths of time are terminal's, and where the
    // points of a line are is boards'.
    Arrows {
        from: "crates/page",
        product: &["crates/access", "crates/base", "crates/boards", "crates/control", "crates/terminal"],
        tests: &[],
    },
    // It carries out jobs and speaks of their outcomes, which are core's; its commands are processes.
    Arrows {
        from: "crates/projects",
        product: &["crates/base", "herald-core", "crates/etcd", "crates/exec", "crates/publish"],
        // A trigger is tested with a real etcd.
        tests: &["e2e"],
    },
    // Deployments to a fleet: the options of the section, what one machine does, the runners that it asks.
    Arrows {
        from: "crates/apps",
        product: &["crates/base", "crates/config", "crates/deploy", "crates/remote", "crates/wire"],
        tests: &[],
    },
    // What it deploys with are processes: git, svn and hooks.
    Arrows { from: "crates/deploy", product: &["crates/base", "crates/exec"], tests: &[] },
    // It shows the triggers and routers of a configuration, which are core's, with what the history has of them, and
    // how its queues are, as the data types of the API.
    Arrows {
        from: "crates/overview",
        product: &[
            "crates/base",
            "crates/boards",
            "crates/control",
            "herald-core",
            "crates/queue",
            "crates/schedule",
            "crates/store",
            "crates/terminal",
        ],
        tests: &[],
    },
    // It counts records of the journal, by router, and projects by state.
    Arrows {
        from: "crates/metrics",
        product: &["crates/base", "herald-core", "crates/projects", "crates/store"],
        tests: &[],
    },
    // It carries out jobs as messages and makes events of messages, which are core's; the nodes that must answer and
    // the files of a result are remote's.
    Arrows {
        from: "crates/queue-jobs",
        product: &["crates/base", "herald-core", "crates/queue", "crates/remote", "crates/wire"],
        tests: &[],
    },
    // It carries out jobs, which are core's, on runners, which are remote's or behind a queue.
    Arrows {
        from: "crates/remote-jobs",
        product: &[
            "crates/base",
            "herald-core",
            "crates/queue-jobs",
            "crates/remote",
            "crates/tls-options",
            "crates/wire",
        ],
        tests: &[],
    },
    // Files that options name, as net takes them.
    Arrows {
        from: "crates/tls-options",
        product: &["crates/base", "crates/config", "crates/net"],
        tests: &[],
    },
    // It describes parameters and answers questions, which are core's, with processes of exec.
    Arrows { from: "crates/local-jobs", product: &["crates/base", "herald-core", "crates/exec"], tests: &[] },
    // It carries out jobs, which are core's, with the client of net.
    Arrows { from: "crates/http-jobs", product: &["crates/base", "herald-core", "crates/net"], tests: &[] },
    // It is a trigger, which is core's; it takes requests.
    Arrows {
        from: "crates/http-trigger",
        product: &[
            "crates/base",
            "crates/config",
            "herald-core",
            "crates/net",
            "crates/remote",
            "crates/requests",
            "crates/tls-options",
            "crates/webhook",
        ],
        tests: &[],
    },
    // It sends the mails of jobs, which are core's. Its tests speak to an SMTP server.
    Arrows {
        from: "crates/notices",
        product: &["crates/base", "herald-core", "crates/mail"],
        tests: &["e2e"],
    },
    // It submits events to the dispatcher and shows their results.
    Arrows {
        from: "crates/requests",
        product: &["crates/base", "herald-core", "crates/net", "crates/webhook"],
        tests: &[],
    },
    // A reference and a schema have the component types of core's registry.
    Arrows { from: "crates/sections", product: &["crates/base", "crates/config", "herald-core"], tests: &[] },
    // Its problems are those of an option, and its functions know networks and signatures.
    Arrows {
        from: "crates/expression",
        product: &["crates/base", "crates/config", "crates/net", "crates/webhook"],
        tests: &[],
    },
    // A loaded plugin becomes component types, which are core's, as is the C table.
    Arrows { from: "crates/plugin-host", product: &["crates/base", "herald-core"], tests: &[] },
    Arrows {
        from: "crates/remote",
        product: &["crates/base", "crates/wire", "crates/net"],
        // Its tests speak to a real runner.
        tests: &["herald-runner"],
    },
    Arrows { from: "crates/import", product: &["crates/base", "crates/config"], tests: &[] },
    // The tests of these three start servers as the end-to-end tests do.
    Arrows { from: "crates/etcd", product: &["crates/base", "crates/net"], tests: &["e2e"] },
    Arrows { from: "crates/queue", product: &["crates/base", "crates/net"], tests: &["e2e"] },
    Arrows { from: "crates/mail", product: &["crates/base", "crates/net"], tests: &["e2e"] },
    Arrows { from: "crates/publish", product: &["crates/base"], tests: &[] },
    Arrows { from: "herald-core", product: &["crates/base", "crates/config"], tests: &[] },
    Arrows {
        from: "herald-runner",
        product: &[
            "crates/base",
            "crates/cli-pages",
            "crates/config",
            "crates/deploy",
            "crates/exec",
            "crates/wire",
            "crates/net",
            "crates/log",
            "crates/queue",
        ],
        tests: &[],
    },
    Arrows { from: "plugins/*", product: &["herald-core", "crates/net"], tests: &[] },
    Arrows {
        from: "heraldd",
        product: &["herald-core", "herald-runner", "crates/*", "plugins/*"],
        tests: &[],
    },
    Arrows { from: "tidy", product: &[], tests: &[] },
    Arrows { from: "bench", product: &["crates/base", "crates/wire"], tests: &[] },
    // It reaches every parser.
    Arrows { from: "fuzz", product: &["herald-core", "crates/*"], tests: &[] },
    Arrows { from: "e2e", product: &[], tests: &["herald-core", "crates/net", "crates/wire"] },
];

/// Forbidden dependencies. `manifests`: the `Cargo.toml` of each crate, as path and text.
#[must_use]
pub fn check(manifests: &[(&str, &str)]) -> Vec<Finding> {
    let ours: Vec<(&str, &str)> = manifests
        .iter()
        .filter_map(|(path, text)| Some((package_name(text)?, path.strip_suffix("/Cargo.toml")?)))
        .collect();
    let mut found = Vec::new();
    for (path, text) in manifests {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
        let Some(arrows) = ARROWS.iter().find(|arrows| covers(arrows.from, folder)) else {
            found.push(Finding::new(
                path,
                0,
                "a crate without a place: give it its arrows in tidy/src/crates.rs",
            ));
            continue;
        };
        for dependency in dependencies(text) {
            let Some((_, to)) = ours.iter().find(|(name, _)| *name == dependency.name) else { continue };
            let allowed = |list: &[&str]| list.iter().any(|pattern| covers(pattern, to));
            if *to != folder && !(allowed(arrows.product) || dependency.dev && allowed(arrows.tests)) {
                let what =
                    format!("{folder} depends on {to}: that arrow does not exist, see ARCHITECTURE.md");
                found.push(Finding::new(path, dependency.line, what));
            }
        }
    }
    found
}

fn covers(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => folder.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()),
        None => pattern == folder,
    }
}

fn package_name(manifest: &str) -> Option<&str> {
    let (_, package) = manifest.split_once("[package]")?;
    let line = package.lines().find(|line| line.trim_start().starts_with("name"))?;
    line.split('"').nth(1)
}

struct Dependency<'a> {
    name: &'a str,
    dev: bool,
    line: usize,
}

/// The dependencies of a manifest, as it is written: `name.workspace = true`, `name = …`, `[dependencies.name]`, each
/// with or without `package = "…"`, for every target or one.
fn dependencies(manifest: &str) -> Vec<Dependency<'_>> {
    let mut found: Vec<Dependency<'_>> = Vec::new();
    let mut section = "";
    for (n, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if let Some((kind, name)) = section.rsplit_once("dependencies.") {
                found.push(Dependency { name, dev: kind.ends_with("dev-"), line: n + 1 });
            }
        } else if section.contains("dependencies.") {
            if let (Some(name), Some(last)) = (package_key(line), found.last_mut()) {
                last.name = name;
            }
        } else if section.ends_with("dependencies") && !line.is_empty() {
            let key = line.split(['=', '.']).next().unwrap_or("").trim().trim_matches('"');
            if line.starts_with(|c: char| c.is_alphanumeric() || c == '"') {
                let name = package_key(line).unwrap_or(key);
                found.push(Dependency { name, dev: section.ends_with("dev-dependencies"), line: n + 1 });
            }
        }
    }
    found
}

fn package_key(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("package")?;
    (before.is_empty() || before.ends_with([' ', '{', ',']))
        .then(|| after.trim_start().strip_prefix('='))
        .flatten()?
        .split('"')
        .nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    /// Path, name, the rest of the manifest, the number of forbidden dependencies.
    const CASES: [(&str, &str, &str, usize); 19] = [
        (
            "heraldd/Cargo.toml",
            "heraldd",
            "[dependencies]\nherald-core.workspace = true\nhello.workspace = true\n",
            0,
        ),
        ("crates/wire/Cargo.toml", "herald-wire", "[dependencies]\nherald-core.workspace = true\n", 1),
        ("crates/wire/Cargo.toml", "herald-wire", "[dev-dependencies]\nherald-core.workspace = true\n", 1),
        (
            "crates/wire/Cargo.toml",
            "herald-wire",
            "[dependencies.herald-exec]\npath = \"../herald-exec\"\n",
            1,
        ),
        (
            "crates/wire/Cargo.toml",
            "herald-wire",
            "[dependencies]\nx = { package = \"herald-core\", path = \"y\" }\n",
            1,
        ),
        ("crates/wire/Cargo.toml", "herald-wire", "[dependencies.x]\npackage = \"herald-core\"\n", 1),
        (
            "crates/wire/Cargo.toml",
            "herald-wire",
            "[target.'cfg(unix)'.dependencies]\nherald-core = \"1\"\n",
            1,
        ),
        ("crates/wire/Cargo.toml", "herald-wire", "[dependencies]\n# herald-core = \"1\"\n", 0),
        (
            "crates/wire/Cargo.toml",
            "herald-wire",
            "[dependencies]\nserde = { version = \"1\", features = [\n \"herald-core\" ] }\n",
            0,
        ),
        ("herald-runner/Cargo.toml", "herald-runner", "[dependencies]\nherald-core.workspace = true\n", 1),
        ("herald-runner/Cargo.toml", "herald-runner", "[dependencies]\nherald-exec.workspace = true\n", 0),
        ("plugins/more/Cargo.toml", "more", "[dependencies]\nherald-core.workspace = true\n", 0),
        (
            "plugins/more/Cargo.toml",
            "more",
            "[dependencies]\nherald-exec.workspace = true\nhello = \"1\"\n",
            2,
        ),
        ("new/Cargo.toml", "new", "", 1),
        ("crates/new/Cargo.toml", "new", "", 1),
        ("crates/store/Cargo.toml", "herald-store", "[dependencies]\nherald-core.workspace = true\n", 0),
        ("crates/store/Cargo.toml", "herald-store", "[dependencies]\nherald-exec.workspace = true\n", 1),
        ("crates/remote/Cargo.toml", "herald-remote", "[dependencies]\nherald-core.workspace = true\n", 1),
        ("crates/publish/Cargo.toml", "herald-publish", "[dependencies]\nherald-exec.workspace = true\n", 1),
    ];

    /// The crates that a crate reaches through the dependencies of its product code.
    fn reached(from: &str) -> Vec<&'static str> {
        let mut found: Vec<&str> = Vec::new();
        let mut next = vec![from];
        while let Some(folder) = next.pop() {
            for arrows in ARROWS.iter().filter(|arrows| covers(arrows.from, folder)) {
                let new: Vec<&str> =
                    arrows.product.iter().copied().filter(|to| !found.contains(to)).collect();
                found.extend(&new);
                next.extend(new);
            }
        }
        found
    }

    #[test]
    fn the_arrows_hold_what_the_architecture_forbids() {
        for arrows in ARROWS {
            let all = reached(arrows.from);
            assert!(!all.contains(&arrows.from), "{} reaches itself", arrows.from);
            let below = arrows.from.starts_with("crates/");
            for upper in ["heraldd", "herald-runner", "plugins/*"] {
                assert!(!below || !all.contains(&upper), "{} knows {upper}", arrows.from);
            }
            let may_know_core = [
                "crates/http-jobs",
                "crates/http-trigger",
                "crates/local-jobs",
                "crates/metrics",
                "crates/notices",
                "crates/overview",
                "crates/plugin-host",
                "crates/projects",
                "crates/queue-jobs",
                "crates/remote-jobs",
                "crates/requests",
                "crates/sections",
                "crates/store",
            ];
            let knows_core = all.contains(&"herald-core");
            assert!(!below || knows_core == may_know_core.contains(&arrows.from), "{}", arrows.from);
        }
        for (from, to, exists) in [
            ("herald-core", "crates/exec", false),
            ("herald-core", "crates/config", true),
            ("crates/remote", "crates/exec", false),
            ("crates/net", "crates/config", false),
            ("crates/webhook", "crates/config", false),
            ("crates/schedule", "crates/config", false),
            ("herald-runner", "crates/queue", true),
            ("herald-runner", "herald-core", false),
            ("plugins/*", "crates/net", true),
        ] {
            assert_eq!(reached(from).contains(&to), exists, "{from} -> {to}");
        }
    }

    #[test]
    fn arrows_that_do_not_exist_are_found() {
        let core = manifest("herald-core", "");
        let exec = manifest("herald-exec", "");
        let hello = manifest("hello", "");
        let daemon = manifest("heraldd", "");
        for (path, name, rest, wrong) in CASES {
            let text = manifest(name, rest);
            let all = [
                ("herald-core/Cargo.toml", core.as_str()),
                ("crates/exec/Cargo.toml", exec.as_str()),
                ("plugins/hello/Cargo.toml", hello.as_str()),
                ("heraldd/Cargo.toml", daemon.as_str()),
                (path, text.as_str()),
            ];
            let found: Vec<_> = check(&all).into_iter().filter(|finding| finding.file == path).collect();
            assert_eq!(found.len(), wrong, "{path}: {rest} {found:?}");
        }
    }
}
