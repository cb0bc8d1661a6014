//! A trigger of this type: where it listens, what it requires of requests, and its run.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::context::Context;
use herald_core::spec::Options;
use herald_core::trigger::{Activator, ComponentError, Predecessors, Succession, Trigger};
use herald_net::serve::{HostRule, ListenAddress, ListenerUse, ServeOptions};
use herald_webhook::path::{self, Pattern};
use tokio_util::sync::CancellationToken;

use super::options::HttpOptions;
use herald_remote::OwnNode;
use herald_requests::{Answers, HttpListener, Mounted, Mounts, RejectionLog, RequestCheck};
use herald_tls_options::TlsListener;

/// How long a whole body may take, even byte by byte.
const BODY_TIME: Duration = Duration::from_secs(30);

/// An `http` trigger.
pub struct HttpTrigger {
    pub(crate) listen_addresses: Vec<ListenAddress>,
    pub(crate) tls: Option<TlsListener>,
    pub(crate) path: Option<Pattern>,
    pub(crate) check: Arc<RequestCheck>,
    pub(crate) limits: ServeOptions,
    /// What `prepare` bound, for `run`.
    pub(crate) held: Mutex<Vec<ListenerUse<Mounts>>>,
    /// Where it listens, or the trigger before it that ends with a reload; in the order of the addresses.
    pub(crate) listeners: Mutex<Vec<Weak<HttpListener>>>,
}

impl HttpTrigger {
    /// Reads the options, which were checked against the description.
    ///
    /// # Errors
    /// [`ComponentError`]: what the description cannot say about them, such as a file that cannot be read.
    pub fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
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
            listeners: Mutex::default(),
        })
    }

    /// A trigger of this type, if it is one.
    pub(crate) fn of<'a>(trigger: &'a (dyn Trigger + 'static)) -> Option<&'a Self> {
        let trigger: &dyn Any = trigger;
        trigger.downcast_ref()
    }

    async fn hold_all(&self) -> Result<Vec<ListenerUse<Mounts>>, ComponentError> {
        let before = self.listeners().clone();
        let mut held = Vec::new();
        for (n, address) in self.listen_addresses.iter().enumerate() {
            let before = before.get(n).and_then(Weak::upgrade);
            let tls = match self.tls.as_ref().filter(|_| address.is_tcp()) {
                Some(tls) => Some(tls.load().await?),
                None => None,
            };
            held.push(herald_requests::hold(address, tls, before).await?);
        }
        *self.listeners() = held.iter().map(|held| Arc::downgrade(held.listener())).collect();
        Ok(held)
    }

    fn take(&self) -> Vec<ListenerUse<Mounts>> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<HttpListener>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listener of another trigger at this address.
    fn listener_at(&self, address: &ListenAddress) -> Weak<HttpListener> {
        let place = self.listen_addresses.iter().position(|own| own.place() == address.place());
        place.and_then(|n| self.listeners().get(n).cloned()).unwrap_or_default()
    }
}

#[async_trait]
impl Trigger for HttpTrigger {
    async fn prepare(&self) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        // From here on requests wait for this trigger.
        let submissions: Vec<_> =
            held.iter().map(|held| held.listener().handler().submissions.clone()).collect();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        for submissions in submissions {
            submissions.over().await;
        }
        Ok(())
    }

    fn succeed(&self, before: &Predecessors) -> Succession {
        let others: Vec<&Self> = before.all().filter_map(|trigger| Self::of(trigger.as_ref())).collect();
        let in_the_way = |other: &&Self| {
            let own = || self.listen_addresses.iter();
            other.listen_addresses.iter().any(|address| own().any(|own| own.is_in_the_way_of(address)))
        };
        // Any free port is found by the name alone.
        if let Some(same) = before.same.as_ref().and_then(|same| Self::of(same.as_ref())) {
            *self.listeners() = self.listen_addresses.iter().map(|at| same.listener_at(at)).collect();
        }
        if others.iter().any(in_the_way) { Succession::AfterAll } else { Succession::Beside }
    }

    async fn run(&self, activator: Activator, stop: CancellationToken) -> Result<(), ComponentError> {
        let held = self.take();
        let held = if held.is_empty() { self.hold_all().await? } else { held };
        let rejections = RejectionLog::default();
        let mut mounted = Vec::new();
        for held in held {
            let shared = held.listener().clone();
            let answers = Arc::new(Answers {
                waits_for: activator.trigger().into(),
                activator: activator.clone(),
                follower: OnceLock::new(),
                check: self.check.clone(),
                ending: shared.ending(),
                arrivals: shared.arrivals(),
                submissions: shared.handler().submissions.clone(),
                rejections: rejections.clone(),
            });
            mounted.push(herald_requests::mount(held, self.path.clone(), answers, self.limits.clone()));
            let path = self.path.as_ref().map(ToString::to_string).unwrap_or_default();
            let (address, suffix) = (shared.address(), shared.tls_suffix());
            tracing::info!("http trigger {} listening on {address}{path}{suffix}", activator.trigger());
        }
        stop.cancelled().await;
        futures_util::future::join_all(mounted.into_iter().map(Mounted::end)).await;
        Ok(())
    }
}

/// The path of the requests that a trigger takes; none where it is of another type, or takes any.
#[must_use]
pub fn path_of(trigger: &(dyn Trigger + 'static)) -> Option<String> {
    HttpTrigger::of(trigger)?.path.as_ref().map(ToString::to_string)
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
        for address in trigger.listen_addresses.iter().filter(|address| !address.is_any_port()) {
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
        let here = || others.iter().filter(|other| self.address.place() == other.address.place());
        let other_tls =
            |other: &&AddressClaim<'_>| self.address.is_tcp() && self.trigger.tls != other.trigger.tls;
        let same_path =
            |other: &&AddressClaim<'_>| path::clash(other.trigger.path.as_ref(), self.trigger.path.as_ref());
        if let Some(AddressClaim { name, .. }) = here().find(other_tls) {
            return Some(format!(
                "same port as the trigger \"{name}\", with another `tls`; give both the same"
            ));
        }
        if let Some(AddressClaim { name, .. }) = here().find(|other| self.address != other.address) {
            return Some(format!(
                "same socket as the trigger \"{name}\", with another `unix_socket_mode`; give both the same"
            ));
        }
        here().find(same_path).map(|AddressClaim { name, .. }| {
            format!("same port and the same path as the trigger \"{name}\"; give them different paths")
        })
    }
}
