//! A whole folder at once.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fixture::{Files, Site, files};

#[test]
fn readers_never_see_two_generations_mixed() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    let generation = |n: u32| -> Files { (0..5).map(|file| (format!("f{file}"), n.to_string())).collect() };
    site.publish(&generation(0)).unwrap();
    let stop = AtomicBool::new(false);
    let path = site.site();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Through one open folder, as a program reads its configuration.
                let folder = std::fs::File::open(&path).unwrap();
                let at = std::os::fd::AsRawFd::as_raw_fd(&folder);
                let read = |n| std::fs::read_to_string(format!("/proc/self/fd/{at}/f{n}"));
                let seen: Vec<String> = (0..5).filter_map(|n| read(n).ok()).collect();
                // A folder that was replaced may be on its way out.
                assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
            }
        });
        for n in 1..60 {
            site.publish(&generation(n)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn others_files_and_links_are_carried_over() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    site.publish(&files(&[("a", "1")])).unwrap();
    std::fs::create_dir_all(site.site().join("foreign/deep")).unwrap();
    std::fs::write(site.site().join("foreign/deep/x"), "x").unwrap();
    symlink("/nowhere", site.site().join("link")).unwrap();
    site.publish(&files(&[("a", "2")])).unwrap();
    assert_eq!(site.on_disk(), files(&[("a", "2"), ("foreign/deep/x", "x"), ("link", "")]));
    assert_eq!(std::fs::read_link(site.site().join("link")).unwrap().to_str(), Some("/nowhere"));
}

#[test]
fn a_link_is_replaced_and_its_first_target_stays() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    std::fs::create_dir(site.top.join("first")).unwrap();
    std::fs::write(site.top.join("first/foreign"), "x").unwrap();
    symlink("first", site.site()).unwrap();
    for n in 1..4 {
        site.publish(&files(&[("a", &n.to_string())])).unwrap();
        assert_eq!(std::fs::read_to_string(site.site().join("a")).unwrap(), n.to_string());
        assert_eq!(std::fs::read_to_string(site.site().join("foreign")).unwrap(), "x");
        assert!(site.site().symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(crate::fixture::under(&site.top.join("first")), files(&[("foreign", "x")]));
    let made = std::fs::read_dir(&site.top).unwrap();
    let made = made
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".site.herald-"));
    assert_eq!(made.count(), 1, "earlier folders are removed");
    let swapped = site.stage(&files(&[("a", "9")])).unwrap().swap().unwrap();
    swapped.undo().unwrap().settle().unwrap();
    assert_eq!(std::fs::read_to_string(site.site().join("a")).unwrap(), "3");
}

#[test]
fn a_root_itself_is_not_exchanged() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    let root = site.site();
    let site = site.with(|target| target.roots = vec![root]);
    let error = site.publish(&files(&[("a", "1")])).unwrap_err().to_string();
    assert!(error.contains("must be below one of roots"), "{error}");
}

#[test]
fn what_others_write_meanwhile_is_kept() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    site.publish(&files(&[("a", "1"), ("same", "1"), ("sub/b", "1")])).unwrap();
    let at = |name: &str| site.site().join(name);
    // As editors do it: a new file in the place of the old one.
    let edit = |name: &str, content: &str| {
        std::fs::write(at("edited~"), content).unwrap();
        std::fs::rename(at("edited~"), at(name)).unwrap();
    };
    std::fs::create_dir(at("deep")).unwrap();
    for name in ["foreign", "removed", "deep/removed"] {
        std::fs::write(at(name), "1").unwrap();
    }
    let staged = site.stage(&files(&[("a", "2"), ("same", "1"), ("new/c", "2")])).unwrap();
    edit("foreign", "2");
    edit("same", "by hand");
    std::fs::remove_file(at("removed")).unwrap();
    std::fs::remove_dir_all(at("deep")).unwrap();
    std::fs::create_dir(at("made")).unwrap();
    std::fs::write(at("made/later"), "2").unwrap();
    let swapped = staged.swap().unwrap();
    let expected = [("a", "2"), ("foreign", "2"), ("made/later", "2"), ("new/c", "2"), ("same", "by hand")];
    assert_eq!(site.on_disk(), files(&expected));
    // The same on the way back.
    edit("foreign", "3");
    std::fs::write(at("new/later"), "3").unwrap();
    std::fs::remove_dir_all(at("made")).unwrap();
    swapped.undo().unwrap().settle().unwrap();
    let expected = [("a", "1"), ("foreign", "3"), ("new/later", "3"), ("same", "by hand"), ("sub/b", "1")];
    assert_eq!(site.on_disk(), files(&expected));
    assert!(site.leftovers().is_empty(), "{:?}", site.leftovers());
}

#[test]
fn a_file_that_is_edited_meanwhile_is_not_replaced() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path()).directory();
    site.publish(&files(&[("a", "1"), ("b", "1")])).unwrap();
    let staged = site.stage(&files(&[("a", "2"), ("b", "2")])).unwrap();
    std::fs::write(site.site().join("b"), "by hand").unwrap();
    let error = staged.swap().unwrap_err();
    assert!(error.passes_by_itself() && error.to_string().contains("by another program"), "{error}");
    assert_eq!(site.on_disk(), files(&[("a", "1"), ("b", "by hand")]));
    assert!(site.leftovers().is_empty(), "{:?}", site.leftovers());
}
