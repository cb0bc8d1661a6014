//! Files that somebody changed on this machine.

use std::fs;

use herald_deploy::{DeployError, DeployMode, LocalChanges, SourceKind};

use crate::fixture::{App, KINDS, Minute, command, files};

fn app(kind: SourceKind, local_changes: LocalChanges) -> App {
    let mut app = App::new(kind, DeployMode::InPlace);
    app.target.local_changes = local_changes;
    app
}

#[tokio::test]
async fn refused_kept_or_discarded() {
    let (one, two) = (files(&[("a", "1\n"), ("b", "1\n")]), files(&[("a", "2\n"), ("b", "1\n")]));
    let minute = Minute::new();
    for kind in KINDS {
        for (policy, edited, expected) in [
            (LocalChanges::Refuse, "b", Err("files were changed on this machine: b;")),
            (LocalChanges::Keep, "b", Ok("mine\n")),
            (LocalChanges::Keep, "a", Err("the update would conflict with files of this machine: a;")),
            (LocalChanges::Discard, "b", Ok("1\n")),
            (LocalChanges::Discard, "a", Ok("2\n")),
        ] {
            let what = format!("{kind:?} {policy:?} {edited}");
            let mut app = app(kind, policy);
            let first = app.repository.commit("first", &one);
            app.deploy(&first).await.unwrap();
            let second = app.repository.commit("second", &two);
            let file = app.target.path.join(edited);
            fs::write(&file, "mine\n").unwrap();
            app.target.hooks.before = Some(crate::fixture::shell("touch ../hook-ran"));
            let plan = app.deployer().plan(&second, &minute.run()).await.unwrap();
            assert_eq!(plan.local_changes, [edited], "{what}");
            let ended = app.deploy(&second).await;
            match expected {
                Ok(text) => {
                    ended.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(fs::read_to_string(&file).unwrap(), text, "{what}");
                    assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), "2\n", "{what}");
                }
                Err(sentence) => {
                    let error = ended.unwrap_err().to_string();
                    assert!(error.starts_with(sentence), "{what}: {error}");
                    assert_eq!(plan.refusals, [error], "{what}");
                    assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n", "{what}");
                    assert_eq!(app.live().len(), 2, "{what}: {:?}", app.live());
                    assert!(!app.target.path.with_file_name("hook-ran").exists(), "{what}");
                }
            }
            if policy == LocalChanges::Discard {
                let patch = app.target.path.with_file_name("shop.herald").join("patches/d2.patch");
                app.deploy(&first).await.unwrap();
                let (program, args) = match kind {
                    SourceKind::Git => ("git", ["apply", patch.to_str().unwrap()]),
                    SourceKind::Svn => ("svn", ["patch", patch.to_str().unwrap()]),
                };
                command(&app.target.path, program, &args);
                assert_eq!(fs::read_to_string(&file).unwrap(), "mine\n", "{what}: the patch applies");
            }
        }
    }
}

#[tokio::test]
async fn unversioned_files_in_the_way() {
    let minute = Minute::new();
    for kind in KINDS {
        for (mine, added) in [("new", "new"), ("folder", "folder/file"), ("folder/file", "folder")] {
            let what = format!("{kind:?} {mine} {added}");
            let mut app = app(kind, LocalChanges::Keep);
            let first = app.repository.commit("first", &files(&[("a", "1")]));
            app.deploy(&first).await.unwrap();
            let second = app.repository.commit("second", &files(&[("a", "2"), (added, "theirs")]));
            let file = app.target.path.join(mine);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "mine").unwrap();
            let plan = app.deployer().plan(&second, &minute.run()).await.unwrap();
            assert_eq!(plan.refusals.len(), 1, "{what}: {plan:?}");
            let error = app.deploy(&second).await.unwrap_err();
            assert!(matches!(error, DeployError::Conflicts(_)), "{what}: {error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "mine", "{what}");
            assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), "1", "{what}");
        }
    }
}

#[tokio::test]
async fn changed_between_prepare_and_switch() {
    let minute = Minute::new();
    for kind in KINDS {
        for policy in [LocalChanges::Refuse, LocalChanges::Keep] {
            let mut app = app(kind, policy);
            let first = app.repository.commit("first", &files(&[("a", "1"), ("b", "1")]));
            app.deploy(&first).await.unwrap();
            let second = app.repository.commit("second", &files(&[("a", "2"), ("b", "2")]));
            let request = app.request(&second);
            app.deployer().prepare(&request, &minute.run()).await.unwrap();
            fs::write(app.target.path.join("a"), "mine").unwrap();
            app.deployer().switch(&request.id, &minute.run()).await.unwrap_err();
            app.deployer().revert(&request.id, &minute.run()).await.unwrap();
            assert_eq!(app.live(), files(&[("a", "mine"), ("b", "1")]), "{kind:?} {policy:?}");
        }
    }
}

#[tokio::test]
async fn drift_is_shown_by_file() {
    let minute = Minute::new();
    for kind in KINDS {
        for mode in crate::fixture::MODES {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &files(&[("a", "1"), ("b", "1")]));
            app.deploy(&first).await.unwrap();
            fs::write(app.served().join("b"), "2").unwrap();
            fs::write(app.served().join("cache"), "").unwrap();
            let status = app.deployer().status(&minute.run()).await.unwrap();
            assert_eq!(status.modified, ["b"], "{kind:?} {mode:?}");
        }
    }
}
