//! Repositories that mean harm: nothing runs that was not asked for, nothing is written outside.

use std::path::Path;

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
