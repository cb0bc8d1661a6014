//! Programs that own what their jobs start: cgroups, orphans, limits, users. Each test is to have a process of its own,
//! as nextest gives it, since ownership is one of the whole process.

#![expect(clippy::disallowed_methods, reason = "fixtures start programs")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "this is a test")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_exec::program::Restrictions;
use herald_exec::{
    Ending, ExecEngine, ExecError, ExecSettings, JobLimits, JobUser, Report, RunDir, Stop, ownership,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    engine: ExecEngine,
}

impl Bench {
    fn with(change: impl FnOnce(&mut ExecSettings)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut settings = ExecSettings::new(dir.path().join("work"));
        settings.kill_grace = Duration::from_millis(300);
        change(&mut settings);
        Self { dir, engine: ExecEngine::new(settings) }
    }

    async fn run(&self, script: &str, more: Value) -> Result<Report, ExecError> {
        let mut job_param = json!({"cmd": "sh", "arg": ["-c", script]});
        job_param.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let params = Map::from_iter([("id".to_owned(), json!("j")), ("job_param".to_owned(), job_param)]);
        self.engine.run(&params, &Stop::default()).await
    }

    async fn output(&self, script: &str) -> String {
        let report = self.run(script, json!({})).await.unwrap();
        assert_eq!(report.ending, Ending::Exited(0), "{:?}", report.result);
        report.result["output"].as_str().unwrap().to_owned()
    }

    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join("work/run").join(name))
            .ok()
            .filter(|text| text.ends_with('\n'))
    }
}

fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The folder of the cgroups of this process's jobs, once one has run.
async fn own_cgroups(bench: &Bench) -> Option<PathBuf> {
    let line = bench.output("cat /proc/self/cgroup").await;
    let path = line.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?.split(' ').nth(4)?;
    let own = Path::new(mount).join(path.trim_start_matches('/'));
    path.contains("/herald-").then(|| own.parent().unwrap().to_owned())
}

/// Processes that clear their environment and leave the session, also without a living parent.
const ESCAPES: [&str; 3] = [
    "env -i setsid sh -c 'echo $$ > stray; exec sleep 60' & echo $$ > main; sleep 60",
    "(env -i setsid sh -c 'echo $$ > stray; exec sleep 60' &); echo $$ > main; sleep 60",
    "(env -i setsid sh -c '(trap \"\" TERM; sh -c \"echo \\$\\$ > stray; exec sleep 60\") &' &); echo $$ > main; sleep 60",
];

async fn escapes_are_ended() {
    let bench = Bench::with(|_| {});
    for script in ESCAPES {
        for name in ["main", "stray"] {
            let _ = std::fs::remove_file(bench.dir.path().join("work/run").join(name));
        }
        let report = bench.run(script, json!({"timeout": "500ms"})).await.unwrap();
        assert_eq!(report.ending, Ending::TimedOut, "{script}");
        for name in ["main", "stray"] {
            let pid = bench.file(name).unwrap_or_else(|| panic!("{name}: {script}"));
            assert!(!lives(&pid), "{name} lives: {script}");
        }
    }
}

#[tokio::test]
async fn escapes_are_ended_by_the_cgroup() {
    ownership::start();
    escapes_are_ended().await;
}

#[tokio::test]
async fn escapes_are_ended_without_a_cgroup() {
    ownership::start_in(None);
    escapes_are_ended().await;
    assert!(rustix::process::child_subreaper().unwrap().is_some());
}

#[tokio::test]
async fn escapes_are_ended_without_any_preparation() {
    escapes_are_ended().await;
}

/// Newer kernels kill whatever is started in a group whose `cgroup.kill` was written.
#[tokio::test]
async fn the_cgroup_of_a_killed_job_kills_no_other() {
    ownership::start();
    let bench = Bench::with(|settings| settings.kill_grace = Duration::from_millis(50));
    for _ in 0..3 {
        let stubborn = "trap '' TERM; while :; do sleep 0.05; done";
        let report = bench.run(stubborn, json!({"timeout": "200ms"})).await.unwrap();
        assert_eq!(report.ending, Ending::TimedOut);
        for _ in 0..5 {
            assert_eq!(bench.output("echo well").await, "well\n");
        }
    }
}

#[tokio::test]
async fn cgroups_are_used_again_and_removed() {
    ownership::start();
    let bench = Bench::with(|_| {});
    let Some(own) = own_cgroups(&bench).await else { return };
    for _ in 0..20 {
        bench.output("true").await;
    }
    let folders =
        || std::fs::read_dir(&own).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
    assert!(folders() <= 4, "{}", folders());
    // What a job leaves behind on purpose goes on, and its group with it; both outlive this process.
    bench.output("setsid sleep 60 >/dev/null 2>&1 & echo $! > left").await;
    let left = bench.file("left").unwrap();
    bench.output("mkdir -p x; true").await;
    assert!(lives(&left));
    ownership::leave();
    assert!(!own.exists(), "{:?}", std::fs::read_dir(&own).map(Iterator::count));
    assert!(lives(&left));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(left.trim().parse().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[tokio::test]
async fn leftovers_of_a_dead_process_are_ended_at_the_start() {
    ownership::start();
    let bench = Bench::with(|_| {});
    let Some(own) = own_cgroups(&bench).await else { return };
    let dead = own.parent().unwrap().join("herald-dead-of-test/5");
    std::fs::create_dir_all(&dead).unwrap();
    let mut left = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    std::fs::write(dead.join("cgroup.procs"), left.id().to_string()).unwrap();
    let waited = std::thread::spawn(move || left.wait().unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cgroup"), dead.parent().unwrap().as_os_str().as_encoded_bytes())
        .unwrap();
    ownership::end_leftovers(folder.path());
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&waited.join().unwrap()), Some(15));
    assert!(!dead.parent().unwrap().exists());
    assert!(own.exists());
    ownership::leave();
}

/// Children of this process that have ended and that nobody reaped.
fn zombies() -> usize {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    let parents = stats.filter_map(|stat| {
        let rest = stat[stat.rfind(')')? + 2..].to_owned();
        let mut fields = rest.split(' ');
        (fields.next()? == "Z").then(|| fields.next().unwrap_or_default().to_owned())
    });
    parents.filter(|parent| *parent == own).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_reaped_and_no_exit_of_a_job_is_lost() {
    ownership::start_in(None);
    tokio::spawn(ownership::reap());
    let bench = std::sync::Arc::new(Bench::with(|_| {}));
    bench.output("true").await;
    let mut jobs = tokio::task::JoinSet::new();
    for number in 0..200 {
        let bench = bench.clone();
        jobs.spawn(async move {
            let code = number % 100;
            let script = format!("(setsid sleep 0.2 >/dev/null 2>&1 &); exit {code}");
            let report = bench.run(&script, json!({})).await.unwrap();
            assert_eq!(report.ending, Ending::Exited(code), "{number}");
        });
    }
    while let Some(done) = jobs.join_next().await {
        done.unwrap();
    }
    eventually("no zombie is left", || zombies() == 0).await;
}

#[tokio::test]
async fn jobs_are_chosen_first_when_memory_runs_out() {
    ownership::start_in(None);
    let bench = Bench::with(|_| {});
    let own: i32 = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap().trim().parse().unwrap();
    let score: i32 = bench.output("sleep 0.2; cat /proc/self/oom_score_adj").await.trim().parse().unwrap();
    assert!(score > own || own == 1000, "{score} {own}");
}

/// A folder with the same files, for machines without the controllers.
#[tokio::test]
async fn limits_are_set_on_the_cgroup() {
    let group = tempfile::tempdir().unwrap();
    std::fs::write(group.path().join("cgroup.controllers"), "cpu memory").unwrap();
    ownership::start_in(Some(group.path().to_owned()));
    let own = std::fs::read_dir(group.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir());
    let own = own.unwrap();
    std::fs::write(own.join("cgroup.controllers"), "cpu memory").unwrap();
    let limits = JobLimits { memory: Some(1 << 30), pids: Some(7), cpu: Some(0.5), open_files: Some(99) };
    let error = ownership::require(&limits).unwrap_err().to_string();
    assert!(error.starts_with("cannot limit pids: this needs cgroup v2 with the controller pids"), "{error}");
    let limits = JobLimits { pids: None, ..limits };
    ownership::require(&limits).unwrap();
    let written = std::fs::read_to_string(group.path().join("cgroup.subtree_control")).unwrap();
    assert_eq!(written, "+memory +cpu");
    let bench = Bench::with(|settings| settings.restrictions = Restrictions { user: None, limits });
    assert_eq!(bench.output("ulimit -n; ulimit -v").await, "99\nunlimited\n");
    let read = |name: &str| std::fs::read_to_string(own.join("0").join(name)).unwrap();
    assert_eq!((read("memory.max").as_str(), read("cpu.max").as_str()), ("1073741824", "50000 100000"));
    assert_eq!((read("memory.oom.group").as_str(), read("cgroup.procs").as_str()), ("1", "0"));
}

#[tokio::test]
async fn limits_without_controllers() {
    ownership::start_in(None);
    let limits = JobLimits { memory: Some(512 << 20), open_files: Some(64), ..JobLimits::default() };
    ownership::require(&limits).unwrap();
    let bench = Bench::with(|settings| settings.restrictions = Restrictions { user: None, limits });
    assert_eq!(bench.output("ulimit -n; ulimit -v").await, format!("64\n{}\n", 512 << 10));
    for limits in [JobLimits { pids: Some(5), ..limits }, JobLimits { cpu: Some(1.0), ..limits }] {
        let error = ownership::require(&limits).unwrap_err().to_string();
        assert!(error.contains("needs cgroup v2"), "{error}");
    }
}

#[tokio::test]
async fn jobs_of_another_user() {
    if !is_root() {
        return;
    }
    let user = std::sync::Arc::new(JobUser::named("nobody").unwrap());
    for run_dir in [RunDir::Shared, RunDir::Job] {
        let bench = Bench::with(|settings| {
            settings.run_dir = run_dir;
            settings.restrictions.user = Some(user.clone());
        });
        let script = "id -u; id -gn; echo $HOME $USER $LOGNAME $SHELL; wc -c <\"$HERALD_EXECUTE_PARAM_FILE\"; \
                      echo x >file && echo wrote; cat /etc/shadow 2>/dev/null || echo no";
        let output = bench.output(script).await;
        let lines: Vec<&str> = output.lines().collect();
        let account = &user.account;
        let variables = format!("{0} nobody nobody {1}", account.home.display(), account.shell.display());
        assert_eq!((lines[0], lines[2]), (account.uid.to_string().as_str(), variables.as_str()));
        assert!(lines[3].parse::<u32>().unwrap() > 10, "it reads its parameters");
        assert_eq!(lines[4..], ["wrote", "no"]);
        // Neither may it name what it cannot read itself.
        let report =
            bench.run("echo '{\"file\": {\"a\": \"mine\"}}'; echo 1 >mine", json!({})).await.unwrap();
        assert!(report.files[0].open().is_ok());
        for path in ["/etc/shadow", "/etc/passwd"] {
            let error = bench.run(&format!("echo '{{\"file\": {{\"a\": \"{path}\"}}}}'"), json!({})).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains("does not belong to the job's `user`"), "{error}");
        }
        // Its timeout ends it, too.
        let report = bench.run("trap '' TERM; sleep 60", json!({"timeout": "300ms"})).await.unwrap();
        assert_eq!(report.ending, Ending::TimedOut);
        // A large parameter, too large for a variable.
        let large = json!({"env": {"N": "1"}, "large": "x"});
        assert!(bench.run("true", large).await.is_err() || bench.file("none").is_none());
    }
    let bench = Bench::with(|settings| settings.restrictions.user = Some(user.clone()));
    bench.engine.open().await.unwrap();
    std::fs::set_permissions(bench.dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = bench.run("true", json!({})).await.unwrap_err().to_string();
    assert!(error.contains("user `nobody` cannot enter the current directory"), "{error}");
}

#[test]
fn neither_memory_nor_environment_can_be_read() {
    let inherited =
        std::env::vars_os().find(|(name, value)| name == "CARGO_MANIFEST_DIR" && !value.is_empty());
    let (name, value) = inherited.unwrap();
    ownership::hide();
    let shown = std::fs::read("/proc/self/environ").unwrap_or_default();
    let value_text = value.to_str().unwrap();
    assert!(!shown.windows(value_text.len()).any(|window| window == value_text.as_bytes()));
    assert_eq!(std::env::var_os(name), Some(value));
    let path = format!("PATH={}", std::env::var("PATH").unwrap());
    assert!(
        !is_root() || shown.windows(path.len()).any(|window| window == path.as_bytes()),
        "PATH is public"
    );
    let behaviour = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(behaviour, rustix::process::DumpableBehavior::NotDumpable);
}
