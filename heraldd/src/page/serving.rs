//! The listeners of the control API and of the page, and what a reload changes about them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use herald_net::serve::{PreparedTcp, SocketError, TcpPlace, TcpService};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::handler::PageHandler;
use super::state::{AddressWish, NoPageAddress, PageAddress};
use crate::api::context::Api;
use crate::api::serve::{ApiListeners, PreparedApi};
use crate::config::{AllSettings, PageSettings};

/// How often it is looked whether the port that was opened for a link is still used, and after how long it is not.
const LOOK: Duration = Duration::from_secs(60);
const IDLE_SECONDS: i64 = 12 * 3600;

type PageService = Arc<Mutex<PageListener>>;

struct PageListener {
    tcp: TcpService<PageHandler>,
    settings: Option<PageSettings>,
}

/// All that answers people: dropped, it ends at once.
pub struct Serving {
    /// What they ask.
    pub api: Arc<Api>,
    calls: ApiListeners,
    page: PageService,
    /// Opens the page where `heraldd page` asks for it.
    opener: JoinSet<()>,
}

/// What other settings need.
pub struct PreparedServing {
    calls: PreparedApi,
    page: PreparedTcp,
    settings: Option<PageSettings>,
}

impl Serving {
    /// Listens on the socket in this folder, if there is one, and on TCP where the settings say so.
    ///
    /// # Errors
    /// When a listener cannot be had.
    pub async fn start(
        folder: Option<&Path>,
        settings: &AllSettings,
        api: Arc<Api>,
    ) -> Result<Self, SocketError> {
        let calls = ApiListeners::start(folder, settings.api.as_ref(), api.clone()).await?;
        let tcp = TcpService::new("the page", Arc::new(PageHandler::new(&api)));
        let mut listener = PageListener { tcp, settings: settings.page.clone() };
        api.page.show(settings.page.as_ref());
        if let Some(settings) = &settings.page {
            listener.tcp.open(&place(settings)).await?;
        }
        let page = Arc::new(Mutex::new(listener));
        let mut opener = JoinSet::new();
        opener.spawn(answer_wishes(api.clone(), page.clone()));
        Ok(Self { api, calls, page, opener })
    }

    /// Gets hold of what other settings need, while all stays as it is.
    ///
    /// # Errors
    /// When a new port or its TLS cannot be had.
    pub async fn prepare(&self, settings: &AllSettings) -> Result<PreparedServing, SocketError> {
        let calls = self.calls.prepare(settings.api.as_ref()).await?;
        let page = self.page.lock().await.tcp.prepare(settings.page.as_ref().map(place)).await?;
        Ok(PreparedServing { calls, page, settings: settings.page.clone() })
    }

    /// Goes by other settings from now on.
    pub async fn exchange(&mut self, prepared: PreparedServing) {
        self.calls.exchange(prepared.calls).await;
        let mut page = self.page.lock().await;
        // A port that was opened for a link stays open.
        if page.settings.is_some() || prepared.settings.is_some() {
            page.tcp.exchange(prepared.page).await;
            self.api.page.show(prepared.settings.as_ref());
        }
        page.settings = prepared.settings;
    }

    /// Stops it cleanly.
    pub async fn stop(mut self) {
        self.opener.shutdown().await;
        self.api.closing.cancel();
        self.page.lock().await.tcp.stop().await;
        self.calls.stop().await;
    }
}

fn place(settings: &PageSettings) -> TcpPlace {
    TcpPlace {
        host: settings.host.clone(),
        port: settings.port,
        tls: settings.tls.as_ref().map(|tls| tls.0.clone()),
    }
}

/// Says where the page is to those who ask, and closes the port that was opened for them when it is not used.
async fn answer_wishes(api: Arc<Api>, page: PageService) {
    let Some(mut wishes) = api.page.wishes() else { return };
    loop {
        let wish = tokio::time::timeout(LOOK, next(&mut wishes)).await;
        let mut page = page.lock().await;
        match wish {
            Ok(Some(wish)) => {
                api.page.used(api.clock.unix_seconds());
                // Who asked may be gone.
                let _ = wish.send(page.address().await);
            }
            Ok(None) => return,
            Err(_) => {
                let is_idle = api.page.idle_seconds(api.clock.unix_seconds()) >= IDLE_SECONDS;
                if is_idle && page.settings.is_none() && page.tcp.address().is_some() {
                    tracing::info!("the page is closed: it was not used for 12 h");
                    page.tcp.close();
                }
            }
        }
    }
}

async fn next(wishes: &mut mpsc::Receiver<AddressWish>) -> Option<AddressWish> {
    wishes.recv().await
}

impl PageListener {
    /// Where the page is; opened on a port of this machine where it is nowhere.
    async fn address(&mut self) -> Result<PageAddress, NoPageAddress> {
        if self.settings.is_none() && self.tcp.address().is_none() {
            let place = TcpPlace { host: "127.0.0.1".to_owned(), port: 0, tls: None };
            self.tcp.open(&place).await.map_err(|error| NoPageAddress(error.to_string()))?;
        }
        let address =
            self.tcp.address().ok_or_else(|| NoPageAddress("the page does not listen".to_owned()))?;
        let port = address.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        let Some(settings) = &self.settings else {
            return Ok(PageAddress { url: format!("http://{address}"), opened: port });
        };
        let scheme = if self.tcp.has_tls() { "https" } else { "http" };
        // An address that means every address of the machine cannot be opened.
        let here = address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
        let origin = settings.base.origin.clone().unwrap_or_else(|| format!("{scheme}://{here}"));
        Ok(PageAddress { url: format!("{origin}{}", settings.base.path), opened: None })
    }
}
