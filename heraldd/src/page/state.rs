//! What the page knows between requests: who is logged in, which links can be used, where it is.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use herald_control::model::ConfigProblem;
use herald_net::serve::HostRule;
use herald_overview::router_runs::KnownRuns;
use herald_page::login_links::LoginLinks;
use herald_page::request::{OwnAddress, SessionCookie, instance_id};
use herald_page::site::Site;
use herald_store::sessions::Sessions;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinError;
use tokio::time::Instant;

use crate::config::PageSettings;

/// Wishes for the address of the page that wait.
const WISHES: usize = 16;

/// How long a check of the configuration counts.
const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// Where the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAddress {
    /// What browsers open, without a slash at its end.
    pub url: String,
    /// The port that was opened for `heraldd page`.
    pub opened: Option<u16>,
}

/// The page is nowhere, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoPageAddress(pub String);

/// A wish for the address of the page, which is opened where it has none.
pub type AddressWish = oneshot::Sender<Result<PageAddress, NoPageAddress>>;

/// How the page looks and is reached, by the section `page`.
pub struct PageLook {
    /// Its base and title.
    pub site: Site,
    /// Its own addresses.
    pub own: OwnAddress,
    /// The hosts that requests may name.
    pub hosts: HostRule,
    /// Its cookie.
    pub cookie: SessionCookie,
}

/// What a check of the configuration file found.
#[derive(Debug, Clone)]
pub struct FoundProblems {
    /// Whether it could be loaded.
    pub is_valid: bool,
    /// What is wrong, or doubtful, as far as it is listed.
    pub problems: Vec<ConfigProblem>,
    /// How much that is.
    pub count: u64,
    /// Of what the files say; none where they cannot be read.
    pub digest: Option<u64>,
}

/// What the page knows between requests.
pub struct PageState {
    /// Who is logged in.
    pub sessions: Sessions,
    /// The links that can still be used.
    pub links: LoginLinks,
    /// Which node of the fleet this is: the configuration is checked for it.
    pub node: Option<String>,
    /// How the last jobs of routers ended.
    pub runs: KnownRuns,
    instance: String,
    look: RwLock<Arc<PageLook>>,
    wishes: mpsc::Sender<AddressWish>,
    receiver: Mutex<Option<mpsc::Receiver<AddressWish>>>,
    /// Seconds since 1970.
    used_at: AtomicI64,
    /// The last check of the configuration, and when it was.
    check: tokio::sync::Mutex<Option<(Instant, FoundProblems)>>,
}

impl PageState {
    /// Of a daemon with these sessions, this `state_dir` and this configuration.
    #[must_use]
    pub fn new(sessions: Sessions, folder: Option<&Path>, config: &Path, node: Option<String>) -> Self {
        let instance = instance_id(&folder.unwrap_or(config).display().to_string());
        let (wishes, receiver) = mpsc::channel(WISHES);
        let look = RwLock::new(Arc::new(look(&instance, None)));
        let receiver = Mutex::new(Some(receiver));
        Self {
            sessions,
            links: LoginLinks::default(),
            node,
            runs: KnownRuns::default(),
            instance,
            look,
            wishes,
            receiver,
            used_at: AtomicI64::new(0),
            check: tokio::sync::Mutex::default(),
        }
    }

    /// How it looks now.
    #[must_use]
    pub fn look(&self) -> Arc<PageLook> {
        self.look.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes by other settings from now on.
    pub fn show(&self, settings: Option<&PageSettings>) {
        let look = Arc::new(look(&self.instance, settings));
        *self.look.write().unwrap_or_else(PoisonError::into_inner) = look;
    }

    /// Where it is; a port is opened where there is none.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn address(&self) -> Result<PageAddress, NoPageAddress> {
        let (reply, answer) = oneshot::channel();
        let gone = || NoPageAddress("Herald is starting or stopping".to_owned());
        self.wishes.try_send(reply).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// What is wrong with the configuration file: one check at a time, and not more often than every few seconds.
    pub(crate) async fn checked_config(
        &self,
        check: impl FnOnce() -> FoundProblems + Send + 'static,
    ) -> Result<FoundProblems, JoinError> {
        let mut last = self.check.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < CHECK_AGAIN
        {
            return Ok(found.clone());
        }
        let found = tokio::task::spawn_blocking(check).await?;
        *last = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// The wishes for its address; for the one that listens.
    pub(crate) fn wishes(&self) -> Option<mpsc::Receiver<AddressWish>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// It is used at this time, in seconds since 1970.
    pub(crate) fn used(&self, now: i64) {
        self.used_at.store(now, Ordering::Relaxed);
    }

    /// For how many seconds it was not used.
    pub(crate) fn idle_seconds(&self, now: i64) -> i64 {
        now.saturating_sub(self.used_at.load(Ordering::Relaxed))
    }
}

fn look(instance: &str, settings: Option<&PageSettings>) -> PageLook {
    let base = settings.map(|settings| settings.base.clone()).unwrap_or_default();
    let has_tls = settings.is_some_and(|settings| settings.tls.is_some());
    let is_secure = has_tls || base.origin.as_deref().is_some_and(|origin| origin.starts_with("https:"));
    let hosts = settings.map(|settings| &*settings.host).into_iter().chain(base.host());
    PageLook {
        own: OwnAddress { origin: base.origin.clone(), has_tls },
        hosts: HostRule::new(hosts),
        cookie: SessionCookie::new(instance, &base.path, is_secure),
        site: Site {
            title: settings.and_then(|settings| settings.title.clone()),
            links: settings.map(|settings| settings.links.clone()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            base,
        },
    }
}
