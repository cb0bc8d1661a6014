//! The ways in, and what can be done: by mouse, by keyboard alone, without scripts.

use serde_json::json;

use super::client::{Browser, ENTER, ESCAPE, TAB};
use super::site::{HEAD, PASSWORD, PageSite};

const FAILING: &str = "
router:
  backup_db:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: backup_db}
    task: {dump: sh}
    job_param: {cmd: sh, arg: [-c, 'echo \"connection denied\" >&2; exit 3']}
  report:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: report}
    task: {write: sh}
    job_param: {cmd: 'true'}
";

fn site() -> PageSite {
    PageSite::new(&format!("{HEAD}{FAILING}"))
}

#[test]
fn a_link_lets_in_once() {
    let site = PageSite::without_page();
    assert!(!site.daemon().said("listens on"), "{}", site.daemon().log());
    let link = site.link();
    let browser = Browser::start();
    browser.open(&link);
    browser.click("main button");
    browser.wait("the first screen", "document.querySelector('h1')?.innerText === 'Now'");
    let again = Browser::start();
    again.open(&link);
    again.wait_text("this link was used already");
    let home = link.split("/in/").next().unwrap();
    again.open(home);
    again.wait("the login", "location.pathname === '/login'");
}

#[test]
fn the_keyboard_alone_is_enough() {
    let site = site();
    site.run_job("report");
    site.run_job("backup_db");
    site.run_job("report");
    let browser = Browser::start();
    browser.open(&site.url("/jobs"));
    browser.wait("the login", "document.activeElement?.name === 'name'");
    browser.press(&format!("anna{TAB}{PASSWORD}{ENTER}"));
    browser.wait("the list", "document.querySelector('h1')?.innerText === 'Jobs'");
    browser.press("gn");
    browser.wait("the first screen", "document.querySelector('h1')?.innerText === 'Now'");
    browser.press("gj");
    browser.wait("the list again", "document.querySelector('h1')?.innerText === 'Jobs'");
    browser.press("/");
    browser.wait("the filter", "document.activeElement?.name === 'router'");
    browser.tab_to("select[name=status]");
    browser.press("fai");
    browser.tab_to("form.filter button");
    browser.press(ENTER);
    browser.wait("the filtered list", "document.querySelectorAll('#list tbody tr').length === 1");
    browser.tab_to("#list td a");
    browser.press(ENTER);
    browser.wait("the job", "document.querySelector('h1')?.innerText.startsWith('backup_db')");
    browser.tab_to("#acts summary");
    assert_eq!(browser.value("document.activeElement.innerText"), "Retry …");
    browser.tab_to("[role=region][aria-label=Log]");
    assert!(
        browser.value("document.activeElement.innerText").as_str().unwrap().contains("connection denied")
    );
    // Back to what retries it.
    browser.run("document.querySelector('.skip').focus()", &[]);
    browser.press(ENTER);
    browser.tab_to("#acts summary");
    browser.press(ENTER);
    browser.tab_to("#acts input[name=reason]");
    browser.press(&format!("the server is back{ENTER}"));
    browser.wait_text("This is the new job.");
    let jobs = site.wait_jobs("router=backup_db", 2);
    assert!(browser.address().contains(jobs[0]["id"].as_str().unwrap()), "{}", browser.address());
    let job = site.api(&format!("/v1/jobs/{}", jobs[0]["id"].as_str().unwrap()));
    assert_eq!(job["by"]["reason"], "the server is back", "{job}");
}

#[test]
fn keys_go_to_screens_rows_and_anything() {
    let site = site();
    let job = site.run_job("report")["id"].as_str().unwrap().to_owned();
    site.run_job("report");
    let browser = site.browser("anna");
    browser.open(&site.url("/"));
    browser.run("document.body.focus()", &[]);
    browser.press("gj");
    let title = |name: &str| format!("document.querySelector('h1')?.innerText === '{name}'");
    browser.wait("the jobs", &title("Jobs"));
    let is_open = "document.querySelector('dialog[open]') !== null";
    browser.press("?");
    browser.wait(
        "the keys",
        &format!("{is_open} && document.querySelector('dialog').innerText.includes('Ctrl-K')"),
    );
    // In a dialog they mean nothing.
    browser.press("gn");
    browser.press(ESCAPE);
    browser.wait("its end", &format!("!({is_open})"));
    browser.wait("the list", &title("Jobs"));
    let row = "[...document.querySelectorAll('main tbody tr')].indexOf(document.activeElement.closest('tr'))";
    for (key, expected) in [("j", 0), ("j", 1), ("j", 1), ("k", 0), ("j", 1)] {
        browser.press(key);
        browser.wait(&format!("row {expected} after {key}"), &format!("{row} === {expected}"));
    }
    browser.press("o");
    browser.wait("the older job", &format!("location.pathname.endsWith('/jobs/{job}')"));
    browser.wait("the screen", "document.querySelector('#acts summary') !== null");
    browser.press("r");
    browser.wait("what can be done", "document.activeElement.matches('#acts summary')");
    for (text, expected) in [
        ("cal", "location.pathname.endsWith('/calendar')"),
        (&job[..13], &*format!("document.body.innerText.includes('{job}')")),
        ("no such text", "new URLSearchParams(location.search).get('q') === 'no such text'"),
    ] {
        browser.press_with_control("k");
        browser.wait("where to", "document.activeElement.matches('dialog input')");
        browser.press(&format!("{text}{ENTER}"));
        browser.wait(text, expected);
        browser.wait("the screen", "document.querySelector('h1') !== null");
    }
}

#[test]
fn a_double_click_is_one_act() {
    let site = site();
    let browser = site.browser("anna");
    browser.open(&site.url("/routers"));
    browser.click("#triggers summary");
    browser.run(
        "const button = arguments[0]; document.querySelector(button).click(); \
                 document.querySelector(button).click();",
        &[json!("#triggers form button")],
    );
    browser.wait_text("this is its event");
    // Whatever was sent twice is there by the time that something that was sent later is.
    site.fire(&json!({}));
    let events = site.api("/v1/events?trigger=manual");
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "{events}");
}

#[test]
fn what_is_too_large_is_not_sent() {
    let site = site();
    let browser = site.browser("anna");
    for (path, field, button, sent) in [
        ("/try?trigger=manual", "body", "form.try button[type=submit]", "would be created"),
        ("/routers", "params", "#triggers form button", "this is its event"),
    ] {
        browser.open(&site.url(path));
        browser.run("window.isFirst = true", &[]);
        if path == "/routers" {
            browser.click("#triggers summary");
        }
        // Shorter than a MiB, and longer as it is sent.
        let fill = "document.querySelector(arguments[0]).value = `{\"job\": \"${arguments[2].repeat(arguments[1])}\"}`";
        let area = format!("textarea[name={field}]");
        browser.run(fill, &[json!(area), json!(500_000), json!("{")]);
        browser.click(button);
        browser.wait_text("This was not sent: it would be 1.43 MiB, and at most 1 MiB are accepted.");
        browser.click(button);
        assert_eq!(browser.value("window.isFirst"), true);
        assert_eq!(browser.value("document.querySelectorAll('.too-large[role=alert]').length"), 1);
        assert_eq!(browser.value(&format!("document.querySelector('{area}').value.length")), 500_011);
        browser.run(fill, &[json!(area), json!(1), json!("x")]);
        browser.click(button);
        browser.wait_text(sent);
    }
}

#[test]
fn without_scripts_everything_can_be_done() {
    let site = site();
    let failed = site.run_job("backup_db")["id"].as_str().unwrap().to_owned();
    let browser = site.browser("anna");
    browser.allow_scripts(false);
    browser.open(&site.url(&format!("/jobs/{failed}")));
    browser.click("#acts summary");
    browser.click("#acts form button");
    browser.wait_text("This is the new job.");
    assert!(browser.text().contains("connection denied"), "{}", browser.text());
    browser.open(&site.url("/routers"));
    browser.click("#triggers summary");
    browser.click("#triggers form button");
    browser.wait_text("this is its event");
    browser.open(&site.url("/jobs?status=failed"));
    browser.click("form.filter button");
    browser.wait_text("backup_db");
    browser.open(&site.url("/account"));
    browser.click("form[action$='/logout'] button");
    browser.wait("the login", "location.pathname.endsWith('/login')");
}
