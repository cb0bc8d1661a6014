use herald_config::yaml::Document;
use proptest::prelude::*;

use super::*;

/// As the README of the original shows it.
const SEED: &str = r#"{
  // 站点监听端口，可以通过 http 打开
  "listen_http": ":8082",
  // 日志输出模式
  "debug": true,
  // jwt 的 secret
  "jwt_secret" : "",
  "apps": [
    {
      "name": "douke", // 名称
      "type": "svn",   // 类型：svn git
      "url": "svn://192.168.1.207/xiaohua", // 地址
      "fetchlogpath": "/data/fetch_log/xiaohua/trunk", // version < 1.0.1 服务端机器目录， 提交日志文件地址：svn 留空；  git 请填一个地址存储提交日志，这个目录的作用仅仅是为了获取git提交日志用
      "node": [ // 机器节点
        {
          "alias": "api-1", // 名称
          "addr": "192.168.1.11:8081", // 客户端监听端口
          "path": "/data/wwwroot/xiaohua/trunk",  // 项目地址
          "befor_deploy": "", // 执行前操作
          "after_deploy": "" // 执行后操作
        },
        {
          "alias": "api-2",
          "addr": "192.168.1.207:8081",
          "path": "/data/wwwroot/xiaohua/trunk",
          "befor_deploy": "ls /data/wwwroot",
          "after_deploy": "ls /data/wwwroot/xiaohua/trunk"
        }
      ]
    } 
  ]
}
"#;

fn imported(text: &str) -> Imported {
    import(text, "server.json").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn read(imported: &Imported) -> Value {
    let read = Document::parse(&imported.yaml, "out");
    read.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.yaml)).value().clone()
}

/// The same text without its comments.
fn plain(text: &str) -> String {
    without_comments(text, "f").unwrap()
}

/// What the seed becomes, without its comments.
const EXPECTED: &str = "
log:
  level: debug

page:
  host: '127.0.0.1'
  port: 8082

api:
  host: '127.0.0.1'
  port: 8084
  token: '${env:HERALD_API_TOKEN}'

node:
  api-1: {host: https://192.168.1.11:8124, secret: '${env:HERALD_SECRET_API_1}'}
  api-2: {host: https://192.168.1.207:8124, secret: '${env:HERALD_SECRET_API_2}'}

app:
  douke:
    repo: svn://192.168.1.207/xiaohua
    type: svn
    revision: HEAD
    auth: machine
    mode: in_place
    path: /data/wwwroot/xiaohua/trunk
    nodes:
      api-1: {}
      api-2:
        hooks:
          before:
            cmd: ls
            arg: [/data/wwwroot]
          after:
            cmd: ls
            arg: [/data/wwwroot/xiaohua/trunk]
    strategy: {offline: skip}
    on_failure: continue
    local_changes: keep

trigger:
  update_by_name:
    type: http
    host: '127.0.0.1'
    port: 8083
    path: /api/deploy/updateByName
    methods: [POST]
    body: form
    auth: {token: '${env:HERALD_DEPLOY_TOKEN}'}
    dedup_window: 0
    respond: result
    respond_timeout: '15m'

router:
  update_douke:
    trigger: update_by_name
    selector: match_map
    select_param: {match_key: name, match_value: douke}
    task: {deploy: app:douke}
";

#[test]
fn the_example_of_the_seed() {
    let with_comments = imported(SEED);
    let yaml: String =
        with_comments.yaml.split_inclusive('\n').filter(|line| !line.trim_start().starts_with('#')).collect();
    assert_eq!(yaml, EXPECTED);
    read(&with_comments);
    // Without comments it says the same, of the same lines.
    assert_eq!(imported(&plain(SEED)), with_comments);
    for secret in ["HERALD_API_TOKEN", "HERALD_DEPLOY_TOKEN", "HERALD_SECRET_API_1", "HERALD_SECRET_API_2"] {
        assert!(with_comments.yaml.contains(&format!("# - {secret}: ")), "{}", with_comments.yaml);
    }
    for better in ["exchange", "refuse", "catch_up", "rollback", "health", "max_parallel", "freeze"] {
        assert!(
            with_comments.yaml.lines().any(|line| line.contains('#') && line.contains(better)),
            "{better}"
        );
    }
}

#[test]
fn every_difference_is_named_with_its_line() {
    let omissions = imported(SEED).omissions;
    let mut left: Vec<(usize, &str)> = omissions.iter().map(|left| (left.line, left.what.as_str())).collect();
    for (line, says) in [
        (
            3,
            "listen_http: the page listens on 127.0.0.1:8082, /api/deploy/updateByName on 127.0.0.1:8083, the control API on \
             127.0.0.1:8084; put nginx",
        ),
        (5, "debug: "),
        (7, "jwt_secret is empty, so that in the original anyone who reaches the port can deploy"),
        (8, "hooks, git and svn fail by their exit code alone; in the original any byte on standard error"),
        (8, "a node that is offline is skipped"),
        (8, "a node that fails is reverted; the original has no revert"),
        (8, "all nodes get the same revision, one after another"),
        (8, "hooks run in the folder of the app, for 15 minutes at most; in the original in"),
        (8, "`auth: machine`: "),
        (8, "the API is /v1/apps, with a token; the original's /api/list"),
        (13, "fetchlogpath: needless"),
        (17, "node `api-1`: herald-runner takes the place of the client at 192.168.1.11:8081"),
        (24, "node `api-2`: herald-runner takes the place of the client at 192.168.1.207:8081"),
    ] {
        let found = left.iter().position(|(at, what)| *at == line && what.starts_with(says));
        left.remove(found.unwrap_or_else(|| panic!("{line}: {says}: {left:#?}")));
    }
    assert_eq!(left, []);
}

/// A file with one app on one node.
fn one(app: &str, node: &str) -> String {
    format!(r#"{{"listen_http": ":80", "jwt_secret": "", "apps": [{{{app}, "node": [{{{node}}}]}}]}}"#)
}

const APP: &str = r#""name": "a", "type": "git", "url": "https://h/a.git""#;
const NODE: &str = r#""alias": "n", "addr": "h:1", "path": "/srv/a""#;

/// Each text is imported with a note that says this, and the result can be read; an empty one cannot be imported.
fn check_notes(cases: &[(String, &str)]) {
    for (text, says) in cases {
        let Ok(result) = import(text, "f") else {
            assert_eq!(*says, "", "{text}");
            continue;
        };
        read(&result);
        let all: Vec<&str> = result.omissions.iter().map(|left| left.what.as_str()).collect();
        assert!(all.iter().any(|what| what.contains(says)), "{text}\n{says}\n{all:#?}");
        for secret in ["hunter2", "0123456789abcdef"] {
            assert!(!result.yaml.contains(secret) && !all.join("\n").contains(secret), "{text}");
        }
    }
}

#[test]
fn what_differs_of_an_app_is_named() {
    let app = |app: &str| one(app, NODE);
    let top = |more: &str| one(APP, NODE).replacen(r#""jwt_secret": """#, more, 1);
    check_notes(&[
        (app(APP), "app `a`: HEAD is the default branch"),
        (
            app(r#""name": "a", "type": "hg", "url": "svn://h/a""#),
            "type: expected svn or git, found `hg`; svn is used",
        ),
        (app(r#""name": "a", "url": "https://h/a""#), "type: expected svn or git, found ``; git is used"),
        (
            app(r#""name": "a", "type": "svn", "url": "svn://u:hunter2@h/a""#),
            "url: the password in it is left out",
        ),
        (app(r#""name": "a", "type": "git", "url": """#), "app `a` has no `url`: it is left out"),
        (app(r#""name": "抖 客", "type": "svn", "url": "svn://h/a""#), "the app is `app`"),
        (
            app(r#""name": "a", "type": "svn", "url": "svn://h/a", "groupid": 1"#),
            "`groupid` is not a known key",
        ),
        (top(r#""jwt_secret": "short""#), "jwt_secret is shorter than 16 bytes"),
        (top(r#""jwt_secret": "0123456789abcdef""#), "the login with WeChat Work"),
        (top(r#""JWT_Secret": "0123456789abcdef""#), "put it into HERALD_JWT_SECRET; it is not printed"),
        (top(r#""Debug": "x""#), "debug: expected a boolean"),
        (top(r#""port": 1"#), "`port` is not a known key"),
        (app(APP).replace(":80", "8082"), "listen_http: `8082` has no port; 8082 is used"),
        (app(APP).replace(":80", ":65535"), "127.0.0.1:65535, /api/deploy/updateByName on 127.0.0.1:65534"),
        (r#"{"apps": []}"#.to_owned(), "jwt_secret is empty"),
        (r#"{"apps": [{}, 5]}"#.to_owned(), "app `` has no `url`"),
    ]);
}

#[test]
fn what_differs_of_a_node_is_named() {
    let node = |more: &str| one(APP, &format!("{NODE}, {more}"));
    let node_alone = |node: &str| one(APP, node);
    check_notes(&[
        (node(r#""after_deploy": "cd /srv && make"#), ""),
        (
            node(r#""after_deploy": "cd /srv && make""#),
            "after_deploy: it has shell signs and runs as `sh -c`",
        ),
        (node(r#""befor_deploy": "cd /a && b && c""#), "what follows the second `&&` was dropped"),
        (node(r#""befor_deploy": 5"#), ""),
        (node(r#""befor_deploy": ["ls"]"#), "befor_deploy: expected a string"),
        (node(r#""before_deploy": "ls""#), "`before_deploy` is not a known key"),
        (
            node_alone(r#""alias": "n", "addr": "h:1", "path": "D:\\www""#),
            "path: `D:\\www` is one of Windows",
        ),
        (node_alone(r#""alias": "n", "addr": "h:1", "path": "www""#), "path: `www` is not an absolute path"),
        (
            node_alone(r#""alias": "n", "addr": "h:1", "path": "/a/../b""#),
            "is not an absolute path without `..`",
        ),
        (node_alone(r#""alias": "n", "addr": "h:1", "path": "/""#), "app `a` has no node that can be used"),
        (node_alone(r#""alias": "n", "path": "/a""#), "a node without `addr` is left out"),
        (
            node_alone(r#""alias": "n", "addr": "http://h", "path": "/a""#),
            "addr: `http://h` is not a valid address",
        ),
        (node_alone(r#""addr": "h:1", "path": "/a""#), "a node without `alias` gets the name `node`"),
        (node_alone(r#""addr": ":1", "path": "/a""#), "addr: it has no host; 127.0.0.1 is used"),
    ]);
}

/// Wherever the original listens, the three listeners have ports of their own.
#[test]
fn each_listener_has_a_port_of_its_own() {
    for (address, page, by_name, api) in [
        (":8082", 8082, 8083, 8084),
        ("0.0.0.0:65534", 65534, 65535, 65532),
        (":65535", 65535, 65534, 65533),
        (":0", 8082, 8083, 8084),
    ] {
        let value = read(&imported(&one(APP, NODE).replace(":80\"", &format!("{address}\""))));
        let port = |at: &Value| at["port"].as_u64();
        let found = [&value["page"], &value["trigger"]["update_by_name"], &value["api"]].map(port);
        assert_eq!(found, [Some(page), Some(by_name), Some(api)], "{address}");
    }
}

#[test]
fn tokens_are_accepted_where_there_is_a_secret() {
    for (secret, access) in [
        ("", Value::Null),
        ("0123456789abcdef", json!({"secret": "${env:HERALD_JWT_SECRET}", "role": "operator"})),
    ] {
        let text = one(APP, NODE).replace(r#""jwt_secret": """#, &format!(r#""jwt_secret": "{secret}""#));
        let value = read(&imported(&text));
        assert_eq!(value["access"]["jwt"], access);
        // In both cases nobody comes in without a token.
        assert_eq!(
            value["api"],
            json!({"host": "127.0.0.1", "port": 82, "token": "${env:HERALD_API_TOKEN}"})
        );
        assert_eq!(value["page"], json!({"host": "127.0.0.1", "port": 80}));
    }
}

#[test]
fn hooks_are_words_or_a_shell() {
    for (text, command) in [
        ("ls", json!({"cmd": "ls"})),
        ("  ls   -l /a  ", json!({"cmd": "ls", "arg": ["-l", "/a"]})),
        ("cd /a && make", json!({"cmd": "sh", "arg": ["-c", "cd /a && make"]})),
        ("a | b", json!({"cmd": "sh", "arg": ["-c", "a | b"]})),
        ("echo ${env:HOME}", json!({"cmd": "sh", "arg": ["-c", "echo $${env:HOME}"]})),
        ("rm -rf /a/*", json!({"cmd": "sh", "arg": ["-c", "rm -rf /a/*"]})),
        ("A=b c", json!({"cmd": "sh", "arg": ["-c", "A=b c"]})),
        ("", Value::Null),
        ("  ", Value::Null),
    ] {
        let text = one(APP, &format!(r#"{NODE}, "after_deploy": {}"#, Value::from(text)));
        let value = read(&imported(&text));
        assert_eq!(value["app"]["a"]["hooks"]["after"], command, "{text}");
        assert_eq!(value["app"]["a"]["nodes"], json!({"n": {}}));
    }
}

#[test]
fn machines_and_apps_have_one_name_each() {
    let app = |name: &str, nodes: &[(&str, &str, &str)]| {
        let node =
            |(alias, addr, path): &(&str, &str, &str)| json!({"alias": alias, "addr": addr, "path": path});
        json!({"name": name, "type": "svn", "url": "svn://h/a", "node": nodes.iter().map(node).collect::<Value>()})
    };
    let apps = [
        app("shop", &[("a", "h1:1", "/srv/a"), ("a", "h2:1", "/srv/b"), ("b", "H1:2", "/srv/c")]),
        app("shop", &[("z", "h2:1", "/srv/d"), ("A-1", "h3:1", "/srv/d"), ("a_1", "h4:1", "/srv/d")]),
    ];
    let text = json!({"listen_http": ":8082", "apps": apps}).to_string();
    let result = imported(&text);
    let value = read(&result);
    let node = |host: &str, secret: &str| json!({"host": format!("https://{host}:8124"), "secret": format!("${{env:HERALD_SECRET_{secret}}}")});
    assert_eq!(
        value["node"],
        json!({"a": node("h1", "A"), "a_2": node("h2", "A_2"), "A-1": node("h3", "A_1"), "a_1": node("h4", "A_1_2")})
    );
    let nodes = |name: &str| &value["app"][name]["nodes"];
    assert_eq!(nodes("shop"), &json!({"a": {}, "a_2": {"path": "/srv/b"}}));
    // The same machine a second time, and a second app of this name.
    assert_eq!((nodes("shop_2"), &value["app"]["shop_2"]["path"]), (&json!({"a": {}}), &json!("/srv/c")));
    assert_eq!(nodes("shop_3"), &json!({"a_2": {}, "A-1": {}, "a_1": {}}));
    let router = &value["router"];
    assert_eq!(router["update_shop"]["task"], json!({"deploy": "app:shop", "deploy_2": "app:shop_2"}));
    assert_eq!(router.as_object().unwrap().len(), 1);
    for says in [
        "alias: `a` cannot be used or has another machine already; the node is `a_2`",
        "the machine h1 is the node `a` already",
        "the machine `a` has this app twice",
        "name: `shop` is defined twice or has signs that a name cannot have; the app is `shop_3`",
    ] {
        assert!(
            result.omissions.iter().any(|left| left.what.contains(says)),
            "{says}: {:#?}",
            result.omissions
        );
    }
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    for (text, says) in [
        ("", "f:1: expected a server.json of go-deploy, with the list `apps`"),
        ("[]", "f:1: expected a server.json"),
        (r#"{"apps": {}}"#, "f:1: expected a server.json"),
        ("{\n  \"apps\": [}\n", "f:2:11: this is not JSON"),
        ("{\"apps\": [] /* x\n", "f:1:13: a comment begins here with /*"),
        ("{\"apps\": [\"x]}", "f:1:"),
        ("{\"apps\": [], \"apps\": []}", "f:1:"),
        ("{\"apps\": [] // x", "f:1:"),
    ] {
        let error = import(text, "f").expect_err(text).to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    /// Whatever is in the places of texts, the result can be read, and hooks keep their words.
    #[test]
    fn odd_texts_never_break_the_result(
        texts in prop::collection::vec(prop_oneof![r"[ -~]{0,10}", r"\PC{0,6}", r"[${}env:/*#'x-]{0,10}"], 9)
    ) {
        let [name, kind, url, log, alias, address, path, before, after] = <[String; 9]>::try_from(texts).unwrap();
        let node = json!({
            "alias": alias, "addr": format!("h:1{}", &address), "path": format!("/{path}"), "befor_deploy": before,
            "after_deploy": after,
        });
        let other = json!({"alias": alias, "addr": "h2:1", "path": "/srv", "befor_deploy": before});
        let app = json!({"name": name, "type": kind, "url": url, "fetchlogpath": log, "node": [node, other]});
        let text = json!({"listen_http": address, "jwt_secret": kind, "apps": [app]}).to_string();
        let result = import(&text, "f");
        prop_assert!(result.is_ok(), "{text}");
        let result = result.unwrap();
        let value = Document::parse(&result.yaml, "out");
        prop_assert!(value.is_ok(), "{}", result.yaml);
    }

    /// Whatever the file is, there is an answer.
    #[test]
    fn odd_files_are_answered(text in r#"[/*"\\a\n {}\[\]:,]{0,40}"#) {
        let whole = format!(r#"{{"apps": [{text}]}}"#);
        for text in [text, whole] {
            match import(&text, "f") {
                Ok(result) => prop_assert!(Document::parse(&result.yaml, "out").is_ok(), "{}", result.yaml),
                Err(error) => prop_assert!(error.to_string().starts_with("f:"), "{error}"),
            }
        }
    }
}
