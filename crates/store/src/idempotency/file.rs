//! The keys on disk: a table of `journal.db`.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::record::{FirstResponse, IdempotencyKey, RequestDigest};
use crate::journal::entry::millis;

/// How long a key is known.
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// The most that is kept: the oldest goes first.
pub(super) struct Bounds {
    /// Keys.
    pub(super) keys: i64,
    /// Bytes of responses.
    pub(super) bytes: i64,
}

const BOUNDS: Bounds = Bounds { keys: 10_000, bytes: 16 << 20 };

/// What is known of a key.
pub(super) enum FoundKey {
    /// Nothing: it is recorded now.
    New,
    /// It was used for another request.
    Different,
    /// It was used, and its response is not known.
    NoResponse,
    /// It was used, and got this.
    Response(FirstResponse),
}

/// Looks for the key, and records it where it is new.
pub(super) fn claim(
    connection: &mut Connection,
    key: &IdempotencyKey,
    request: &RequestDigest,
    now: Timestamp,
) -> rusqlite::Result<FoundKey> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let since = millis(now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN));
    let found = transaction
        .prepare_cached(
            "SELECT request, status, content_type, location, body FROM idempotency WHERE key = ?1 AND at > ?2",
        )?
        .query_row(params![key.0, since], |row| found(row, request))
        .optional()?;
    if let Some(found) = found {
        return Ok(found);
    }
    transaction.prepare_cached("DELETE FROM idempotency WHERE at <= ?1")?.execute([since])?;
    make_room(&transaction, &BOUNDS, now)?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO idempotency (key, request, at) VALUES (?1, ?2, ?3)")?
        .execute(params![key.0, request.0, millis(now)])?;
    transaction.commit()?;
    Ok(FoundKey::New)
}

fn found(row: &Row<'_>, request: &RequestDigest) -> rusqlite::Result<FoundKey> {
    let first: [u8; 32] = row.get(0)?;
    if first != request.0 {
        return Ok(FoundKey::Different);
    }
    let Some(status) = row.get(1)? else { return Ok(FoundKey::NoResponse) };
    let (content_type, location, body) = (row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(FoundKey::Response(FirstResponse { status, content_type, location, body }))
}

/// Deletes the oldest until one more has room; those without a response last, since they may be in progress, and those
/// of a clock that was ahead first, since they would stay longest.
pub(super) fn make_room(connection: &Connection, bounds: &Bounds, now: Timestamp) -> rusqlite::Result<()> {
    loop {
        let mut statement = connection.prepare_cached("SELECT count(*), sum(size) FROM idempotency")?;
        let (count, bytes) =
            statement.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
        if count < bounds.keys && bytes.unwrap_or(0) < bounds.bytes {
            return Ok(());
        }
        // Some at a time, so that not every request counts.
        connection
            .prepare_cached(
                "DELETE FROM idempotency WHERE key IN
                 (SELECT key FROM idempotency ORDER BY status IS NULL, at <= ?2, at LIMIT ?1)",
            )?
            .execute([(count / 20).max(1), millis(now)])?;
    }
}

/// Records the response.
pub(super) fn finish(
    connection: &Connection,
    key: &IdempotencyKey,
    first: &FirstResponse,
) -> rusqlite::Result<()> {
    let size = i64::try_from(first.body.len()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "UPDATE idempotency SET size = ?2, status = ?3, content_type = ?4, location = ?5, body = ?6 WHERE key = ?1",
        )?
        .execute(params![key.0, size, first.status, first.content_type, first.location, first.body])?;
    Ok(())
}

/// Forgets the key: nothing was done for it.
pub(super) fn forget(connection: &Connection, key: &IdempotencyKey) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM idempotency WHERE key = ?1")?.execute([key.0])?;
    Ok(())
}
