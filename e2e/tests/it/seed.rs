//! Seed 004: every example as printed there, with only paths, ports and times changed, so that it can run here.
//!
//! | example | test |
//! |---|---|
//! | 定时打印 | `a_timed_print` |
//! | 本机执行命令 | `a_local_command`, `the_hours_of_the_seed_are_taken` |
//! | 本机执行 Git 仓库中的脚本 | `a_local_script_from_git` |
//! | 安装配置 Herald Runner, 配置 Herald 执行远程任务 | `a_remote_script_from_git` |
//! | 获取远程生成的文件 | `files_from_a_remote_script` |
//! | 手动触发任务 (with curl) | `a_manual_trigger_with_curl` |
//! | 按 Ctrl+C 可以安全退出 | `a_timed_print` |

use std::process::Command;

use e2e::daemon::Daemon;
use e2e::git::Repository;
use e2e::place::Place;
use e2e::program::tool;
use e2e::wait::until;

const PRINT_EVERY_2S: &str = "trigger:
  every2s:
    type: tick
    interval: 2

router:
  print_param_every2s:
    trigger: every2s
    selector: all
    task:
      print_param: print
";

const LOCAL_COMMAND: &str = "trigger:
  wednesday_morning:
    type: cron
    cron: '30 6 * * 3'

executor:
  local_command:
    type: local
    work_dir: /var/lib/heraldd/work

router:
  uptime_wednesday_morning:
    trigger: wednesday_morning
    selector: all
    task:
      run_local: local_command
    job_param:
      cmd: uptime
  print_result:
    trigger: exe_done
    selector: match_map
    task:
      print_result: print
    select_param:
      match_key: router
      match_value: uptime_wednesday_morning
    job_param:
      print_key: trigger_param/result
";

const GIT_SCRIPT: &str = "trigger:
  wednesday_morning:
    type: cron
    cron: '30 6 * * 3'

executor:
  local_command:
    type: local
    work_dir: /var/lib/heraldd/work

router:
  run_git_script:
    trigger: wednesday_morning
    selector: all
    task:
      run_git: local_command
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
  print_result:
    trigger: exe_done
    selector: match_map
    task:
      print_result: print
    select_param:
      match_key: executor
      match_value: local_command
    job_param:
      print_key: trigger_param/result
";

const RUNNER: &str = "log_level: INFO
log_output: /var/log/herald-runner/herald-runner.log

host: 0.0.0.0
port: 8124
#unix_socket: /var/run/herald-runner/herald-runner.sock

secret: the_secret_should_be_strong_enough
work_dir: /var/lib/herald-runner/work
";

const REMOTE: &str = "trigger:
  wednesday_morning:
    type: cron
    cron: '30 6 * * 3'

executor:
  remote_command:
    type: http_remote
    host: https://herald-runner.example.com/
    secret: the_secret_must_be_exactly_the_same_as_herald_exe_server
    data_dir: /var/lib/heraldd/data

router:
  run_git_script:
    trigger: wednesday_morning
    selector: all
    task:
      run_git: remote_command
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
  print_result:
    trigger: exe_done
    selector: except_map
    task:
      print_result: print
    select_param:
      except_key: router
      except_value: print_result
    job_param:
      print_key: trigger_param/result
";

/// Together with `executor` of [`LOCAL_COMMAND`], which it names.
const MANUAL: &str = "trigger:
  manual:
    type: http
    host: 127.0.0.1
    port: 8123

router:
  manual_command:
    trigger: manual
    selector: match_map
    task:
      run_command: local_command
    select_param:
      match_key: command
      match_value: uptime
    job_param:
      cmd: uptime
  manual_backup:
    trigger: manual
    selector: match_map
    task:
      backup_db: local_command
    select_param:
      match_key: backup
    job_param:
      repo: https://github.com/heraldgo/demo-script.git
      cmd: run/backup.sh
  print_result:
    trigger: exe_done
    selector: except_map
    task:
      print_result: print
    select_param:
      except_key: router
      except_value: print_result
    job_param:
      print_key: trigger_param/result
";

/// The example, with the folders of this test, and due every second instead of on Wednesdays.
fn soon(place: &Place, example: &str) -> String {
    let due = "cron: '* * * * * *'\n    with_seconds: true";
    let example = example.replace("cron: '30 6 * * 3'", due).replace("/var/lib", &place.text_path("lib"));
    let example = example.replace("/var/log", &place.text_path("log")).replace("0.0.0.0", "127.0.0.1");
    example.replace(
        "https://github.com/heraldgo/demo-script.git",
        &format!("file://{}", place.text_path("demo-script")),
    )
}

fn demo_script(place: &Place, body: &str) -> Repository {
    let repository = Repository::new(place, "demo-script");
    repository.commit_as("run/backup.sh", body);
    repository
}

#[test]
fn a_timed_print() {
    let place = Place::new();
    let daemon = Daemon::start(&place, PRINT_EVERY_2S);
    for counter in [1, 2] {
        let job = daemon.wait_print("a print", |job| job["trigger_param"]["counter"] == counter);
        assert_eq!((&job["router"], &job["trigger"]), (&"print_param_every2s".into(), &"every2s".into()));
    }
    assert!(!daemon.said("WARN") && !daemon.said("ERROR"), "{}", daemon.log());
    daemon.signal("INT");
    assert_eq!(daemon.wait_end(), Some(0));
}

#[test]
fn the_hours_of_the_seed_are_taken() {
    for example in [LOCAL_COMMAND, GIT_SCRIPT, REMOTE] {
        let place = Place::new();
        let listener =
            format!("trigger:\n  ready: {{type: http, unix_socket: {}}}", place.text_path("ready"));
        let config = example.replacen("trigger:", &listener, 1).replace("/var/lib", &place.text_path("lib"));
        let daemon = Daemon::start(&place, &config);
        until("the start", || place.path("ready").exists().then_some(()));
        assert!(!daemon.said("WARN") && !daemon.said("ERROR"), "{}", daemon.log());
        daemon.signal("TERM");
        assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
    }
}

#[test]
fn a_local_command() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &soon(&place, LOCAL_COMMAND));
    daemon.wait_for(&["load average", "output"]);
    assert!(place.path("lib/heraldd/work/run").is_dir());
}

#[test]
fn a_local_script_from_git() {
    let place = Place::new();
    demo_script(
        &place,
        "echo \"{\\\"backup\\\": \\\"did-4728\\\", \\\"router\\\": \\\"$(echo \"$HERALD_EXECUTE_PARAM\" | grep -o run_git_script | head -n 1)\\\"}\"",
    );
    let daemon = Daemon::start(&place, &soon(&place, GIT_SCRIPT));
    daemon.wait_for(&["did-4728", "run_git_script"]);
    assert!(place.path("lib/heraldd/work/gitrepo").is_dir());
}

/// The two examples of the seed that connect to each other, with one secret.
fn remote_pair(place: &Place, script: &str) -> (e2e::program::Program, Daemon) {
    demo_script(place, script);
    let port = e2e::http::free_port();
    let config = soon(place, RUNNER).replace("8124", &port.to_string());
    std::fs::create_dir_all(place.path("log/herald-runner")).unwrap();
    let runner = place.start("herald-runner", &config);
    until("the runner", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let config = soon(place, REMOTE)
        .replace("https://herald-runner.example.com/", &format!("http://127.0.0.1:{port}/"))
        .replace(
            "the_secret_must_be_exactly_the_same_as_herald_exe_server",
            "the_secret_should_be_strong_enough",
        );
    let daemon = Daemon::start(place, &config);
    (runner, daemon)
}

#[test]
fn a_remote_script_from_git() {
    let place = Place::new();
    let (_runner, daemon) = remote_pair(&place, "echo did-4729");
    daemon.wait_for(&["did-4729", "output"]);
    assert!(place.path("lib/herald-runner/work/gitrepo").is_dir());
    let log = until("its log", || {
        place.read("log/herald-runner/herald-runner.log").filter(|text| !text.is_empty())
    });
    assert!(!log.contains("the_secret_should_be_strong_enough"), "{log}");
}

#[test]
fn files_from_a_remote_script() {
    let place = Place::new();
    let script = "mkdir -p @DIR@/full/path/of; echo one >@DIR@/full/path/of/file1.dat; echo two >@DIR@/full/path/of/file2.dat
cat <<EOF
{
  \"file\": {
    \"file1\": \"@DIR@/full/path/of/file1.dat\",
    \"file2\": \"@DIR@/full/path/of/file2.dat\"
  },

  \"other_key1\": \"value1\",
  \"other_key2\": \"value2\"
}
EOF";
    let (_runner, daemon) = remote_pair(&place, &place.fill(script));
    let data = place.text_path("lib/heraldd/data");
    let line = daemon.wait_for(&["other_key1", "value1", "other_key2", "value2", &data]);
    let file = |name: &str| {
        let after = line
            .split(&data)
            .find(|piece| piece.contains(&format!("/{name}/{name}.dat")))
            .unwrap_or_else(|| panic!("{line}"));
        let path = format!("{data}{}", &after[..after.find(".dat").unwrap() + 4]);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    assert_eq!((file("file1"), file("file2")), ("one\n".to_owned(), "two\n".to_owned()));
}

#[test]
fn a_manual_trigger_with_curl() {
    let place = Place::new();
    demo_script(
        &place,
        "echo \"backup of $(echo \"$HERALD_EXECUTE_PARAM\" | grep -o service1 | head -n 1)\"",
    );
    let port = e2e::http::free_port();
    let executor = LOCAL_COMMAND.split("\n\n").find(|section| section.starts_with("executor")).unwrap();
    let config = soon(&place, &format!("{executor}\n\n{MANUAL}")).replace("8123", &port.to_string());
    let daemon = Daemon::start(&place, &config);
    daemon.address("manual");
    let curl = |data: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-i", "-H", "Content-Type: application/json", "-X", "POST", "-d", data]);
        let answer = tool(curl.arg("--noproxy").arg("*").arg(format!("http://localhost:{port}")));
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("event_id"), "{answer}");
    };
    curl("{\"command\":\"uptime\"}");
    daemon.wait_for(&["load average"]);
    curl("{\"backup\":\"service1\"}");
    daemon.wait_for(&["backup of service1"]);
    assert!(!daemon.said("WARN") && !daemon.said("ERROR"), "{}", daemon.log());
}
