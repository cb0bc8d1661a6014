//! What happens when something fails.

use std::sync::Arc;
use std::time::Duration;

use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use herald_remote::RunnerFailureKind::{self, Failed, Lost, TimedOut};
use serde_json::{Value, json};

use super::fake::{Does, Fixture, outcomes};
use crate::book::DeploymentStatus::{self, Cancelled, Partial, Reverted};

/// One application: its options, what fails, how it ends, the status of each node, what is live afterwards.
async fn check(
    options: Value,
    script: &[(&str, Does)],
    status: DeploymentStatus,
    nodes: &str,
    live: [&str; 3],
) {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &options);
    fixture.deploy("j0", &json!({"revision": "1"})).await;
    fixture.nodes.asked();
    for (step, does) in script {
        fixture.nodes.script(step, does.clone());
    }
    let record = fixture.deploy("j1", &json!({"revision": "2"})).await;
    let asked = fixture.nodes.asked();
    assert_eq!((record.status, outcomes(&record).as_str()), (status, nodes), "{options} {asked:?}");
    assert!(record.error.is_some());
    let known = fixture.app.book().await.unwrap();
    let recorded: Vec<String> =
        known.nodes.values().map(|node| node.revision.clone().unwrap_or_default()).collect();
    assert_eq!(recorded, live, "{options}");
    // What was live everywhere before stays what is recorded.
    assert_eq!(known.revision.as_deref(), Some("1"));
}

const OLD: [&str; 3] = ["1", "1", "1"];

#[tokio::test]
async fn before_the_switch_nothing_is_touched() {
    let refuses = Does::Plans(json!({"current": "1", "refusals": ["files were changed: a.txt"]}));
    let untouched = "web1 untouched, web2 untouched, web3 untouched";
    check(json!({}), &[("web2 plan", refuses)], DeploymentStatus::Failed, untouched, OLD).await;
    let failed = |kind: RunnerFailureKind| Does::Fails(kind, "hook `before` failed with exit code 1");
    let one = "web1 untouched, web2 failed, web3 untouched";
    check(json!({}), &[("web2 prepare", failed(Failed))], DeploymentStatus::Failed, one, OLD).await;
    let slow = "web1 untouched, web2 timed_out, web3 untouched";
    check(json!({}), &[("web2 prepare", failed(TimedOut))], DeploymentStatus::TimedOut, slow, OLD).await;
    check(json!({}), &[("web2 prepare", failed(Lost))], DeploymentStatus::Lost, one, OLD).await;
    let once = json!({"hooks": {"once": {"cmd": "migrate"}}});
    check(once, &[("web1 once", failed(Failed))], DeploymentStatus::Failed, untouched, OLD).await;
}

#[tokio::test]
async fn after_the_switch_of_some_nodes() {
    let unwell = || Does::FailsLive("http://127.0.0.1/up answered 500");
    for (options, script, status, nodes, live) in [
        (
            json!({}),
            vec![("web2 switch", unwell())],
            Reverted,
            "web1 reverted, web2 reverted, web3 untouched",
            OLD,
        ),
        (
            json!({"strategy": {"canary": 1}}),
            vec![("web1 switch", unwell())],
            Reverted,
            "web1 reverted, web2 untouched, web3 untouched",
            OLD,
        ),
        (
            json!({"on_failure": "stop"}),
            vec![("web2 switch", unwell())],
            Partial,
            "web1 succeeded, web2 reverted, web3 untouched",
            ["2", "1", "1"],
        ),
        (
            json!({"on_failure": "continue"}),
            vec![("web2 switch", unwell())],
            Partial,
            "web1 succeeded, web2 reverted, web3 succeeded",
            ["2", "1", "2"],
        ),
        (
            json!({}),
            vec![("web2 switch", unwell()), ("web2 revert", unwell())],
            Reverted,
            "web1 reverted, web2 reverted, web3 untouched",
            OLD,
        ),
        (
            json!({}),
            vec![("web2 switch", unwell()), ("web1 revert", Does::Fails(Failed, "disk full"))],
            Partial,
            "web1 broken, web2 reverted, web3 untouched",
            OLD,
        ),
        (
            json!({}),
            vec![("web2 switch", Does::Fails(Lost, "silent")), ("web2 revert", Does::IsAway)],
            Partial,
            "web1 reverted, web2 unknown, web3 untouched",
            OLD,
        ),
    ] {
        check(options, &script, status, nodes, live).await;
    }
}

#[tokio::test]
async fn they_go_back_in_reverse_order() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.nodes.script("web3 switch", Does::FailsLive("unwell"));
    fixture.deploy("j1", &json!({})).await;
    let asked = fixture.nodes.asked();
    let reverts: Vec<&String> = asked.iter().filter(|step| step.ends_with("revert")).collect();
    assert_eq!(reverts, ["web3 revert", "web2 revert", "web1 revert"]);
}

#[tokio::test]
async fn an_application_with_a_broken_node_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.nodes.script("web1 switch", Does::FailsLive("unwell"));
    fixture.nodes.script("web1 revert", Does::Fails(Failed, "disk full"));
    fixture.deploy("j1", &json!({})).await;
    let hold = fixture.app.view().await.unwrap().hold.unwrap();
    assert_eq!(
        (hold.by.as_str(), hold.reason.as_str()),
        ("herald", "deployment j1 could not be reverted on web1")
    );
    assert_eq!(fixture.deploy("j2", &json!({})).await.status, DeploymentStatus::Held);
}

#[tokio::test]
async fn nodes_that_hold_other_files_do_not_switch() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.nodes.script("web2 prepare", Does::Plans(json!({"digest": "0123"})));
    let record = fixture.deploy("j1", &json!({})).await;
    assert!(record.error.unwrap().contains("do not hold the same files"));
    assert!(fixture.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_cancelled_goes_back() {
    for (step, status, nodes) in [
        ("web2 prepare", Cancelled, "web1 untouched, web2 failed, web3 untouched"),
        ("web2 switch", Cancelled, "web1 reverted, web2 reverted, web3 untouched"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(dir.path(), &json!({}));
        fixture.nodes.script(step, Does::Hangs);
        let stop = Stop::new();
        let cancel = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stop.asked.cancel();
        };
        let request = Fixture::request("j1", &json!({}));
        let deploy = fixture.app.deploy(request, stop.clone(), Arc::new(NoOutput));
        let (record, ()) = tokio::join!(deploy, cancel);
        let record = record.unwrap();
        assert_eq!((record.status, outcomes(&record).as_str()), (status, nodes));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_deployment_waits_or_fails() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.nodes.script("web1 prepare", Does::Hangs);
    let stop = Stop::new();
    let request = Fixture::request("j1", &json!({}));
    let first = fixture.app.deploy(request, stop.clone(), Arc::new(NoOutput));
    let (patient, hasty) = (json!({}), json!({"fail_if_busy": true}));
    let others = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let busy = fixture.deploy("j2", &hasty).await;
        assert_eq!(busy.error.as_deref(), Some("another deployment of shop is under way: j1"));
        let end_first = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            fixture.nodes.script.lock().unwrap().clear();
            stop.asked.cancel();
        };
        let (second, ()) = tokio::join!(fixture.deploy("j3", &patient), end_first);
        assert_eq!(second.status, DeploymentStatus::Succeeded);
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.unwrap().status, Cancelled);
    let ids: Vec<String> =
        fixture.app.book().await.unwrap().deployments.iter().map(|record| record.id.clone()).collect();
    assert_eq!(ids, ["j2", "j1", "j3"]);
}
