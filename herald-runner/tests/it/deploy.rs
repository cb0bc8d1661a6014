//! Steps of deployments as jobs: joined, cancelled, timed out, checked over HTTP; and what nobody must see.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use herald_wire::ending::EndingName;
use herald_wire::manifest::AnswerManifest;
use serde_json::{Value, json};

use crate::client::{Answer, Runner, now, read, secrets, v2, wait_for};

const PASSWORD: &str = "correct horse battery";

/// A repository with one commit for each of these texts.
fn repository(folder: &Path, texts: &[&str]) -> (PathBuf, Vec<String>) {
    let copy = folder.join("origin");
    std::fs::create_dir_all(&copy).unwrap();
    git(&copy, &["init", "-q", "-b", "main"]);
    let commit = |text: &&str| {
        std::fs::write(copy.join("a"), text).unwrap();
        git(&copy, &["add", "-A"]);
        git(&copy, &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", text]);
        git(&copy, &["rev-parse", "HEAD"])
    };
    let revisions = texts.iter().map(commit).collect();
    (copy, revisions)
}

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

struct App {
    runner: Runner,
    repo: PathBuf,
    revisions: Vec<String>,
}

impl App {
    fn new(texts: &[&str], lines: &str) -> Self {
        let runner = Runner::start(lines);
        let (repo, revisions) = repository(runner.folder.path(), texts);
        Self { runner, repo, revisions }
    }

    /// The job of a step of the last revision; `hooks` are shell scripts with `$0` as the folder of this test.
    fn job(&self, step: &str, hooks: &[(&str, &str)]) -> Value {
        self.job_of("d1", step, self.revisions.last().unwrap(), hooks)
    }

    fn job_of(&self, id: &str, step: &str, revision: &str, hooks: &[(&str, &str)]) -> Value {
        let mut job = self.runner.job(&format!("{id}.{step}"), "");
        let folder = self.runner.folder.path();
        let hooks = hooks.iter().map(|(name, script)| {
            ((*name).to_owned(), json!({"cmd": "sh", "arg": ["-c", script, folder], "env": {}}))
        });
        job["job_param"] = json!({});
        job["timeout"] = json!("1m");
        job["deploy"] = json!({
            "step": step, "id": id, "action": "deploy", "revision": revision, "by": "ann",
            "app": {
                "name": "shop", "node": "web1", "path": folder.join("www/shop"), "mode": "exchange", "type": "git",
                "repo": self.repo, "auth": null, "shared": [], "keep": 5, "local_changes": "refuse",
                "externals": "fail", "submodules": false, "reserve": 0,
                "hooks": hooks.collect::<serde_json::Map<_, _>>(), "health": null,
            }
        });
        job
    }

    fn run(&self, job: &Value) -> (Answer, AnswerManifest) {
        let (request, signed) = v2("/", &job.to_string(), now(), &secrets(), false);
        let answer = self.runner.send(&request);
        let manifest = answer.verify(&signed);
        (answer, manifest)
    }

    fn live(&self) -> String {
        read(&self.runner.path("www/shop/a"))
    }
}

#[test]
fn a_deployment_and_a_step_that_is_sent_twice() {
    let app = App::new(&["one"], "");
    let plan = app.run(&app.job("plan", &[])).0.json();
    assert_eq!((&plan["exit_code"], &plan["refusals"]), (&json!(0), &json!([])));
    app.run(&app.job("prepare", &[])).0.json();
    let job = app.job(
        "switch",
        &[("after", "echo ran >> $0/ran; echo said; while [ ! -e $0/go ]; do sleep 0.05; done")],
    );
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| app.run(&job).0.json());
        wait_for("the hook", || app.runner.path("ran").exists());
        let second = scope.spawn(|| app.run(&job).0.json());
        std::thread::sleep(Duration::from_millis(200));
        std::fs::write(app.runner.path("go"), "").unwrap();
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!((&first, &first["switched"]), (&second, &json!(true)));
    assert_eq!(read(&app.runner.path("ran")), "ran\n");
    let log =
        app.runner.v2("/log", &json!({"job_id": "d1.switch", "attempt": 1, "from": 0, "wait_ms": 0})).json();
    let said: Vec<Vec<u8>> = log["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| serde_json::from_value::<herald_wire::log::OutputPiece>(piece.clone()).unwrap())
        .map(|piece| piece.bytes().unwrap())
        .collect();
    assert_eq!(said.concat(), b"said\n");
    assert_eq!(app.run(&app.job("finish", &[])).0.json(), json!({"exit_code": 0}));
    let status = app.run(&app.job("status", &[])).0.json();
    assert_eq!((&status["revision"], app.live().as_str()), (&json!(app.revisions[0]), "one"));
}

#[test]
fn a_step_that_is_cancelled_or_takes_too_long_leaves_no_process() {
    let app = App::new(&["one"], "kill_grace: 1\n");
    let script = "sleep 600 & echo $! > $0/child; echo $$ > $0/parent; sleep 600";
    for (id, limit, ending) in [("d1", "1m", EndingName::Cancelled), ("d2", "2s", EndingName::TimedOut)] {
        let mut job = app.job_of(id, "prepare", &app.revisions[0], &[("before", script)]);
        job["timeout"] = json!(limit);
        let begun = Instant::now();
        let (answer, manifest) = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| app.run(&job));
            wait_for("the hook", || !read(&app.runner.path("parent")).is_empty());
            if ending == EndingName::Cancelled {
                let cancel = json!({"job_id": "d1.prepare", "attempt": 1});
                assert_eq!(app.runner.v2("/cancel", &cancel).json(), json!({"state": "stopping"}));
            }
            waiting.join().unwrap()
        });
        assert_eq!(manifest.ending, Some(ending));
        assert!(begun.elapsed() < Duration::from_secs(20));
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        let expected = match ending {
            EndingName::Cancelled => "cancelled while `sh` was running",
            _ => "hook `before` timed out; terminated",
        };
        assert_eq!(error, expected);
        for file in ["child", "parent"] {
            let process = Path::new("/proc").join(read(&app.runner.path(file)).trim());
            wait_for("the end of the process", || !process.exists());
            std::fs::remove_file(app.runner.path(file)).unwrap();
        }
    }
    let of = |step: &str| app.job_of("d3", step, &app.revisions[0], &[]);
    app.run(&of("prepare")).0.json();
    assert_eq!(app.run(&of("switch")).0.json()["switched"], true, "nothing is locked");
}

#[test]
fn a_step_that_fails_is_a_job_that_failed() {
    let app = App::new(&["one"], "");
    app.run(&app.job("prepare", &[])).0.json();
    let (answer, manifest) = app.run(&app.job("switch", &[("after", "exit 4")]));
    let error = "hook `after` failed with exit code 4";
    assert_eq!(answer.json(), json!({"switched": true, "exit_code": 1, "error": error}));
    assert_eq!((manifest.ending, manifest.error_line.as_deref()), (Some(EndingName::Exited), Some(error)));
    let mut both = app.job("status", &[]);
    both["job_param"]["cmd"] = json!("true");
    both["job_id"] = json!("both");
    let (answer, _) = app.run(&both);
    assert_eq!(answer.status, 500);
    assert!(answer.text().starts_with("deploy and cmd are both given"), "{}", answer.text());
    let mut odd = app.job("status", &[]);
    odd["deploy"]["app"]["mode"] = json!("rsync");
    odd["job_id"] = json!("odd");
    let (answer, _) = app.run(&odd);
    assert!(answer.text().starts_with("deploy/app/mode: unknown variant `rsync`"), "{}", answer.text());
}

#[test]
fn a_password_is_nowhere() {
    let app = App::new(&["one"], "");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (kind, url, mode) in [
        ("git", format!("http://127.0.0.1:{port}/x.git"), "exchange"),
        ("svn", format!("svn://127.0.0.1:{port}/x"), "in_place"),
    ] {
        for step in ["plan", "prepare", "status"] {
            let mut job = app.job_of(kind, step, "1234", &[("before", "env; cat /proc/$PPID/cmdline")]);
            job["deploy"]["app"]["auth"] = json!({"username": "ann", "password": PASSWORD});
            (job["deploy"]["app"]["repo"], job["deploy"]["app"]["type"]) = (json!(url), json!(kind));
            job["deploy"]["app"]["mode"] = json!(mode);
            let answer = app.run(&job).0;
            assert!(!answer.text().contains(PASSWORD), "{}", answer.text());
            assert_eq!(step == "status", answer.json()["exit_code"] == 0, "{}", answer.text());
            let key = json!({"job_id": format!("{kind}.{step}"), "attempt": 1, "from": 0, "wait_ms": 0});
            assert!(!app.runner.v2("/log", &key).text().contains(PASSWORD));
        }
    }
    assert!(!app.runner.log().contains(PASSWORD), "{}", app.runner.log());
}

/// A server that answers with these status codes in turn, then with the last one.
fn server(codes: &'static [u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let code = codes[number.min(codes.len() - 1)];
            let text = format!(
                "HTTP/1.1 {code} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(text.as_bytes());
        }
    });
    format!("http://{address}/up")
}

#[test]
fn health_is_asked_until_it_answers_as_it_should() {
    let app = App::new(&["one"], "");
    for (id, codes, expected) in [
        ("d1", &[500, 500, 200][..], None),
        ("d2", &[500], Some("answered 500, not 200, within 3s")),
        ("d3", &[302], Some("answered 302, not 200, within 3s")),
    ] {
        let url = server(codes);
        let mut job = app.job_of(id, "prepare", &app.revisions[0], &[]);
        app.run(&job).0.json();
        job = app.job_of(id, "switch", &app.revisions[0], &[]);
        job["deploy"]["app"]["health"] = json!({"url": url, "status": 200, "within_ms": 3000});
        let result = app.run(&job).0.json();
        assert_eq!(result["switched"], true);
        let error = expected.map(|expected| format!("health check: {url} {expected}"));
        assert_eq!(result.get("error").and_then(Value::as_str), error.as_deref());
        app.run(&app.job_of(id, "revert", &app.revisions[0], &[])).0.json();
    }
}

#[test]
fn after_a_restart_nothing_runs_again_and_the_tree_is_whole() {
    let mut app = App::new(&["one", "two"], "");
    let (one, two) = (app.revisions[0].clone(), app.revisions[1].clone());
    for step in ["prepare", "switch", "finish"] {
        app.run(&app.job_of("d1", step, &one, &[])).0.json();
    }
    app.run(&app.job_of("d2", "prepare", &two, &[])).0.json();
    let job =
        app.job_of("d2", "switch", &two, &[("after", "echo $$ > $0/pid; echo ran >> $0/ran; sleep 600")]);
    let mut sent = app.runner.connect();
    sent.write_all(&v2("/", &job.to_string(), now(), &secrets(), false).0).unwrap();
    wait_for("the hook", || app.runner.path("ran").exists());
    app.runner.signal("KILL");
    app.runner.wait();
    let folder = app.runner.folder.clone();
    app.runner = Runner::start_in(folder, "");
    let hook = Path::new("/proc").join(read(&app.runner.path("pid")).trim());
    wait_for("the end of the hook", || !hook.exists());
    let (join, signed) = v2("/", &job.to_string(), now(), &secrets(), true);
    let joined = app.runner.send(&join);
    joined.verify(&signed);
    assert_eq!(joined.status, 404);
    let status = app.run(&app.job_of("d2", "status", "", &[])).0.json();
    assert_eq!((&status["phase"], &status["deployment"]), (&json!("switched"), &json!("d2")));
    assert_eq!((app.live().as_str(), read(&app.runner.path("ran")).as_str()), ("two", "ran\n"));
    assert_eq!(app.run(&app.job_of("d2", "revert", &two, &[])).0.json()["reverted"], true);
    assert_eq!(app.live(), "one");
}

#[test]
fn hooks_have_the_limits_of_jobs() {
    let app = App::new(&["one"], "limits: {open_files: 77}\n");
    app.run(&app.job("prepare", &[("build", "ulimit -n")])).0.json();
    let log =
        app.runner.v2("/log", &json!({"job_id": "d1.prepare", "attempt": 1, "from": 0, "wait_ms": 0})).json();
    let piece: herald_wire::log::OutputPiece = serde_json::from_value(log["pieces"][0].clone()).unwrap();
    assert_eq!(piece.bytes().unwrap(), b"77\n");
}
