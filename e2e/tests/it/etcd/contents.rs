//! What files can contain, who owns a name, and what readers see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::daemon::Daemon;
use e2e::etcd::EtcdChange;
use e2e::program::sh;
use e2e::wait::{stays, until};

use super::site::{Site, result};

#[test]
fn every_content_arrives_byte_for_byte() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("a.com", "");
    // The largest value that etcd takes with its default limit.
    let large: Vec<u8> = (0..1_572_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let binary: Vec<u8> = (0..=255).rev().collect();
    for (name, content) in
        [("large", &large[..]), ("empty", b""), ("binary", &binary), ("lines", b"a\r\n\n b")]
    {
        site.server.put_bytes(&Site::key(&format!("a.com/config.d/{name}")), content);
        until(name, || {
            (std::fs::read(site.place.path(&format!("a.com/{name}"))).ok().as_deref() == Some(content))
                .then_some(())
        });
    }
    assert!(!daemon.said("too large"), "{}", daemon.log());
}

#[test]
fn a_file_belongs_to_one_project() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("a.com", "");
    site.put("a.com/config.d/shared", "of a.com");
    site.wait("a.com/shared", Some("of a.com"));
    // The same folder.
    site.put("b.com/config", &site.policy_text("a.com", ""));
    site.put("b.com/config.d/shared", "of b.com");
    let failed =
        result(&daemon, "the clash", |result| result["project"] == "b.com" && result["state"] == "failed");
    let msg = failed["report"]["msg"].as_str().unwrap();
    for part in ["a.com/config.d/shared", "b.com/config.d/shared"] {
        assert!(msg.contains(part), "{msg}");
    }
    assert_eq!(site.state("b.com"), "failed");
    assert_eq!(site.place.read("a.com/shared").as_deref(), Some("of a.com"));
    // Who has another name may publish there.
    site.delete("b.com/config.d/shared");
    site.put("b.com/config.d/own", "of b.com");
    site.wait("a.com/own", Some("of b.com"));
    site.delete("a.com/config.d/shared");
    site.wait("a.com/shared", None);
    assert_eq!(site.place.read("a.com/own").as_deref(), Some("of b.com"));
}

#[test]
fn the_same_value_again() {
    for (option, runs_again) in [("", false), (", same_content: publish", true)] {
        let site = Site::with("", option);
        let daemon = site.start();
        site.policy("a.com", &site.place.fill(", \"afterCmd\": \"echo after >>@DIR@/after\""));
        site.put("a.com/config.d/x", "same");
        site.wait("a.com/x", Some("same"));
        let _ = result(&daemon, "the first", |result| result["state"] == "published");
        site.put("a.com/config.d/x", "same");
        if runs_again {
            until("afterCmd again", || (site.place.count("after") == 2).then_some(()));
        }
        stays(Duration::from_secs(1), option, || site.place.count("after") == 1 + usize::from(runs_again));
        let published = |job: &&serde_json::Value| job["trigger_param"]["result"]["callback"] == "";
        assert!(daemon.printed().iter().all(|job| published(&job)));
    }
}

#[test]
fn a_folder_is_exchanged_whole() {
    let site = Site::with("", ", swap: directory");
    let _daemon = site.start();
    let generation = |n: usize| -> Vec<EtcdChange> {
        (0..5)
            .map(|file| EtcdChange::put(&Site::key(&format!("a.com/config.d/f{file}")), &n.to_string()))
            .collect()
    };
    site.policy("a.com", "");
    site.server.change_all(&generation(0));
    site.wait("a.com/f4", Some("0"));
    let (stop, path) = (AtomicBool::new(false), site.place.path("a.com"));
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                // Through one open folder, as a program reads its configuration.
                let folder = std::fs::File::open(&path).unwrap();
                let at = std::os::fd::AsRawFd::as_raw_fd(&folder);
                let read = |n| std::fs::read_to_string(format!("/proc/self/fd/{at}/f{n}"));
                let seen: Vec<String> = (0..5).filter_map(|n| read(n).ok()).collect();
                // A folder that was replaced may be on its way out.
                assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
                reads += usize::from(seen.len() == 5);
            }
            reads
        });
        for n in 1..20 {
            site.server.change_all(&generation(n));
            site.wait("a.com/f4", Some(&n.to_string()));
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 100, "{reads} reads");
}

/// Where this user cannot mount, there is nothing to test.
fn can_mount() -> bool {
    let mut command = std::process::Command::new("unshare");
    let mounted = command.args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).output();
    mounted.is_ok_and(|output| output.status.success())
}

#[test]
fn without_room_nothing_changes() {
    if !can_mount() {
        eprintln!("skipped: this test mounts a file system, which is not possible here");
        return;
    }
    let site = Site::new();
    let config = site.place.config_as("heraldd.yml", &site.config());
    std::fs::create_dir(site.place.path("a.com")).unwrap();
    let mount = site.place.fill("mount -t tmpfs -o size=256k tmpfs @DIR@/a.com && exec \"$@\"");
    let mut command = std::process::Command::new("unshare");
    e2e::program::clean(&mut command, &site.place.path(""));
    let built = e2e::program::built("heraldd");
    let command = command_in(&mut command, &mount, &[built.as_path(), "-config".as_ref(), config.as_path()]);
    let daemon = Daemon::run(command);
    daemon.wait_for(&["heraldd is ready"]);
    // `unshare` becomes the daemon, which has the file system alone.
    let inside = format!("/proc/{}/root{}", daemon.pid(), site.place.text_path("a.com"));
    let large = "x".repeat(100 << 10);
    let mut changes = vec![EtcdChange::put(&Site::key("a.com/config"), &site.policy_text("a.com", ""))];
    changes.extend(
        ["one", "two", "three"]
            .map(|name| EtcdChange::put(&Site::key(&format!("a.com/config.d/{name}")), &large)),
    );
    site.server.change_all(&changes);
    let failed = result(&daemon, "the failure", |result| result["state"] == "failed");
    let msg = failed["report"]["msg"].as_str().unwrap();
    assert!(failed["report"]["code"] == 500 && msg.contains("no space left"), "{msg}");
    assert_eq!(sh("ls", &[&"-A", &inside]), "", "no file, and no temporary one");
    let _ = sh(
        "nsenter",
        &[
            &"-t",
            &daemon.pid().to_string(),
            &"-m",
            &"mount",
            &"-o",
            &"remount,size=1m",
            &site.place.text_path("a.com"),
        ],
    );
    // It is tried again by itself.
    until("the files", || (sh("ls", &[&"-A", &inside]) == "one\nthree\ntwo").then_some(()));
    until("the state", || (site.state("a.com") == "in_sync").then_some(()));
}

fn command_in<'a>(
    command: &'a mut std::process::Command,
    script: &str,
    program: &[&std::path::Path],
) -> &'a mut std::process::Command {
    command.args(["-m", "sh", "-c", script, "sh"]).args(program)
}
