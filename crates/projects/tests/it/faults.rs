//! What etcd and the names in it can do to a publication.

use e2e::etcd::EtcdChange;
use herald_projects::ProjectState;
use serde_json::json;

use crate::site::{Site, ended};

/// A project with four files, and commands.
async fn published(site: &Site) {
    fill(site, &[0, 1, 2, 3]);
    site.publish("p").await.unwrap();
    assert_eq!(site.ran(), ["after"]);
}

fn fill(site: &Site, files: &[u32]) {
    site.policy("p", &json!({"afterCmd": site.noting("after"), "callback": "http://127.0.0.1:1/"}));
    files.iter().for_each(|n| site.put(&format!("p/config.d/f{n}"), "1"));
}

fn is_whole(site: &Site) -> bool {
    (0..4).all(|n| site.read(&format!("p/f{n}")).as_deref() == Some("1"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_etcd_empties_nothing() {
    // How many other keys were written since: none, or enough to pass the revision that was seen.
    for (others, refilled) in [(0, &[][..]), (0, &[0, 1]), (40, &[]), (40, &[0, 1])] {
        let case = format!("{others} other keys, {refilled:?}");
        let mut site = Site::new();
        published(&site).await;
        site.server.kill();
        site.server.wipe();
        site.server.start_again();
        (0..others).for_each(|n| site.server.put_bytes("/elsewhere", n.to_string().as_bytes()));
        if !refilled.is_empty() {
            fill(&site, refilled);
        }
        // Whether or not heraldd was down.
        for restarts in [false, true] {
            if restarts {
                site.restart();
            }
            for (reason, is_first) in [("change", !restarts), ("resync", false), ("force", false)] {
                let (state, error, is_reported) = ended(&site.publish_as("p", reason, &json!({})).await);
                assert!(
                    state == "held" && error.starts_with("held: etcd was wiped or restored"),
                    "{case}: {error}"
                );
                assert_eq!(is_reported, is_first, "{case} {reason}: one report");
                assert_eq!(site.standing("p"), (ProjectState::Held, false), "{case}");
                assert!(is_whole(&site) && site.ran().is_empty(), "{case}");
            }
            // From now on etcd itself cannot show it any more.
            let range = herald_etcd::KeyRange::prefix(*b"/");
            let now = crate::site::connection(&site.server.url()).client.point(&range).await.unwrap();
            let _ = site.server.ctl(&["compaction", &(now.revision).to_string()]);
            site.server.put_bytes("/elsewhere", b"after the compaction");
        }
        // The keys return.
        fill(&site, &[0, 1, 2, 3]);
        assert_eq!(ended(&site.publish("p").await), ("in_sync".to_owned(), String::new(), false), "{case}");
        site.put("p/config.d/f0", "2");
        site.publish("p").await.unwrap();
        assert_eq!(
            (site.read("p/f0").as_deref(), site.ran()),
            (Some("2"), vec!["after".to_owned()]),
            "{case}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_etcd_is_accepted_or_followed() {
    for (on_reset, reason, more) in
        [("hold", "manual", json!({"accept": true})), ("follow", "change", json!({}))]
    {
        let mut site = Site::with(json!({"on_reset": on_reset}));
        published(&site).await;
        site.server.kill();
        site.server.wipe();
        site.server.start_again();
        fill(&site, &[0]);
        site.publish_as("p", reason, &more).await.unwrap();
        assert_eq!((site.read("p/f0").as_deref(), site.read("p/f1")), (Some("1"), None), "{on_reset}");
        assert_eq!((site.backups("p").len(), site.ran()), (3, vec!["after".to_owned()]), "{on_reset}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_etcd_is_not_accepted_by_force() {
    let mut site = Site::new();
    published(&site).await;
    site.server.kill();
    site.server.wipe();
    site.server.start_again();
    // Before and after a job that found it.
    for times in 1..=2 {
        let (state, error, is_reported) =
            ended(&site.publish_as("p", "manual", &json!({"force": true, "accept": false})).await);
        assert!(state == "held" && error.contains("--accept"), "{times}: {state} {error}");
        assert_eq!(is_reported, times == 1, "one report");
        assert!(is_whole(&site) && site.ran().is_empty(), "{times}");
        site.restart();
    }
    // Both together do both: what etcd has, whole.
    fill(&site, &[0]);
    let both = json!({"force": true, "accept": true});
    let done = site.publish_as("p", "manual", &both).await.unwrap();
    assert_eq!(done["files"].as_array().unwrap().len(), 4, "one written again, three deleted");
    assert_eq!((site.read("p/f0").as_deref(), site.read("p/f1")), (Some("1"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_knows_that_a_project_would_be_held() {
    for on_reset in ["hold", "follow"] {
        let mut site = Site::with(json!({"on_reset": on_reset}));
        published(&site).await;
        assert_eq!(site.preview("p").await, (vec![], None));
        site.server.kill();
        site.server.wipe();
        site.server.start_again();
        fill(&site, &[0, 1]);
        // Before and after a job that found it.
        for times in 1..=2 {
            let (files, held) = site.preview("p").await;
            assert_eq!(files, ["delete f2", "delete f3"], "{on_reset} {times}");
            if on_reset == "follow" {
                assert_eq!(held, None);
                continue;
            }
            let (state, error, _) = ended(&site.publish_as("p", "manual", &json!({})).await);
            assert_eq!((state.as_str(), Some(error)), ("held", held), "{times}: what the job says");
        }
        if on_reset == "hold" {
            fill(&site, &[0, 1, 2, 3]);
            assert_eq!(site.preview("p").await, (vec![], None), "the keys are back");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_fail_their_project_alone() {
    let site = Site::new();
    published(&site).await;
    site.policy("q", &json!({}));
    site.put("q/config.d/x", "1");
    let long = "n".repeat(256);
    for name in [
        &b"../../x"[..],
        b"..",
        b".",
        b"/x",
        b"a//b",
        b"a\nb",
        b"\xff",
        b"a\0b",
        b".herald-x",
        long.as_bytes(),
    ] {
        let key = [Site::key("p/config.d/").as_bytes(), name].concat();
        put_bytes(&site, &key, b"evil").await;
        let (state, error, _) = ended(&site.publish("p").await);
        let shown = herald_etcd::shown_key(&key);
        // Long ones are shortened.
        let start = shown.trim_matches('"').split('…').next().unwrap();
        assert!(!error.contains("\\\\"), "escaped once: {error}");
        assert!(state == "failed" && error.contains(start), "{shown}: {error}");
        assert!(is_whole(&site), "{shown}");
        assert_eq!(site.standing("p"), (ProjectState::Failed, false), "{shown}");
        site.publish("q").await.unwrap();
        delete_bytes(&site, &key).await;
        assert_eq!(ended(&site.publish("p").await).0, "in_sync", "{shown}");
    }
    assert!(!site.top.join("x").exists() && !site.top.parent().unwrap().join("x").exists());
    // A marker of a folder is not a file, and not a mistake.
    for marker in ["p/config.d/", "p/config.d/sub/"] {
        site.put(marker, "");
        assert_eq!(ended(&site.publish("p").await).0, "in_sync", "{marker}");
    }
}

async fn put_bytes(site: &Site, key: &[u8], value: &[u8]) {
    let put = herald_etcd::PutRequest { key: key.to_vec(), value: value.to_vec(), lease: 0 };
    crate::site::connection(&site.server.url()).client.put(&put).await.unwrap();
}

async fn delete_bytes(site: &Site, key: &[u8]) {
    let range = herald_etcd::KeyRange::key(key);
    crate::site::connection(&site.server.url()).client.delete(&range).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_two_keys_is_refused_and_who_was_first_keeps_it() {
    let site = Site::with(json!({"nested": "flatten"}));
    published(&site).await;
    site.put("p/config.d/sub/f0", "2");
    let (state, error, _) = ended(&site.publish("p").await);
    assert!(
        state == "failed" && error.contains("config.d/sub/f0") && error.contains("config.d/f0"),
        "{error}"
    );
    assert!(is_whole(&site));
    site.delete("p/config.d/sub/f0");
    site.policy("q", &json!({"deployPath": site.top.join("p")}));
    site.put("q/config.d/f0", "of another");
    let (state, error, _) = ended(&site.publish("q").await);
    assert!(state == "failed" && error.contains("/w/h/p/config.d/f0"), "{error}");
    assert!(is_whole(&site));
    // Also after a restart, and until the first one lets go of it.
    let mut site = site;
    site.restart();
    assert_eq!(ended(&site.publish("q").await).0, "failed");
    site.delete("p/config.d/f0");
    site.publish("p").await.unwrap();
    site.publish("q").await.unwrap();
    assert_eq!(site.read("p/f0").as_deref(), Some("of another"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_by_itself_is_to_be_tried_again() {
    let mut site = Site::new();
    published(&site).await;
    site.server.stop();
    let (state, _, is_reported) = ended(&site.publish("p").await);
    assert_eq!(
        (state.as_str(), is_reported, site.standing("p")),
        ("failed", false, (ProjectState::Failed, true))
    );
    assert!(is_whole(&site));
    site.server.start_again();
    let changes =
        ["f0", "f1"].map(|name| EtcdChange { key: Site::key(&format!("p/config.d/{name}")), value: None });
    site.server.change_all(&changes);
    site.publish_as("p", "resync", &json!({})).await.unwrap();
    assert_eq!((site.read("p/f0"), site.read("p/f2").as_deref()), (None, Some("1")));
    assert_eq!(site.ran(), ["after"], "one publication");
    assert_eq!(site.standing("p"), (ProjectState::InSync, false));
}
