//! The sessions in memory: how long they last, and how many there may be.

use std::collections::HashMap;

use jiff::Timestamp;

use super::record::{Session, SessionId};

/// The most sessions of one user; a newer one takes the place of the one that was used least recently.
pub(super) const MOST_OF_USER: usize = 20;
/// The most sessions.
pub(super) const MOST: usize = 1000;

#[derive(Default)]
pub(super) struct SessionTable {
    sessions: HashMap<SessionId, Session>,
}

impl SessionTable {
    /// Adds a session; gives those that it took the place of.
    pub(super) fn add(&mut self, session: Session) -> Vec<SessionId> {
        let user = session.of.user.clone();
        self.sessions.insert(session.id, session);
        let mut surplus = self.least_recent(MOST_OF_USER, |one| one.of.user == user);
        surplus.extend(self.least_recent(MOST, |_| true));
        surplus
    }

    fn least_recent(&mut self, most: usize, is_counted: impl Fn(&Session) -> bool) -> Vec<SessionId> {
        let mut counted: Vec<&Session> = self.sessions.values().filter(|one| is_counted(one)).collect();
        counted.sort_by_key(|one| one.used_at);
        let surplus = counted.len().saturating_sub(most);
        let ids: Vec<SessionId> = counted[..surplus].iter().map(|one| one.id).collect();
        for id in &ids {
            self.sessions.remove(id);
        }
        ids
    }

    /// The session, used now; and those that have expired.
    pub(super) fn find(&mut self, id: SessionId, now: Timestamp) -> (Option<Session>, Vec<SessionId>) {
        match self.sessions.get_mut(&id) {
            Some(session) if is_valid(session, now) => {
                session.used_at = session.used_at.max(now);
                (Some(session.clone()), Vec::new())
            }
            Some(_) => {
                self.sessions.remove(&id);
                (None, vec![id])
            }
            None => (None, Vec::new()),
        }
    }

    pub(super) fn recorded(&mut self, id: SessionId, at: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.recorded_at = at;
        }
    }

    pub(super) fn current(&self, now: Timestamp) -> Vec<Session> {
        let valid = self.sessions.values().filter(|session| is_valid(session, now));
        let mut all: Vec<Session> = valid.cloned().collect();
        // Of those that began at the same time the order is the same each time.
        all.sort_by_key(|session| (std::cmp::Reverse(session.created_at), session.id.0));
        all
    }

    pub(super) fn remove(&mut self, id: SessionId) {
        self.sessions.remove(&id);
    }

    pub(super) fn is_valid(&self, id: SessionId, now: Timestamp) -> bool {
        self.sessions.get(&id).is_some_and(|session| is_valid(session, now))
    }

    pub(super) fn has(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }
}

fn is_valid(session: &Session, now: Timestamp) -> bool {
    now < session.expires_at()
}
