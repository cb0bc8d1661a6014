//! Killed daemons, and an etcd that lost its data.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::etcd::EtcdChange;
use e2e::wait::{stays, until, until_within};

use super::site::{Site, result};

/// etcd loses everything, and gets half of the files again. Its revision has passed the one that was seen.
fn refilled_with_half(stopped: bool) {
    let mut site = Site::new();
    let mut daemon = site.start();
    let policy = site.place.fill(", \"afterCmd\": \"echo after >>@DIR@/after\"");
    site.policy("a.com", &policy);
    for n in 0..4 {
        site.put(&format!("a.com/config.d/f{n}"), "1");
        site.wait(&format!("a.com/f{n}"), Some("1"));
    }
    until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
    let ran = site.place.count("after");
    if stopped {
        daemon.signal("KILL");
        let _ = daemon.wait_end();
    }
    site.server.kill();
    site.server.wipe();
    site.server.start_again();
    for n in 0..40 {
        site.server.put_bytes("/elsewhere", n.to_string().as_bytes());
    }
    site.policy("a.com", &policy);
    (0..2).for_each(|n| site.put(&format!("a.com/config.d/f{n}"), "1"));
    if stopped {
        daemon = site.start();
    }
    until_within(Duration::from_secs(40), "the hold", || (site.state("a.com") == "held").then_some(()));
    stays(Duration::from_secs(3), "the files", || {
        (0..4).all(|n| site.place.read(&format!("a.com/f{n}")).as_deref() == Some("1"))
            && site.place.count("after") == ran
    });
    // The keys return: it ends by itself, without a command.
    (2..4).for_each(|n| site.put(&format!("a.com/config.d/f{n}"), "1"));
    until("in sync again", || (site.state("a.com") == "in_sync").then_some(()));
    assert_eq!(site.place.count("after"), ran, "{}", daemon.log());
    site.put("a.com/config.d/f0", "2");
    site.wait("a.com/f0", Some("2"));
    site.delete("a.com/config.d/f1");
    site.wait("a.com/f1", None);
}

#[test]
fn refilled_with_half_of_the_keys_it_is_still_held() {
    refilled_with_half(false);
}

#[test]
fn the_same_while_heraldd_is_down() {
    refilled_with_half(true);
}

const FILES: usize = 20;

/// All files of a round, each with the same content of many lines.
fn round(n: usize) -> Vec<EtcdChange> {
    let content = format!("{n}\n").repeat(500);
    (0..FILES).map(|file| EtcdChange::put(&Site::key(&format!("a.com/config.d/f{file}")), &content)).collect()
}

#[test]
fn kill_9_while_it_publishes() {
    let site = Site::with(", settle: 1ms", "");
    // Which content the command saw: it must have run after the last swap.
    site.policy("a.com", &site.place.fill(", \"afterCmd\": \"head -n 1 @DIR@/a.com/f0 >>@DIR@/after\""));
    let (stop, path) = (AtomicBool::new(false), site.place.path("a.com"));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                for file in 0..FILES {
                    let Ok(text) = std::fs::read_to_string(path.join(format!("f{file}"))) else { continue };
                    let first = text.lines().next().unwrap_or_default();
                    assert!(
                        text.lines().count() == 500 && text.lines().all(|line| line == first),
                        "{text:?}"
                    );
                }
            }
        });
        for n in 1..=12 {
            let daemon = site.start();
            site.server.change_all(&round(n));
            std::thread::sleep(Duration::from_millis(u64::try_from(n * 37 % 120).unwrap()));
            daemon.signal("KILL");
            let _ = daemon.wait_end();
        }
        let daemon = site.start();
        let wanted = "12\n".repeat(500);
        (0..FILES).for_each(|file| site.wait(&format!("a.com/f{file}"), Some(&wanted)));
        until("afterCmd since the last swap", || {
            let after = site.place.read("after")?;
            (after.lines().last() == Some("12")).then_some(())
        });
        until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
        drop(daemon);
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    let names = super::names_in(&site.place.path("a.com"));
    assert_eq!(names.len(), FILES, "no temporary file is left: {names:?}");
}

#[test]
fn a_restored_state_publishes_nothing_again() {
    let site = Site::new();
    let daemon = site.start();
    site.policy("a.com", &site.place.fill(", \"afterCmd\": \"echo after >>@DIR@/after\""));
    site.put("a.com/config.d/x", "1");
    site.wait("a.com/x", Some("1"));
    let first = result(&daemon, "the first", |result| result["state"] == "published");
    let first = first["report"]["publication"].as_str().unwrap().to_owned();
    for value in ["2", "3"] {
        site.put("a.com/config.d/x", value);
        site.wait("a.com/x", Some(value));
    }
    until("in sync", || (site.state("a.com") == "in_sync").then_some(()));
    let state = |arguments: &[&str], folder: &str| {
        let ended = site.place.run("heraldd", &[&["state"], arguments, &["--state-dir", folder]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.text());
    };
    state(&["backup", "@DIR@/copy"], "@DIR@/state");
    drop(daemon);
    let (ran, modified) = (site.place.count("after"), modified(&site));
    std::fs::remove_dir_all(site.place.path("state")).unwrap();
    state(&["restore", "@DIR@/copy"], "@DIR@/state");

    let daemon = site.start();
    until("in sync again", || (site.state("a.com") == "in_sync").then_some(()));
    let diff = site.heraldd(&["published", "a.com", "--diff"]);
    assert_eq!(diff.code, Some(0), "{}", diff.text());
    stays(Duration::from_secs(3), "no command, no file written", || {
        site.place.count("after") == ran && self::modified(&site) == modified
    });
    let restored = site.heraldd(&["publish", "a.com", "--rollback", &first]);
    assert_eq!(restored.code, Some(0), "{}\n{}", restored.text(), daemon.log());
    assert_eq!(site.place.read("a.com/x").as_deref(), Some("1"));
    // What the ledger has is Herald's: it is deleted with its key.
    site.delete("a.com/config.d/x");
    site.wait("a.com/x", None);
}

fn modified(site: &Site) -> std::time::SystemTime {
    std::fs::metadata(site.place.path("a.com/x")).unwrap().modified().unwrap()
}
