//! Who deploys, and what holds them up: holds, freezes, commits that were rolled back.

use serde_json::{Value, json};

use super::fixture::{OTHERS, SOME, Site, check_some, hook};
use super::order::PUSH;
use super::origin::tree;

fn after(revision: &str) -> Value {
    json!({"after": revision.parse::<u64>().map_or_else(|_| json!(revision), |number| json!(number))})
}

/// Check 45, without tokens.
#[test]
fn who_it_was() {
    check_some(&OTHERS, |kind, mode| {
        let after_hook = hook("echo $HERALD_BY $HERALD_ACTION $HERALD_APP >>@DIR@/by");
        let site = Site::with(kind, mode, json!({"hooks": {"after": after_hook}}), PUSH);
        let first = site.origin.commit("1", &tree(&[("a", "1")]));
        let record = site.must_deploy(&["--reason", "because"]);
        let user = record["by"]["user"].as_str().unwrap_or_default().to_owned();
        assert!(!user.is_empty() && record["by"]["via"] == "cli", "{record}");
        assert_eq!((&record["reason"], &record["automatic"]), (&json!("because"), &json!(false)));
        let by = site.place.read("by").unwrap();
        assert_eq!(by, format!("{user} deploy shop\n").repeat(3));
        let second = site.origin.commit("2", &tree(&[("a", "2")]));
        site.daemon().post(&after(&second));
        let record = site.wait_deployments(2);
        assert_eq!(
            (&record["status"], &record["automatic"]),
            (&json!("succeeded"), &json!(true)),
            "{record}"
        );
        assert_eq!(
            (&record["by"]["user"], &record["by"]["via"]),
            (&Value::Null, &json!("manual")),
            "{record}"
        );
        let by = site.place.read("by").unwrap();
        assert!(by.ends_with("manual deploy shop\n"), "{by}");
        // Over the socket without the command it is the same user.
        let said =
            site.api("POST", "/v1/apps/shop/deploy", Some(&json!({"revision": first, "reason": "by hand"})));
        assert_eq!(said.status, 202, "{said:?}");
        let record = site.wait_deployments(3);
        assert_eq!((&record["by"]["user"], &record["reason"]), (&json!(user), &json!("by hand")), "{record}");
    });
}

/// Check 46.
#[test]
fn what_was_rolled_back_does_not_come_again_by_itself() {
    check_some(&SOME, |kind, mode| {
        let site = Site::with(kind, mode, json!({}), PUSH);
        let all: Vec<String> =
            ["1", "2", "3"].iter().map(|text| site.release(&tree(&[("a", text)]))).collect();
        let (code, record) = site.rollback(&[&all[0]]);
        assert_eq!(code, 0, "{record}");
        // It, and what it descends from.
        for (n, revision) in [&all[2], &all[1]].into_iter().enumerate() {
            site.daemon().post(&after(revision));
            let record = site.wait_deployments(5 + n);
            assert_eq!(record["status"], "held", "{record}");
            assert!(record["error"].as_str().unwrap().contains(" rolled "), "{record}");
        }
        assert_eq!(site.texts("a"), ["1"; 3]);
        let child = site.origin.commit("4", &tree(&[("a", "4")]));
        site.daemon().post(&after(&child));
        let record = site.wait_deployments(7);
        assert_eq!((&record["status"], &record["to"]), (&json!("succeeded"), &json!(child)), "{record}");
        let (_, log) = site.json(&["log", "shop"]);
        assert!(log["items"].as_array().unwrap().iter().all(|item| item["bad"] == false), "{log}");
        // A person may, in any case.
        assert_eq!(site.rollback(&[]).0, 0);
        site.must_deploy(&[&child]);
    });
}

/// Check 47.
#[test]
fn a_freeze_and_a_hold() {
    check_some(&OTHERS, |kind, mode| {
        let mut site = Site::with(kind, mode, json!({}), PUSH);
        ["1", "2"].iter().for_each(|text| drop(site.release(&tree(&[("a", text)]))));
        let third = site.origin.commit("3", &tree(&[("a", "3")]));
        site.configure(json!({"freeze": [{"from": "2020-01-01", "to": "2100-01-01"}]}), PUSH);
        let frozen = |site: &Site, action: &str| {
            let said = site.api("POST", &format!("/v1/apps/shop/{action}"), Some(&json!({})));
            (said.status, said.text())
        };
        let (status, text) = frozen(&site, "deploy");
        assert!(status == 423 && text.contains("shop is frozen from"), "{status} {text}");
        let said = site.cli(&["deploy", "shop", "--wait"]);
        assert!(said.code == Some(1) && said.stderr.contains("frozen"), "{said:?}");
        let dry = site.cli(&["deploy", "shop", "--dry-run"]);
        assert!(dry.code == Some(1) && dry.stderr.contains("frozen"), "{dry:?}");
        site.daemon().post(&after(&third));
        let record = site.wait_deployments(3);
        assert_eq!(record["status"], "held", "{record}");
        assert_eq!(site.rollback(&[]).0, 0, "a rollback passes");
        assert_eq!(site.texts("a"), ["1"; 3]);
        assert_eq!(site.cli(&["deploy", "shop", "--override"]).code, Some(2), "it needs a reason");
        let record = site.must_deploy(&["--override", "--reason", "the site is down"]);
        assert_eq!(
            (&record["overridden"], &record["reason"]),
            (&json!(true), &json!("the site is down")),
            "{record}"
        );
        assert!(site.cli(&["apps"]).stdout.contains("frozen"));

        site.configure(json!({}), PUSH);
        let held = site.cli(&["hold", "shop", "--reason", "the sale", "--for", "2h"]);
        assert!(held.code == Some(0) && held.stdout.contains("held until"), "{held:?}");
        for action in ["deploy", "rollback"] {
            let (status, text) = frozen(&site, action);
            assert!(
                status == 423 && text.contains("shop is held by") && text.contains("the sale"),
                "{status} {text}"
            );
            assert_eq!(site.cli(&[action, "shop"]).code, Some(1));
        }
        assert!(site.cli(&["apps"]).stdout.contains("the sale"));
        assert_eq!(site.app()["hold"]["reason"], "the sale");
        assert_eq!(site.cli(&["unhold", "shop"]).code, Some(0));
        assert!(site.cli(&["unhold", "shop"]).text().contains("was not held"));
        assert_eq!(site.rollback(&[]).0, 0);
    });
}

fn recorded(site: &Site, node: usize) -> String {
    std::fs::read_to_string(site.side(node).join("record.json")).unwrap()
}

/// Check 48, and the exit codes of a plan.
#[test]
fn a_dry_run_is_the_plan_and_changes_nothing() {
    check_some(&SOME, |kind, mode| {
        let hooks = json!({"before": hook("echo x >>@DIR@/hooks")});
        let site = Site::new(kind, mode, json!({"hooks": hooks}));
        let first = site.release(&tree(&[("a", "1")]));
        let second = site.origin.commit("the second", &tree(&[("a", "2")]));
        let third = site.origin.commit("the third", &tree(&[("a", "3")]));
        let before: Vec<_> = (0..3).map(|node| (site.stamps(node), recorded(&site, node))).collect();
        let (code, plan) = site.json(&["deploy", "shop", "--dry-run"]);
        assert_eq!(
            (code, &plan["from"], &plan["to"], &plan["backward"]),
            (0, &json!(first), &json!(third), &json!(false)),
            "{plan}"
        );
        let commits: Vec<&Value> =
            plan["commits"].as_array().unwrap().iter().map(|commit| &commit["revision"]).collect();
        assert_eq!(commits, [&json!(third), &json!(second)]);
        for node in ["n1", "n2", "n3"] {
            let said = &plan["nodes"][node];
            assert_eq!(
                (&said["online"], &said["refusals"], &said["plan"]["current"]),
                (&json!(true), &json!([]), &json!(first)),
                "{plan}"
            );
            assert!(said["plan"]["needed"].as_u64() < said["plan"]["free"].as_u64(), "{plan}");
        }
        let page = site.cli(&["deploy", "shop", "--dry-run"]);
        assert!(page.stdout.contains("the third") && page.stdout.contains("n2: ready"), "{page:?}");
        let after: Vec<_> = (0..3).map(|node| (site.stamps(node), recorded(&site, node))).collect();
        assert_eq!(after, before);
        assert_eq!((site.deployments().len(), site.place.count("hooks")), (1, 3));
        let record = site.must_deploy(&[]);
        for key in ["from", "to", "commits", "backward"] {
            assert_eq!(record[key], plan[key], "{key}");
        }
        let (code, back) = site.json(&["rollback", "shop", "--dry-run"]);
        assert_eq!((code, &back["to"], &back["backward"]), (0, &json!(first), &json!(true)), "{back}");
    });
}
