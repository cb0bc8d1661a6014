//! The members of an etcd, and which one is in use.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

/// Which member, by its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndpointIndex(usize);

/// All members, of which one is in use until it fails.
pub(crate) struct Endpoints {
    urls: Vec<Url>,
    current: AtomicUsize,
}

impl Endpoints {
    pub(crate) fn new(urls: Vec<Url>) -> Self {
        Self { urls, current: AtomicUsize::new(0) }
    }

    pub(crate) fn count(&self) -> usize {
        self.urls.len()
    }

    /// The member in use.
    pub(crate) fn current(&self) -> EndpointIndex {
        EndpointIndex(self.current.load(Ordering::Relaxed))
    }

    /// The next member is in use from now on, unless somebody left this one already.
    pub(crate) fn leave(&self, failed: EndpointIndex) {
        let next = (failed.0 + 1) % self.urls.len().max(1);
        let _ = self.current.compare_exchange(failed.0, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The URL of a method of the gateway. `None`: there is no such member.
    pub(crate) fn url(&self, at: EndpointIndex, method: &str) -> Option<Url> {
        let mut url = self.urls.get(at.0)?.clone();
        url.set_path(&format!("{}/v3/{method}", url.path().trim_end_matches('/')));
        Some(url)
    }

    /// Whether its connections are encrypted.
    pub(crate) fn is_encrypted(&self, at: EndpointIndex) -> bool {
        self.urls.get(at.0).is_some_and(|url| url.scheme() == "https")
    }

    /// A URL for people: without user, password and query.
    pub(crate) fn shown(&self, at: EndpointIndex) -> String {
        self.urls.get(at.0).map(shown).unwrap_or_default()
    }

    pub(crate) fn shown_current(&self) -> String {
        self.shown(self.current())
    }
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_used_in_turn() {
        let urls = ["http://a:2379", "https://u:p@b/etcd/"].map(|url| url.parse().unwrap());
        let endpoints = Endpoints::new(urls.to_vec());
        let first = endpoints.current();
        assert_eq!(endpoints.shown(first), "http://a:2379");
        assert_eq!(endpoints.url(first, "kv/range").unwrap().as_str(), "http://a:2379/v3/kv/range");
        endpoints.leave(first);
        endpoints.leave(first);
        let second = endpoints.current();
        assert_eq!(endpoints.shown(second), "https://b:443/etcd");
        assert!(endpoints.is_encrypted(second) && !endpoints.is_encrypted(first));
        endpoints.leave(second);
        assert_eq!(endpoints.current(), first);
    }
}
