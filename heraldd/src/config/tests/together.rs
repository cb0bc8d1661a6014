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
        // At night it does not come.
        ("0 9-17 * * *", "2h", true),
        ("0 9-17 * * *", "17h", false),
        ("30 2 * * *", "24h30m", false),
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
    let yaml = "trigger: {t: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}, e: {type: expect, router: r, within: 24h}}\n\
                router: {r: {trigger: t, selector: all, task: {t: none}}, s: {trigger: e, selector: all, task: {t: none}}}\n";
    let found = said_of(yaml);
    assert!(found.len() == 1 && found[0].contains("up to 1d1h pass between two runs"), "{found:?}");
    // When it comes is not known.
    let yaml = "trigger: {t: {type: http, port: 0}, e: {type: expect, router: r, within: 1m}}\n\
                router: {r: {trigger: t, selector: all, task: {t: none}}, s: {trigger: e, selector: all, task: {t: none}}}\n";
    assert_eq!(said_of(yaml), [""; 0]);
}

#[test]
fn keys_of_a_router_one_level_too_deep() {
    let router =
        |rest: &str| format!("trigger: {{t: {{type: tick}}}}\nrouter: {{r: {{trigger: t, {rest}}}}}\n");
    for (rest, says) in [
        (
            "selector: all, task: {t: none}, job_param: {policy: {timeout: 10m}}",
            "`policy` is not a parameter of `none`, and has no effect here (it is a key of a router: write it beside `job_param`",
        ),
        (
            "selector: all, task: {t: none}, job_param: {select_param: {match_key: a}}",
            "write it beside `job_param`",
        ),
        ("selector: all, task: {t: none}, job_param: {job_param: {cmd: a}}", "write it beside `job_param`"),
        (
            "selector: all, task: {t: none}, job_param: {task: {u: {executor: none}}}",
            "write it beside `job_param`",
        ),
        (
            "selector: all, task: {t: {executor: none, job_param: {policy: {retry: 3}}}}",
            "write it beside `job_param`",
        ),
        (
            "selector: match_map, task: {t: none}, select_param: {match_key: a, policy: {retry: 3}}",
            "write it beside `select_param`",
        ),
        (
            "selector: match_map, task: {t: none}, select_param: {match_key: a, job_param: {cmd: x}}",
            "write it beside `select_param`",
        ),
        ("selector: all, job_param: {task: {t: none}}", "it is inside `job_param`: write it beside that"),
        ("selector: all, policy: {task: {t: none}}", "it is inside `policy`: write it beside that"),
        (
            "selector: all, task: {t: none}, policy: {job_param: {cmd: x}}",
            "unknown option `job_param` of `policy`",
        ),
        // A script's own.
        ("selector: all, task: {t: none}, job_param: {policy: strict}", ""),
        ("selector: all, task: {t: none}, job_param: {policy: {allow: [a]}}", ""),
        ("selector: all, task: {t: none}, job_param: {task: build}", ""),
        ("selector: all, task: {t: none}, job_param: {task: {name: build}}", ""),
    ] {
        let found = said_of(&router(rest));
        assert_eq!(found.is_empty(), says.is_empty(), "{rest}: {found:?}");
        assert!(found.iter().all(|found| found.contains(says)), "{rest}: {found:?}");
    }
}

/// What is said of a router with this selector beside the router `renew`.
fn said_of_chained(trigger: &str, selector: &str, select_param: &str) -> Vec<String> {
    said_of(&format!(
        "trigger: {{t: {{type: tick}}}}\n\
         router: {{renew: {{trigger: t, selector: all, task: {{fetch: none}}}}, r: {{trigger: {trigger}, selector: {selector}, \
         task: {{k: none}}, select_param: {select_param}}}}}\n"
    ))
}

#[test]
fn names_and_keys_of_exe_done() {
    for (selector, select_param, says) in [
        (
            "expr",
            "{expr: trigger_param.router == 'renwe'}",
            "there is no router \"renwe\" (did you mean \"renew\"?)",
        ),
        (
            "expr",
            "{expr: \"trigger_param.router in ['renew', 'x'] && trigger_param.success\"}",
            "there is no router \"x\"",
        ),
        (
            "expr",
            "{expr: trigger_param.task == 'fetsh'}",
            "there is no task \"fetsh\" (did you mean \"fetch\"?)",
        ),
        (
            "expr",
            "{expr: trigger_param.router == 'renew' && trigger_param.status == 'timeout'}",
            "there is no status \"timeout\" (",
        ),
        (
            "expr",
            "{expr: trigger_param.router == 'renew' && trigger_param.results.changed}",
            "an event of `exe_done` has no `results` (did you mean `result`?)",
        ),
        ("match_map", "{match_key: router, match_value: renwe}", "did you mean \"renew\"?"),
        ("except_map", "{except_key: router, except_value: renwe}", "did you mean \"renew\"?"),
        (
            "match_map",
            "{match_key: result.changed, match_value: true}",
            "an event of `exe_done` has no `result.changed` (write  result/changed)",
        ),
        ("expr", "{expr: trigger_param.router == 'renew' && trigger_param.result.changed}", ""),
        ("expr", "{expr: \"trigger_param.router == 'renew' && trigger_param.trigger_param.any == 'x'\"}", ""),
        ("match_map", "{match_key: result/changed, match_value: true}", ""),
        ("match_map", "{match_key: trigger, match_value: '{{ trigger_param.t }}'}", ""),
    ] {
        let found = said_of_chained("exe_done", selector, select_param);
        let found: Vec<&String> = found
            .iter()
            .filter(|found| !found.contains("jobs of this router") && !found.contains("endless loop"))
            .collect();
        assert_eq!(found.len(), usize::from(!says.is_empty()), "{select_param}: {found:?}");
        assert!(found.iter().all(|found| found.contains(says)), "{select_param}: {found:?}");
    }
    let found = said_of_chained("node_state", "match_map", "{match_key: stat}");
    assert!(found.len() == 1 && found[0].contains("did you mean `state`?"), "{found:?}");
    // Only the events of these two are known beforehand.
    assert_eq!(said_of_chained("t", "match_map", "{match_key: results}"), [""; 0]);
}

#[test]
fn a_router_that_also_matches_its_own_jobs() {
    const ALSO: &str = "it also matches the jobs of this router itself";
    const LOOP: &str = "an endless loop";
    for (selector, select_param, says) in [
        ("expr", "{expr: trigger_param.success}", ALSO),
        ("expr", "{expr: '!trigger_param.success'}", ALSO),
        ("expr", "{expr: \"trigger_param.status in ['failed', 'lost']\"}", ALSO),
        ("expr", "{expr: \"trigger_param.router != 'renew' && trigger_param.success\"}", ALSO),
        ("match_map", "{match_key: success, match_value: true}", ALSO),
        ("expr", "{expr: \"trigger_param.router != 'renew'\"}", LOOP),
        ("all", "{}", LOOP),
        // What every event of `exe_done` has, whatever it is.
        ("match_map", "{match_key: id}", LOOP),
        ("match_map", "{match_key: success}", LOOP),
        ("match_map", "{match_key: result}", LOOP),
        ("expr", "{expr: has(trigger_param.by)}", LOOP),
        ("except_map", "{except_key: job_id, except_value: x}", LOOP),
        ("expr", "{expr: \"trigger_param.router == 'r'\"}", LOOP),
        ("expr", "{expr: \"'r' == trigger_param.router || trigger_param.success\"}", LOOP),
        ("match_map", "{match_key: result/changed}", ""),
        ("expr", "{expr: '!has(trigger_param.result.changed)'}", ""),
        ("expr", "{expr: trigger_param.chain_depth < 5}", ""),
        ("expr", "{expr: \"trigger_param.ended_at > '2027'\"}", ""),
        ("expr", "{expr: trigger_param.failures_before == 0 && !trigger_param.success}", ""),
        ("expr", "{expr: \"trigger_param.router != 'r' && !trigger_param.success\"}", ""),
        ("expr", "{expr: \"trigger_param.router == 'renew' && trigger_param.success\"}", ""),
        ("expr", "{expr: \"trigger_param.task == 'fetch' && trigger_param.success\"}", ""),
        ("expr", "{expr: trigger_param.success && trigger_param.result.changed}", ""),
        ("expr", "{expr: trigger_param.failures_before >= 3}", ""),
    ] {
        let found = said_of_chained("exe_done", selector, select_param);
        assert_eq!(found.len(), usize::from(!says.is_empty()), "{select_param}: {found:?}");
        assert!(found.iter().all(|found| found.contains(says)), "{select_param}: {found:?}");
    }
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
    for (second, says) in [
        ("host: 127.0.0.1", &["port 8123 is that of the trigger \"t\", too"][..]),
        ("host: 0.0.0.0", &[]),
        ("host: 0.0.0.0, unix_socket: /tmp/s", &[]),
    ] {
        let found = said_of(&format!(
            "trigger: {{t: {{type: http, host: 0.0.0.0, port: 8123, path: /a}}, u: {{type: http, port: 8123, path: /b, {second}}}}}\n\
             router: {{r: {{trigger: t, selector: all, task: {{t: none}}}}, s: {{trigger: u, selector: all, task: {{t: none}}}}}}\n"
        ));
        let found: Vec<String> = found.into_iter().filter(|found| found.contains("is that of")).collect();
        assert!(found.len() == says.len() && found.iter().zip(says).all(|(f, s)| f.contains(s)), "{found:?}");
    }
    let runner =
        "runner: {secret: sixteen-characters-and-more, port: 8123, host: 127.0.0.1, work_dir: /tmp/w}\n";
    let found = said_of(&format!("{runner}trigger: {{t: {{type: http, port: 8123}}}}\n{ROUTER}"));
    assert_eq!(found.iter().filter(|found| found.contains("port 8123 is that of")).count(), 1, "{found:?}");
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
