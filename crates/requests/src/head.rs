//! The head of a request, and the checks that need neither a connection nor a dispatcher.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use herald_core::param::Params;
use herald_core::secret::REQUEST;
use herald_core::trigger_param::TriggerParam;
use herald_webhook::auth::{Auth, AuthError, Provider, RequestCredentials};
use herald_webhook::body::{self, BodyKind};
use herald_webhook::cross_site::is_cross_site;
use herald_webhook::delivery::RequestKey;
use herald_webhook::ping::{ping, unsigned_ping};
use herald_webhook::request::RequestDescription;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use serde_json::Value;

use crate::rejection::RejectedRequest;
use crate::web::Web;

/// What a request is known by, and how long.
pub struct RememberedKey {
    /// What it is known by.
    pub key: RequestKey,
    /// How long.
    pub window: Duration,
}

/// The head of a request, read.
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    path: String,
    pub(crate) headers: HeaderMap,
    query: Vec<(String, String)>,
    pub(crate) client: IpAddr,
}

impl RequestHead {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, client: IpAddr) -> Self {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self { method, path: uri.path().to_owned(), headers, query: query.into_owned().collect(), client }
    }

    /// Checks the head alone; the sender only where `checked`.
    pub(crate) fn check_head(&self, web: &Web, now: Timestamp, checked: bool) -> Result<(), RejectedRequest> {
        if checked && !web.addresses.allow(self.client) {
            return Err(RejectedRequest::Address);
        }
        if !web.methods.contains(&self.method) {
            return Err(RejectedRequest::Method(web.methods.clone()));
        }
        // A browser adds the password of HTTP Basic by itself, on any page.
        let by_itself = web.auth.as_ref().is_none_or(|auth| auth.is_basic());
        if checked && by_itself && is_cross_site(&self.headers) {
            return Err(RejectedRequest::CrossSite);
        }
        if matches!(web.auth, Some(Auth::Provider(Provider::Bitbucket, _)))
            && let Some(answer) = unsigned_ping(&self.headers)
        {
            return Err(RejectedRequest::Ping(answer));
        }
        if let Some(auth) = web.auth.as_ref().filter(|_| checked) {
            auth.check_head(&self.presented(b"", now)).map_err(|denied| self.denied(web, denied))?;
        }
        if self.method == Method::GET {
            return Ok(());
        }
        web.body.takes(&self.as_typed(web)).map_err(RejectedRequest::Body)
    }

    /// Checks what needs the body.
    pub(crate) fn check_body(
        &self,
        web: &Web,
        body: &[u8],
        now: Timestamp,
        checked: bool,
    ) -> Result<(), RejectedRequest> {
        if let Some(auth) = web.auth.as_ref().filter(|_| checked) {
            auth.check_whole(&self.presented(body, now)).map_err(|denied| self.denied(web, denied))?;
        }
        match ping(&self.headers, body) {
            Some(answer) => Err(RejectedRequest::Ping(answer)),
            None => Ok(()),
        }
    }

    fn denied(&self, web: &Web, denied: AuthError) -> RejectedRequest {
        let basic = web.auth.as_ref().is_some_and(|auth| auth.is_basic());
        RejectedRequest::Denied { denied, client: self.client, basic }
    }

    /// The body, of which nothing is left that a signature does not cover where it covers a part.
    pub(crate) fn without_unsigned(&self, web: &Web, body: Bytes) -> Bytes {
        match &web.auth {
            Some(auth) => auth.without_unsigned(&self.headers, body),
            None => body,
        }
    }

    /// Whether there is a body to read: that of a GET counts for the program webhook alone.
    pub(crate) fn has_body(&self, web: &Web) -> bool {
        self.method != Method::GET || web.body == BodyKind::Webhook
    }

    /// The headers, with the type that the body is taken for.
    fn as_typed(&self, web: &Web) -> Cow<'_, HeaderMap> {
        let mut headers = Cow::Borrowed(&self.headers);
        if let Some(content_type) = &web.content_type {
            headers.to_mut().insert(CONTENT_TYPE, content_type.clone());
        }
        headers
    }

    /// Leaves the first value of each name, which is the one that counts for the program webhook.
    fn keep_firsts(&mut self) {
        let mut seen = BTreeSet::new();
        self.query.retain(|(name, _)| seen.insert(name.clone()));
        self.headers = self.headers.keys().map(|name| (name.clone(), self.headers[name].clone())).collect();
    }

    /// What the request is known by when it comes again; `window`: how long at least, zero for not at all.
    pub(crate) fn key(
        &self,
        web: &Web,
        body: &[u8],
        now: Timestamp,
        window: Duration,
    ) -> Result<Option<RememberedKey>, RejectedRequest> {
        let presented = self.presented(body, now);
        let named = !window.is_zero();
        let (key, window) = match &web.auth {
            Some(auth) => {
                (auth.delivery(&presented, &self.path, named), window.max(auth.known_for(&presented)))
            }
            None if named => (RequestKey::of_unsigned(&self.headers, &self.path, &self.query, body), window),
            None => (Ok(None), window),
        };
        let key = key.map_err(RejectedRequest::DeliveryId)?;
        Ok(key.map(|key| RememberedKey { key, window }))
    }

    /// The parameters of the event. `captures`: what the path holds; `node`: the name of this node.
    pub(crate) fn into_params(
        mut self,
        web: &Web,
        body: &[u8],
        captures: Vec<(String, String)>,
        node: Option<&str>,
    ) -> Result<TriggerParam, RejectedRequest> {
        // The token is for authentication alone.
        if let Some(parameter) = web.auth.as_ref().and_then(|auth| auth.query_parameter()) {
            self.query.retain(|(name, _)| name != parameter);
        }
        if web.body == BodyKind::Webhook {
            self.keep_firsts();
        }
        // The values in the path were chosen with the URL, and override the body.
        let mut above: Params =
            captures.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
        let described = RequestDescription {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            client: self.client,
            body: web.keep_raw.then_some(body),
            node,
        };
        above.insert(REQUEST.to_owned(), described.param(&web.headers));
        if self.has_body(web) {
            return web
                .body
                .read(&self.as_typed(web), body, above, TriggerParam::from_json)
                .map_err(RejectedRequest::Body);
        }
        let mut params = body::query(&self.query);
        params.extend(above);
        Ok(params.into())
    }

    fn presented<'a>(&'a self, body: &'a [u8], now: Timestamp) -> RequestCredentials<'a> {
        RequestCredentials { headers: &self.headers, query: &self.query, body, now }
    }
}
