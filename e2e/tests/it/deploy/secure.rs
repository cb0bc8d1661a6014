//! Repositories behind HTTPS and ssh, on real servers: Apache and sshd.

use serde_json::json;

use super::fixture::{SOME, Site, check_all};
use super::origin::{Kind, PASSWORD, tree};
use super::servers::{Apache, Sshd, certificates};

/// Check 36, and a password over HTTPS.
#[test]
fn a_server_with_a_certificate_of_ones_own() {
    check_all(&SOME[..2], |kind, mode| {
        let mut site = Site::prepared(kind, mode);
        let revision = site.origin.commit("one", &tree(&[("a file", "1\n"), ("sub/b", "2\n")]));
        let apache = Apache::start(&site.place);
        apache.serve(&site.origin);
        certificates(&site.place.path(""), "other");
        let authorities = site.place.path("");
        let options = |ca: Option<&str>, password: &str| {
            let tls = ca.map(|name| json!({"ca": authorities.join(name)}));
            json!({
                "repo": apache.url(kind), "type": if kind == Kind::Git { "git" } else { "svn" }, "tls": tls,
                "auth": {"username": "alice", "password": password},
            })
        };
        for (ca, password, code, expected) in [
            (
                None,
                PASSWORD,
                4,
                "is not trusted; name its authority with `tls: {ca: FILE}` of the application",
            ),
            (Some("other.pem"), PASSWORD, 4, "is not trusted"),
            (Some("ca.pem"), "wrong", 4, "refused the credentials"),
            (Some("ca.pem"), PASSWORD, 0, ""),
        ] {
            let options = options(ca, password);
            site.configure(options, "");
            let (found, said) = site.deploy(&[]);
            assert_eq!(found, code, "{kind:?} {ca:?}: {said}\n{}", site.log());
            assert!(said.to_string().contains(expected), "{kind:?} {ca:?}: {said}");
        }
        for node in 0..3 {
            assert_eq!(site.live(node), site.origin.exported(&revision), "{kind:?} {mode}");
        }
    });
}

#[test]
fn a_server_behind_ssh() {
    let mut one_at_a_time = Vec::from(SOME);
    one_at_a_time.truncate(2);
    for (kind, mode) in one_at_a_time {
        let mut site = Site::prepared(kind, mode);
        let Some(sshd) = Sshd::start(&site.place) else {
            return eprintln!("left out: no port of ssh can be had here");
        };
        let revision = site.origin.commit("one", &tree(&[("a file", "1\n")]));
        let url = sshd.url(&site.origin);
        for (key, known, code, expected) in [
            ("key", "wrong", 4, "see its known_hosts_file"),
            ("other", "known", 4, "Permission denied"),
            ("key", "known", 0, ""),
        ] {
            let auth = json!({"ssh_key_file": sshd.file(key), "known_hosts_file": sshd.file(known)});
            site.configure(json!({"repo": url, "auth": auth}), "");
            let (found, said) = site.deploy(&[]);
            assert_eq!(found, code, "{kind:?} {key} {known}: {said}\n{}", site.log());
            assert!(said.to_string().contains(expected), "{kind:?} {key} {known}: {said}");
        }
        for node in 0..3 {
            assert_eq!(site.live(node), site.origin.exported(&revision), "{kind:?} {mode}");
        }
    }
}
