//! A connection to an SMTP server, up to where commands are sent: in the clear, or encrypted by herald-net's TLS.

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use herald_base::os_error;
use herald_net::tls::{ClientConfig, ClientFiles, ClientTls, explain};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::deadline::{NoneAccepts, first_that_accepts, within};
use crate::error::{MailError, MailErrorKind, SmtpRefusal};
use crate::server::{Encryption, MailServer};

/// The most bytes that a server may answer to one command.
const LONGEST_ANSWER: usize = 16 << 10;
/// The greeting for lettre: that of the server is read before, and after STARTTLS it greets nobody again.
const GREETED: &[u8] = b"220 greeted\r\n";

/// Connects, and encrypts the connection where that is wanted.
pub(crate) async fn connect(
    server: &MailServer,
    deadline: Instant,
) -> Result<AsyncSmtpConnection, MailError> {
    let config = match server.encryption {
        Encryption::None => None,
        Encryption::StartTls | Encryption::Implicit => {
            let what = "not connected to yet, because `ca` is read slowly";
            Some(within(server, deadline, what, tls_config(server)).await??)
        }
    };
    let (stream, peer) = tcp(server, deadline).await?;
    let ip = peer.ip().to_string();
    let what = if ip == server.server { "to greet".to_owned() } else { format!("to greet at {ip}") };
    within(server, deadline, &what, begin(server, config, stream, peer)).await?
}

/// Up to where the server says what it can do.
async fn begin(
    server: &MailServer,
    config: Option<Arc<ClientConfig>>,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> Result<AsyncSmtpConnection, MailError> {
    let stream: Box<dyn AsyncTokioStream> = match config {
        None => {
            greeting(server, &mut stream).await?;
            Box::new(SmtpStream::new(stream, peer))
        }
        Some(config) => {
            let is_implicit = server.encryption == Encryption::Implicit;
            if !is_implicit {
                start_tls(server, &mut stream).await?;
            }
            let mut encrypted = encrypt(server, config, stream).await?;
            if is_implicit {
                greeting(server, &mut encrypted).await?;
            }
            Box::new(SmtpStream::new(encrypted, peer))
        }
    };
    let own_name = ClientId::Domain(server.own_name.clone());
    let connected = AsyncSmtpConnection::connect_with_transport(stream, &own_name).await;
    connected.map_err(|error| {
        let text = error.source().map(ToString::to_string).unwrap_or_default();
        match (SmtpRefusal::of_error(&error), error.status()) {
            (Some(refusal), Some(code)) => refused(server, refusal, &format!("{code} {text}")),
            _ => not_smtp(server, &os_error::plain(&error.to_string())),
        }
    })
}

/// An error of the connection.
fn unreachable(server: &MailServer, what: impl std::fmt::Display) -> MailError {
    MailError::new(MailErrorKind::Unreachable, format!("{}: {what}", server.address()))
}

/// It answered with an error.
fn refused(server: &MailServer, refusal: SmtpRefusal, answer: &str) -> MailError {
    let (address, answer) = (server.address(), one_line(answer));
    let what =
        format!("{address} refused the connection: {answer}; ask its operator why; {}", refusal.later());
    MailError::new(refusal.kind(), what)
}

fn not_smtp(server: &MailServer, why: &str) -> MailError {
    unreachable(server, format!("it does not greet as an SMTP server does ({why}); {}", ports()))
}

fn ports() -> &'static str {
    "check `port` and `tls`: usually 587 is `starttls`, 465 `implicit`, 25 on this machine `none`"
}

async fn tls_config(server: &MailServer) -> Result<Arc<ClientConfig>, MailError> {
    let files = ClientFiles { ca: server.ca.clone(), identity: None };
    let loaded = tokio::task::spawn_blocking(move || ClientTls::load(files)).await;
    let loaded = loaded.map_err(|error| unreachable(server, error))?;
    let tls = loaded.map_err(|error| MailError::invalid(format!("{}: {error}", error.option)))?;
    let mut config = ClientConfig::clone(&*tls.config().await);
    // Its protocol is not HTTP.
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

/// Connects to the first of the server's addresses that accepts.
async fn tcp(server: &MailServer, deadline: Instant) -> Result<(TcpStream, SocketAddr), MailError> {
    let resolved = tokio::net::lookup_host((server.server.as_str(), server.port));
    let resolved = within(server, deadline, "resolved by the DNS", resolved).await?;
    let addresses: Vec<SocketAddr> = resolved.map(Iterator::collect).unwrap_or_default();
    if addresses.is_empty() {
        let what = "the name of the server cannot be resolved; check `server` and the DNS";
        return Err(unreachable(server, what));
    }
    let connected = first_that_accepts(&addresses, deadline, TcpStream::connect).await;
    connected.map_err(|NoneAccepts { why, timed_out }| {
        let own = format!("{}: ", server.server);
        let error = unreachable(server, format!("{}; {}", why.strip_prefix(&own).unwrap_or(&why), ports()));
        if timed_out { MailError { kind: MailErrorKind::TimedOut, ..error } } else { error }
    })
}

async fn encrypt(
    server: &MailServer,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, MailError> {
    let name = ServerName::try_from(server.server.clone())
        .map_err(|_| MailError::invalid(format!("server: \"{}\" is not a valid name", server.server)))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let why = explain(&error).unwrap_or_else(|| os_error::plain(&error.to_string()));
        // The option of a mail server has another name than that of an HTTP client.
        let why =
            why.replace("`tls: {ca}`", "`ca`").replace(": is its address http:// rather than https://?", "");
        unreachable(server, format!("{why}; {}", ports()))
    })
}

/// Asks the server to encrypt the connection. Its answers are read byte by byte: what somebody on the way put behind
/// the last one is then the beginning of a handshake, which fails, and not an answer that seems to be encrypted.
async fn start_tls(server: &MailServer, stream: &mut TcpStream) -> Result<(), MailError> {
    expect(server, stream, "220").await?;
    say(server, stream, &format!("EHLO {}\r\n", server.own_name)).await?;
    let offers = expect(server, stream, "250").await?;
    let offers_tls = offers
        .lines()
        .any(|line| line.get(4..).is_some_and(|offer| offer.trim().eq_ignore_ascii_case("STARTTLS")));
    if !offers_tls {
        return Err(unreachable(
            server,
            "the server offers no STARTTLS, and nothing was sent; use `tls: implicit` (port 465), or `tls: none` where \
             everybody on the way may read it",
        ));
    }
    say(server, stream, "STARTTLS\r\n").await?;
    expect(server, stream, "220").await.map(drop)
}

async fn say(server: &MailServer, stream: &mut TcpStream, command: &str) -> Result<(), MailError> {
    let written = stream.write_all(command.as_bytes()).await;
    written.map_err(|error| unreachable(server, os_error::plain(&error.to_string())))
}

/// Waits for the server to greet.
async fn greeting(server: &MailServer, stream: &mut (impl AsyncRead + Unpin)) -> Result<(), MailError> {
    let answer = read_answer(server, stream, "greeted").await?;
    match SmtpRefusal::of(&answer) {
        None if answer.starts_with("220") => Ok(()),
        None => Err(not_smtp(server, &one_line(&answer))),
        Some(refusal) => Err(refused(server, refusal, &answer)),
    }
}

/// Reads an answer that begins with this code, before the connection is encrypted.
async fn expect(server: &MailServer, stream: &mut TcpStream, code: &str) -> Result<String, MailError> {
    let answer = read_answer(server, stream, "was encrypted").await?;
    if answer.starts_with(code) {
        return Ok(answer);
    }
    Err(match SmtpRefusal::of(&answer) {
        Some(refusal) => refused(server, refusal, &answer),
        None => {
            let shown = one_line(&answer);
            unreachable(server, format!("it answered {shown:?}, before it was encrypted; {}", ports()))
        }
    })
}

/// Reads an answer, which may have several lines.
async fn read_answer(
    server: &MailServer,
    stream: &mut (impl AsyncRead + Unpin),
    before_it: &str,
) -> Result<String, MailError> {
    let (mut answer, mut line) = (String::new(), Vec::new());
    while answer.len() + line.len() < LONGEST_ANSWER {
        let byte = stream.read_u8().await.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
                _ => os_error::plain(&error.to_string()),
            };
            unreachable(server, format!("{why} before it {before_it}; {}", ports()))
        })?;
        line.push(byte);
        if byte == b'\n' {
            answer.push_str(&String::from_utf8_lossy(&line));
            // Lines that are not the last one have a dash behind the code.
            let goes_on = line.get(3) == Some(&b'-') && line[..3].iter().all(u8::is_ascii_digit);
            if !goes_on {
                return Ok(answer);
            }
            line.clear();
        }
    }
    Err(unreachable(server, format!("its answer is too long for an SMTP server; {}", ports())))
}

/// An answer as a part of a sentence.
pub(crate) fn one_line(answer: &str) -> String {
    const LONGEST: usize = 300;
    let words: Vec<&str> = answer.split(|c: char| c.is_control() || c.is_whitespace()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// A stream that is read within a bound, after a greeting that was read already.
#[derive(Debug)]
struct SmtpStream<S> {
    stream: S,
    peer: SocketAddr,
    greeting: &'static [u8],
    /// How many bytes the server may still send before something is sent to it.
    left: usize,
}

impl<S> SmtpStream<S> {
    fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream, peer, greeting: GREETED, left: LONGEST_ANSWER }
    }
}

impl<S> AsyncTokioStream for SmtpStream<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SmtpStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.greeting.is_empty() {
            let (now, later) = this.greeting.split_at(this.greeting.len().min(into.remaining()));
            into.put_slice(now);
            this.greeting = later;
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, into);
        let came = into.filled().len() - before;
        match this.left.checked_sub(came) {
            Some(left) => this.left = left,
            None => return Poll::Ready(Err(io::Error::other("the server sends too much"))),
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SmtpStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left = LONGEST_ANSWER;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_answer_is_read_within_the_bound() {
        let (client, mut server) = tokio::io::duplex(LONGEST_ANSWER * 2);
        let mut stream = SmtpStream::new(client, SocketAddr::from(([127, 0, 0, 1], 25)));
        stream.read_exact(&mut [0; GREETED.len()]).await.unwrap();
        let mut buffer = vec![0; LONGEST_ANSWER];
        for _ in 0..3 {
            server.write_all(&vec![b'a'; LONGEST_ANSWER]).await.unwrap();
            stream.read_exact(&mut buffer).await.unwrap();
            stream.write_all(b"NOOP\r\n").await.unwrap();
        }
        server.write_all(&vec![b'a'; LONGEST_ANSWER + 1]).await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.to_string(), "the server sends too much");
    }
}
