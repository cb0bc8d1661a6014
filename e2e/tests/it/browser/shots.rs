//! How the main screens look. They are compared with pictures where there are some of the browser's major version;
//! with another one only the layout is checked. `HERALD_UPDATE=1` makes the pictures again, also those of `docs/`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;

use super::client::{Browser, Look};
use super::screens::findings;
use super::site::PageSite;

/// The name of a picture, the path of the screen, and how it is looked at. `@JOB@` is the job that failed.
const SHOTS: [(&str, &str, Look); 10] = [
    ("now-light", "/", Look { is_dark: false, width: 1280 }),
    ("now-dark", "/", Look { is_dark: true, width: 1280 }),
    ("now-narrow", "/", Look { is_dark: false, width: 390 }),
    ("jobs-light", "/jobs", Look { is_dark: false, width: 1280 }),
    ("jobs-narrow", "/jobs", Look { is_dark: true, width: 390 }),
    ("job-light", "/jobs/@JOB@", Look { is_dark: false, width: 1280 }),
    ("job-narrow", "/jobs/@JOB@", Look { is_dark: true, width: 390 }),
    ("app-dark", "/apps/shop", Look { is_dark: true, width: 1280 }),
    ("app-narrow", "/apps/shop", Look { is_dark: false, width: 390 }),
    ("login-light", "/login", Look { is_dark: false, width: 1280 }),
];
/// Those of the documentation.
const DOCUMENTED: [(&str, &str, Look); 3] = [
    ("page-now", "/", Look { is_dark: false, width: 1280 }),
    ("page-job", "/jobs/@JOB@", Look { is_dark: true, width: 1280 }),
    ("page-app", "/apps/shop", Look { is_dark: false, width: 1280 }),
];
/// The share of the pixels that may differ.
const MOST_DIFFERENT: f64 = 0.01;

/// What differs between two runs is put in one form; the fonts are those that every machine with the tests has.
const STEADY: &str = r##"
const style = new CSSStyleSheet();
style.replaceSync(`* { font-family: "DejaVu Sans" !important; caret-color: transparent !important; }
  .id, code, pre, pre *, .log, .log *, textarea { font-family: "DejaVu Sans Mono" !important; }`);
document.adoptedStyleSheets = [style];
const forms = [
  [/\/tmp\/herald-e2e-\w+/g, "/srv/herald"],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "019f0000-0000-7000-8000-00000badcafe"],
  [/127\.0\.0\.1:\d+/g, "127.0.0.1:8125"],
];
if (arguments[0]) forms.push(
  [/\b(?=[a-f]*\d)[0-9a-f]{10}\b/g, "0badcafe00"], [/(?<=^|▸ )[0-9a-f]{8}(?=$)/g, "0badcafe"],
  [/\b\d+(\.\d+)? ?(µs|ms|s|min)\b( \d+ (ms|s)\b)?/g, "5 s"], [/heraldd \d+\.\d+\.\d+\S*/g, "heraldd 1.0.0"]);
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const node = walk.currentNode;
  const fixed = arguments[0] && node.parentElement.closest("time, .ago");
  if (fixed) node.data = fixed.matches(".ago") ? "(5 s ago)" : "2026-11-29 14:05:00 +00:00";
  else for (const [from, to] of forms) node.data = node.data.replace(from, to);
}
window.scrollTo(0, 0);
document.activeElement?.blur();
"##;

/// The share of the pixels that differ, and 1 where the sizes do.
const COMPARE: &str = r"
const [one, other, done] = arguments;
const pixels = async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
};
(async () => {
  const [a, b] = [await pixels(one), await pixels(other)];
  if (a.width !== b.width || a.height !== b.height) return 1;
  let count = 0;
  for (let n = 0; n < a.data.length; n += 4)
    if ([0, 1, 2].some((part) => Math.abs(a.data[n + part] - b.data[n + part]) > 24)) count += 1;
  return count / (a.width * a.height);
})().then(done, (error) => done(String(error)));
";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A picture of a screen, from its top, without its scripts: nothing changes meanwhile.
fn picture(site: &PageSite, browser: &Browser, path: &str, look: Look, is_steady: bool) -> Vec<u8> {
    browser.look(look);
    browser.open(&site.url(path));
    browser.run(STEADY, &[is_steady.into()]);
    browser.screenshot()
}

fn differing(browser: &Browser, one: &[u8], other: &[u8]) -> f64 {
    let base64 = |bytes| Value::from(base64::engine::general_purpose::STANDARD.encode(bytes));
    let share = browser.run_async(COMPARE, &[base64(one), base64(other)]);
    share.as_f64().unwrap_or_else(|| panic!("{share}"))
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn the_main_screens_look_as_they_did() {
    let site = PageSite::typical();
    let job = site.wait_jobs("router=backup_db", 1)[0]["id"].as_str().unwrap().to_owned();
    let browser = site.browser("anna");
    let fill = |path: &str| path.replace("@JOB@", &job);
    let is_update = std::env::var_os("HERALD_UPDATE").is_some();
    let known = here("tests/it/browser/shots").join(browser.major_version());
    let made = here("../target/browser");
    if !known.exists() && !is_update {
        let looked = SHOTS.iter().flat_map(|(_, path, _)| {
            browser.open(&site.url(&fill(path)));
            findings(&browser, path)
        });
        assert_eq!(looked.collect::<Vec<_>>(), Vec::<String>::new());
        return;
    }
    browser.allow_scripts(false);
    let pictures = SHOTS.map(|(name, path, look)| (name, picture(&site, &browser, &fill(path), look, true)));
    if is_update {
        for (name, path, look) in DOCUMENTED {
            let path = picture(&site, &browser, &fill(path), look, false);
            write(&here("../docs/images").join(format!("{name}.png")), &path);
        }
        for (name, bytes) in &pictures {
            write(&known.join(format!("{name}.png")), bytes);
        }
        return;
    }
    let compare = Browser::start();
    compare.open("about:blank");
    let mut wrong = Vec::new();
    for (name, bytes) in &pictures {
        let expected = std::fs::read(known.join(format!("{name}.png"))).unwrap_or_default();
        let share = if expected.is_empty() { 1.0 } else { differing(&compare, bytes, &expected) };
        if share > MOST_DIFFERENT {
            let seen = made.join(format!("{name}.png"));
            write(&seen, bytes);
            wrong.push(format!(
                "{name}: {:.2} % of the pixels differ; see {}",
                share * 100.0,
                seen.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\nHERALD_UPDATE=1 takes them as they are now", wrong.join("\n"));
}
