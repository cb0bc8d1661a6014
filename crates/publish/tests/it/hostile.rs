//! Names, links and places that lead elsewhere.

use std::os::unix::fs::symlink;

use herald_publish::{PublishError, WantedFile, plan};

use crate::fixture::{Site, files, under};

#[test]
fn hostile_names_write_nothing() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    for name in [&b"../../x"[..], b"/x", b"a\nb", b"\xff", b"", b".herald-x", b"a/../../x"] {
        let mut request = site.request(&files(&[("good", "1")]));
        let key = "/w/h/p/config.d/?".to_owned();
        request.wanted.push(WantedFile { key, name: name.to_vec(), content: b"x".to_vec(), rewrite: false });
        let error = plan(site.ledger(), &site.claims, request).unwrap_err();
        assert!(matches!(error, PublishError::Names(_)) && !error.passes_by_itself(), "{error}");
        assert!(error.to_string().contains("\"/w/h/p/config.d/?\""), "{error}");
    }
    assert_eq!(std::fs::read_dir(&site.top).unwrap().count(), 1, "only the ledgers are there");
}

#[test]
fn links_below_the_folder_are_refused_and_links_in_a_files_place_replaced() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("victim"), "untouched").unwrap();
    std::fs::create_dir(site.site()).unwrap();
    symlink(outside.path(), site.site().join("folder")).unwrap();
    symlink(outside.path().join("victim"), site.site().join("file")).unwrap();

    for name in ["folder/x", "folder/deep/x", "folder/victim"] {
        let error = site.publish(&files(&[("file", "1"), (name, "1")])).unwrap_err();
        assert!(matches!(error, PublishError::Link(_)), "{error}");
    }
    site.publish(&files(&[("file", "1")])).unwrap();
    assert_eq!(std::fs::read_to_string(site.site().join("file")).unwrap(), "1");
    assert!(!site.site().join("file").symlink_metadata().unwrap().is_symlink());
    assert_eq!(under(outside.path()), files(&[("victim", "untouched")]));
}

#[test]
fn a_link_that_appears_meanwhile_is_not_followed() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let outside = tempfile::tempdir().unwrap();
    site.publish(&files(&[("sub/a", "1")])).unwrap();
    let staged = site.stage(&files(&[("sub/a", "2")])).unwrap();
    std::fs::rename(site.site().join("sub"), site.site().join("moved")).unwrap();
    symlink(outside.path(), site.site().join("sub")).unwrap();
    staged.swap().unwrap_err();
    assert!(under(outside.path()).is_empty());
    // Deleting does not go through it either.
    let error = site.publish(&files(&[("other", "1")])).err().map(|error| error.to_string());
    assert!(under(outside.path()).is_empty(), "{error:?}");
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    std::fs::create_dir_all(site.site().join("folder/x")).unwrap();
    std::fs::write(site.site().join("file"), "x").unwrap();
    let socket = std::os::unix::net::UnixListener::bind(site.site().join("socket")).unwrap();
    for (name, what) in [("folder", "a folder"), ("socket", "no regular file"), ("file/x", "below a file")] {
        let error = site.publish(&files(&[(name, "1")])).unwrap_err();
        assert!(matches!(error, PublishError::Occupied { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    drop(socket);
    assert_eq!(std::fs::read_to_string(site.site().join("file")).unwrap(), "x");
}

#[test]
fn folders_of_links_lead_within_the_roots() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), site.site()).unwrap();
    let error = site.publish(&files(&[("a", "1")])).unwrap_err().to_string();
    assert!(error.contains("is not within roots"), "{error}");
    std::fs::remove_file(site.site()).unwrap();
    std::fs::create_dir(site.top.join("real")).unwrap();
    symlink("real", site.site()).unwrap();
    site.publish(&files(&[("a", "1")])).unwrap();
    assert_eq!(under(&site.top.join("real")), files(&[("a", "1")]));
}
