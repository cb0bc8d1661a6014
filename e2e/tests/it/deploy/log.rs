//! The log of the repository: exact in JSON, by pages, with what is pending and what is bad.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::fixture::{Case, OTHERS, Site, check_all, check_some};
use super::origin::{Kind, tree};

/// How many commits there are.
const COUNT: usize = 300;
const CASES: [Case; 2] = [(Kind::Git, "exchange"), (Kind::Svn, "exchange")];

/// Messages that a careless reader breaks.
const MESSAGES: [&str; 10] = [
    "first: <b>&amp; \"quotes\" ]]> and\nsecond line with ^ and {CRLF}",
    "subject ^ with | and \t tab",
    "",
    "emoji 🚀 and größe",
    "subject\n\nbody with several\n\nparagraphs",
    "]]> <msg>fake</msg> &#10; {CRLF}",
    "'quotes' \"and\" `ticks` $HOME \\n",
    "revision=\"99\" --- r99 | x |",
    "  spaces before",
    "ends with a needle",
];

fn message(n: usize) -> &'static str {
    MESSAGES[n % MESSAGES.len()]
}

/// 2026-01-01 and a minute for each.
fn time(n: usize) -> String {
    format!("2026-01-01T{:02}:{:02}:00", n / 60, n % 60)
}

/// Gives these bytes to a program.
fn feed(site: &Site, dir: &std::path::Path, program: &str, args: &[&str], bytes: &[u8]) {
    let mut command = Command::new(program);
    e2e::program::clean(&mut command, &site.place.path(""));
    command.args(args).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::null());
    #[expect(clippy::disallowed_methods, reason = "a tool of the test's own")]
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.wait().unwrap().success(), "{program}");
}

fn import_git(site: &Site) {
    let mut text = String::new();
    for n in 0..COUNT {
        let (message, seconds) = (message(n), 1_767_225_600 + n * 60);
        text += &format!("commit refs/heads/main\nmark :{}\n", n + 1);
        for role in ["author", "committer"] {
            text += &format!("{role} a.b-c <a@example.com> {seconds} +0000\n");
        }
        text += &format!("data {}\n{message}\n", message.len());
        if n > 0 {
            text += &format!("from :{n}\n");
        }
        // Every fiftieth is a merge.
        if n % 50 == 49 {
            text += &format!("merge :{}\n", n - 10);
        }
        text += &format!("M 100644 inline file\ndata {}\n{n}\n\n", n.to_string().len());
    }
    feed(site, &site.place.path("origin.git"), "git", &["fast-import", "--quiet"], text.as_bytes());
}

fn import_svn(site: &Site) {
    let mut text = "SVN-fs-dump-format-version: 2\n\n".to_owned();
    for n in 0..COUNT {
        let date = format!("{}.000000Z", time(n));
        let mut properties = String::new();
        for (key, value) in [("svn:log", message(n)), ("svn:author", "a.b-c"), ("svn:date", &date)] {
            properties += &format!("K {}\n{key}\nV {}\n{value}\n", key.len(), value.len());
        }
        properties += "PROPS-END\n";
        let length = properties.len();
        text += &format!(
            "Revision-number: {}\nProp-content-length: {length}\nContent-length: {length}\n\n{properties}\n",
            n + 1
        );
        let (action, content) = (if n == 0 { "add" } else { "change" }, n.to_string());
        text += &format!(
            "Node-path: trunk/file\nNode-kind: file\nNode-action: {action}\nText-content-length: {length}\nContent-length: \
             {length}\n\n{content}\n\n",
            length = content.len()
        );
    }
    let args = ["load", "-q", "--bypass-prop-validation", "repository"];
    feed(site, &site.place.path(""), "svnadmin", &args, text.as_bytes());
}

/// Checks 6 and 7.
#[test]
fn three_hundred_commits_by_pages() {
    check_all(&CASES, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        match kind {
            Kind::Git => import_git(&site),
            Kind::Svn => import_svn(&site),
        }
        let page = |query: &str| {
            let page = site.api("GET", &format!("/v1/apps/shop/commits?{query}"), None);
            assert_eq!(page.status, 200, "{page:?}");
            page.json()
        };
        assert_eq!(page("limit=20")["items"].as_array().unwrap().len(), 20);
        assert_eq!(page("")["items"].as_array().unwrap().len(), 20);
        let (mut found, mut before) = (Vec::new(), String::new());
        loop {
            let said = page(&format!("limit=70{before}"));
            found.extend(said["items"].as_array().unwrap().clone());
            let Some(next) = said["next_cursor"].as_str() else { break };
            before = format!("&before={next}");
            assert!(found.len() < 2 * COUNT);
        }
        // Subversion's repository has one more, which made the folder.
        let expected = COUNT + usize::from(kind == Kind::Svn);
        assert_eq!(found.len(), expected);
        for (n, item) in found.iter().take(COUNT).enumerate().map(|(n, item)| (COUNT - 1 - n, item)) {
            let (message, subject) = (message(n), message(n).lines().next().unwrap_or_default());
            assert_eq!((&item["message"], &item["author"]), (&json!(message), &json!("a.b-c")), "{n} {item}");
            assert_eq!(item["subject"].as_str().unwrap().trim(), subject.trim(), "{n}");
            assert!(item["time"].as_str().unwrap().starts_with(&time(n)), "{n} {item}");
            assert_eq!((&item["pending"], &item["live"]), (&json!(true), &json!([])), "{n}");
        }
        let mut revisions: Vec<&str> = found.iter().map(|item| item["revision"].as_str().unwrap()).collect();
        revisions.sort_unstable();
        revisions.dedup();
        assert_eq!(revisions.len(), expected, "no commit is listed twice");
        let said = page("search=NEEDLE&limit=200");
        assert_eq!(said["items"].as_array().unwrap().len(), COUNT / MESSAGES.len());
        for (query, status) in
            [("limit=0", 400), ("limit=201", 400), ("before=--config-dir%3Dx", 422), ("before=zz", 422)]
        {
            let said = site.api("GET", &format!("/v1/apps/shop/commits?{query}"), None);
            assert!(said.status == status || said.status == 400, "{query}: {said:?}");
        }
        let shown = site.cli(&["log", "shop", "--limit", "200"]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert!(shown.stdout.contains("REVISION") && shown.stderr.contains("more: --before"), "{shown:?}");
    });
}

/// Check 8.
#[test]
fn after_a_rollback_the_newer_ones_are_pending() {
    check_some(&OTHERS, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let all: Vec<String> = ["1", "2"].iter().map(|text| site.release(&tree(&[("a", text)]))).collect();
        let third = site.origin.commit("third", &tree(&[("a", "3")]));
        assert_eq!(site.rollback(&[]).0, 0);
        let (code, said) = site.json(&["log", "shop"]);
        assert_eq!(code, 0, "{said}");
        let mark = |n: usize, key: &str| said["items"][n][key].clone();
        let marks: Vec<[Value; 3]> =
            (0..3).map(|n| ["revision", "pending", "bad"].map(|key| mark(n, key))).collect();
        let expected = [
            [json!(third), json!(true), json!(false)],
            [json!(all[1]), json!(true), json!(true)],
            [json!(all[0]), json!(false), json!(false)],
        ];
        assert_eq!(marks, expected, "{said}");
        assert_eq!((mark(2, "live"), mark(1, "live")), (json!(["n1", "n2", "n3"]), json!([])));
        let (_, pending) = site.json(&["log", "shop", "--pending"]);
        let pending: Vec<&Value> =
            pending["items"].as_array().unwrap().iter().map(|item| &item["revision"]).collect();
        assert_eq!(pending, [&json!(third), &json!(all[1])]);
        site.must_deploy(&[]);
        let none = site.cli(&["log", "shop", "--pending"]);
        assert!(none.text().contains("nothing is pending"), "{none:?}");
    });
}
