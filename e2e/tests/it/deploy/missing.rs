//! Passwords, servers that are away or silent, and revisions that do not exist.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use e2e::daemon::Daemon;
use serde_json::json;

use super::fixture::{Case, MODES, OTHERS, Site, check, check_all, check_some, hook};
use super::origin::{Kind, PASSWORD, read_tree, run, tree};

const SVN: [Case; 3] = [(Kind::Svn, "in_place"), (Kind::Svn, "releases"), (Kind::Svn, "exchange")];
const GIT: [Case; 3] = [(Kind::Git, "in_place"), (Kind::Git, "releases"), (Kind::Git, "exchange")];

/// Everything that can be read of the processes of this machine, while it runs.
fn seen_while<T>(run: impl FnOnce() -> T) -> (T, Vec<u8>) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let look = scope.spawn(|| {
            let mut seen = Vec::new();
            while !over.load(Ordering::SeqCst) {
                for process in fs::read_dir("/proc").unwrap().flatten() {
                    for file in ["cmdline", "environ"] {
                        let text = fs::read(process.path().join(file)).unwrap_or_default();
                        let is_ours = text.windows(4).any(|part| part == b"svn\0" || part == b"HERA");
                        seen.extend(text.into_iter().filter(|_| is_ours));
                    }
                }
            }
            seen
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        over.store(true, Ordering::SeqCst);
        (done.unwrap(), look.join().unwrap())
    })
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Check 35: with space, quote, `%` and umlaut, it works and is seen nowhere.
#[test]
fn a_password_is_seen_nowhere() {
    check_all(&SVN[2..], |kind, mode| {
        let after = hook("env >>@DIR@/environ; echo done");
        let site = Site::new(kind, mode, json!({"hooks": {"after": after}}));
        site.origin.commit("1", &tree(&[("a", "1")]));
        let (record, seen) = seen_while(|| site.must_deploy(&[]));
        assert!(has(&seen, "--password-from-stdin"), "nothing was looked at");
        assert!(!has(&seen, PASSWORD) && !has(&seen, "s3cret"));
        let said =
            [site.log(), record.to_string(), site.app().to_string(), site.place.read("environ").unwrap()];
        for text in said {
            assert!(!text.contains("s3cret"), "{text}");
        }
        let nodes = site.machines.iter().map(|machine| machine.place.path(""));
        for folder in nodes.chain([site.place.path("state")]) {
            for (path, entry) in read_tree(&folder) {
                let super::origin::Entry::File { bytes, .. } = entry else { continue };
                assert!(!has(&bytes, "s3cret"), "{} has the password", folder.join(path).display());
            }
        }
    });
}

/// Check 35: a wrong one, and none.
#[test]
fn a_wrong_password_is_a_sentence() {
    check_all(&SVN[..1], |kind, mode| {
        let mut site = Site::new(kind, mode, json!({}));
        site.release(&tree(&[("a", "1")]));
        site.origin.commit("2", &tree(&[("a", "2")]));
        for auth in [json!({"username": "alice", "password": "not the right one"}), json!(null)] {
            site.configure(json!({"auth": auth}), "");
            let (code, said) = site.deploy(&[]);
            assert_eq!(code, 4, "{said}");
            assert!(said.to_string().contains("refused the credentials"), "{said}");
            assert!(!said.to_string().contains("not the right one"), "{said}");
            assert_eq!(site.deployments().len(), 1);
        }
    });
}

/// Check 36: nobody listens; nobody answers; and a certificate that nobody knows.
#[test]
fn servers_that_are_away_silent_or_unknown() {
    check_some(&OTHERS, |kind, mode| {
        let mut site = Site::new(kind, mode, json!({}));
        site.origin.commit("1", &tree(&[("a", "1")]));
        site.origin.vanish();
        let begun = Instant::now();
        let (code, said) = site.deploy(&[]);
        assert_eq!(code, 4, "{said}");
        assert!(said.to_string().contains("cannot be reached"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if kind == Kind::Git { "git" } else { "svn" };
        let silent = format!("{scheme}://127.0.0.1:{port}/silent");
        site.configure(json!({"repo": silent, "type": scheme, "timeout": "2s"}), super::order::PUSH);
        let begun = Instant::now();
        site.daemon().post(&json!({"after": "HEAD"}));
        let record = site.wait_deployments(1);
        assert_eq!(record["status"], "timed_out", "{record}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let line = |process: fs::DirEntry| fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !fs::read_dir("/proc").unwrap().flatten().any(|process| has(&line(process), &silent)),
            "a program is left"
        );
    });
}

/// Check 36: an unknown authority, of Git; for Subversion there is no server of https here.
#[test]
fn an_unknown_certificate_is_a_sentence() {
    check_all(&GIT[2..], |kind, mode| {
        let mut site = Site::prepared(kind, mode);
        let args = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "key.pem",
        ];
        let more = ["-out", "cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1"];
        run(&site.place.path(""), "openssl", &[&args[..], &more[..]].concat());
        let port = e2e::http::free_port();
        let mut server = Command::new("openssl");
        e2e::program::clean(&mut server, &site.place.path(""));
        server
            .current_dir(site.place.path(""))
            .args(["s_server", "-cert", "cert.pem", "-key", "key.pem", "-quiet"]);
        let _server = Daemon::run(server.args(["-accept", &format!("127.0.0.1:{port}")]));
        e2e::wait::until("openssl", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        site.configure(json!({"repo": format!("https://127.0.0.1:{port}/shop.git")}), "");
        let (code, said) = site.deploy(&[]);
        assert_eq!(code, 4, "{said}");
        assert!(said.to_string().contains("is not trusted; name its authority"), "{said}");
    });
}

/// Check 37.
#[test]
fn what_does_not_exist_is_refused_before_anything_is_sent() {
    check_some(&OTHERS, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let first = site.release(&tree(&[("a", "1")]));
        let before: Vec<_> = (0..3).map(|node| site.stamps(node)).collect();
        let unknown: &[&str] = match kind {
            Kind::Svn => &["r999999", "999999", "no-such-tag"],
            Kind::Git => &["0123456789012345678901234567890123456789", "deadbeef", "gone"],
        };
        // Check 40 as well: what looks like an option is nothing else.
        for revision in
            unknown.iter().chain(&["--config-dir=/x", "-r1;id", "$(id)", "a b", "--upload-pack=touch x"])
        {
            let said = site.api("POST", "/v1/apps/shop/deploy", Some(&json!({"revision": revision})));
            assert_eq!(said.status, 422, "{revision}: {said:?}");
            assert!(said.text().contains("does not exist"), "{revision}: {said:?}");
            let code = site.cli(&["deploy", "shop", "--dry-run", "--", revision]).code;
            assert_eq!(code, Some(4), "{revision}");
        }
        assert_eq!((0..3).map(|node| site.stamps(node)).collect::<Vec<_>>(), before);
        assert_eq!((site.deployments().len(), &site.app()["revision"]), (1, &json!(first)));
    });
}

/// Check 37: trunk is removed at HEAD; a rollback to what it was works.
#[test]
fn a_folder_that_was_removed_at_head() {
    check_all(&SVN, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        let all: Vec<String> = ["1", "2"].iter().map(|text| site.release(&tree(&[("a", text)]))).collect();
        let root = format!("file://{}/repository", site.place.path("").display());
        run(&site.place.path(""), "svn", &["rm", "-q", "-m", "gone", &format!("{root}/trunk")]);
        let (code, said) = site.deploy(&[]);
        assert_eq!(code, 4, "{said}");
        assert!(said.to_string().contains("does not exist at revision HEAD"), "{said}");
        let (code, record) = site.rollback(&[&all[0]]);
        assert_eq!((code, &record["to"]), (0, &json!(all[0])), "{record}");
        assert_eq!(site.texts("a"), ["1"; 3]);
    });
}

/// Check 38.
#[test]
fn a_force_push_and_back_to_what_it_removed() {
    check_all(&GIT, |kind, mode| {
        let site = Site::new(kind, mode, json!({}));
        site.release(&tree(&[("a", "1")]));
        let vanished = site.release(&tree(&[("a", "2")]));
        run(&site.origin.copy, "git", &["reset", "-q", "--hard", "HEAD~1"]);
        let tip = site.origin.commit("other", &tree(&[("a", "3")]));
        let gc = ["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"];
        run(&site.place.path("origin.git"), "git", &gc);
        let record = site.must_deploy(&[]);
        assert_eq!((&record["to"], &record["backward"]), (&json!(tip), &json!(true)), "{record}");
        let (code, record) = site.rollback(&[]);
        assert_eq!((code, &record["to"]), (0, &json!(vanished)), "{record}");
        assert_eq!(site.texts("a"), ["2"; 3]);
    });
}

/// Check 37: with the server off, what is kept can be gone back to.
#[test]
fn back_without_a_server() {
    check(&MODES[1..], |kind, mode| {
        let mut site = Site::new(kind, mode, json!({}));
        ["1", "2"].iter().for_each(|text| drop(site.release(&tree(&[("a", text)]))));
        site.origin.vanish();
        let (code, record) = site.rollback(&[]);
        assert_eq!((code, &record["status"]), (0, &json!("succeeded")), "{record}");
        assert_eq!(site.texts("a"), ["1"; 3]);
    });
}
