//! Request bodies, whole, within bounds of size, time and memory.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// What all bodies that a process reads at the same time may take together, beyond the first bytes of each.
static ROOM: BodyRoom = BodyRoom::new(128 << 10);
/// So many bytes of each body take no room: nearly every body is shorter, and never waits.
const FREE: usize = 64 << 10;
/// The least room that a longer body takes at once, so that bodies of a usual length do not wait for each other.
const STEP: usize = 1 << 20;
/// How long a body waits for room.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// A body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed.
    #[error("the body is too long")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// Too much memory is in use by bodies that are not whole yet.
    #[error("too many large bodies are being received; try again later")]
    NoRoom,
    /// The connection broke, or the body's framing did.
    #[error("the body could not be read: {0}")]
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

/// Reads a body of at most `most` bytes that arrives as a whole within `deadline`. A body that announces that it
/// is longer is refused before it is read. All bodies that are being read share a bounded room.
///
/// # Errors
/// [`BodyError`].
pub async fn read_whole<B>(body: B, most: u64, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
{
    ROOM.read(body, most, deadline).await
}

/// The memory for bodies that are being read.
struct BodyRoom {
    kib: u32,
    free_kib: Semaphore,
}

impl BodyRoom {
    const fn new(kib: u32) -> Self {
        Self { kib, free_kib: Semaphore::const_new(kib as usize) }
    }

    async fn read<B>(&self, mut body: B, most: u64, deadline: Duration) -> Result<Bytes, BodyError>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
    {
        let announced = body.size_hint();
        if announced.lower() > most {
            return Err(BodyError::TooLarge);
        }
        let longest = usize::try_from(announced.exact().unwrap_or(most)).unwrap_or(usize::MAX);
        let read = async {
            let mut partial = PartialBody::new(self, longest);
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(|error| BodyError::Broken(error.into()))?.into_data() else {
                    continue;
                };
                if partial.len().saturating_add(data.len()) as u64 > most {
                    return Err(BodyError::TooLarge);
                }
                partial.push(data).await?;
                if body.is_end_stream() {
                    break;
                }
            }
            Ok(partial.into_bytes())
        };
        timeout(deadline, read).await.unwrap_or(Err(BodyError::TooSlow))
    }
}

/// As much of a body as has come. It takes at most twice the memory of that, and never more than the whole body.
struct PartialBody<'a> {
    room: &'a BodyRoom,
    /// The announced length, else the longest that is allowed.
    longest: usize,
    /// The first piece: nearly every body is one piece, and is not copied.
    first: Bytes,
    /// All pieces, once there are two.
    whole: Vec<u8>,
    /// The length up to which there is room for it.
    covered: usize,
    taken: Option<SemaphorePermit<'a>>,
}

impl<'a> PartialBody<'a> {
    fn new(room: &'a BodyRoom, longest: usize) -> Self {
        Self { room, longest, first: Bytes::new(), whole: Vec::new(), covered: FREE, taken: None }
    }

    fn len(&self) -> usize {
        self.first.len() + self.whole.len()
    }

    async fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        let length = self.len().saturating_add(data.len());
        self.cover(length).await?;
        if self.len() == 0 {
            self.first = data;
            return Ok(());
        }
        if self.whole.capacity() < length {
            let ample = length.saturating_mul(2).min(self.longest).min(self.covered).max(length);
            self.whole.reserve_exact(ample - self.whole.len());
        }
        self.whole.extend_from_slice(&std::mem::take(&mut self.first));
        self.whole.extend_from_slice(&data);
        Ok(())
    }

    /// Takes the room that this length needs, and some of what is to come. One body takes half of all room at most.
    async fn cover(&mut self, length: usize) -> Result<(), BodyError> {
        if length <= self.covered {
            return Ok(());
        }
        let ample = length.saturating_mul(2).max(STEP).min(self.longest).max(length);
        let most = self.room.kib / 2;
        let wanted = u32::try_from((ample - FREE).div_ceil(1 << 10)).unwrap_or(u32::MAX).min(most);
        let taken = self.taken.as_ref().map_or(0, SemaphorePermit::num_permits);
        let more = wanted.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        let Ok(Ok(permit)) = timeout(ROOM_WAIT, self.room.free_kib.acquire_many(more)).await else {
            return Err(BodyError::NoRoom);
        };
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        self.covered = if wanted == most { usize::MAX } else { ample };
        Ok(())
    }

    fn into_bytes(self) -> Bytes {
        if self.whole.is_empty() { self.first } else { Bytes::from(self.whole) }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::StreamExt as _;
    use futures_util::future::join;
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::time::{Instant, sleep};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);
    const PIECE: usize = 16 << 10;
    /// Three quarters of the room that these tests have, and what of it is free.
    const LARGE: usize = 192 << 10;

    /// A body of so many bytes in pieces; its end comes after this time.
    fn body(length: usize, end: Duration) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let pieces = stream::iter(0..length / PIECE).map(|_| Ok(Frame::data(Bytes::from(vec![b'x'; PIECE]))));
        let last = Box::pin(stream::once(async move {
            sleep(end).await;
            Ok(Frame::data(Bytes::new()))
        }));
        StreamBody::new(pieces.chain(last))
    }

    async fn outcome(room: &BodyRoom, length: usize, end: Duration) -> Result<usize, String> {
        let read = room.read(body(length, end), LARGE as u64, LONG).await;
        read.map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_room_and_small_ones_do_not() {
        // One large body takes half of it.
        for (end, third) in [
            (Duration::from_secs(60), Err(BodyError::NoRoom.to_string())),
            (Duration::from_secs(3), Ok(LARGE)),
        ] {
            let room = BodyRoom::new(256);
            let stalled = join(outcome(&room, LARGE, end), outcome(&room, LARGE, end));
            let others = async {
                sleep(Duration::from_millis(1)).await;
                assert_eq!(room.free_kib.available_permits(), 0);
                let begun = Instant::now();
                assert_eq!(outcome(&room, FREE, Duration::ZERO).await, Ok(FREE));
                assert!(begun.elapsed() < Duration::from_millis(10));
                assert_eq!(outcome(&room, LARGE, Duration::ZERO).await, third);
                assert!(begun.elapsed() < ROOM_WAIT + Duration::from_millis(10));
            };
            let (stalled, ()) = join(stalled, others).await;
            let expected = if end > LONG { Err(BodyError::TooSlow.to_string()) } else { Ok(LARGE) };
            assert_eq!(stalled, (expected.clone(), expected));
            // All of it is given back.
            assert_eq!(room.free_kib.available_permits(), 256);
            assert_eq!(outcome(&room, LARGE, Duration::ZERO).await, Ok(LARGE));
        }
    }

    #[tokio::test]
    async fn a_body_takes_no_more_memory_than_twice_what_came() {
        let room = BodyRoom::new(8 << 10);
        let piece = Bytes::from(vec![b'x'; 1000]);
        for (announced, length) in [(3_000_000, 3_000_000), (1 << 30, 3_000_000), (2000, 2000), (1000, 1000)]
        {
            let mut partial = PartialBody::new(&room, announced);
            for _ in 0..length / piece.len() {
                partial.push(piece.clone()).await.unwrap();
                assert!(partial.whole.capacity() <= announced.min(2 * partial.len()), "{announced}");
                assert!(partial.len() <= partial.covered);
            }
            let whole = partial.into_bytes();
            assert!(whole.len() == length && whole.iter().all(|byte| *byte == b'x'), "{announced}");
            assert_eq!(room.free_kib.available_permits(), 8 << 10);
        }
        // One that is longer than the room is read as well.
        let room = BodyRoom::new(128);
        assert_eq!(outcome(&room, LARGE, Duration::ZERO).await, Ok(LARGE));
    }
}
