//! Clients that post numbered events, and remember which of them were acknowledged.
//!
//! Every second event has a key. If its response did not arrive, it is sent again after the next start, like a reliable
//! client does.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Concurrent connections.
const CLIENTS: usize = 4;
/// Time limit for a response.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was sent over all rounds.
#[derive(Default)]
pub(crate) struct Sent {
    next: AtomicU64,
    /// By number: the event's id, once it was acknowledged.
    acknowledged: Mutex<HashMap<u64, String>>,
    /// With a key, and without a response.
    unanswered: Mutex<Vec<u64>>,
    refused: AtomicU64,
}

impl Sent {
    /// The events that were acknowledged, by number.
    pub(crate) fn acknowledged(&self) -> HashMap<u64, String> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of acknowledged events.
    pub(crate) fn count(&self) -> u64 {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// The number of rejected events.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// The next event to send: one without a response, or a new one.
    fn take(&self) -> u64 {
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).pop();
        unanswered.unwrap_or_else(|| self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// Sends one event. `None`: there was no response, and the connection cannot be used any more.
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

/// Whether the event with this number has a key.
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

/// The status and the body of the response. `None`: there is none, or an incomplete one.
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

/// Running clients; they stop on request, or when there is no response.
pub(crate) struct Clients {
    over: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Clients {
    /// Starts to post.
    pub(crate) fn start(address: SocketAddr, sent: &Arc<Sent>) -> Self {
        Self::start_slow(address, sent, Duration::ZERO)
    }

    /// Starts to post; each waits for so long before its next event.
    pub(crate) fn start_slow(address: SocketAddr, sent: &Arc<Sent>, pace: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (sent, over) = (sent.clone(), over.clone());
            std::thread::spawn(move || {
                let Some(mut stream) = connect(address) else { return };
                while !over.load(Ordering::SeqCst) {
                    match sent.send(&mut stream) {
                        Some(200) => std::thread::sleep(pace),
                        // Rejected: wait before the next one.
                        Some(_) => std::thread::sleep(Duration::from_millis(2)),
                        None => return,
                    }
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { over, threads }
    }

    /// Waits until one more event was acknowledged: on a busy machine the first answer can take long.
    pub(crate) fn wait_for_one(&self, sent: &Sent) {
        let (before, began) = (sent.count(), Instant::now());
        while sent.count() == before && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops the posting, and waits for its end.
    pub(crate) fn stop(self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads {
            // A client that panicked would show as an event without an answer.
            let _ = thread.join();
        }
    }
}
