//! A trigger of this type: where it listens, what it requires of requests, and its run.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::context::Context;
use herald_core::spec::Options;
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{HostRule, ServeOptions};
use herald_webhook::path::{self, Pattern};
use tokio_util::sync::CancellationToken;

use super::answer::Answers;
use super::check::RequestCheck;
use super::options::HttpOptions;
use super::share::{self, ListenAddress, ListenerUse};
use crate::tls::TlsListener;
use herald_remote::OwnNode;

/// How long a whole body may take, even byte by byte.
const BODY_TIME: Duration = Duration::from_secs(30);

/// An `http` trigger.
pub(super) struct HttpTrigger {
    pub(super) listen_addresses: Vec<ListenAddress>,
    pub(super) tls: Option<TlsListener>,
    pub(super) path: Option<Pattern>,
    pub(super) check: Arc<RequestCheck>,
    pub(super) limits: ServeOptions,
    /// What `prepare` bound, for `run`.
    pub(super) held: Mutex<Vec<ListenerUse>>,
}

impl HttpTrigger {
    /// Reads the options.
    pub(super) fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        let given = HttpOptions::of(options)?;
        let tcp = given.tcp.map(|(host, port)| ListenAddress::Tcp(host, port));
        let unix = given.unix.map(|(path, mode)| ListenAddress::Unix(path, mode));
        Ok(Self {
            listen_addresses: tcp.into_iter().chain(unix).collect(),
            tls: TlsListener::of(options),
            path: given.path,
            check: Arc::new(RequestCheck {
                hosts: HostRule::new(given.allowed_hosts.iter().map(String::as_str)),
                max_body: given.max_body,
                body_time: BODY_TIME,
                dedup_window: given.dedup_window,
                web: given.web,
                node: context.get::<OwnNode>().map(|own| own.0.clone()),
            }),
            limits: ServeOptions::default(),
            held: Mutex::default(),
        })
    }

    /// A trigger of this type, if it is one.
    pub(super) fn of<'a>(trigger: &'a (dyn Trigger + 'static)) -> Option<&'a Self> {
        let trigger: &dyn Any = trigger;
        trigger.downcast_ref()
    }

    async fn hold_all(&self) -> Result<Vec<ListenerUse>, ComponentError> {
        let mut held = Vec::new();
        for address in &self.listen_addresses {
            held.push(share::hold(address, self.tls.as_ref()).await?);
        }
        Ok(held)
    }

    fn take(&self) -> Vec<ListenerUse> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Trigger for HttpTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        let answers = Arc::new(Answers {
            waits_for: activator.trigger().into(),
            activator,
            check: self.check.clone(),
            stop: stop.clone(),
            rejections: RepeatedLog::new(),
        });
        let mut mounted = Vec::new();
        for shared in held {
            mounted.push(shared.mount(self.path.clone(), answers.clone())?);
            shared.serve(self.limits.clone());
            let path = self.path.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::info!(
                "http trigger {} listening on {}{path}{}",
                answers.activator.trigger(),
                shared.address,
                shared.tls_suffix
            );
        }
        stop.cancelled().await;
        futures_util::future::join_all(mounted.into_iter().map(share::Mounted::end)).await;
        Ok(())
    }
}

/// A trigger that cannot have the port and path of its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The name of the trigger.
    pub trigger: String,
    /// Which other one has them, and what to do about it.
    pub why: String,
}

/// The address of a trigger, by its name.
struct AddressClaim<'a> {
    name: &'a str,
    trigger: &'a HttpTrigger,
    address: &'a ListenAddress,
}

/// Those of these triggers that cannot have the port and path of their options, since one before them has them.
/// Triggers of other types are passed over.
#[must_use]
pub fn clashes<'a>(triggers: impl IntoIterator<Item = (&'a str, &'a (dyn Trigger + 'static))>) -> Vec<Clash> {
    let mut claims: Vec<AddressClaim<'a>> = Vec::new();
    let mut clashes = Vec::new();
    for (name, trigger) in triggers {
        let Some(trigger) = HttpTrigger::of(trigger) else { continue };
        for address in trigger.listen_addresses.iter().filter(|address| address.can_be_shared()) {
            let claim = AddressClaim { name, trigger, address };
            clashes.extend(claim.clash(&claims).map(|why| Clash { trigger: name.to_owned(), why }));
            claims.push(claim);
        }
    }
    clashes
}

impl AddressClaim<'_> {
    /// Why it cannot be had besides these.
    fn clash(&self, others: &[AddressClaim<'_>]) -> Option<String> {
        let here = || others.iter().filter(|other| self.address.is_like(other.address));
        let other_tls =
            |other: &&AddressClaim<'_>| self.address.is_tcp() && self.trigger.tls != other.trigger.tls;
        let same_path =
            |other: &&AddressClaim<'_>| path::clash(other.trigger.path.as_ref(), self.trigger.path.as_ref());
        if let Some(AddressClaim { name, .. }) = here().find(other_tls) {
            return Some(format!(
                "same port as the trigger \"{name}\", with another `tls`; give both the same"
            ));
        }
        here().find(same_path).map(|AddressClaim { name, .. }| {
            format!("same port and the same path as the trigger \"{name}\"; give them different paths")
        })
    }
}
