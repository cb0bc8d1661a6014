//! What a receiver of web hooks does that is more than to take JSON by POST.

use std::time::Duration;

use herald_webhook::auth::Auth;
use herald_webhook::body::BodyKind;
use herald_webhook::client_address::Addresses;
use herald_webhook::request::Headers;
use http::{HeaderValue, Method};

use crate::fixed::Fixed;

/// When to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Respond {
    /// Once the event is safe.
    Accepted,
    /// Once its jobs are over, or this long has passed.
    Result(Duration),
}

/// What a trigger does that is more than to take JSON by POST.
pub struct Web {
    /// The methods that are taken.
    pub methods: Vec<Method>,
    /// How a sender proves who it is.
    pub auth: Option<Auth>,
    /// Whose requests are taken, and whose word counts for an address.
    pub addresses: Addresses,
    /// What the body is.
    pub body: BodyKind,
    /// What the body is taken for, whatever its head says.
    pub content_type: Option<HeaderValue>,
    /// The headers that go into the parameters.
    pub headers: Headers,
    /// Whether the raw body does.
    pub keep_raw: bool,
    /// When to answer.
    pub respond: Respond,
    /// What is answered in place of Herald's own words.
    pub fixed: Fixed,
}
