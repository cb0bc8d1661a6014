//! A node that was away comes back with a deployment that is not finished there.

use herald_remote::RunnerFailureKind::{Failed, Lost};
use serde_json::json;

use super::fake::{Does, Fixture, outcomes};

/// Asks `web1` what is live, which has this deployment; what it is asked then, and the id of the job that settles it.
async fn looked_at(fixture: &Fixture, deployment: &str) -> (Vec<String>, String) {
    let status = json!({"revision": "4", "modified": [], "deployment": deployment});
    fixture.nodes.script("web1 status", Does::Plans(status));
    fixture.nodes.asked();
    fixture.app.look(&["web1".to_owned()]).await.unwrap();
    let settled = fixture.nodes.jobs.lock().unwrap().iter().rev().nth(1).cloned().unwrap();
    (fixture.nodes.asked(), settled)
}

#[tokio::test(start_paused = true)]
async fn what_succeeded_on_it_is_confirmed_and_everything_else_reverted() {
    let one = json!({"revision": "4", "nodes": ["web1"]});
    let all = json!({"revision": "4"});
    for (params, fails, ended, settles) in [
        // The node does not know of its end: it is recorded as succeeded, and 3 stays the revision.
        (&one, vec![("web1 finish", Does::Fails(Failed, "away"))], "web1 succeeded", "web1 finish"),
        (
            &all,
            vec![("web1 finish", Does::Fails(Failed, "away"))],
            "web1 succeeded, web2 succeeded, web3 succeeded",
            "web1 finish",
        ),
        (
            &all,
            vec![("web1 switch", Does::Fails(Lost, "gone")), ("web1 revert", Does::IsAway)],
            "web1 unknown, web2 untouched, web3 untouched",
            "web1 revert",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &json!({}));
        fixture.deploy("j1", &json!({"revision": "3"})).await;
        for (step, does) in fails {
            fixture.nodes.script(step, does);
        }
        let record = fixture.deploy("j2", params).await;
        assert_eq!(outcomes(&record), ended);
        let (asked, settled) = looked_at(&fixture, "j2").await;
        // It is asked again, so that what is shown is what is live then.
        assert_eq!(asked, ["web1 status", settles, "web1 status"]);
        // A runner runs nothing twice that has the same name: what failed is tried again under another one.
        let step = settles.strip_prefix("web1 ").unwrap();
        assert_eq!(settled, format!("j2.{step}-late-1796212800000"));
        let unknown = fixture.app.book().await.unwrap().node("web1").unfinished.is_some();
        assert_eq!(unknown, ended.contains("unknown"), "{ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_recorded_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.deploy("j1", &json!({"revision": "3"})).await;
    // The daemon was killed, and its job has not gone on yet; or another daemon deploys there.
    let (asked, _) = looked_at(&fixture, "j2").await;
    assert_eq!(asked, ["web1 status"]);
}
