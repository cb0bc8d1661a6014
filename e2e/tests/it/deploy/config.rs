//! Mistakes in the section `app`: found by `heraldd check`, with file, line and column.

use e2e::place::Place;

/// A good one.
const GOOD: &str = "node:
  web1: {host: 'http://127.0.0.1:1/', secret: a-secret-that-is-long-enough, tags: [web]}
  web2: {host: 'http://127.0.0.1:2/', secret: a-secret-that-is-long-enough, tags: [web]}
app:
  shop:
    repo: https://git.example.com/shop.git
    mode: exchange
    path: /srv/www/shop
    nodes: [web1, web2]
";

/// What is replaced in it by what; where the mistake is; and what is said of it.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("[web1, web2]", "[web1, wbe2]", "9:", "did you mean \"web2\"?"),
    ("[web1, web2]", "[web1, other]", "9:", "there is no node \"other\""),
    ("[web1, web2]", "[web1, web1]", "9:", "is named twice"),
    ("[web1, web2]", "[]", "9:", "names no node"),
    ("[web1, web2]", "[{web1: {paht: /x}}]", "9:", "unknown key `paht`"),
    ("[web1, web2]", "[{web1: {path: x}}]", "9:", "an absolute path"),
    ("    nodes: [web1, web2]\n", "", "5:3", "`nodes` or `tags` is missing"),
    ("    nodes: [web1, web2]\n", "    tags: [db]\n", "9:", "no node bears the tag \"db\""),
    ("    path: /srv/www/shop\n", "", "", "path"),
    ("/srv/www/shop", "www/shop", "8:11", "an absolute path without `..`"),
    ("/srv/www/shop", "/srv/../etc", "8:11", "an absolute path without `..`"),
    ("/srv/www/shop", "/", "8:11", "an absolute path without `..`"),
    ("/srv/www/shop", "/srv/www/.git", "", ".git"),
    ("mode: exchange", "mode: exchnage", "7:11", "exchange"),
    ("mode: exchange", "mdoe: exchange", "7:5", "did you mean `mode`?"),
    ("mode: exchange", "mode: in_place\n    shared: [uploads/]", "", "shared"),
    ("mode: exchange", "shared: [../uploads]", "", "../uploads"),
    ("mode: exchange", "shared: [/etc]", "", "/etc"),
    ("mode: exchange", "shared: [.git/hooks]", "", ".git/hooks"),
    ("mode: exchange", "drift_interval: 1s", "7:21", "the shortest interval is 5 s"),
    ("mode: exchange", "keep: 0", "7:11", "1"),
    ("mode: exchange", "on_failure: give_up", "7:17", "rollback"),
    ("mode: exchange", "strategy: {offline: sikp}", "7:25", "skip"),
    ("mode: exchange", "hooks: {befor: {cmd: x}}", "7:13", "before"),
    ("mode: exchange", "hooks: {before: {arg: x}}", "7:", "cmd"),
    ("mode: exchange", "health: {url: 'http://x/', cmd: y}", "7:", "not both"),
    ("mode: exchange", "freeze: [{from: someday, to: mon}]", "7:", "someday"),
    ("mode: exchange", "auth: {username: a}", "7:", "password is missing"),
    ("https://git.example.com/shop.git", "https://git.example.com/shop", "", "type"),
    (
        "https://git.example.com/shop.git",
        "https://me:secret@git.example.com/shop.git",
        "6:11",
        "the URL has a password",
    ),
    ("https://git.example.com/shop.git", "--upload-pack=x.git", "6:11", "is not a valid URL of a repository"),
    ("https://git.example.com/shop.git", "ext::sh -c id", "6:11", "is not a valid URL of a repository"),
    ("  shop:\n", "  sh op:\n", "5:3", "the name of an application has letters"),
];

const SECOND: &str = "  cart: {repo: https://git.example.com/cart.git, path: PATH, nodes: [web2]}\n";

#[test]
fn mistakes_are_found_with_their_place() {
    let place = Place::new();
    let good = place.check(GOOD);
    assert_eq!(good.code, Some(0), "{good:?}");
    let mut wrong = Vec::new();
    for (from, to, at, says) in MISTAKES {
        assert!(GOOD.contains(from));
        let checked = place.check(&GOOD.replacen(from, to, 1));
        let text = checked.text();
        let is_right = checked.code == Some(2) && text.contains(says) && !text.contains("me:secret");
        if !is_right || !text.contains(&format!("config.yml:{at}")) {
            wrong.push(format!("{to}: {:?} {text}", checked.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn mistakes_of_all_applications_are_found_at_once() {
    let place = Place::new();
    let wrong = "  a: {repo: https://git.example.com/a.git, path: srv/a, nodes: [web1]}
  b: {repo: https://git.example.com/b.git, path: /srv/b, nodes: [web1], freeze: [{from: someday, to: mon}]}
  c: {repo: https://git.example.com/c.git, path: /srv/c, nodes: [web9]}
  d: {repo: https://git.example.com/d, path: /srv/d, nodes: [web1]}
  e: {repo: https://git.example.com/e.git, path: /srv/www/shop/e, nodes: [web1]}
";
    let checked = place.check(&format!("{GOOD}{wrong}router: {{}}\n"));
    let text = checked.text();
    for says in ["an absolute path", "someday", "web9", "`type` is missing", "on web1, /srv/www/shop/e"] {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[test]
fn applications_that_are_in_each_others_way() {
    let place = Place::new();
    for (path, fine) in [
        ("/srv/www/cart", true),
        ("/srv/www/shop-2", true),
        ("/srv/www/shop", false),
        ("/srv/www/shop/cart", false),
        ("/srv/www", false),
        ("/srv/www/shop.herald", false),
        ("/srv/www/shop.herald/trees/x", false),
    ] {
        let checked = place.check(&format!("{GOOD}{}", SECOND.replace("PATH", path)));
        let text = checked.text();
        assert_eq!(checked.code, Some(if fine { 0 } else { 2 }), "{path}: {text}");
        if !fine {
            assert!(text.contains("on web2") && text.contains("config.yml:10:3"), "{path}: {text}");
        }
    }
    // On another node it is another folder.
    let other = SECOND.replace("PATH", "/srv/www/shop").replace("[web2]", "[{web2: {path: /srv/cart}}]");
    assert_eq!(place.check(&format!("{GOOD}{other}")).code, Some(0));
}

#[test]
fn names_that_herald_needs_itself() {
    let place = Place::new();
    for (section, at) in [
        ("executor: {'app:shop': {type: print}}\n", "executor of the application shop"),
        (
            "router: {'app:shop': {trigger: t, selector: all, task: {p: print}}}\ntrigger: {t: {type: http, port: 0}}\n",
            "router of the application shop",
        ),
        ("trigger: {deployed: {type: http, port: 0}}\n", "deployed"),
        ("trigger: {app_state: {type: http, port: 0}}\n", "app_state"),
        ("trigger: {'app:deploy': {type: http, port: 0}}\n", "app:deploy"),
    ] {
        let checked = place.check(&format!("{GOOD}{section}"));
        let text = checked.text();
        assert!(
            checked.code == Some(2) && text.contains(at) && text.contains("config.yml:10:"),
            "{section}: {text}"
        );
    }
}
