//! What jobs meet at their end, and the folders that they run in.

use std::time::Duration;

use herald_exec::{Ending, RunDir};
use serde_json::json;

use crate::fixture::{Bench, Repo, eventually, merged, sh};

/// Says each TERM that it gets, at once, and goes on.
const COUNTS: &str = "trap 'echo term' TERM; echo ready >&2; while :; do :; done";

#[tokio::test]
async fn each_process_gets_term_once() {
    let bench = Bench::new();
    let count = |name: &str| {
        let file = std::fs::read_to_string(bench.run_dir().join(name)).unwrap_or_default();
        file.lines().filter(|line| *line == "term").count()
    };
    // The leader; a member of its group; one in a session of its own.
    let script = format!(
        "sh -c \"{COUNTS}\" >member 2>ready1 & setsid sh -c \"{COUNTS}\" >stray 2>ready2 & \
         exec >leader 2>ready3; {COUNTS}"
    );
    for _ in 0..3 {
        let report = bench.run(merged(sh(&script), json!({"timeout": "700ms"}))).await.unwrap();
        assert_eq!(report.ending, Ending::TimedOut);
        for name in ["leader", "member", "stray"] {
            assert_eq!(count(name), 1, "{name}");
        }
    }
}

/// Once its leader is reaped, the number of a process group can be given to another process of the machine, and a
/// signal would hit that one.
#[tokio::test]
async fn the_leader_keeps_its_number_until_all_are_gone() {
    let bench = Bench::with(|settings| settings.kill_grace = Duration::from_secs(3));
    let stray = "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.1; done' & echo $$ > main; exec sleep 60";
    let job = merged(sh(stray), json!({"timeout": "500ms"}));
    let state = || {
        let pid = std::fs::read_to_string(bench.run_dir().join("main")).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    };
    let looked = async {
        tokio::time::sleep(Duration::from_millis(2000)).await;
        state()
    };
    let (report, between) = tokio::join!(bench.run(job), looked);
    assert_eq!(report.unwrap().ending, Ending::TimedOut);
    assert_eq!((between, state()), (Some('Z'), None));
}

#[tokio::test]
async fn a_run_folder_that_is_gone_is_made_again() {
    let bench = Bench::new();
    for script in [
        "rm -rf \"$PWD\"",
        "pwd",
        "rm -rf ../run ../tmp ../gitrepo",
        "pwd",
        "rm -rf ../../$(basename ${PWD%/run})",
        "pwd",
    ] {
        let report = bench.run(sh(script)).await.unwrap();
        assert_eq!(report.ending, Ending::Exited(0), "{script}: {:?}", report.result);
    }
    let repo = Repo::printing("hi");
    let job = json!({"repo": repo.url(), "cmd": "run.sh"});
    for _ in 0..2 {
        assert_eq!(bench.result(job.clone()).await["output"], json!("hi\n"));
        std::fs::remove_dir_all(bench.dir.path().join("tmp")).unwrap();
    }
}

/// Without its lock it would be swept as that of a dead owner, by any process that shares the folder.
#[tokio::test]
async fn a_folder_of_an_owner_that_is_made_again_is_locked_again() {
    let bench = Bench::new();
    let repo = Repo::printing("hi");
    repo.script(
        "wait.sh",
        "#!/bin/sh\ntouch begun; while [ -e begun ]; do sleep 0.02; done; cat \"$0\" >/dev/null\n",
    );
    repo.commit_all();
    bench.engine.open().await.unwrap();
    std::fs::remove_dir_all(bench.dir.path().join("tmp")).unwrap();
    let job = tokio::spawn({
        let engine = bench.engine.clone();
        let job = crate::fixture::params(json!({"repo": repo.url(), "cmd": "wait.sh"}));
        async move { engine.run(&job, &herald_exec::Stop::default()).await }
    });
    let begun = bench.run_dir().join("begun");
    eventually("it runs", || begun.exists()).await;
    let other = herald_exec::ExecEngine::new(herald_exec::ExecSettings::new(bench.dir.path()));
    other.open().await.unwrap();
    std::fs::remove_file(begun).unwrap();
    assert_eq!(job.await.unwrap().unwrap().ending, Ending::Exited(0));
}

#[tokio::test]
async fn a_folder_for_each_job() {
    let bench = Bench::with(|settings| settings.run_dir = RunDir::Job);
    let script = "ls; echo mine > out.tar; sleep 0.3; cat out.tar; pwd";
    let (one, two) = tokio::join!(bench.run(sh(script)), bench.run(sh(script)));
    let (one, two) = (one.unwrap().result["output"].clone(), two.unwrap().result["output"].clone());
    for output in [&one, &two] {
        let output = output.as_str().unwrap();
        assert!(output.starts_with("mine\n/") && !output.contains("/run\n"), "{output}");
    }
    assert_ne!(one, two);
    assert_eq!(bench.leftovers().len(), 0);
    // With a checkout, and with result files: relative to that folder, and there until the report goes.
    let repo = Repo::new();
    repo.script("run.sh", "#!/bin/sh\necho data > out.dat\necho '{\"file\": {\"one\": \"out.dat\"}}'\n");
    repo.commit_all();
    let report = bench.run(json!({"repo": repo.url(), "cmd": "run.sh"})).await.unwrap();
    assert_eq!(std::fs::read_to_string(&report.files[0].path).unwrap(), "data\n");
    assert!(!bench.run_dir().join("out.dat").exists());
    drop(report);
    eventually("its folder goes", || bench.leftovers().is_empty()).await;
    // In the background: there until the end.
    let script = "sleep 0.3; pwd > \"$OUT\"";
    let out = bench.dir.path().join("out");
    let job = merged(sh(script), json!({"background": true, "env": {"OUT": out}}));
    assert_eq!(bench.run(job).await.unwrap().ending, Ending::Background);
    eventually("it ran in its folder", || {
        std::fs::read_to_string(&out).is_ok_and(|text| text.contains("/tmp/"))
    })
    .await;
    eventually("its folder goes", || bench.leftovers().is_empty()).await;
}

#[tokio::test]
async fn files_of_the_kernel_are_no_result_files() {
    let bench = Bench::new();
    for path in [
        "/proc/self/environ",
        "/proc/1/root/etc/passwd/../../proc/version",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/dev/null",
        "link",
    ] {
        let script = format!("ln -sf /proc/self/environ link; echo '{{\"file\": {{\"x\": \"{path}\"}}}}'");
        let error = bench.error(sh(script)).await;
        assert!(error.contains("result file \"x\""), "{path}: {error}");
    }
    // Exchanged after the job ended.
    let report = bench.run(sh("echo a > a; echo '{\"file\": {\"x\": \"a\"}}'")).await.unwrap();
    assert!(report.files[0].open().is_ok());
    std::fs::remove_file(bench.run_dir().join("a")).unwrap();
    std::os::unix::fs::symlink("/proc/self/environ", bench.run_dir().join("a")).unwrap();
    let error = report.files[0].open().unwrap_err().to_string();
    assert!(error.contains("/proc"), "{error}");
}

#[tokio::test]
async fn a_job_ends_on_time_however_long_its_checkout_takes_to_go() {
    let bench = Bench::new();
    let repo = Repo::new();
    // The job makes a tree that takes longer to remove than to wait for.
    let script = "#!/bin/sh\ncd \"${0%/*}\"; mkdir d; cd d; seq 1 30000 | xargs touch; echo full > \"$OUT\"; sleep 60\n";
    repo.script("run.sh", script);
    repo.commit_all();
    let full = bench.dir.path().join("full");
    let stop = herald_exec::Stop::default();
    let params = crate::fixture::params(json!({"repo": repo.url(), "cmd": "run.sh", "env": {"OUT": full}}));
    let job = tokio::spawn({
        let (engine, stop) = (bench.engine.clone(), stop.clone());
        async move { engine.run(&params, &stop).await }
    });
    eventually("it is full", || full.exists()).await;
    let begun = std::time::Instant::now();
    stop.asked.cancel();
    assert_eq!(job.await.unwrap().unwrap().ending, Ending::Cancelled);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    eventually("it goes behind the job", || bench.leftovers().is_empty()).await;
}
