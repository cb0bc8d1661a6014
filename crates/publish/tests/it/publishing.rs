//! What ends up on disk.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use herald_publish::{
    BackupRule, ChangeKind, DriftKind, FileAttributes, Nested, PublishError, SwapKind, drifted,
};
use serde_json::Value;

use crate::fixture::{Files, Site, files};

#[test]
fn the_disk_follows_what_is_wanted() {
    for swap in [SwapKind::Files, SwapKind::Directory] {
        let top = tempfile::tempdir().unwrap();
        let site = Site::new(top.path()).with(|target| target.swap = swap);
        for wanted in [
            &[("ngx.conf", "aaaaaaaa"), ("sub/deep/x", "1")][..],
            &[("ngx.conf", "aaaaaaaa"), ("sub/deep/x", "2"), ("empty", "")],
            &[("sub/other", "3"), ("ngx.conf", "b")],
            &[("ngx.conf/now/a/folder", "4")],
            &[],
            &[("again", "5")],
        ] {
            let wanted = files(wanted);
            site.publish(&wanted).unwrap_or_else(|error| panic!("{swap:?} {wanted:?}: {error}"));
            assert_eq!(site.on_disk(), wanted, "{swap:?}");
            assert_eq!(site.entered(), wanted.keys().cloned().collect::<Vec<_>>());
            assert_eq!(site.leftovers(), Vec::<std::path::PathBuf>::new());
            assert!(drifted(site.ledger().data()).unwrap().is_empty());
            assert!(site.plan(&wanted).unwrap().changes().is_empty(), "a second time nothing changes");
        }
    }
}

#[test]
fn emptied_folders_that_were_made_go() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("a/b/c", "1"), ("a/d", "2")])).unwrap();
    site.publish(&files(&[("a/d", "2")])).unwrap();
    assert!(!site.site().join("a/b").exists() && site.site().join("a").exists());
    std::fs::write(site.site().join("foreign"), "x").unwrap();
    site.publish(&Files::new()).unwrap();
    assert_eq!(site.on_disk(), files(&[("foreign", "x")]));
    assert!(!site.site().join("a").exists());
    std::fs::remove_file(site.site().join("foreign")).unwrap();

    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    std::fs::create_dir_all(site.site().join("kept")).unwrap();
    site.publish(&files(&[("kept/x", "1")])).unwrap();
    site.publish(&Files::new()).unwrap();
    assert!(site.site().join("kept").exists(), "it was there before");
}

#[test]
fn others_files_stay_and_equal_ones_are_adopted() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    std::fs::create_dir_all(site.site()).unwrap();
    for (name, content) in [("foreign", "x"), ("same", "1"), ("other", "0")] {
        std::fs::write(site.site().join(name), content).unwrap();
    }
    let modified = std::fs::metadata(site.site().join("same")).unwrap().mtime_nsec();
    let planned = site.plan(&files(&[("same", "1"), ("other", "2")])).unwrap();
    assert_eq!(planned.foreign(), ["foreign"]);
    let changes: Vec<(String, ChangeKind)> =
        planned.changes().into_iter().map(|c| (c.name, c.kind)).collect();
    assert_eq!(changes, [("other".to_owned(), ChangeKind::Write)]);
    planned.stage(false).unwrap().swap().unwrap().finish(Value::Null).unwrap();
    assert_eq!(site.on_disk(), files(&[("foreign", "x"), ("same", "1"), ("other", "2")]));
    assert_eq!(std::fs::metadata(site.site().join("same")).unwrap().mtime_nsec(), modified);
    // A file of another's that is replaced is kept.
    assert_eq!(site.backups().into_values().collect::<Vec<_>>(), ["0"]);
    site.publish(&Files::new()).unwrap();
    assert_eq!(site.on_disk(), files(&[("foreign", "x")]), "adopted files are deleted like others");
}

#[test]
fn backups_are_made_named_and_limited() {
    for (on_delete, on_replace, expected) in
        [(true, true, 2), (true, false, 1), (false, true, 1), (false, false, 0)]
    {
        let top = tempfile::tempdir().unwrap();
        let rule = BackupRule { on_delete, on_replace, keep: Some(20) };
        let site = Site::new(top.path()).with(|target| target.backup = rule);
        site.publish(&files(&[("a", "1"), ("sub/b", "1")])).unwrap();
        site.publish(&files(&[("a", "2")])).unwrap();
        let backups = site.backups();
        assert_eq!(backups.len(), expected, "{rule:?} {backups:?}");
        for name in backups.keys() {
            let (of, rest) = name.split_once("_watcherbackup_").unwrap();
            assert!(["a", "sub/b"].contains(&of), "{name}");
            let suffix = rest.strip_prefix("2026-11-29_04:36:19_").unwrap();
            assert!(!suffix.is_empty() && suffix.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
    }
    let top = tempfile::tempdir().unwrap();
    let rule = BackupRule { on_delete: true, on_replace: true, keep: Some(3) };
    let site = Site::new(top.path()).with(|target| target.backup = rule);
    for n in 0..8 {
        site.publish(&files(&[("a", &n.to_string()), ("b", &n.to_string())])).unwrap();
    }
    assert_eq!(site.backups().len(), 6, "three of each file");
}

#[test]
fn without_a_backup_folder_files_are_removed_but_not_those_changed_by_hand() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).with(|target| target.backup_dir = Some(String::new()));
    site.publish(&files(&[("mine", "1"), ("edited", "1")])).unwrap();
    std::fs::write(site.site().join("edited"), "by hand").unwrap();
    let planned = site.plan(&Files::new()).unwrap();
    assert_eq!(planned.left(), [site.site().join("edited").display().to_string()]);
    planned.stage(false).unwrap().swap().unwrap().finish(Value::Null).unwrap();
    assert_eq!(site.on_disk(), files(&[("edited", "by hand")]));
    assert!(site.entered().is_empty(), "it is nobody's from now on");

    let top = tempfile::tempdir().unwrap();
    let rule = BackupRule { on_delete: false, on_replace: false, keep: None };
    let site = Site::new(top.path()).with(|target| target.backup = rule);
    site.publish(&files(&[("edited", "1")])).unwrap();
    std::fs::write(site.site().join("edited"), "by hand").unwrap();
    site.publish(&Files::new()).unwrap();
    assert_eq!(site.backups().into_values().collect::<Vec<_>>(), ["by hand"], "whatever the rule says");
}

#[test]
fn modes_and_owners() {
    let top = tempfile::tempdir().unwrap();
    let own = FileAttributes { mode: Some(0o640), ..FileAttributes::default() };
    let site = Site::new(top.path()).with(|target| target.files = [("secret".to_owned(), own)].into());
    std::fs::create_dir_all(site.site()).unwrap();
    std::fs::write(site.site().join("script"), "0").unwrap();
    std::fs::set_permissions(site.site().join("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let wanted = files(&[("plain", "1"), ("secret", "1"), ("script", "1")]);
    site.publish(&wanted).unwrap();
    let mode = |name: &str| std::fs::metadata(site.site().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("plain"), mode("secret"), mode("script")), (0o644, 0o640, 0o755));
    let changed = site.top.join("site/plain");
    std::fs::set_permissions(&changed, std::fs::Permissions::from_mode(0o600)).unwrap();
    let found = drifted(site.ledger().data()).unwrap();
    assert_eq!(
        found.iter().map(|file| (file.name.as_str(), file.kind)).collect::<Vec<_>>(),
        [("plain", DriftKind::Attributes)]
    );
    site.publish(&wanted).unwrap();
    assert_eq!(mode("plain"), 0o644, "it is put right");
}

#[test]
fn another_folder_is_published_there_and_removed_here() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let wanted = files(&[("a", "1"), ("sub/b", "2")]);
    site.publish(&wanted).unwrap();
    std::fs::write(site.site().join("foreign"), "x").unwrap();
    let other = site.top.join("elsewhere").display().to_string();
    let site = site.with(|target| target.deploy_path = other);
    site.publish(&wanted).unwrap();
    assert_eq!(crate::fixture::under(&site.top.join("elsewhere")), wanted);
    assert_eq!(site.on_disk(), files(&[("foreign", "x")]));
    assert!(!site.site().join("sub").exists());
    assert_eq!(site.backups().len(), 2);
    assert_eq!(site.leftovers(), Vec::<std::path::PathBuf>::new());
    assert!(site.plan(&wanted).unwrap().changes().is_empty());
}

#[test]
fn names_on_disk_keep_or_lose_their_folders() {
    for (nested, wanted, expected) in [
        (Nested::Keep, &[("sub/a", "1"), ("b/a", "2")][..], Some(vec!["b/a", "sub/a"])),
        (Nested::Flatten, &[("sub/a", "1"), ("b", "2")], Some(vec!["a", "b"])),
        (Nested::Flatten, &[("sub/a", "1"), ("b/a", "2")], None),
    ] {
        let top = tempfile::tempdir().unwrap();
        let site = Site::new(top.path()).with(|target| target.nested = nested);
        let done = site.publish(&files(wanted)).map(|_| site.on_disk().into_keys().collect::<Vec<_>>());
        match expected {
            Some(expected) => assert_eq!(done.unwrap(), expected),
            None => {
                let error = done.unwrap_err().to_string();
                assert!(error.contains("config.d/sub/a") && error.contains("config.d/b/a"), "{error}");
                assert!(site.on_disk().is_empty());
            }
        }
    }
}

#[test]
fn limits_are_kept() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).with(|target| (target.max_file, target.max_total) = (10, 15));
    for (wanted, says) in [
        (&[("a", "12345678901")][..], Some("max_file allows 10")),
        (&[("a", "1234567890"), ("b", "123456")], Some("the project has 16 bytes; max_total allows 15")),
        (&[("a", "1234567890"), ("b", "12345")], None),
    ] {
        let error = site.publish(&files(wanted)).err().map(|error| error.to_string());
        assert!(error.as_deref().unwrap_or_default().contains(says.unwrap_or_default()), "{error:?}");
        assert_eq!(error.is_none(), says.is_none(), "{error:?}");
    }
}

#[test]
fn two_projects_do_not_share_a_file() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("a", "1")])).unwrap();
    let other = || site.ledgers.project("q").unwrap();
    let wanted = site.request(&files(&[("a", "2")]));
    let error = herald_publish::plan(other(), &site.claims, wanted).unwrap_err().to_string();
    assert!(error.contains("site/a") && error.contains("project \"p\""), "{error}");
    // Also after a restart.
    let claims = herald_publish::FileClaims::of(&site.ledgers).unwrap();
    assert!(herald_publish::plan(other(), &claims, site.request(&files(&[("a", "2")]))).is_err());
    assert!(herald_publish::plan(other(), &claims, site.request(&files(&[("b", "2")]))).is_ok());
}

#[test]
fn a_file_that_another_program_changes_meanwhile_is_not_overwritten() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("a", "1"), ("b", "1")])).unwrap();
    let staged = site.stage(&files(&[("a", "2"), ("b", "2")])).unwrap();
    std::fs::write(site.site().join("b"), "by hand").unwrap();
    let error = staged.swap().unwrap_err();
    assert!(matches!(error, PublishError::Changed(_)) && error.passes_by_itself(), "{error}");
    assert_eq!(site.on_disk(), files(&[("a", "1"), ("b", "by hand")]));
}

#[test]
fn the_tree_for_checks_is_whole() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("kept", "1"), ("changed", "1"), ("gone", "1"), ("sub/kept", "1")])).unwrap();
    std::fs::write(site.site().join("sub/foreign"), "x").unwrap();
    std::fs::create_dir(site.site().join("folder")).unwrap();
    std::fs::write(site.site().join("folder/foreign"), "y").unwrap();
    let staged =
        site.stage(&files(&[("kept", "1"), ("changed", "2"), ("sub/kept", "1"), ("sub/new", "3")])).unwrap();
    let tree = staged.tree().unwrap().to_owned();
    for (name, content) in [
        ("kept", Some("1")),
        ("changed", Some("2")),
        ("gone", None),
        ("sub/kept", Some("1")),
        ("sub/new", Some("3")),
        ("sub/foreign", Some("x")),
        ("folder/foreign", Some("y")),
    ] {
        assert_eq!(std::fs::read_to_string(tree.join(name)).ok().as_deref(), content, "{name}");
    }
    assert_eq!(std::fs::read_to_string(site.site().join("changed")).unwrap(), "1", "nothing is visible yet");
    staged.discard().unwrap();
    assert!(!tree.exists() && site.leftovers().is_empty());
    assert_eq!(std::fs::read_to_string(site.site().join("folder/foreign")).unwrap(), "y");
}

#[test]
fn undoing_restores_everything() {
    for swap in [SwapKind::Files, SwapKind::Directory] {
        let top = tempfile::tempdir().unwrap();
        let site = Site::new(top.path()).with(|target| target.swap = swap);
        let before = files(&[("a", "1"), ("b", "1"), ("sub/c", "1")]);
        site.publish(&before).unwrap();
        std::fs::write(site.site().join("foreign"), "x").unwrap();
        let swapped = site.stage(&files(&[("a", "2"), ("new/d", "2")])).unwrap().swap().unwrap();
        assert_eq!(site.on_disk().get("a").map(String::as_str), Some("2"));
        swapped.undo().unwrap().settle().unwrap();
        let mut expected = before;
        expected.insert("foreign".to_owned(), "x".to_owned());
        assert_eq!(site.on_disk(), expected, "{swap:?}");
        assert!(!site.site().join("new").exists());
        assert_eq!((site.backups().len(), site.leftovers().len()), (0, 0), "{swap:?} {:?}", site.leftovers());
        assert!(!site.ledger().is_interrupted());
    }
}

#[test]
fn files_changed_by_hand_stay_where_that_is_wanted() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("edited", "1"), ("gone", "1"), ("other", "1")])).unwrap();
    std::fs::write(site.site().join("edited"), "by hand").unwrap();
    std::fs::remove_file(site.site().join("gone")).unwrap();
    let publish = |wanted: &Files, leaves_drift| {
        let request = herald_publish::PublicationRequest { leaves_drift, ..site.request(wanted) };
        let planned = herald_publish::plan(site.ledger(), &site.claims, request).unwrap();
        let drifted = planned.drifted().to_vec();
        planned.stage(false).unwrap().swap().unwrap().finish(Value::Null).unwrap();
        drifted
    };
    assert_eq!(publish(&files(&[("edited", "1"), ("gone", "1"), ("other", "2")]), true), ["edited", "gone"]);
    assert_eq!(site.on_disk(), files(&[("edited", "by hand"), ("other", "2")]));
    let kinds: Vec<DriftKind> =
        drifted(site.ledger().data()).unwrap().into_iter().map(|file| file.kind).collect();
    assert_eq!(kinds, [DriftKind::Content, DriftKind::Missing]);
    // What is wanted of it changed.
    assert_eq!(publish(&files(&[("edited", "2"), ("gone", "1"), ("other", "2")]), true), ["gone"]);
    assert_eq!(publish(&files(&[("edited", "2"), ("gone", "1"), ("other", "2")]), false), [""; 0]);
    assert_eq!(site.on_disk(), files(&[("edited", "2"), ("gone", "1"), ("other", "2")]));
    assert_eq!(site.backups().into_values().collect::<Vec<_>>(), ["by hand"]);
}
