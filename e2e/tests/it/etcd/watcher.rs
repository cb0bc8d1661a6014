//! The whole way of someone who has watcher (seed 003): its file, its keys, its policies.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::etcd::EtcdServer;
use e2e::fake::Fake;
use e2e::http::Message;
use e2e::place::Place;
use e2e::wait::{stays, unix_now, until, until_within};
use serde_json::{Value, json};

use super::names_in;

/// The file of the seed, with its comments behind the values.
const INI: &str = include_str!("../../../data/watcher/scm_config.ini");
/// Between two heartbeats, in seconds.
const INTERVAL: u64 = 2;

/// The seed's file with the addresses of this test.
fn ini(server: &EtcdServer, heartbeats: &Fake) -> String {
    let endpoint = server.url().replace("http://", "");
    INI.replace("endpoints = localhost:2379", &format!("endpoints = {endpoint}"))
        .replace("domain = http://127.0.0.1:9091 ", &format!("domain = http://{} ", heartbeats.address()))
        .replace("interval = 30 ", &format!("interval = {INTERVAL} "))
}

/// What `heraldd import watcher` makes of a file; `heraldd check` has nothing to say about it.
fn imported(place: &Place, ini: &str) -> String {
    place.write("scm_config.ini", ini);
    let ended = place.run("heraldd", &["import", "watcher", "scm_config.ini"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text());
    let checked = place.check(&ended.stdout);
    assert_eq!(checked.code, Some(0), "{}\n{}", checked.text(), ended.stdout);
    for word in ["warning", "error"] {
        assert!(!checked.text().to_lowercase().contains(word), "{}", checked.text());
    }
    ended.stdout
}

/// The name of this machine, as it is in the keys.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

struct Watcher {
    server: EtcdServer,
    place: Place,
    fake: Fake,
}

impl Watcher {
    fn new() -> Self {
        let fake = Fake::answering(Message::response(200, &[], b""));
        Self { server: EtcdServer::start(), place: Place::new(), fake }
    }

    /// Imports, and starts heraldd.
    fn start(&self) -> Daemon {
        let config = imported(&self.place, &ini(&self.server, &self.fake));
        super::start(&self.place, &config)
    }

    fn put(&self, name: &str, value: &str) {
        self.server.put(&format!("/watcher/{}/{name}", host()), value);
    }

    /// The seed's policy of a project, below the folder of the test.
    fn policy(&self, project: &str, callback: &str) {
        let [deploy, backup] = ["watcher", "backup"].map(|name| self.place.text_path(name));
        let policy = format!(
            "{{\"deployPath\": \"{deploy}/{project}/\", \"backupDir\":\"{backup}/{project}\", \
             \"beforeCmd\":\"echo before\", \"afterCmd\":\"echo after\", \"callback\": \"{callback}\"}}"
        );
        self.put(&format!("{project}/config"), &policy);
    }

    fn callback(&self) -> String {
        format!("http://{}/callback", self.fake.address())
    }

    /// The requests to a path.
    fn sent(&self, path: &str) -> Vec<Message> {
        self.fake.seen().into_iter().filter(|request| request.target() == ("POST", path)).collect()
    }

    fn wait_sent(&self, path: &str, count: usize) -> Vec<Message> {
        until(path, || Some(self.sent(path)).filter(|sent| sent.len() >= count))
    }

    fn wait_file(&self, name: &str, content: Option<&str>) {
        until(name, || (self.place.read(name).as_deref() == content).then_some(()));
    }
}

fn text(request: &Message) -> String {
    String::from_utf8_lossy(&request.body).into_owned()
}

fn assert_mode(path: &Path, size: u64) {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).unwrap();
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o7777), (size, 0o644), "{}", path.display());
}

#[test]
fn the_file_of_the_seed_is_imported_as_it_is() {
    let place = Place::new();
    let config = imported(&place, INI);
    for line in ["http://localhost:2379", "prefix: /watcher", "at_start: force", "http://127.0.0.1:9091"] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(!config.contains("etcd中的前缀") && config.contains("interval: 30"), "{config}");
}

#[test]
fn the_seed_from_its_file_to_its_backup() {
    let watcher = Watcher::new();
    let daemon = watcher.start();
    watcher.policy("a.com", &watcher.callback());
    watcher.put("a.com/config.d/ngx.conf", "aaaaaaaa");
    watcher.policy("b.com", "");
    watcher.put("b.com/config.d/ngx.conf", "bbbbbbbbb");
    watcher.wait_file("watcher/a.com/ngx.conf", Some("aaaaaaaa"));
    watcher.wait_file("watcher/b.com/ngx.conf", Some("bbbbbbbbb"));
    assert_mode(&watcher.place.path("watcher/a.com/ngx.conf"), 8);
    assert_mode(&watcher.place.path("watcher/b.com/ngx.conf"), 9);

    let report = watcher.wait_sent("/callback", 1).remove(0);
    assert_eq!(report.get("content-type"), Some("application/json"));
    let expected = "{\"action\":\"set\",\"code\":200,\"msg\":\"\",\"md5\":\"3dbe00a167653a1aaee01d93e77e730e\",\
        \"beforeCmd\":{\"success\":true,\"out\":\"before\\n\",\"err\":null,\"msg\":\"\"},\
        \"afterCmd\":{\"success\":true,\"out\":\"after\\n\",\"err\":null,\"msg\":\"\"},";
    assert!(text(&report).starts_with(expected), "{}", text(&report));
    let body: Value = serde_json::from_slice(&report.body).unwrap();
    assert_eq!((&body["project"], &body["host"]), (&json!("a.com"), &json!(host())));

    watcher.server.delete(&format!("/watcher/{}/a.com/config.d/ngx.conf", host()));
    watcher.wait_file("watcher/a.com/ngx.conf", None);
    let backups = until("the backup", || {
        Some(names_in(&watcher.place.path("backup/a.com"))).filter(|names| !names.is_empty())
    });
    assert!(backups.len() == 1 && is_backup_name(&backups[0], "ngx.conf"), "{backups:?}");
    assert_eq!(watcher.place.read(&format!("backup/a.com/{}", backups[0])).as_deref(), Some("aaaaaaaa"));
    assert_eq!(watcher.place.read("watcher/b.com/ngx.conf").as_deref(), Some("bbbbbbbbb"));
    let report = text(&watcher.wait_sent("/callback", 2)[1]);
    assert!(report.starts_with("{\"action\":\"delete\",\"code\":200,\"msg\":\"\",\"md5\":\"\","), "{report}");
    assert!(!daemon.said("aaaaaaaa"), "values are not logged");
}

/// `^NAME_watcherbackup_\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d_\w+$`
fn is_backup_name(name: &str, file: &str) -> bool {
    let Some(rest) = name.strip_prefix(&format!("{file}_watcherbackup_")) else { return false };
    let form = "dddd-dd-dd_dd:dd:dd_";
    let (Some(time), Some(suffix)) = (rest.get(..form.len()), rest.get(form.len()..)) else { return false };
    let fits = |(c, form): (char, char)| if form == 'd' { c.is_ascii_digit() } else { c == form };
    time.chars().zip(form.chars()).all(fits)
        && !suffix.is_empty()
        && suffix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[test]
fn heartbeats_arrive_also_while_etcd_is_down() {
    let mut watcher = Watcher::new();
    let daemon = watcher.start();
    let assert_beat = |beat: &Message, etcd: &dyn Fn(&str) -> bool| {
        let names = ["{\"version\":\"", "\"hostname\":\"", "\"timestamp\":"];
        let at = names.map(|name| text(beat).find(name));
        assert!(at[0] == Some(0) && at[0] < at[1] && at[1] < at[2], "{}", text(beat));
        let body: Value = serde_json::from_slice(&beat.body).unwrap();
        assert!(body["version"].as_str().unwrap().contains("herald"), "{body}");
        assert_eq!(body["hostname"], *host());
        assert!((body["timestamp"].as_i64().unwrap() - unix_now()).abs() <= 5, "{body}");
        assert!(etcd(body["etcd"].as_str().unwrap()), "{body}");
    };
    let first = watcher.wait_sent("/", 1);
    assert_beat(&first[0], &|etcd| etcd == "connected");
    watcher.server.kill();
    let before = watcher.sent("/").len();
    let beat = until_within(Duration::from_secs(30), "a heartbeat that names the etcd", || {
        let beat = watcher.sent("/").pop()?;
        text(&beat).contains("connection refused").then_some(beat)
    });
    assert_beat(&beat, &|etcd| etcd.starts_with("etcd main: "));
    let later = watcher.wait_sent("/", before + 2);
    assert!(later.len() >= before + 2);
    assert!(daemon.ended().is_none());
    // Routine successes are not kept in the history.
    let (status, jobs) = super::ask(&watcher.place, "/v1/jobs?router=heartbeat&limit=100");
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    let succeeded = |job: &&Value| job["status"] == "succeeded";
    let kept = jobs["items"].as_array().unwrap().iter().filter(succeeded).count();
    assert_eq!((status, kept), (200, 0), "{jobs}");
}

#[test]
fn force_publishes_whole_at_each_start() {
    let watcher = Watcher::new();
    let daemon = watcher.start();
    watcher.policy("a.com", &watcher.callback());
    watcher.put("a.com/config.d/ngx.conf", "aaaaaaaa");
    watcher.wait_sent("/callback", 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    drop(daemon);
    let before = watcher.sent("/callback").len();
    let _daemon = watcher.start();
    let reports = watcher.wait_sent("/callback", before + 1);
    let report: Value = serde_json::from_slice(&reports[before].body).unwrap();
    assert_eq!((&report["code"], &report["afterCmd"]["out"]), (&json!(200), &json!("after\n")));
    stays(Duration::from_secs(1), "one publication", || watcher.sent("/callback").len() == before + 1);
}

/// The reports that arrived, by their state and code.
fn reported(watcher: &Watcher) -> Vec<String> {
    let sent = watcher.sent("/callback").into_iter();
    let reports = sent.map(|report| serde_json::from_slice::<Value>(&report.body).unwrap());
    reports.map(|report| format!("{} {}", report["state"].as_str().unwrap(), report["code"])).collect()
}

#[test]
fn reports_arrive_also_once_etcd_has_their_url_no_more() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = is_down.clone();
    let fake = Fake::start(move |_| (!down.load(Ordering::SeqCst)).then(|| Message::response(200, &[], b"")));
    let mut watcher = Watcher { server: EtcdServer::start(), place: Place::new(), fake };
    let daemon = watcher.start();
    let within = Duration::from_secs(60);
    watcher.policy("a.com", &watcher.callback());
    watcher.put("a.com/config.d/ngx.conf", "aaaaaaaa");
    until_within(within, "the first", || (reported(&watcher) == ["published 200"]).then_some(()));

    // etcd loses everything: the hold is reported at the URL of before.
    watcher.server.kill();
    watcher.server.wipe();
    watcher.server.start_again();
    until_within(within, "the hold", || (reported(&watcher).last()? == "held 500").then_some(()));
    watcher.policy("a.com", &watcher.callback());
    watcher.put("a.com/config.d/ngx.conf", "aaaaaaaa");
    let socket = watcher.place.text_path("state/heraldd.sock");
    until_within(within, "in sync", || {
        let shown = watcher.place.run("heraldd", &["published", "a.com", "--socket", &socket]);
        shown.text().contains("in_sync").then_some(())
    });

    // The receiver is down; the project goes, and etcd forgets it; heraldd is restarted.
    is_down.store(true, Ordering::SeqCst);
    watcher.put("a.com/config.d/ngx.conf", "aaaaaaa2");
    watcher.wait_file("watcher/a.com/ngx.conf", Some("aaaaaaa2"));
    let project = format!("/watcher/{}/a.com/", host());
    let _ = watcher.server.ctl(&["del", "--prefix", &project]);
    watcher.wait_file("watcher/a.com/ngx.conf", None);
    let found = watcher.server.ctl(&["get", "/", "-w", "json"]);
    let found: Value = serde_json::from_str(&found).unwrap();
    let _ = watcher.server.ctl(&["compaction", &found["header"]["revision"].to_string()]);
    daemon.signal("KILL");
    let _ = daemon.wait_end();
    drop(daemon);
    // Until now each attempt was refused.
    let before = watcher.sent("/callback").len();
    is_down.store(false, Ordering::SeqCst);
    let _daemon = watcher.start();
    until_within(within, "the change, then the deletion", || {
        // At the start the project is forced, whether or not the deletion was over: a third one may follow.
        let arrived = watcher.sent("/callback").split_off(before);
        let at = |action: &str| {
            arrived.iter().position(|report| text(report).starts_with(&format!("{{\"action\":\"{action}\"")))
        };
        at("set").zip(at("delete")).filter(|(set, delete)| set < delete)
    });
}
