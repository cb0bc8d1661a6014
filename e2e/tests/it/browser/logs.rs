//! Logs: what fits into a document is searched and copied by the browser, and of longer ones there are windows.

use std::time::{Duration, Instant};

use e2e::wait::stays;

use super::client::PAGE_DOWN;
use super::site::{HEAD, PageSite};

/// A job that writes so many lines of about 75 bytes.
fn site(lines: u32) -> (PageSite, String) {
    let script = format!(
        "awk 'BEGIN {{ for (n = 1; n <= {lines}; n++) printf \"entry %08d of a log that is long, with some words to read\\n\", n }}'"
    );
    let script = script.replace('\'', "''");
    let config = format!(
        "{HEAD}
history: {{log_limit: 128MiB}}
router:
  long:
    trigger: manual
    selector: match_map
    select_param: {{match_key: job, match_value: long}}
    task: {{write: sh}}
    job_param: {{cmd: sh, arg: [-c, '{script}']}}
"
    );
    let site = PageSite::new(&config);
    let job = site.run_job("long");
    assert_eq!(job["status"], "succeeded", "{job}");
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    (site, path)
}

/// Whether a line is in the window, as an expression.
fn is_seen(line: u32) -> String {
    let top = format!("document.getElementById('L{line}')?.getBoundingClientRect().top");
    format!("{top} >= 0 && {top} < innerHeight")
}

#[test]
fn a_log_of_1_mb_is_a_document() {
    let (site, path) = site(18_000);
    let browser = site.browser("anna");
    browser.open(&site.url(&path));
    assert_eq!(browser.value("document.querySelectorAll('#log .line').length"), 18_000);
    assert_eq!(browser.value("find('entry 00009123 of')"), true);
    assert_eq!(browser.value("find('entry 00018001 of')"), false);
    // What is copied has no numbers of lines.
    browser.run("getSelection().selectAllChildren(document.querySelector('#log .log'))", &[]);
    let copied = browser.value("getSelection().toString().slice(0, 400)");
    let copied: Vec<&str> = copied.as_str().unwrap().lines().filter(|line| !line.is_empty()).collect();
    assert!(copied.len() > 3, "{copied:?}");
    for (n, line) in copied.iter().take(3).enumerate() {
        assert_eq!(*line, format!("entry {:08} of a log that is long, with some words to read", n + 1));
    }
    browser.open("about:blank");
    browser.open(&site.url(&format!("{path}#L12345")));
    browser.wait("the line of the link", "document.querySelector(':target')?.id === 'L12345'");
    browser.wait("that it is seen", &is_seen(12_345));
    browser.press(PAGE_DOWN);
    browser.wait("a page further", "document.getElementById('L12345').getBoundingClientRect().top < 0");
}

#[test]
fn a_log_of_50_mb_has_windows() {
    let (site, path) = site(850_000);
    let browser = site.browser("anna");
    let started = Instant::now();
    browser.open(&site.url(&path));
    let took = started.elapsed();
    let last = "document.querySelector('#log .chunk:last-child .line:last-child').textContent";
    assert!(browser.value(last).as_str().unwrap().contains("entry 00850000"), "{}", browser.value(last));
    // 300 ms where it was built for speed and nothing else runs.
    assert!(took.as_secs() < 5, "{took:?}");
    let lines = browser.value("document.querySelectorAll('#log .line').length");
    assert!(lines.as_u64().unwrap() <= 2000, "{lines}");
    let first = "document.querySelector('#log .line').id";
    browser.run("document.querySelector('[name=from_line]').value = '400000'", &[]);
    browser.click("#log form.filter button");
    browser.wait("the window", &format!("{first} === 'L400000'"));
    browser.click("a[href*='from_line=402000']");
    browser.wait("the next", &format!("{first} === 'L402000'"));
    browser.run("document.querySelector('[name=search]').value = 'entry 00765432'", &[]);
    browser.run("document.querySelector('[name=from_line]').value = ''", &[]);
    browser.click("#log form.filter button");
    browser.wait("what was found", &format!("{first} === 'L765432'"));
    browser.wait_text("1 line with");
    browser.click("a[href$='#L765432']:not(.line a)");
    browser.wait("the lines around it", "document.querySelectorAll('#log .line').length === 2000");
    browser.wait("the line", "document.querySelector(':target')?.id === 'L765432'");
    browser.wait("that it is seen", &is_seen(765_432));
}

#[test]
fn a_short_log_takes_the_room_of_its_lines() {
    let (site, path) = site(3);
    let browser = site.browser("anna");
    browser.size(390, 500);
    browser.open(&site.url(&path));
    let height = browser.value("document.querySelector('#log .log').getBoundingClientRect().height");
    assert!(height.as_f64().unwrap() < 400.0, "{height}");
}

#[test]
fn a_screen_that_is_not_there_says_so_once() {
    let (site, _) = site(1);
    let browser = site.browser("anna");
    browser.open(&site.url("/jobs/unknown"));
    browser.wait_text("there is no job");
    // Something changes, which would make another screen afresh.
    let _ = site.run_job("long");
    stays(Duration::from_secs(2), "nothing is said of a refresh", || {
        browser.value("document.getElementById('stream').hidden") == true
    });
}
