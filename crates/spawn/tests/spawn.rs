//! Starting processes, from outside.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;

use herald_spawn::{ProcessStart, spawn};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, WaitStatus, waitid, waitpid};

/// The signals that this process ignores, as the kernel counts them.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(bits.trim(), 16).unwrap()
}

fn texts(list: &[&str]) -> Vec<CString> {
    list.iter().map(|text| CString::new(*text).unwrap()).collect()
}

/// Runs a shell script to its end, with what `change` sets, and gives what it printed and how it ended.
fn run(
    script: &str,
    change: impl FnOnce(&mut ProcessStart<'_>),
) -> Result<(String, WaitStatus), (&'static str, std::io::Error)> {
    let (null, mut out) = (File::open("/dev/null").unwrap(), tempfile::tempfile().unwrap());
    let (args, env) = (texts(&["sh", "-c", script]), texts(&["A=1", "PATH=/usr/bin:/bin"]));
    let (null, same) = (null.as_fd(), out.try_clone().unwrap());
    let mut start = ProcessStart {
        cgroup: None,
        stdio: [null, same.as_fd(), same.as_fd()],
        limits: &[],
        ignored: ignored(),
        user: None,
        paths: [c"/", c"/bin/sh"],
        texts: [&args, &env],
    };
    change(&mut start);
    let pid = spawn(&start)?;
    let (_, status) = waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap().unwrap();
    let mut text = String::new();
    out.rewind().unwrap();
    out.read_to_string(&mut text).unwrap();
    Ok((text, status))
}

#[test]
fn a_program_gets_what_was_set_and_nothing_else() {
    let script = "echo $0 $A $PWD $(ulimit -n) $(ulimit -Hn); exit 3";
    let (text, status) = run(script, |start| start.limits = &[(7, 77, 99)]).unwrap();
    assert_eq!(text, "sh 1 / 77 99\n");
    assert_eq!(status.exit_status(), Some(3));
    // Its own group, no signal blocked, none ignored. The shell itself blocks some while it starts grep.
    let script =
        "set -- $(cat /proc/$$/stat); echo $(( $5 == $$ )); grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let (text, _) = run(script, |_| {}).unwrap();
    let mut lines = text.lines();
    assert_eq!((lines.next(), lines.next()), (Some("1"), Some("SigBlk:\t0000000000000000")), "{text}");
    // 32 and 33 belong to the C library, which does not let anybody change them.
    let ignored = lines.next().and_then(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff, 0, "{text}");
}

#[test]
fn the_step_that_failed_is_named_and_nothing_is_left() {
    let file: &CStr = c"/etc/passwd";
    type Change = fn(&mut ProcessStart<'_>);
    let cases: [(Change, &str, ErrorKind); 4] = [
        (|start| start.paths[1] = c"/does/not/exist", "program", ErrorKind::NotFound),
        (|start| start.paths[1] = c"/etc/passwd", "program", ErrorKind::PermissionDenied),
        (|start| start.paths[0] = c"/does/not/exist", "folder", ErrorKind::NotFound),
        (|start| start.limits = &[(7, 2, 1)], "limits", ErrorKind::InvalidInput),
    ];
    assert!(!file.is_empty());
    for (change, step, kind) in cases {
        let (name, error) = run("true", change).unwrap_err();
        assert_eq!((name, error.kind()), (step, kind));
    }
    // Other tests may share this process, and their children end soon.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let none = || waitid(WaitId::All, look).is_err_and(|error| error == rustix::io::Errno::CHILD);
    assert!((0..500).any(|_| none() || {
        std::thread::sleep(std::time::Duration::from_millis(10));
        false
    }));
}

#[test]
fn what_was_inherited_is_not_handed_on() {
    // Without close-on-exec, as a shell or an init script leaves it.
    let open = rustix::io::dup(File::open("/etc/passwd").unwrap()).unwrap();
    let script = format!("[ -e /proc/self/fd/{} ] && echo leaked; echo done", open.as_raw_fd());
    assert_eq!(run(&script, |_| {}).unwrap().0, "done\n");
}

#[test]
fn another_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let script = "grep -E '^(Uid|Gid|Groups)' /proc/self/status; cat /proc/$$/environ | wc -c; cat /etc/shadow || echo no";
    let (text, _) = run(script, |start| start.user = Some((65534, 65533, &[65532, 65531]))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Uid:\t65534\t65534\t65534\t65534");
    assert_eq!(lines[1], "Gid:\t65533\t65533\t65533\t65533");
    assert_eq!(lines[2].trim_end(), "Groups:\t65531 65532");
    assert_eq!(lines.last(), Some(&"no"));
    // This process is what it was.
    assert!(rustix::process::geteuid().is_root() && File::open("/etc/shadow").is_ok());
}

#[test]
fn many_at_once_from_many_threads() {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for number in 0..50 {
                    let (text, status) = run(&format!("echo {thread}.{number}"), |_| {}).unwrap();
                    assert_eq!((text, status.exit_status()), (format!("{thread}.{number}\n"), Some(0)));
                }
            });
        }
    });
}

#[test]
fn the_crate_stays_small() {
    let code = include_str!("../src/lib.rs").lines().map(str::trim);
    assert!(code.filter(|line| !line.is_empty() && !line.starts_with("//")).count() <= 100);
}

/// `cargo nextest run … --run-ignored only --no-capture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "what it is compared with")]
fn measure() {
    let null = File::open("/dev/null").unwrap();
    let folder = "/sys/fs/cgroup/unified/herald-measure";
    let _ = std::fs::create_dir(folder);
    let args = texts(&["true"]);
    let both = || {
        let dir = File::open(folder).unwrap();
        let procs = File::options().write(true).open(format!("{folder}/cgroup.procs")).unwrap();
        (dir, procs)
    };
    let files = both();
    let one = |cgroup: Option<[std::os::fd::BorrowedFd<'_>; 2]>| {
        let stdio = [null.as_fd(); 3];
        let start = ProcessStart {
            cgroup,
            stdio,
            limits: &[],
            ignored: ignored(),
            user: None,
            paths: [c"/", c"/bin/true"],
            texts: [&args, &[]],
        };
        let pid = spawn(&start).unwrap();
        waitpid(Pid::from_raw(pid), WaitOptions::empty()).unwrap();
    };
    let time = |name: &str, work: &dyn Fn()| {
        let begun = std::time::Instant::now();
        (0..1000).for_each(|_| work());
        println!("{name}: {:?} each", begun.elapsed() / 1000);
    };
    for _ in 0..4 {
        time("std", &|| {
            std::process::Command::new("/bin/true")
                .env_clear()
                .stdin(std::process::Stdio::null())
                .process_group(0)
                .spawn()
                .unwrap()
                .wait()
                .unwrap();
        });
        time("spawn", &|| one(None));
        time("spawn in one cgroup", &|| one(Some([files.0.as_fd(), files.1.as_fd()])));
        let count = std::sync::atomic::AtomicU32::new(0);
        time("spawn in a new cgroup each", &|| {
            let folder = format!("{folder}/{}", count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            std::fs::create_dir(&folder).unwrap();
            let dir = File::open(&folder).unwrap();
            let procs = File::options().write(true).open(format!("{folder}/cgroup.procs")).unwrap();
            one(Some([dir.as_fd(), procs.as_fd()]));
            std::fs::remove_dir(&folder).unwrap();
        });
    }
    drop(files);
    std::fs::remove_dir(folder).unwrap();
}
