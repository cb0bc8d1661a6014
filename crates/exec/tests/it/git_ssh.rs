//! Git over ssh: a real sshd, one process for each connection.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Bench, Repo, merged};

/// Keys take time to make; all tests share them.
struct Keys {
    dir: TempDir,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let keys = Keys { dir: tempfile::tempdir().unwrap() };
        for (name, kind, password) in [
            ("host", "ed25519", ""),
            ("host-rsa", "rsa", ""),
            ("host-ecdsa", "ecdsa", ""),
            ("plain", "ed25519", ""),
            ("locked", "ed25519", "open sesame"),
            ("rsa", "rsa", ""),
            ("unknown", "ed25519", ""),
        ] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", password, "-C", name, "-f"])
                .arg(keys.path(name))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        keys
    })
}

impl Keys {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The type and the key of a public key.
    fn public(&self, name: &str) -> String {
        let text = self.text(&format!("{name}.pub"));
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }
}

struct Sshd {
    dir: TempDir,
    port: u16,
}

impl Sshd {
    fn start(host_key: &str) -> Self {
        let keys = keys();
        let dir = tempfile::tempdir().unwrap();
        let allowed: String =
            ["plain", "locked", "rsa"].map(|name| keys.text(&format!("{name}.pub"))).concat();
        std::fs::write(dir.path().join("authorized"), allowed).unwrap();
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\nSetEnv PATH={}\n",
            keys.path(host_key).display(),
            dir.path().join("authorized").display(),
            std::env::var("PATH").unwrap(),
        );
        let config_file = dir.path().join("config");
        std::fs::write(&config_file, config).unwrap();
        // Where sshd puts its unprivileged half; Debian makes it at boot.
        let _ = std::fs::create_dir_all("/run/sshd");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = dir.path().join("log");
        // It ends with the test process, and each sshd with its connection.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let other = OwnedFd::from(stream.try_clone().unwrap());
                let sshd = Command::new("/usr/sbin/sshd")
                    .arg("-i")
                    .arg("-f")
                    .arg(&config_file)
                    .arg("-E")
                    .arg(&log)
                    .stdin(OwnedFd::from(stream))
                    .stdout(other)
                    .stderr(Stdio::null())
                    .spawn();
                std::thread::spawn(move || sshd.unwrap().wait());
            }
        });
        Self { dir, port }
    }

    fn url(&self, repo: &Repo) -> String {
        format!("ssh://{}@localhost:{}{}", user(), self.port, repo.url())
    }

    /// A known hosts file with this line's beginning for this server.
    fn known_hosts(&self, line: &str) -> PathBuf {
        let path = self.dir.path().join(format!("known{}", line.len()));
        std::fs::write(&path, line.replace("PORT", &self.port.to_string())).unwrap();
        path
    }

    fn knows(&self, host_key: &str) -> PathBuf {
        self.known_hosts(&format!("[localhost]:PORT {}\n", keys().public(host_key)))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn keys_of_all_kinds() {
    let (sshd, repo, keys) = (Sshd::start("host"), Repo::printing("one"), keys());
    let by_port = format!("ssh://localhost:{}{}", sshd.port, repo.url());
    let no_newline = keys.text("plain").trim_end().to_owned();
    for (what, url, more) in [
        ("file", sshd.url(&repo), json!({"git_ssh_key_file": keys.path("plain")})),
        ("inline", sshd.url(&repo), json!({"git_ssh_key": keys.text("plain")})),
        ("inline, newline cut", sshd.url(&repo), json!({"git_ssh_key": no_newline})),
        ("rsa", sshd.url(&repo), json!({"git_ssh_key_file": keys.path("rsa")})),
        (
            "encrypted",
            sshd.url(&repo),
            json!({"git_ssh_key_file": keys.path("locked"), "git_ssh_key_password": "open sesame"}),
        ),
        (
            "encrypted, inline",
            sshd.url(&repo),
            json!({"git_ssh_key": keys.text("locked"), "git_ssh_key_password": "open sesame"}),
        ),
        ("user apart", by_port, json!({"git_ssh_key": keys.text("plain"), "git_username": user()})),
        (
            "inline first",
            sshd.url(&repo),
            json!({"git_ssh_key": keys.text("plain"), "git_ssh_key_file": keys.path("unknown")}),
        ),
        (
            "then the file",
            sshd.url(&repo),
            json!({"git_ssh_key": keys.text("unknown"), "git_ssh_key_file": keys.path("plain")}),
        ),
    ] {
        let bench = Bench::new();
        let job = json!({"repo": url, "cmd": "run.sh", "git_known_hosts": sshd.knows("host")});
        let outcome = bench.run(merged(job, more)).await;
        let report = outcome.unwrap_or_else(|error| panic!("{what}: {error}\n{}", sshd.log()));
        assert_eq!(report.result["output"], json!("one\n"), "{what}");
    }
}

#[tokio::test]
async fn clone_then_fetch() {
    let (sshd, repo, keys) = (Sshd::start("host"), Repo::printing("one"), keys());
    let bench = Bench::new();
    let job = json!({
        "repo": sshd.url(&repo), "cmd": "run.sh", "git_known_hosts": sshd.knows("host"),
        "git_ssh_key": keys.text("plain"),
    });
    assert_eq!(bench.result(job.clone()).await["output"], json!("one\n"));
    let commit = repo.commit("two");
    assert_eq!(bench.result(job.clone()).await["output"], json!("two\n"));
    let exact = merged(job, json!({"git_commit": commit, "git_ssh_key": null}));
    assert_eq!(bench.result(exact).await["output"], json!("two\n"), "needs no login");
}

#[tokio::test]
async fn keys_that_do_not_fit() {
    let (sshd, repo, keys) = (Sshd::start("host"), Repo::printing("one"), keys());
    for (more, part) in [
        (json!({"git_ssh_key": keys.text("unknown")}), "authentication failed for user `"),
        (json!({"git_ssh_key_file": keys.path("locked")}), "is encrypted: set git_ssh_key_password"),
        (json!({"git_ssh_key": keys.text("locked")}), "git_ssh_key is encrypted"),
        (json!({"git_ssh_key_file": "/no/such/key"}), "git_ssh_key_file /no/such/key"),
        (json!({"git_ssh_key": "hunter2 hunter2"}), "is not a private key"),
        (
            json!({"git_ssh_key": keys.text("locked"), "git_ssh_key_password": "wrong-word"}),
            "Git repository ssh://",
        ),
    ] {
        let job = json!({"repo": sshd.url(&repo), "cmd": "run.sh", "git_known_hosts": sshd.knows("host")});
        let error = Bench::new().error(merged(job, more)).await;
        assert!(error.contains(part), "{error}");
        for secret in ["hunter2", "wrong-word", "BEGIN OPENSSH"] {
            assert!(!error.contains(secret), "{error}");
        }
    }
}

#[tokio::test]
async fn known_hosts() {
    let (sshd, repo, keys) = (Sshd::start("host"), Repo::printing("one"), keys());
    let (right, wrong, rsa) = (keys.public("host"), keys.public("unknown"), keys.public("host-rsa"));
    let hashed = sshd.known_hosts(&format!("[localhost]:PORT {right} hashed"));
    let hashing = Command::new("ssh-keygen").arg("-H").arg("-f").arg(&hashed).output().unwrap();
    assert!(hashing.status.success());
    assert!(std::fs::read_to_string(&hashed).unwrap().starts_with("|1|"));
    for (file, part) in [
        (sshd.known_hosts(&format!("[localhost]:PORT {right}")), None),
        (sshd.known_hosts(&format!("# c\n\nother,[localhost]:PORT,more {right} comment\n")), None),
        (sshd.known_hosts(&format!("[localhost]:PORT {rsa}\n[localhost]:PORT {right}\n")), None),
        (hashed, None),
        (sshd.known_hosts(""), Some("is unknown")),
        (sshd.known_hosts(&format!("localhost {right}\n")), Some("is unknown")),
        (sshd.known_hosts(&format!("[localhost]:PORT {wrong}\n\n\n\n")), Some("HAS CHANGED")),
        (sshd.known_hosts(&format!("[localhost]:PORT {rsa}\n\n\n\n\n")), Some("knows only its ssh-rsa")),
        (sshd.known_hosts(&format!("[localhost]:PORT {right}\n@revoked * {right}\n")), Some("revoked")),
        (PathBuf::from("/no/such/file"), Some("/no/such/file cannot be read")),
    ] {
        let job = json!({
            "repo": sshd.url(&repo), "cmd": "run.sh", "git_known_hosts": file, "git_ssh_key": keys.text("plain"),
        });
        match (Bench::new().run(job).await, part) {
            (Ok(report), None) => assert_eq!(report.result["output"], json!("one\n")),
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{part}: {error}"),
            (outcome, part) => panic!("{part:?}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn host_keys_of_other_kinds() {
    for host_key in ["host-rsa", "host-ecdsa"] {
        let (sshd, repo) = (Sshd::start(host_key), Repo::printing("one"));
        let job = json!({
            "repo": sshd.url(&repo), "cmd": "run.sh", "git_known_hosts": sshd.knows(host_key),
            "git_ssh_key": keys().text("plain"),
        });
        assert_eq!(Bench::new().result(job).await["output"], json!("one\n"), "{host_key}");
    }
}

#[tokio::test]
async fn the_users_own_known_hosts_decide_when_none_are_named() {
    let (sshd, repo) = (Sshd::start("host"), Repo::printing("one"));
    let job = json!({"repo": sshd.url(&repo), "cmd": "run.sh", "git_ssh_key": keys().text("plain")});
    let error = Bench::new().error(job).await;
    assert!(error.contains("is unknown") && error.contains(".ssh/known_hosts"), "{error}");
    assert!(error.contains(&format!("ssh-keyscan -p {} -t ed25519 localhost", sshd.port)), "{error}");
}

#[tokio::test]
async fn addresses_that_would_run_something() {
    let marker = tempfile::tempdir().unwrap();
    let file = marker.path().join("ran");
    let touch = format!("touch {}", file.display());
    for repo in [
        format!("ext::sh -c {touch}"),
        format!("ext::{touch}"),
        format!("ssh://-oProxyCommand={}/x", touch.replace(' ', "${IFS}")),
        format!("-u{touch}:x"),
        format!("--upload-pack={touch}"),
        "localhost:-x".to_owned(),
    ] {
        let error = Bench::new().error(json!({"repo": repo, "cmd": "x"})).await;
        assert!(error.starts_with("repo: "), "{error}");
    }
    assert!(!Path::new(&file).exists());
    let _: Value = json!(null);
}
