//! Which requests create an event, and with which parameters. The running trigger and `heraldd try` decide it here, so
//! that both decide the same.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use herald_core::clock::Clock;
use herald_core::depth::TooDeep;
use herald_core::param::Params;
use herald_core::secret::REQUEST;
use herald_core::trigger_param::TriggerParam;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, Method, Request};
use hyper::body::Body;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::head::{RememberedKey, RequestHead};
use crate::rejection::RejectedRequest;
use crate::result::wants_text;
use crate::web::Web;
use herald_net::serve::{HostRule, Peer, read_whole};
use herald_webhook::body;
use herald_webhook::body::UnusableBody;
use herald_webhook::delivery::{self, RequestKey};

/// Longer bodies, in bytes, take a while to parse.
const LARGE: usize = 64 << 10;
/// How many of them are parsed at once.
static LARGE_AT_ONCE: Semaphore = Semaphore::const_new(2);
/// How nice the thread is that does it: a tenth of the share of others where both want a processor.
const BEHIND: i32 = 10;

/// A body as it arrives.
pub trait RequestBody: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin {}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin> RequestBody for B {}

/// What a trigger requires of a request.
pub struct RequestCheck {
    /// Checked on loopback listeners.
    pub hosts: HostRule,
    /// The longest body, in bytes.
    pub max_body: u64,
    /// How long a whole body may take.
    pub body_time: Duration,
    /// How long a repeated request is recognized; zero: never.
    pub dedup_window: Duration,
    /// What it does that is more than to accept JSON by POST.
    pub web: Option<Web>,
    /// The name of this node, where it has one.
    pub node: Option<String>,
}

/// Whether the sender of a request is checked: `Host`, address, site, token and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderCheck {
    /// It is.
    Required,
    /// It is not.
    Skipped,
}

/// An accepted request.
pub struct AcceptedRequest {
    /// The parameters of its event.
    pub params: TriggerParam,
    /// What identifies the request when it is sent again.
    pub key: Option<RememberedKey>,
    /// The sender prefers text to JSON.
    pub text: bool,
    /// The address of the client; `None` on a unix socket.
    pub client: Option<IpAddr>,
}

impl RequestCheck {
    /// Checks a request and reads it. `captures` are the values in its path.
    ///
    /// # Errors
    /// [`RejectedRequest`]: it creates no event.
    pub async fn accept<B: RequestBody>(
        &self,
        request: Request<B>,
        peer: &Peer,
        captures: Vec<(String, String)>,
        clock: &dyn Clock,
        sender: SenderCheck,
    ) -> Result<AcceptedRequest, RejectedRequest> {
        if sender == SenderCheck::Required && peer.loopback {
            self.hosts.check(&request).map_err(RejectedRequest::Host)?;
        }
        match &self.web {
            None => self.accept_json(request, peer).await,
            Some(web) => self.accept_web(web, request, peer, captures, clock, sender).await,
        }
    }

    /// JSON by POST, and nothing more.
    async fn accept_json<B: RequestBody>(
        &self,
        request: Request<B>,
        peer: &Peer,
    ) -> Result<AcceptedRequest, RejectedRequest> {
        if request.method() != Method::POST {
            return Err(RejectedRequest::Method(vec![Method::POST]));
        }
        body::is_json_alone(request.headers()).map_err(RejectedRequest::Body)?;
        check_encoding(request.headers())?;
        if self.counts() {
            // Before the body is read.
            delivery::id(request.headers()).map_err(RejectedRequest::DeliveryId)?;
        }
        let (head, body) = request.into_parts();
        let body = self.read(body).await?;
        let parse =
            || body::object(&body, Params::new(), TriggerParam::from_json).map_err(RejectedRequest::Body);
        let params = parsed(body.len(), parse).await?;
        if params.get(REQUEST).is_some() {
            return Err(RejectedRequest::Reserved);
        }
        // Nothing of the query reaches the event.
        let key = RequestKey::of_unsigned(&head.headers, head.uri.path(), &[], &body).ok().flatten();
        let key = key.filter(|_| self.counts());
        let key = key.map(|key| RememberedKey { key, window: self.dedup_window });
        let client = peer.client();
        Ok(AcceptedRequest { params, key, text: false, client })
    }

    async fn accept_web<B: RequestBody>(
        &self,
        web: &Web,
        request: Request<B>,
        peer: &Peer,
        captures: Vec<(String, String)>,
        clock: &dyn Clock,
        sender: SenderCheck,
    ) -> Result<AcceptedRequest, RejectedRequest> {
        let checked = sender == SenderCheck::Required;
        let client = web.addresses.client(peer, request.headers());
        let (parts, incoming) = request.into_parts();
        let head = RequestHead::new(parts.method, &parts.uri, parts.headers, client);
        let now = clock.now();
        head.check_head(web, now, checked)?;
        if head.method != Method::GET {
            check_encoding(&head.headers)?;
        }
        let body = if head.has_body(web) { self.read(incoming).await? } else { Bytes::new() };
        head.check_body(web, &body, now, checked)?;
        let key = head.key(web, &body, now, self.dedup_window)?;
        let body = head.without_unsigned(web, body);
        let text = wants_text(&head.headers);
        let parse = || head.into_params(web, &body, captures, self.node.as_deref());
        let params = parsed(body.len(), parse).await?;
        // On a unix socket the address is known only where a proxy gives it.
        let client = Some(client).filter(|client| peer.address.is_some() || !client.is_loopback());
        Ok(AcceptedRequest { params, key, text, client })
    }

    /// Whether repeated requests are recognized by their names.
    fn counts(&self) -> bool {
        !self.dedup_window.is_zero()
    }

    /// The whole body.
    async fn read<B: RequestBody>(&self, body: B) -> Result<Bytes, RejectedRequest> {
        let read = read_whole(body, self.max_body, self.body_time).await;
        read.map_err(|trouble| RejectedRequest::of_body(&trouble, self.max_body, self.body_time))
    }
}

/// Parses a body. What takes a while is done a few at a time, and where it holds up no other request: neither here nor
/// in the dispatcher.
async fn parsed(
    length: usize,
    parse: impl FnOnce() -> Result<TriggerParam, RejectedRequest> + Send,
) -> Result<TriggerParam, RejectedRequest> {
    let parse = || {
        let params = parse()?;
        match TooDeep::check(params.depth()) {
            Ok(()) => Ok(params),
            Err(why) => Err(RejectedRequest::Body(UnusableBody::too_deep(why))),
        }
    };
    if length <= LARGE || Handle::current().runtime_flavor() != RuntimeFlavor::MultiThread {
        return parse();
    }
    let _turn = LARGE_AT_ONCE.acquire().await;
    let whole = || {
        let params = parse()?;
        params.prepare();
        Ok(params)
    };
    tokio::task::block_in_place(|| behind_others(whole)).map_err(|_| RejectedRequest::NoRoom)?
}

/// Does work on a thread that the system runs behind others, so that small requests do not wait for a large one where
/// there are few processors.
fn behind_others<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let run = || {
        // Without it the work is done as well.
        let _ = rustix::process::setpriority_process(None, BEHIND);
        work()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("herald-large".to_owned()).spawn_scoped(scope, run)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn check_encoding(headers: &HeaderMap) -> Result<(), RejectedRequest> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if codings.any(|coding| coding != "identity") { Err(RejectedRequest::Compressed) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_while_runs_behind_others() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        assert!(behind_others(nice).unwrap() >= BEHIND);
        assert_eq!(nice(), before, "this thread");
        let panicked = std::panic::catch_unwind(|| behind_others(|| panic!("at work")));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"at work"));
    }
}
