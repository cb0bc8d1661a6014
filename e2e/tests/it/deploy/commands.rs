//! The commands, the API, and the triggers of applications.

use std::fs;

use e2e::wait::{stays, until_within};
use serde_json::{Value, json};

use super::fixture::{Case, LONG, OTHERS, SOME, Site, check_all, check_some, hook};
use super::origin::{Kind, run, tree};

const ONE: [Case; 1] = [(Kind::Git, "exchange")];

/// Tables, exit codes, and what stays out of standard output.
#[test]
fn the_commands() {
    check_all(&ONE, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let first = site.origin.commit("1", &tree(&[("a", "1")]));
        let before = site.cli(&["deployments", "shop"]);
        assert!(before.code == Some(0) && before.stderr.contains("was not deployed yet"), "{before:?}");
        let waited = site.cli(&["deploy", "shop", "--wait"]);
        assert_eq!(waited.code, Some(0), "{waited:?}");
        assert!(waited.stdout.contains(&format!("-> {}: succeeded", &first[..12])), "{waited:?}");
        assert!(
            waited.stderr.contains("n2: prepared") && waited.stderr.contains("n3: switched"),
            "{waited:?}"
        );
        let apps = site.cli(&["apps"]);
        assert!(apps.stdout.starts_with("APP") && apps.stdout.contains("in_sync"), "{apps:?}");
        let app = site.cli(&["app", "shop", "--refresh"]);
        assert!(app.stdout.contains(&first) && app.stdout.contains("n3"), "{app:?}");
        let list = site.cli(&["deployments", "shop"]);
        assert!(list.stdout.contains("succeeded") && list.stdout.contains("deploy"), "{list:?}");
        let (code, record) = site.json(&["deployments", "shop", "last"]);
        let steps = record["nodes"]["n2"]["steps_ms"].as_object().unwrap();
        let steps: Vec<&str> = steps.keys().map(String::as_str).collect();
        assert_eq!((code, steps), (0, vec!["finish", "plan", "prepare", "switch", "verify"]), "{record}");
        assert!(record["nodes"]["n2"]["steps_ms"]["prepare"].as_u64() > Some(0), "{record}");
        let one = site.cli(&["deployments", "shop", record["id"].as_str().unwrap()]);
        for part in ["Took  ", "n2", "plan ", ", prepare ", ", switch ", ", verify ", ", finish "] {
            assert!(one.code == Some(0) && one.stdout.contains(part), "{part}: {one:?}");
        }
        assert_eq!(site.cli(&["deployments", "shop", "no-such-id"]).code, Some(4));
        for args in [
            &["app", "shp"][..],
            &["deploy", "shp"],
            &["deploy", "shop", "no-such-branch"],
            &["deploy", "shop", "--node", "n9"],
            &["rollback", "shp"],
            &["log", "shp"],
            &["deployments", "shp"],
            &["hold", "shp", "--reason", "x"],
            &["unhold", "shp"],
        ] {
            let ended = site.cli(args);
            assert!(ended.code == Some(4) && ended.stdout.is_empty(), "{args:?}: {ended:?}");
        }
        assert!(site.cli(&["app", "shp"]).stderr.contains("shop"), "a near miss");
        assert_eq!(site.cli(&["hold", "shop"]).code, Some(2), "without a reason");
        assert_eq!(site.cli(&["log", "shop", "--limit", "0"]).code, Some(2));
        for (method, path, body, status) in [
            ("GET", "/v1/apps/shp", None, 404),
            ("POST", "/v1/apps/shop/deploy", Some(json!({"revison": "main"})), 400),
            ("POST", "/v1/apps/shop/deploy", Some(json!({"nodes": ["n9"]})), 422),
            ("POST", "/v1/apps/shop/deploy", Some(json!({"override": true})), 400),
            ("POST", "/v1/apps/shop/rollback", Some(json!({})), 409),
            ("POST", "/v1/apps/shop/hold", Some(json!({"reason": " "})), 400),
            ("POST", "/v1/apps/shop/hold", Some(json!({"reason": "x", "for": "soon"})), 400),
            ("GET", "/v1/apps/shop/plan?action=undo", None, 400),
        ] {
            let said = site.api(method, path, body.as_ref());
            assert_eq!(said.status, status, "{method} {path} {body:?}: {said:?}");
        }
    });
}

/// Check 44, what needs no tokens: `key` and `if_live`.
#[test]
fn the_same_key_and_what_is_live() {
    check_some(&SOME, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let first = site.release(&tree(&[("a", "1")]));
        let second = site.origin.commit("2", &tree(&[("a", "2")]));
        let stale = site.cli(&["deploy", "shop", "--if-live", &second]);
        assert!(stale.code == Some(1) && stale.stderr.contains("is live, not"), "{stale:?}");
        let said = site.api("POST", "/v1/apps/shop/deploy", Some(&json!({"if_live": second})));
        assert_eq!(said.status, 409, "{said:?}");
        let deploy = || site.json(&["deploy", "shop", "--if-live", &first, "--key", "delivery 7"]);
        let (code, one) = deploy();
        assert_eq!(code, 0, "{one}");
        // The key says that it is the same request, whatever is live by now.
        let (code, same) = site.json(&["deploy", "shop", "--key", "delivery 7"]);
        assert_eq!((code, &same["event_id"]), (0, &one["event_id"]), "{same}");
        assert_eq!(site.wait_deployments(2)["to"], *second);
        let began = std::time::Instant::now();
        let (code, same) = site.json(&["deploy", "shop", "--key", "delivery 7"]);
        assert_eq!(
            (code, &same["event_id"], &same["job_id"]),
            (0, &one["event_id"], &one["job_id"]),
            "{same}"
        );
        assert!(one["job_id"].is_string() && began.elapsed().as_secs() < 4, "{one} {:?}", began.elapsed());
        site.must_deploy(&[&first]);
        assert_eq!(site.deployments().len(), 3);
    });
}

/// `--node`: what is recorded changes when every node has it.
#[test]
fn one_node_alone() {
    check_some(&OTHERS, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let first = site.release(&tree(&[("a", "1")]));
        let second = site.origin.commit("2", &tree(&[("a", "2")]));
        let record = site.must_deploy(&["--node", "n2"]);
        assert_eq!(Site::statuses(&record), ["-", "succeeded", "-"], "{record}");
        assert_eq!(site.texts("a"), ["1", "2", "1"]);
        let app = site.refreshed();
        assert_eq!(
            (&app["revision"], &app["nodes"]["n2"]["state"]),
            (&json!(first), &json!("outdated")),
            "{app}"
        );
        // A deployment to some nodes is nothing to go back to.
        site.must_deploy(&["--node", "n1", "--node", "n3"]);
        let app = site.refreshed();
        assert_eq!(
            (&app["revision"], &app["nodes"]["n2"]["state"]),
            (&json!(second), &json!("in_sync")),
            "{app}"
        );
        assert_eq!(app["previous"], *first, "{app}");
        let (code, record) = site.rollback(&[]);
        assert_eq!((code, &record["to"]), (0, &json!(first)), "{record}");
        assert_eq!(site.texts("a"), ["1"; 3]);
    });
}

const STATES: &str = "
router:
  states: {trigger: app_state, selector: all, task: {states: print}, job_param: {print_key: trigger_param}}
  ended: {trigger: deployed, selector: all, task: {ended: print}, job_param: {print_key: trigger_param}}
";

/// What was printed for a trigger: its parameters.
fn printed(site: &Site, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let lines = site.daemon().lines();
    let objects = lines.iter().filter_map(|line| {
        let at = line.find("{\"")?;
        serde_json::Deserializer::from_str(&line[at..]).into_iter::<Value>().next()?.ok()
    });
    objects.filter(|value| wanted(value)).collect()
}

/// Check 43, and the triggers `app_state` and `deployed`.
#[test]
fn an_edit_on_a_node_is_noticed() {
    check_some(&SOME, |kind, mode| {
        let hooks = json!({"once": hook("[ $HERALD_ACTION = deploy ] && [ ! -e @DIR@/broken ]")});
        let site = Site::with(kind, mode, json!({"drift_interval": "5s", "hooks": hooks}), STATES);
        let first = site.release(&tree(&[("a", "first"), ("b", "b")]));
        let ended = |count: usize| {
            until_within(LONG, "deployed", || {
                let all = printed(&site, |value| value["started_at"].is_string());
                (all.len() == count).then(|| all[count - 1].clone())
            })
        };
        let record = ended(1);
        assert_eq!(
            (&record["app"], &record["status"], &record["to"]),
            (&json!("shop"), &json!("succeeded"), &json!(first)),
            "{record}"
        );
        assert_eq!(
            (&record["nodes"]["n2"]["status"], &record["by"]["via"]),
            (&json!("succeeded"), &json!("cli")),
            "{record}"
        );
        // The same size and the same time as before. `svn` itself does not see that.
        let file = site.served(1).join("a");
        let times = site.place.write("times", "");
        let (file, times) = (file.to_str().unwrap(), times.to_str().unwrap());
        run(&site.place.path(""), "touch", &["-r", file, times]);
        fs::write(file, "forge").unwrap();
        if (kind, mode) != (Kind::Svn, "in_place") {
            run(&site.place.path(""), "touch", &["-r", times, file]);
        }
        let states = || printed(&site, |value| value["before"].is_string());
        let drifted = until_within(LONG, "app_state", || states().first().cloned());
        let expected = json!({"app": "shop", "node": "n2", "state": "drifted", "before": "in_sync", "revision": first, "modified": ["a"]});
        assert_eq!(drifted, expected);
        let app = site.app();
        assert_eq!(
            (&app["nodes"]["n2"]["state"], &app["nodes"]["n2"]["modified"]),
            (&json!("drifted"), &json!(["a"])),
            "{app}"
        );
        assert!(site.cli(&["app", "shop"]).stdout.contains("drifted"));
        // It fires once, however often the node is asked.
        site.refreshed();
        stays(std::time::Duration::from_secs(6), "one event", || states().len() == 1);
        fs::write(file, "first").unwrap();
        let back = until_within(LONG, "app_state", || states().get(1).cloned());
        assert_eq!((&back["state"], &back["before"]), (&json!("in_sync"), &json!("drifted")));
        site.place.write("broken", "");
        site.origin.commit("second", &tree(&[("a", "second")]));
        assert_eq!(site.deploy(&[]).0, 1);
        let record = ended(2);
        let status = if mode == "in_place" { "reverted" } else { "failed" };
        assert_eq!(record["status"], status, "{record}");
        assert!(record["error"].as_str().unwrap().contains("hook `once`"), "{record}");
    });
}
