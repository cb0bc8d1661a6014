//! Contents of earlier publications.

use crate::fixture::{Site, files};

#[test]
fn the_last_twenty_can_be_restored() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let large = "x".repeat(5_000);
    let mut published = Vec::new();
    for n in 0..25 {
        let wanted = files(&[("constant", &large), ("changing", &n.to_string()), ("sub/empty", "")]);
        let done = site.publish(&wanted).unwrap();
        published.push((done.ledger.data().publications.last().unwrap().publication.clone(), wanted));
    }
    let ledger = site.ledger();
    assert_eq!(ledger.data().publications.len(), 20);
    for (publication, wanted) in &published[5..] {
        let kept = ledger.contents_of(publication).unwrap();
        let kept = kept
            .into_iter()
            .map(|file| (String::from_utf8(file.name).unwrap(), String::from_utf8(file.content).unwrap()));
        assert_eq!(&kept.collect::<crate::fixture::Files>(), wanted);
    }
    let newest = &published[24].0;
    assert_eq!(ledger.kept(&newest[newest.len() - 8..]).unwrap(), newest);
    for (part, expected) in
        [(&newest[..4], "several publications"), ("xyz", "are not kept"), ("", "are not kept")]
    {
        let error = ledger.kept(part).unwrap_err().to_string();
        assert!(error.contains(expected), "{part}: {error}");
    }
    assert_eq!(ledger.kept("last").unwrap(), newest);
    let error = ledger.kept("xyz").unwrap_err().to_string();
    let listed = published[22..].iter().rev().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
    assert!(error.ends_with(&format!("kept are: {listed}, and 17 older ones")), "{error}");
    let error = ledger.contents_of(&published[4].0).unwrap_err().to_string();
    assert!(error.contains("are not kept; kept are: "), "{error}");
    // What does not change is kept once.
    let mut size = 0;
    let projects = std::fs::read_dir(site.top.join("ledgers")).unwrap();
    for entry in
        projects.flat_map(|project| std::fs::read_dir(project.unwrap().path().join("contents")).unwrap())
    {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".pack") {
            size += entry.metadata().unwrap().len();
        }
    }
    assert!(size < 6_000, "{size}");
}

/// The state is restored from a backup that was made while a publication ran which has ended since.
#[test]
fn what_was_published_since_the_ledger_was_copied_stays() {
    for kind in ["files", "directory", "link", "new"] {
        for after_swap in [false, true] {
            let case = format!("{kind}, copied after the swap: {after_swap}");
            let top = tempfile::tempdir().unwrap();
            let site = || {
                let site = Site::new(top.path()).with(|target| target.backup.on_replace = true);
                if kind == "files" { site } else { site.directory() }
            };
            let now = site();
            if kind == "link" {
                std::fs::create_dir(now.top.join("real")).unwrap();
                std::os::unix::fs::symlink("real", now.site()).unwrap();
            }
            if kind != "new" {
                now.publish(&files(&[("a", "1"), ("gone", "1")])).unwrap();
            }
            let wanted = files(&[("a", "2"), ("sub/b", "2")]);
            let (ledgers, copied) = (now.top.join("ledgers"), now.top.join("copied"));
            let copy = |from: &std::path::Path, to: &std::path::Path| {
                let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status();
                assert!(copied.unwrap().success());
            };
            let staged = now.stage(&wanted).unwrap();
            if !after_swap {
                copy(&ledgers, &copied);
            }
            let swapped = staged.swap().unwrap();
            if after_swap {
                copy(&ledgers, &copied);
            }
            swapped.finish(serde_json::Value::Null).unwrap();
            let backups = now.backups();
            std::fs::remove_dir_all(&ledgers).unwrap();
            copy(&copied, &ledgers);
            std::fs::remove_dir_all(&copied).unwrap();

            let site = site();
            assert_eq!(site.recover(), if after_swap { "swapped" } else { "clean" }, "{case}");
            assert_eq!(site.on_disk(), wanted, "{case}");
            assert_eq!(site.backups(), backups, "{case}");
            let planned = site.plan(&wanted).unwrap();
            assert!(planned.changes().is_empty(), "{case}");
            planned.adopt(serde_json::Value::Null).unwrap();
            let next = files(&[("a", "3")]);
            site.publish(&next).unwrap();
            assert_eq!(site.on_disk(), next, "{case}");
        }
    }
}
