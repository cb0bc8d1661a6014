//! What was changed on a node: refused, kept, or saved and reverted; and never overwritten.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use e2e::wait::until;
use serde_json::json;

use super::fixture::{LONG, NODES, Site, check, check_all, hook};
use super::origin::{Kind, run, tree};

const LINES: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";

/// A site whose nodes have `a` and `other`; the newest revision, not deployed yet, has a `new` file.
fn changed(kind: Kind, local_changes: &str) -> (Site, String, String) {
    let hooks = json!({"before": hook("echo $HERALD_NODE >>@DIR@/hooks")});
    let site = Site::new(kind, "in_place", json!({"local_changes": local_changes, "hooks": hooks}));
    let old = site.release(&tree(&[("a", LINES), ("other", "1"), ("x", "x")]));
    let new = site.origin.commit(
        "new",
        &tree(&[("a", &LINES.replace("eight", "EIGHT")), ("other", "2"), ("x", "x"), ("new", "new")]),
    );
    fs::remove_file(site.place.path("hooks")).unwrap();
    (site, old, new)
}

fn edit(site: &Site, node: usize, name: &str, text: &str) {
    fs::write(site.path(node).join(name), text).unwrap();
}

/// Check 18: `refuse`.
#[test]
fn an_edited_file_is_refused() {
    check(&["in_place"], |kind, _| {
        let (site, old, _) = changed(kind, "refuse");
        edit(&site, 1, "x", "edited");
        let before: Vec<_> = (0..3).map(|node| site.live(node)).collect();
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("failed")), "{record}");
        let error = record["error"].as_str().unwrap();
        assert!(error.contains("n2: files were changed on this machine: x"), "{error}");
        assert_eq!((0..3).map(|node| site.live(node)).collect::<Vec<_>>(), before);
        assert_eq!(site.app()["revision"], *old);
        assert_eq!(site.place.count("hooks"), 0);
    });
}

/// Check 18: `discard`.
#[test]
fn an_edited_file_is_saved_and_reverted() {
    check(&["in_place"], |kind, _| {
        let (site, old, new) = changed(kind, "discard");
        edit(&site, 1, "a", &LINES.replace("one", "ONE"));
        let record = site.must_deploy(&[]);
        assert_eq!(site.live(1), site.origin.exported(&new));
        let patch = site.side(1).join(format!("patches/{}.patch", record["id"].as_str().unwrap()));
        let patch = fs::read_to_string(&patch).unwrap_or_else(|error| panic!("{}: {error}", patch.display()));
        assert!(patch.contains("+ONE"), "{patch}");
        // It applies to the revision that it was made of.
        site.must_deploy(&[&old]);
        let file = site.place.write("saved.patch", &patch);
        let strip = if kind == Kind::Git { "-p1" } else { "-p0" };
        run(&site.path(1), "git", &["apply", strip, file.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(site.path(1).join("a")).unwrap(), LINES.replace("one", "ONE"));
    });
}

/// Check 18: `keep`, where both can be.
#[test]
fn an_edited_file_stays_beside_the_new_revision() {
    check(&["in_place"], |kind, _| {
        let (site, _, new) = changed(kind, "keep");
        edit(&site, 1, "x", "edited");
        let record = site.must_deploy(&[]);
        assert_eq!(record["to"], *new);
        let text = |name: &str| fs::read_to_string(site.path(1).join(name)).unwrap();
        assert_eq!(
            (text("x"), text("new"), text("other")),
            ("edited".to_owned(), "new".to_owned(), "2".to_owned())
        );
        let seen = site.refreshed();
        let node = &seen["nodes"]["n2"];
        assert_eq!((&node["revision"], &node["modified"]), (&json!(new), &json!(["x"])), "{seen}");
    });
}

/// Checks 19 and 20.
#[test]
fn what_is_in_the_way_is_refused_by_the_plan() {
    check(&["in_place"], |kind, _| {
        for (name, text) in [("a", LINES.replace("eight", "other")), ("new", "mine".to_owned())] {
            let (site, ..) = changed(kind, "keep");
            edit(&site, 2, name, &text);
            let before = site.live(2);
            let (code, record) = site.deploy(&[]);
            assert_eq!((code, &record["status"]), (1, &json!("failed")), "{name} {record}");
            let error = record["error"].as_str().unwrap();
            assert!(
                error.contains(&format!("n3: the update would conflict with files of this machine: {name}")),
                "{error}"
            );
            assert_eq!(site.live(2), before, "{name}");
            assert_eq!(site.place.count("hooks"), 0, "{name}");
            assert_eq!(site.texts("other"), ["1"; 3], "{name}");
        }
    });
}

/// Check 21: an edit between plan and switch.
#[test]
fn an_edit_after_the_plan_survives() {
    check(&["in_place"], |kind, _| {
        for (local_changes, name) in [("refuse", "a"), ("keep", "a"), ("keep", "new")] {
            let once = hook("touch @DIR@/begun; while [ ! -e @DIR@/go ]; do sleep 0.05; done");
            let mut site = Site::new(kind, "in_place", json!({}));
            let old = site.release(&tree(&[("a", LINES), ("x", "x")]));
            site.configure(json!({"local_changes": local_changes, "hooks": {"once": once}}), "");
            site.origin
                .commit("new", &tree(&[("a", &LINES.replace("eight", "EIGHT")), ("new", "new"), ("x", "y")]));
            assert_eq!(site.json(&["deploy", "shop"]).0, 0);
            until("once", || site.place.path("begun").exists().then_some(()));
            edit(&site, 2, name, "mine");
            site.place.write("go", "");
            let record = site.wait_deployments(2);
            assert_eq!(record["status"], "reverted", "{local_changes} {name} {record}");
            assert_eq!(
                fs::read_to_string(site.path(2).join(name)).unwrap(),
                "mine",
                "{local_changes} {record}"
            );
            assert_eq!(site.texts("x"), ["x"; 3], "{local_changes} {name}");
            assert_eq!(site.app()["revision"], *old);
            let markers = site.live(2).into_keys().filter(|path| path.to_str().unwrap().contains(".mine"));
            assert_eq!(markers.count(), 0, "{local_changes} {name}");
        }
    });
}

/// Check 17.
#[test]
fn a_copy_that_was_there_keeps_its_uploads() {
    check(&["exchange"], |kind, mode| {
        let mut site = Site::new(kind, "in_place", json!({}));
        site.release(&tree(&[("a", "1")]));
        for node in 0..NODES.len() {
            fs::create_dir(site.path(node).join("uploads")).unwrap();
            edit(&site, node, "uploads/photo", "a photo");
            edit(&site, node, ".env", "secret");
        }
        site.mode = mode;
        site.configure(json!({"shared": ["uploads/", ".env"]}), "");
        for text in ["2", "3"] {
            site.release(&tree(&[("a", text)]));
            assert_eq!(site.texts("a"), [text; 3]);
            assert_eq!(site.texts("uploads/photo"), ["a photo"; 3]);
            assert_eq!(site.texts(".env"), ["secret"; 3]);
        }
    });
}

/// A program that has this file open.
#[expect(clippy::disallowed_methods, reason = "it needs the file as its standard input")]
fn sleep_with(file: fs::File) -> Child {
    Command::new("sleep").arg("60").stdin(Stdio::from(file)).spawn().unwrap()
}

/// Check 25: locked by a program that was killed, and by one that lives.
#[test]
fn a_copy_that_somebody_left_locked() {
    check_all(&[(Kind::Svn, "in_place")], |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        site.release(&tree(&[("a", "1")]));
        let lock = |node: usize| {
            let sql = "insert into WC_LOCK (wc_id, local_dir_relpath, locked_levels) values (1, '', -1)";
            let database = site.path(node).join(".svn/wc.db");
            let script =
                format!("import sqlite3; c = sqlite3.connect({database:?}); c.execute({sql:?}); c.commit()");
            run(&site.path(node), "python3", &["-c", &script]);
        };
        lock(0);
        let status = run(&site.path(0), "svn", &["status"]);
        assert!(status.starts_with('L'), "{status}");
        site.release(&tree(&[("a", "2")]));
        assert_eq!(site.texts("a"), ["2"; 3]);
        // One that lives has the copy's database open.
        lock(1);
        let held = fs::File::open(site.path(1).join(".svn/wc.db")).unwrap();
        let mut living = sleep_with(held);
        site.origin.commit("3", &tree(&[("a", "3")]));
        let (code, record) = site.deploy(&[]);
        assert_eq!(code, 1, "{record}");
        let sentence = format!("is in use by `sleep` (process {})", living.id());
        assert!(record["error"].as_str().unwrap().contains(&sentence), "{record}");
        assert_eq!(site.texts("a"), ["2"; 3]);
        living.kill().unwrap();
        living.wait().unwrap();
        site.must_deploy(&[]);
        assert_eq!(site.texts("a"), ["3"; 3]);
    });
}

/// Check 16: while deployments go on, a reader never misses a file, and what it reads through one opened folder is of
/// one revision.
#[test]
fn a_reader_never_sees_a_mixture() {
    check(&["releases", "exchange"], |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let revisions: Vec<String> =
            ["1", "2"].iter().map(|text| site.release(&tree(&[("a", text), ("b", text)]))).collect();
        let served = site.served(0);
        let (stop, begun) = (AtomicBool::new(false), Instant::now());
        let reads = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0_u32;
                while !stop.load(Ordering::SeqCst) && begun.elapsed() < 2 * LONG {
                    let folder = fs::File::open(&served).unwrap_or_else(|error| panic!("{error}"));
                    let here = format!("/proc/self/fd/{}", folder.as_raw_fd());
                    let text = |name: &str| fs::read_to_string(format!("{here}/{name}"));
                    match (text("a"), text("b")) {
                        (Ok(a), Ok(b)) => assert_eq!(a, b),
                        (a, b) => panic!("{a:?} {b:?}"),
                    }
                    assert!(served.join("a").exists());
                    reads += 1;
                }
                reads
            });
            for n in 0..10 {
                site.must_deploy(&[&revisions[n % 2]]);
            }
            stop.store(true, Ordering::SeqCst);
            reader.join().unwrap()
        });
        assert!(reads > 100, "{reads}");
    });
}
