//! The process is killed in every step; then the tree is made wholly old or wholly new.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use herald_deploy::{DeployMode, DeployPhase, SourceKind};
use serde_json::{Value, json};

use crate::fixture::{App, Files, KINDS, MODES, Minute, deploy, deployer, files, request, shell, target};

/// What the child of a test is to do.
const TASK: &str = "HERALD_DEPLOY_TASK";

/// Does nothing, but in the child of another test: it deploys, and is killed meanwhile.
#[tokio::test]
async fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let task: Value = serde_json::from_str(&task).unwrap();
    let text = |name: &str| task[name].as_str().unwrap().to_owned();
    let kind: SourceKind = serde_json::from_value(task["kind"].clone()).unwrap();
    let mode: DeployMode = serde_json::from_value(task["mode"].clone()).unwrap();
    let root = PathBuf::from(text("root"));
    let mut target = target(kind, mode, &text("url"), &root);
    target.path = PathBuf::from(text("path"));
    target.shared = serde_json::from_value(task["shared"].clone()).unwrap();
    let does_revert = task["revert"].as_bool().unwrap();
    if does_revert {
        target.hooks.after = Some(shell("test $HERALD_ACTION = revert"));
    }
    let (deployer, request) = (deployer(&target, &root), request(&text("id"), &text("revision")));
    let ended = deploy(&deployer, &request).await;
    assert_eq!(ended.is_err(), does_revert, "{ended:?}");
    if does_revert {
        deployer.revert(&request.id, &Minute::new().run()).await.unwrap();
    }
}

struct Crash<'a> {
    app: &'a App,
    id: &'a str,
    revision: &'a str,
    does_revert: bool,
}

impl Crash<'_> {
    fn command(&self) -> Command {
        let Self { app, id, revision, does_revert } = self;
        let task = json!({
            "kind": app.target.origin.kind, "mode": app.target.mode, "path": app.target.path, "root": app.folder.path(), "id": id,
            "url": app.target.origin.url, "revision": revision, "revert": does_revert, "shared": app.target.shared,
        });
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::child", "--nocapture"]).env(TASK, task.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Whether it was killed at this place.
    fn at(&self, failpoint: &str) -> bool {
        let ended = self.command().env("HERALD_FAILPOINT", failpoint).status().unwrap();
        assert!(ended.success() || ended.code().is_none(), "{failpoint}: {ended}");
        !ended.success()
    }
}

const PLACES: [&str; 9] = [
    // First, since a tree that is kept is not written again.
    "deploy-written",
    "deploy-preparing",
    "deploy-prepared",
    "deploy-switching",
    "deploy-updating",
    "deploy-exchanged",
    "deploy-changed",
    "deploy-switched",
    "deploy-finished",
];
const REVERTS: [&str; 3] = ["deploy-reverting", "deploy-exchanged-back", "deploy-put-back"];

fn trees() -> [Files; 2] {
    [files(&[("a", "1"), ("b/c", "1"), ("gone/f", "1")]), files(&[("a", "2"), ("b/c", "2"), ("new/f", "2")])]
}

#[tokio::test]
async fn killed_at_every_place() {
    let minute = Minute::new();
    let [one, two] = trees();
    for kind in KINDS {
        for mode in MODES {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &one);
            let second = app.repository.commit("second", &two);
            let mut killed = 0;
            for place in PLACES.into_iter().chain(REVERTS) {
                let what = format!("{kind:?} {mode:?} {place}");
                app.deploy(&first).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                let does_revert = REVERTS.contains(&place);
                let crash = Crash { app: &app, id: "crash", revision: &second, does_revert };
                if crash.at(place) {
                    killed += 1;
                    let recovered = app.deployer().recover(&minute.run()).await;
                    let recovered = recovered.unwrap_or_else(|error| panic!("{what}: {error}"));
                    let is_new = recovered.phase == Some(DeployPhase::Switched) || place == "deploy-finished";
                    assert_eq!(
                        app.live(),
                        if is_new { two.clone() } else { one.clone() },
                        "{what}: {recovered:?}"
                    );
                    let status = app.deployer().status(&minute.run()).await.unwrap();
                    let expected = if is_new { &second } else { &first };
                    assert_eq!(
                        (status.revision.as_ref(), &status.modified[..]),
                        (Some(expected), &[][..]),
                        "{what}"
                    );
                    // The deployment goes on from there, and once more it is whole.
                    deploy(&app.deployer(), &request("crash", &second))
                        .await
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                let is_old = app.live() == one;
                assert!(is_old && does_revert || app.live() == two, "{what}");
            }
            let least = if mode == DeployMode::Exchange { 11 } else { 8 };
            assert!(killed >= least, "{kind:?} {mode:?}: only {killed} places were passed");
        }
    }
}

#[tokio::test]
async fn killed_at_the_first_deployment() {
    let minute = Minute::new();
    let [one, _] = trees();
    for kind in KINDS {
        for mode in MODES {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &one);
            for place in PLACES {
                app.target.path = app.folder.path().join("www").join(place);
                let crash = Crash { app: &app, id: "crash", revision: &first, does_revert: false };
                if crash.at(place) {
                    app.deployer().recover(&minute.run()).await.unwrap();
                    let live = app.live();
                    assert!(live.is_empty() || live == one, "{kind:?} {mode:?} {place}: {live:?}");
                    app.deploy(&first)
                        .await
                        .unwrap_or_else(|error| panic!("{kind:?} {mode:?} {place}: {error}"));
                }
                assert_eq!(app.live(), one, "{kind:?} {mode:?} {place}");
            }
        }
    }
}

#[tokio::test]
async fn shared_folders_survive_a_crash() {
    let minute = Minute::new();
    for place in ["deploy-shared", "deploy-exchanged", "deploy-prepared", "deploy-changed"] {
        let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
        app.target.shared = vec!["uploads/".to_owned()];
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        fs::create_dir_all(app.target.path.join("uploads")).unwrap();
        fs::write(app.target.path.join("uploads/photo"), "photo").unwrap();
        assert!(Crash { app: &app, id: "crash", revision: &first, does_revert: false }.at(place), "{place}");
        assert_eq!(fs::read_to_string(app.target.path.join("uploads/photo")).unwrap(), "photo", "{place}");
        app.deployer().recover(&minute.run()).await.unwrap();
        app.deploy(&first).await.unwrap();
        assert_eq!(fs::read_to_string(app.target.path.join("uploads/photo")).unwrap(), "photo", "{place}");
        assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), "1", "{place}");
    }
}

/// The processes whose current directory is below this one.
fn workers(folder: &Path) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
        .collect()
}

fn kill(pid: i32) {
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
}

#[tokio::test]
async fn git_and_svn_are_killed_in_an_update() {
    let minute = Minute::new();
    let many = |text: &str| -> Files {
        let names = (0..600).map(|number| (format!("d{}/f{number}", number % 30), text.repeat(50)));
        names.chain([("one".to_owned(), text.to_owned())]).collect()
    };
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let [one, mut two] = [many("old"), many("new")];
        two.insert("added/deep/f".to_owned(), "new".to_owned());
        let first = app.repository.commit("first", &one);
        let second = app.repository.commit("second", &two);
        app.deploy(&first).await.unwrap();
        let mut caught = 0;
        for round in 0..4 {
            let id = format!("k{round}");
            let crash = Crash { app: &app, id: &id, revision: &second, does_revert: false };
            let mut running = crash.command().spawn().unwrap();
            // A file of the new revision is there: the update runs.
            while running.try_wait().unwrap().is_none() && !is_begun(&app.target.path) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(round * 5));
            let _ = running.kill();
            for pid in workers(&app.target.path) {
                kill(pid);
                caught += 1;
            }
            running.wait().unwrap();
            while !workers(&app.target.path).is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let recovered = app.deployer().recover(&minute.run()).await.unwrap();
            let live = app.live();
            assert!(live == one || live == two, "{kind:?} {round}: a mixture after {recovered:?}");
            let status = app.deployer().status(&minute.run()).await.unwrap();
            let expected = if live == one { &first } else { &second };
            assert_eq!(
                (status.revision.as_ref(), status.modified),
                (Some(expected), vec![]),
                "{kind:?} {round}"
            );
            app.deploy(&first).await.unwrap();
            assert!(app.live() == one, "{kind:?} {round}");
        }
        assert!(caught > 0, "{kind:?}: nothing was killed in time");
    }
}

/// Whether some file of the first folders is of the new revision.
fn is_begun(copy: &Path) -> bool {
    let is_new = |path: PathBuf| fs::read_to_string(path).is_ok_and(|text| text.starts_with("new"));
    (0..30).any(|number| is_new(copy.join(format!("d{number}/f{number}"))))
        || is_new(copy.join("added/deep/f"))
}

#[tokio::test]
async fn locks_of_dead_programs_are_removed() {
    let [one, two] = trees();
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let first = app.repository.commit("first", &one);
        app.deploy(&first).await.unwrap();
        let second = app.repository.commit("second", &two);
        let path = app.target.path.clone();
        match kind {
            SourceKind::Git => fs::write(path.join(".git/index.lock"), "").unwrap(),
            SourceKind::Svn => {
                let database = path.join(".svn/wc.db");
                let lock = "INSERT INTO wc_lock VALUES (1, '', -1)";
                let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
                crate::fixture::command(&path, "python3", &["-c", script, database.to_str().unwrap(), lock]);
            }
        }
        app.deploy(&second).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(app.live(), two, "{kind:?}");
    }
}

#[tokio::test]
async fn what_dead_programs_left_in_caches_is_removed() {
    let [one, two] = trees();
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let caches = app.folder.path().join("work/deploy/git");
    let first = app.repository.commit("first", &one);
    let second = app.repository.commit("second", &two);
    // `git init` was killed: a mirror that is half there, under both names.
    app.deploy(&first).await.unwrap();
    let mirror = fs::read_dir(&caches)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.is_dir())
        .unwrap();
    let beside = mirror.with_extension("new");
    fs::rename(&mirror, &beside).unwrap();
    fs::remove_file(beside.join("HEAD")).unwrap();
    fs::create_dir_all(mirror.join("objects")).unwrap();
    app.deploy(&second).await.unwrap();
    assert!(mirror.join("HEAD").exists() && !beside.exists());
    // `git fetch` and `git update-ref` were killed.
    let third = app.repository.commit("third", &one);
    let kept = format!("refs/herald/keep/{third}.lock");
    let locks = [
        "packed-refs.lock",
        "HEAD.lock",
        "config.lock",
        "objects/maintenance.lock",
        "refs/heads/main.lock",
        &kept,
    ];
    for lock in locks {
        fs::create_dir_all(mirror.join(lock).parent().unwrap()).unwrap();
        fs::write(mirror.join(lock), "").unwrap();
    }
    app.deploy(&third).await.unwrap();
    assert!(locks.iter().all(|lock| !mirror.join(lock).exists()));
}

#[tokio::test]
async fn the_index_of_a_git_that_was_killed_goes_with_its_tree() {
    let minute = Minute::new();
    let [one, two] = trees();
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &one);
    let second = app.repository.commit("second", &two);
    app.deploy(&first).await.unwrap();
    assert!(Crash { app: &app, id: "crash", revision: &second, does_revert: false }.at("deploy-preparing"));
    let side = app.folder.path().join("www/shop.herald");
    let record: Value = serde_json::from_slice(&fs::read(side.join("record.json")).unwrap()).unwrap();
    let name = record["step"]["to_tree"].as_str().unwrap();
    for end in ["", ".lock"] {
        fs::write(side.join(format!("trees/{name}.index{end}")), "").unwrap();
    }
    let half = side.join(format!("manifests/{name}.seen.7-1.new"));
    fs::write(&half, "").unwrap();
    app.deployer().recover(&minute.run()).await.unwrap();
    assert_eq!(fs::read_dir(side.join("trees")).unwrap().count(), 0);
    assert!(!half.exists());
}
