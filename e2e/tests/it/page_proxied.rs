//! Contract, section 15, the page: behind nginx, and with what others prove: proxies, tokens of another program, TLS.
//!
//! | sentence | test |
//! |---|---|
//! | `base`: behind nginx all links and the stream are below it, and so is the cookie | `behind_nginx_everything_is_below_the_base`, and in a browser `browser::live::behind_nginx_it_is_live` |
//! | `base` that begins with https: the cookie is for TLS alone, and acts come from that origin | `behind_nginx_with_tls_the_cookie_is_for_tls` |
//! | `proxy`: its header counts where it comes from the proxy, and nowhere else | `the_header_of_a_proxy_counts_from_the_proxy_alone` |
//! | `jwt`: HS256 alone, with an end; a short secret is refused | `tokens_of_another_program_open_the_page` |
//! | `tls` of the page | `the_page_speaks_https` |

use std::net::SocketAddr;
use std::process::Command;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, free_port, send};
use e2e::nginx::Nginx;
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use herald_net::tls::testing::{Authority, Validity};
use serde_json::{Value, json};

use crate::access::jwt;
use crate::browser::add_user;

const SECRET: &str = "a-secret-of-the-sso";

/// A daemon whose page is at any port and has these options, with these of `access`.
fn start(place: &Place, page: &str, access: &str) -> (Daemon, SocketAddr) {
    start_at(place, 0, page, access)
}

fn start_at(place: &Place, port: u16, page: &str, access: &str) -> (Daemon, SocketAddr) {
    let config = format!(
        "state_dir: '@DIR@/state'\naccess: {{{access}}}\npage: {{port: {port}, {page}}}\ntrigger:\n  tick: {{type: cron, cron: '@yearly'}}\n\
         router:\n  r: {{trigger: tick, selector: all, task: {{show: print}}}}\n"
    );
    let daemon = Daemon::start(place, &config);
    let marker = "the page listens on ";
    let page =
        daemon.wait_pick(marker, |line| line.split_once(marker)?.1.split_whitespace().next()?.parse().ok());
    daemon.wait_for(&["heraldd is ready"]);
    (daemon, page)
}

fn ask(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    send(to, &Message::request(method, path, headers, body.as_bytes()))
}

/// The location of nginx that the README has.
fn location(page: SocketAddr) -> String {
    format!("location /herald/ {{ proxy_pass http://{page}; proxy_buffering off; }}")
}

/// What links, forms and files of a screen lead to.
fn links(html: &str) -> Vec<&str> {
    let after = |key: &str| html.split(&format!("{key}=\"")).skip(1).collect::<Vec<_>>();
    let all = [after("href"), after("action"), after("src"), after("data-base")].concat();
    all.iter().filter_map(|rest| rest.split('"').next()).filter(|link| !link.starts_with('#')).collect()
}

#[test]
fn behind_nginx_everything_is_below_the_base() {
    let place = Place::new();
    let own = format!("127.0.0.1:{}", free_port());
    let (_daemon, page) = start(&place, &format!("base: 'http://{own}/herald/'"), "users: users");
    add_user(&place, "anna", "operator");
    let nginx = Nginx::start_at(&place, own.parse().unwrap(), &location(page));
    let origin = format!("http://{own}");
    let here = [("Host", &*own), ("Origin", &*origin)];
    let first = ask(nginx.address, "GET", "/herald/", &here, "");
    assert_eq!((first.status, first.get("location")), (303, Some("/herald/login?to=%2F")), "{first:?}");
    let form = "name=anna&password=correct+horse";
    let login = ask(nginx.address, "POST", "/herald/login", &here, form);
    assert_eq!((login.status, login.get("location")), (303, Some("/herald/")), "{login:?}");
    let set = login.get("set-cookie").unwrap();
    assert!(set.contains("; Path=/herald/;") && !set.contains("Secure"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let with_cookie = [here[0], here[1], ("Cookie", cookie)];
    for path in ["", "jobs", "events", "routers", "calendar", "config", "account", "jobs/unknown"] {
        let html = ask(nginx.address, "GET", &format!("/herald/{path}"), &with_cookie, "").text();
        let links = links(&html);
        assert!(links.len() > 10, "{path}: {links:?}");
        let elsewhere: Vec<&&str> = links.iter().filter(|link| !link.starts_with("/herald")).collect();
        assert!(elsewhere.is_empty(), "{path}: {elsewhere:?}");
        for link in links.iter().filter(|link| link.contains("/assets/")) {
            assert_eq!(ask(nginx.address, "GET", link, &[here[0]], "").status, 200, "{link}");
        }
    }
    let fired = ask(nginx.address, "POST", "/herald/triggers/tick", &with_cookie, "");
    assert!(
        fired.status == 303 && fired.get("location").unwrap().starts_with("/herald/events/"),
        "{fired:?}"
    );
    let foreign = [here[0], ("Origin", "http://evil.example.com"), ("Cookie", cookie)];
    assert_eq!(ask(nginx.address, "POST", "/herald/triggers/tick", &foreign, "").status, 403);
    assert_eq!(ask(nginx.address, "GET", "/jobs", &with_cookie, "").status, 404, "not below the base");
}

/// curl, which trusts the authority of this place, and finds `ops.example.com` at this address.
fn curl(place: &Place, at: SocketAddr, args: &[&str], path: &str) -> Ended {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "--max-time", "20", "--noproxy", "*", "--cacert"]).arg(place.path("ca.crt"));
    curl.arg("--resolve").arg(format!("ops.example.com:{}:{}", at.port(), at.ip()));
    curl.args(args).arg(format!("https://ops.example.com:{}{path}", at.port()));
    run_to_end(&mut curl)
}

fn certificate(place: &Place) {
    let authority = Authority::new("ca");
    authority.write(&place.path("ca.crt"));
    authority.issue(&place.path(""), "server", &["ops.example.com"], Validity::Good);
}

/// Logs in at this address, and fires a trigger; the cookie that was set.
fn log_in_and_act(place: &Place, at: SocketAddr) -> String {
    let origin = format!("Origin: https://ops.example.com:{}", at.port());
    let form = ["-H", &*origin, "-d", "name=anna&password=correct+horse"];
    let login = curl(place, at, &form, "/herald/login");
    let set = login
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("Set-Cookie: ").or(line.strip_prefix("set-cookie: ")));
    let set = set.unwrap_or_else(|| panic!("no cookie: {}", login.text())).trim().to_owned();
    let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
    let fired = curl(place, at, &["-H", &origin, "-H", &cookie, "-X", "POST"], "/herald/triggers/tick");
    assert!(fired.stdout.contains(" 303") && fired.stdout.contains("/herald/events/"), "{}", fired.text());
    let other = ["-H", "Origin: https://ops.example.com", "-H", &cookie, "-X", "POST"];
    let refused = curl(place, at, &other, "/herald/triggers/tick");
    assert!(refused.stdout.contains(" 403"), "another port: {}", refused.text());
    set
}

#[test]
fn behind_nginx_with_tls_the_cookie_is_for_tls() {
    let place = Place::new();
    certificate(&place);
    let port = free_port();
    let base = format!("base: 'https://ops.example.com:{port}/herald/'");
    let (_daemon, page) = start(&place, &base, "users: users");
    add_user(&place, "anna", "operator");
    let tls = format!(
        "ssl_certificate {0}/server.crt; ssl_certificate_key {0}/server.key; {1}",
        place.path("").display(),
        location(page)
    );
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let _nginx = Nginx::start_with_tls(&place, at, &tls);
    let set = log_in_and_act(&place, at);
    assert!(
        set.starts_with("__Secure-") && set.contains("; Path=/herald/;") && set.ends_with("; Secure"),
        "{set}"
    );
}

#[test]
fn the_page_speaks_https() {
    let place = Place::new();
    certificate(&place);
    let port = free_port();
    let tls = "tls: {cert: '@DIR@/server.crt', key: '@DIR@/server.key'}";
    let options = format!("base: 'https://ops.example.com:{port}/herald/', {tls}");
    let (_daemon, page) = start_at(&place, port, &options, "users: users");
    add_user(&place, "anna", "operator");
    let set = log_in_and_act(&place, page);
    assert!(
        set.starts_with("__Secure-") && set.contains("; Path=/herald/;") && set.ends_with("; Secure"),
        "{set}"
    );
    let plain = run_to_end(
        Command::new("curl")
            .args(["-sS", "--max-time", "20", "--noproxy", "*"])
            .arg(format!("http://{page}/herald/login")),
    );
    assert!(plain.code != Some(0) || !plain.stdout.contains("<form"), "{}", plain.text());
    let old = curl(&place, page, &["--tls-max", "1.1"], "/herald/login");
    assert_ne!(old.code, Some(0), "{}", old.text());
}

#[test]
fn the_header_of_a_proxy_counts_from_the_proxy_alone() {
    let place = Place::new();
    let access =
        "proxy: {from: 127.0.0.9, user: X-User, groups: X-Groups, roles: {ops: operator}, role: viewer}";
    let (_daemon, page) = start(&place, "base: /herald/", access);
    // One is where the proxy is, the other is not; both pass on what the client says of itself.
    let [trusted, other] = ["127.0.0.9", "127.0.0.8"].map(|from| {
        Nginx::start(
            &place,
            &format!("proxy_bind {from}; proxy_set_header Host $http_host; {}", location(page)),
        )
    });
    let anna = [("X-User", "anna"), ("X-Groups", "ops"), ("Origin", "http://localhost")];
    for (at, headers, seen, fired) in [
        (trusted.address, &anna[..], 200, 303),
        (trusted.address, &[("X-User", "vera"), ("Origin", "http://localhost")], 200, 403),
        (trusted.address, &[("Origin", "http://localhost")], 303, 303),
        (other.address, &anna, 303, 303),
        (page, &anna, 303, 303),
    ] {
        let shown = ask(at, "GET", "/herald/jobs", headers, "");
        assert_eq!(shown.status, seen, "{at} {headers:?}: {shown:?}");
        let done = ask(at, "POST", "/herald/triggers/tick", headers, "");
        assert_eq!(done.status, fired, "{at} {headers:?}: {done:?}");
        let is_done = done.get("location").is_some_and(|to| to.starts_with("/herald/events/"));
        assert_eq!(is_done, at == trusted.address && headers.len() == 3, "{at} {headers:?}: {done:?}");
        let called = ask(at, "GET", "/herald/v1/jobs", headers, "");
        assert_eq!(called.status, if seen == 200 { 200 } else { 401 }, "{at} {headers:?}: {called:?}");
    }
}

#[test]
fn tokens_of_another_program_open_the_page() {
    let place = Place::new();
    let (_daemon, page) =
        start(&place, "base: /herald/", &format!("jwt: {{secret: {SECRET}, role: operator}}"));
    let (hs256, end) = (json!({"alg": "HS256", "typ": "JWT"}), 4_000_000_000_u64);
    let claims = json!({"nickname": "anna", "exp": end});
    let with = |head: Value, claims: &Value| jwt(&head, claims, SECRET);
    let good = with(hs256.clone(), &claims);
    let unsigned = with(json!({"alg": "none"}), &claims);
    for (name, token, is_known) in [
        ("good", &*good, true),
        ("none", &unsigned, false),
        ("none, without a signature", &unsigned[..=unsigned.rfind('.').unwrap()], false),
        ("RS256", &with(json!({"alg": "RS256", "typ": "JWT"}), &claims), false),
        ("expired", &with(hs256.clone(), &json!({"nickname": "anna", "exp": 1_700_000_000})), false),
        ("without an end", &with(hs256.clone(), &json!({"nickname": "anna"})), false),
        ("another secret", &jwt(&hs256, &claims, "another-secret-of-the-sso"), false),
    ] {
        let headers = [("Authorization", token), ("Origin", "http://localhost")];
        let jobs = ask(page, "GET", "/herald/jobs", &headers, "");
        assert_eq!(jobs.status, if is_known { 200 } else { 303 }, "{name}: {jobs:?}");
        let called = ask(page, "GET", "/herald/v1/jobs", &headers, "");
        assert_eq!(called.status, if is_known { 200 } else { 401 }, "{name}: {called:?}");
        let fired = ask(page, "POST", "/herald/triggers/tick", &headers, "");
        let is_done = fired.get("location").is_some_and(|to| to.starts_with("/herald/events/"));
        assert_eq!(is_done, is_known, "{name}: {fired:?}");
    }
    let file =
        place.write("short.yml", "page: {port: 1}\naccess: {jwt: {secret: fifteen-bytes-1, role: viewer}}");
    let short = place.run("heraldd", &["check", file.to_str().unwrap()]);
    assert!(short.code == Some(2) && short.text().contains("at least 16 bytes"), "{}", short.text());
}
