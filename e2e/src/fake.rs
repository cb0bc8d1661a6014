//! Fake servers: one with given responses, and one between two programs.

use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::http::{Message, connect};
use crate::wait::{SOON, until};

/// What a server does with a request: respond, or close the connection without a response.
pub type Handler = dyn Fn(&Message) -> Option<Message> + Send + Sync;

/// A server that keeps every request.
pub struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Message>>>,
    over: Arc<AtomicBool>,
}

impl Fake {
    /// Starts one.
    #[must_use]
    pub fn start(handler: impl Fn(&Message) -> Option<Message> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let handler: Arc<Handler> = Arc::new(handler);
        let (seen_there, over_there) = (seen.clone(), over.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over_there.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), seen, handler) = (stream, seen_there.clone(), handler.clone()) else {
                    continue;
                };
                std::thread::spawn(move || serve(stream, &seen, &*handler));
            }
        });
        Self { address, seen, over }
    }

    /// A server that always gives this answer.
    #[must_use]
    pub fn answering(answer: Message) -> Self {
        Self::start(move |_| Some(answer.clone()))
    }

    /// One between a program and `upstream` that passes each answer through `change`; `None` closes the connection.
    #[must_use]
    pub fn between(
        upstream: SocketAddr,
        change: impl Fn(&Message, Message) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |request| {
            let mut stream = connect(upstream);
            stream.write_all(&request.bytes()).ok()?;
            change(request, Message::read(&mut BufReader::new(stream), true)?)
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().unwrap().clone()
    }

    /// The first request, once it arrived.
    #[must_use]
    pub fn wait_first(&self) -> Message {
        until("a request", || self.seen().into_iter().next())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Message>>, handler: &Handler) {
    let _ = stream.set_read_timeout(Some(SOON));
    let mut stream = BufReader::new(stream);
    if let Some(request) = Message::read(&mut stream, false) {
        seen.lock().unwrap().push(request.clone());
        if let Some(answer) = handler(&request) {
            let _ = stream.get_mut().write_all(&answer.bytes());
        }
    }
    let _ = stream.get_ref().shutdown(Shutdown::Both);
}
