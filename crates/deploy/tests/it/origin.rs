//! Repositories that refuse, are gone, or were rewritten; and what is odd about targets.

use std::fs;
use std::path::PathBuf;

use herald_deploy::{DeployError, DeployMode, OriginAuth, SourceKind};

use crate::fixture::{App, KINDS, MODES, Minute, PASSWORD, command, files, shell};

#[tokio::test]
async fn revisions_that_do_not_exist() {
    let minute = Minute::new();
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::Exchange);
        app.repository.commit("first", &files(&[("a", "1")]));
        for revision in ["999999", "deadbeef00", "gone", "--config-dir=/x", "-r1;id", "a b", ""] {
            let error = app.deployer().resolve(revision, &minute.run()).await.unwrap_err().to_string();
            assert!(error.contains("does not exist in"), "{kind:?} {revision}: {error}");
        }
    }
}

#[tokio::test]
async fn passwords() {
    let minute = Minute::new();
    let mut app = App::new(SourceKind::Svn, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    app.after(&format!(
        "for f in /proc/[0-9]*/cmdline /proc/$$/environ; do cat $f; done > '{}/seen' 2>&1; :",
        app.folder.path().display()
    ));
    app.deploy(&first).await.unwrap();
    let seen = fs::read(app.folder.path().join("seen")).unwrap();
    assert!(!String::from_utf8_lossy(&seen).contains(PASSWORD));
    for auth in [
        OriginAuth::Anonymous,
        OriginAuth::Password { username: "alice".to_owned(), password: "wrong".to_owned() },
    ] {
        app.target.origin.auth = auth;
        let error = app.deployer().resolve("HEAD", &minute.run()).await.unwrap_err().to_string();
        assert!(error.contains("refused the credentials"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone() {
    let minute = Minute::new();
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::Exchange);
        app.repository.commit("first", &files(&[("a", "1")]));
        match &mut app.repository.server {
            Some(server) => {
                server.kill().unwrap();
                server.wait().unwrap();
            }
            None => fs::rename(app.folder.path().join("origin.git"), app.folder.path().join("away")).unwrap(),
        }
        let error = app.deployer().resolve("HEAD", &minute.run()).await.unwrap_err().to_string();
        assert!(error.contains("cannot be reached"), "{kind:?}: {error}");
    }
}

#[tokio::test]
async fn a_force_push_and_a_rollback_to_what_it_removed() {
    for mode in MODES {
        let mut app = App::new(SourceKind::Git, mode);
        app.repository.commit("first", &files(&[("a", "1")]));
        let vanished = app.repository.commit("second", &files(&[("a", "2")]));
        app.deploy(&vanished).await.unwrap();
        command(&app.repository.copy, "git", &["reset", "-q", "--hard", "HEAD~1"]);
        let other = app.repository.commit("other", &files(&[("a", "3")]));
        command(
            &app.folder.path().join("origin.git"),
            "git",
            &["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"],
        );
        app.deploy(&other).await.unwrap();
        assert_eq!(app.live(), files(&[("a", "3")]), "{mode:?}");
        app.deploy(&vanished).await.unwrap();
        assert_eq!(app.live(), files(&[("a", "2")]), "{mode:?}");
    }
}

#[tokio::test]
async fn a_folder_that_was_there_becomes_the_first_tree() {
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        app.deploy(&first).await.unwrap();
        fs::create_dir(app.target.path.join("uploads")).unwrap();
        fs::write(app.target.path.join("uploads/photo"), "photo").unwrap();
        app.target.mode = DeployMode::Exchange;
        app.target.shared = vec!["uploads/".to_owned(), "conf/.env".to_owned()];
        let second = app.repository.commit("second", &files(&[("a", "2"), ("conf/.env", "default")]));
        app.after("exit 1");
        let request = app.request(&second);
        let minute = Minute::new();
        app.deployer().prepare(&request, &minute.run()).await.unwrap();
        app.deployer().switch(&request.id, &minute.run()).await.unwrap_err();
        app.target.hooks.after = None;
        app.deployer().revert(&request.id, &minute.run()).await.unwrap();
        for (text, revision) in [("1", None), ("2", Some(&second))] {
            if let Some(revision) = revision {
                app.deploy(revision).await.unwrap();
                let env = fs::read_to_string(app.target.path.join("conf/.env")).unwrap();
                assert_eq!(env, "default", "{kind:?}");
            }
            assert_eq!(fs::read_to_string(app.target.path.join("a")).unwrap(), text, "{kind:?}");
            assert_eq!(
                fs::read_to_string(app.target.path.join("uploads/photo")).unwrap(),
                "photo",
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn one_at_a_time_and_room() {
    let minute = Minute::new();
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    app.target.reserve = 1 << 60;
    let error = app.deploy(&first).await.unwrap_err();
    assert!(matches!(error, DeployError::NoRoom { .. }), "{error}");
    app.target.reserve = 0;
    app.target.hooks.before = Some(shell("sleep 1"));
    let request = app.request(&first);
    let (one, other) = (app.deployer(), app.deployer());
    let (run, other_run) = (minute.run(), minute.run());
    let ended = tokio::join!(one.prepare(&request, &run), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        other.recover(&other_run).await
    });
    ended.0.unwrap();
    let sentence = format!("is locked by another deployment (process {})", std::process::id());
    assert!(ended.1.unwrap_err().to_string().contains(&sentence));
}

#[test]
fn targets_that_cannot_be_used() {
    let mut app = App::new(SourceKind::Git, DeployMode::Exchange);
    let good = app.target.clone();
    assert!(good.check().is_ok());
    for entry in ["../x", "/etc", "a/../b", ".git/hooks", "", "a/.svn"] {
        app.target.shared = vec![entry.to_owned()];
        assert!(app.target.check().is_err(), "{entry}");
    }
    app.target = good.clone();
    for path in ["relative", "/", "/srv/../x", "/srv/.git"] {
        app.target.path = PathBuf::from(path);
        assert!(app.target.check().is_err(), "{path}");
    }
    app.target = good;
    for url in ["", "--upload-pack=x", "ext::sh -c id", "a\nb"] {
        app.target.origin.url = url.to_owned();
        assert!(app.target.check().is_err(), "{url}");
    }
}

/// What a new copy writes it has once more in its administration; one of Git gets the commits between as well.
#[tokio::test]
async fn the_room_that_each_mode_needs() {
    let minute = Minute::new();
    let large = "x".repeat(100_000);
    for kind in KINDS {
        for (mode, times) in MODES.into_iter().zip([2, 1, 1]) {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &files(&[("a", &large)]));
            let plan = app.deployer().plan(&first, &minute.run()).await.unwrap();
            assert_eq!(plan.needed, times * 110_000, "{kind:?} {mode:?}");
        }
    }
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    app.deploy(&first).await.unwrap();
    let noise: String = (0..100_000_u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    app.repository.commit("large", &files(&[("a", "1"), ("large", &noise)]));
    let third = app.repository.commit("without it", &files(&[("a", "2")]));
    let plan = app.deployer().plan(&third, &minute.run()).await.unwrap();
    assert!(plan.needed > 200_000, "{plan:?}");
}
