//! Processes: their end, whatever they do about it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_exec::program::{LARGEST_INPUT, Program, Restrictions};
use herald_exec::{Ending, NoOutput, Stop, environment};
use serde_json::json;

use crate::fixture::{Bench, eventually, lives, merged, sh};

fn pid_in(bench: &Bench, name: &str) -> Option<String> {
    std::fs::read_to_string(bench.run_dir().join(name)).ok().filter(|pid| pid.ends_with('\n'))
}

#[tokio::test]
async fn timeout_ends_the_whole_group_and_what_left_it() {
    let bench = Bench::new();
    for script in [
        // Obeys TERM; ignores TERM; has a child; has a child in another session that ignores TERM.
        "echo $$ > main; cp main stray; sleep 60",
        "trap '' TERM; echo $$ > main; cp main stray; while :; do sleep 1; done",
        "echo $$ > main; sh -c 'echo $$ > stray; sleep 60' & wait",
        "setsid sh -c 'trap \"\" TERM HUP; echo $$ > stray; while :; do sleep 1; done' & echo $$ > main; sleep 60",
        // Double fork: nobody's child any more.
        "setsid sh -c '(trap \"\" TERM; sh -c \"echo \\$\\$ > stray; exec sleep 60\") >/dev/null 2>&1 &'; echo $$ > main; sleep 60",
        // Closes its output.
        "exec >&- 2>&-; echo $$ > main; cp main stray; sleep 60",
    ] {
        for name in ["main", "stray"] {
            let _ = std::fs::remove_file(bench.run_dir().join(name));
        }
        let begun = Instant::now();
        let report = bench.run(merged(sh(script), json!({"timeout": "500ms"}))).await.unwrap();
        assert_eq!(report.ending, Ending::TimedOut, "{script}");
        assert!(report.result.contains_key("signal") || report.result.contains_key("exit_code"));
        for name in ["main", "stray"] {
            let pid = pid_in(&bench, name).unwrap_or_else(|| panic!("{name}: {script}"));
            assert!(!lives(&pid), "{name} lives: {script}");
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "{script}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn what_was_printed_before_the_end_is_kept() {
    let bench = Bench::new();
    let report = bench.run(merged(sh("echo begun; exec sleep 60"), json!({"timeout": 0.3}))).await.unwrap();
    assert_eq!(report.result["output"], json!("begun\n"));
    assert_eq!(report.result["signal"], json!(15));
}

#[tokio::test]
async fn asked_and_forced_stops() {
    let bench = Arc::new(Bench::with(|settings| settings.kill_grace = Duration::from_secs(60)));
    for (force, signal) in [(false, 15), (true, 9)] {
        let _ = std::fs::remove_file(bench.run_dir().join("pid"));
        let stop = Stop::default();
        // Only the first obeys TERM.
        let trap = if force { "trap '' TERM; " } else { "" };
        let script = format!("{trap}echo $$ > pid; while :; do sleep 0.1; done");
        let job = {
            let (bench, stop) = (bench.clone(), stop.clone());
            tokio::spawn(async move { bench.run_with(sh(script), &stop).await })
        };
        eventually("it starts", || pid_in(&bench, "pid").is_some()).await;
        stop.asked.cancel();
        if force {
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(!job.is_finished(), "it ignores TERM and has a long grace");
            stop.forced.cancel();
        }
        let report = job.await.unwrap().unwrap();
        assert_eq!(report.ending, Ending::Cancelled);
        assert_eq!(report.result["signal"], json!(signal));
        assert!(!lives(&pid_in(&bench, "pid").unwrap()));
    }
    let stop = Stop::default();
    stop.asked.cancel();
    assert!(
        bench.run_with(sh("true"), &stop).await.unwrap_err().ending() == Some(herald_exec::Ending::Cancelled)
    );
}

#[tokio::test]
async fn dropping_the_job_kills_it() {
    let bench = Bench::new();
    let script = "setsid sh -c 'echo $$ > stray; sleep 60' & echo $$ > main; sleep 60";
    let mut job = Box::pin(bench.run(sh(script)));
    while pid_in(&bench, "main").is_none() || pid_in(&bench, "stray").is_none() {
        tokio::select! {
            done = &mut job => panic!("{done:?}"),
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
    }
    drop(job);
    let (main, stray) = (pid_in(&bench, "main").unwrap(), pid_in(&bench, "stray").unwrap());
    eventually("both are gone", || !lives(&main) && !lives(&stray)).await;
    eventually("no zombie stays", || !PathBuf::from(format!("/proc/{}", main.trim())).exists()).await;
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hold_the_job() {
    let bench = Bench::new();
    // In the group: it is ended. In a session of its own: it may go on, without the pipe.
    for (script, survives) in [
        ("echo first; sleep 60 & echo $! > pid", false),
        (
            "echo first; setsid sh -c 'echo $$ > pid; exec sleep 60' & while ! [ -s pid ]; do sleep 0.01; done",
            true,
        ),
    ] {
        let _ = std::fs::remove_file(bench.run_dir().join("pid"));
        let begun = Instant::now();
        let report = bench.run(sh(script)).await.unwrap();
        assert_eq!(
            (report.ending, &report.result["output"]),
            (Ending::Exited(0), &json!("first\n")),
            "{script}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        let pid = pid_in(&bench, "pid").unwrap();
        assert_eq!(lives(&pid), survives, "{script}");
        if survives {
            let killed = std::process::Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
            assert!(killed.success());
        }
    }
}

#[tokio::test]
async fn a_child_that_ends_within_the_grace_is_left_alone() {
    let bench = Bench::new();
    let report = bench.run(sh("(sleep 0.2; echo done > late; echo second) & echo first")).await.unwrap();
    assert_eq!(report.result["output"], json!("first\nsecond\n"));
    assert!(bench.run_dir().join("late").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_of_output_stays_small() {
    let bench = Bench::new();
    bench.engine.open().await.unwrap();
    let before = peak_memory();
    let report =
        bench.run(sh("head -c 1G /dev/zero; head -c 100M /dev/zero >&2; echo done > end")).await.unwrap();
    assert_eq!(report.ending, Ending::Exited(0));
    assert_eq!(report.result["output"].as_str().unwrap().len(), 1 << 20);
    assert_eq!(report.result["truncated"], json!(true));
    assert!(bench.run_dir().join("end").exists());
    let grown = peak_memory() - before;
    assert!(grown < 64 << 10, "{grown} KiB");
}

/// The most memory that this process ever used, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn background_jobs_are_reaped_and_ended() {
    let bench = Bench::new();
    let begun = Instant::now();
    let short = bench
        .run(merged(sh("sleep 0.3; cp \"$HERALD_EXECUTE_PARAM_FILE\" seen"), json!({"background": true})));
    let short = short.await.unwrap();
    assert_eq!(short.ending, Ending::Background);
    assert!(begun.elapsed() < Duration::from_millis(250), "it returns at once");
    let pid = short.result["pid"].to_string();
    eventually("it ran to its end with its file", || bench.run_dir().join("seen").exists()).await;
    eventually("it is reaped", || !PathBuf::from(format!("/proc/{pid}")).exists()).await;
    eventually("its file is gone", || bench.leftovers().is_empty()).await;

    let timed = merged(sh("sleep 60"), json!({"background": true, "timeout": 0.2}));
    let timed = bench.run(timed).await.unwrap().result["pid"].to_string();
    eventually("its timeout counts", || !lives(&timed)).await;

    let script =
        "setsid sh -c 'echo $$ > stray; sleep 60' & trap '' TERM; echo $$ > main; while :; do sleep 1; done";
    bench.run(merged(sh(script), json!({"background": true}))).await.unwrap();
    eventually("it runs", || pid_in(&bench, "main").is_some() && pid_in(&bench, "stray").is_some()).await;
    bench.engine.close().await;
    for name in ["main", "stray"] {
        assert!(!lives(&pid_in(&bench, name).unwrap()), "{name}");
    }
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test]
async fn no_descriptor_reaches_a_job() {
    let bench = Bench::new();
    let _held = std::fs::File::open("/etc/hostname").unwrap();
    let result = bench.result(json!({"cmd": "ls", "arg": ["/proc/self/fd"]})).await;
    // The process that started this test may have left some open for all its children.
    let inherited = |number: &str| {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or("02000000");
        i64::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0
    };
    let output = result["output"].as_str().unwrap();
    let given: Vec<&str> = output.lines().filter(|number| number.len() == 1 || !inherited(number)).collect();
    // 3 is the folder that ls itself reads.
    assert_eq!(given, ["0", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_descriptor_and_no_file_is_left_behind() {
    let bench = Arc::new(Bench::new());
    bench.run(sh("true")).await.unwrap();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let mut jobs = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let bench = bench.clone();
        jobs.spawn(async move { bench.run(json!({"cmd": "true"})).await.unwrap().ending });
    }
    while let Some(ending) = jobs.join_next().await {
        assert_eq!(ending.unwrap(), Ending::Exited(0));
    }
    // Other tests of this binary may hold some when they share the process.
    assert!(open() < before + 100, "{} and {before}", open());
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_written_just_now_is_tried_again() {
    let bench = Bench::new();
    bench.engine.open().await.unwrap();
    let path = bench.run_dir().join("busy");
    std::fs::write(&path, "#!/bin/sh\necho ran\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let closing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(writer);
    });
    assert_eq!(bench.result(json!({"cmd": "./busy"})).await["output"], json!("ran\n"));
    closing.await.unwrap();
}

#[tokio::test]
async fn two_engines_share_a_work_dir() {
    let one = Bench::new();
    let mut settings = herald_exec::ExecSettings::new(one.dir.path());
    settings.kill_grace = Duration::from_millis(300);
    let script =
        "echo x > begun; while [ -e begun ]; do sleep 0.02; done; cat \"$HERALD_EXECUTE_PARAM_FILE\"";
    let job = tokio::spawn({
        let engine = one.engine.clone();
        async move { engine.run(&crate::fixture::params(sh(script)), &Stop::default()).await }
    });
    eventually("it runs", || one.run_dir().join("begun").exists()).await;
    // Another process opens the same folder and sweeps.
    let two = herald_exec::ExecEngine::new(settings);
    two.open().await.unwrap();
    std::fs::remove_file(one.run_dir().join("begun")).unwrap();
    assert_eq!(job.await.unwrap().unwrap().result["job_id"], json!("j1"));
}

/// Keeps what a job prints; takes nothing while `stuck`.
#[derive(Default)]
struct Heard {
    all: std::sync::Mutex<Vec<(herald_exec::Stream, String)>>,
    stuck: bool,
}

#[async_trait::async_trait]
impl herald_exec::Output for Heard {
    async fn write(&self, stream: herald_exec::Stream, bytes: &[u8]) {
        if self.stuck {
            std::future::pending::<()>().await;
        }
        self.all.lock().unwrap().push((stream, String::from_utf8_lossy(bytes).into_owned()));
    }
}

impl Heard {
    fn of(&self, stream: herald_exec::Stream) -> String {
        let all = self.all.lock().unwrap();
        all.iter().filter(|(from, _)| *from == stream).map(|(_, text)| text.as_str()).collect()
    }
}

#[tokio::test]
async fn output_is_given_on_while_the_job_runs() {
    use herald_exec::Stream::{Stderr, Stdout};
    let bench = Bench::new();
    let heard = std::sync::Arc::new(Heard::default());
    let script =
        "echo one; echo two >&2; while [ ! -e go ]; do sleep 0.02; done; head -c 100 /dev/zero | tr '\\0' x";
    let params = crate::fixture::params(merged(sh(script), json!({"output_limit": 6})));
    let job = tokio::spawn({
        let (engine, heard) = (bench.engine.clone(), heard.clone());
        async move { engine.run_with_output(&params, &Stop::default(), &*heard).await }
    });
    eventually("both lines", || heard.of(Stdout) == "one\n" && heard.of(Stderr) == "two\n").await;
    std::fs::write(bench.run_dir().join("go"), "").unwrap();
    let result = job.await.unwrap().unwrap().result;
    assert_eq!((&result["output"], &result["truncated"]), (&json!("one\nxx"), &json!(true)));
    assert_eq!(heard.of(Stdout), format!("one\n{}", "x".repeat(100)), "also what is past the limit");
}

#[tokio::test]
async fn a_job_ends_in_time_whoever_listens() {
    let bench = Bench::new();
    let stuck = Heard { stuck: true, ..Heard::default() };
    for (script, ending) in [("yes", Ending::TimedOut), ("echo x", Ending::Exited(0))] {
        let params = crate::fixture::params(merged(sh(script), json!({"timeout": "500ms"})));
        let report = bench.engine.run_with_output(&params, &Stop::default(), &stuck).await.unwrap();
        assert_eq!(report.ending, ending, "{script}");
    }
}

#[tokio::test]
async fn a_program_reads_its_input_to_the_end() {
    let environment = environment::clean();
    let program = Program {
        path: "/bin/cat".into(),
        args: Vec::new(),
        env: environment,
        dir: "/".into(),
        deadline: None,
        kill_grace: Duration::from_secs(1),
        output_limit: 8 << 10,
        owner: None,
        restrictions: Restrictions::default(),
    };
    for length in [0, 1, LARGEST_INPUT] {
        let input = vec![b'x'; length];
        let finished = program.run_with_input(&input, &Stop::new(), &NoOutput).await.unwrap();
        assert_eq!((finished.ending, finished.stdout.bytes), (Ending::Exited(0), input));
    }
    let input = vec![b'x'; LARGEST_INPUT + 1];
    let error = program.run_with_input(&input, &Stop::new(), &NoOutput).await.unwrap_err();
    assert_eq!(error.to_string(), "/bin/cat could not be started: its input is larger than 4 KiB");
    let finished = program.run(&Stop::new()).await.unwrap();
    assert_eq!(finished.ending, Ending::Exited(0), "without an input there is nothing to read");
}
