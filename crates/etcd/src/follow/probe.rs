//! Asks a member whether a watch shows everything that it should.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::client::{EndpointIndex, EtcdClient, RangePage};
use crate::error::EtcdError;
use crate::history::{HistoryBreak, HistoryPoint};
use crate::key::KeyRange;

/// How often a member is asked.
const EVERY: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const DEADLINE: Duration = Duration::from_secs(4);
/// Before it is asked for the second time after a failure.
const AGAIN: Duration = Duration::from_millis(500);

/// How far a watch is, shared between it and its probe.
#[derive(Debug, Default)]
pub(super) struct WatchProgress {
    revision: AtomicI64,
    count: AtomicI64,
    proven: AtomicI64,
}

impl WatchProgress {
    /// Everything up to this revision was shown, which left so many keys.
    pub(super) fn set(&self, revision: i64, count: i64) {
        self.revision.store(revision, Ordering::Relaxed);
        self.count.store(count, Ordering::Relaxed);
    }

    /// The revision up to which nothing is missing, though nothing of the range may have changed at it.
    pub(super) fn proven(&self) -> i64 {
        self.proven.load(Ordering::Relaxed)
    }

    fn revision(&self) -> i64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn count(&self) -> i64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProbeFinding {
    /// The member does not answer, or cannot.
    Silent(EtcdError),
    /// The watch does not show a change that there is.
    Missed,
    /// The store is not the one that the watch began with.
    OtherHistory(HistoryBreak),
}

/// Asks one member about one range.
pub(super) struct WatchProbe<'a> {
    pub(super) client: &'a EtcdClient,
    pub(super) at: EndpointIndex,
    pub(super) range: &'a KeyRange,
    pub(super) progress: &'a WatchProgress,
    /// When the watch began.
    pub(super) began: HistoryPoint,
}

impl WatchProbe<'_> {
    /// Returns when the watch must not be believed any more.
    pub(super) async fn run(&self) -> ProbeFinding {
        let (mut last, mut checked) = (self.began, 0);
        let mut failed: Option<EtcdError> = None;
        // How far the watch was when it did not show something.
        let mut behind: Option<i64> = None;
        // The revision at which nothing was missing, the last time. By the next time, all before it has been shown.
        let mut clean: Option<i64> = None;
        loop {
            tokio::time::sleep(if failed.is_some() { AGAIN } else { EVERY }).await;
            let page = match self.ask(&last, checked).await {
                Ok(page) => page,
                Err(error) if failed.is_some() => return ProbeFinding::Silent(error),
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            failed = None;
            if let Some(found) = last.break_before(&page.point) {
                return ProbeFinding::OtherHistory(found);
            }
            last = page.point;
            let shown = self.progress.revision();
            let is_behind = !page.keys.is_empty() || page.count != self.progress.count();
            if is_behind && behind == Some(shown) {
                return ProbeFinding::Missed;
            }
            behind = is_behind.then_some(shown);
            if is_behind {
                clean = None;
            } else {
                checked = page.point.revision;
                if let Some(before) = clean.replace(checked) {
                    self.progress.proven.store(before, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether there is a key that changed after what was shown. etcd looks at every key for that, so it is asked only
    /// when anything changed at all since everything was found to be shown.
    async fn ask(&self, last: &HistoryPoint, checked: i64) -> Result<RangePage, EtcdError> {
        let peek = async |changed_since: i64| {
            let peek = self.client.peek(self.at, self.range, changed_since);
            let timed_out =
                || self.client.gateway.timed_out(self.at, DEADLINE, crate::client::CallKind::Read);
            tokio::time::timeout(DEADLINE, peek).await.unwrap_or_else(|_| Err(timed_out()))
        };
        let mut page = peek(0).await?;
        if page.point.revision == checked || last.break_before(&page.point).is_some() {
            page.keys.clear();
            return Ok(page);
        }
        peek(self.progress.revision() + 1).await
    }
}

#[cfg(test)]
mod tests {
    use e2e::etcd::{EtcdChange, EtcdServer};

    use super::*;
    use crate::settings::EtcdSettings;

    /// What a probe finds of a watch that shows nothing any more, within the time of three questions.
    async fn found(change: Option<EtcdChange>, freezes: bool) -> (Option<ProbeFinding>, bool) {
        let server = EtcdServer::start();
        let client = EtcdClient::new(EtcdSettings {
            name: "main".to_owned(),
            endpoints: vec![server.url().parse().unwrap()],
            timeout: Duration::from_secs(5),
            credentials: None,
            tls: None,
        });
        server.put("/w/a", "1");
        let range = KeyRange::prefix(*b"/w/");
        let began = client.point(&range).await.unwrap();
        let progress = WatchProgress::default();
        progress.set(began.revision, 1);
        server.change_all(&change.into_iter().collect::<Vec<_>>());
        if freezes {
            server.freeze();
        }
        let at = client.gateway.endpoints.current();
        let probe = WatchProbe { client: &client, at, range: &range, progress: &progress, began };
        let found = tokio::time::timeout(EVERY * 3 + AGAIN, probe.run()).await.ok();
        if freezes {
            server.thaw();
        }
        (found, progress.proven() >= began.revision)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_watch_does_not_show_is_found() {
        let deleted = EtcdChange { key: "/w/a".to_owned(), value: None };
        let (quiet, elsewhere, put, deleted, frozen) = tokio::join!(
            found(None, false),
            found(Some(EtcdChange::put("/elsewhere", "1")), false),
            found(Some(EtcdChange::put("/w/a", "2")), false),
            found(Some(deleted), false),
            found(None, true),
        );
        // Nothing of the range changed: that is proven.
        assert_eq!((quiet, elsewhere), ((None, true), (None, true)));
        for missed in [put, deleted] {
            assert_eq!(missed, (Some(ProbeFinding::Missed), false));
        }
        assert!(matches!(frozen, (Some(ProbeFinding::Silent(_)), false)), "{frozen:?}");
    }
}
