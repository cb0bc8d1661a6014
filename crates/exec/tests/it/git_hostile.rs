//! Repositories that mean harm: nothing runs that was not asked for, nothing is written outside.

use std::io::Read as _;
use std::path::Path;

use herald_exec::GitLimits;
use serde_json::json;

use crate::fixture::{Bench, Repo, list};

/// Mode, name and object of entries at the top.
type Entries<'a> = dyn Fn(&Repo) -> Vec<(&'static str, &'static str, String)> + 'a;

/// A repository with a `run.sh` and these further entries at its top.
fn hostile(entries: &Entries<'_>) -> Repo {
    let repo = Repo::new();
    let script = repo.object("blob", b"#!/bin/sh\ncd \"$(dirname \"$0\")\" && find . | sort\n");
    let mut all = entries(&repo);
    all.push(("100755", "run.sh", script));
    let all: Vec<(&str, &str, &str)> =
        all.iter().map(|(mode, name, id)| (*mode, *name, id.as_str())).collect();
    let tree = repo.tree(&all);
    repo.branch("main", &tree);
    repo
}

fn file_in(repo: &Repo, name: &str) -> String {
    let blob = repo.object("blob", b"#!/bin/sh\ntouch /tmp/herald-was-here\n");
    repo.tree(&[("100755", name, &blob)])
}

#[tokio::test]
async fn forbidden_names_are_refused() {
    let cases: Vec<(&str, Box<Entries<'static>>)> = vec![
        (".git", Box::new(|repo| vec![("40000", ".git", file_in(repo, "config"))])),
        (".GIT", Box::new(|repo| vec![("40000", ".GiT", file_in(repo, "config"))])),
        (".git file", Box::new(|repo| vec![("100644", ".git", repo.object("blob", b"gitdir: /tmp"))])),
        ("..", Box::new(|repo| vec![("40000", "..", file_in(repo, "evil"))])),
        (".", Box::new(|repo| vec![("40000", ".", file_in(repo, "evil"))])),
        ("slash", Box::new(|repo| vec![("100644", "../../evil", repo.object("blob", b"x"))])),
        ("absolute", Box::new(|repo| vec![("100644", "/tmp/herald-evil", repo.object("blob", b"x"))])),
        (
            "nested",
            Box::new(|repo| {
                let inner = file_in(repo, "config");
                vec![("40000", "a", repo.tree(&[("40000", ".git", &inner)]))]
            }),
        ),
        (
            "twice",
            Box::new(|repo| {
                let link = repo.object("blob", b"/tmp");
                vec![("120000", "a", link), ("40000", "a", file_in(repo, "herald-evil"))]
            }),
        ),
        (
            "twice, the other way",
            Box::new(|repo| {
                let link = repo.object("blob", b"/tmp");
                vec![("40000", "a", file_in(repo, "herald-evil")), ("120000", "a", link)]
            }),
        ),
    ];
    for (name, entries) in cases {
        let bench = Bench::new();
        let repo = hostile(&*entries);
        let outcome = bench.run(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
        assert!(outcome.is_err(), "{name}: {outcome:?}");
        assert_eq!(bench.leftovers().len(), 0, "{name}");
        let folders: Vec<_> = list(bench.dir.path());
        assert_eq!(folders.len(), 3, "{name}: {folders:?}");
        assert!(!Path::new("/tmp/herald-evil").exists());
    }
}

#[tokio::test]
async fn links_are_links_and_submodules_are_empty() {
    let bench = Bench::new();
    let target = tempfile::tempdir().unwrap();
    let path = target.path().display().to_string();
    let repo = hostile(&|repo| {
        let modules =
            format!("[submodule \"m\"]\n\tpath = m\n\turl = {}\n\tupdate = !touch {path}/ran\n", repo.url());
        vec![
            ("100644", ".gitattributes", repo.object("blob", b"* filter=evil ident\n")),
            ("100644", ".gitmodules", repo.object("blob", modules.as_bytes())),
            ("120000", "link", repo.object("blob", path.as_bytes())),
            ("160000", "m", "1".repeat(40)),
        ]
    });
    // What a machine's own configuration could make of the attributes.
    let result = bench.result(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
    assert_eq!(result["output"], json!(".\n./.gitattributes\n./.gitmodules\n./link\n./m\n./run.sh\n"));
    assert_eq!(list(target.path()).len(), 0);
}

#[tokio::test]
async fn bytes_arrive_as_they_were_committed() {
    let bench = Bench::new();
    let repo = hostile(&|repo| {
        vec![
            ("100644", ".gitattributes", repo.object("blob", b"* text eol=crlf ident\n")),
            ("100644", "data", repo.object("blob", b"a\nb\r\n$Id$\n")),
            ("100755", "show", repo.object("blob", b"#!/bin/sh\ncat \"$(dirname \"$0\")/data\"\n")),
        ]
    });
    let result = bench.result(json!({"repo": repo.url(), "cmd": "show"})).await;
    assert_eq!(result["output"], json!("a\nb\r\n$Id$\n"));
}

#[tokio::test]
async fn hooks_and_configuration_of_the_remote_are_not_used() {
    let bench = Bench::new();
    let repo = Repo::printing("fine");
    let marker = repo.path().join("hook-ran");
    for hook in ["post-checkout", "pre-receive", "reference-transaction", "pre-upload"] {
        repo.script(&format!(".git/hooks/{hook}"), &format!("#!/bin/sh\ntouch {}\n", marker.display()));
    }
    repo.git(&["config", "core.fsmonitor", &format!("touch {}", marker.display())]);
    repo.git(&["config", "uploadpack.packObjectsHook", &format!("touch {}", marker.display())]);
    assert_eq!(bench.result(json!({"repo": repo.url(), "cmd": "run.sh"})).await["output"], json!("fine\n"));
    assert!(!marker.exists());
    let mirror = &bench.mirrors()[0];
    let hooks: Vec<_> =
        list(&mirror.join("hooks")).into_iter().filter(|path| !path.ends_with("README.sample")).collect();
    assert!(hooks.is_empty(), "{hooks:?}");
    let config = std::fs::read_to_string(mirror.join("config")).unwrap();
    assert!(!config.contains("fsmonitor") && !config.contains("remote"), "{config}");
}

#[tokio::test]
async fn a_job_cannot_reach_the_mirror_or_the_next_job() {
    let bench = Bench::new();
    let repo = Repo::new();
    // Overwrites all that it finds beside itself, through links too.
    repo.script("run.sh", "#!/bin/sh\ncd \"$(dirname \"$0\")\"; cat data; for f in data run.sh; do echo evil > $f; done; git -C . status >/dev/null 2>&1; [ -e .git ] && echo repository; true\n");
    std::fs::write(repo.path().join("data"), "good\n").unwrap();
    let commit = repo.commit_all();
    for _ in 0..3 {
        for choice in [json!(null), json!(commit)] {
            let result =
                bench.result(json!({"repo": repo.url(), "cmd": "run.sh", "git_commit": choice})).await;
            assert_eq!(result["output"], json!("good\n"));
        }
    }
}

/// A tree of 3 levels with 10 entries each, all of them the same objects: 10 + 100 + 1,000 entries.
fn bomb(repo: &Repo) -> String {
    const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut mode = "100644";
    let mut inner = repo.object("blob", b"0123456789");
    for _ in 0..3 {
        let entries: Vec<_> = NAMES.iter().map(|name| (mode, *name, inner.as_str())).collect();
        inner = repo.tree(&entries);
        mode = "40000";
    }
    inner
}

#[tokio::test]
async fn files_are_counted_before_they_are_written() {
    let repo = hostile(&|repo| vec![("40000", "bomb", bomb(repo))]);
    // 1,000 files of 10 bytes; with the folders, the one at the top and the script they are 1,112.
    for (size, files, wrong) in [
        (1 << 20, 1_112, None),
        (1 << 20, 1_111, Some("more than 1111 files and folders, which is the limit `git_max_files`")),
        (10_100, 2_000, None),
        (9_999, 2_000, Some("more than 9999 bytes together, which is the limit `git_max_size`")),
    ] {
        let bench = Bench::with(|settings| settings.git_limits = GitLimits { size, files });
        let ran = bench.run(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
        match (ran, wrong) {
            (Ok(_), None) => {}
            (Err(error), Some(wrong)) => assert!(error.to_string().contains(wrong), "{error}"),
            (ran, _) => panic!("{size} {files}: {ran:?}"),
        }
        assert_eq!(bench.leftovers().len(), 0);
    }
}

#[tokio::test]
async fn large_files_do_not_come_into_memory() {
    let repo = Repo::new();
    repo.script(
        "run.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" && cksum < large && ls -l large | cut -c1-10\n",
    );
    // Does not get smaller in a pack.
    let large = repo.path().join("large");
    let mut noise = std::fs::File::open("/dev/urandom").unwrap().take(70 << 20);
    std::io::copy(&mut noise, &mut std::fs::File::create(&large).unwrap()).unwrap();
    let commit = repo.commit_all();
    let sum =
        std::process::Command::new("cksum").stdin(std::fs::File::open(&large).unwrap()).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let numbers: Vec<&str> = sum.split_whitespace().take(2).collect();
    // From here on the most that is resident is measured again.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, bench) = (resident(), Bench::new());
    for name in [json!({}), json!({"git_commit": commit})] {
        let mut params = json!({"repo": repo.url(), "cmd": "run.sh"});
        params.as_object_mut().unwrap().extend(name.as_object().unwrap().clone());
        let result = bench.result(params).await;
        assert_eq!(result["output"], json!(format!("{}\n-rw-r--r--\n", numbers.join(" "))));
    }
    let more = resident().saturating_sub(before);
    assert!(more < 48 << 20, "{more} bytes more");
}

/// How much memory this process had at most, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn a_link_that_is_too_long_is_refused() {
    let repo = hostile(&|repo| vec![("120000", "link", repo.object("blob", &[b'x'; 5000]))]);
    let error = Bench::new().error(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
    assert!(error.contains("the target of the link link is too long"), "{error}");
}
