//! Forwards connections, and cuts them at a byte.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Result;

use super::random::Random;

/// Forwards bytes, and cuts each connection after this many in either direction.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Mutex<Option<SocketAddr>>,
    limit: AtomicU64,
    over: AtomicBool,
    /// How many bytes each living connection has left.
    living: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Proxy {
    /// Forwards to this address.
    pub(crate) fn start(upstream: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: Mutex::new(Some(upstream)),
            limit: AtomicU64::new(u64::MAX),
            over: AtomicBool::new(false),
            living: Mutex::default(),
        });
        let (own, mut random) = (shared.clone(), Random::new(seed));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if own.over.load(Ordering::SeqCst) {
                    return;
                }
                own.forward(&near, &mut random);
            }
        });
        Ok(Self { address, shared })
    }

    /// Forwards new connections to this address from now on, or refuses them.
    pub(crate) fn forward_to(&self, upstream: Option<SocketAddr>) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// Cuts new connections after this many bytes: half of them, or nothing ever would get through.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.shared.limit.store(bytes, Ordering::SeqCst);
    }

    /// Cuts each connection that there is after less than this many further bytes.
    pub(crate) fn cut_living(&self, most: u64, random: &mut Random) {
        for left in self.shared.living().iter().filter_map(Weak::upgrade) {
            left.store(random.below(most), Ordering::SeqCst);
        }
    }
}

impl Shared {
    fn living(&self) -> std::sync::MutexGuard<'_, Vec<Weak<AtomicU64>>> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forward(&self, near: &TcpStream, random: &mut Random) {
        let upstream = *self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Ok(far)) = upstream.map(TcpStream::connect) else { return };
        // It must be no slower than the connection that it is for.
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let most = self.limit.load(Ordering::SeqCst);
        let limit = if most < u64::MAX && random.below(2) == 0 { most } else { u64::MAX };
        let left = Arc::new(AtomicU64::new(limit));
        let mut living = self.living();
        living.retain(|left| left.strong_count() > 0);
        living.push(Arc::downgrade(&left));
        for (from, to) in [(near, &far), (&far, near)] {
            let (Ok(from), Ok(to), left) = (from.try_clone(), to.try_clone(), left.clone()) else {
                continue;
            };
            std::thread::spawn(move || pass_on(from, to, &left));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, left: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let before = left.load(Ordering::SeqCst);
        let passes = usize::try_from(before).unwrap_or(usize::MAX).min(read);
        if before < u64::MAX {
            left.store(before.saturating_sub(read as u64), Ordering::SeqCst);
        }
        if to.write_all(&buffer[..passes]).is_err() || passes < read {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
