//! Arguments, exit codes, signals, sockets.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Answer, Runner, SECRET, now, secrets, spawn, v2, wait_for};

fn output(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_herald-runner"));
    spawn(command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped())).wait_with_output().unwrap()
}

#[test]
fn arguments_and_bad_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.yml");
    std::fs::write(&bad, "secret: short\nprot: 8124\nmax_jobs: x\n").unwrap();
    let bad = bad.to_str().unwrap();
    for (args, code, said) in [
        (&["-version"][..], 0, "herald-runner 0."),
        (&["--version"], 0, "herald-runner 0."),
        (&[], 2, "--config"),
        (&["--confg", "x"], 2, "--confg"),
        (&["-config", "/no/such/file.yml"], 2, "/no/such/file.yml: there is no such file"),
        (&["-config", bad], 2, "bad.yml:1:9: `secret`: the secret is too short"),
        (&["--config", bad], 2, "bad.yml:2:1: unknown option `prot` of `herald-runner`"),
        (&["-c", bad], 2, "bad.yml:3:11: `max_jobs`: expected a whole number"),
    ] {
        let output = output(args);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn a_port_or_a_folder_that_is_taken_is_a_failure() {
    let runner = Runner::start("");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.yml");
    for (work, port, said) in [
        (folder.path().to_owned(), runner.port, "cannot listen on"),
        (runner.path("work"), 0, "another herald-runner"),
    ] {
        let text = format!("secret: {SECRET}\nport: {port}\nwork_dir: {}\n", work.display());
        std::fs::write(&config, text).unwrap();
        let output = output(&["-config", config.to_str().unwrap()]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_signal_lets_running_jobs_end_and_takes_no_new_ones() {
    for signal in ["TERM", "INT"] {
        let mut runner = Runner::start("");
        let job = runner.job("a", "touch $0/started; sleep 1; echo finished").to_string();
        let (request, signed) = v2("/", &job, now(), &secrets(), false);
        let mut stream = runner.connect();
        stream.write_all(&request).unwrap();
        wait_for("the job", || runner.path("started").exists());
        runner.signal(signal);
        wait_for("the runner to close its port", || {
            std::net::TcpStream::connect(("127.0.0.1", runner.port)).is_err()
        });
        let answer = Answer::read(stream);
        answer.verify(&signed);
        assert!(answer.json()["output"].as_str().unwrap().contains("finished"));
        assert_eq!(runner.wait().code(), Some(0), "{}", runner.log());
    }
}

#[test]
fn a_second_signal_or_the_end_of_the_grace_ends_jobs() {
    for (lines, second) in
        [("shutdown_grace: 600\n", true), ("shutdown_grace: 0.3\nkill_grace: 0.3\n", false)]
    {
        let mut runner = Runner::start(lines);
        let job = runner.job("a", "trap '' TERM; touch $0/started; sleep 600").to_string();
        let mut stream = runner.connect();
        stream.write_all(&v2("/", &job, now(), &secrets(), false).0).unwrap();
        wait_for("the job", || runner.path("started").exists());
        let began = Instant::now();
        runner.signal("TERM");
        wait_for("the drain", || runner.log().contains("stopping"));
        if second {
            runner.signal("TERM");
        }
        assert_eq!(runner.wait().code(), Some(0), "{}", runner.log());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

#[test]
fn a_unix_socket_is_private_and_never_stolen() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let path = folder.path().join("deep/runner.sock");
    let lines = format!("unix_socket: {}\n", path.display());
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    // Left behind by somebody who is gone.
    drop(UnixListener::bind(&path).unwrap());
    let mut runner = Runner::start_in(folder.clone(), &lines);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    let (request, signed) = v2("/", &runner.job("a", "true").to_string(), now(), &secrets(), false);
    stream.write_all(&request).unwrap();
    Answer::read(stream).verify(&signed);

    let config = folder.path().join("second.yml");
    let second = |socket: &std::path::Path| {
        let work = folder.path().join("work2");
        let text =
            format!("secret: {SECRET}\nwork_dir: {}\nunix_socket: {}\n", work.display(), socket.display());
        std::fs::write(&config, text).unwrap();
        let output = output(&["-config", config.to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = second(&path);
    assert!(code == Some(1) && text.contains("another program serves it"), "{text}");
    let file = folder.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let (code, text) = second(&file);
    assert!(code == Some(1) && text.contains("exists and is not a socket"), "{text}");
    assert_eq!(crate::client::read(&file), "precious");

    runner.signal("TERM");
    assert_eq!(runner.wait().code(), Some(0));
    assert!(!path.exists(), "the socket is removed at exit");
}

#[test]
fn the_log_can_be_moved_away() {
    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let log = folder.path().join("logs/runner.log");
    let config = folder.path().join("c.yml");
    let text = format!(
        "secret: {SECRET}\nport: 0\nwork_dir: {0}\nlog_output: {1}\nlog_format: json\n",
        folder.path().display(),
        log.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = spawn(Command::new(env!("CARGO_BIN_EXE_herald-runner")).arg("-c").arg(&config));
    wait_for("the log", || crate::client::read(&log).contains("listening on"));
    let moved = log.with_extension("old");
    std::fs::rename(&log, &moved).unwrap();
    assert!(spawn(Command::new("kill").arg("-HUP").arg(child.id().to_string())).wait().unwrap().success());
    wait_for("the new log", || crate::client::read(&log).contains("configuration reloaded"));
    for line in crate::client::read(&moved).lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
