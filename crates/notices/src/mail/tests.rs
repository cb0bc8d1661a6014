use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use e2e::smtp::{SmtpRules, SmtpServer};
use herald_core::executor::{NoOutput, Stop};
use herald_core::job::Job;
use herald_core::secret::Mask;
use serde_json::json;

use super::*;

fn object(value: &Value) -> Params {
    value.as_object().unwrap().clone()
}

fn description() -> Description {
    let description =
        JobMailer::options().into_iter().fold(Description::new("mail", ""), Description::option);
    JobMailer::params().into_iter().fold(description, Description::param)
}

fn mailer(options: &Value) -> JobMailer {
    let (options, problems) = description().check(&object(options), &Path::top());
    assert_eq!(problems, []);
    JobMailer::new(&options, None).unwrap()
}

fn execution(job_param: &Value, trigger_param: &Value, mask: Mask) -> Execution {
    let trigger = if trigger_param.get("status").is_some() { "exe_done" } else { "t" };
    let job = Job {
        id: "the-job".into(),
        trigger_id: "e".into(),
        router: "mail".into(),
        trigger: trigger.into(),
        selector: "s".into(),
        task: "k".into(),
        executor: "e".into(),
        trigger_param: Arc::new(object(trigger_param).into()),
        select_param: Arc::default(),
        job_param: Arc::new(object(job_param)),
        chain_depth: 0,
        attempt: 1,
        by: None,
        rerun: false,
    };
    Execution {
        job: Arc::new(job),
        mask: Arc::new(mask),
        stop: Stop::new(),
        output: Arc::new(NoOutput),
        earlier: None,
    }
}

fn options(server: &SmtpServer, folder: &FilePath) -> Value {
    json!({
        "server": "127.0.0.1", "port": server.port(), "from": "Herald <herald@example.com>", "timeout": "20s",
        "attach_from": [folder],
    })
}

#[tokio::test]
async fn the_job_says_what_the_mail_says() {
    let (server, dir) = (SmtpServer::start(SmtpRules::default()), tempfile::tempdir().unwrap());
    let report = dir.path().join("report.txt");
    std::fs::write(&report, "attached").unwrap();
    let mailer = mailer(&options(&server, dir.path()));
    let job = json!({
        "to": "ops@example.com, dev@example.com", "cc": ["boss@example.com"],
        "subject": "nightly\r\nBcc: victim@example.com", "body": "It failed.", "attach": {"report": report},
    });
    let result = mailer.run(&execution(&job, &json!({}), Mask::new())).await.unwrap();
    assert_eq!(result["recipients"], json!(["ops@example.com", "dev@example.com", "boss@example.com"]));
    assert_eq!(result["answer"], "250 queued as 42");
    assert!(result["message_id"].as_str().unwrap().starts_with("<the-job@"), "{result:?}");
    let mail = server.mails().remove(0);
    assert_eq!(mail.header("Subject"), Some("nightly Bcc: victim@example.com"));
    for part in ["It failed.", "filename=\"report.txt\"", "attached"] {
        assert!(mail.data.contains(part), "{part}: {}", mail.data);
    }
    let outside = json!({"to": "ops@example.com", "attach": "/etc/hostname"});
    let failure = mailer.run(&execution(&outside, &json!({}), Mask::new())).await.unwrap_err();
    assert!(failure.error.contains("name its folder in `attach_from`"), "{failure:?}");
    for (job, says) in [
        (json!({}), "the parameter `to`"),
        (json!({"to": "ops"}), "is not a valid address"),
        (json!({"to": "ops@example.com\nRCPT TO:<x@example.com>"}), "control character"),
        (json!({"to": "ops@example.com", "attach": [1]}), "expected a path"),
    ] {
        let failure = mailer.run(&execution(&job, &json!({}), Mask::new())).await.unwrap_err();
        assert!(failure.error.contains(says), "{job}: {failure:?}");
    }
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn without_words_it_says_what_is_known() {
    let (server, dir) = (SmtpServer::start(SmtpRules::default()), tempfile::tempdir().unwrap());
    let mailer = mailer(&options(&server, dir.path()));
    let host = host_name();
    let done = json!({
        "router": "nightly", "task": "backup", "status": "timed_out", "error": "took hunter2222 too long",
        "failures_before": 2, "attempts": 1, "result": {"output": "x hunter2222"}, "id": "0198",
    });
    let recovered = json!({"router": "nightly", "status": "succeeded", "failures_before": 3, "error": null});
    let silent = json!({"state": "silent", "name": "nightly"});
    let mut mask = Mask::new();
    mask.add("hunter2222");
    for (trigger_param, subject, parts) in [
        (
            done,
            "nightly timed out (3 in a row)",
            &["Status:        timed_out", "Error:         took *** too long", "x ***"][..],
        ),
        (recovered, "nightly succeeded after 3 failures", &["Failed before: 3"]),
        (silent, "nightly: silent", &["\"state\": \"silent\""]),
        (json!({"a": 1}), "event of t", &["Trigger: t"]),
    ] {
        let job = json!({"to": "ops@example.com", "subject": null});
        mailer.run(&execution(&job, &trigger_param, mask.clone())).await.unwrap();
        let mail = server.mails().pop().unwrap();
        assert_eq!(mail.header("Subject"), Some(format!("[{host}] {subject}").as_str()));
        for part in parts.iter().copied().chain([host.as_str()]) {
            assert!(mail.body().contains(part), "{part}: {}", mail.body());
        }
    }
}

#[tokio::test]
async fn a_hanging_server_times_out_and_a_cancelled_job_ends() {
    let rules = || SmtpRules { answers: vec![("", "")], ..SmtpRules::default() };
    let (server, dir) = (SmtpServer::start(rules()), tempfile::tempdir().unwrap());
    let job = json!({"to": "ops@example.com"});
    let mut given = options(&server, dir.path());
    let waits = execution(&job, &json!({}), Mask::new());
    let long = mailer(&given);
    let (outcome, ()) = tokio::join!(long.run(&waits), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waits.stop.asked.cancel();
    });
    assert_eq!(outcome.unwrap_err().kind, FailureKind::Cancelled);
    given["timeout"] = json!("100ms");
    let failure = mailer(&given).run(&execution(&job, &json!({}), Mask::new())).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut);
}

#[test]
fn what_is_wrong_with_options_is_found_at_once() {
    let check = |mut options: Value| {
        options["from"] = options.get("from").cloned().unwrap_or(json!("herald@example.com"));
        let (options, problems) = description().check(&object(&options), &Path::top());
        let first = problems.first().map(ToString::to_string);
        first
            .or_else(|| JobMailer::new(&options, None).err().map(|error| error.to_string()))
            .unwrap_or_default()
    };
    for (options, says) in [
        (json!({"server": "mail.example.com"}), ""),
        (json!({"server": "::1"}), ""),
        (json!({"server": "2001:db8::25"}), ""),
        (json!({"server": "mail.example.com:587"}), "server: `server`: \"mail.example.com:587\" has a port"),
        (json!({"server": "192.0.2.1:25"}), "server: `server`: \"192.0.2.1:25\" has a port"),
        (json!({"server": "a:b"}), "server: `server`: expected the name"),
        (json!({}), ": the option `server` of `mail` is missing"),
        (json!({"server": "smtp://mail.example.com/"}), "server: `server`: expected the name"),
        (json!({"server": "m", "port": 0}), "port: "),
        (json!({"server": "m", "tls": "ssl"}), "tls: "),
        (json!({"server": "m", "ca": "/nothing"}), "ca: "),
        (json!({"server": "m", "username": "u"}), "username: its `password` is missing"),
        (json!({"server": "m", "password": "p"}), "password: its `username` is missing"),
        (json!({"server": "m", "from": "me"}), "from: "),
        (
            json!({"server": "m", "attach_from": ["a"]}),
            "attach_from[0]: `attach_from`: \"a\" is not an absolute path",
        ),
    ] {
        let said = check(options.clone());
        assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{options}: {said}");
    }
    let doubts = |options: Value| JobMailer::doubts(&Options(object(&options))).len();
    let login = json!({"server": "m", "username": "u", "password": "p"});
    assert_eq!(doubts(login.clone()), 0);
    for (tls, count) in [("none", 1), ("starttls", 0), ("implicit", 0)] {
        let mut login = login.clone();
        login["tls"] = json!(tls);
        assert_eq!(doubts(login), count, "{tls}");
    }
    assert_eq!(doubts(json!({"server": "localhost", "username": "u", "password": "p"})), 0);
    assert_eq!(doubts(json!({"server": "localhost", "ca": "/x"})), 1);
}
