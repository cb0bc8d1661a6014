//! HTTP/1.1 on bare sockets: the bytes on the wire are exactly those of the test.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::wait::SOON;

/// The start line, headers and body of a request or a response.
#[derive(Clone)]
pub struct Message {
    /// First line.
    pub start: String,
    /// Headers as they came.
    pub headers: Vec<(String, String)>,
    /// Body, without its framing.
    pub body: Vec<u8>,
}

impl Message {
    /// A request with `Host: localhost`, to be sent once on its own connection.
    #[must_use]
    pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut message =
            Self { start: format!("{method} {path} HTTP/1.1"), headers: Vec::new(), body: body.to_vec() };
        message.set("Host", "localhost");
        for (name, value) in headers {
            message.set(name, value);
        }
        message
    }

    /// An answer.
    #[must_use]
    pub fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut message =
            Self { start: format!("HTTP/1.1 {status} Test"), headers: Vec::new(), body: body.to_vec() };
        for (name, value) in headers {
            message.set(name, value);
        }
        message
    }

    /// A header's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Sets a header.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    /// Method and path of a request.
    #[must_use]
    pub fn target(&self) -> (&str, &str) {
        let mut words = self.start.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The bytes, framed by their length; the connection ends afterwards.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if !["content-length", "transfer-encoding", "connection"].contains(&name.to_lowercase().as_str())
            {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }

    /// Reads one; `None` at the end of the stream or when it is broken.
    pub fn read(stream: &mut impl BufRead, is_response: bool) -> Option<Self> {
        loop {
            let start = line(stream)?;
            let mut headers = Vec::new();
            loop {
                let text = line(stream)?;
                if text.is_empty() {
                    break;
                }
                let (name, value) = text.split_once(':')?;
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            let mut message = Self { start, headers, body: Vec::new() };
            if is_response && message.start.starts_with("HTTP/1.1 1") {
                continue;
            }
            message.body = body(stream, &message, is_response)?;
            return Some(message);
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.start)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]))
    }
}

fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    stream.read_until(b'\n', &mut bytes).ok().filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

fn body(stream: &mut impl BufRead, message: &Message, is_response: bool) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if message.get("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        loop {
            let size = usize::from_str_radix(line(stream)?.split(';').next()?.trim(), 16).ok()?;
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).ok()?;
            body.extend(chunk);
            line(stream)?;
            if size == 0 {
                return Some(body);
            }
        }
    }
    match message.get("content-length").map(|length| length.parse::<usize>()) {
        Some(length) => {
            body.resize(length.ok()?, 0);
            stream.read_exact(&mut body).ok()?;
        }
        None if is_response && !message.start.contains(" 204") => {
            stream.read_to_end(&mut body).ok()?;
        }
        None => {}
    }
    Some(body)
}

/// An answer.
#[derive(Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Everything else.
    pub message: Message,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.message.fmt(f)
    }
}

impl Response {
    /// A header's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.message.get(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.message.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends these bytes and reads one answer; `None` when the other side ends without one.
pub fn exchange(stream: impl Read + Write, bytes: &[u8], head: bool) -> Option<Response> {
    let mut stream = BufReader::new(stream);
    // A server may refuse a long body before all of it was sent.
    let _ = stream.get_mut().write_all(bytes);
    let message = if head { read_head(&mut stream)? } else { Message::read(&mut stream, true)? };
    let status = message.start.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, message })
}

fn read_head(stream: &mut impl BufRead) -> Option<Message> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_until(b'\n', &mut bytes).ok().filter(|read| *read > 0)?;
    }
    let text = String::from_utf8_lossy(&bytes).replace("Content-Length", "Unread-Length");
    let text =
        text.replace("content-length", "unread-length").replace("transfer-encoding", "unread-encoding");
    Message::read(&mut text.as_bytes(), true)
}

/// A connection whose reads and writes have a deadline.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream =
        TcpStream::connect_timeout(&address, SOON).unwrap_or_else(|error| panic!("{address}: {error}"));
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// Sends one request and reads the answer.
pub fn send(address: SocketAddr, request: &Message) -> Response {
    let head = request.start.starts_with("HEAD");
    exchange(connect(address), &request.bytes(), head).unwrap_or_else(|| panic!("no answer to {request:?}"))
}

/// Sends one request over a unix socket and reads the answer.
pub fn send_unix(path: &Path, request: &Message) -> Response {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    exchange(stream, &request.bytes(), false).unwrap_or_else(|| panic!("no answer to {request:?}"))
}

/// Posts JSON as `curl` would.
pub fn post_json(address: SocketAddr, body: &[u8]) -> Response {
    post_to(address, "/", body)
}

/// The same, to this path.
pub fn post_to(address: SocketAddr, path: &str, body: &[u8]) -> Response {
    send(address, &Message::request("POST", path, &[("Content-Type", "application/json")], body))
}

/// Whether no process listens there.
#[must_use]
pub fn closed(address: SocketAddr) -> bool {
    matches!(TcpStream::connect_timeout(&address, SOON), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

/// A port that was free a moment ago, where port 0 cannot be used.
#[must_use]
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
