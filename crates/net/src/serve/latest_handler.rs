//! The latest of several handlers answers: one takes the place of another without a request that nobody answers.

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;

use crate::serve::client_body::ClientBody;
use crate::serve::peer::Peer;
use crate::serve::reply::{JsonReply, error_reply};
use crate::serve::server::Handler;

/// Handlers, the latest of which answers. Requests that an earlier one has begun are finished by it.
pub struct LatestHandler<H>(Arc<RwLock<Vec<Arc<H>>>>);

impl<H> Clone for LatestHandler<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> Default for LatestHandler<H> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<H> LatestHandler<H> {
    /// This one answers from now on, until the result is dropped.
    #[must_use]
    pub fn put(&self, handler: Arc<H>) -> HandlerTurn<H> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(handler.clone());
        HandlerTurn { all: self.clone(), handler }
    }

    fn latest(&self) -> Option<Arc<H>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }
}

/// A handler that may answer. Dropped, it answers nothing new.
pub struct HandlerTurn<H> {
    all: LatestHandler<H>,
    handler: Arc<H>,
}

impl<H> Drop for HandlerTurn<H> {
    fn drop(&mut self) {
        let mut all = self.all.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| !Arc::ptr_eq(other, &self.handler));
    }
}

impl<H: Handler<Body = Full<Bytes>>> Handler for LatestHandler<H> {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> JsonReply {
        match self.latest() {
            Some(handler) => handler.handle(request, peer).await,
            None => {
                let mut reply = error_reply(StatusCode::SERVICE_UNAVAILABLE, "nothing answers here now");
                reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
                reply
            }
        }
    }
}
