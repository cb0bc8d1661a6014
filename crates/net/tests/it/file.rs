//! What is said of files.

use herald_net::tls::testing::{Authority, Validity, write_private};
use herald_net::tls::{ClientFiles, ServerFiles};

use super::{Fixture, client_files, server_files};

#[test]
fn errors_name_the_file_and_what_is_wrong() {
    let fixture = Fixture::new();
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let (cert, key) = fixture.authority.sign(&["localhost"], Validity::Good);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let open_end = cert.replace("-----END CERTIFICATE-----", "");
    let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let file = fixture.path().join("odd.pem");
    for (option, text, says) in [
        ("cert", None, "cannot be read: no such file"),
        ("cert", Some(""), "is empty"),
        ("cert", Some("nonsense"), "is not PEM"),
        ("cert", Some("0\u{3}DER"), "openssl x509 -inform der"),
        ("cert", Some(&key), "holds no certificate (`-----BEGIN CERTIFICATE-----`), but a key"),
        ("cert", Some(&open_end), "is not whole as PEM"),
        ("cert", Some(broken), "certificate 1 in it is broken"),
        ("key", None, "cannot be read"),
        ("key", Some(&cert), "holds no private key"),
        ("key", Some(sealed), "encrypted with a passphrase"),
        ("key", Some(&key), "does not match the certificate in "),
        ("client_ca", Some("nonsense"), "is not PEM"),
        ("client_ca", Some(broken), "certificate 1 in it is broken"),
        ("client_ca", Some(&key), "holds no certificate"),
    ] {
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => drop(std::fs::remove_file(&file)),
        }
        let mut files = server_files(&pair, None);
        match option {
            "cert" => files.cert = file.clone(),
            "key" => files.key = file.clone(),
            _ => files.client_ca = Some(file.clone()),
        }
        let error = files.check().unwrap_err();
        assert_eq!(error.option, option, "{error}");
        assert!(
            error.to_string().contains(says) && error.to_string().contains("odd.pem: "),
            "{says}: {error}"
        );
    }
    assert_eq!(server_files(&pair, Some(fixture.ca())).check(), Ok(()));
    // A client's files go by other names.
    let mut files = client_files(fixture.path().join("none"), None);
    assert_eq!(files.check().unwrap_err().option, "ca");
    files = client_files(fixture.ca(), Some(&pair));
    assert_eq!(files.check(), Ok(()));
    std::fs::write(&pair.key, key).unwrap();
    assert_eq!(files.check().unwrap_err().option, "client_key");
    assert!(ClientFiles::default().warnings().is_empty());
}

#[test]
fn a_pair_may_share_a_file_and_bring_its_chain() {
    let fixture = Fixture::new();
    let (cert, key) = fixture.authority.sign(&["localhost"], Validity::Good);
    let file = fixture.path().join("all.pem");
    write_private(&file, &format!("some words\n{cert}{}{key}", fixture.authority.pem()));
    let files = ServerFiles { cert: file.clone(), key: file, client_ca: None };
    assert_eq!((files.check(), files.warnings()), (Ok(()), Vec::new()));
}

#[test]
fn what_is_doubtful_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = Fixture::new();
    let good = fixture.authority.issue(fixture.path(), "good", &["localhost"], Validity::Good);
    let expired = fixture.authority.issue(fixture.path(), "expired", &["localhost"], Validity::Expired);
    let open = Authority::new("Other").issue(fixture.path(), "open", &["localhost"], Validity::Good);
    std::fs::set_permissions(&open.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (pair, says) in [
        (&good, None),
        (&expired, Some("expired.crt holds a certificate that expired at 2001-01-01T00:00:00Z")),
        (&open, Some("everybody on this machine can read it; run: chmod o-rwx ")),
    ] {
        let server = server_files(pair, Some(fixture.ca())).warnings();
        let client = client_files(fixture.ca(), Some(pair)).warnings();
        assert_eq!(server, client);
        assert_eq!(server.len(), usize::from(says.is_some()), "{server:?}");
        assert!(says.is_none_or(|says| server[0].contains(says)), "{server:?}");
    }
}
