//! A daemon that is killed goes on with the deployment when it is back.

use std::sync::Arc;
use std::time::Duration;

use herald_base::output::NoOutput;
use herald_base::stop::Stop;
use serde_json::json;

use super::fake::{Does, Fixture, outcomes};
use crate::book::DeploymentStatus;
use crate::deployment::DeploymentRequest;

/// Kills the daemon while this step runs; what the next process asks the nodes.
async fn after_a_kill_in(step: &str) -> (Vec<String>, DeploymentStatus, String) {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"hooks": {"once": {"cmd": "migrate"}}});
    let fixture = Fixture::new(dir.path(), &options);
    fixture.nodes.script(step, Does::Hangs);
    let request = Fixture::request("j1", &json!({}));
    let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
    // The future is dropped: nothing of it runs any more.
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err(), "{step}");
    fixture.nodes.script.lock().unwrap().clear();
    fixture.nodes.asked();
    let Fixture { nodes, source, app } = fixture;
    drop(app);
    let next = Fixture::with(dir.path(), &options, nodes, source);
    let record = next.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap();
    let nodes = outcomes(&record);
    (next.nodes.asked(), record.status, nodes)
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_joined_and_nothing_runs_twice() {
    let rest = ["web1 finish", "web2 finish", "web3 finish"];
    for (step, goes_on) in [
        (
            "web2 plan",
            vec![
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
            ],
        ),
        (
            "web2 prepare",
            vec!["web2 prepare joined", "web1 once", "web1 switch", "web2 switch", "web3 switch"],
        ),
        ("web1 once", vec!["web1 once joined", "web1 switch", "web2 switch", "web3 switch"]),
        ("web2 switch", vec!["web2 switch joined", "web3 switch"]),
        ("web3 switch", vec!["web3 switch joined"]),
    ] {
        let (asked, status, nodes) = after_a_kill_in(step).await;
        let expected: Vec<&str> = goes_on.into_iter().chain(rest).collect();
        assert_eq!(asked, expected, "{step}");
        let all = "web1 succeeded, web2 succeeded, web3 succeeded";
        assert_eq!((status, nodes.as_str()), (DeploymentStatus::Succeeded, all), "{step}");
    }
    let (asked, status, _) = after_a_kill_in("web2 finish").await;
    assert_eq!(
        (asked.contains(&"web2 finish joined".to_owned()), status),
        (true, DeploymentStatus::Succeeded)
    );
}

#[tokio::test(start_paused = true)]
async fn a_revert_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({});
    let fixture = Fixture::new(dir.path(), &options);
    fixture.nodes.script("web3 switch", Does::FailsLive("unwell"));
    fixture.nodes.script("web2 revert", Does::Hangs);
    let request = Fixture::request("j1", &json!({}));
    let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err());
    fixture.nodes.script.lock().unwrap().clear();
    fixture.nodes.asked();
    let Fixture { nodes, source, .. } = fixture;
    let next = Fixture::with(dir.path(), &options, nodes, source);
    let record = next.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap();
    assert_eq!(next.nodes.asked(), ["web2 revert joined", "web1 revert"]);
    assert_eq!((record.status, record.error.as_deref()), (DeploymentStatus::Reverted, Some("web3: unwell")));
}

#[tokio::test(start_paused = true)]
async fn another_deployment_sees_what_was_left_to_its_end_first() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    fixture.nodes.script("web2 switch", Does::Hangs);
    let request = Fixture::request("j1", &json!({"revision": "3"}));
    let deploy = fixture.app.deploy(request, Stop::new(), Arc::new(NoOutput));
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err());
    fixture.nodes.script.lock().unwrap().clear();
    let Fixture { nodes, source, .. } = fixture;
    let next = Fixture::with(dir.path(), &json!({}), nodes, source);
    next.deploy("j2", &json!({"revision": "4"})).await;
    let book = next.app.book().await.unwrap();
    let ended: Vec<_> = book.deployments.iter().map(|record| (record.id.as_str(), record.status)).collect();
    assert_eq!(ended, [("j1", DeploymentStatus::Succeeded), ("j2", DeploymentStatus::Succeeded)]);
    assert_eq!(next.live(), ["4", "4", "4"]);
    assert_eq!(next.app.unannounced().await.unwrap().len(), 2);
    next.app.announced("j1").await.unwrap();
    assert_eq!(next.app.unannounced().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_is_not_carried_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(dir.path(), &json!({}));
    let file = dir.path().join("apps/shop/running.json");
    fixture.nodes.script("web3 finish", Does::Hangs);
    let request = Fixture::request("j1", &json!({"revision": "3"}));
    let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err());
    let left = std::fs::read(&file).unwrap();
    fixture.nodes.script.lock().unwrap().clear();
    fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput)).await.unwrap();
    fixture.app.announced("j1").await.unwrap();
    let recorded = fixture.app.book().await.unwrap();
    // The process is killed after the record is written, and before the file is removed.
    std::fs::write(&file, left).unwrap();
    fixture.nodes.asked();
    let Fixture { nodes, source, .. } = fixture;
    let next = Fixture::with(dir.path(), &json!({}), nodes, source);
    next.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap();
    next.app.finish_left_over().await.unwrap();
    assert_eq!(next.nodes.asked(), [""; 0]);
    assert_eq!(next.app.book().await.unwrap(), recorded);
    assert!(!file.exists());
}

/// Kills the daemon while this step runs, which its node does not know then; what the next process asks the nodes.
async fn after_an_unknown(step: &str, phase: &str) -> (Vec<String>, Vec<String>, DeploymentStatus) {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"hooks": {"once": {"cmd": "migrate"}}});
    let fixture = Fixture::new(dir.path(), &options);
    fixture.nodes.script(step, Does::Hangs);
    let request = Fixture::request("j1", &json!({}));
    let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err(), "{step}");
    fixture.nodes.script(step, Does::IsUnknown);
    let status = json!({"revision": null, "deployment": "j1", "phase": phase});
    fixture.nodes.script("web2 status", Does::Plans(status));
    fixture.nodes.asked();
    fixture.nodes.jobs.lock().unwrap().clear();
    let Fixture { nodes, source, .. } = fixture;
    let next = Fixture::with(dir.path(), &options, nodes, source);
    let record = next.app.deploy(request, Stop::new(), Arc::new(NoOutput)).await.unwrap();
    let jobs = next.nodes.jobs.lock().unwrap().clone();
    (next.nodes.asked(), jobs, record.status)
}

#[tokio::test(start_paused = true)]
async fn a_step_that_never_came_is_sent_under_another_name() {
    use DeploymentStatus::{Lost, Reverted, Succeeded};
    for (step, phase, asked, jobs, status) in [
        (
            "web2 prepare",
            "",
            vec!["web2 prepare joined", "web2 prepare"],
            vec!["j1.prepare", "j1.prepare-2"],
            Succeeded,
        ),
        (
            "web2 switch",
            "prepared",
            vec!["web2 switch joined", "web2 status", "web2 switch"],
            vec!["j1.switch", "j1.status-1796212800000", "j1.switch-2"],
            Succeeded,
        ),
        // Its hooks may have run: it goes back.
        (
            "web2 switch",
            "switched",
            vec!["web2 switch joined", "web2 status", "web2 revert"],
            vec!["j1.switch", "j1.status-1796212800000", "j1.revert"],
            Reverted,
        ),
        ("web1 once", "", vec!["web1 once joined", "web1 revert"], vec!["j1.once", "j1.revert"], Lost),
    ] {
        let (found, named, ended) = after_an_unknown(step, phase).await;
        assert_eq!(found[..asked.len()], asked, "{step} {phase}");
        assert_eq!(named[..jobs.len()], jobs, "{step} {phase}");
        assert_eq!(ended, status, "{step} {phase}");
    }
}

/// What is there after a process was killed while `j1` switched `web2`.
async fn killed_in_the_switch(folder: &std::path::Path) -> (Fixture, DeploymentRequest) {
    let fixture = Fixture::new(folder, &json!({}));
    fixture.nodes.script("web2 switch", Does::Hangs);
    let request = Fixture::request("j1", &json!({"revision": "3"}));
    let deploy = fixture.app.deploy(request.clone(), Stop::new(), Arc::new(NoOutput));
    assert!(tokio::time::timeout(Duration::from_secs(5), deploy).await.is_err());
    fixture.nodes.script.lock().unwrap().clear();
    fixture.nodes.asked();
    let Fixture { nodes, source, .. } = fixture;
    (Fixture::with(folder, &json!({}), nodes, source), request)
}

#[tokio::test(start_paused = true)]
async fn what_another_one_saw_to_its_end_is_not_carried_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let (next, first) = killed_in_the_switch(dir.path()).await;
    // j2 is first, and sees to the end what was left of j1, which waits meanwhile.
    next.nodes.script("web3 switch", Does::Takes(Duration::from_secs(10)));
    let second = json!({"revision": "4"});
    let recovered = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        next.app.deploy(first, Stop::new(), Arc::new(NoOutput)).await.unwrap()
    };
    let (_, first) = tokio::join!(next.deploy("j2", &second), recovered);
    assert_eq!((first.id.as_str(), first.status), ("j1", DeploymentStatus::Succeeded));
    assert_eq!(next.live(), ["4", "4", "4"], "the older one does not come over the newer one");
    let book = next.app.book().await.unwrap();
    let ids: Vec<&str> = book.deployments.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["j1", "j2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_while_it_waits_to_go_on_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let (next, first) = killed_in_the_switch(dir.path()).await;
    next.nodes.script("web1 status", Does::Takes(Duration::from_secs(10)));
    let stop = Stop::new();
    let (look, waits) = (["web1".to_owned()], next.app.deploy(first, stop.clone(), Arc::new(NoOutput)));
    let recovered = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.asked.cancel();
        waits.await.unwrap()
    };
    let (_, record) = tokio::join!(next.app.look(&look), recovered);
    assert_eq!(record.status, DeploymentStatus::Cancelled);
    let asked = next.nodes.asked();
    assert!(asked.contains(&"web1 revert".to_owned()), "{asked:?}");
}
