//! The sessions in memory: how long they last, and how many there may be.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::record::{Session, SessionId};

/// A session ends when it is not used for so long.
pub(super) const IDLE: SignedDuration = SignedDuration::from_hours(12);
/// A session ends after so long.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
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

    pub(super) fn of_user(&self, user: Option<&str>, now: Timestamp) -> Vec<Session> {
        let is_own = |session: &&Session| session.of.user.as_deref() == user && is_valid(session, now);
        let mut own: Vec<Session> = self.sessions.values().filter(is_own).cloned().collect();
        own.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        own
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
    now.duration_since(session.used_at) < IDLE && now.duration_since(session.created_at) < LONGEST
}
