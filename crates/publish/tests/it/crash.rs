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
