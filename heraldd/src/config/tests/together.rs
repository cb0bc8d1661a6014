//! What is said of parts of a configuration together, with the types that there are.

use super::*;

/// What is said, errors and warnings, each with its line and column.
fn said_of(yaml: &str) -> Vec<String> {
    let source = Place::new().source(yaml);
    let registry = crate::components::registry(&[]);
    let found = match check(source, &registry) {
        Ok(config) => config.warnings,
        Err(problems) => problems.found().to_vec(),
    };
    let line = |found: &LocatedProblem| {
        let help = found.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{}: {}{help}", found.line, found.column, found.message)
    };
    found.iter().map(line).collect()
}

const ROUTER: &str = "router: {r: {trigger: t, selector: all, task: {t: none}}}\n";

#[test]
fn changed_looks_at_jobs() {
    for (trigger, warns) in [
        ("{type: cron, cron: '0 3 * * *'}", true),
        ("{type: tick}", true),
        // Another Herald may send them.
        ("{type: http, port: 0}", false),
    ] {
        let yaml = format!(
            "trigger: {{t: {trigger}}}\nrouter: {{r: {{trigger: t, selector: changed, task: {{t: none}}}}}}\n"
        );
        let found = said_of(&yaml);
        assert_eq!(found.len(), usize::from(warns), "{trigger}: {found:?}");
        let is_it = |found: &String| found.starts_with("2:") && found.contains("write  trigger: exe_done");
        assert!(found.iter().all(is_it), "{found:?}");
    }
    let done = "router: {r: {trigger: exe_done, selector: changed, task: {t: none}}}\n";
    assert_eq!(said_of(done), [""; 0]);
}

#[test]
fn what_comes_more_seldom_than_it_is_expected() {
    for (cron, within, warns) in [
        ("0 3 * * *", "20h", true),
        ("0 3 * * *", "25h", false),
        ("0 * * * *", "30m", true),
        ("0 * * * *", "2h", false),
        ("@every 1h", "10m", true),
        // Not at night.
        ("0 9-17 * * *", "2h", false),
    ] {
        for awaited in ["router: r", "trigger: t"] {
            let yaml = format!(
                "trigger: {{t: {{type: cron, cron: '{cron}', time_zone: UTC}}, e: {{type: expect, {awaited}, within: {within}}}}}\n\
                 router: {{r: {{trigger: t, selector: all, task: {{t: none}}}}, s: {{trigger: e, selector: all, task: {{t: none}}}}}}\n"
            );
            let found = said_of(&yaml);
            assert_eq!(found.len(), usize::from(warns), "{cron} {within}: {found:?}");
            assert!(found.iter().all(|found| found.contains("write a little more than")), "{found:?}");
        }
    }
    // When it comes is not known.
    let yaml = "trigger: {t: {type: http, port: 0}, e: {type: expect, router: r, within: 1m}}\n\
                router: {r: {trigger: t, selector: all, task: {t: none}}, s: {trigger: e, selector: all, task: {t: none}}}\n";
    assert_eq!(said_of(yaml), [""; 0]);
}

#[test]
fn a_port_for_two() {
    let api = "api: {port: 8123, token: sixteen-characters-and-more}\n";
    for (sections, trigger, says) in [
        (api, "port: 8123", &["port 8123 is that of the trigger \"t\", too"][..]),
        (api, "port: 8123, host: localhost", &["port 8123 is that of the trigger \"t\", too"]),
        (api, "port: 8124", &[]),
        (api, "port: 0", &[]),
        (api, "unix_socket: /tmp/s", &[]),
        ("page: {port: 8123}\n", "port: 8123", &["port 8123 is that of the trigger \"t\", too"]),
        (
            "api: {port: 8124, token: sixteen-characters-and-more}\npage: {port: 8124}\n",
            "port: 8123",
            &["port 8124 is that of `api`, too"],
        ),
    ] {
        let found = said_of(&format!("{sections}trigger: {{t: {{type: http, {trigger}}}}}\n{ROUTER}"));
        assert_eq!(found.len(), says.len(), "{sections}{trigger}: {found:?}");
        assert!(found.iter().zip(says).all(|(found, says)| found.contains(says)), "{found:?}");
    }
    let two = "trigger: {t: {type: http, port: 8123, path: /a}, u: {type: http, port: 8123, path: /b}}\n\
               router: {r: {trigger: t, selector: all, task: {t: none}}, s: {trigger: u, selector: all, task: {t: none}}}\n";
    assert_eq!(said_of(two), [""; 0]);
}

#[test]
fn one_mistake_is_not_reported_as_another() {
    let found = said_of(
        "node: {n1: {host: 'https://h:1/', secret: '${env:NO_SUCH_VARIABLE}'}}
app: {shop: {repo: /r.git, path: /srv/shop, nodes: [n1]}}
trigger: {t: {type: cron, cron: '@daily'}}
router: {r: {trigger: t, selector: all, task: {go: app:shop}}}",
    );
    assert!(found.len() == 1 && found[0].contains("NO_SUCH_VARIABLE is not set"), "{found:?}");
}
