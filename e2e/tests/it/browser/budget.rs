//! What the first page costs.

use std::time::Duration;

use e2e::wait::stays;
use serde_json::Value;

use super::client::Browser;
use super::site::PageSite;

/// All that was loaded: how it was asked for, from where, how large it is.
const LOADED: &str = "
return ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind)).map((one) =>
  ({ by: one.initiatorType, host: new URL(one.name).host, name: one.name, size: one.decodedBodySize }));
";
/// How far the layout moved since the document was opened, as the sum that browsers report.
const SHIFTS: &str = "
const done = arguments[arguments.length - 1];
let sum = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) sum += one.value; })
  .observe({ type: 'layout-shift', buffered: true });
setTimeout(() => done(sum), 200);
";

fn loaded(browser: &Browser) -> Vec<Value> {
    browser.run(LOADED, &[]).as_array().unwrap().clone()
}

#[test]
fn the_first_page_is_small_and_quiet() {
    let site = PageSite::typical();
    let browser = site.browser("anna");
    // Without what the login has loaded already.
    browser.chromium("Network.clearBrowserCache", serde_json::json!({}));
    browser.open(&site.url("/"));
    let refreshed = "performance.getEntriesByType('resource').some((one) => one.initiatorType === 'fetch')";
    browser.wait("the answer to what the open stream asked", refreshed);
    let all = loaded(&browser);
    let (later, first): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|one| matches!(one["by"].as_str(), Some("fetch" | "eventsource")));
    // The document, the style, the script; the icon is asked for by the frame of the browser.
    assert!(first.len() <= 4 && later.len() <= 2, "{all:#?}");
    let bytes: u64 = first.iter().map(|one| one["size"].as_u64().unwrap()).sum();
    assert!(bytes <= 70_000, "{bytes} bytes: {first:#?}");
    assert!(all.iter().all(|one| one["host"] == site.page.to_string()), "{all:#?}");
    let painted = browser.value("performance.getEntriesByName('first-contentful-paint')[0].startTime");
    // 200 ms where nothing else runs.
    assert!(painted.as_f64().unwrap() < 3000.0, "{painted}");
    let moved = browser.run_async(SHIFTS, &[]);
    assert!(moved.as_f64().unwrap() < 0.02, "{moved}");
    let is_quiet = || loaded(&browser).len() == all.len();
    stays(Duration::from_secs(2), "no request", is_quiet);
}
