use herald_config::yaml::Document;
use proptest::prelude::*;

use super::*;

/// As its document shows it.
const SEED: &str = "\
[local]                           # watcher相关
prefix = /watcher                 # etcd中的前缀
force = true                      # 是否强制，用于watcher重启后强制同步所有配置

[etcd]                            # etcd相关
endpoints = localhost:2379
timeout = 5
username =
password =

[logs]                            # 日志相关
name = watcher
path = ./logs/
filename = watcher
level = debug

[heartbeat]
domain = http://127.0.0.1:9091    # 心跳配置
interval = 30                     # 心跳提交的间隔时间，以秒为单位
";

/// As it is in its repository.
const OWN: &str = "\
[local]
prefix = /watcher
force = true

[etcd]
endpoints = localhost:2379
timeout = 5
username =
password =

[logs]
name = watcher
path = ./logs/
filename = watcher
level = debug

[heartbeat]
domain = http://127.0.0.1:9091
interval = 30";

fn imported(text: &str) -> (Value, Vec<Omission>) {
    let imported = import(text, "scm_config.ini").unwrap();
    let read = Document::parse(&imported.yaml, "out");
    let read = read.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.yaml));
    (read.value().clone(), imported.omissions)
}

#[test]
fn both_files_give_the_same() {
    let (seed, omissions) = imported(SEED);
    assert_eq!(imported(OWN).0, seed);
    assert_eq!(seed["etcd"], json!({"main": {"endpoints": ["http://localhost:2379"], "timeout": "5s"}}));
    assert_eq!(
        seed["trigger"]["projects"],
        json!({
            "type": "etcd", "etcd": "main", "prefix": "/watcher", "layout": "projects", "at_start": "force",
            "settle": "100ms", "resync": "10m",
        })
    );
    assert_eq!(seed["trigger"]["beat"], json!({"type": "tick", "interval": 30}));
    assert_eq!(seed["log"], json!({"level": "debug"}));
    let heartbeat = &seed["router"]["heartbeat"];
    let job_param = json!({"url": "http://127.0.0.1:9091", "json": "{{ heartbeat() }}", "timeout": "30s"});
    assert_eq!((&heartbeat["job_param"], &heartbeat["policy"]), (&job_param, &json!({"keep": "failed"})));
    let lines: Vec<usize> = omissions.iter().map(|left| left.line).collect();
    assert_eq!(lines, [2, 2, 3, 6, 13, 14], "{omissions:?}");
}

#[test]
fn what_differs_is_named() {
    let with = |from: &str, to: &str| imported(&OWN.replace(from, to));
    for (from, to, says) in [
        ("password =\n", "password = a #b\nusername = u\n", "all of it is taken for the password"),
        ("password =\n", "password = a\n", "need each other"),
        ("username =\n", "username = u\n", "need each other"),
        ("timeout = 5", "timeout = soon", "`timeout` is not a number of seconds"),
        ("interval = 30", "interval = 0", "`interval` is not a number of seconds"),
        ("force = true", "force = perhaps", "`force` is not a boolean"),
        ("domain = http://127.0.0.1:9091", "domain = 127.0.0.1:9091", "`domain` is not a URL"),
        ("domain = http://127.0.0.1:9091", "", "there is no heartbeat"),
        ("prefix = /watcher", "prefix =", "`prefix` is empty"),
        ("endpoints = localhost:2379", "endpoints = ,", "`endpoints` is empty"),
        ("name = watcher\npath", "nmae = watcher\npath", "`nmae` is not a known key"),
        ("prefix = /watcher", "prefix = /%(name)s", "`%(…)`"),
        ("force = true", "force = true", "put"),
        ("force = true", "force = true", "beforeCmd"),
        ("force = true", "force = true", "can write to etcd"),
        ("force = true", "force = true", ".wf"),
    ] {
        let (_, omissions) = with(from, to);
        assert!(omissions.iter().any(|left| left.what.contains(says)), "{to}: {omissions:?}");
    }
}

#[test]
fn values_are_carried_over() {
    for (from, to, pointer, expected) in [
        (
            "localhost:2379",
            "a:1, https://b:2,http://c:3",
            "/etcd/main/endpoints",
            json!(["http://a:1", "https://b:2", "http://c:3"]),
        ),
        ("prefix = /watcher", "prefix = /w/x/", "/trigger/projects/prefix", json!("/w/x")),
        ("force = true", "force = 0", "/trigger/projects/at_start", json!("sync")),
        ("interval = 30", "interval = 90", "/router/heartbeat/job_param/timeout", Value::Null),
        ("path = ./logs/", "path = /var/log/w/", "/log/output", json!("/var/log/w/watcher.log")),
        ("level = debug", "level = FATAL", "/log/level", json!("error")),
        ("level = debug", "level = trace", "/log/level", json!("info")),
        ("username =\npassword =", "username = u\npassword = `p # q`", "/etcd/main/password", json!("p # q")),
        (
            "username =\npassword =",
            "username = u\npassword = ${env:X}",
            "/etcd/main/password",
            json!("$${env:X}"),
        ),
    ] {
        assert!(OWN.contains(from), "{from}");
        let (config, _) = imported(&OWN.replace(from, to));
        assert_eq!(config.pointer(pointer).cloned().unwrap_or_default(), expected, "{to}");
    }
    let commented =
        SEED.replace("password =\n", "password = secret #1\n").replace("username =", "username = u");
    let (config, omissions) = imported(&commented);
    assert_eq!(config["etcd"]["main"]["password"], "secret");
    assert!(omissions.iter().any(|left| left.line == 9 && left.what.contains("taken for a comment")));
}

#[test]
fn other_files_are_rejected() {
    for (text, says) in [
        ("{\"a\": 1}", "expected a configuration of watcher"),
        ("", "expected a configuration of watcher"),
        ("[Unit]\nDescription=x\n", "expected a configuration of watcher"),
        ("just text", "scm.ini:1: expected `key = value`"),
    ] {
        let error = import(text, "scm.ini").unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    /// A value in backticks is a text, whatever it is: it arrives as it is.
    #[test]
    fn texts_stay_texts(
        prefix in "/[ -_a-~]{0,12}[!-_a-~é€]",
        user in "[ -_a-~é€😀]{1,12}",
        password in "([ -_a-~é€😀]{1,12}|yes|null|1e5|0x1F|\\$\\{env:HOME\\}|\\{\\{ x \\}\\}|- a|#x|~)",
        level in "[a-z]{1,6}",
    ) {
        let file = format!(
            "[local]\nprefix = `{prefix}`\n[etcd]\nendpoints = h:1\ntimeout = 5\nusername = `{user}`\npassword = \
             `{password}`\n[logs]\nlevel = {level}\n"
        );
        let (config, _) = imported(&file);
        let plain = |text: &str| herald_config::secret::escaped(text);
        let expected = prefix.trim_end_matches('/');
        let expected = if expected.is_empty() { "/" } else { expected };
        prop_assert_eq!(config.pointer("/trigger/projects/prefix"), Some(&json!(plain(expected))));
        prop_assert_eq!(config.pointer("/etcd/main/username"), Some(&json!(plain(&user))));
        prop_assert_eq!(config.pointer("/etcd/main/password"), Some(&json!(plain(&password))));
    }
}
