//! What happens when all goes well, and what speaks against a deployment from the start.

use serde_json::json;

use super::fake::{Does, Fixture, outcomes};
use crate::book::DeploymentStatus;

#[tokio::test]
async fn all_prepare_before_one_switches_and_all_finish() {
    let dir = tempfile::tempdir().unwrap();
    let hook = json!({"once": {"cmd": "migrate"}});
    let fixture =
        Fixture::new(dir.path(), &json!({"hooks": hook, "strategy": {"canary": 1, "max_parallel": 2}}));
    let record = fixture.deploy("j1", &json!({"reason": "why"})).await;
    assert_eq!(
        (record.status, record.to.as_deref(), record.whole),
        (DeploymentStatus::Succeeded, Some("5"), true)
    );
    assert_eq!((record.reason.as_deref(), record.digest.as_deref()), (Some("why"), Some("d5")));
    let steps = |node: &str| record.nodes[node].steps_ms.keys().cloned().collect::<Vec<_>>().join(" ");
    let all = ["web1", "web2"].map(steps);
    assert_eq!(
        all,
        ["finish health once plan prepare switch verify", "finish health plan prepare switch verify"]
    );
    let asked = fixture.nodes.asked();
    let expected = [
        "web1 plan",
        "web2 plan",
        "web3 plan",
        "web1 prepare",
        "web2 prepare",
        "web3 prepare",
        "web1 once",
        "web1 switch",
        "web2 switch",
        "web3 switch",
        "web1 finish",
        "web2 finish",
        "web3 finish",
    ];
    assert_eq!(asked, expected);
    let view = fixture.app.view().await.unwrap();
    assert_eq!((view.revision.as_deref(), view.previous, view.running), (Some("5"), None, None));
    assert!(!dir.path().join("apps/shop/running.json").exists());
    // The same job again does nothing.
    assert_eq!(fixture.deploy("j1", &json!({})).await, record);
    assert!(fixture.nodes.asked().is_empty());
}

#[tokio::test]
async fn a_rollback_goes_to_the_last_good_one_and_marks_what_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    for (job, params, status, live) in [
        ("j1", json!({"revision": "1"}), DeploymentStatus::Succeeded, "1"),
        ("j2", json!({"revision": "2"}), DeploymentStatus::Succeeded, "2"),
        ("j3", json!({"revision": "3"}), DeploymentStatus::Succeeded, "3"),
        ("j4", json!({"action": "rollback"}), DeploymentStatus::Succeeded, "2"),
        // Twice: one further, never the bad one.
        ("j5", json!({"action": "rollback"}), DeploymentStatus::Succeeded, "1"),
        ("j6", json!({"action": "rollback"}), DeploymentStatus::Failed, "1"),
        // Nobody but a person deploys what was rolled back, or what it descends from.
        ("j7", json!({"revision": "3", "automatic": 1}), DeploymentStatus::Held, "1"),
        ("j8", json!({"revision": "2", "automatic": 1}), DeploymentStatus::Held, "1"),
        ("j9", json!({"revision": "3"}), DeploymentStatus::Succeeded, "3"),
        ("j10", json!({"action": "rollback"}), DeploymentStatus::Succeeded, "1"),
        // A descendant may come, and clears the mark.
        ("j11", json!({"revision": "4", "automatic": 1}), DeploymentStatus::Succeeded, "4"),
        ("j12", json!({"revision": "3", "automatic": 1}), DeploymentStatus::Succeeded, "3"),
    ] {
        let record = fixture.deploy(job, &params).await;
        assert_eq!(
            (record.status, fixture.live()),
            (status, vec![live.to_owned(); 3]),
            "{job}: {:?}",
            record.error
        );
    }
    let book = fixture.app.book().await.unwrap();
    assert_eq!(book.deployment("j10").unwrap().commits.len(), 2, "the commits that were taken back");
    assert!(book.deployment("j10").unwrap().backward && !book.deployment("j11").unwrap().backward);
}

#[tokio::test]
async fn what_speaks_against_it_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let freeze = json!([{"from": "wed 11:00", "to": "wed 13:00", "time_zone": "UTC"}]);
    let frozen = Fixture::new(&dir.path().join("frozen"), &json!({"freeze": freeze}));
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.deploy("j0", &json!({"revision": "2"})).await;
    fixture.nodes.asked();
    for (job, params, status, error) in [
        (
            "j1",
            json!({"nodes": ["web9"]}),
            DeploymentStatus::Failed,
            "shop is not on the node \"web9\"; it is on web1, web2, web3",
        ),
        ("j2", json!({"revision": "99"}), DeploymentStatus::Failed, "revision `99` does not exist"),
        ("j3", json!({"if_live": "3"}), DeploymentStatus::Failed, "2 is live, not 3"),
    ] {
        let record = fixture.deploy(job, &params).await;
        let said = record.error.unwrap_or_default();
        assert!(record.status == status && said.contains(error), "{job}: {said}");
    }
    fixture.app.hold("bob", "the sale", None).await.unwrap();
    for (job, params) in [("j4", json!({})), ("j5", json!({"action": "rollback", "revision": "1"}))] {
        let record = fixture.deploy(job, &params).await;
        assert_eq!(record.status, DeploymentStatus::Held);
        assert!(record.error.unwrap().contains("held by bob: the sale"));
    }
    assert!(fixture.nodes.asked().is_empty(), "no node is asked");
    // A time for people has no fractions, and its offset.
    let until: jiff::Timestamp = "2026-12-02T12:00:02.5Z".parse().unwrap();
    let for_time = Some(std::time::Duration::from_millis(2500));
    fixture.app.hold("bob", "the sale", for_time).await.unwrap();
    let held = fixture.deploy("j5b", &json!({})).await.error.unwrap();
    let shown = until.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    assert!(held.contains(&format!("held by bob until {shown}: the sale")), "{held}");
    assert_eq!(fixture.deploy("j6", &json!({"override": true})).await.status, DeploymentStatus::Succeeded);
    // A rollback passes a freeze.
    assert_eq!(frozen.deploy("f1", &json!({})).await.status, DeploymentStatus::Held);
    let rollback = json!({"action": "rollback", "revision": "1"});
    assert_eq!(frozen.deploy("f2", &rollback).await.status, DeploymentStatus::Succeeded);
}

#[tokio::test]
async fn some_nodes_alone() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.deploy("j1", &json!({"revision": "1"})).await;
    let part = fixture.deploy("j2", &json!({"revision": "2", "nodes": ["web2"]})).await;
    assert_eq!((outcomes(&part).as_str(), part.whole), ("web2 succeeded", false));
    assert_eq!(fixture.app.book().await.unwrap().revision.as_deref(), Some("1"), "not all have it");
    fixture.deploy("j3", &json!({"revision": "2", "nodes": ["web1", "web3"]})).await;
    assert_eq!(fixture.app.book().await.unwrap().revision.as_deref(), Some("2"), "now all have it");
}

#[tokio::test]
async fn nodes_that_are_offline() {
    for (offline, status, nodes) in [
        ("fail", DeploymentStatus::Failed, "web1 untouched, web2 untouched, web3 untouched"),
        ("skip", DeploymentStatus::Succeeded, "web1 succeeded, web2 skipped, web3 succeeded"),
        ("catch_up", DeploymentStatus::Succeeded, "web1 succeeded, web2 catch_up, web3 succeeded"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &json!({"strategy": {"offline": offline}}));
        fixture.nodes.script("web2 plan", Does::IsAway);
        let record = fixture.deploy("j1", &json!({})).await;
        assert_eq!((record.status, outcomes(&record).as_str()), (status, nodes), "{offline}");
        let waiting = fixture.app.to_catch_up().await.unwrap();
        let expected = if offline == "catch_up" { vec![("web2".to_owned(), "5".to_owned())] } else { vec![] };
        assert_eq!(waiting, expected, "{offline}");
    }
}

#[tokio::test]
async fn a_node_catches_up_with_what_was_rolled_back_to_also_in_a_freeze() {
    let dir = tempfile::tempdir().unwrap();
    let freeze = json!([{"from": "wed 11:00", "to": "wed 13:00", "time_zone": "UTC"}]);
    let options = json!({"strategy": {"offline": "catch_up"}, "freeze": freeze});
    let fixture = Fixture::new(dir.path(), &options);
    for (job, revision) in [("j1", "1"), ("j2", "2")] {
        fixture.deploy(job, &json!({"revision": revision, "override": true})).await;
    }
    fixture.nodes.script("web3 plan", Does::IsAway);
    fixture.deploy("j3", &json!({"action": "rollback"})).await;
    assert_eq!(fixture.app.to_catch_up().await.unwrap(), [("web3".to_owned(), "1".to_owned())]);
    fixture.nodes.script.lock().unwrap().clear();
    let late = fixture.deploy("j4", &json!({"revision": "1", "nodes": ["web3"], "automatic": 1})).await;
    assert_eq!((late.status, fixture.live()), (DeploymentStatus::Succeeded, vec!["1".to_owned(); 3]));
    assert!(fixture.app.to_catch_up().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_rollback_does_not_go_to_what_is_live_when_a_node_was_away() {
    // What a node does in the deployment of 2, of 3, and in the rollback; what is live then, and the revisions that
    // are bad. Nobody is sent back further since a node was away, and what such a node had is not bad.
    for (offline, second, third, back, live, bad) in [
        ("catch_up", true, false, true, ["2", "2", "2"], "3"),
        ("skip", true, false, true, ["2", "2", "2"], "3"),
        ("skip", false, false, true, ["2", "2", "2"], "3"),
        ("catch_up", true, true, false, ["2", "3", "2"], "3"),
        ("skip", true, false, false, ["2", "2", "2"], "3"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &json!({"strategy": {"offline": offline}}));
        let there = |is_there: bool| match is_there {
            true => drop(fixture.nodes.script.lock().unwrap().remove("web2 plan")),
            false => fixture.nodes.script("web2 plan", Does::IsAway),
        };
        for (job, revision, is_there) in [("j1", "1", true), ("j2", "2", second), ("j3", "3", third)] {
            there(is_there);
            fixture.deploy(job, &json!({"revision": revision})).await;
        }
        let case = (offline, second, third, back);
        assert_eq!(fixture.app.view().await.unwrap().previous.as_deref(), Some("2"), "{case:?}");
        there(back);
        let record = fixture.deploy("j4", &json!({"action": "rollback"})).await;
        assert_eq!((record.from.as_deref(), record.to.as_deref()), (Some("3"), Some("2")), "{case:?}");
        assert_eq!(
            (record.status, fixture.live()),
            (DeploymentStatus::Succeeded, live.map(str::to_owned).to_vec())
        );
        let book = fixture.app.book().await.unwrap();
        let marked: Vec<&str> = book.bad.iter().map(|bad| &*bad.revision).collect();
        assert_eq!(marked, [bad], "{case:?}");
        assert_eq!(book.rollback_target(&["web1", "web2", "web3"]), Some("1"), "{case:?}");
        let held = fixture.deploy("j5", &json!({"revision": "3", "automatic": 1})).await;
        assert_eq!(held.status, DeploymentStatus::Held, "{case:?}");
    }
}

#[tokio::test]
async fn what_is_left_is_bad_also_when_no_node_that_had_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let fixture =
        Fixture::new(dir.path(), &json!({"strategy": {"offline": "catch_up"}, "nodes": ["web1", "web2"]}));
    for (job, away, params) in [
        ("j1", None, json!({"revision": "1"})),
        ("j2", Some("web2 plan"), json!({"revision": "2"})),
        ("j3", Some("web1 plan"), json!({"action": "rollback"})),
    ] {
        fixture.nodes.script.lock().unwrap().clear();
        if let Some(away) = away {
            fixture.nodes.script(away, Does::IsAway);
        }
        let record = fixture.deploy(job, &params).await;
        assert_eq!(record.status, DeploymentStatus::Succeeded, "{job}: {:?}", record.error);
    }
    let book = fixture.app.book().await.unwrap();
    assert!(book.is_bad("2") && book.revision.as_deref() == Some("1"), "{book:?}");
    assert_eq!(fixture.app.to_catch_up().await.unwrap(), [("web1".to_owned(), "1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_node_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({"strategy": {"offline": "wait"}}));
    fixture.nodes.script("web2 plan", Does::IsAway);
    let back = async {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        fixture.nodes.script.lock().unwrap().clear();
    };
    let (params, ()) = (json!({}), ());
    let (record, ()) = tokio::join!(fixture.deploy("j1", &params), back);
    assert_eq!(record.status, DeploymentStatus::Succeeded);
}
