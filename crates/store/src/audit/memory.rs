//! The audit of a daemon that keeps everything in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::record::{AuditEntry, AuditError, AuditLog, AuditPage, AuditQuery, AuditRecord, MOST_ENTRIES};

/// The newest entries that are kept of each class.
const MOST: usize = 1000;

/// The newest entries.
#[derive(Debug, Default)]
pub struct MemoryAudit {
    inside: Mutex<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    last: u64,
    entries: VecDeque<AuditEntry>,
}

#[async_trait]
impl AuditLog for MemoryAudit {
    async fn record(&self, record: AuditRecord) -> Result<u64, AuditError> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.last += 1;
        let is_same = |entry: &AuditEntry| entry.record.class() == record.class();
        if inside.entries.iter().filter(|entry| is_same(entry)).count() >= MOST
            && let Some(oldest) = inside.entries.iter().position(is_same)
        {
            inside.entries.remove(oldest);
        }
        let id = inside.last;
        inside.entries.push_back(AuditEntry { id, record });
        Ok(id)
    }

    async fn fail(&self, id: u64, why: String) -> Result<(), AuditError> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = inside.entries.iter_mut().rev().find(|entry| entry.id == id) {
            entry.record.failed = Some(why);
        }
        Ok(())
    }

    async fn entries(&self, query: AuditQuery) -> Result<AuditPage, AuditError> {
        let limit = query.limit.clamp(1, MOST_ENTRIES);
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |entry: &&AuditEntry| {
            let AuditRecord { actor, act, .. } = &entry.record;
            query.before.is_none_or(|before| entry.id < before)
                && query.user.as_ref().is_none_or(|user| actor.user.as_deref() == Some(user))
                && query.act.as_ref().is_none_or(|wanted| wanted == act)
        };
        let found = inside.entries.iter().rev().filter(is_wanted).take(limit + 1).cloned().collect();
        Ok(AuditPage::of(found, limit))
    }
}
