//! Check 49: an imported `server.json` updates and goes back as `svn up`, `git pull` and `git reset` do.

use std::net::SocketAddr;
use std::path::Path;

use e2e::daemon::Daemon;
use e2e::http::{Message, free_port, send};
use e2e::place::Place;
use e2e::program::run_to_end;
use e2e::runner::{Runner, SECRET};
use e2e::wait::until_within;
use serde_json::Value;

use super::fixture::LONG;
use super::origin::{KINDS, Kind, Origin, read_tree, run, tree};

/// As in the original's example, with these two nodes.
fn server_json(kind: Kind, url: &str, paths: [&Path; 2]) -> String {
    let word = if kind == Kind::Git { "git" } else { "svn" };
    let [one, two] = paths.map(Path::display);
    format!(
        "{{
  // 站点监听端口，可以通过 http 打开
  \"listen_http\": \":8082\",
  // 日志输出模式
  \"debug\": true,
  // jwt 的 secret
  \"jwt_secret\" : \"\",
  \"apps\": [
    {{
      \"name\": \"shop\", // 名称
      \"type\": \"{word}\",   // 类型：svn git
      \"url\": \"{url}\", // 地址
      \"fetchlogpath\": \"/data/fetch_log\",
      \"node\": [ // 机器节点
        {{\"alias\": \"api-1\", \"addr\": \"127.0.0.1:8081\", \"path\": \"{one}\", \"befor_deploy\": \"\", \"after_deploy\": \"\"}},
        {{\"alias\": \"api-2\", \"addr\": \"127.0.0.2:8081\", \"path\": \"{two}\", \"befor_deploy\": \"ls {two}\",
         \"after_deploy\": \"ls {two}\"}}
      ]
    }}
  ]
}}"
    )
}

/// A working copy as somebody made it by hand.
fn checkout(kind: Kind, url: &str, to: &Path) {
    let to = to.to_str().unwrap();
    match kind {
        Kind::Git => run(Path::new("/"), "git", &["clone", "-q", url, to]),
        Kind::Svn => run(Path::new("/"), "svn", &["checkout", "-q", url, to]),
    };
}

fn update(kind: Kind, copy: &Path) {
    match kind {
        Kind::Git => run(copy, "git", &["pull", "-q"]),
        Kind::Svn => run(copy, "svn", &["up", "-q"]),
    };
}

fn go_back(kind: Kind, copy: &Path, revision: &str) {
    match kind {
        Kind::Git => run(copy, "git", &["reset", "-q", "--hard", revision]),
        Kind::Svn => run(copy, "svn", &["up", "-q", "-r", revision]),
    };
}

#[test]
fn an_imported_file_updates_and_goes_back_as_the_original() {
    for kind in KINDS {
        let place = Place::in_memory();
        let origin = Origin::new(kind, &place);
        let url = match kind {
            Kind::Git => origin.url(),
            Kind::Svn => format!("file://{}", place.text_path("repository/trunk")),
        };
        let first = origin.commit("one", &tree(&[("index.php", "1\n"), ("gone", "x\n")]));
        let machines = [Place::in_memory(), Place::in_memory()];
        let [by_hand, one, two] = [place.path("by-hand"), machines[0].path("shop"), machines[1].path("shop")];
        for copy in [&by_hand, &one, &two] {
            checkout(kind, &url, copy);
            // Uploads, which belong to nobody.
            std::fs::write(copy.join("upload"), "mine\n").unwrap();
        }
        let ports = [free_port(), free_port()];
        let runners = [0, 1].map(|n| {
            let config = format!("port: {}\nsecret: {SECRET}\nwork_dir: '@DIR@/runner'\n", ports[n]);
            Runner::configured(&machines[n], &config)
        });
        place.write("server.json", &server_json(kind, &url, [&one, &two]));
        let imported = run_to_end(place.bare("heraldd").args(["import", "go-deploy", "server.json"]));
        assert_eq!(imported.code, Some(0), "{}", imported.text());
        let config = adapted(&imported.stdout, ports);
        place.config(&config);
        let checked = place.check(&config);
        assert_eq!(checked.code, Some(0), "{}", checked.text());
        let daemon = Daemon::start(&place, &config);
        daemon.wait_for(&["heraldd is ready"]);
        let socket = place.text_path("state/heraldd.sock");
        until_within(LONG, "the nodes", || {
            let nodes = place.run("heraldd", &["nodes", "--json", "--socket", &socket]);
            (nodes.stdout.matches("\"online\"").count() == 2).then_some(())
        });

        let second = origin.commit("two", &tree(&[("index.php", "2\n"), ("lib/new", "y\n")]));
        let headers = [
            ("Authorization", &*format!("Bearer {SECRET}")),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let request = Message::request("POST", "/api/deploy/updateByName", &headers, b"name=shop");
        let marker = "http trigger update_by_name listening on ";
        let address = |line: &str| line.split_once(marker)?.1.split('/').next()?.parse::<SocketAddr>().ok();
        let response = send(daemon.wait_pick(marker, address), &request);
        assert_eq!(response.status, 200, "{}\n{}", response.text(), daemon.log());
        update(kind, &by_hand);
        for copy in [&one, &two] {
            assert_eq!(read_tree(copy), read_tree(&by_hand), "{kind:?} updated to {second}");
        }

        let back = ["rollback", "shop", &first, "--wait", "--json", "--socket", &socket];
        let back = place.run("heraldd", &back);
        assert_eq!(back.code, Some(0), "{}\n{}", back.text(), daemon.log());
        let record: Value = serde_json::from_str(&back.stdout).unwrap();
        assert_eq!(record["to"], *first);
        go_back(kind, &by_hand, &first);
        for copy in [&one, &two] {
            assert_eq!(read_tree(copy), read_tree(&by_hand), "{kind:?} back at {first}");
        }
        drop((daemon, runners));
    }
}

/// With the ports of this test, and with what the environment would give.
fn adapted(imported: &str, ports: [u16; 2]) -> String {
    let mut config = format!("state_dir: '@DIR@/state'\nheartbeat: 300ms\n{imported}");
    for ((node, host), port) in [("api-1", "127.0.0.1"), ("api-2", "127.0.0.2")].into_iter().zip(ports) {
        let (from, to) = (
            format!("{node}: {{host: https://{host}:8124,"),
            format!("{node}: {{host: http://127.0.0.1:{port},"),
        );
        assert!(config.contains(&from), "{config}");
        config = config.replace(&from, &to);
    }
    for port in ["8082", "8083", "8084"] {
        config = config.replace(&format!("port: {port}"), "port: 0");
    }
    for name in ["API_TOKEN", "DEPLOY_TOKEN", "SECRET_API_1", "SECRET_API_2"] {
        config = config.replace(&format!("${{env:HERALD_{name}}}"), SECRET);
    }
    config
}
