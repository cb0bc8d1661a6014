//! Steps, as the daemon sends them: their parameters, their results, health checks, and how they end.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use herald_deploy::{
    AppStatus, DeployMode, DeployPhase, DeployPlan, DeployStep, HealthCheck, NoHealthAnswer, PreparedTree,
    RevertResult, SourceKind, StepError, StepRun, SwitchResult, run_step,
};
use herald_exec::{Ending, NoOutput, Stop};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::fixture::{App, KINDS, MODES, Minute, PASSWORD, files, settings};

/// Answers in turn; the last one again and again.
struct Answers(Mutex<VecDeque<Option<u16>>>);

impl Answers {
    fn new(list: &[Option<u16>]) -> Self {
        Self(Mutex::new(list.iter().copied().collect()))
    }
}

#[async_trait]
impl HealthCheck for Answers {
    async fn status_code(&self, _: &str) -> Result<u16, NoHealthAnswer> {
        let answer = {
            let mut answers = self.0.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0] }
        };
        match answer {
            Some(0) => std::future::pending().await,
            Some(status) => Ok(status),
            None => Err(NoHealthAnswer("connection refused".to_owned())),
        }
    }
}

/// What the daemon sends.
fn params(app: &App, step: &str, revision: &str) -> Value {
    let origin = &app.target.origin;
    let auth = match origin.kind {
        SourceKind::Git => Value::Null,
        SourceKind::Svn => json!({"username": "alice", "password": PASSWORD}),
    };
    json!({
        "step": step, "id": "d1", "action": "deploy", "revision": revision, "by": "ann", "newer": {"key": 1},
        "app": {
            "name": "shop", "node": "web1", "path": app.target.path, "mode": app.target.mode, "type": origin.kind,
            "repo": origin.url, "auth": auth, "shared": [], "keep": 3, "local_changes": "refuse",
            "externals": "fail", "submodules": false, "reserve": 0, "hooks": {}, "health": null,
        }
    })
}

async fn run_with(
    app: &App,
    params: &Value,
    http: &Answers,
    run: &StepRun<'_>,
) -> Result<Map<String, Value>, StepError> {
    let step = DeployStep::read(params).unwrap();
    assert_eq!(DeployStep::read(&serde_json::to_value(&step).unwrap()).unwrap(), step);
    let read: DeployStep = serde_json::from_str(&serde_json::to_string(&step).unwrap()).unwrap();
    assert_eq!(read, step, "also from text");
    let ended = run_step(&step, settings(app.folder.path()), run, http).await;
    let shown = format!("{step:?} {ended:?}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("s3cret"), "{shown}");
    ended
}

async fn run(app: &App, params: &Value) -> Result<Map<String, Value>, StepError> {
    run_with(app, params, &Answers::new(&[None]), &Minute::new().run()).await
}

fn as_type<T: DeserializeOwned>(result: &Map<String, Value>) -> T {
    serde_json::from_str(&Value::Object(result.clone()).to_string()).unwrap()
}

async fn live(app: &App, revision: &str) {
    for step in ["prepare", "switch", "finish"] {
        run(app, &params(app, step, revision)).await.unwrap();
    }
}

#[tokio::test]
async fn all_steps_of_both_kinds_in_all_modes() {
    for kind in KINDS {
        for mode in MODES {
            let what = format!("{kind:?} {mode:?}");
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &files(&[("a", "1")]));
            live(&app, &first).await;
            let second = app.repository.commit("second", &files(&[("a", "2")]));
            let of = |step: &str| {
                let mut params = params(&app, step, &second);
                params["id"] = json!("d2");
                params
            };
            let plan: DeployPlan = as_type(&run(&app, &of("plan")).await.unwrap());
            assert_eq!((plan.current, plan.refusals), (Some(first.clone()), Vec::new()), "{what}");
            let prepared: PreparedTree = as_type(&run(&app, &of("prepare")).await.unwrap());
            assert_eq!(prepared.previous, Some(first.clone()), "{what}");
            assert!(run(&app, &of("once")).await.unwrap().is_empty());
            let result: SwitchResult = as_type(&run(&app, &of("switch")).await.unwrap());
            assert!(result.switched && result.verify_ms.is_some(), "{what}");
            let status: AppStatus = as_type(&run(&app, &of("status")).await.unwrap());
            assert_eq!((status.revision, status.phase), (Some(second.clone()), Some(DeployPhase::Switched)));
            let result: RevertResult = as_type(&run(&app, &of("revert")).await.unwrap());
            assert!(result.reverted, "{what}");
            let status: AppStatus = as_type(&run(&app, &of("status")).await.unwrap());
            let found = (status.revision, status.phase, status.is_busy, status.modified);
            assert_eq!(found, (Some(first), None, false, Vec::new()), "{what}");
            let error = run(&app, &of("switch")).await.unwrap_err();
            assert_eq!(as_type::<SwitchResult>(&error.result), SwitchResult::default(), "{what}");
            assert_eq!(error.ending, Ending::Exited(1), "{what}");
        }
    }
}

#[tokio::test]
async fn a_plan_that_says_no_is_a_success() {
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    live(&app, &first).await;
    fs::write(app.target.path.join("a"), "mine").unwrap();
    let plan: DeployPlan = as_type(&run(&app, &params(&app, "plan", &first)).await.unwrap());
    assert!(plan.refusals[0].starts_with("files were changed on this machine: a"), "{:?}", plan.refusals);
}

#[tokio::test]
async fn a_switch_that_fails_says_whether_the_new_tree_is_live() {
    for mode in MODES {
        let mut app = App::new(SourceKind::Git, mode);
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        live(&app, &first).await;
        let second = app.repository.commit("second", &files(&[("a", "2")]));
        let of = |step: &str, script: &str| {
            let mut params = params(&app, step, &second);
            params["id"] = json!("d2");
            params["app"]["hooks"]["after"] = json!({"cmd": "sh", "arg": ["-c", script], "timeout_ms": 500});
            params
        };
        run(&app, &of("prepare", "")).await.unwrap();
        for (script, sentence, ending) in [
            ("exit 3", "hook `after` failed with exit code 3", Ending::Exited(1)),
            ("sleep 60", "hook `after` timed out; terminated", Ending::TimedOut),
        ] {
            let error = run(&app, &of("switch", script)).await.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.ending), (sentence, ending), "{mode:?}");
            let expected = SwitchResult { switched: true, ..SwitchResult::default() };
            assert_eq!(as_type::<SwitchResult>(&error.result), expected, "{mode:?}");
        }
        let error = run(&app, &of("revert", "exit 1")).await.unwrap_err();
        assert_eq!(as_type::<RevertResult>(&error.result), RevertResult { reverted: true }, "{mode:?}");
        assert_eq!(app.live(), files(&[("a", "1")]), "{mode:?}");
    }
}

#[tokio::test]
async fn a_revert_that_cannot_be_done_says_so() {
    let mut app = App::new(SourceKind::Git, DeployMode::Releases);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    live(&app, &first).await;
    let second = app.repository.commit("second", &files(&[("a", "2")]));
    let of = |step: &str| {
        let mut params = params(&app, step, &second);
        params["id"] = json!("d2");
        params
    };
    run(&app, &of("prepare")).await.unwrap();
    run(&app, &of("switch")).await.unwrap();
    let link = app.served();
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    let error = run(&app, &of("revert")).await.unwrap_err();
    assert_eq!(as_type::<RevertResult>(&error.result), RevertResult { reverted: false });
    fs::remove_dir(&link).unwrap();
    run(&app, &of("revert")).await.unwrap();
    assert_eq!(app.live(), files(&[("a", "1")]));
}

#[tokio::test]
async fn health_over_http() {
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    live(&app, &first).await;
    let second = app.repository.commit("second", &files(&[("a", "2")]));
    let url = "http://ann:s3cret-too@127.0.0.1/up?token=s3cret-too";
    let of = |step: &str, health: &Value| {
        let mut params = params(&app, step, &second);
        params["id"] = json!("d2");
        params["app"]["health"] = health.clone();
        params
    };
    let (minute, up) = (Minute::new(), json!({"url": url, "status": 200, "within_ms": 2000}));
    run(&app, &of("prepare", &up)).await.unwrap();
    let any = json!({"url": url, "within_ms": 2500});
    for (health, answers, expected) in [
        (&up, vec![Some(500), Some(200)], None),
        (&any, vec![None, Some(204)], None),
        (&up, vec![Some(500)], Some("http://127.0.0.1/up answered 500, not 200, within 2s")),
        (&up, vec![Some(301)], Some("http://127.0.0.1/up answered 301, not 200, within 2s")),
        (&any, vec![Some(404)], Some("http://127.0.0.1/up answered 404, not 200-299, within 2s500ms")),
        (&up, vec![None], Some("http://127.0.0.1/up did not answer 200 (connection refused), within 2s")),
        (&up, vec![Some(0)], Some("http://127.0.0.1/up did not end, within 2s")),
    ] {
        let ended = run_with(&app, &of("switch", health), &Answers::new(&answers), &minute.run()).await;
        match (ended, expected) {
            (Ok(result), None) => assert!(as_type::<SwitchResult>(&result).switched),
            (Err(error), Some(expected)) => {
                assert_eq!(error.to_string(), format!("health check: {expected}"));
                assert!(as_type::<SwitchResult>(&error.result).switched);
            }
            other => panic!("{answers:?}: {other:?}"),
        }
    }
    let ended = run_with(&app, &of("revert", &up), &Answers::new(&[Some(500)]), &minute.run()).await;
    assert!(as_type::<RevertResult>(&ended.unwrap_err().result).reverted);
    assert_eq!(app.live(), files(&[("a", "1")]));
    // Forgotten: nothing is put back, so nothing is checked.
    run_with(&app, &of("revert", &up), &Answers::new(&[Some(500)]), &minute.run()).await.unwrap();
}

#[tokio::test]
async fn a_command_as_health_check_runs_in_the_live_tree() {
    let mut app = App::new(SourceKind::Git, DeployMode::Releases);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    let log = app.folder.path().join("log");
    let of = |step: &str, script: &str| {
        let mut params = params(&app, step, &first);
        params["app"]["health"] = json!({"cmd": "sh", "arg": ["-c", script], "within_ms": 1500});
        params
    };
    let say = format!(
        "echo $HERALD_ACTION $HERALD_APP $HERALD_REVISION $(cat a) >> '{}'; test $(wc -l < '{0}') = 2",
        log.display()
    );
    run(&app, &of("prepare", &say)).await.unwrap();
    run(&app, &of("switch", &say)).await.unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap(), format!("deploy shop {first} 1\n").repeat(2));
    for (script, expected) in [
        ("exit 7", "health check: `sh` failed with exit code 7, within 1s500ms"),
        ("sleep 60", "health check: `sh` did not end, within 1s500ms"),
    ] {
        assert_eq!(run(&app, &of("switch", script)).await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn a_stop_and_the_deadline_are_obeyed_at_once() {
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    let mut step = params(&app, "prepare", &first);
    step["app"]["health"] = json!({"url": "http://127.0.0.1/up", "within_ms": 600_000});
    run(&app, &step).await.unwrap();
    step["step"] = json!("switch");
    for (status, by_stop) in [(500, true), (0, true), (500, false), (0, false)] {
        let (stop, begun) = (Stop::new(), Instant::now());
        let seconds = if by_stop { 60 } else { 2 };
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        let answers = Answers::new(&[Some(status)]);
        let (ended, ()) = tokio::join!(run_with(&app, &step, &answers, &run), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if by_stop {
                stop.asked.cancel();
            }
        });
        let error = ended.unwrap_err();
        let expected = if by_stop { Ending::Cancelled } else { Ending::TimedOut };
        assert_eq!(error.ending, expected, "{error}");
        assert!(error.to_string().contains("while the health check was running"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert!(as_type::<SwitchResult>(&error.result).switched);
    }
    let stop = Stop::new();
    stop.asked.cancel();
    let run = StepRun { stop: &stop, output: &NoOutput, deadline: Instant::now() + Duration::from_secs(9) };
    let error = run_with(&app, &step, &Answers::new(&[None]), &run).await.unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.ending),
        ("cancelled before the step switch", Ending::Cancelled)
    );
}

#[test]
fn parameters_that_cannot_be_understood_are_named() {
    let app = App::new(SourceKind::Git, DeployMode::Exchange);
    let good = params(&app, "status", "");
    for (pointer, value, expected) in [
        ("/step", json!("jump"), "deploy/step: unknown variant `jump`"),
        ("/action", json!("revert"), "deploy/action: unknown variant `revert`"),
        ("/app/mode", json!("rsync"), "deploy/app/mode: unknown variant `rsync`"),
        ("/app/path", json!(7), "deploy/app/path: invalid type"),
        ("/app/keep", json!("many"), "deploy/app/keep: invalid type"),
        ("/app/auth", json!({"username": "a", "password": 12_345}), "deploy/app/auth: cannot be understood"),
        ("/app/auth", json!("root"), "deploy/app/auth: cannot be understood"),
        ("/app/hooks", json!({"before": {"arg": []}}), "deploy/app/hooks/before: missing field `cmd`"),
        (
            "/app/hooks",
            json!({"after": {"cmd": "a", "timeout_ms": "x"}}),
            "deploy/app/hooks/after/timeout_ms: ",
        ),
        (
            "/app/hooks",
            json!({"after": {"cmd": "a", "env": {"A": 5}}}),
            "deploy/app/hooks/after/env/A: cannot",
        ),
        ("/app/health", json!({"url": "http://x", "within_ms": -1}), "deploy/app/health/within_ms: "),
        ("/app", json!({"name": "shop"}), "deploy/app: missing field `node`"),
        ("/app", json!([]), "deploy/app: "),
    ] {
        let mut params = good.clone();
        *params.pointer_mut(pointer).unwrap() = value.clone();
        let error = DeployStep::read(&params).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{pointer} {value}: {error}");
        assert!(!error.contains("12345"), "{error}");
    }
    for (pointer, value, expected) in [
        ("/app/path", json!("relative"), "`path`: "),
        ("/app/keep", json!(0), "`keep`: "),
        ("/app/hooks", json!({"before": {"cmd": ""}}), "`hooks`: `cmd` is empty"),
        ("/app/hooks", json!({"before": {"cmd": "a", "env": {"A=B": ""}}}), "`hooks`: `env` has a name"),
    ] {
        let mut params = good.clone();
        *params.pointer_mut(pointer).unwrap() = value;
        let error = DeployStep::read(&params).unwrap().target().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    for (value, expected) in [
        (json!({"url": "ftp://x"}), "`health`: `url` must begin with http:// or https://"),
        (json!({"url": "http://x", "cmd": "a"}), "`health`: has both `url` and `cmd`; give one of them"),
        (json!({"within_ms": 5}), "`health`: needs a `url` or a `cmd`"),
    ] {
        let mut params = good.clone();
        params["app"]["health"] = value;
        let error = DeployStep::read(&params).unwrap().health().unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    for auth in [json!(null), json!("machine"), json!({"ssh_key_file": "/k", "known_hosts_file": "/h"})] {
        let mut params = good.clone();
        params["app"]["auth"] = auth.clone();
        let step = DeployStep::read(&params).unwrap();
        assert_eq!(serde_json::to_value(&step).unwrap()["app"]["auth"], auth);
        assert!(step.target().is_ok());
    }
}

#[tokio::test]
async fn a_status_while_another_step_runs_is_busy() {
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    live(&app, &first).await;
    let second = app.repository.commit("second", &files(&[("a", "2")]));
    let mut prepare = params(&app, "prepare", &second);
    prepare["id"] = json!("d2");
    prepare["app"]["hooks"]["before"] = json!({"cmd": "sleep", "arg": ["1"]});
    let (prepared, status) = tokio::join!(run(&app, &prepare), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        run(&app, &params(&app, "status", "")).await.unwrap()
    });
    prepared.unwrap();
    let status: AppStatus = as_type(&status);
    assert_eq!(
        (status.is_busy, status.revision, status.deployment),
        (true, Some(first), Some("d2".to_owned()))
    );
}

/// Two names of one path, and paths that lie in each other.
#[tokio::test]
async fn one_deployment_at_a_time_by_the_real_path() {
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    let first = app.repository.commit("first", &files(&[("a", "1"), ("inner/b", "1")]));
    live(&app, &first).await;
    let root = app.folder.path().to_owned();
    std::os::unix::fs::symlink(root.join("www"), root.join("parent")).unwrap();
    std::os::unix::fs::symlink(root.join("www/shop"), root.join("link")).unwrap();
    let outer = app.target.path.clone();
    let at = |path: &Path, step: &str| {
        let mut params = params(&app, step, &first);
        params["app"]["path"] = json!(path);
        params["app"]["hooks"]["before"] = json!({"cmd": "sleep", "arg": ["1"]});
        params["id"] = json!("d3");
        params
    };
    let inner = outer.join("nested/app");
    fs::create_dir_all(outer.join("nested")).unwrap();
    for (one, other) in [
        (outer.clone(), root.join("parent/shop")),
        (outer.clone(), root.join("link")),
        (root.join("link"), outer.clone()),
        (outer.clone(), root.join("link/nested/app")),
        (inner, outer.clone()),
    ] {
        let first_one = at(&one, "prepare");
        let (prepared, refused) = tokio::join!(run(&app, &first_one), async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            run(&app, &at(&other, "prepare")).await
        });
        prepared.unwrap();
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("is locked by another deployment"), "{one:?} {other:?}: {error}");
        run(&app, &at(&one, "revert")).await.unwrap();
    }
}

#[tokio::test]
async fn a_status_finds_forged_files_and_reads_nothing_twice() {
    for mode in [DeployMode::Releases, DeployMode::Exchange] {
        let mut app = App::new(SourceKind::Git, mode);
        let first = app.repository.commit("first", &files(&[("a", "1"), ("b", "1")]));
        live(&app, &first).await;
        let status = || async {
            let found: AppStatus = as_type(&run(&app, &params(&app, "status", "")).await.unwrap());
            found.modified
        };
        // The files must be old enough for their times to say something.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(status().await, Vec::<String>::new());
        let manifests = app.target.path.with_file_name("shop.herald").join("manifests");
        let seen = fs::read_dir(&manifests).unwrap().map(|entry| entry.unwrap().path());
        let seen = seen.into_iter().find(|path| path.display().to_string().ends_with(".seen.json")).unwrap();
        let text = fs::read_to_string(&seen).unwrap();
        let mut changed: Value = serde_json::from_str(&text).unwrap();
        changed["b"]["what"] = json!("another");
        fs::write(&seen, changed.to_string()).unwrap();
        assert_eq!(status().await, ["b"], "{mode:?}: it is not read again");
        fs::write(&seen, text).unwrap();
        let path = app.served().join("a");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "2").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(modified)).unwrap();
        assert_eq!(status().await, ["a"], "{mode:?}");
    }
}

/// Statuses come at any time; none of them makes a step fail.
#[tokio::test]
async fn statuses_are_never_in_the_way_of_a_step() {
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let revisions = ["1", "2"].map(|text| app.repository.commit(text, &files(&[("a", text)])));
        live(&app, &revisions[0]).await;
        let done = std::cell::Cell::new(false);
        let steps = async {
            for number in 0..4 {
                for step in ["plan", "prepare", "switch", "revert"] {
                    let mut params = params(&app, step, &revisions[1]);
                    params["id"] = json!(format!("d{number}"));
                    run(&app, &params).await.unwrap_or_else(|error| panic!("{kind:?} {step}: {error}"));
                }
            }
            done.set(true);
        };
        let statuses = async {
            while !done.get() {
                run(&app, &params(&app, "status", "")).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::join!(steps, statuses);
        assert_eq!(app.live(), files(&[("a", "1")]));
    }
}
