//! Clients that post numbered events, and remember which of them were acknowledged.
//!
//! Every second event bears a key. When its answer did not come, it is sent again after the next start, as a client does
//! that wants to be sure.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Connections at once.
const CLIENTS: usize = 4;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was sent over all rounds.
#[derive(Default)]
pub(crate) struct Sent {
    next: AtomicU64,
    /// By number: the event's id, once it was acknowledged.
    acknowledged: Mutex<HashMap<u64, String>>,
    /// With a key, and without an answer.
    unanswered: Mutex<Vec<u64>>,
    refused: AtomicU64,
}

impl Sent {
    /// The events that were acknowledged, by number.
    pub(crate) fn acknowledged(&self) -> HashMap<u64, String> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many were acknowledged.
    pub(crate) fn count(&self) -> u64 {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// How many were turned away.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// An event that is to be sent: one that was not answered, or a new one.
    fn take(&self) -> u64 {
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).pop();
        unanswered.unwrap_or_else(|| self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// Sends one event. `None`: there was no answer, and the connection is of no use any more.
    pub(crate) fn send(&self, stream: &mut TcpStream) -> Option<u16> {
        let n = self.take();
        let answer = exchange(stream, &request(n));
        match &answer {
            Some((200, body)) => {
                let id = body.split('"').nth(3).unwrap_or_default().to_owned();
                self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(n, id);
            }
            Some(_) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                self.keep(n);
            }
            None => self.keep(n),
        }
        answer.map(|(status, _)| status)
    }

    fn keep(&self, n: u64) {
        if has_key(n) {
            self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).push(n);
        }
    }
}

/// Whether the event of this number bears a key.
pub(crate) fn has_key(n: u64) -> bool {
    n % 2 == 1
}

fn request(n: u64) -> String {
    let body = format!("{{\"n\":{n}}}");
    let key = if has_key(n) { format!("Idempotency-Key: event-{n}\r\n") } else { String::new() };
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{key}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The status and the body of the answer. `None`: there is none, or not a whole one.
fn exchange(stream: &mut TcpStream, request: &str) -> Option<(u16, String)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            })?;
            if body.len() >= length {
                return Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()));
            }
        }
        match stream.read(&mut buffer) {
            Ok(read @ 1..) => bytes.extend_from_slice(buffer.get(..read)?),
            _ => return None,
        }
    }
}

/// A connection to the daemon.
pub(crate) fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

/// Clients at work; they end when told, or when nobody answers.
pub(crate) struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Clients {
    /// Begins to post.
    pub(crate) fn start(address: SocketAddr, sent: &Arc<Sent>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (sent, over) = (sent.clone(), over.clone());
            std::thread::spawn(move || {
                let Some(mut stream) = connect(address) else { return };
                while !over.load(Ordering::SeqCst) {
                    match sent.send(&mut stream) {
                        Some(200) => {}
                        // Turned away: there is no hurry.
                        Some(_) => std::thread::sleep(Duration::from_millis(2)),
                        None => return,
                    }
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { over, threads }
    }

    /// Ends the posting, and waits for it.
    pub(crate) fn stop(self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            // A client that panicked would show as an event without an answer.
            let _ = thread.join();
        }
    }
}
