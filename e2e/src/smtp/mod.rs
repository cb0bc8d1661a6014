//! A small SMTP server: keeps every mail, and answers as a test wants it to, with TLS or without.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::wait::{SOON, until};

/// What begins the line that ends a mail, for [`SmtpRules::answers`].
pub const END_OF_MAIL: &str = ".";

/// How the server behaves.
#[derive(Default)]
pub struct SmtpRules {
    /// The certificate and the key.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether TLS begins with the first byte, rather than with STARTTLS.
    pub is_implicit: bool,
    /// Who must log in.
    pub login: Option<(String, String)>,
    /// By the beginning of a command (the greeting is `""`): what is answered instead. An empty answer is none: the
    /// server waits for the client to go away.
    pub answers: Vec<(&'static str, &'static str)>,
    /// Written in the same packet behind the answer to STARTTLS, as somebody on the way would.
    pub injected: &'static str,
}

impl SmtpRules {
    fn answer_to<'a>(&'a self, command: &str, usual: &'a str) -> &'a str {
        let other = self.answers.iter().find(|(begin, _)| {
            if begin.is_empty() { command.is_empty() } else { command.starts_with(begin) }
        });
        other.map_or(usual, |(_, answer)| answer)
    }
}

/// A mail that came.
#[derive(Debug, Clone, Default)]
pub struct ReceivedMail {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// Head and body.
    pub data: String,
    /// Who had logged in.
    pub user: Option<String>,
    /// Whether it came encrypted.
    pub is_encrypted: bool,
}

/// The server.
pub struct SmtpServer {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<ReceivedMail>>>,
    lines: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
}

/// TLS with these PEM files.
#[must_use]
pub fn smtp_tls(cert: &Path, key: &Path) -> Arc<ServerConfig> {
    let certs = CertificateDer::pem_file_iter(cert).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(certs, key).unwrap())
}

impl SmtpServer {
    /// Starts one on a free port.
    #[must_use]
    pub fn start(rules: SmtpRules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            mails: Arc::default(),
            lines: Arc::default(),
            over: Arc::default(),
        };
        let (mails, lines, over) = (server.mails.clone(), server.lines.clone(), server.over.clone());
        let rules = Arc::new(rules);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let _ = stream.set_read_timeout(Some(SOON));
                let (rules, mails, lines) = (rules.clone(), mails.clone(), lines.clone());
                std::thread::spawn(move || {
                    SmtpSession {
                        rules: &rules,
                        mails: &mails,
                        lines: &lines,
                        user: None,
                        is_encrypted: false,
                    }
                    .serve(stream);
                });
            }
        });
        server
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mails so far.
    #[must_use]
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.mails.lock().unwrap().clone()
    }

    /// The commands so far, those of logins left out.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// So many mails, once they have come.
    #[must_use]
    pub fn wait(&self, count: usize) -> Vec<ReceivedMail> {
        until("mails", || Some(self.mails()).filter(|mails| mails.len() >= count))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl ReceivedMail {
    /// The value of a header that is on one line.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.data.split_once("\r\n\r\n").map_or(&*self.data, |(head, _)| head);
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What follows the head.
    #[must_use]
    pub fn body(&self) -> &str {
        self.data.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

struct SmtpSession<'a> {
    rules: &'a SmtpRules,
    mails: &'a Mutex<Vec<ReceivedMail>>,
    lines: &'a Mutex<Vec<String>>,
    user: Option<String>,
    is_encrypted: bool,
}

impl SmtpSession<'_> {
    fn serve(&mut self, stream: TcpStream) {
        if self.rules.is_implicit {
            let Some(stream) = self.encrypt(stream) else { return };
            self.speak(stream, true);
        } else if let Some(stream) = self.speak(stream, true)
            && let Some(stream) = self.encrypt(stream)
        {
            self.speak(stream, false);
        }
    }

    fn encrypt(&mut self, stream: TcpStream) -> Option<StreamOwned<ServerConnection, TcpStream>> {
        self.is_encrypted = true;
        Some(StreamOwned::new(ServerConnection::new(self.rules.tls.clone()?).ok()?, stream))
    }

    /// Speaks until the client goes, or wants TLS: then the stream is returned.
    fn speak<S: Read + Write>(&mut self, stream: S, greets: bool) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greets {
            self.answer(&mut stream, "", "220 test ESMTP")?;
        }
        let mut mail = ReceivedMail::default();
        loop {
            let line = read_line(&mut stream)?;
            let command = line.to_ascii_uppercase();
            if !command.starts_with("AUTH") {
                self.lines.lock().unwrap().push(line.clone());
            }
            let usual = self.usual(&command, &line);
            if command == "STARTTLS" && self.answer(&mut stream, &line, &usual)? {
                stream.get_mut().write_all(self.rules.injected.as_bytes()).ok()?;
                return Some(stream.into_inner());
            }
            if command == "STARTTLS" || !self.answer(&mut stream, &line, &usual)? {
                continue;
            }
            if let Some(from) = command.strip_prefix("MAIL FROM:").map(|_| &line["MAIL FROM:".len()..]) {
                mail = ReceivedMail { from: bare(from), ..ReceivedMail::default() };
            } else if command.starts_with("RCPT TO:") {
                mail.to.push(bare(&line["RCPT TO:".len()..]));
            } else if command == "DATA" {
                mail.data = read_mail(&mut stream)?;
                const QUEUED: &str = "250 queued as 42";
                // It is kept by the time the client knows.
                if self.rules.answer_to(END_OF_MAIL, QUEUED).starts_with('2') {
                    let (user, is_encrypted) = (self.user.clone(), self.is_encrypted);
                    self.mails.lock().unwrap().push(ReceivedMail { user, is_encrypted, ..mail.clone() });
                }
                self.answer(&mut stream, END_OF_MAIL, QUEUED)?;
            } else if command == "QUIT" {
                return None;
            }
        }
    }

    fn usual(&mut self, command: &str, line: &str) -> String {
        let Some((verb, rest)) = command.split_once(' ').or(Some((command, ""))) else {
            return String::new();
        };
        match verb {
            "EHLO" => {
                let tls = self.rules.tls.is_some() && !self.is_encrypted;
                let starttls = if tls { "250-STARTTLS\r\n" } else { "" };
                let auth = if self.rules.login.is_some() && !tls { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
                format!("250-test\r\n{starttls}{auth}250 8BITMIME")
            }
            "AUTH" if rest.starts_with("PLAIN ") => {
                let given = STANDARD.decode(&line["AUTH PLAIN ".len()..]).unwrap_or_default();
                let given = String::from_utf8_lossy(&given).into_owned();
                let mut parts = given.split('\0').skip(1).map(str::to_owned);
                match (&self.rules.login, parts.next(), parts.next()) {
                    (Some((user, password)), Some(name), Some(word))
                        if *user == name && *password == word =>
                    {
                        self.user = Some(name);
                        "235 welcome".to_owned()
                    }
                    // As a careless server would.
                    (_, _, word) => format!("535 5.7.8 wrong password {}", word.unwrap_or_default()),
                }
            }
            "MAIL" if self.rules.login.is_some() && self.user.is_none() => "530 log in first".to_owned(),
            "STARTTLS" => "220 go ahead".to_owned(),
            "DATA" => "354 go ahead".to_owned(),
            "QUIT" => "221 bye".to_owned(),
            _ => "250 fine".to_owned(),
        }
    }

    /// Answers, and says whether that was positive. `None`: nothing more is said.
    fn answer<S: Read + Write>(&self, stream: &mut BufReader<S>, command: &str, usual: &str) -> Option<bool> {
        let answer = self.rules.answer_to(command, usual);
        if answer.is_empty() {
            let _ = std::io::copy(stream, &mut std::io::sink());
            return None;
        }
        let stream = stream.get_mut();
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        stream.flush().ok()?;
        Some(answer.starts_with(['2', '3']))
    }
}

/// `<a@b> SIZE=1` is `a@b`.
fn bare(path: &str) -> String {
    let path = path.split_once('>').map_or(path, |(path, _)| path);
    path.trim().trim_start_matches('<').to_owned()
}

fn read_line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

fn read_mail(stream: &mut impl BufRead) -> Option<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
