//! Rollbacks: from the records, to what was good on all nodes, and never to what was rolled back.

use std::fs;

use serde_json::json;

use super::fixture::{MODES, OTHERS, Site, check, check_some, hook};
use super::origin::{Kind, tree};

fn commit(site: &Site, n: usize) -> String {
    site.origin.commit(&format!("commit {n}"), &tree(&[("a", &n.to_string())]))
}

/// Check 3.
#[test]
fn a_rollback_goes_one_further_each_time() {
    check(&MODES, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let good: Vec<String> = (1..=3)
            .map(|n| {
                let revision = commit(&site, n);
                site.must_deploy(&[]);
                revision
            })
            .collect();
        assert_eq!(site.app()["previous"], *good[1]);
        for n in [1, 0] {
            let (code, record) = site.rollback(&["--reason", "it is slow"]);
            assert_eq!(
                (code, &record["to"], &record["action"]),
                (0, &json!(good[n]), &json!("rollback")),
                "{record}"
            );
            assert_eq!((&record["reason"], &record["backward"]), (&json!("it is slow"), &json!(true)));
            let text = (n + 1).to_string();
            assert_eq!(site.texts("a"), vec![text; 3], "{record}");
        }
        let before: Vec<_> = (0..3).map(|node| site.stamps(node)).collect();
        let (code, said) = site.rollback(&[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.to_string().contains("no other deployment that was good"), "{said}");
        let after: Vec<_> = (0..3).map(|node| site.stamps(node)).collect();
        assert_eq!(after, before);
        assert_eq!(site.deployments().len(), 5);
    });
}

/// Check 4.
#[test]
fn failed_deployments_are_nothing_to_go_back_to() {
    check_some(&OTHERS, |kind, mode| {
        let health =
            json!({"cmd": "sh", "arg": ["-c", "! grep -q bad \"$HERALD_PATH/health\""], "within": "1s"});
        let site = Site::new(kind, mode, json!({"health": health}));
        let commit = |text: &str| {
            site.origin.commit(
                text,
                &tree(&[("a", text), ("health", if text.starts_with('b') { "bad" } else { "good" })]),
            )
        };
        let first = commit("first");
        site.must_deploy(&[]);
        for name in ["b1", "b2"] {
            commit(name);
            let (code, record) = site.deploy(&[]);
            assert_eq!((code, &record["status"]), (1, &json!("reverted")), "{record}");
            assert_eq!(site.texts("a"), ["first"; 3]);
        }
        assert_eq!(site.app()["revision"], *first);
        let second = commit("second");
        site.must_deploy(&[]);
        assert_eq!(site.app()["previous"], *first);
        let (code, record) = site.rollback(&[]);
        assert_eq!((code, &record["from"], &record["to"]), (0, &json!(second), &json!(first)), "{record}");
        assert_eq!(site.texts("a"), ["first"; 3]);
    });
}

/// Checks 5 and 42.
#[test]
fn chosen_revisions_and_what_is_kept() {
    check(&MODES, |kind, mode| {
        let after = hook("[ ! -e @DIR@/broken ] || [ $HERALD_ACTION = revert ]");
        let mut site = Site::new(kind, mode, json!({"keep": 2, "hooks": {"after": after}}));
        let mut all = Vec::new();
        for n in 1..=5 {
            all.push(commit(&site, n));
            if n == 3 {
                site.place.write("broken", "");
                assert_eq!(site.deploy(&[]).0, 1);
                fs::remove_file(site.place.path("broken")).unwrap();
            } else {
                site.must_deploy(&[]);
            }
        }
        for node in 0..3 {
            let trees = match mode {
                "in_place" => continue,
                "releases" => fs::read_dir(site.path(node).join("releases")).unwrap().count(),
                // The live one is PATH itself.
                _ => fs::read_dir(site.side(node).join("trees")).unwrap().count() + 1,
            };
            assert_eq!(trees, 2, "{:?}", site.stamps(node));
        }
        // What is no longer on the nodes is fetched again (Git's mirror has it), and without a server that fails before
        // anything is changed.
        site.origin.vanish();
        if kind == Kind::Svn {
            let (code, record) = site.rollback(&[&all[0]]);
            assert_eq!(code, 1, "{record}");
            assert_eq!(site.texts("a"), ["5"; 3]);
        }
        // What is kept needs no server.
        if mode != "in_place" {
            let (code, record) = site.rollback(&[&all[3]]);
            assert_eq!((code, &record["to"]), (0, &json!(all[3])), "{record}");
            assert_eq!(site.texts("a"), ["4"; 3]);
        }
        site.origin.appear();
        let (code, record) = site.rollback(&[&all[0]]);
        assert_eq!((code, &record["to"]), (0, &json!(all[0])), "{record}");
        assert_eq!(site.texts("a"), ["1"; 3]);
    });
}
