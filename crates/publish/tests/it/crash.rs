//! The process ends between any two steps: the next one completes the publication, or undoes it.

use std::path::Path;
use std::process::Command;

use herald_publish::SwapKind;
use serde_json::Value;

use crate::fixture::{Files, Site, files};

/// Where the process that is to end works.
const PLACE: &str = "HERALD_PUBLISH_TEST_PLACE";
const KIND: &str = "HERALD_PUBLISH_TEST_KIND";

fn before() -> Files {
    files(&[("a", "1"), ("b", "1"), ("kept", "1"), ("sub/d", "1"), ("x", "1")])
}

fn after() -> Files {
    files(&[("a", "2"), ("kept", "1"), ("sub/e", "2"), ("new/deep/f", "2"), ("x/y", "2")])
}

fn site(top: &Path, kind: &str) -> Site {
    let swap = if kind.starts_with("directory") { SwapKind::Directory } else { SwapKind::Files };
    Site::new(top).with(|target| (target.swap, target.backup.on_replace) = (swap, true))
}

/// No test of its own: what the other process does.
#[test]
fn the_process_that_ends() {
    let (Ok(place), Ok(kind)) = (std::env::var(PLACE), std::env::var(KIND)) else { return };
    let site = site(Path::new(&place), &kind);
    let swapped = site.stage(&after()).unwrap().swap().unwrap();
    if kind.ends_with("undo") {
        swapped.undo().unwrap().settle().unwrap();
    } else {
        swapped.finish(Value::Null).unwrap();
    }
}

fn crash(top: &Path, kind: &str, at: &str) {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["--exact", "crash::the_process_that_ends", "--nocapture"])
        .envs([(PLACE, top.to_str().unwrap()), (KIND, kind), ("HERALD_FAILPOINT", at)])
        .output()
        .unwrap();
    assert!(
        !output.status.success(),
        "{kind} {at} was not passed: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn every_step_is_completed_or_undone() {
    for (kind, at, recovery, is_new) in [
        ("files", "publish-staging", "clean", false),
        ("files", "publish-backed-up", "clean", false),
        ("files", "publish-staged", "clean", false),
        ("files", "publish-swapping", "swapped", true),
        ("files", "publish-kept", "swapped", true),
        ("files", "publish-placed", "swapped", true),
        ("files", "publish-placed:2", "swapped", true),
        ("files", "publish-placed:4", "swapped", true),
        ("files", "publish-deleted", "swapped", true),
        ("files", "publish-deleted:3", "swapped", true),
        ("files", "publish-swapped", "swapped", true),
        ("files", "publish-entered", "finished", true),
        ("files", "publish-cleaned", "clean", true),
        ("files undo", "publish-undoing", "undone", false),
        ("files undo", "publish-put-back", "undone", false),
        ("files undo", "publish-put-back:3", "undone", false),
        ("files undo", "publish-undone", "undone", false),
        ("directory", "publish-staged", "clean", false),
        ("directory", "publish-swapping", "swapped", true),
        ("directory", "publish-exchanged", "swapped", true),
        ("directory", "publish-swapped", "swapped", true),
        ("directory", "publish-entered", "finished", true),
        ("directory undo", "publish-undoing", "undone", false),
        ("directory undo", "publish-undone", "undone", false),
    ] {
        let top = tempfile::tempdir().unwrap();
        site(top.path(), kind).publish(&before()).unwrap();
        crash(top.path(), kind, at);
        let site = site(top.path(), kind);
        assert_eq!(site.recover(), recovery, "{kind} {at}");
        let expected = if is_new { after() } else { before() };
        assert_eq!(site.on_disk(), expected, "{kind} {at}");
        assert_eq!(site.entered(), expected.into_keys().collect::<Vec<_>>(), "{kind} {at}");
        assert_eq!(site.leftovers(), Vec::<std::path::PathBuf>::new(), "{kind} {at}");
        assert_eq!(site.backups().is_empty(), !is_new, "{kind} {at}");
        assert_eq!(site.recover(), "clean", "{kind} {at}: once is enough");
        site.publish(&after()).unwrap();
        assert_eq!(site.on_disk(), after(), "{kind} {at}");
        assert_eq!(site.leftovers(), Vec::<std::path::PathBuf>::new(), "{kind} {at}");
    }
}

#[test]
fn a_swap_that_cannot_be_completed_is_undone() {
    let top = tempfile::tempdir().unwrap();
    site(top.path(), "files").publish(&before()).unwrap();
    crash(top.path(), "files", "publish-placed");
    let site = site(top.path(), "files");
    // Somebody removed what was staged.
    for entry in
        std::fs::read_dir(site.site()).unwrap().chain(std::fs::read_dir(site.site().join("sub")).unwrap())
    {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".new") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(site.recover(), "undone");
    assert_eq!(site.on_disk(), before());
    assert!(site.leftovers().is_empty());
}

/// A backup of the state may be of a moment at which a publication ran, and be restored long after its end.
#[test]
fn what_was_interrupted_only_in_a_restored_ledger_stays_published() {
    for (kind, at) in [
        ("files", "publish-staging"),
        ("files", "publish-backed-up"),
        ("files", "publish-staged"),
        ("files", "publish-swapping"),
        ("files", "publish-placed:2"),
        ("files", "publish-deleted"),
        ("files", "publish-swapped"),
        ("files", "publish-entered"),
        ("directory", "publish-staged"),
        ("directory", "publish-swapping"),
        ("directory", "publish-exchanged"),
        ("directory", "publish-swapped"),
        ("directory", "publish-entered"),
    ] {
        for repeats in [1, 2] {
            let top = tempfile::tempdir().unwrap();
            let case = format!("{kind} {at}, {repeats} publications since");
            site(top.path(), kind).publish(&before()).unwrap();
            crash(top.path(), kind, at);
            let (ledgers, copied) = (top.path().join("ledgers"), top.path().join("copied"));
            let copy = |from: &Path, to: &Path| {
                let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
                assert!(copied.success());
            };
            copy(&ledgers, &copied);
            let now = site(top.path(), kind);
            now.recover();
            (0..repeats).for_each(|_| drop(now.publish(&after()).unwrap()));
            let backups = now.backups();
            std::fs::remove_dir_all(&ledgers).unwrap();
            copy(&copied, &ledgers);
            std::fs::remove_dir_all(&copied).unwrap();
            let site = site(top.path(), kind);
            site.recover();
            assert_eq!(site.on_disk(), after(), "{case}");
            assert_eq!(site.backups(), backups, "{case}");
            let planned = site.plan(&after()).unwrap();
            assert!(planned.changes().is_empty(), "{case}");
            planned.adopt(Value::Null).unwrap();
            assert_eq!(site.recover(), "clean", "{case}");
            let next = files(&[("a", "3"), ("kept", "1")]);
            site.publish(&next).unwrap();
            assert_eq!(site.on_disk(), next, "{case}");
            assert_eq!(site.leftovers(), Vec::<std::path::PathBuf>::new(), "{case}");
        }
    }
}

#[test]
fn what_follows_an_undo_is_due_until_it_is_settled() {
    for kind in ["files", "directory"] {
        let top = tempfile::tempdir().unwrap();
        let site = site(top.path(), kind);
        site.publish(&before()).unwrap();
        drop(site.stage(&after()).unwrap().swap().unwrap().undo().unwrap());
        assert_eq!(site.on_disk(), before(), "{kind}");
        // Its command has not run when the process ends.
        assert_eq!(site.recover(), "undone", "{kind}");
        assert_eq!(site.recover(), "clean", "{kind}: once is enough");
        assert_eq!(site.on_disk(), before(), "{kind}");
    }
}
