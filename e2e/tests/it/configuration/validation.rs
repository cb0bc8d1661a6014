//! Contract, section 2: "Validation is total."
//!
//! | sentence | test |
//! |---|---|
//! | Unknown sections, keys | `unknown_sections_and_keys_are_found` |
//! | Unknown types, names, presets; for a near miss, the name meant | `unknown_types_names_and_presets_are_found` |
//! | wrong kinds | `wrong_kinds_are_found`, `wrong_kinds_in_routers_are_found`, `what_is_missing_is_found` |
//! | bad cron lines, durations, URLs | `bad_cron_lines_durations_and_urls_are_found` |
//! | duplicate keys | `duplicate_keys_are_found` |
//! | an empty secret | `an_empty_secret_is_found` |
//! | each as file:line:col: what is wrong, with the line shown | every case, see `check` |
//! | all reported at once | `all_problems_are_reported_at_once` |
//! | all are found before anything starts | `nothing_starts_before_everything_is_right` |

use e2e::place::Place;

/// A configuration with one mistake, which is between « and »; the texts that the report must also contain.
pub(super) type Case = (&'static str, &'static [&'static str]);

const GOOD: &str = "trigger: {every2s: {type: tick, interval: 2}, manual: {type: http, port: 0}}
executor: {local_command: {type: local, work_dir: '@DIR@/work'}}
preset: {uptime: {cmd: uptime}}
";

const ROUTER: &str = "router: {r: {trigger: every2s, selector: all, task: {t: none}}}\n";

/// The configuration is rejected with exit code 2 and a report that names file, line, a column within the marked span,
/// shows the line, and contains the other texts.
pub(super) fn check((marked, says): Case) {
    let (before, rest) = marked.split_once('«').expect("a mark");
    let inside = rest.split_once('»').expect("the end of a mark").0;
    let line = 1 + before.matches('\n').count();
    let first = 1 + before.rsplit('\n').next().unwrap().chars().count();
    let last = first + inside.lines().next().unwrap_or_default().chars().count();
    let plain = marked.replace(['«', '»'], "");

    let place = Place::new();
    let ended = place.refused("heraldd", &plain);
    let report = ended.text();
    assert_eq!(ended.code, Some(2), "{marked}\n{report}");
    let places: Vec<(usize, usize)> = report.lines().filter_map(position).collect();
    assert!(
        places.iter().any(|(l, c)| *l == line && (first..=last).contains(c)),
        "{line}:{first}-{last} is not among {places:?}\n{marked}\n{report}"
    );
    let filled = place.fill(&plain);
    let shown = filled.lines().nth(line - 1).unwrap().trim();
    // What is secret is hidden in the line that is shown.
    let shown: String = shown.split("secret").next().unwrap().chars().take(60).collect();
    assert!(report.contains(&shown), "the line is not shown: {shown}\n{report}");
    for word in says {
        assert!(report.contains(word), "does not say {word}\n{marked}\n{report}");
    }
}

fn check_all(head: &str, tail: &str, cases: &[Case]) {
    for (marked, says) in cases {
        let whole: &'static str = Box::leak(format!("{head}{marked}\n{tail}").into_boxed_str());
        check((whole, says));
    }
}

/// `file:line:col` in a line of a report.
fn position(line: &str) -> Option<(usize, usize)> {
    let rest = line.split_once("config.yml:")?.1;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[test]
fn unknown_sections_and_keys_are_found() {
    check_all(
        GOOD,
        ROUTER,
        &[
            ("«triggr»: {}", &["triggr", "trigger"]),
            ("«routers»: {}", &["routers", "router"]),
            ("«nonsense: 1»", &["nonsense"]),
            ("log: {«levl»: INFO}", &["levl", "level"]),
            ("selector: {s: {type: external, program: /bin/true, «tiemout»: 1}}", &["tiemout", "timeout"]),
            ("selector: {s: {type: all, «match_key»: 1}}", &["match_key"]),
        ],
    );
    check_all(
        GOOD,
        "",
        &[
            ("router: {r: {trigger: every2s, «selectr»: all, task: {t: none}}}", &["selectr", "selector"]),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: none}, «job_parm»: {}}}",
                &["job_param"],
            ),
            ("router: {r: {trigger: every2s, selector: all, task: {t: {«excutor»: none}}}}", &["executor"]),
            (
                "router: {r: {trigger: every2s, selector: match_map, task: {t: none}, select_param: {match_key: a, «match_vlaue»: 1}}}",
                &["match_value"],
            ),
        ],
    );
    check_all(
        "trigger:\n",
        ROUTER,
        &[("  every2s: {type: tick, interval: 1, «intervall»: 2}", &["intervall", "interval"])],
    );
    check_all(
        "executor:\n",
        "",
        &[("  x: {type: local, work_dir: /tmp, «wrok_dir»: /tmp}", &["wrok_dir", "work_dir"])],
    );
}

#[test]
fn unknown_types_names_and_presets_are_found() {
    check_all("", "", &[("trigger: {t: {type: «tik», interval: 1}}", &["tik", "tick"])]);
    check_all("", "", &[("executor: {e: {type: «http_remot»}}", &["http_remot", "http_remote"])]);
    check_all("", "", &[("selector: {«matchmap»: {}}", &["matchmap"])]);
    check_all(
        GOOD,
        "",
        &[
            ("router: {r: {trigger: «every2», selector: all, task: {t: none}}}", &["every2", "every2s"]),
            ("router: {r: {trigger: every2s, selector: «al», task: {t: none}}}", &["al", "all"]),
            ("router: {r: {trigger: every2s, selector: all, task: {t: «prnt»}}}", &["prnt", "print"]),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: {executor: «local_comand»}}}}",
                &["local_command"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: none}, job_param: «uptim»}}",
                &["uptim", "uptime"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: none}, job_param: [uptime, «uptim»]}}",
                &["uptime"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: none}, select_param: {preset: «nope»}}}",
                &["nope"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: {executor: none, job_param: {preset: [«nope»]}}}}}",
                &["nope"],
            ),
        ],
    );
}

#[test]
fn wrong_kinds_are_found() {
    check_all(
        "",
        "",
        &[
            ("trigger: «[a, b]»", &["trigger"]),
            ("trigger: {«t: 5»}", &["t"]),
            ("router: «hello»", &["router"]),
            ("trigger: {t: {«type: [tick]», interval: 1}}", &["type"]),
            ("trigger: {t: {type: tick, «interval: [1]»}}", &["interval"]),
            ("trigger: {t: {type: tick, «interval: -1»}}", &["interval"]),
            ("trigger: {t: {type: tick, «interval: 0»}}", &["interval"]),
            ("trigger: {t: {type: http, «port: abc»}}", &["port"]),
            ("trigger: {t: {type: http, «port: 65536»}}", &["port"]),
            ("trigger: {t: {type: http, «port: -1»}}", &["port"]),
            ("trigger: {t: {type: http, «host: 5»}}", &["host"]),
            ("trigger: {t: {type: http, port: 0, «allowed_hosts: {a: b}»}}", &["allowed_hosts"]),
            ("trigger: {t: {type: cron, «cron: 5»}}", &["cron"]),
            ("trigger: {t: {type: cron, cron: '@daily', «with_seconds: 'yes'»}}", &["with_seconds"]),
            ("executor: {e: {type: local, «work_dir: [x]»}}", &["work_dir"]),
            ("selector: {s: {type: external, «program: {a: 1}»}}", &["program"]),
            ("preset: {«p: 5»}", &["p"]),
            ("plugin: «{a: 1}»", &["plugin"]),
            ("log: «5»", &["log"]),
            ("log: {«level: LOUD»}", &["level"]),
            ("log: {«format: xml»}", &["format"]),
        ],
    );
}

#[test]
fn wrong_kinds_in_routers_are_found() {
    check_all(
        GOOD,
        "",
        &[
            ("router: {r: {«trigger: [every2s]», selector: all, task: {t: none}}}", &["trigger"]),
            ("router: {r: {trigger: every2s, selector: all, «task: none»}}", &["task"]),
            ("router: {r: {trigger: every2s, selector: all, task: {«t: 5»}}}", &["t"]),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: none}, «job_param: 5»}}",
                &["job_param"],
            ),
            (
                "router: {r: {trigger: every2s, selector: skip, task: {t: none}, select_param: {«skip_number: many»}}}",
                &["skip_number"],
            ),
            (
                "router: {r: {trigger: every2s, selector: match_map, task: {t: none}, select_param: {«match_key: [a]»}}}",
                &["match_key"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: print}, job_param: {«print_key: 5»}}}",
                &["print_key"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: local_command}, job_param: {«cmd: [a]»}}}",
                &["cmd"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: local_command}, job_param: {cmd: a, «env: [a]»}}}",
                &["env"],
            ),
            (
                "router: {r: {trigger: every2s, selector: all, task: {t: local_command}, job_param: {cmd: a, «background: 'no'»}}}",
                &["background"],
            ),
        ],
    );
}

#[test]
fn what_is_missing_is_found() {
    check_all(
        GOOD,
        "",
        &[
            ("router: {«r: {selector: all, task: {t: none}}»}", &["trigger"]),
            ("router: {«r: {trigger: every2s, selector: all}»}", &["task"]),
            ("router: {«r: {trigger: every2s, selector: all, task: {t: {job_param: {}}}}»}", &["executor"]),
        ],
    );
    check_all(
        "",
        "",
        &[
            ("trigger: {«t: {type: cron}»}", &["cron"]),
            ("selector: {«s: {type: external}»}", &["program"]),
            ("executor: {«e: {type: http_remote, secret: 0123456789abcdef}»}", &["host"]),
            ("executor: {«e: {type: http_remote, host: 'http://localhost:8124/'}»}", &["secret"]),
        ],
    );
}

#[test]
fn bad_cron_lines_durations_and_urls_are_found() {
    check_all(
        "trigger:\n",
        "",
        &[
            ("  t: {type: cron, «cron: '61 * * * *'»}", &["61"]),
            ("  t: {type: cron, «cron: '* * *'»}", &["cron"]),
            ("  t: {type: cron, «cron: '* * * * * *'»}", &["cron"]),
            ("  t: {type: cron, «cron: '* * * * *', with_seconds: true»}", &["cron"]),
            ("  t: {type: cron, «cron: '* * * * mon-fry'»}", &["fry"]),
            ("  t: {type: cron, «cron: '1,,2 * * * *'»}", &["cron"]),
            ("  t: {type: cron, «cron: '*/0 * * * *'»}", &["cron"]),
            ("  t: {type: cron, «cron: '@dayly'»}", &["@dayly"]),
            ("  t: {type: cron, «cron: '@every nothing'»}", &["cron"]),
            ("  t: {type: cron, «cron: ''»}", &["cron"]),
            ("  t: {type: cron, cron: '@daily', «time_zone: Europe/Berln»}", &["Europe/Berln"]),
            ("  t: {type: tick, «interval: 1x»}", &["interval"]),
            ("  t: {type: tick, «interval: 5 parsecs»}", &["interval"]),
            ("  t: {type: tick, «interval: ''»}", &["interval"]),
            ("  t: {type: tick, «interval: 1e999»}", &["interval"]),
        ],
    );
    check_all(
        "selector:\n",
        "",
        &[("  s: {type: external, program: /bin/true, «timeout: soon»}", &["timeout"])],
    );
    for url in ["'not a url'", "ftp://x/", "'http://'", "localhost:8124", "'http://a b/'"] {
        let config =
            format!("executor:\n  e: {{type: http_remote, secret: 0123456789abcdef, «host: {url}»}}\n");
        check((Box::leak(config.into_boxed_str()), &["host"]));
    }
    check_all(
        GOOD,
        "",
        &[(
            "router: {r: {trigger: every2s, selector: all, task: {t: local_command}, job_param: {cmd: a, «timeout: 1 fortnight»}}}",
            &["timeout"],
        )],
    );
}

/// What would fail only when a job runs, or do something else than it seems to.
#[test]
fn what_would_fail_later_is_found() {
    const HEAD: &str =
        "trigger: {every2s: {type: tick, interval: 2}}\nrouter: {r: {trigger: every2s, selector: all, ";
    check_all(
        HEAD,
        "",
        &[
            (
                "task: {t: local}, job_param: {repo: 'https://h/x.git', cmd: «/abs»}}}",
                &["must be relative to the repository"],
            ),
            (
                "task: {t: local}, job_param: {git_repo: 'https://h/x.git', cmd: «../x»}}}",
                &["would lead out of the repository"],
            ),
            ("task: {«''»: local}, job_param: {cmd: x}}}", &["the name of a task must not be empty"]),
        ],
    );
    const CUT: &[&str] = &["a `?` or `#` and what follows it would not be sent"];
    check_all(
        "",
        "",
        &[
            ("trigger: {t: {type: http, host: «256.1.1.1», port: 1}}", &["256.1.1.1 is not an IPv4 address"]),
            ("trigger: {t: {type: http, host: «127.0.1», port: 1}}", &["127.0.1 is not an IPv4 address"]),
            ("api: {host: «1.2.3.4.5», port: 1}", &["1.2.3.4.5 is not an IPv4 address"]),
            (
                "executor: {e: {type: http_remote, host: «'https://h/?q'», secret: sixteen-bytes-and-more}}",
                CUT,
            ),
            (
                "executor: {e: {type: http_remote, host: «'https://h/#f'», secret: sixteen-bytes-and-more}}",
                CUT,
            ),
            ("node: {n: {host: «'https://h/#f'», secret: sixteen-bytes-and-more}}", CUT),
        ],
    );
}

#[test]
fn what_has_no_effect_is_warned_of() {
    let place = Place::new();
    let ended = place.check(
        "trigger: {every2s: {type: tick, interval: 2}}
router: {r: {trigger: every2s, selector: all, task: {t: local}, job_param: {
  cmd: x, git_branch: main, git_commit: abcdef0, arg: ['{% if a %}b{% endif %}', '%{x}', '{%x%}']}}}
",
    );
    for says in [
        ":3:11: warning: `git_branch` has no effect without `repo`",
        ":3:29: warning: `git_commit` has no effect without `repo`",
        "warning: `{% if … %}` stays as it is",
    ] {
        assert!(ended.text().contains(says), "{says}: {}", ended.text());
    }
    assert_eq!((ended.code, ended.text().matches("warning").count()), (Some(0), 3), "{}", ended.text());
}

#[test]
fn duplicate_keys_are_found() {
    check_all(
        "",
        "",
        &[
            ("trigger: {t: {type: tick, interval: 1, «interval»: 2}}", &["interval"]),
            ("trigger:\n  a: {type: tick, interval: 1}\n  «a»: {type: tick, interval: 1}", &["a"]),
            ("trigger: {}\n«trigger»: {}", &["trigger"]),
        ],
    );
    let job_param =
        "router: {r: {trigger: every2s, selector: all, task: {t: print}, job_param: {a: {b: 1, «b»: 2}}}}";
    check_all(GOOD, "", &[(job_param, &["b"])]);
}

#[test]
fn an_empty_secret_is_found() {
    let remote = "executor:\n  e: {type: http_remote, host: 'http://localhost:8124/', ";
    let place = Place::new();
    let empty = place.write("empty", "");
    let newline = place.write("newline", "\n");
    for secret in [
        "''".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "'${env:HERALD_E2E_NOT_SET}'".to_owned(),
        "'${file:/nonexistent/herald}'".to_owned(),
        format!("'${{file:{}}}'", empty.display()),
        format!("'${{file:{}}}'", newline.display()),
    ] {
        let config = format!("{remote}«secret: {secret}»}}\n");
        check((Box::leak(config.into_boxed_str()), &["secret"]));
    }
}

const MANY: &str = "log: {levl: INFO}
triggr: {}
trigger:
  a: {type: tik}
  b: {type: cron, cron: '61 * * * *'}
  b: {type: tick, interval: 1}
  c: {type: tick, interval: 1x}
executor:
  e: {type: http_remote, host: nowhere, secret: ''}
router:
  r: {trigger: d, selector: al, task: {t: prnt}, job_param: nope}
";

#[test]
fn all_problems_are_reported_at_once() {
    let ended = Place::new().refused("heraldd", MANY);
    let report = ended.text();
    assert_eq!(ended.code, Some(2), "{report}");
    for (line, words) in [
        (1, &["levl"] as &[&str]),
        (2, &["triggr"]),
        (4, &["tik"]),
        (5, &["61"]),
        (6, &["b"]),
        (7, &["1x"]),
        (9, &["host", "secret"]),
        (11, &["`d`", "`al`", "`prnt`", "`nope`"]),
    ] {
        let found = report.lines().filter_map(position).filter(|(at, _)| *at == line).count();
        assert!(found >= words.len(), "line {line} has {found} reports:\n{report}");
        for word in words {
            assert!(report.contains(word.trim_matches('`')), "{word}: {report}");
        }
    }
}

#[test]
fn nothing_starts_before_everything_is_right() {
    let place = Place::new();
    let touch = place.script("touch.sh", "touch @DIR@/ran");
    let config = format!(
        "trigger: {{fast: {{type: tick, interval: 0.01}}, web: {{type: http, unix_socket: '@DIR@/socket'}}}}
executor: {{l: {{type: local, work_dir: '@DIR@/work'}}}}
router:
  r: {{trigger: fast, selector: all, task: {{t: l}}, job_param: {{cmd: {touch}}}}}
  s: {{trigger: fast, selector: all, task: {{t: prnt}}}}
"
    );
    assert_eq!(place.refused("heraldd", &config).code, Some(2));
    for made in ["ran", "work", "socket"] {
        assert!(!place.path(made).exists(), "{made} was made");
    }
}
