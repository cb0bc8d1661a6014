//! A deployment and a rollback, of both kinds and in all modes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use herald_deploy::{DeployAction, DeployError, DeployMode, LogRange, SourceKind};

use crate::fixture::{App, KINDS, MODES, Minute, command, deploy, files, request, shell};

#[tokio::test]
async fn deployments_and_rollbacks() {
    let one =
        files(&[("a.txt", "1"), ("b/größe.txt", "1"), ("a@2x.png", "1"), ("-x", "1"), ("gone/x y", "1")]);
    let two =
        files(&[("a.txt", "2"), ("b/größe.txt", "2"), ("a@2x.png", "1"), ("-x", "2"), ("new/deep/f", "2")]);
    let minute = Minute::new();
    for kind in KINDS {
        for mode in MODES {
            let what = format!("{kind:?} {mode:?}");
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &one);
            assert_eq!(app.deployer().resolve("HEAD", &minute.run()).await.unwrap(), first, "{what}");
            app.deploy(&first).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(app.live(), one, "{what}");

            let second = app.repository.commit("second: <b>&amp; \"quotes\" ^ {CRLF}\n\nbody 🎉", &two);
            let plan = app.deployer().plan(&second, &minute.run()).await.unwrap();
            assert_eq!((plan.current.as_ref(), plan.refusals.len()), (Some(&first), 0), "{what}: {plan:?}");
            assert_eq!(app.live(), one, "{what}: a plan changes nothing");
            app.deploy(&second).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(app.live(), two, "{what}");
            let status = app.deployer().status(&minute.run()).await.unwrap();
            assert_eq!(
                (status.revision.as_ref(), status.modified.len()),
                (Some(&second), 0),
                "{what}: {status:?}"
            );

            let range = LogRange { after: Some(first.clone()), upto: second.clone(), limit: 20 };
            let log = app.deployer().log(&range, &minute.run()).await.unwrap();
            assert_eq!(log.len(), 1, "{what}: {log:?}");
            assert_eq!(log[0].message, "second: <b>&amp; \"quotes\" ^ {CRLF}\n\nbody 🎉", "{what}");
            assert_eq!(log[0].revision, second, "{what}");

            // The old tree is there, so that nobody needs the server.
            let mut rollback = request("back", &first);
            rollback.action = DeployAction::Rollback;
            if mode != DeployMode::InPlace {
                if let Some(server) = &mut app.repository.server {
                    server.kill().unwrap();
                    server.wait().unwrap();
                }
                fs::rename(&app.repository.copy, app.folder.path().join("away")).unwrap();
                assert!(app.deployer().plan(&first, &minute.run()).await.unwrap().is_kept, "{what}");
            }
            deploy(&app.deployer(), &rollback).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(app.live(), one, "{what}");
        }
    }
}

#[tokio::test]
async fn programs_stay_programs_and_links_stay_links() {
    for kind in KINDS {
        for mode in MODES {
            let mut app = App::new(kind, mode);
            app.repository.commit("first", &files(&[("run", "#!/bin/sh\n"), ("data", "")]));
            let copy = app.repository.copy.clone();
            fs::set_permissions(copy.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", copy.join("link")).unwrap();
            if kind == SourceKind::Svn {
                command(&copy, "svn", &["propset", "-q", "svn:executable", "*", "run"]);
            }
            let program = if kind == SourceKind::Git { "git" } else { "svn" };
            command(&copy, program, &["add", "link"]);
            let revision = commit_as_is(&mut app, &copy);
            app.deploy(&revision).await.unwrap();
            let served = app.served();
            assert!(fs::symlink_metadata(served.join("link")).unwrap().is_symlink(), "{kind:?} {mode:?}");
            let mode_of = |name: &str| fs::metadata(served.join(name)).unwrap().permissions().mode() & 0o111;
            assert_eq!((mode_of("run") != 0, mode_of("data")), (true, 0), "{kind:?} {mode:?}");
        }
    }
}

fn commit_as_is(app: &mut App, copy: &Path) -> String {
    if app.repository.kind == SourceKind::Git {
        command(copy, "git", &["add", "-A"]);
        command(copy, "git", &["commit", "-q", "-m", "as is"]);
        command(copy, "git", &["push", "-q", "origin", "HEAD:main"]);
        command(copy, "git", &["rev-parse", "HEAD"])
    } else {
        command(copy, "svn", &["commit", "-q", "-m", "as is", "--username", "alice"]);
        command(copy, "svn", &["update", "-q"]);
        command(copy, "svn", &["info", "--show-item", "last-changed-revision"])
    }
}

#[tokio::test]
async fn what_fails_is_reverted() {
    let (one, two) = (files(&[("a", "1"), ("gone", "1")]), files(&[("a", "2"), ("new/f", "2")]));
    let minute = Minute::new();
    for kind in KINDS {
        for mode in MODES {
            let what = format!("{kind:?} {mode:?}");
            let mut app = App::new(kind, mode);
            let log = app.folder.path().join("log");
            let first = app.repository.commit("first", &one);
            app.deploy(&first).await.unwrap();
            let second = app.repository.commit("second", &two);
            app.after(&format!("echo $HERALD_ACTION >> '{}'; test $HERALD_ACTION = revert", log.display()));
            let request = app.request(&second);
            let deployer = app.deployer();
            deployer.prepare(&request, &minute.run()).await.unwrap();
            assert_eq!(app.live(), one, "{what}: before the switch");
            let failed = deployer.switch(&request.id, &minute.run()).await.unwrap_err();
            assert_eq!(failed.to_string(), "hook `after` failed with exit code 1", "{what}");
            assert_eq!(app.live(), two, "{what}: the new one is live until the revert");
            for _ in 0..2 {
                deployer.revert(&request.id, &minute.run()).await.unwrap();
                assert_eq!(app.live(), one, "{what}: after the revert");
            }
            assert_eq!(fs::read_to_string(&log).unwrap(), "deploy\nrevert\n", "{what}");
            let status = deployer.status(&minute.run()).await.unwrap();
            assert_eq!((status.revision, status.phase), (Some(first), None), "{what}");
            assert!(status.trees.iter().all(|tree| tree.is_good), "{what}: the failed tree is gone");
            app.target.hooks.after = None;
            app.deploy(&second).await.unwrap();
            assert_eq!(app.live(), two, "{what}");
        }
    }
}

#[tokio::test]
async fn the_first_deployment_is_reverted_to_nothing() {
    let minute = Minute::new();
    for kind in KINDS {
        for mode in MODES {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &files(&[("a", "1")]));
            let request = app.request(&first);
            let deployer = app.deployer();
            deployer.prepare(&request, &minute.run()).await.unwrap();
            deployer.switch(&request.id, &minute.run()).await.unwrap();
            deployer.revert(&request.id, &minute.run()).await.unwrap();
            assert!(!app.served().exists(), "{kind:?} {mode:?}");
            app.deploy(&first).await.unwrap();
            assert_eq!(app.live(), files(&[("a", "1")]), "{kind:?} {mode:?}");
        }
    }
}

#[tokio::test]
async fn good_trees_are_kept() {
    for mode in [DeployMode::Releases, DeployMode::Exchange] {
        let mut app = App::new(SourceKind::Git, mode);
        for number in 0..6 {
            let revision = app.repository.commit("next", &files(&[("a", &number.to_string())]));
            if number % 3 == 2 {
                app.target.hooks.build = Some(shell("exit 3"));
                let failed = app.deploy(&revision).await.unwrap_err();
                assert!(matches!(failed, DeployError::Hook { .. }), "{failed}");
                app.target.hooks.build = None;
            } else {
                app.deploy(&revision).await.unwrap();
            }
        }
        let minute = Minute::new();
        let status = app.deployer().status(&minute.run()).await.unwrap();
        let expected: Vec<String> = [1, 3, 4].map(|at: usize| app.repository.revisions[at].clone()).into();
        let kept: Vec<String> = status.trees.iter().map(|tree| tree.revision.clone()).collect();
        assert_eq!(kept, expected, "{mode:?}");
        let folder = match mode {
            DeployMode::Releases => app.target.path.join("releases"),
            _ => app.target.path.with_file_name("shop.herald").join("trees"),
        };
        let there = fs::read_dir(folder).unwrap().count();
        assert_eq!(there, if mode == DeployMode::Releases { 3 } else { 2 }, "{mode:?}");
    }
}
