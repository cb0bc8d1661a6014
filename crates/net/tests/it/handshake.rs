//! Who may speak with whom.

use herald_net::tls::testing::{Authority, Validity};

use super::{Fixture, client_files, connect, load, server_files};

#[tokio::test]
async fn a_server_must_be_who_it_should_be() {
    let fixture = Fixture::new();
    let other = Authority::new("Other Authority");
    // Of the same name, but with another key.
    let impostor = Authority::new("Good Authority");
    let good = Validity::Good;
    for (authority, names, validity, says) in [
        (&fixture.authority, &["localhost"][..], good, None),
        (&fixture.authority, &["example.com", "localhost"], good, None),
        (
            &fixture.authority,
            &["localhost"],
            Validity::Expired,
            Some("its TLS certificate expired at 2001-01-01T00:00:00Z"),
        ),
        (
            &other,
            &["localhost"],
            good,
            Some("of an authority that is not trusted; name the authority's certificate in `tls: {ca}`"),
        ),
        (&impostor, &["localhost"], good, Some("not signed by the authority that it names")),
        (
            &fixture.authority,
            &["web1.example", "192.0.2.7"],
            good,
            Some("is for web1.example, 192.0.2.7, not for localhost"),
        ),
    ] {
        let pair = authority.issue(fixture.path(), "server", names, validity);
        let (server, client) = load(server_files(&pair, None), client_files(fixture.ca(), None));
        match (connect(&server, &client, "localhost").await, says) {
            (Ok(mut connection), None) => connection.talk().await,
            (Err(error), Some(says)) => assert!(error.contains(says), "{error}"),
            (got, says) => panic!("{names:?} {validity:?}: {:?}, and not {says:?}", got.err()),
        }
    }
}

#[tokio::test]
async fn a_client_must_be_who_it_should_be() {
    let fixture = Fixture::new();
    let other = Authority::new("Other Authority");
    let server_pair =
        fixture.authority.issue(fixture.path(), "server", &["localhost", "127.0.0.1"], Validity::Good);
    let good = fixture.authority.issue(fixture.path(), "good", &["daemon"], Validity::Good);
    let expired = fixture.authority.issue(fixture.path(), "expired", &["daemon"], Validity::Expired);
    let foreign = other.issue(fixture.path(), "foreign", &["daemon"], Validity::Good);
    for (identity, says) in [
        (Some(&good), None),
        (None, Some("it wants a client certificate: give `tls: {client_cert, client_key}`")),
        (Some(&expired), Some("it refuses our client certificate as expired")),
        (
            Some(&foreign),
            Some("it refuses our client certificate, which is of an authority that it does not trust"),
        ),
    ] {
        let (server, client) =
            load(server_files(&server_pair, Some(fixture.ca())), client_files(fixture.ca(), identity));
        for name in ["localhost", "127.0.0.1"] {
            match (connect(&server, &client, name).await, says) {
                (Ok(mut connection), None) => connection.talk().await,
                (Err(error), Some(says)) => assert!(error.contains(says), "{error}"),
                (got, says) => panic!("{identity:?}: {:?}, and not {says:?}", got.err()),
            }
        }
    }
    // Who is not asked shows nothing, and comes in.
    let (server, client) = load(server_files(&server_pair, None), client_files(fixture.ca(), Some(&foreign)));
    connect(&server, &client, "localhost").await.unwrap().talk().await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_no_tls_is_let_go() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let fixture = Fixture::new();
    let pair = fixture.authority.issue(fixture.path(), "server", &["localhost"], Validity::Good);
    let (server, client) = load(server_files(&pair, None), client_files(fixture.ca(), None));

    let (_silent, there) = tokio::io::duplex(1024);
    let began = tokio::time::Instant::now();
    let error = server.accept(there).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed()), (std::io::ErrorKind::TimedOut, herald_net::tls::HANDSHAKE));

    // It hears an alert, however much it sends, and then the end.
    let (mut plain, there) = tokio::io::duplex(1024);
    let speak = async {
        plain.write_all(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let _ = plain.write_all(&[b'x'; 10_000]).await;
        plain.shutdown().await.unwrap();
        let mut heard = Vec::new();
        plain.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let (heard, accepted) = tokio::join!(speak, server.accept(there));
    assert!(accepted.is_err());
    assert_eq!(heard.first(), Some(&0x15), "an alert: {heard:?}");

    // A client of TLS at a server that speaks none.
    let connector = tokio_rustls::TlsConnector::from(client.config().await);
    let (here, mut there) = tokio::io::duplex(1024);
    let answer = async {
        let _ = there.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        there
    };
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    let (connected, _there) = tokio::join!(connector.connect(name, here), answer);
    let explained = herald_net::tls::explain(&connected.unwrap_err()).unwrap();
    assert!(explained.contains("it does not speak TLS"), "{explained}");
}
