//! Every screen, with everything on it and with nothing: what `axe` finds, how wide it is, what the console gets.

use serde_json::json;

use super::client::{Browser, LOOKS};
use super::site::PageSite;

/// Every screen: a new one is a line here. `@JOB@` and `@EVENT@` are of the router `backup_db`.
const SCREENS: &[&str] = &[
    "/",
    "/jobs",
    "/jobs?status=failed&router=backup_db",
    "/jobs?router=nothing",
    "/jobs/@JOB@",
    "/jobs/@JOB@?search=error",
    "/jobs/last?done=retry",
    "/jobs/last:flaky",
    "/jobs/last:reindex",
    "/jobs/unknown",
    "/events",
    "/events?unmatched=true",
    "/events/@EVENT@",
    "/routers",
    "/calendar",
    "/calendar?run=hourly",
    "/calendar?view=day",
    "/calendar?view=month",
    "/calendar?view=list",
    "/graph",
    "/apps",
    "/apps/shop",
    "/apps/shop/plan",
    "/apps/shop/plan?action=rollback",
    "/apps/wiki",
    "/nodes",
    "/nodes/web1",
    "/nodes/web2?done=drain",
    "/boards",
    "/boards/shop",
    "/boards/shop?tv=1",
    "/try",
    "/try?trigger=manual",
    "/config",
    "/audit",
    "/account",
    "/login",
];
/// The same of a daemon on which nothing happened yet.
const EMPTY_SCREENS: &[&str] = &[
    "/",
    "/jobs",
    "/events",
    "/routers",
    "/apps",
    "/nodes",
    "/queues",
    "/published",
    "/calendar",
    "/graph",
    "/boards",
    "/try",
    "/config",
    "/audit",
    "/account",
    "/login",
    "/apps/unknown",
    "/nodes/unknown",
];

/// What is wrong with the layout: what is wider than its box and cannot be scrolled to, and the number of headings. On
/// a narrow screen nothing needs to be scrolled sideways but pictures, and a calendar of weeks that was asked for.
const LAYOUT: &str = r"
const wrong = [];
const wide = document.documentElement;
if (wide.scrollWidth > wide.clientWidth) wrong.push(`scrolls sideways: ${wide.scrollWidth} > ${wide.clientWidth}`);
const main = document.querySelectorAll('h1');
if (main.length !== 1) wrong.push(`${main.length} h1`);
for (const one of document.body.querySelectorAll('*')) {
  const box = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  if (box.width === 0 || !one.checkVisibility() || style.position === 'absolute' || style.display.startsWith('inline')) continue;
  const scrolls = '.scroll, .log, header nav > ul, pre, textarea, select, svg';
  if (one.parentElement.closest(scrolls)) continue;
  if (box.right > wide.clientWidth + 1 || box.left < -1) wrong.push(`outside: ${one.outerHTML.slice(0, 100)}`);
  if (!one.matches(scrolls) && one.scrollWidth > one.clientWidth + 1 && style.overflowX === 'visible')
    wrong.push(`overflows by ${one.scrollWidth - one.clientWidth}: ${one.outerHTML.slice(0, 120)}`);
}
if (wide.clientWidth <= 640) for (const one of document.querySelectorAll('.scroll:not(:has(> svg, > .calendar))'))
  if (one.scrollWidth > one.clientWidth + 1) wrong.push(`needs scrolling: ${one.ariaLabel}: ${one.scrollWidth} > ${one.clientWidth}`);
return wrong.slice(0, 10);
";

/// Runs axe with every rule but those that only advise on a style; what it finds.
const AXE: &str = r"
const done = arguments[arguments.length - 1];
const only = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
axe.run(document, only).then((found) => done(found.violations.map((one) =>
  `${one.impact} ${one.id}: ${one.help}: ` + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) +
    ' ' + node.any.concat(node.all, node.none).map((check) => check.message).join('; ').slice(0, 200)).join(' | '))),
  (error) => done([String(error)]));
";

/// What is wrong with the screen that is shown, in each look.
pub fn findings(browser: &Browser, name: &str) -> Vec<String> {
    let axe = include_str!("../../../axe/axe.min.js");
    browser.chromium("Runtime.evaluate", json!({"expression": axe}));
    let mut found = Vec::new();
    for look in LOOKS {
        browser.look(look);
        let problems = [browser.run(LAYOUT, &[]), browser.run_async(AXE, &[])];
        let problems = problems.iter().flat_map(|list| list.as_array().unwrap());
        found.extend(problems.map(|problem| format!("{name} {look:?}: {}", problem.as_str().unwrap())));
    }
    // Enlarged to 200 % and to 400 %, as WCAG asks.
    for width in [640, 320] {
        browser.size(width, 900);
        let problems = browser.run(LAYOUT, &[]);
        let problems = problems.as_array().unwrap().iter();
        found.extend(problems.map(|problem| format!("{name} {width} px: {}", problem.as_str().unwrap())));
    }
    browser.force_colors();
    let problems = browser.run_async(AXE, &[]);
    let problems = problems.as_array().unwrap().iter();
    found.extend(problems.map(|problem| format!("{name} forced colours: {}", problem.as_str().unwrap())));
    found
}

/// Checks these screens, as an admin sees them.
pub fn check(site: &PageSite, paths: &[&str], fill: impl Fn(&str) -> String) {
    let browser = site.browser("root");
    let _ = browser.console();
    let mut found = Vec::new();
    for path in paths {
        let path = fill(path);
        browser.open(&site.url(&path));
        found.extend(findings(&browser, &path));
        let console = browser.console();
        // A screen that says that there is nothing of this name has its status in the console.
        let is_wrong = |entry: &&String| !(path.contains("unknown") && entry.contains("status of 404"));
        found.extend(console.iter().filter(is_wrong).map(|entry| format!("{path}: console: {entry}")));
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn nothing_is_wrong_with_any_screen_that_has_everything() {
    let site = PageSite::full();
    let job = site.wait_jobs("router=backup_db&status=failed", 1)[0].clone();
    let id = |key: &str| job[key].as_str().unwrap().to_owned();
    // Whose session outlives the browser.
    drop(site.browser("anna"));
    check(&site, SCREENS, |path| path.replace("@JOB@", &id("id")).replace("@EVENT@", &id("event_id")));
}

#[test]
fn nothing_is_wrong_with_any_empty_screen() {
    let site = PageSite::empty();
    check(&site, EMPTY_SCREENS, str::to_owned);
}
