//! Contract, section 11, "Notices": mails, on change, and about what did not come.
//!
//! | sentence | test |
//! |---|---|
//! | selector `changed`: one mail for the first failure and one for the recovery, over restarts and trimmed histories | `a_router_that_fails_and_recovers_is_two_mails` |
//! | trigger `expect` fires when nothing came, and again when it came, over restarts | `what_did_not_come_is_reported_and_that_it_is_back` |
//! | executor `mail`: TLS, login, attachments from result files; its errors | `a_mail_over_tls_has_the_result_file_and_no_secret` |
//! | reasons are specific; names are checked | `reasons_and_names` |
//! | `import crontab` turns MAILTO into them | `mailto_of_a_crontab_becomes_mails_on_change` |

use e2e::daemon::{DONE, Daemon};
use e2e::place::Place;
use e2e::smtp::{SmtpRules, SmtpServer, smtp_tls};
use herald_net::tls::testing::{Authority, Validity};
use serde_json::json;

/// A router `run` that fails on demand, and one that mails its changes.
fn config(server: &SmtpServer) -> String {
    format!(
        "state_dir: '@DIR@/state'
history: {{max_jobs: 1}}
trigger:
  manual: {{type: http, port: 0}}
executor:
  local_command: {{type: local, work_dir: '@DIR@/work'}}
  mail: {{server: 127.0.0.1, port: {}, from: Herald <herald@example.com>}}
router:
  run:
    trigger: manual
    selector: all
    task: {{job: local_command}}
    job_param: {{cmd: sh, arg: [-c, 'exit {{{{ trigger_param.code }}}}']}}
  mail:
    trigger: exe_done
    selector: changed
    select_param: {{routers: run}}
    task: {{send: mail}}
    job_param: {{to: 'ops@example.com', subject: '{{{{ trigger_param.router }}}} {{{{ trigger_param.status }}}}'}}
{DONE}",
        server.port()
    )
}

#[test]
fn a_router_that_fails_and_recovers_is_two_mails() {
    let server = SmtpServer::start(SmtpRules::default());
    let place = Place::new();
    let config = config(&server);
    let mut before = Vec::new();
    for (codes, crash) in [(&[0, 1][..], true), (&[1, 1], false), (&[1, 0, 0], false)] {
        let daemon = Daemon::start(&place, &config);
        for code in codes {
            let done = daemon.post_and_wait(&json!({ "code": code }));
            before.push(done["failures_before"].as_u64().unwrap());
        }
        if crash {
            assert_eq!(server.wait(1).len(), 1);
            daemon.signal("KILL");
        } else {
            daemon.signal("TERM");
        }
        assert_eq!(daemon.wait_end(), (!crash).then_some(0));
    }
    assert_eq!(before, [0, 0, 1, 2, 3, 4, 0]);
    let subjects: Vec<String> =
        server.mails().iter().map(|mail| mail.header("Subject").unwrap().to_owned()).collect();
    assert_eq!(subjects, ["run failed", "run succeeded"]);
}

#[test]
fn what_did_not_come_is_reported_and_that_it_is_back() {
    let place = Place::new();
    let config = format!(
        "state_dir: '@DIR@/state'
trigger:
  manual: {{type: http, port: 0}}
  missing: {{type: expect, router: run, within: 2s}}
router:
  run: {{trigger: manual, selector: all, task: {{job: none}}}}
  report: {{trigger: missing, selector: all, task: {{show: print}}}}
{DONE}"
    );
    let daemon = Daemon::start(&place, &config);
    let state = |daemon: &Daemon, state: &str| {
        let shown = daemon.wait_print(state, |value| {
            value["trigger"] == "missing" && value["trigger_param"]["state"] == state
        });
        shown["trigger_param"].clone()
    };
    let silent = state(&daemon, "silent");
    assert_eq!(
        (&silent["name"], &silent["kind"], &silent["within"]),
        (&json!("run"), &json!("router"), &json!("2s"))
    );
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    let daemon = Daemon::start(&place, &config);
    std::thread::sleep(std::time::Duration::from_secs(3));
    let of_missing = |value: &serde_json::Value| value["trigger"] == "missing";
    assert!(!daemon.printed().iter().any(of_missing), "{}", daemon.log());
    daemon.post(&json!({}));
    let back = state(&daemon, "back");
    assert_eq!(back["since"], silent["since"]);
    state(&daemon, "silent");
}

#[test]
fn a_mail_over_tls_has_the_result_file_and_no_secret() {
    let place = Place::new();
    let authority = Authority::new("the authority");
    authority.write(&place.path("ca.crt"));
    let dir = place.path(".");
    let pair = authority.issue(&dir, "mail", &["127.0.0.1"], Validity::Good);
    let server = SmtpServer::start(SmtpRules {
        tls: Some(smtp_tls(&pair.cert, &pair.key)),
        login: Some(("herald".to_owned(), "pass-word-7".to_owned())),
        ..SmtpRules::default()
    });
    place.write("password", "pass-word-7\n");
    place.write("results/report.txt", "the report");
    let config = |password: &str| {
        format!(
            "state_dir: '@DIR@/state'
trigger: {{manual: {{type: http, port: 0}}}}
executor:
  mail:
    server: 127.0.0.1
    port: {}
    tls: starttls
    ca: '@DIR@/ca.crt'
    username: herald
    password: {password}
    from: herald@example.com
    attach_from: '@DIR@/results'
router:
  run:
    trigger: manual
    selector: all
    task: {{send: mail}}
    job_param: {{to: '{{{{ trigger_param.to }}}}', body: hello, attach: '{{{{ trigger_param.file }}}}'}}
{DONE}",
            server.port()
        )
    };
    let daemon = Daemon::start(&place, &config("'${file:@DIR@/password}'"));
    let event = |to: &str, file: &str| json!({ "to": to, "file": { "report": place.text_path(file) } });
    let done = daemon.post_and_wait(&event("ops@example.com, dev@example.com", "results/report.txt"));
    assert_eq!(done["result"]["recipients"], json!(["ops@example.com", "dev@example.com"]), "{done}");
    let mail = server.mails().remove(0);
    assert!(mail.is_encrypted && mail.data.contains("the report"), "{mail:?}");
    for (event, says) in [
        (event("ops@example.com", "password"), "name its folder in `attach_from`"),
        (event("ops@example.com\r\nRCPT TO:<other@example.com>", "results/report.txt"), "control character"),
    ] {
        let done = daemon.post_and_wait(&event);
        assert!(done["error"].as_str().unwrap().contains(says), "{done}");
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    place.write("password", "pass-word-8\n");
    let daemon = Daemon::start(&place, &config("'${file:@DIR@/password}'"));
    let done = daemon.post_and_wait(&event("ops@example.com", "results/report.txt"));
    assert!(done["error"].as_str().unwrap().contains("refused the login of \"herald\""), "{done}");
    assert!(!daemon.log().contains("pass-word"), "{}", daemon.log());
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn reasons_and_names() {
    let server = SmtpServer::start(SmtpRules::default());
    let place = Place::new();
    let config = config(&server).replace("history: {max_jobs: 1}", "");
    let daemon = Daemon::start(&place, &config);
    let file = place.config(&config);
    for (code, says) in [
        (1, "run failed, and no failure came before"),
        (1, "run failed, as the one before: 2nd in a row"),
        (0, "run succeeded after 2 failures in a row"),
        (0, "run succeeded, and no failure came before"),
    ] {
        let event = daemon.post(&json!({ "code": code }));
        let done = daemon.wait_print("its end", |value| value["trigger_param"]["trigger_id"] == *event);
        let explained = place.run(
            "heraldd",
            &["explain", "--config", file.to_str().unwrap(), done["trigger_id"].as_str().unwrap()],
        );
        assert!(explained.text().contains(says), "{code}: {}", explained.text());
    }
    let wrong = config.replace("{routers: run}", "{routers: [rum, run, 'x*']}").replace(
        "  manual: {type: http, port: 0}",
        "  manual: {type: http, port: 0}\n  missing: {type: expect, trigger: manuel, within: 1h}",
    );
    let checked = place.check(&wrong);
    assert_eq!(checked.code, Some(2));
    for says in [
        "unknown router \"rum\"",
        "did you mean \"run\"?",
        "unknown trigger \"manuel\"",
        "did you mean \"manual\"?",
        "no router has a name that matches \"x*\"",
    ] {
        assert!(checked.text().contains(says), "{says}: {}", checked.text());
    }
}

#[test]
fn mailto_of_a_crontab_becomes_mails_on_change() {
    let place = Place::new();
    let crontab =
        "MAILTO=root,ops@example.com\n0 3 * * * /usr/local/bin/backup\nMAILTO=\"\"\n0 4 * * * /bin/true\n";
    place.write("crontab", crontab);
    let imported = place.run("heraldd", &["import", "crontab", "@DIR@/crontab"]);
    assert!(
        imported.stderr.contains("crontab:1: MAILTO: cron mails what a job prints"),
        "{}",
        imported.text()
    );
    for part in ["selector: changed", "line_2", "root@localhost", "type: mail"] {
        assert!(imported.stdout.contains(part), "{part}: {}", imported.stdout);
    }
    let checked = place.check(&imported.stdout);
    assert_eq!(checked.code, Some(0), "{}", checked.text());
}
