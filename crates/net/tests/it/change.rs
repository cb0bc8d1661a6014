//! Files that change while they are in use.

use std::path::Path;
use std::time::Duration;

use herald_net::tls::testing::{Authority, Validity, write_private};
use tokio::time::advance;

use super::{Fixture, certificate, client_files, connect, load, same, server_files};

/// The next time that files are looked at.
async fn later() {
    advance(Duration::from_millis(1001)).await;
}

/// As most programs write: aside, and then in fixture.
fn replace(file: &Path, text: &str) {
    let aside = file.with_extension("new");
    write_private(&aside, text);
    std::fs::rename(&aside, file).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_pair_counts_for_new_connections_and_old_ones_go_on() {
    let fixture = Fixture::new();
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let (server, client) = load(server_files(&pair, None), client_files(fixture.ca(), None));
    let mut old = connect(&server, &client, "localhost").await.unwrap();
    old.talk().await;
    let first = certificate(&pair.cert);

    fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let second = certificate(&pair.cert);
    assert_ne!(first, second);
    // Not looked at again so soon.
    assert_eq!(connect(&server, &client, "localhost").await.unwrap().shown(), first);
    later().await;
    let mut new = connect(&server, &client, "localhost").await.unwrap();
    assert_eq!(new.shown(), second);
    new.talk().await;
    old.talk().await;
    assert_eq!(old.shown(), first);
}

#[tokio::test(start_paused = true)]
async fn broken_and_half_written_files_keep_the_old_pair() {
    let fixture = Fixture::new();
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let (server, client) = load(server_files(&pair, None), client_files(fixture.ca(), None));
    let first = certificate(&pair.cert);
    let (cert, key) = fixture.authority.sign(&["localhost"], Validity::Good);
    let steps: [(&str, &dyn Fn()); 5] = [
        ("the certificate alone", &|| replace(&pair.cert, &cert)),
        ("half a certificate", &|| replace(&pair.cert, &cert[..cert.len() / 2])),
        ("nonsense", &|| replace(&pair.cert, "nonsense")),
        ("none", &|| std::fs::remove_file(&pair.cert).unwrap()),
        ("the new one, with the old key", &|| replace(&pair.cert, &cert)),
    ];
    for (what, step) in steps {
        step();
        // Checked until the change is reported, and once more.
        for _ in 0..3 {
            later().await;
            let connection = connect(&server, &client, "localhost").await.unwrap();
            assert_eq!(connection.shown(), first, "{what}");
        }
    }
    replace(&pair.key, &key);
    later().await;
    assert_eq!(connect(&server, &client, "localhost").await.unwrap().shown(), certificate(&pair.cert));
}

#[tokio::test(start_paused = true)]
async fn a_client_authority_that_is_gone_lets_nobody_in_again() {
    let fixture = Fixture::new();
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let identity = fixture.authority.issue(fixture.path(), "client", &["daemon"], Validity::Good);
    let clients = fixture.path().join("clients.crt");
    fixture.authority.write(&clients);
    let (server, client) =
        load(server_files(&pair, Some(clients.clone())), client_files(fixture.ca(), Some(&identity)));
    // A session that could be resumed.
    connect(&server, &client, "localhost").await.unwrap().talk().await;
    connect(&server, &client, "localhost").await.unwrap().talk().await;
    Authority::new("Other Authority").write(&clients);
    later().await;
    let error = connect(&server, &client, "localhost").await.err().unwrap();
    assert!(error.contains("of an authority that it does not trust"), "{error}");
    fixture.authority.write(&clients);
    later().await;
    connect(&server, &client, "localhost").await.unwrap().talk().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_up_its_files_too() {
    let fixture = Fixture::new();
    let other = Authority::new("Other Authority");
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let identity = other.issue(fixture.path(), "client", &["daemon"], Validity::Good);
    let (server, client) =
        load(server_files(&pair, Some(fixture.ca())), client_files(fixture.ca(), Some(&identity)));
    let before = client.config().await;
    assert!(connect(&server, &client, "localhost").await.err().unwrap().contains("our client certificate"));
    later().await;
    assert!(same(&before, &client.config().await), "nothing changed");
    fixture.authority.issue(fixture.path(), "client", &["daemon"], Validity::Good);
    later().await;
    connect(&server, &client, "localhost").await.unwrap().talk().await;
    assert!(!same(&before, &client.config().await));
    // What is not trusted any more is not resumed either.
    other.write(&fixture.ca());
    later().await;
    let error = connect(&server, &client, "localhost").await.err().unwrap();
    assert!(error.contains("not trusted"), "{error}");
}
