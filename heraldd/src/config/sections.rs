//! The table of all sections, and what follows from it: the settings, the names, where references are resolved.

use std::time::Duration;

use herald_core::plan::Limits;

use super::fleet::FleetSettings;
use super::{
    access, api, app, board, components, daemon, etcd, history, include, log, node, page, plugin, queue,
    router, runner,
};
use herald_remote::Nodes;
use herald_sections::{Invalid, Section, SectionReader};

/// One line for each section: those that are settings, as `field: type = file`, and the others.
macro_rules! sections {
    (
        settings { $($(#[$doc:meta])* $field:ident: $settings:ty = $file:ident,)* }
        others { $($other:expr,)* }
    ) => {
        /// The settings of the daemon itself.
        #[derive(Debug, Clone, PartialEq)]
        pub struct AllSettings {
            /// Which node of the fleet this is.
            pub id: Option<String>,
            $($(#[$doc])* pub $field: $settings,)*
        }

        /// Every section, in the order in which they are documented.
        pub const SECTIONS: &[&Section] = &[$(&$file::SECTION,)* $(&$other,)*];

        /// Reads the settings.
        pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<AllSettings, Invalid> {
            $(let $field = $file::read(reading);)*
            Ok(AllSettings { id: reading.id.map(str::to_owned), $($field: $field?,)* })
        }
    };
}

sections! {
    settings {
        /// The settings at the top of the file.
        daemon: daemon::DaemonSettings = daemon,
        /// `log`
        log: log::LogSettings = log,
        /// `history`: how much of the past is kept.
        history: history::HistorySettings = history,
        /// `plugin`: shared libraries, in the order in which they are asked.
        plugins: Vec<std::path::PathBuf> = plugin,
        /// `api`: the control API over TCP; none serves it on the socket alone.
        api: Option<api::ApiSettings> = api,
        /// `access`: who may use it. Holds secrets.
        access: herald_access::AccessSettings = access,
        /// `page`: the page on a port of its own; none opens one when `heraldd page` asks for it.
        page: Option<page::PageSettings> = page,
        /// `board`: every board of the page.
        boards: Vec<herald_boards::settings::BoardSettings> = board,
        /// `etcd`: every etcd. Holds secrets.
        etcd: Vec<herald_etcd::EtcdSettings> = etcd,
        /// `queue`: every queue. Holds secrets.
        queues: Vec<herald_queue::QueueSettings> = queue,
        /// `node`: every node. Holds secrets.
        nodes: Nodes = node,
        /// `app`: every application. Holds secrets.
        apps: Vec<app::ConfiguredApp> = app,
        /// `runner`: the runner that this daemon is as well. Holds secrets.
        runner: Option<herald_runner::config::RunnerConfig> = runner,
    }
    others {
        include::SECTION,
        components::TRIGGER,
        components::SELECTOR,
        components::EXECUTOR,
        router::PRESET,
        router::ROUTER,
    }
}

impl AllSettings {
    /// The bounds that the dispatcher keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_jobs: self.daemon.max_jobs,
            max_queue: self.daemon.max_queue,
            max_chain_depth: self.daemon.max_chain_depth,
            ..Limits::default()
        }
    }

    /// How long running jobs may go on at the end.
    #[must_use]
    pub fn shutdown_grace(&self) -> Duration {
        self.daemon.shutdown_grace
    }

    /// Who may use the control API over TCP: the section `access`, and the token of `api`.
    #[must_use]
    pub fn callers(&self) -> herald_access::AccessSettings {
        let token = self.api.as_ref().and_then(|api| api.token.as_deref());
        self.access.clone().with_admin_token(token)
    }

    /// What is known of the fleet.
    #[must_use]
    pub fn fleet(&self) -> FleetSettings {
        FleetSettings {
            id: self.id.clone(),
            nodes: self.nodes.clone(),
            heartbeat: self.daemon.heartbeat,
            runner: self.runner.clone(),
        }
    }
}
