//! A disk with too little room: refused by the plan with numbers; filled up in the middle: the live tree is whole.

use std::path::PathBuf;
use std::process::Command;

use e2e::program::{Program, built, clean};
use e2e::runner::Runner;
use serde_json::json;

use super::fixture::{MODES, Site, check};
use super::origin::{Entry, Kind, Tree, run, tree};

fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    let mounted = command.args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).output();
    mounted.is_ok_and(|output| output.status.success())
}

/// A tree of so many bytes.
fn large(text: &str, bytes: usize) -> Tree {
    let mut entries = tree(&[("a", text)]);
    for n in 0..4_u8 {
        // Neither Git nor Subversion makes it small.
        let mut state = u32::from(n) + 1;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let bytes = noise.take(bytes / 4).collect();
        entries.insert(PathBuf::from(format!("large-{n}")), Entry::File { bytes, mode: 0o644 });
    }
    entries
}

/// Starts the runner of the first node again, where the folder of its applications has its own small file system.
fn with_small_disk(site: &mut Site) {
    site.machines[0].stop();
    let machine = &site.machines[0];
    let config = machine.place.path("herald-runner.yml");
    let www = machine.place.text_path("www");
    let mount = format!(
        "cp -a '{www}' '{www}.before' && mount -t tmpfs -o size=3m tmpfs '{www}' && cp -a '{www}.before/.' '{www}' && exec \"$@\""
    );
    let mut command = Command::new("unshare");
    clean(&mut command, &machine.place.path(""));
    command.current_dir(machine.place.path("")).args(["-m", "sh", "-c", &mount, "sh"]);
    command.arg(built("herald-runner")).arg("-config").arg(&config);
    site.machines[0].runner = Some(Runner::of(Program::start(&mut command)));
}

/// A file in the file system of the first node, seen from its runner.
fn there(site: &Site, name: &str) -> PathBuf {
    let pid = site.machines[0].runner.as_ref().unwrap().pid();
    let path = site.machines[0].place.text_path(name);
    PathBuf::from(format!("/proc/{pid}/root{path}"))
}

/// Check 34.
#[test]
fn a_full_disk() {
    if !can_mount() {
        return;
    }
    check(&MODES, |kind, mode| {
        let fills = super::fixture::hook(
            "[ ! -e @DIR@/fill ] || head -c 2500000 /dev/urandom >\"${HERALD_PATH%/*}/filler\" || true",
        );
        let options = json!({"reserve": "64KiB", "hooks": {"before": fills}});
        let mut site = Site::new(kind, mode, options);
        site.release(&tree(&[("a", "1")]));
        with_small_disk(&mut site);
        let live = there(&site, if mode == "releases" { "www/shop/current/a" } else { "www/shop/a" });
        let text = || std::fs::read_to_string(&live).unwrap();
        assert_eq!(text(), "1");
        site.origin.commit("too large", &large("2", 6 << 20));
        let (code, record) = site.deploy(&[]);
        assert_eq!((code, &record["status"]), (1, &json!("failed")), "{record}");
        let error = record["error"].as_str().unwrap();
        assert!(
            error.starts_with("n1: the deployment needs ") && error.contains(" bytes on the file system of "),
            "{error}"
        );
        assert_eq!(text(), "1");
        assert_eq!(Site::statuses(&record)[1..], ["untouched", "untouched"], "{record}");

        if kind == Kind::Git {
            // A copy gets all commits between.
            run(&site.origin.copy, "git", &["reset", "-q", "--hard", "HEAD~1"]);
        }
        // The hook `before` takes the room that the plan saw.
        let third = site.origin.commit("fits", &large("3", 600 << 10));
        site.place.write("fill", "");
        let (code, record) = site.deploy(&[]);
        assert_eq!(code, 1, "{record}");
        std::fs::remove_file(site.place.path("fill")).unwrap();
        let filler = if mode == "releases" { "www/shop/filler" } else { "www/filler" };
        std::fs::remove_file(there(&site, filler)).unwrap();
        if mode == "in_place" {
            // The copy could neither be updated nor be put back: nobody deploys until somebody has seen it.
            assert_eq!(
                (&record["status"], &record["nodes"]["n1"]["status"]),
                (&json!("partial"), &json!("broken"))
            );
            assert_eq!(site.app()["hold"]["by"], "herald");
            assert_eq!(site.cli(&["unhold", "shop"]).code, Some(0));
        } else {
            assert_eq!(record["status"], "failed", "{record}");
            assert_eq!(text(), "1", "{record}");
        }
        let record = site.must_deploy(&[]);
        assert_eq!(record["to"], *third);
        assert_eq!(text(), "3");
    });
}
