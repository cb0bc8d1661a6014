//! Pieces of files and results: encrypted strings that expire.

use std::time::Duration;

use redis::Value;

use crate::error::QueueError;
use crate::message::RejectedMessage;
use crate::pieces::PieceName;
use crate::redis::engine::RedisEngine;

/// In place of a topic, so that a piece can be nothing else.
const PURPOSE: &str = "herald:piece";

/// The longest encrypted piece in bytes: Base64 of the piece, its nonce and its tag.
const SEALED_LIMIT: usize = PieceName::LARGEST / 3 * 4 + 64;
/// How many pieces one call deletes.
const DELETED: usize = 500;

fn key(name: &PieceName) -> String {
    format!("{PURPOSE}:{{{}}}:{}", name.message, name.part)
}

pub(crate) async fn put(
    engine: &RedisEngine,
    name: &PieceName,
    piece: &[u8],
    keep: Duration,
) -> Result<(), QueueError> {
    let key = key(name);
    let sealed = engine.keys.seal(PURPOSE, &key, piece).map_err(|problem| QueueError::Invalid {
        queue: engine.server.queue.clone(),
        problem: problem.to_string(),
    })?;
    let mut set = redis::cmd("SET");
    set.arg(&key).arg(sealed).arg("EX").arg(keep.as_secs().max(1));
    engine.link.run(&key, &set).await.map(drop)
}

pub(crate) async fn get(engine: &RedisEngine, name: &PieceName) -> Result<Option<Vec<u8>>, QueueError> {
    let key = key(name);
    // Not GET: anyone who reaches Redis can put a value of any length there.
    let mut get = redis::cmd("GETRANGE");
    get.arg(&key).arg(0).arg(SEALED_LIMIT);
    let Value::BulkString(sealed) = engine.link.run(&key, &get).await? else { return Ok(None) };
    let opened = match sealed.len() {
        0 => return Ok(None),
        bytes if bytes > SEALED_LIMIT => Err(RejectedMessage::TooLarge { bytes, limit: SEALED_LIMIT }),
        _ => engine.keys.unseal(PURPOSE, &key, &String::from_utf8_lossy(&sealed)),
    };
    opened.map(Some).map_err(|problem| QueueError::Altered {
        queue: engine.server.queue.clone(),
        what: format!("a piece of the message {}", name.message),
        problem,
    })
}

pub(crate) async fn delete(engine: &RedisEngine, names: &[PieceName]) -> Result<(), QueueError> {
    // Those of one message have one slot.
    for names in names.chunk_by(|one, next| one.message == next.message) {
        for names in names.chunks(DELETED) {
            let keys: Vec<String> = names.iter().map(key).collect();
            let Some(first) = keys.first() else { continue };
            let mut delete = redis::cmd("DEL");
            delete.arg(&keys);
            engine.link.run(first, &delete).await?;
        }
    }
    Ok(())
}
