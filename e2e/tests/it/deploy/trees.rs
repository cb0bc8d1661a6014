//! What is on the nodes after a deployment is what the repository has, byte by byte.

use std::path::PathBuf;

use e2e::wait::until;
use serde_json::{Value, json};

use super::fixture::{MODES, NODES, SOME, Site, check, check_some, hook};
use super::origin::{Entry, Kind, Tree, run, tree};

/// Odd names, programs, links, and bytes that are no text.
fn odd_tree() -> Tree {
    let mut entries = tree(&[
        ("größe.txt", "umlauts\n"),
        ("a@2x.png", "at"),
        ("dir@2x/file", "a folder with an at"),
        ("-x", "a dash"),
        ("--config-dir=x", "two dashes"),
        ("with spaces/and  more .txt", "spaces"),
        ("quote\"and'and$HOME", "quotes"),
        ("empty", ""),
        ("line endings", "one\r\ntwo\n"),
    ]);
    let long = format!("{}.txt", "x".repeat(251));
    entries.extend(tree(&[(&long, "255 bytes")]));
    let file = |bytes: &[u8], mode| Entry::File { bytes: bytes.to_vec(), mode };
    entries.insert(PathBuf::from("bin/run"), file(b"#!/bin/sh\necho run\n", 0o755));
    entries.insert(PathBuf::from("image"), file(&[0, 159, 146, 150, 255, 10, 13, 0], 0o644));
    entries.insert(PathBuf::from("link"), Entry::Link(PathBuf::from("bin/run")));
    entries.insert(PathBuf::from("dangling"), Entry::Link(PathBuf::from("no/such/file")));
    entries
}

/// Checks 1 and 39.
#[test]
fn every_tree_is_what_the_repository_gives_out() {
    check(&MODES, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        for (n, entries) in
            [odd_tree(), tree(&[("größe.txt", "other"), ("new/file", "1")])].iter().enumerate()
        {
            let revision = site.origin.commit("odd", entries);
            let record = site.must_deploy(&[]);
            let expected = site.origin.exported(&revision);
            assert_eq!(expected.len(), entries.len(), "the repository has everything");
            for (node, name) in NODES.iter().enumerate() {
                assert_eq!(site.live(node), expected, "{kind:?} {mode} {name}");
            }
            assert_eq!(record["to"], *revision);
            let to: Vec<&Value> = NODES.iter().map(|node| &record["nodes"][node]["to"]).collect();
            assert_eq!(to, vec![&json!(revision); 3], "{record}");
            assert_eq!((&record["app"], &record["action"]), (&json!("shop"), &json!("deploy")));
            let app = site.refreshed();
            for node in NODES {
                let seen = &app["nodes"][node];
                assert_eq!(
                    (&seen["revision"], &seen["state"]),
                    (&json!(revision), &json!("in_sync")),
                    "{n} {app}"
                );
            }
        }
    });
}

/// Check 2: what is pushed while a node is in a hook is not what any node gets.
#[test]
fn a_push_in_the_middle_goes_to_no_node() {
    check_some(&SOME, |kind, mode| {
        let before = hook(
            "if [ $HERALD_NODE = n1 ]; then touch @DIR@/begun; while [ ! -e @DIR@/go ]; do sleep 0.05; done; fi",
        );
        let site = Site::new(kind, mode, json!({"hooks": {"before": before}}));
        let first = site.origin.commit("first", &tree(&[("a", "1")]));
        let (code, accepted) = site.json(&["deploy", "shop"]);
        assert_eq!((code, &accepted["revision"]), (0, &json!(first)), "{accepted}");
        until("the hook", || site.place.path("begun").exists().then_some(()));
        site.origin.commit("second", &tree(&[("a", "2")]));
        site.place.write("go", "");
        let record = site.wait_deployments(1);
        assert_eq!((&record["status"], &record["to"]), (&json!("succeeded"), &json!(first)), "{record}");
        assert_eq!(site.texts("a"), ["1", "1", "1"]);
    });
}

/// Check 41: submodules and externals.
#[test]
fn submodules_and_externals() {
    check(&MODES, |kind, mode| if kind == Kind::Git { submodules(mode) } else { externals(mode) });
}

fn submodules(mode: &'static str) {
    let mut site = Site::prepared(Kind::Git, mode);
    let module = site.place.path("module");
    std::fs::create_dir(&module).unwrap();
    run(&module, "git", &["init", "-q", "-b", "main"]);
    site.place.write("module/lib", "lib");
    run(&module, "git", &["add", "-A"]);
    run(&module, "git", &["commit", "-q", "-m", "lib"]);
    let copy = site.origin.copy.clone();
    let add = |url: &str, path: &str| {
        let allowed = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add"];
        run(&copy, "git", &[&allowed[..], &[url, path]].concat());
        run(&copy, "git", &["commit", "-q", "-m", path]);
        run(&copy, "git", &["push", "-q", "origin", "HEAD:main"]);
    };
    add("../module", "vendor/lib");
    // What is newer in the module is not what the commit names.
    site.place.write("module/lib", "newer");
    run(&module, "git", &["commit", "-q", "-a", "-m", "newer"]);
    site.configure(json!({"submodules": true}), "");
    site.must_deploy(&[]);
    assert_eq!(site.texts("vendor/lib/lib"), ["lib", "lib", "lib"], "{mode}");
    // A folder of this machine that is named by its whole path is nothing a repository may choose.
    add(module.to_str().unwrap(), "vendor/other");
    let (code, record) = site.deploy(&[]);
    // A live tree that is deployed in place is put back as it was.
    let status = if mode == "in_place" { "reverted" } else { "failed" };
    assert_eq!((code, &record["status"]), (1, &json!(status)), "{record}");
    assert!(record["error"].as_str().unwrap().contains("submodule"), "{record}");
}

fn externals(mode: &'static str) {
    let mut site = Site::new(Kind::Svn, mode, json!({}));
    site.release(&tree(&[("a", "1"), ("lib/x", "x")]));
    let copy = site.origin.copy.clone();
    let external = |to: &str| {
        run(&copy, "svn", &["propset", "-q", "svn:externals", to, "."]);
        site.origin.commit_svn(to)
    };
    external("^/trunk/lib vendor");
    site.must_deploy(&[]);
    assert_eq!(site.texts("vendor/x"), ["x", "x", "x"], "{mode}");
    let missing = external("^/trunk/missing vendor");
    let (code, record) = site.deploy(&[]);
    assert_eq!((code, &record["status"]), (1, &json!("failed")), "{record}");
    assert!(record["error"].as_str().unwrap().contains("externals: ignore"), "{record}");
    assert_eq!(site.texts("vendor/x"), ["x", "x", "x"], "{mode}");
    site.configure(json!({"externals": "ignore"}), "");
    assert_eq!(site.must_deploy(&[])["to"], *missing, "{mode}");
}
