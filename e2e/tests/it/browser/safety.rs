//! What other sites and jobs try, and what a browser makes of it.

use e2e::fake::Fake;
use e2e::http::Message;

use super::client::Browser;
use super::site::{HEAD, PageSite};

/// Another site, with this document at every path.
fn other_site(html: String) -> Fake {
    Fake::answering(Message::response(200, &[("Content-Type", "text/html; charset=utf-8")], html.as_bytes()))
}

fn both_hosts(other: &Fake) -> [String; 2] {
    // One is the same site with another port, for a browser: it sends the cookies there.
    ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{}/", other.address().port()))
}

#[test]
fn other_sites_cannot_frame_it() {
    let site = PageSite::new(HEAD);
    let browser = site.browser("anna");
    let other = other_site(format!("<!doctype html><iframe src='{}'></iframe>", site.url("/jobs")));
    for url in both_hosts(&other) {
        let _ = browser.console();
        browser.open(&url);
        let console = browser.console().join("\n");
        assert!(console.contains("frame-ancestors"), "{url}: {console}");
        browser.go_to_frame();
        assert!(!browser.text().contains("Jobs"), "{url}: {}", browser.text());
        browser.open("about:blank");
    }
}

#[test]
fn other_sites_cannot_send_its_forms() {
    let site = PageSite::new(HEAD);
    let browser = site.browser("anna");
    let action = site.url("/triggers/manual");
    let form = format!("<!doctype html><form method=post action='{action}'><button>win</button></form>");
    let other = other_site(form);
    for url in both_hosts(&other) {
        browser.open(&url);
        browser.click("button");
        browser.wait("an answer", &format!("location.href === '{action}'"));
        let text = browser.text();
        let is_refused = text.contains("cross-site browser request rejected");
        assert!(is_refused, "{url}: {text}");
    }
    let events = site.api("/v1/events?trigger=manual");
    assert_eq!(events["items"].as_array().map(Vec::len), Some(0), "{events}");
}

/// Whether anything of what jobs and names say became more than text.
const INJECTED: &str = "
const found = [...document.querySelectorAll('main img, main script, main iframe, [onerror], a[href^=javascript]')];
if (document.querySelectorAll('h1').length !== 1) found.push(document.querySelector('h1'));
return found.map((one) => one.outerHTML);
";

#[test]
fn what_jobs_and_names_say_is_text() {
    let site = PageSite::full();
    let browser: Browser = site.browser("anna");
    let jobs = site.wait_jobs("status=failed", 3);
    let job = jobs.iter().find(|job| job["task"].as_str().unwrap().contains("<script>")).unwrap();
    let path = |list: &str, key: &str| format!("/{list}/{}", job[key].as_str().unwrap());
    let log = format!("{}?search=%3Cimg", path("jobs", "id"));
    for path in [&*path("jobs", "id"), &log, &path("events", "event_id"), "/", "/jobs", "/routers"] {
        browser.open(&site.url(path));
        browser.run("for (const one of document.querySelectorAll('details')) one.open = true", &[]);
        let injected = browser.run(INJECTED, &[]);
        assert_eq!(injected.as_array().map(Vec::len), Some(0), "{path}: {injected}");
        assert!(browser.text().contains("<img src=x onerror=alert(1)>"), "{path}: {}", browser.text());
    }
    browser.open(&site.url(&path("jobs", "id")));
    let text = browser.text();
    for part in ["</pre></div><h1>another heading</h1>", "click here", "</pre><script>alert(2)</script>"] {
        let is_there = browser.value("document.body.textContent").as_str().unwrap().contains(part);
        assert!(is_there, "{part}: {text}");
    }
    assert!(!text.contains("a title"), "{text}");
    // What turns the direction of a name ends with the name.
    let heading = browser.value("document.querySelector('h1').textContent");
    let id = job["id"].as_str().unwrap();
    assert!(heading.as_str().unwrap().ends_with(&format!("txt.exe ▸ {}", &id[id.len() - 8..])), "{heading}");
    assert!(!heading.as_str().unwrap().contains('\u{202e}'), "{heading}");
}
