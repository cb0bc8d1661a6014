//! Screens keep up by themselves, and say so where they cannot.

use std::time::{Duration, Instant};

use e2e::http::{Message, free_port, send_unix};
use e2e::nginx::Nginx;
use e2e::wait::{stays, until_within};
use serde_json::json;

use super::client::{Browser, ENTER, WAIT};
use super::proxy::without_stream;
use super::site::{HEAD, PageSite};

const JOBS: &str = "
router:
  report:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: report}
    task: {write: sh}
    job_param: {cmd: 'true'}
  slow:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: slow}
    task: {count: sh}
    job_param: {cmd: sh, arg: [-c, 'n=0; while [ ! -e \"@DIR@/enough\" ]; do n=$((n+1)); echo \"line $n\"; sleep 0.1; done']}
";
/// Jobs of the list.
const ROWS: &str = "document.querySelectorAll('#list tbody tr').length";
/// What a screen reader says of lines that were added elsewhere.
const SAID: &str = "There are new lines at the end of the log.";
const BANNER: &str = "document.getElementById('stream')";

fn site() -> PageSite {
    PageSite::new(&format!("{HEAD}{JOBS}"))
}

/// Opens a screen, which must be the same document until the end of the test.
fn open_once(browser: &Browser, url: &str) {
    browser.open(url);
    browser.run("window.isFirst = true", &[]);
}

#[test]
fn a_job_appears_by_itself() {
    let site = site();
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/jobs"));
    // The first one may come before the stream is open.
    site.run_job("report");
    browser.wait("the first job", &format!("{ROWS} === 1"));
    site.run_job("report");
    browser.wait("the second", &format!("{ROWS} === 2"));
    let fired = Instant::now();
    site.fire(&json!({"job": "report"}));
    browser.wait("the third", &format!("{ROWS} === 3"));
    assert!(fired.elapsed() < Duration::from_secs(4), "{:?}: the stream is not used", fired.elapsed());
    assert_eq!(browser.value("window.isFirst"), true);
    assert_eq!(browser.value(&format!("{BANNER}.hidden")), true);
}

/// A router that starts many jobs does not hide that another one fails.
#[test]
fn what_failed_is_seen_behind_many_newer_jobs() {
    let failing = "  rare:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: rare}
    task: {fail: sh}
    job_param: {cmd: 'false'}
  common:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: common}
    task: {nothing: none}
";
    let site = PageSite::new(&format!("{HEAD}{JOBS}{failing}"));
    site.run_job("rare");
    for _ in 0..300 {
        site.fire(&json!({"job": "common"}));
    }
    site.run_job("common");
    let browser = site.browser("anna");
    browser.wait_text("Of the newest 300 jobs: 300 succeeded");
    browser.wait_text("rare failed");
    site.run_job("common");
    browser.wait_text("rare failed");
}

/// A screen may be open for long without any news.
#[test]
fn how_long_ago_something_was_stays_true() {
    let site = site();
    site.run_job("report");
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/jobs"));
    let loaded =
        "performance.getEntriesByType('resource').filter((one) => one.initiatorType === 'fetch').length";
    browser.wait("the answer to what the open stream asked", &format!("{loaded} > 0"));
    let count = browser.value(loaded);
    browser
        .wait("a later time", "/^.1\\ds ago.$/.test(document.querySelector('#list time + .ago').innerText)");
    assert_eq!(browser.value(loaded), count, "nothing was asked");
}

/// What is neither an event nor a job: acts of others, and reloads.
#[test]
fn what_others_do_appears_by_itself() {
    let site = site();
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/"));
    browser.wait_text("Nothing needs attention.");
    site.on_socket(&["pause", "report", "--reason", "the disk is full"]);
    browser.wait_text("router report is paused since ");
    browser.wait_text("its jobs wait until somebody resumes it · by ");
    browser.wait_text("“the disk is full”");
    site.reload_with_mistake("\nroterr: {}\n");
    browser.wait_text("failed, and the configuration before it runs on: an admin sees why");
    let admin = site.browser("root");
    open_once(&admin, &site.url("/"));
    admin.wait_text("heraldd.yml:");
    admin.wait_text("roterr");
    site.reload_with("");
    for seen in [&browser, &admin] {
        seen.wait("the end of it", "!document.body.innerText.includes('The reload of ')");
        assert_eq!(seen.value("window.isFirst"), true);
    }
}

#[test]
fn behind_nginx_it_is_live() {
    let own = format!("127.0.0.1:{}", free_port());
    let base = format!("base: 'http://{own}/herald/'");
    let site = PageSite::new(&format!("{HEAD}{JOBS}").replace("base: /herald/", &base));
    let location = format!("location /herald/ {{ proxy_pass http://{}; proxy_buffering off; }}", site.page);
    let _nginx = Nginx::start_at(&site.place, own.parse().unwrap(), &location);
    let browser = Browser::start();
    let origin = format!("http://{own}");
    site.log_in_at(&browser, "anna", &format!("{origin}/herald/login"));
    let cookies = browser.chromium("Network.getCookies", json!({}));
    assert_eq!(cookies["cookies"][0]["path"], "/herald/", "{cookies}");
    open_once(&browser, &format!("{origin}/herald/jobs"));
    let stream = "performance.getEntriesByType('resource').some((one) => one.initiatorType === 'fetch')";
    browser.wait("the answer to what the open stream asked", stream);
    site.run_job("report");
    browser.wait("the first job", &format!("{ROWS} === 1"));
    let fired = Instant::now();
    site.fire(&json!({"job": "report"}));
    browser.wait("the second", &format!("{ROWS} === 2"));
    assert!(fired.elapsed() < Duration::from_secs(4), "{:?}: the stream is not used", fired.elapsed());
    assert_eq!(browser.value("window.isFirst"), true);
    assert_eq!(browser.value(&format!("{BANNER}.hidden")), true);
    // What is done goes through as well.
    browser.click("#list td a");
    browser.click("#acts summary");
    browser.click("#acts form button");
    browser.wait_text("This is the new job.");
    assert!(browser.address().starts_with(&format!("{origin}/herald/jobs/")), "{}", browser.address());
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
fn the_focus_and_what_is_written_outlive_a_refresh() {
    let site = site();
    site.fire(&json!({"job": "slow"}));
    site.wait_jobs("status=running", 1);
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/"));
    browser.run("document.querySelector('#running summary').focus()", &[]);
    site.run_job("report");
    let day = "document.getElementById('day').innerText";
    browser.wait("the first report", &format!("{day}.includes('1 succeeded')"));
    assert_eq!(browser.value("document.activeElement.matches('#running summary')"), true);
    browser.press(ENTER);
    browser.tab_to("input[name=reason]");
    browser.press("too slow");
    site.run_job("report");
    browser.wait("the second report", &format!("{day}.includes('2 succeeded')"));
    assert_eq!(browser.value("document.activeElement.value"), "too slow");
    site.place.write("enough", "yes");
}

#[test]
fn the_log_of_a_running_job_goes_on() {
    let site = site();
    site.fire(&json!({"job": "slow"}));
    let job = site.wait_jobs("status=running", 1)[0]["id"].as_str().unwrap().to_owned();
    let browser = site.browser("anna");
    open_once(&browser, &site.url(&format!("/jobs/{job}")));
    let lines = "document.querySelectorAll('#log .line').length";
    browser.wait("a long log", &format!("{lines} > 60"));
    // At the end of the page it stays there; elsewhere it does not move.
    browser.run("scrollTo(0, document.documentElement.scrollHeight)", &[]);
    let seen = browser.value(lines).as_u64().unwrap();
    browser.wait("more of it", &format!("{lines} > {}", seen + 30));
    let below = "document.documentElement.scrollHeight - innerHeight - scrollY";
    browser.wait("the end", &format!("{below} < 100"));
    browser.run("scrollTo(0, 100)", &[]);
    let seen = browser.value(lines).as_u64().unwrap();
    browser.wait("still more", &format!("{lines} > {}", seen + 30));
    assert_eq!(browser.value("scrollY"), 100);
    // A button says how many there are, and leads to them; its name is said once.
    let button = "document.getElementById('more-lines')";
    browser.wait("the button", &format!("/^↓ \\d+ new lines?$/.test({button}.innerText)"));
    assert_eq!(browser.value("document.getElementById('more-said').innerText"), SAID);
    browser.run("document.querySelector('#log .log').focus({ preventScroll: true })", &[]);
    let seen = browser.value(lines).as_u64().unwrap();
    browser.wait("a refresh", &format!("{lines} > {seen}"));
    assert_eq!(browser.value("document.activeElement.ariaLabel"), "Log", "the refresh took the focus");
    browser.tab_to("#more-lines");
    browser.press(ENTER);
    browser.wait("the end again", &format!("{below} < 100 && {button}.hidden"));
    assert_eq!(browser.value("document.activeElement.ariaLabel"), "Log");
    assert_eq!(browser.value("document.getElementById('more-said').innerText"), "");
    let seen = browser.value(lines).as_u64().unwrap();
    browser.wait("that it is followed again", &format!("{lines} > {} && {below} < 100", seen + 30));
    assert_eq!(browser.value(&format!("{button}.hidden")), true);
    site.place.write("enough", "yes");
    browser.wait("the end of the job", "document.getElementById('job').innerText.includes('succeeded')");
    assert_eq!(browser.value("window.isFirst"), true);
}

/// So many streams the daemon serves.
fn open_streams(site: &PageSite) -> u64 {
    let request = Message::request("GET", "/metrics", &[], b"");
    let text = send_unix(&site.place.path("state/heraldd.sock"), &request).text();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("herald_streams_open "));
    lines.next().unwrap().parse().unwrap()
}

#[test]
fn eight_tabs_share_one_stream() {
    let site = site();
    let browser = site.browser("anna");
    let mut tabs = vec![browser.tab()];
    tabs.extend((1..8).map(|_| browser.new_tab()));
    for tab in &tabs {
        browser.go_to_tab(tab);
        open_once(&browser, &site.url("/jobs"));
    }
    until_within(WAIT, "the stream", || (open_streams(&site) == 1).then_some(()));
    for (n, tab) in tabs.iter().rev().enumerate() {
        site.run_job("report");
        browser.go_to_tab(tab);
        browser.wait("the job in this tab", &format!("{ROWS} === {}", n + 1));
        assert_eq!(browser.value("window.isFirst"), true);
        assert_eq!(browser.value(&format!("{BANNER}.hidden")), true);
    }
    assert_eq!(open_streams(&site), 1);
    // Closed tabs do not end it, and the last one does.
    for tab in &tabs[1..] {
        browser.go_to_tab(tab);
        browser.open("about:blank");
    }
    browser.go_to_tab(&tabs[0]);
    site.run_job("report");
    browser.wait("the job after the others left", &format!("{ROWS} === 9"));
    assert_eq!(open_streams(&site), 1);
    browser.open("about:blank");
    until_within(WAIT, "the end of the stream", || (open_streams(&site) == 0).then_some(()));
}

#[test]
fn a_session_that_an_admin_ends_is_at_the_login_in_every_tab_at_once() {
    let site = site();
    let browser = site.browser("anna");
    let tabs: Vec<String> = (0..3).map(|_| browser.new_tab()).collect();
    for tab in &tabs {
        browser.go_to_tab(tab);
        open_once(&browser, &site.url("/jobs"));
    }
    until_within(WAIT, "the stream", || (open_streams(&site) == 1).then_some(()));
    let admin = site.browser("root");
    admin.open(&site.url("/account"));
    admin.wait_text("anna");
    // In one step: the refresh after the stream has opened exchanges the list.
    admin.run("document.querySelector('#others form button').click()", &[]);
    admin.wait_text("Nobody else is logged in.");
    for tab in &tabs {
        browser.go_to_tab(tab);
        browser.wait("the login", "location.pathname.endsWith('/login')");
        assert_eq!(browser.value("new URLSearchParams(location.search).get('to')"), "/jobs");
    }
    until_within(WAIT, "the stream of the admin alone", || (open_streams(&site) == 1).then_some(()));
}

/// Without the stream: it polls, and acts work.
fn check_without_stream(site: &PageSite, browser: &Browser, url: impl Fn(&str) -> String) {
    open_once(browser, &url("/jobs"));
    browser.wait("the banner", &format!("{BANNER}.innerText.includes('interrupted')"));
    site.run_job("report");
    browser.wait("the job", &format!("{ROWS} === 1"));
    assert_eq!(browser.value("window.isFirst"), true);
    browser.open(&url("/routers"));
    browser.click("#triggers summary");
    browser.click("#triggers form button");
    browser.wait_text("this is its event");
}

#[test]
fn without_the_stream_it_asks_every_few_seconds_and_acts_work() {
    let site = site();
    let proxy = without_stream(site.page);
    let url = |path: &str| format!("http://{proxy}/herald{path}");
    let browser = Browser::start();
    site.log_in_at(&browser, "anna", &url("/login"));
    check_without_stream(&site, &browser, url);
}

#[test]
fn without_shared_workers_each_tab_has_its_own_stream() {
    let site = site();
    let browser = site.browser("anna");
    let remove = json!({"source": "delete window.SharedWorker"});
    browser.chromium("Page.addScriptToEvaluateOnNewDocument", remove);
    open_once(&browser, &site.url("/jobs"));
    site.run_job("report");
    browser.wait("the job", &format!("{ROWS} === 1"));
    until_within(WAIT, "the stream", || (open_streams(&site) == 1).then_some(()));
    assert_eq!(browser.value(&format!("{BANNER}.hidden")), true);
    browser.open("about:blank");
    until_within(WAIT, "its end", || (open_streams(&site) == 0).then_some(()));
}

#[test]
fn a_restart_of_the_daemon_is_survived() {
    let mut site = site();
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/jobs"));
    site.run_job("report");
    browser.wait("the first job", &format!("{ROWS} === 1"));
    site.kill();
    browser.wait("the banner", &format!("!{BANNER}.hidden && {BANNER}.innerText !== ''"));
    site.start();
    site.run_job("report");
    browser.wait("the second job", &format!("{ROWS} === 2"));
    browser.wait("no banner", &format!("{BANNER}.hidden"));
    assert_eq!(browser.value("window.isFirst"), true);
}

#[test]
fn a_screen_that_cannot_be_refreshed_says_that_it_is_old() {
    let board = "board: {wall: {tile: {last: {router: report, path: status, show: text}}}}\n";
    let site = site();
    site.reload_with(board);
    let browser = site.browser("anna");
    // On a wall nobody sees but this screen.
    open_once(&browser, &site.url("/boards/wall?tv=1"));
    site.run_job("report");
    browser.wait("the value", "document.getElementById('main').innerText.includes('succeeded')");
    site.reload_with("");
    site.run_job("report");
    let old = "/What you see is old: it is of 20\\d\\d-.* Trying again every 5 seconds/";
    browser.wait("the banner", &format!("{old}.test({BANNER}.innerText)"));
    site.reload_with(board);
    browser.wait("no banner", &format!("{BANNER}.hidden"));
    assert_eq!(browser.value("window.isFirst"), true);
}

#[test]
fn a_logout_ends_the_other_tabs() {
    let site = site();
    let browser = site.browser("anna");
    open_once(&browser, &site.url("/jobs?status=failed"));
    let first = browser.tab();
    browser.new_tab();
    browser.open(&site.url("/account"));
    browser.click("form[action$='/logout'] button");
    browser.wait("the login", "location.pathname.endsWith('/login')");
    browser.go_to_tab(&first);
    browser.wait("the login in the first tab", "location.pathname.endsWith('/login')");
    assert_eq!(browser.value("new URLSearchParams(location.search).get('to')"), "/jobs?status=failed");
    browser.run("window.isFirst = true", &[]);
    // No request over and over again: the document and what it loads are all.
    let requests = || browser.value("performance.getEntriesByType('resource').length").as_u64().unwrap();
    stays(Duration::from_secs(3), "the login", || browser.value("window.isFirst") == true && requests() < 8);
}
