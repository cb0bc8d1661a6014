//! Screens that a daemon has which is connected to a Redis and an etcd: queues, and projects that are published.

use e2e::etcd::EtcdServer;
use e2e::redis::RedisServer;
use e2e::wait::until_within;
use serde_json::{Value, json};

use super::client::{Browser, ENTER, ESCAPE, Look, WAIT};
use super::screens::check;
use super::site::{HOSTILE, LONG, PageSite};

/// `@REDIS@` and `@ETCD@` are replaced by their URLs.
const CONNECTED: &str = "
state_dir: '@DIR@/state'
access: {users: users}
page: {port: @PORT@, base: /herald/, title: Production}
queue:
  main: {url: '@REDIS@', sign: a-secret-of-the-tests}
etcd:
  main: {endpoints: ['@ETCD@'], timeout: 2s}
trigger:
  manual: {type: http, port: 0}
  work: {type: queue, queue: main, topic: deploy, lease: 2s, requeue: {on: failed, max: 1, delay: 50ms}}
  projects: {type: etcd, etcd: main, prefix: /watcher, layout: projects, host: web01, resync: 1s}
executor:
  sh: {type: local, work_dir: '@DIR@/work'}
  workers: {type: queue, queue: main, topic: deploy}
  others: {type: queue, queue: main, topic: @LONG@}
  files: {type: publish, etcd: main, policy_from: etcd}
router:
  put:
    trigger: manual
    selector: match_map
    select_param: {match_key: to, match_value: workers}
    task: {put: workers}
    job_param: {message: {n: 1}}
  put_others:
    trigger: manual
    selector: match_map
    select_param: {match_key: to, match_value: others}
    task: {put: others}
    job_param: {message: {n: 1}}
  run: {trigger: work, selector: all, task: {run: sh}, job_param: {cmd: test, arg: [-e, '@DIR@/go']}}
  publish: {trigger: projects, selector: all, task: {publish: files}}
";

struct Connected {
    _redis: RedisServer,
    etcd: EtcdServer,
    site: PageSite,
}

impl Connected {
    /// With a dead letter in the topic `deploy`, a message in one without workers, and the projects `a.com` and one
    /// with a name that nobody likes.
    fn start() -> Self {
        let (redis, etcd) = (RedisServer::start(&[]), EtcdServer::start());
        let long = &LONG[..90];
        let config = CONNECTED.replace("@REDIS@", &redis.url()).replace("@ETCD@", &etcd.url());
        let site = PageSite::new(&config.replace("@LONG@", long));
        let connected = Self { _redis: redis, etcd, site };
        connected.site.fire(&json!({"to": "workers"}));
        connected.site.fire(&json!({"to": "others"}));
        for project in ["a.com", long] {
            let folder = connected.site.place.text_path(project);
            connected.put(
                project,
                "config",
                &json!({"deployPath": folder, "backupDir": folder.clone() + "-backup"}).to_string(),
            );
            connected.put(project, "config.d/index.html", "one");
        }
        connected.wait("a dead letter", || connected.topic("deploy")["dead"] == 1);
        connected.wait("a message", || connected.topic(long)["waiting"] == 1);
        connected.wait("the projects", || connected.states() == ["in_sync", "in_sync"]);
        connected
    }

    fn put(&self, project: &str, name: &str, value: &str) {
        self.etcd.put(&format!("/watcher/web01/{project}/{name}"), value);
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        until_within(WAIT, what, || is_so().then_some(()));
    }

    fn topic(&self, topic: &str) -> Value {
        self.site.api(&format!("/v1/queues/main/topics/{topic}"))
    }

    /// The states of all projects, that of `a.com` first or last as the API has them by name.
    fn states(&self) -> Vec<String> {
        let list = self.site.api("/v1/published");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["state"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// Opens the form behind this summary, which is a part of its text, and sends it with a reason.
fn act(browser: &Browser, summary: &str) {
    let script = "const all = [...document.querySelectorAll('main details > summary')];
        const one = all.find((one) => one.textContent.startsWith(arguments[0])).parentElement;
        one.open = true;
        const form = one.querySelector('form');
        form.elements.reason.value = arguments[1];
        form.requestSubmit();";
    browser.run(script, &[summary.into(), HOSTILE.into()]);
}

/// Follows a link, which a refresh may exchange at any time.
fn follow(browser: &Browser, link: &str) {
    browser.run("document.querySelector(arguments[0]).click()", &[link.into()]);
}

#[test]
fn nothing_is_wrong_with_the_screens_of_queues_and_projects() {
    let connected = Connected::start();
    let site = &connected.site;
    let paused = site.heraldd(&["queue", "pause", "deploy", "--socket", "@DIR@/state/heraldd.sock"]);
    assert_eq!(paused.code, Some(0), "{}", paused.text());
    site.place.write("a.com/index.html", "by hand");
    connected.wait("the drift", || connected.states().contains(&"drifted".to_owned()));
    let long = format!("/queues/main/topics/{}", &LONG[..90]);
    let project = format!("/published/{}", &LONG[..90]);
    let screens = [
        "/",
        "/queues",
        "/queues/main/topics/deploy?done=queue_pause",
        &long,
        "/queues/main/topics/unknown",
        "/published",
        "/published?name=nothing",
        "/published/a.com",
        "/published/a.com/diff",
        &project,
        "/published/unknown",
    ];
    check(site, &screens, str::to_owned);
    the_navigation_is_one_row_and_its_menu_needs_no_mouse(site);
}

/// With every screen that there can be, at 1280 px.
fn the_navigation_is_one_row_and_its_menu_needs_no_mouse(site: &PageSite) {
    let browser = site.browser("root");
    for is_dark in [false, true] {
        browser.look(Look { is_dark, width: 1280 });
        let parts = "[...document.querySelectorAll('header > a, header nav > ul > li, header summary')]";
        assert_eq!(browser.value(&format!("{parts}.length")), 13, "brand, account, ten screens, the menu");
        let rows =
            format!("[...new Set({parts}.map((one) => Math.round(one.getBoundingClientRect().top)))].length");
        let height = browser.value("document.querySelector('header').getBoundingClientRect().height");
        assert!(browser.value(&rows) == 1 && height.as_f64().unwrap() < 60.0, "{height} px");
    }
    let is_open = "document.querySelector('header .more').open";
    let seen = "document.querySelector('header .more a[href$=\"/config\"]').checkVisibility()";
    browser.run("document.body.focus()", &[]);
    browser.tab_to("header summary");
    assert_eq!((browser.value(is_open), browser.value(seen)), (false.into(), false.into()));
    browser.press(ENTER);
    browser.wait("the menu", &format!("{is_open} && {seen}"));
    browser.press(ESCAPE);
    browser.wait("its end", &format!("!{is_open} && document.activeElement.matches('header summary')"));
    browser.press(ENTER);
    browser.tab_to("header .more a[href$='/config']");
    // A refresh leaves it open, and elsewhere it closes.
    browser.wait("the menu", is_open);
    browser.press(ENTER);
    browser.wait("the screen", "document.querySelector('h1')?.innerText === 'Configuration'");
    browser.wait("the mark", "document.querySelector('header summary').matches('.current')");
    browser.click("header summary");
    browser.wait("the menu", is_open);
    browser.click("h1");
    browser.wait("its end", &format!("!{is_open}"));
    browser.allow_scripts(false);
    browser.open(&site.url("/audit"));
    browser.click("header summary");
    browser.wait("the menu without scripts", &format!("{is_open} && {seen}"));
}

#[test]
fn a_topic_is_paused_resumed_and_its_dead_letters_run_again() {
    let connected = Connected::start();
    let (site, browser) = (&connected.site, connected.site.browser("anna"));
    browser.wait_text("topic main/deploy has 1 dead letter");
    follow(&browser, "header a[href$='/queues']");
    browser.wait("the queues", "document.querySelector('h1')?.innerText === 'Queues'");
    follow(&browser, "#queues a[href$='/topics/deploy']");
    browser.wait_text("Dead letters");
    act(&browser, "Pause");
    browser.wait_text("The topic is paused: workers get no messages of it.");
    assert_eq!(connected.topic("deploy")["paused"], true);
    browser.open(&site.url("/"));
    browser.wait_text("topic main/deploy is paused: 0 messages wait until somebody resumes it");
    browser.wait_text(&format!(" by anna via page from 127.0.0.1: “{HOSTILE}”"));
    follow(&browser, "#wrong a[href$='/topics/deploy']");
    browser.wait_text("No worker gets its messages");
    browser.wait_text(" by anna via page");
    act(&browser, "Resume");
    browser.wait_text("Workers get messages of the topic again.");
    site.place.write("go", "");
    act(&browser, "Requeue …");
    browser.wait_text("The dead letters were put back.");
    site.wait_jobs("router=run&status=succeeded", 1);
    browser.open(&site.url("/"));
    browser.wait("the first screen", "document.querySelector('h1')?.innerText === 'Now'");
    assert!(!browser.text().contains("main/deploy"), "{}", browser.text());
    let audit = site.api("/v1/audit?user=anna");
    let acts: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|one| one["act"].as_str()).collect();
    assert_eq!(acts[..3], ["queue_requeue", "queue_resume", "queue_pause"], "{audit}");
    assert_eq!(audit["items"][0]["reason"], HOSTILE, "{audit}");
}

#[test]
fn a_project_that_drifted_shows_how_and_is_published_again() {
    let connected = Connected::start();
    let (site, browser) = (&connected.site, connected.site.browser("anna"));
    site.place.write("a.com/index.html", "by hand");
    connected.wait("the drift", || connected.states().contains(&"drifted".to_owned()));
    browser.open(&site.url("/"));
    browser.wait_text("project a.com has drifted · changed on this machine: index.html");
    follow(&browser, "#wrong a[href$='/published/a.com']");
    browser.wait_text("Drifted: files were changed on this machine by somebody else.");
    follow(&browser, "a[href$='/a.com/diff']");
    browser.wait_text("-by hand");
    act(&browser, "Publish …");
    browser.wait_text("The event was accepted: its job publishes the project.");
    browser.wait_text("✓ in sync");
    assert_eq!(site.place.read("a.com/index.html").as_deref(), Some("one"));
    browser.open(&site.url("/"));
    browser.wait("the first screen", "document.querySelector('h1')?.innerText === 'Now'");
    assert!(!browser.text().contains("a.com"), "{}", browser.text());
}
