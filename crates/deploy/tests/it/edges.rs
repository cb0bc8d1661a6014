//! Servers that are silent, programs that live, submodules and externals.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use herald_deploy::{DeployError, DeployMode, Externals, SourceKind, StepRun};
use herald_exec::{NoOutput, Stop};

use crate::fixture::{App, KINDS, MODES, Minute, Repository, command, files};

#[tokio::test]
async fn a_silent_server_ends_with_the_step() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (kind, scheme) in [(SourceKind::Git, "git"), (SourceKind::Svn, "svn")] {
        let mut app = App::new(kind, DeployMode::Exchange);
        app.target.origin.url = format!("{scheme}://127.0.0.1:{port}/silent");
        let (stop, begun) = (Stop::new(), Instant::now());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        let run = StepRun { stop: &stop, output: &NoOutput, deadline };
        let error = app.deployer().resolve("HEAD", &run).await.unwrap_err();
        assert!(matches!(error, DeployError::TimedOut(_)), "{kind:?}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{kind:?}");
        let left = fs::read_dir("/proc").unwrap().flatten().any(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&format!("127.0.0.1:{port}/silent"))
        });
        assert!(!left, "{kind:?}: a program is left");
    }
}

#[tokio::test]
async fn a_revert_waits_for_no_plan_of_a_silent_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (kind, scheme) in [(SourceKind::Git, "git"), (SourceKind::Svn, "svn")] {
        for mode in MODES {
            let mut app = App::new(kind, mode);
            let first = app.repository.commit("first", &files(&[("a", "1")]));
            app.deploy(&first).await.unwrap();
            let second = app.repository.commit("second", &files(&[("a", "2")]));
            let request = app.request(&second);
            let minute = Minute::new();
            app.deployer().prepare(&request, &minute.run()).await.unwrap();
            app.deployer().switch(&request.id, &minute.run()).await.unwrap();
            let deployer = app.deployer();
            app.target.origin.url = format!("{scheme}://127.0.0.1:{port}/silent");
            let planner = app.deployer();
            let revision = if kind == SourceKind::Git { "1".repeat(40) } else { "9".to_owned() };
            let (stop, begun) = (Stop::new(), Instant::now());
            let deadline = tokio::time::Instant::now() + Duration::from_secs(4);
            let run = StepRun { stop: &stop, output: &NoOutput, deadline };
            let other = minute.run();
            let (plan, reverted) = tokio::join!(planner.plan(&revision, &run), async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let reverted = deployer.revert(&request.id, &other).await;
                (reverted, begun.elapsed())
            });
            plan.unwrap_err();
            assert!(reverted.0.unwrap(), "{kind:?} {mode:?}");
            assert!(reverted.1 < Duration::from_millis(3500), "{kind:?} {mode:?}: {:?}", reverted.1);
        }
    }
}

#[tokio::test]
async fn a_copy_that_a_living_program_uses() {
    let mut app = App::new(SourceKind::Git, DeployMode::InPlace);
    let first = app.repository.commit("first", &files(&[("a", "1")]));
    app.deploy(&first).await.unwrap();
    let second = app.repository.commit("second", &files(&[("a", "2")]));
    let lock = app.target.path.join(".git/index.lock");
    let held = File::create(&lock).unwrap();
    let mut living = Command::new("sleep").arg("60").stdin(Stdio::from(held)).spawn().unwrap();
    let error = app.deploy(&second).await.unwrap_err();
    living.kill().unwrap();
    living.wait().unwrap();
    assert!(
        error.to_string().contains(&format!("is in use by `sleep` (process {})", living.id())),
        "{error}"
    );
    assert!(lock.exists());
    app.deploy(&second).await.unwrap();
    assert_eq!(app.live(), files(&[("a", "2")]));
}

/// A repository for a submodule.
fn module(root: &std::path::Path) {
    let module = root.join("module");
    fs::create_dir(&module).unwrap();
    command(&module, "git", &["init", "-q", "-b", "main"]);
    fs::write(module.join("lib"), "lib").unwrap();
    command(&module, "git", &["add", "-A"]);
    command(&module, "git", &["commit", "-q", "-m", "lib"]);
}

/// Commits a submodule at `vendor/lib`, with this URL.
fn with_module(app: &App, url: &str) -> String {
    let copy = app.repository.copy.clone();
    let add =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--force", url, "vendor/lib"];
    command(&copy, "git", &add);
    command(&copy, "git", &["commit", "-q", "-m", "with a module"]);
    command(&copy, "git", &["push", "-q", "origin", "HEAD:main"]);
    command(&copy, "git", &["rev-parse", "HEAD"])
}

#[tokio::test]
async fn submodules_in_other_folders_of_the_machine() {
    for mode in MODES {
        let other = tempfile::tempdir().unwrap();
        module(other.path());
        let path = other.path().join("module").display().to_string();
        let name = other.path().file_name().unwrap().to_str().unwrap();
        for url in [path.clone(), format!("file://{path}"), format!("../../{name}/module")] {
            let mut app = App::new(SourceKind::Git, mode);
            app.target.origin.submodules = true;
            let revision = with_module(&app, &url);
            let error = app.deploy(&revision).await.unwrap_err().to_string();
            assert!(error.contains("submodule"), "{mode:?} {url}: {error}");
            assert!(!app.served().join("vendor/lib/lib").exists(), "{mode:?} {url}");
            // Nor after a commit that names the right place.
            module(app.folder.path());
            fs::write(app.folder.path().join("module/own"), "").unwrap();
            command(&app.folder.path().join("module"), "git", &["add", "-A"]);
            command(&app.folder.path().join("module"), "git", &["commit", "-q", "-m", "own"]);
            let copy = app.repository.copy.clone();
            command(&copy, "git", &["submodule", "set-url", "vendor/lib", "../module"]);
            let file = "protocol.file.allow=always";
            command(&copy, "git", &["-c", file, "submodule", "-q", "update", "--remote", "vendor/lib"]);
            command(&copy, "git", &["commit", "-q", "-a", "-m", "own"]);
            command(&copy, "git", &["push", "-q", "origin", "HEAD:main"]);
            let own = command(&copy, "git", &["rev-parse", "HEAD"]);
            app.deploy(&own).await.unwrap_or_else(|error| panic!("{mode:?} {url}: {error}"));
            assert!(app.served().join("vendor/lib/own").exists(), "{mode:?} {url}");
        }
    }
}

#[tokio::test]
async fn submodules() {
    for mode in MODES {
        let mut app = App::new(SourceKind::Git, mode);
        app.target.origin.submodules = true;
        module(app.folder.path());
        let revision = with_module(&app, "../module");
        app.deploy(&revision).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(fs::read_to_string(app.served().join("vendor/lib/lib")).unwrap(), "lib", "{mode:?}");
        assert_eq!(app.served().join(".git").exists(), mode == DeployMode::InPlace, "{mode:?}");
    }
}

#[tokio::test]
async fn externals() {
    for mode in MODES {
        let mut app = App::new(SourceKind::Svn, mode);
        let first = app.repository.commit("first", &files(&[("a", "1"), ("lib/x", "x")]));
        app.deploy(&first).await.unwrap();
        let copy = app.repository.copy.clone();
        let mut revisions = Vec::new();
        for external in ["^/trunk/lib vendor", "^/trunk/missing vendor"] {
            command(&copy, "svn", &["propset", "-q", "svn:externals", external, "."]);
            command(&copy, "svn", &["commit", "-q", "-m", external, "--username", "alice"]);
            command(&copy, "svn", &["update", "-q", "--ignore-externals"]);
            revisions.push(command(&copy, "svn", &["info", "--show-item", "last-changed-revision"]));
        }
        app.deploy(&revisions[0]).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(fs::read_to_string(app.served().join("vendor/x")).unwrap(), "x", "{mode:?}");
        for _ in 0..2 {
            let error = app.deploy(&revisions[1]).await.unwrap_err().to_string();
            assert!(
                error.contains("could not be fetched (externals: ignore leaves them out)"),
                "{mode:?}: {error}"
            );
        }
        let status = app.deployer().status(&Minute::new().run()).await.unwrap();
        assert_eq!(status.revision.as_ref(), Some(&revisions[0]), "{mode:?}");
        app.target.origin.externals = Externals::Ignore;
        app.deploy(&revisions[1]).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
    }
}

/// Commits a definition of externals in a copy of the repository, and returns the revision.
fn with_external(copy: &std::path::Path, external: &str) -> String {
    command(copy, "svn", &["propset", "-q", "svn:externals", external, "."]);
    command(copy, "svn", &["commit", "-q", "-m", external, "--username", "alice"]);
    command(copy, "svn", &["update", "-q", "--ignore-externals"]);
    command(copy, "svn", &["info", "--show-item", "last-changed-revision"])
}

/// The other server knows the same user and password, so it would answer if it got them.
#[tokio::test]
async fn externals_of_other_servers() {
    for mode in MODES {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut other = Repository::new(SourceKind::Svn, elsewhere.path());
        other.commit("their first", &files(&[("theirs", "1")]));
        let mut app = App::new(SourceKind::Svn, mode);
        let first = app.repository.commit("first", &files(&[("a", "1"), ("lib/x", "x")]));
        app.deploy(&first).await.unwrap();
        let copy = app.repository.copy.clone();
        let relative = other.url.trim_start_matches("svn:");
        for external in [
            format!("{} vendor", other.url),
            format!("vendor -r 2 {}", other.url),
            format!("{relative} vendor"),
        ] {
            let revision = with_external(&copy, &external);
            for _ in 0..2 {
                let error = app.deploy(&revision).await.unwrap_err().to_string();
                assert!(
                    error.contains("is on another server, which would get the password"),
                    "{mode:?}: {error}"
                );
            }
            assert!(!app.served().join("vendor").exists(), "{mode:?}");
            assert_eq!(
                app.deployer().status(&Minute::new().run()).await.unwrap().revision.as_ref(),
                Some(&first)
            );
        }
        // One of the same server has an external on the other one.
        command(app.folder.path(), "svnadmin", &["create", "sibling"]);
        let conf = app.folder.path().join("repository/conf");
        for file in ["svnserve.conf", "passwd"] {
            fs::copy(conf.join(file), app.folder.path().join("sibling/conf").join(file)).unwrap();
        }
        let sibling = format!("file://{}/sibling", app.folder.path().display());
        command(app.folder.path(), "svn", &["checkout", "-q", &sibling, "sibling-copy"]);
        let sibling_copy = app.folder.path().join("sibling-copy");
        fs::write(sibling_copy.join("y"), "y").unwrap();
        command(&sibling_copy, "svn", &["add", "-q", "y"]);
        command(&sibling_copy, "svn", &["commit", "-q", "-m", "a file"]);
        command(&sibling_copy, "svn", &["update", "-q"]);
        let revision = with_external(&copy, "^/../sibling vendor");
        app.deploy(&revision).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(fs::read_to_string(app.served().join("vendor/y")).unwrap(), "y", "{mode:?}");
        let left = app.folder.path().join("work/deploy/svn-auth-999999999-0");
        fs::create_dir_all(&left).unwrap();
        with_external(&sibling_copy, &format!("{} nested", other.url));
        let second = with_external(&copy, "^/../sibling vendor\n^/trunk/lib lib2");
        let error = app.deploy(&second).await.unwrap_err().to_string();
        assert!(error.contains("an external of"), "{mode:?}: {error}");
        assert!(!app.served().join("vendor/nested/theirs").exists(), "{mode:?}");
        let left = fs::read_dir(app.folder.path().join("work/deploy")).unwrap().flatten();
        assert!(left.into_iter().all(|entry| !entry.file_name().display().to_string().contains("auth-")));
        let none = with_external(&copy, "");
        app.deploy(&none).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert!(!app.served().join("vendor/y").exists(), "{mode:?}");
    }
}

#[tokio::test]
async fn a_path_that_was_removed_at_head() {
    let minute = Minute::new();
    for mode in MODES {
        let mut app = App::new(SourceKind::Svn, mode);
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        let second = app.repository.commit("second", &files(&[("a", "2")]));
        app.deploy(&second).await.unwrap();
        let root = format!("file://{}/repository", app.folder.path().display());
        command(app.folder.path(), "svn", &["rm", "-q", "-m", "gone", &format!("{root}/trunk")]);
        let error = app.deployer().resolve("HEAD", &minute.run()).await.unwrap_err().to_string();
        assert!(error.contains("does not exist at revision HEAD"), "{mode:?}: {error}");
        app.deploy(&first).await.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
        assert_eq!(app.live(), files(&[("a", "1")]), "{mode:?}");
    }
}

#[tokio::test]
async fn files_that_were_only_touched() {
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let first = app.repository.commit("first", &files(&[("a", "1"), ("b", "1")]));
        app.deploy(&first).await.unwrap();
        let file = app.target.path.join("a");
        let other = app.target.path.join("other");
        fs::copy(&file, &other).unwrap();
        fs::rename(&other, &file).unwrap();
        let past = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        File::options().append(true).open(app.target.path.join("b")).unwrap().set_modified(past).unwrap();
        let second = app.repository.commit("second", &files(&[("a", "2"), ("b", "2")]));
        app.deploy(&second).await.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert_eq!(app.live(), files(&[("a", "2"), ("b", "2")]), "{kind:?}");
    }
}

#[tokio::test]
async fn kinds_have_the_same_rules() {
    for kind in KINDS {
        let mut app = App::new(kind, DeployMode::InPlace);
        let first = app.repository.commit("first", &files(&[("a", "1")]));
        fs::create_dir_all(&app.target.path).unwrap();
        fs::write(app.target.path.join("mine"), "").unwrap();
        let error = app.deploy(&first).await.unwrap_err().to_string();
        assert!(error.contains("it is not a working copy"), "{kind:?}: {error}");
        fs::remove_file(app.target.path.join("mine")).unwrap();
        app.deploy(&first).await.unwrap();
    }
}
