//! The load generator: many connections on one thread that repeat the same small request, with as little work of its
//! own as possible.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// In a request, this text is replaced by a number, different for each request, with as many hex digits.
pub(crate) const NUMBER: &str = "%%%%%%%%%%%%";

/// The next number. Every load uses other numbers: a repeated one would count as the same delivery, sent again.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What to send, and how.
#[derive(Clone)]
pub(crate) struct Load {
    /// The address.
    pub(crate) address: SocketAddr,
    /// The whole request.
    pub(crate) request: String,
    /// Concurrent connections.
    pub(crate) connections: usize,
    /// Requests that are sent before the first response is read.
    pub(crate) pipeline: usize,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so long; the first fifth is warm-up and does not count.
    Time(Duration),
    /// After so many requests.
    Count(usize),
}

/// The result of a run.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    /// Responses with status 200.
    pub(crate) accepted: usize,
    /// Responses with another status (429 or 503: back-pressure).
    pub(crate) refused: usize,
    /// Time of the counted responses.
    pub(crate) took: Duration,
    /// Time of each counted response, in milliseconds; pipelined requests of one pipeline count together.
    pub(crate) latencies: Vec<f64>,
}

impl Answers {
    /// Accepted a second.
    pub(crate) fn rate(&self) -> f64 {
        self.accepted as f64 / self.took.as_secs_f64()
    }
}

/// Sends the load from one thread and waits for its end.
pub(crate) fn run(load: &Load, until: Until) -> Result<Answers> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = match until {
        Until::Time(time) => time * 2 + Duration::from_secs(10),
        Until::Count(_) => Duration::from_secs(300),
    };
    let all = LocalSet::new();
    let outcome =
        runtime.block_on(all.run_until(async { tokio::time::timeout(limit, send(load, until)).await }));
    outcome.context("the load did not end in time")?
}

/// The state that all connections of a run share; they are on one thread.
struct Shared {
    counts_from: Instant,
    ends: Option<Instant>,
    left: Cell<usize>,
    accepted: Cell<usize>,
    refused: Cell<usize>,
    latencies: RefCell<Vec<f64>>,
}

impl Shared {
    fn new(until: Until) -> Self {
        let now = Instant::now();
        let (counts_from, ends, left) = match until {
            Until::Time(time) => (now + time / 5, Some(now + time), usize::MAX),
            Until::Count(count) => (now, None, count),
        };
        Self {
            counts_from,
            ends,
            left: Cell::new(left),
            accepted: Cell::new(0),
            refused: Cell::new(0),
            latencies: RefCell::default(),
        }
    }

    /// How many of the next `most` requests may be sent: 0 ends the connection.
    fn next(&self, now: Instant, most: usize) -> usize {
        if self.ends.is_some_and(|ends| now >= ends) {
            return 0;
        }
        let granted = most.min(self.left.get());
        self.left.set(self.left.get() - granted);
        granted
    }

    fn count(&self, cell: &Cell<usize>, now: Instant, sent_at: Instant) {
        if now >= self.counts_from && self.ends.is_none_or(|ends| now <= ends) {
            cell.set(cell.get() + 1);
            self.latencies.borrow_mut().push((now - sent_at).as_secs_f64() * 1000.0);
        }
    }
}

async fn send(load: &Load, until: Until) -> Result<Answers> {
    let shared = Rc::new(Shared::new(until));
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        connections.push(tokio::task::spawn_local(talk(stream, load.clone(), shared.clone())));
    }
    for connection in connections {
        connection.await??;
    }
    let took = shared.ends.unwrap_or_else(Instant::now) - shared.counts_from;
    let latencies = shared.latencies.take();
    Ok(Answers { accepted: shared.accepted.get(), refused: shared.refused.get(), took, latencies })
}

/// One connection, until there is nothing more to send.
async fn talk(mut stream: TcpStream, load: Load, shared: Rc<Shared>) -> Result<()> {
    let mut batch = load.request.repeat(load.pipeline).into_bytes();
    let numbers: Vec<usize> = numbers_in(&batch);
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut filled = 0;
    let mut usual = 0;
    loop {
        let sent_at = Instant::now();
        let sent = shared.next(sent_at, load.pipeline);
        if sent == 0 {
            return Ok(());
        }
        for at in &numbers {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            batch[*at..*at + NUMBER.len()].copy_from_slice(format!("{number:012x}").as_bytes());
        }
        stream.write_all(&batch[..load.request.len() * sent]).await?;
        let mut open = sent;
        while open > 0 {
            let read = stream.read(&mut buffer[filled..]).await?;
            ensure!(read > 0, "the connection was closed by {}", load.address);
            filled += read;
            let now = Instant::now();
            let mut at = 0;
            while let Some(length) = answer_length(&buffer[at..filled], usual)? {
                usual = length;
                let accepted = buffer[at..filled].starts_with(b"HTTP/1.1 200");
                shared.count(if accepted { &shared.accepted } else { &shared.refused }, now, sent_at);
                at += length;
                open -= 1;
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
        }
    }
}

/// The positions of the numbers in these requests.
fn numbers_in(requests: &[u8]) -> Vec<usize> {
    let windows = requests.windows(NUMBER.len()).enumerate();
    windows.filter(|(_, window)| *window == NUMBER.as_bytes()).map(|(at, _)| at).collect()
}

/// The length of the first response in the buffer, if it is complete. Most responses have the `usual` length: if one of
/// that length fits, its headers are not parsed.
fn answer_length(bytes: &[u8], usual: usize) -> Result<Option<usize>> {
    let fits = usual > 0 && bytes.len() >= usual && bytes[usual - 1] == b'}';
    if fits && (bytes.len() == usual || bytes[usual..].starts_with(b"HTTP/1.1 ")) {
        return Ok(Some(usual));
    }
    let Some(head) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let name = b"content-length: ";
    let lower = bytes[..head].to_ascii_lowercase();
    let at = find(&lower, name).context("an answer without Content-Length")? + name.len();
    let digits = lower[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0_usize, |number, digit| number * 10 + usize::from(digit - b'0'));
    let whole = head + 4 + body;
    Ok((bytes.len() >= whole).then_some(whole))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_numbers_stand() {
        let request = format!("POST / HTTP/1.1\r\nid: 1-{NUMBER}\r\n\r\n");
        for (requests, expected) in
            [(String::from("%%%%%%"), vec![]), (request.clone(), vec![23]), (request.repeat(2), vec![23, 62])]
        {
            assert_eq!(numbers_in(requests.as_bytes()), expected, "{requests}");
        }
        assert_eq!(format!("{:012x}", 1_u64 << 40).len(), NUMBER.len());
    }

    #[test]
    fn knows_where_an_answer_ends() {
        for (text, usual, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP", 0, Some(40)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\n{}", 0, Some(46)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: y\r\n\r\n{}", 40, Some(46)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200", 40, Some(40)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", 0, None),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", 40, None),
            ("HTTP/1.1 200 OK\r\nContent-Le", 0, None),
        ] {
            assert_eq!(answer_length(text.as_bytes(), usual).unwrap(), expected, "{text}");
        }
        assert!(answer_length(b"HTTP/1.1 200 OK\r\n\r\n", 0).is_err());
    }
}
