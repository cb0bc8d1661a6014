//! Hooks: where and with what they run, and how they end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_deploy::{DeployMode, Deployer, SourceKind};
use herald_exec::JobUser;

use crate::fixture::{App, MODES, Minute, files, settings, shell};

#[tokio::test]
async fn the_environment_and_the_folder_of_each() {
    let minute = Minute::new();
    for mode in MODES {
        let mut app = App::new(SourceKind::Git, mode);
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        app.deploy(&first).await.unwrap();
        let second = app.repository.commit("second", &files(&[("a", "2")]));
        let log = app.folder.path().join("log");
        let say = |name: &str| {
            shell(&format!(
                "echo {name} $HERALD_APP $HERALD_ACTION $HERALD_REVISION $HERALD_PREVIOUS $HERALD_NODE $HERALD_BY \
                 $HERALD_PATH $HERALD_NEXT $(pwd) $(cat a) >> '{}'; echo noise >&2",
                log.display()
            ))
        };
        app.target.hooks.before = Some(say("before"));
        app.target.hooks.build = Some(say("build"));
        app.target.hooks.once = Some(say("once"));
        app.target.hooks.after = Some(say("after"));
        let request = app.request(&second);
        let deployer = app.deployer();
        let prepared = deployer.prepare(&request, &minute.run()).await.unwrap();
        deployer.once(&request.id, &minute.run()).await.unwrap();
        deployer.switch(&request.id, &minute.run()).await.unwrap();
        let lines = fs::read_to_string(&log).unwrap();
        let served = app.served().display().to_string();
        let next = prepared.path.display().to_string();
        for line in lines.lines() {
            let expected = format!("shop deploy {second} {first} web1 ann {served} {next} ");
            assert!(line.contains(&expected), "{mode:?}: {line}");
        }
        let names: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["before", "build", "once", "after"], "{mode:?}");
        for line in lines.lines().skip(1) {
            assert!(line.ends_with(" 2"), "{mode:?}: all but the first see the new tree: {line}");
        }
    }
}

#[tokio::test]
async fn once_of_a_working_copy_that_fails_is_reverted() {
    let minute = Minute::new();
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    app.deploy(&first).await.unwrap();
    // What the new revision brings decides, not what was live before.
    app.target.hooks.once = Some(shell("echo migrated > a; test ! -e broken"));
    let bad = app.repository.commit("bad", &files(&[("a", "2"), ("broken", "")]));
    let good = app.repository.commit("good", &files(&[("a", "3")]));
    for (revision, is_good) in [(&bad, false), (&good, true)] {
        let (request, deployer) = (app.request(revision), app.deployer());
        deployer.prepare(&request, &minute.run()).await.unwrap();
        let once = deployer.once(&request.id, &minute.run()).await.map_err(|error| error.to_string());
        let status = deployer.status(&minute.run()).await.unwrap();
        assert_eq!((once.is_ok(), status.is_updated), (is_good, is_good), "{once:?}");
        // It never runs again for the same deployment.
        assert!(deployer.once(&request.id, &minute.run()).await.is_err());
        match is_good {
            true => {
                deployer.switch(&request.id, &minute.run()).await.unwrap();
                deployer.verify(&request.id, &minute.run()).await.unwrap();
                assert!(!deployer.status(&minute.run()).await.unwrap().is_updated);
                assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), "migrated\n");
            }
            false => {
                assert_eq!(once.unwrap_err(), "hook `once` failed with exit code 1");
                assert!(deployer.revert(&request.id, &minute.run()).await.unwrap());
                assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), "1");
            }
        }
    }
}

#[tokio::test]
async fn how_they_fail() {
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    for (script, expected) in [
        ("exit 1", "hook `before` failed with exit code 1"),
        ("kill -9 $$", "hook `before` "),
        ("sleep 60 & sleep 60", "hook `before` timed out; terminated"),
    ] {
        let mut hook = shell(script);
        hook.timeout = Some(Duration::from_millis(500));
        app.target.hooks.before = Some(hook);
        let begun = Instant::now();
        let error = app.deploy(&first).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{script}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{script}");
        assert!(!app.target.path.exists(), "{script}");
    }
    app.target.hooks.before =
        Some(herald_deploy::DeployHook { cmd: "no-such".to_owned(), ..Default::default() });
    let error = app.deploy(&first).await.unwrap_err().to_string();
    assert!(error.starts_with("hook `before` cannot be started: program `no-such` was not found"), "{error}");
}

#[tokio::test]
async fn they_run_as_the_user_of_jobs_and_git_does_not() {
    // Only root can become another user.
    let Ok(user) = JobUser::named("nobody") else { return };
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    fs::set_permissions(app.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    let is_nobody = shell("test $(id -un) = nobody && test $USER = nobody && test ! -w a");
    (app.target.hooks.before, app.target.hooks.after) = (Some(shell("id -un")), Some(is_nobody));
    let mut settings = settings(app.folder.path());
    settings.restrictions.user = Some(Arc::new(user));
    let deployer = Deployer::new(app.target.clone(), settings).unwrap();
    crate::fixture::deploy(&deployer, &app.request(&first)).await.unwrap();
    assert_eq!(app.live(), files(&[("a", "1")]));
}
