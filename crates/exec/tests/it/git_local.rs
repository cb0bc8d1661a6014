//! Git through the file system: branches, tags, commits, mirrors, isolation.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use herald_exec::{Ending, ExecEngine, ExecSettings, Stop};
use serde_json::json;

use crate::fixture::{Bench, Repo, list, merged, params};

#[tokio::test]
async fn branches_tags_and_commits() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    let first = repo.head();
    repo.git(&["tag", "light"]);
    repo.git(&["tag", "-a", "heavy", "-m", "x"]);
    repo.git(&["checkout", "-q", "-b", "side"]);
    let side = repo.commit("side");
    repo.git(&["tag", "both"]);
    repo.git(&["checkout", "-q", "-b", "both"]);
    repo.commit("branch-both");
    repo.git(&["checkout", "-q", "-b", "odd"]);
    let odd = repo.commit("odd");
    repo.git(&["update-ref", "refs/heads/--upload-pack=touch_evil", &odd]);
    repo.git(&["checkout", "-q", "main"]);
    repo.commit("two");
    for (choice, expected) in [
        (json!({}), "two"),
        (json!({"git_branch": "main"}), "two"),
        (json!({"git_branch": "side"}), "side"),
        (json!({"git_branch": "refs/heads/side"}), "side"),
        (json!({"git_branch": "light"}), "one"),
        (json!({"git_branch": "heavy"}), "one"),
        (json!({"git_branch": "refs/tags/heavy"}), "one"),
        (json!({"git_branch": "both"}), "branch-both"),
        (json!({"git_branch": "refs/tags/both"}), "side"),
        (json!({"git_branch": "--upload-pack=touch_evil"}), "odd"),
        (json!({"git_commit": first}), "one"),
        (json!({"git_commit": first[..10]}), "one"),
        (json!({"git_commit": side.to_uppercase()}), "side"),
        (json!({"git_branch": "main", "git_commit": first}), "one"),
    ] {
        // With a mirror that knows things already, and with a new one.
        for bench in [&bench, &Bench::new()] {
            let job = merged(json!({"repo": repo.url(), "cmd": "run.sh"}), choice.clone());
            assert_eq!(bench.result(job).await["output"], json!(format!("{expected}\n")), "{choice}");
            assert_eq!(bench.leftovers().len(), 0);
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    std::fs::create_dir(repo.path().join("dir")).unwrap();
    std::fs::write(repo.path().join("dir/plain"), "x").unwrap();
    std::os::unix::fs::symlink("/bin/sh", repo.path().join("out")).unwrap();
    std::os::unix::fs::symlink("/usr/bin", repo.path().join("up")).unwrap();
    repo.commit_all();
    let empty = Repo::new();
    for (choice, part) in [
        (json!({"git_branch": "nope"}), "the repository has neither a branch nor a tag `nope`"),
        (json!({"git_branch": "--upload-pack=touch"}), "neither a branch nor a tag"),
        (
            json!({"git_commit": "1234567890123456789012345678901234567890"}),
            "no branch or tag of the repository contains",
        ),
        (json!({"git_commit": "1234567"}), "no branch or tag of the repository contains"),
        (json!({"git_commit": "1".repeat(64)}), "SHA-256"),
        (json!({"repo": empty.url()}), "is empty or has no default branch"),
        (json!({"repo": "/no/such/folder"}), "the folder does not exist"),
        (json!({"repo": "/etc"}), "Git repository /etc: "),
        (json!({"cmd": "nope"}), "does not exist"),
        (json!({"cmd": "dir"}), "is not a file"),
        (json!({"cmd": "dir/plain"}), "not executable"),
        (json!({"cmd": "out"}), "leads out of the repository"),
        (json!({"cmd": "up/env"}), "leads out of the repository"),
        (json!({"cmd": "/bin/sh"}), "must be relative to the repository"),
        (json!({"cmd": "../sh"}), "must not contain .."),
    ] {
        let error = bench.error(merged(json!({"repo": repo.url(), "cmd": "run.sh"}), choice.clone())).await;
        assert!(error.contains(part), "{choice}: {error}");
        assert_eq!(bench.leftovers().len(), 0, "{choice}");
    }
}

#[tokio::test]
async fn a_mirror_is_fetched_not_cloned() {
    let bench = Bench::new();
    let repo = Repo::new();
    for n in 0..20 {
        std::fs::write(repo.path().join(format!("file{n}")), format!("{n}").repeat(5_000)).unwrap();
    }
    let first = repo.commit("one");
    let job = json!({"repo": repo.url(), "cmd": "run.sh"});
    bench.result(job.clone()).await;
    let mirror = bench.mirrors()[0].clone();
    let packs = || {
        list(&mirror.join("objects/pack"))
            .into_iter()
            .filter(|path| path.extension() == Some("pack".as_ref()))
    };
    let (inode, old) = (std::fs::metadata(&mirror).unwrap().ino(), packs().collect::<Vec<_>>());
    assert_eq!(old.len(), 1);

    repo.commit("two");
    assert_eq!(bench.result(job.clone()).await["output"], json!("two\n"));
    assert_eq!(bench.mirrors(), std::slice::from_ref(&mirror));
    assert_eq!(std::fs::metadata(&mirror).unwrap().ino(), inode);
    let new: Vec<_> = packs().filter(|pack| !old.contains(pack)).collect();
    assert_eq!((packs().count(), new.len()), (2, 1), "the old pack stays, one comes");
    // A commit, a tree and a blob, and what one of them is a difference to; not the twenty files again.
    let pack = std::fs::read(&new[0]).unwrap();
    assert!((3..=4).contains(&u32::from_be_bytes(pack[8..12].try_into().unwrap())));

    // Nothing new: nothing comes. An exact commit that is here: the remote is not even asked.
    bench.result(job.clone()).await;
    assert_eq!(packs().count(), 2);
    std::fs::rename(repo.path().join(".git"), repo.path().join("gone")).unwrap();
    let exact = bench.result(merged(job, json!({"git_commit": first}))).await;
    assert_eq!(exact["output"], json!("one\n"));
}

#[tokio::test]
async fn rewritten_and_renamed_branches() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    repo.git(&["branch", "a"]);
    let job = json!({"repo": repo.url(), "cmd": "run.sh"});
    bench.result(merged(job.clone(), json!({"git_branch": "a"}))).await;
    // `a` makes room for `a/b`; `main` is rewritten.
    repo.git(&["branch", "-D", "a"]);
    repo.git(&["checkout", "-q", "-b", "a/b"]);
    repo.commit("ab");
    assert_eq!(
        bench.result(merged(job.clone(), json!({"git_branch": "a/b"}))).await["output"],
        json!("ab\n")
    );
    repo.git(&["checkout", "-q", "--orphan", "fresh"]);
    repo.commit("rewritten");
    repo.git(&["branch", "-f", "main", "fresh"]);
    assert_eq!(
        bench.result(merged(job, json!({"git_branch": "main"}))).await["output"],
        json!("rewritten\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_beside_each_other_see_their_own_commit() {
    let bench = Arc::new(Bench::new());
    let repo = Repo::new();
    repo.script("run.sh", "#!/bin/sh\ncat \"$(dirname \"$0\")/data\"; echo mine > \"$(dirname \"$0\")/data\"; sleep 0.2; rm -rf \"$(dirname \"$0\")\"\n");
    let commits: Vec<String> = (0..6)
        .map(|n| {
            std::fs::write(repo.path().join("data"), format!("{n}\n")).unwrap();
            repo.commit_all()
        })
        .collect();
    let mut jobs = tokio::task::JoinSet::new();
    for round in 0..3 {
        for (n, commit) in commits.iter().enumerate() {
            let (bench, job) =
                (bench.clone(), json!({"repo": repo.url(), "cmd": "run.sh", "git_commit": commit}));
            jobs.spawn(async move { (n, round, bench.result(job).await["output"].clone()) });
        }
    }
    while let Some(done) = jobs.join_next().await {
        let (n, round, output) = done.unwrap();
        assert_eq!(output, json!(format!("{n}\n")), "round {round}");
    }
    assert_eq!(bench.mirrors().len(), 1);
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_mirror() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    let mut jobs = tokio::task::JoinSet::new();
    // Engines know nothing of each other, as if each were another process.
    for _ in 0..8 {
        let engine = ExecEngine::new(ExecSettings::new(bench.dir.path()));
        let job = params(json!({"repo": repo.url(), "cmd": "run.sh"}));
        jobs.spawn(async move { engine.run(&job, &Stop::default()).await.unwrap().result });
    }
    while let Some(result) = jobs.join_next().await {
        assert_eq!(result.unwrap()["output"], json!("one\n"));
    }
    let packs = list(&bench.mirrors()[0].join("objects/pack"));
    assert_eq!(
        packs.iter().filter(|path| path.extension() == Some("pack".as_ref())).count(),
        1,
        "fetched once"
    );
}

#[tokio::test]
async fn a_lock_that_another_process_holds_is_waited_for() {
    let bench = Bench::with(|settings| settings.git_timeout = Duration::from_secs(2));
    let repo = Repo::printing("one");
    let job = json!({"repo": repo.url(), "cmd": "run.sh"});
    bench.result(job.clone()).await;
    let lock = list(&bench.dir.path().join("gitrepo")).into_iter().find(|path| path.is_file()).unwrap();
    let held = std::fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    let error = bench.run(job.clone()).await.unwrap_err();
    assert_eq!(error.ending(), Some(herald_exec::Ending::TimedOut), "{error}");
    // What is here already needs no lock.
    assert_eq!(
        bench.result(merged(job.clone(), json!({"git_commit": repo.head()}))).await["output"],
        json!("one\n")
    );
    drop(held);
    assert_eq!(bench.result(job).await["output"], json!("one\n"));
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    let job = json!({"repo": repo.url(), "cmd": "run.sh"});
    bench.result(job.clone()).await;
    let mirror = bench.mirrors()[0].clone();
    for damage in ["HEAD", "config", "pack"] {
        match damage {
            "pack" => {
                for file in list(&mirror.join("objects/pack")) {
                    std::fs::remove_file(&file).unwrap();
                    std::fs::write(&file, "").unwrap();
                }
            }
            file => std::fs::write(mirror.join(file), "\0nonsense").unwrap(),
        }
        assert_eq!(bench.result(job.clone()).await["output"], json!("one\n"), "{damage}");
        let exact = merged(job.clone(), json!({"git_commit": repo.head()}));
        assert_eq!(bench.result(exact).await["output"], json!("one\n"), "{damage}");
    }
}

#[tokio::test]
async fn result_files_in_a_checkout_live_as_long_as_the_report() {
    let bench = Bench::new();
    let repo = Repo::new();
    repo.script(
        "run.sh",
        "#!/bin/sh\necho \"{\\\"file\\\": {\\\"one\\\": \\\"$(dirname \"$0\")/data\\\"}}\"\n",
    );
    std::fs::write(repo.path().join("data"), "content").unwrap();
    repo.commit_all();
    let mut report = bench.run(json!({"repo": repo.url(), "cmd": "run.sh"})).await.unwrap();
    assert_eq!(report.ending, Ending::Exited(0));
    assert_eq!(std::fs::read_to_string(&report.files[0].path).unwrap(), "content");
    report.release().await;
    assert!(!report.files[0].path.exists());
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test]
async fn a_checkout_outlives_its_permissions() {
    let bench = Bench::new();
    let repo = Repo::new();
    repo.script(
        "run.sh",
        "#!/bin/sh\ncd \"$(dirname \"$0\")\" && mkdir a a/b && touch a/b/c && chmod 0 a/b a .\n",
    );
    repo.commit_all();
    bench.result(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
    assert_eq!(bench.leftovers().len(), 0);
}

#[tokio::test]
async fn a_background_job_keeps_its_checkout() {
    let bench = Bench::new();
    let repo = Repo::new();
    repo.script("run.sh", "#!/bin/sh\nsleep 0.3; cp \"$(dirname \"$0\")/data\" .\n");
    std::fs::write(repo.path().join("data"), "content").unwrap();
    repo.commit_all();
    bench.result(json!({"repo": repo.url(), "cmd": "run.sh", "background": true})).await;
    crate::fixture::eventually("it copies", || bench.run_dir().join("data").exists()).await;
    crate::fixture::eventually("its checkout goes", || bench.leftovers().is_empty()).await;
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_a_bounded_number_of_threads() {
    let bench = Bench::with(|settings| settings.git_timeout = Duration::from_millis(200));
    let repo = Repo::printing("one");
    // A thread that opens it waits for a writer that never comes.
    let packed = repo.path().join(".git/packed-refs");
    assert!(std::process::Command::new("mkfifo").arg(&packed).status().unwrap().success());
    for n in 0..6 {
        let error = bench.error(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
        let expected = if n < 4 { "timed out" } else { "4 earlier connections to the server still hang" };
        assert!(error.contains(expected), "{n}: {error}");
    }
}
