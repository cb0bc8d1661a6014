//! The body of a request, of which its connection knows how far it has come.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::serve::connection_slots::BodyProgress;

/// The body of a request as it arrives. A connection whose body comes slowly has to go before others when they need its
/// place.
#[derive(Debug)]
pub struct ClientBody {
    incoming: Incoming,
    progress: BodyProgress,
}

impl ClientBody {
    pub(super) fn new(incoming: Incoming, progress: BodyProgress) -> Self {
        Self { incoming, progress }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
            self.progress.is_awaited();
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &frame {
            self.progress.came(frame.data_ref().map_or(0, Bytes::len));
        }
        if frame.is_none() || self.incoming.is_end_stream() {
            self.progress.end();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
