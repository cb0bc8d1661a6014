//! The connections to every etcd of the configuration. All components that name one share it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use herald_base::near_miss::expected;
use herald_core::context::Context;
use herald_core::spec::{OptionKind, OptionSpec};
use herald_core::template::{PublishedCounts, PublishedSource};
use herald_core::trigger::ComponentError;
use herald_etcd::{EtcdClient, EtcdSettings};

use crate::standings::{ProjectStandings, ProjectState};

/// One etcd: its client, and the projects that are published from it.
#[derive(Clone)]
pub struct EtcdConnection {
    /// The client.
    pub client: EtcdClient,
    /// How the projects are that are published from it.
    pub standings: Arc<ProjectStandings>,
    /// The folder of their ledgers, once something publishes.
    pub(crate) ledgers: Arc<OnceLock<PathBuf>>,
}

/// Every etcd of the configuration. Two are equal when they were made from the same settings.
#[derive(Clone, Default)]
pub struct EtcdConnections(Vec<EtcdConnection>);

impl PartialEq for EtcdConnections {
    fn eq(&self, other: &Self) -> bool {
        let settings = |own: &Self| own.0.iter().map(|own| own.client.settings().clone()).collect::<Vec<_>>();
        settings(self) == settings(other)
    }
}

impl EtcdConnections {
    /// Connections with these settings; those that `self` has already are kept.
    #[must_use]
    pub fn updated(&self, settings: &[EtcdSettings]) -> Self {
        let one = |settings: &EtcdSettings| {
            let kept = self.0.iter().find(|own| own.client.settings() == settings);
            kept.cloned().unwrap_or_else(|| EtcdConnection {
                client: EtcdClient::new(settings.clone()),
                standings: Arc::default(),
                ledgers: Arc::default(),
            })
        };
        Self(settings.iter().map(one).collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &EtcdConnection> {
        self.0.iter()
    }

    /// Why an etcd cannot be used, for each of which that is known: its name, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problem = |own: &EtcdConnection| {
            let problem = own.client.connection().problem?;
            Some(format!("etcd {}: {problem}", own.client.name()))
        };
        self.0.iter().filter_map(problem).collect()
    }

    /// The etcd that the option `etcd` of a component names.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn named(context: &Context, name: &str) -> Result<EtcdConnection, ComponentError> {
        let all = context.get::<Self>().unwrap_or_default();
        if let Some(found) = all.0.iter().find(|own| own.client.name() == name) {
            return Ok(found.clone());
        }
        let wrong = format!("there is no etcd \"{name}\" under `etcd`");
        let help = match all.0.as_slice() {
            [] => format!("add it:  etcd: {{{name}: {{endpoints: ['http://localhost:2379']}}}}"),
            all => expected(name, all.iter().map(|own| own.client.name())),
        };
        Err(ComponentError::of_option("etcd", format!("{wrong}; {help}")))
    }
}

impl std::fmt::Debug for EtcdConnections {
    /// Names only: settings hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|own| own.client.name())).finish()
    }
}

impl PublishedSource for EtcdConnections {
    fn counts(&self) -> PublishedCounts {
        let standings = self.0.iter().flat_map(|own| own.standings.all());
        let states: Vec<(ProjectState, i64)> =
            standings.map(|(_, standing)| (standing.state, standing.revision)).collect();
        let count = |wanted: ProjectState| {
            states.iter().filter(|(state, _)| *state == wanted).fold(0, |count, _| count + 1)
        };
        PublishedCounts {
            projects: states.iter().fold(0, |count, _| count + 1),
            in_sync: count(ProjectState::InSync),
            failed: count(ProjectState::Failed),
            held: count(ProjectState::Held),
            revision: states.iter().map(|(_, revision)| *revision).max().unwrap_or_default(),
            etcd: match self.problems().into_iter().next() {
                Some(problem) => problem,
                None if self.0.is_empty() => "none".to_owned(),
                None => "connected".to_owned(),
            },
        }
    }
}

/// The option of a component that names an etcd.
#[must_use]
pub fn etcd_option() -> OptionSpec {
    OptionSpec::new("etcd", OptionKind::Text, "The name of an etcd under `etcd`.").required()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(name: &str, url: &str) -> EtcdSettings {
        EtcdSettings {
            name: name.to_owned(),
            endpoints: vec![url.parse().unwrap()],
            timeout: Duration::from_secs(5),
            credentials: None,
            tls: None,
        }
    }

    #[test]
    fn a_reload_keeps_what_is_unchanged() {
        let (one, two) = (settings("one", "http://a:1"), settings("two", "http://b:1"));
        let before = EtcdConnections::default().updated(&[one.clone(), two.clone()]);
        let after = before.updated(&[one.clone(), settings("two", "http://c:1")]);
        let same = |n: usize| Arc::ptr_eq(&before.0[n].standings, &after.0[n].standings);
        assert!(same(0) && !same(1) && before != after);
        assert!(before == EtcdConnections::default().updated(&[one, two]));
    }

    #[test]
    fn a_heartbeat_counts_the_projects() {
        let all = EtcdConnections::default().updated(&[settings("main", "http://a:1")]);
        let layout = herald_etcd::ProjectLayout::new("/w", "h");
        for (project, state) in
            [("a", ProjectState::InSync), ("b", ProjectState::Held), ("c", ProjectState::Failed)]
        {
            let keys = herald_etcd::ProjectKeys { layout: layout.clone(), project: project.to_owned() };
            let standing = crate::standings::ProjectStanding { state, revision: 7, ..pending() };
            all.0[0].standings.note(&keys, standing);
        }
        let etcd = "connected".to_owned();
        let expected = PublishedCounts { projects: 3, in_sync: 1, failed: 1, held: 1, revision: 7, etcd };
        assert_eq!(all.counts(), expected);
        assert_eq!(EtcdConnections::default().counts(), PublishedCounts::default());
    }

    fn pending() -> crate::standings::ProjectStanding {
        crate::standings::ProjectStanding::pending()
    }

    #[test]
    fn names_are_found_or_suggested() {
        let mut context = Context::default();
        let says = |context: &Context| EtcdConnections::named(context, "mian").err().unwrap().to_string();
        assert!(says(&context).contains("etcd: {mian: {endpoints:"), "{}", says(&context));
        let all = [settings("main", "http://a:1"), settings("other", "http://b:1")];
        context.share(EtcdConnections::default().updated(&all));
        assert!(says(&context).contains("did you mean \"main\"?"), "{}", says(&context));
        assert!(EtcdConnections::named(&context, "other").is_ok());
    }
}
