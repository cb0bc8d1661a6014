//! Users, tokens, TLS, and servers that are something else.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use e2e::etcd::{EtcdServer, EtcdSetup, EtcdTls, own_address};
use herald_etcd::{EtcdClient, EtcdCredentials, EtcdError, EtcdSettings, KeyRange, RangeQuery, WatchEnd};
use herald_net::tls::testing::{Authority, CertificatePurpose, Pair};
use herald_net::tls::{ClientFiles, Identity};

use crate::{client, client_as, put, settings, within};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_and_wrong_passwords_named() {
    let setup = EtcdSetup { flags: vec!["--auth-token-ttl=1".to_owned()], ..EtcdSetup::default() };
    let mut server = EtcdServer::start_with(own_address(), setup);
    let herald = client_as(&server, "herald", "herald-password");
    herald.put(&put("/w/a", "before there were users")).await.unwrap();
    server.enable_users("/w/");
    let range = || RangeQuery::new(KeyRange::prefix(*b"/w/"));
    for round in 0..3 {
        assert_eq!(herald.range(range(), 1000).await.unwrap().keys.len(), 1, "{round}");
        within(5, herald.watch(&KeyRange::prefix(*b"/w/"), 1, false)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        // The token has expired: a watch notices that by itself, too.
        within(5, herald.watch(&KeyRange::prefix(*b"/w/"), 1, false)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    server.kill();
    server.start_again();
    assert!(herald.get(b"/w/a", None).await.unwrap().is_some());
    let _ = server.ctl_as_root(&["user", "delete", "herald"]);
    let error = herald.get(b"/w/a", None).await.unwrap_err();
    assert!(matches!(error, EtcdError::WrongPassword { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_rejected_hears_why() {
    let server = EtcdServer::start();
    client(&server).put(&put("/w/a", "1")).await.unwrap();
    server.enable_users("/w/");
    let error = client(&server).get(b"/w/a", None).await.unwrap_err();
    assert!(matches!(error, EtcdError::NoCredentials { .. }), "{error}");

    let wrong = client_as(&server, "herald", "not-the-secret");
    let error = wrong.get(b"/w/a", None).await.unwrap_err();
    assert!(error.to_string().contains("rejects the user name or the password of `herald`"), "{error}");
    assert_eq!(wrong.status().await.unwrap_err(), error);
    let status = wrong.connection();
    assert_eq!((status.connected, status.problem), (false, Some(error.to_string())));
    assert!(!format!("{:?} {error:?} {error}", wrong.settings()).contains("not-the-secret"));

    let herald = client_as(&server, "herald", "herald-password");
    for range in [KeyRange::prefix(*b"/x/"), KeyRange::prefix(*b"/w")] {
        let denied = herald.range(RangeQuery::new(range.clone()), 1000).await.unwrap_err();
        assert!(matches!(denied, EtcdError::Denied { .. }), "{denied}");
        let Err(WatchEnd::Failed(denied)) = within(5, herald.watch(&range, 1, false)).await else {
            panic!("the watch is refused with 200")
        };
        assert!(matches!(denied, EtcdError::Denied { .. }), "{denied}");
    }
    assert!(herald.status().await.is_ok() && herald.connection().connected);
}

/// A server with TLS in this folder.
struct TlsServer {
    server: EtcdServer,
    authority: Authority,
    folder: tempfile::TempDir,
}

fn purpose(common_name: Option<&str>, for_clients: bool) -> CertificatePurpose {
    CertificatePurpose { common_name: common_name.map(str::to_owned), for_clients }
}

fn tls_server(client_certificates: bool, server: &CertificatePurpose) -> TlsServer {
    let (folder, authority, address) =
        (tempfile::tempdir().unwrap(), Authority::new("Authority"), own_address());
    let ca = folder.path().join("ca.crt");
    authority.write(&ca);
    let pair = authority.issue_as(folder.path(), "server", &[&address.to_string()], server);
    let ctl = authority.issue_as(folder.path(), "ctl", &[], &purpose(None, true));
    let tls = EtcdTls {
        ca,
        cert: pair.cert,
        key: pair.key,
        client_certificates,
        ctl: client_certificates.then_some((ctl.cert, ctl.key)),
    };
    let server = EtcdServer::start_with(address, EtcdSetup { tls: Some(tls), flags: Vec::new() });
    TlsServer { server, authority, folder }
}

impl TlsServer {
    fn client(&self, identity: Option<Pair>, credentials: Option<(&str, &str)>) -> EtcdClient {
        let identity = identity.map(|Pair { cert, key }| Identity { cert, key });
        let owned = |(username, password): (&str, &str)| EtcdCredentials {
            username: username.to_owned(),
            password: password.to_owned(),
        };
        EtcdClient::new(EtcdSettings {
            tls: Some(ClientFiles { ca: Some(self.folder.path().join("ca.crt")), identity }),
            credentials: credentials.map(owned),
            ..settings(&[self.server.url()])
        })
    }

    fn pair(&self, name: &str, common_name: Option<&str>) -> Pair {
        self.authority.issue_as(self.folder.path(), name, &[], &purpose(common_name, true))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_tls_are_used_and_wrong_authorities_named() {
    let tls = tls_server(false, &purpose(Some("etcd"), true));
    assert!(tls.client(None, None).status().await.unwrap().version.starts_with("3."));
    let other = tls.folder.path().join("other.crt");
    Authority::new("Other").write(&other);
    let says = async |tls_files: Option<ClientFiles>, url: &str| {
        let settings = EtcdSettings { tls: tls_files, ..settings(&[url.to_owned()]) };
        EtcdClient::new(settings).status().await.unwrap_err().to_string()
    };
    let files = |ca: &Path| Some(ClientFiles { ca: Some(ca.to_owned()), identity: None });
    let url = tls.server.url();
    let error = says(files(&other), &url).await;
    assert!(error.contains("authority that is not trusted"), "{error}");
    let error = says(None, &url.replace("https:", "http:")).await;
    assert!(error.contains("is its address https:// rather than http://?"), "{error}");
    let error = says(files(Path::new("/none/ca")), &url).await;
    assert!(error.contains("tls: ca: /none/ca: cannot be read"), "{error}");
    let plain = EtcdServer::start();
    let error = says(files(&other), &plain.url().replace("http:", "https:")).await;
    assert!(error.contains("is its address http:// rather than https://?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn client_certificates_have_no_common_name_where_there_are_users() {
    let tls = tls_server(true, &purpose(None, true));
    let error = tls.client(None, None).status().await.unwrap_err().to_string();
    assert!(error.contains("client certificate"), "{error}");
    let with_name = tls.client(Some(tls.pair("named", Some("herald"))), None);
    assert!(with_name.status().await.is_ok(), "without users the name does no harm");
    tls.server.enable_users("/w/");
    let herald = Some(("herald", "herald-password"));
    let error =
        tls.client(Some(tls.pair("again", Some("herald"))), herald).get(b"/w/a", None).await.unwrap_err();
    assert!(matches!(error, EtcdError::CommonName { .. }), "{error}");
    let without = tls.client(Some(tls.pair("plain", None)), herald);
    without.put(&put("/w/a", "1")).await.unwrap();
    assert!(without.watch(&KeyRange::prefix(*b"/w/"), 1, false).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_cannot_connect_or_is_missing_is_named() {
    let tls = tls_server(true, &purpose(None, false));
    let error = tls.client(Some(tls.pair("plain", None)), None).status().await.unwrap_err();
    assert!(matches!(error, EtcdError::GatewayConnection { .. }), "{error}");

    let flags = vec!["--enable-grpc-gateway=false".to_owned()];
    let server = EtcdServer::start_with(own_address(), EtcdSetup { flags, ..EtcdSetup::default() });
    let error = client(&server).status().await.unwrap_err();
    assert!(matches!(error, EtcdError::NoGateway { .. }), "{error}");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = EtcdClient::new(settings(&[format!("http://{free}")]));
    let error = away.status().await.unwrap_err().to_string();
    assert_eq!(error, format!("http://{free}: connection refused"));
}
