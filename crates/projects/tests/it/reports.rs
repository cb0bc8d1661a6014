//! Where reports go: the URL of the last good policy, whatever becomes of etcd.

use e2e::etcd::EtcdChange;
use serde_json::{Value, json};

use crate::site::{Site, connection, ended};

const URL: &str = "http://user:secret@127.0.0.1:1/report";

/// A project with one file, published, whose reports go to [`URL`]; and where its report says that this is.
async fn published(site: &Site) -> Value {
    site.policy("p", &json!({"callback": URL}));
    site.put("p/config.d/x", "1");
    site.publish("p").await.unwrap()["callback"].clone()
}

/// Nothing before now can be read any more.
async fn compact(site: &Site) {
    let range = herald_etcd::KeyRange::prefix(*b"/");
    let now = connection(&site.server.url()).client.point(&range).await.unwrap();
    let _ = site.server.ctl(&["compaction", &now.revision.to_string()]);
}

fn delete_project(site: &Site) {
    let gone = ["p/config", "p/config.d/x"].map(|name| EtcdChange { key: Site::key(name), value: None });
    site.server.change_all(&gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_reported_where_the_last_good_policy_said() {
    // How many other keys were written since, and the policy that is there again.
    for (others, policy) in [
        (0, None),
        (40, None),
        (40, Some(json!({"callback": ""}))),
        (40, Some(json!({"callback": "http://127.0.0.1:1/of-another"}))),
        (0, Some(json!({"deployPath": 5}))),
    ] {
        let case = format!("{others} {policy:?}");
        let mut site = Site::new();
        let earlier = published(&site).await;
        site.server.kill();
        site.server.wipe();
        site.server.start_again();
        (0..others).for_each(|n| site.server.put_bytes("/elsewhere", n.to_string().as_bytes()));
        if let Some(policy) = &policy {
            site.policy("p", policy);
        }
        let held = site.publish("p").await;
        assert_eq!((ended(&held).0.as_str(), ended(&held).2), ("held", true), "{case}");
        let place = held.unwrap_err().result["callback"].clone();
        for restarts in [false, true] {
            if restarts {
                site.restart();
            }
            assert_eq!(site.text_at(&place).await.unwrap(), URL, "{case}");
            if policy.is_none() {
                // So is a report that was not sent before.
                assert_eq!(site.text_at(&earlier).await.unwrap(), URL, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_a_deleted_project_that_wait_know_where_to_go() {
    let mut site = Site::new();
    let earlier = published(&site).await;
    delete_project(&site);
    let gone = site.publish("p").await.unwrap();
    assert_eq!((gone["state"].as_str(), site.read("p/x")), (Some("published"), None));
    compact(&site).await;
    site.restart();
    for place in [&earlier, &gone["callback"]] {
        assert_eq!(site.text_at(place).await.unwrap(), URL, "{place}");
    }
    // Nobody knows it of other keys.
    let other = json!({"etcd": "main", "key": "/w/h/q/config", "field": "callback"});
    let error = site.text_at(&other).await.unwrap_err();
    assert_eq!(error.to_string(), "the key \"/w/h/q/config\" is missing in etcd main");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_not_valid_does_not_hide_where_reports_go() {
    let site = Site::new();
    let earlier = published(&site).await;
    // One that is valid counts, also where its publication fails.
    let newer = URL.replace("report", "newer");
    site.policy("p", &json!({"callback": newer, "beforeCmd": "false"}));
    site.put("p/config.d/x", "2");
    assert_eq!(ended(&site.publish("p").await).0, "failed");
    site.put("p/config", "no JSON");
    let failed = site.publish("p").await.unwrap_err();
    compact(&site).await;
    for place in [&earlier, &failed.result["callback"]] {
        assert_eq!(site.text_at(place).await.unwrap(), newer, "{place}");
    }
    // One without a URL wants no reports, and nothing is kept.
    site.policy("p", &json!({}));
    assert!(!ended(&site.publish("p").await).2);
    assert!(site.text_at(&earlier).await.is_err());
    site.put("p/config", "no JSON");
    assert!(!ended(&site.publish("p").await).2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_reported_with_a_policy_of_the_configuration() {
    let top = tempfile::tempdir().unwrap();
    let policy =
        json!({"*": {"deployPath": top.path().join("{{ trigger_param.project }}"), "callback": URL}});
    let mut site = Site::with(json!({"policy_from": "yaml", "policy": policy}));
    site.put("p/config.d/x", "1");
    assert_eq!(site.publish("p").await.unwrap()["callback"], URL);
    site.server.kill();
    site.server.wipe();
    site.server.start_again();
    let held = site.publish("p").await.unwrap_err();
    assert_eq!((&held.result["state"], &held.result["callback"]), (&json!("held"), &json!(URL)));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_a_report_says_what_ran_before_it() {
    for (swap, more) in [("files", ""), ("directory", ""), ("files", "; test -s $HERALD_DEPLOY_PATH/x")] {
        let mut site = Site::with(json!({"swap": swap}));
        let policy = json!({
            "callback": URL,
            "checkCmd": "echo checked",
            "beforeCmd": "echo before",
            // The first time it is still running when everything ends.
            "afterCmd": format!(
                "test -e {0} || {{ echo >{0}; sleep 30; }}; echo after{more}", site.top.join("began").display()
            ),
        });
        site.policy("p", &policy);
        site.put("p/config.d/x", "1");
        let outcome = site.crash_and_recover("p", |site| site.read("began").is_some()).await;
        let result = outcome.unwrap();
        let ran = |out: &str| json!({"success": true, "out": format!("{out}\n"), "err": null, "msg": ""});
        let report = &result["report"];
        assert_eq!((&report["code"], &report["state"]), (&json!(200), &json!("published")));
        assert_eq!((&report["beforeCmd"], &report["afterCmd"]), (&ran("before"), &ran("after")));
        assert_eq!((&result["check"], &report["files"][0]["file"]), (&ran("checked"), &json!("x")));
        assert_eq!(site.text_at(&result["callback"]).await.unwrap(), URL);
    }
    // Nothing is left, and a check of nothing does not run at the recovery either.
    let mut site = Site::new();
    let after = format!("test -e {0} || {{ echo >{0}; sleep 30; }}", site.top.join("began").display());
    let checks = json!({"checkCmd": "test -s {{ stage }}/x", "verifyCmd": "test -s $HERALD_DEPLOY_PATH/x"});
    let policy = |after: &str| {
        let mut policy = checks.clone();
        policy["afterCmd"] = json!(after);
        policy
    };
    site.policy("p", &policy(""));
    site.put("p/config.d/x", "1");
    site.publish("p").await.unwrap();
    site.policy("p", &policy(&after));
    site.publish("p").await.unwrap();
    delete_project(&site);
    let outcome = site.crash_and_recover("p", |site| site.read("began").is_some()).await;
    assert_eq!((ended(&outcome).0.as_str(), site.read("p/x")), ("published", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_whose_end_was_not_recorded_is_reported() {
    let mut site = Site::new();
    site.policy("p", &json!({"callback": URL, "beforeCmd": "echo before", "afterCmd": "echo after"}));
    site.put("p/config.d/x", "1");
    let [first, again] = site.publish_and_recover("p").await;
    assert_eq!(first.unwrap(), again.unwrap());
    // Where there was none, there is none.
    let [first, again] = site.publish_and_recover("p").await;
    assert_eq!((ended(&first).2, ended(&again).2), (false, false));
    // So is a hold, which is reported once.
    site.server.kill();
    site.server.wipe();
    site.server.start_again();
    let [first, again] = site.publish_and_recover("p").await;
    assert_eq!((ended(&first).0.as_str(), ended(&first)), ("held", ended(&again)));
    assert!(ended(&again).2 && !ended(&site.publish("p").await).2);
    let accepted = json!({"accept": true});
    site.policy("p", &json!({"callback": URL, "beforeCmd": "echo before", "afterCmd": "echo after"}));
    site.publish_as("p", "manual", &accepted).await.unwrap();
    // Of very many files none is named.
    let many: Vec<String> = (0..200).map(|n| format!("p/config.d/f{n}")).collect();
    for some in many.chunks(100) {
        let puts: Vec<_> = some.iter().map(|name| EtcdChange::put(&Site::key(name), "1")).collect();
        site.server.change_all(&puts);
    }
    let [first, again] = site.publish_and_recover("p").await;
    let (first, again) = (first.unwrap(), again.unwrap());
    assert_eq!((&again["state"], &again["callback"]), (&json!("published"), &first["callback"]));
    assert_eq!(again["report"]["beforeCmd"], first["report"]["beforeCmd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_completes_the_publication_of_another_job_has_its_own_still_to_do() {
    let mut site = Site::new();
    let after = format!("test -e {0} || {{ echo >{0}; sleep 30; }}", site.top.join("began").display());
    site.policy("p", &json!({"callback": URL, "checkCmd": "grep -q good {{ stage }}/x", "afterCmd": after}));
    site.put("p/config.d/x", "good 1");
    let first = site.crash("p", |site| site.read("began").is_some()).await;
    site.put("p/config.d/x", "bad");
    let second = Site::job("p");
    let failed = site.attempt(&second, false).await;
    assert_eq!(ended(&failed).0, "failed", "its content does not pass the check");
    assert_eq!(site.read("p/x").as_deref(), Some("good 1"));
    let again = site.attempt(&second, false).await;
    assert_ne!(ended(&again).0, "published", "what it completed was not its own");
    // The end of the first is still to be recorded, and reported.
    let outcome = site.attempt(&first, true).await;
    let result = outcome.unwrap();
    assert_eq!((&result["state"], &result["report"]["files"][0]["file"]), (&json!("published"), &json!("x")));
    assert_eq!(result["report"]["publication"], *first.id);
    site.put("p/config.d/x", "good 2");
    site.publish("p").await.unwrap();
    assert_eq!(site.read("p/x").as_deref(), Some("good 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_keeps_no_url_of_yaml() {
    let top = tempfile::tempdir().unwrap();
    let policy = json!({"p": {"deployPath": top.path(), "callback": URL}});
    let mut site = Site::with(json!({"policy_from": "yaml", "policy": policy}));
    site.put("p/config.d/x", "1");
    let [published, again] = site.publish_and_recover("p").await;
    assert_eq!((&published.unwrap()["callback"], &again.unwrap()["callback"]), (&json!(URL), &json!(URL)));
    let ledgers = site.ledgers();
    assert!(!ledgers.is_empty() && ledgers.iter().all(|ledger| !ledger.contains(URL)), "{ledgers:?}");
}
