//! `once` of a working copy: there is no new tree before the switch, so that the first node is updated for it.

use std::sync::Arc;
use std::time::Duration;

use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_remote::RunnerFailureKind;
use serde_json::{Value, json};

use super::fake::{Does, Fixture, outcomes};
use crate::book::DeploymentStatus;

fn in_place(on_failure: &str) -> Value {
    json!({"mode": "in_place", "hooks": {"once": {"cmd": "migrate"}}, "on_failure": on_failure,
        "strategy": {"max_parallel": 3}})
}

/// What the nodes are asked from `once` on.
fn from_once(asked: &[String]) -> Vec<&str> {
    asked.iter().map(String::as_str).skip_while(|step| !step.contains("once")).collect()
}

#[tokio::test]
async fn the_first_node_is_updated_and_goes_on_alone() {
    use DeploymentStatus::{Partial, Reverted, Succeeded};
    let all = "web1 succeeded, web2 succeeded, web3 succeeded";
    let first = "web1 reverted, web2 untouched, web3 untouched";
    // The step that fails, what happens then, and what comes of it: nobody else switches unless `once` has run.
    for (step, on_failure, status, nodes) in [
        ("", "rollback", Succeeded, all),
        ("web1 once", "rollback", Reverted, first),
        ("web1 once", "stop", Reverted, first),
        ("web1 once", "continue", Reverted, first),
        ("web1 switch", "rollback", Reverted, first),
        ("web1 switch", "continue", Partial, "web1 reverted, web2 succeeded, web3 succeeded"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &in_place(on_failure));
        fixture.nodes.script(step, Does::Fails(RunnerFailureKind::Failed, "hook `once` failed"));
        let record = fixture.deploy("j1", &json!({})).await;
        assert_eq!((record.status, outcomes(&record).as_str()), (status, nodes), "{step} {on_failure}");
        let asked = fixture.nodes.asked();
        let steps = from_once(&asked);
        let expected = if step == "web1 once" { "web1 revert" } else { "web1 switch" };
        assert_eq!(steps[..2], ["web1 once", expected], "{step} {on_failure}");
        if nodes == first {
            let of_others = asked.iter().find(|step| step.ends_with("switch") && !step.starts_with("web1"));
            assert_eq!(of_others, None, "{step} {on_failure}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_daemon_runs_it_no_second_time() {
    use DeploymentStatus::{Reverted, Succeeded};
    let sent = "j1";
    // The step in which the daemon is killed, whether its node knows it, what the node says of itself, what is asked
    // then, and the end.
    for (step, is_known, status, expected, end) in [
        ("web1 once", true, json!({}), vec!["web1 once joined", "web1 switch"], Succeeded),
        ("web1 switch", true, json!({}), vec!["web1 switch joined", "web2 switch"], Succeeded),
        // It never came, and nothing of it was begun.
        (
            "web1 once",
            false,
            json!({"deployment": sent, "phase": "prepared"}),
            vec!["web1 once joined", "web1 status", "web1 once", "web1 switch"],
            Succeeded,
        ),
        (
            "web1 switch",
            false,
            json!({"deployment": sent, "phase": "switched", "is_updated": true}),
            vec!["web1 switch joined", "web1 status", "web1 switch", "web2 switch"],
            Succeeded,
        ),
        // It may have run.
        (
            "web1 once",
            false,
            json!({"deployment": sent, "phase": "switched"}),
            vec!["web1 once joined", "web1 status", "web1 revert"],
            Reverted,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &in_place("rollback"));
        fixture.nodes.script(step, Does::Hangs);
        let request = Fixture::request(sent, &json!({}));
        let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
        assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err(), "{step}");
        fixture.nodes.script.lock().unwrap().clear();
        if !is_known {
            fixture.nodes.script(step, Does::IsUnknown);
            fixture.nodes.script("web1 status", Does::Plans(status));
        }
        fixture.nodes.asked();
        let Fixture { nodes, source, .. } = fixture;
        let next = Fixture::with(dir.path(), &in_place("rollback"), nodes, source);
        let record = next.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap();
        let asked = next.nodes.asked();
        assert_eq!(asked[..expected.len()], expected, "{step} {is_known}");
        assert_eq!(record.status, end, "{step} {is_known}: {:?}", record.error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_was_updated_goes_back_when_it_is_cancelled() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &in_place("stop"));
    fixture.nodes.script("web1 once", Does::Takes(Duration::from_secs(10)));
    let stop = Stop::new();
    let deploy = fixture.app.deploy(Fixture::request("j1", &json!({})), stop.clone(), Arc::new(NoOutput));
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        stop.asked.cancel();
    };
    let (record, ()) = tokio::join!(deploy, cancel);
    let record = record.unwrap();
    let asked = fixture.nodes.asked();
    assert_eq!(from_once(&asked)[..2], ["web1 once", "web1 revert"]);
    assert_eq!(record.status, DeploymentStatus::Cancelled);
    assert_eq!(outcomes(&record), "web1 reverted, web2 untouched, web3 untouched");
}
