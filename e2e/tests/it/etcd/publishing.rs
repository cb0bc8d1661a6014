//! Executor `publish`, with a real etcd.

use std::os::unix::fs::symlink;
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::wait::{stays, until};
use serde_json::json;

use super::names_in;
use super::site::{Site, result};

#[test]
fn the_lines_of_the_seed_publish() {
    let site = Site::new();
    let daemon = site.start();
    site.put("a.com/config.d/ngx.conf", "aaaaaaaa");
    let pending = result(&daemon, "files without a policy", |result| result["state"] == "pending");
    assert_eq!(pending["callback"], "");
    site.policy(
        "a.com",
        ", \"beforeCmd\": \"echo before\", \"afterCmd\": \"echo after\", \"callback\": \"http://u:p@h/\"",
    );
    let published = result(&daemon, "the file", |result| result["state"] == "published");
    assert_eq!(site.place.read("a.com/ngx.conf").as_deref(), Some("aaaaaaaa"));
    let report = published["report"].to_string();
    assert!(
        report.starts_with(
            "{\"action\":\"set\",\"code\":200,\"msg\":\"\",\"md5\":\"3dbe00a167653a1aaee01d93e77e730e\",\
             \"beforeCmd\":{\"success\":true,\"out\":\"before\\n\",\"err\":null,\"msg\":\"\"},\
             \"afterCmd\":{\"success\":true,\"out\":\"after\\n\",\"err\":null,\"msg\":\"\"}"
        ),
        "{report}"
    );
    let place = json!({"etcd": "main", "key": "/watcher/web01/a.com/config", "field": "callback"});
    assert_eq!(published["callback"], place, "where the URL is, not the URL");
    site.server.delete("/watcher/web01/a.com/config.d/ngx.conf");
    site.wait("a.com/ngx.conf", None);
    let backups = std::fs::read_dir(site.place.path("backup-a.com")).unwrap();
    let names: Vec<String> =
        backups.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() == 1 && names[0].starts_with("ngx.conf_watcherbackup_20"), "{names:?}");
}

#[test]
fn a_command_that_fails_restores_the_files() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("a.com", "");
    site.put("a.com/config.d/x", "1");
    site.wait("a.com/x", Some("1"));
    for (more, what, says) in [
        (", \"beforeCmd\": \"false\"", "beforeCmd", "beforeCmd: exit status 1; nothing was changed"),
        (
            ", \"checkCmd\": \"grep -q 1 {{stage}}/x\"",
            "checkCmd",
            "checkCmd: exit status 1; nothing was changed",
        ),
        (", \"verifyCmd\": \"false\"", "verifyCmd", "verifyCmd: exit status 1; rolled back"),
        (
            ", \"afterCmd\": \"grep -q 1 $HERALD_DEPLOY_PATH/x\"",
            "afterCmd",
            "afterCmd: exit status 1; rolled back",
        ),
    ] {
        site.policy("a.com", more);
        site.put("a.com/config.d/x", &format!("2 {what}").replace('1', "2"));
        let failed = result(&daemon, what, |result| {
            result["report"]["msg"].as_str().is_some_and(|msg| msg.starts_with(what))
        });
        assert_eq!((&failed["report"]["code"], &failed["report"]["msg"]), (&json!(500), &json!(says)));
        assert_eq!(site.place.read("a.com/x").as_deref(), Some("1"), "{what}");
        assert_eq!(site.state("a.com"), "failed");
    }
    site.policy("a.com", "");
    site.wait("a.com/x", Some("2 afterCmd"));
}

#[test]
fn a_slow_command_is_ended_and_delays_nobody_else() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("slow.com", ", \"afterCmd\": \"sleep 61.5\"");
    site.policy("b.com", "");
    site.put("slow.com/config.d/x", "1");
    site.wait("slow.com/x", Some("1"));
    site.put("b.com/config.d/x", "1");
    site.wait("b.com/x", Some("1"));
    let failed = result(&daemon, "the timeout", |result| result["state"] == "rolled_back");
    let msg = failed["report"]["msg"].as_str().unwrap();
    assert!(msg.starts_with("afterCmd: signal: killed (timed out after 5s)"), "{msg}");
    site.wait("slow.com/x", None);
}

#[test]
fn hostile_keys_and_links_write_nothing_elsewhere() {
    let site = Site::new();
    let _daemon = site.start();
    std::fs::create_dir(site.place.path("a.com")).unwrap();
    site.place.write("victim", "untouched");
    symlink(site.place.path("victim"), site.place.path("a.com/link")).unwrap();
    site.policy("a.com", "");
    site.put("a.com/config.d/link", "new");
    site.wait("a.com/link", Some("new"));
    assert_eq!(site.place.read("victim").as_deref(), Some("untouched"));
    for key in ["../../x", "/x", "a\nb"] {
        site.put(&format!("a.com/config.d/{key}"), "evil");
        until("the failure", || (site.state("a.com") == "failed").then_some(()));
        site.server.delete(&format!("/watcher/web01/a.com/config.d/{key}"));
        until("the recovery", || (site.state("a.com") == "in_sync").then_some(()));
    }
    assert!(!site.place.path("x").exists());
}

#[test]
fn kill_9_and_drift_and_a_wiped_etcd() {
    let mut site = Site::new();
    let daemon = site.start();
    site.policy("a.com", "");
    site.put("a.com/config.d/one", "1");
    site.put("a.com/config.d/two", "1");
    site.wait("a.com/two", Some("1"));
    daemon.signal("KILL");
    let _ = daemon.wait_end();
    site.put("a.com/config.d/one", "2");
    site.put("a.com/config.d/three", "1");
    site.server.delete("/watcher/web01/a.com/config.d/two");
    let _daemon = site.start();
    site.wait("a.com/two", None);
    site.wait("a.com/three", Some("1"));
    site.wait("a.com/one", Some("2"));

    site.place.write("a.com/one", "by hand");
    until("the drift", || (site.state("a.com") == "drifted").then_some(()));
    let diff = site.heraldd(&["published", "a.com", "--diff"]);
    assert!(diff.text().contains("-by hand"), "{}", diff.text());
    assert_eq!(site.place.read("a.com/one").as_deref(), Some("by hand"));
    let _ = site.heraldd(&["publish", "a.com"]);
    site.wait("a.com/one", Some("2"));

    site.server.kill();
    site.server.wipe();
    site.server.start_again();
    until("the hold", || (site.state("a.com") == "held").then_some(()));
    stays(Duration::from_secs(1), "the files", || site.place.read("a.com/one").as_deref() == Some("2"));
    for (how, says) in [("--dry-run", "-2"), ("--force", "")] {
        let held = site.heraldd(&["publish", "a.com", how]);
        let text = held.text();
        assert!(
            held.code == Some(1) && text.contains("held: etcd was wiped") && text.contains(says),
            "{text}"
        );
        assert_eq!(site.place.read("a.com/one").as_deref(), Some("2"), "{how}");
    }
    let json = site.heraldd(&["publish", "a.com", "--dry-run", "--json"]);
    assert!(json.code == Some(1) && json.stdout.contains("\"held\":\"held: etcd was"), "{}", json.text());
    let _ = site.heraldd(&["publish", "a.com", "--accept"]);
    site.wait("a.com/one", None);
}

#[test]
fn an_earlier_publication_is_restored() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("a.com", "");
    site.put("a.com/config.d/x", "1");
    let first = result(&daemon, "the first", |result| result["state"] == "published");
    let id = first["report"]["publication"].as_str().unwrap().to_owned();
    site.put("a.com/config.d/x", "2");
    site.wait("a.com/x", Some("2"));
    let jobs = || site.heraldd(&["jobs", "--router", "publish", "--json"]).stdout;
    let before = jobs();
    for unknown in ["no-such-id", "last:done", "last:"] {
        let unknown = site.heraldd(&["publish", "a.com", "--rollback", unknown]);
        assert!(
            unknown.code == Some(4) && unknown.text().contains("are not kept; kept are: "),
            "{}",
            unknown.text()
        );
    }
    assert_eq!(jobs(), before, "no job");
    assert_eq!(site.state("a.com"), "in_sync", "nothing was changed");
    // As `heraldd jobs` shows it.
    let _ = site.heraldd(&["publish", "a.com", "--rollback", &id[id.len() - 8..]]);
    site.wait("a.com/x", Some("1"));
    until("the hold", || (site.state("a.com") == "held").then_some(()));
    site.put("a.com/config.d/x", "3");
    site.wait("a.com/x", Some("3"));
    until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
    for (last, content) in [("last", "by hand"), ("last:publish", "by hand again")] {
        site.place.write("a.com/x", content);
        let restored = site.heraldd(&["publish", "a.com", "--rollback", last]);
        assert_eq!(restored.code, Some(0), "{}", restored.text());
        assert_eq!(site.place.read("a.com/x").as_deref(), Some("3"), "{last}");
    }
}

#[test]
fn any_project_that_etcd_has_can_be_published() {
    let site = Site::with(", at_start: none", "");
    site.policy("a.com", "");
    site.put("a.com/config.d/x", "1");
    let daemon = site.start();
    let unknown = site.heraldd(&["publish", "other.com"]);
    assert!(
        unknown.code != Some(0) && unknown.text().contains("there is no published project \"other.com\""),
        "{}",
        unknown.text()
    );
    let would = site.heraldd(&["publish", "a.com", "--dry-run"]);
    assert!(would.code == Some(0) && would.text().contains("+1"), "{}", would.text());
    stays(Duration::from_secs(1), "no event, no file", || site.place.read("a.com/x").is_none());
    let published = site.heraldd(&["publish", "web01/a.com"]);
    assert_eq!(published.code, Some(0), "{}\n{}", published.text(), daemon.log());
    assert_eq!(site.place.read("a.com/x").as_deref(), Some("1"));
}

#[test]
fn without_a_state_dir_nothing_is_left() {
    let site = Site::new();
    let tmp = site.place.path("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let config = site.config().replace("state_dir: '@DIR@/state'", "state_dir: none");
    let config = site.place.config_as("heraldd.yml", &config);
    let daemon = Daemon::run(site.place.command("heraldd", &config).env("TMPDIR", &tmp));
    daemon.wait_for(&["heraldd is ready"]);
    site.policy("a.com", "");
    site.put("a.com/config.d/x", "1");
    site.wait("a.com/x", Some("1"));
    let mut names = names_in(&tmp);
    names.retain(|name| !tmp.join(name).join("heraldd.sock").exists());
    assert_eq!(names.len(), 1, "the ledgers beside the control socket: {names:?}");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    assert!(names_in(&tmp).is_empty(), "{:?}", names_in(&tmp));
    assert_eq!(site.place.read("a.com/x").as_deref(), Some("1"));
}

#[test]
fn forced_until_it_was_published() {
    let site = Site::with(", at_start: force", "");
    site.policy(
        "a.com",
        &site.place.fill(", \"afterCmd\": \"test -e @DIR@/good && echo after >>@DIR@/after\""),
    );
    site.put("a.com/config.d/x", "1");
    site.place.write("good", "");
    {
        let _daemon = site.start();
        site.wait("after", Some("after\n"));
        until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
    }
    std::fs::remove_file(site.place.path("good")).unwrap();
    let daemon = site.start();
    let _ = result(&daemon, "the forced one fails", |result| result["state"] == "rolled_back");
    // The next event is forced as well, though nothing else differs.
    site.place.write("good", "");
    site.put("a.com/config.d/x", "1");
    until("the forced one", || (site.place.count("after") == 2).then_some(()));
    until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
    // From now on nothing is.
    site.put("a.com/config.d/x", "1");
    stays(Duration::from_secs(3), "no further one", || site.place.count("after") == 2);
}
