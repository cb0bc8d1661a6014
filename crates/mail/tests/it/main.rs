//! Mails to a real SMTP server on a free port.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use e2e::smtp::{END_OF_MAIL, SmtpRules, SmtpServer, smtp_tls};
use e2e::wait::until;
use herald_mail::{
    AttachedFile, Encryption, Letter, MailError, MailErrorKind, MailLogin, MailServer, SentMail, send,
};
use herald_net::tls::testing::{Authority, Validity};

fn letter() -> Letter {
    Letter {
        from: "Herald <herald@example.com>".to_owned(),
        to: vec!["Ops <ops@example.com>".to_owned(), "dev@example.com".to_owned()],
        cc: vec!["boss@example.com".to_owned()],
        subject: "nightly failed".to_owned(),
        body: "exit code 1\n.\n..\nGrüße".to_owned(),
        attachments: Vec::new(),
        id: "0198-the-job".to_owned(),
        own_name: "web1.example.com".to_owned(),
        date: SystemTime::UNIX_EPOCH,
    }
}

fn to(server: &SmtpServer, encryption: Encryption) -> MailServer {
    MailServer {
        server: "127.0.0.1".to_owned(),
        port: server.port(),
        encryption,
        ca: None,
        login: None,
        timeout: Duration::from_secs(20),
        own_name: "web1.example.com".to_owned(),
    }
}

fn login(password: &str) -> Option<MailLogin> {
    Some(MailLogin { username: "herald".to_owned(), password: password.to_owned() })
}

async fn refused(rules: SmtpRules, change: impl FnOnce(&mut MailServer)) -> MailError {
    let server = SmtpServer::start(rules);
    let mut settings = to(&server, Encryption::None);
    change(&mut settings);
    let sent = send(&settings, letter()).await;
    assert_eq!(server.mails().len(), 0);
    sent.unwrap_err()
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = SmtpServer::start(SmtpRules::default());
    let attached = AttachedFile { name: "report.bin".to_owned(), content: vec![0, 255, 10, 13] };
    let letter = Letter { attachments: vec![attached], ..letter() };
    let sent = send(&to(&server, Encryption::None), letter).await.unwrap();
    let recipients = ["ops@example.com", "dev@example.com", "boss@example.com"].map(str::to_owned);
    let expected = SentMail {
        message_id: "<0198-the-job@web1.example.com>".to_owned(),
        answer: "250 queued as 42".to_owned(),
        recipients: recipients.to_vec(),
    };
    assert_eq!(sent, expected);
    let [mail] = <[_; 1]>::try_from(server.mails()).unwrap();
    assert_eq!((mail.from.as_str(), mail.to), ("herald@example.com", recipients.to_vec()));
    let data = &mail.data;
    for part in [
        "From: Herald <herald@example.com>\r\n",
        "To: Ops <ops@example.com>, dev@example.com\r\n",
        "Cc: boss@example.com\r\n",
        "Subject: nightly failed\r\n",
        "filename=\"report.bin\"\r\n",
        "AP8KDQ==",
        "\r\n.\r\n..\r\nGr=C3=BC=C3=9Fe",
    ] {
        assert!(data.contains(part), "{part}: {data}");
    }
    assert_eq!(server.commands().first().map(String::as_str), Some("EHLO web1.example.com"));
}

#[tokio::test]
async fn a_mail_is_sent_even_if_the_server_does_not_say_goodbye() {
    let server = SmtpServer::start(SmtpRules { answers: vec![("QUIT", "")], ..SmtpRules::default() });
    let begin = Instant::now();
    send(&to(&server, Encryption::None), letter()).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(3));
    until("QUIT", || server.commands().contains(&"QUIT".to_owned()).then_some(()));
}

#[tokio::test]
async fn large_attachments_arrive_whole() {
    let server = SmtpServer::start(SmtpRules::default());
    // Its encoded lines end at any place of a piece.
    let attached = AttachedFile { name: "report.bin".to_owned(), content: vec![7; 150_001] };
    let letter = Letter { attachments: vec![attached], body: "\n.x\n".repeat(20_000), ..letter() };
    send(&to(&server, Encryption::None), letter).await.unwrap();
    let data = server.mails().remove(0).data;
    assert_eq!(data.matches("BwcH").count(), 50_000);
    assert_eq!(data.lines().filter(|line| *line == ".x").count(), 20_000);
}

#[tokio::test]
async fn tls_and_login() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("the authority");
    let ca = dir.path().join("ca.crt");
    authority.write(&ca);
    let good = authority.issue(dir.path(), "good", &["127.0.0.1"], Validity::Good);
    for (encryption, is_implicit) in [(Encryption::StartTls, false), (Encryption::Implicit, true)] {
        let rules = || SmtpRules {
            tls: Some(smtp_tls(&good.cert, &good.key)),
            is_implicit,
            login: Some(("herald".to_owned(), "pass-word-7".to_owned())),
            ..SmtpRules::default()
        };
        let server = SmtpServer::start(rules());
        let trusted =
            |password| MailServer { ca: Some(ca.clone()), login: login(password), ..to(&server, encryption) };
        send(&trusted("pass-word-7"), letter()).await.unwrap();
        let mail = server.mails().remove(0);
        assert_eq!((mail.is_encrypted, mail.user.as_deref()), (true, Some("herald")), "{encryption:?}");

        let error = send(&trusted("pass-word-8"), letter()).await.unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Refused);
        let says =
            "refused the login of \"herald\": 535 5.7.8 wrong password ***; check `username` and `password`";
        assert!(error.message.contains(says), "{error}");
        let shown = format!("{:?}{error}", trusted("pass-word-8"));
        assert!(!shown.contains("pass-word"), "{shown}");

        let error = send(&to(&server, encryption), letter()).await.unwrap_err();
        assert_eq!(error.kind, MailErrorKind::Unreachable);
        assert!(error.message.contains("name the authority's certificate in `ca`"), "{error}");
        assert_eq!(server.mails().len(), 1);
    }
    let other = authority.issue(dir.path(), "other", &["mail.example.com"], Validity::Good);
    let server =
        SmtpServer::start(SmtpRules { tls: Some(smtp_tls(&other.cert, &other.key)), ..SmtpRules::default() });
    let settings = MailServer { ca: Some(ca.clone()), ..to(&server, Encryption::StartTls) };
    let error = send(&settings, letter()).await.unwrap_err();
    assert!(error.message.contains("is for mail.example.com, not for 127.0.0.1"), "{error}");
    let missing = MailServer { ca: Some(PathBuf::from("/nothing")), ..settings };
    let error = send(&missing, letter()).await.unwrap_err();
    assert!(error.message.starts_with("ca: "), "{error}");
}

#[tokio::test]
async fn what_is_put_between_the_answer_and_tls_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("the authority");
    let ca = dir.path().join("ca.crt");
    authority.write(&ca);
    let pair = authority.issue(dir.path(), "good", &["127.0.0.1"], Validity::Good);
    let server = SmtpServer::start(SmtpRules {
        tls: Some(smtp_tls(&pair.cert, &pair.key)),
        injected: "250-forged\r\n250 AUTH PLAIN\r\n",
        ..SmtpRules::default()
    });
    let settings = MailServer { ca: Some(ca), ..to(&server, Encryption::StartTls) };
    let error = send(&settings, letter()).await.unwrap_err();
    assert_eq!((error.kind, server.mails().len()), (MailErrorKind::Unreachable, 0), "{error}");
}

#[tokio::test]
async fn refusals_say_what_was_refused_and_whether_to_try_again() {
    let answers = |answers: &[(&'static str, &'static str)]| SmtpRules {
        answers: answers.to_vec(),
        ..SmtpRules::default()
    };
    for (rules, kind, says) in [
        (
            &[("", "554-no service\r\n554 for you")][..],
            MailErrorKind::Refused,
            "refused the connection: 554-no service 554 for you; ask its operator why; that is final (5xx)",
        ),
        (
            &[("", "421 too many connections")],
            MailErrorKind::RefusedForNow,
            "refused the connection: 421 too many connections; ask its operator why; that may pass (4xx), so another",
        ),
        (
            &[("", "SSH-2.0-x")],
            MailErrorKind::Unreachable,
            "does not greet as an SMTP server does (SSH-2.0-x)",
        ),
        (&[("EHLO", "550 go away")], MailErrorKind::Refused, "refused the connection: 550 go away; ask"),
        (
            &[("MAIL", "550 5.7.1 not from here")],
            MailErrorKind::Refused,
            "refused the sender: 550 5.7.1 not from here; check `from`; that is final (5xx)",
        ),
        (
            &[("RCPT TO:<dev", "450 4.2.1 greylisted"), ("RCPT TO:<boss", "550 5.1.1 unknown\u{7}user")],
            MailErrorKind::Refused,
            "refused these recipients: dev@example.com (450 4.2.1 greylisted), boss@example.com (550 5.1.1 unknown user); \
             nothing was sent, so the others did not get it either; check `to` and `cc`; that is final (5xx)",
        ),
        (
            &[("RCPT TO:<dev", "450 4.2.1 greylisted")],
            MailErrorKind::RefusedForNow,
            "that may pass (4xx), so another attempt can help (`policy.retry`)",
        ),
        (&[("DATA", "452 disk full")], MailErrorKind::RefusedForNow, "refused the mail: 452 disk full; ask"),
        (&[(END_OF_MAIL, "552 too large")], MailErrorKind::Refused, "refused the mail: 552 too large; ask"),
        (&[("EHLO", "xyz")], MailErrorKind::Unreachable, "does not greet as an SMTP server"),
    ] {
        let error = refused(answers(rules), |_| {}).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{rules:?}: {error}");
    }
}

#[tokio::test]
async fn connections_that_fail_say_what_to_check() {
    let error = refused(SmtpRules::default(), |settings| settings.encryption = Encryption::StartTls).await;
    assert!(error.message.contains("offers no STARTTLS, and nothing was sent"), "{error}");
    for encryption in [Encryption::StartTls, Encryption::None] {
        let rules = SmtpRules { answers: vec![("", "421 busy")], ..SmtpRules::default() };
        let error = refused(rules, |settings| settings.encryption = encryption).await;
        assert_eq!(error.kind, MailErrorKind::RefusedForNow, "{error}");
    }
    let error = refused(SmtpRules::default(), |settings| settings.login = login("p")).await;
    assert!(error.message.contains("offers no login with a password"), "{error}");
    let error = refused(SmtpRules::default(), |settings| settings.encryption = Encryption::Implicit).await;
    assert!(error.message.contains("usually 587 is `starttls`, 465 `implicit`"), "{error}");
    let error = refused(SmtpRules::default(), |settings| settings.port = 1).await;
    assert!(error.message.contains("127.0.0.1:1: connection refused; check `port`"), "{error}");
    let name = |settings: &mut MailServer| settings.server = "no-such-host.invalid".to_owned();
    let error = refused(SmtpRules::default(), name).await;
    assert!(error.message.contains("the name of the server cannot be resolved; check `server`"), "{error}");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    for (begin, says) in [
        ("", "no answer within 300ms, when it was to greet (timeout)"),
        ("RCPT", "no answer within 300ms, when it was to accept a recipient (timeout)"),
        (END_OF_MAIL, "when it was to confirm the mail; it may have been sent (timeout)"),
    ] {
        let rules = SmtpRules { answers: vec![(begin, "")], ..SmtpRules::default() };
        let error = refused(rules, |settings| settings.timeout = Duration::from_millis(300)).await;
        assert_eq!(error.kind, MailErrorKind::TimedOut, "{error}");
        assert!(error.message.contains(says), "{error}");
    }
    let rules = SmtpRules { answers: vec![("", "")], ..SmtpRules::default() };
    let by_name = |settings: &mut MailServer| {
        settings.timeout = Duration::from_millis(300);
        settings.server = "localhost".to_owned();
    };
    let error = refused(rules, by_name).await;
    assert!(error.message.contains("when it was to greet at 127.0.0.1 (timeout)"), "{error}");
}
