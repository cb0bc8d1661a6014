//! Pieces of files and results: encrypted strings that expire.

use std::time::Duration;

use redis::Value;

use crate::error::QueueError;
use crate::pieces::PieceName;
use crate::redis::engine::RedisEngine;

/// In place of a topic, so that a piece can be nothing else.
const PURPOSE: &str = "herald:piece";

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
    engine.link.run(&set).await.map(drop)
}

pub(crate) async fn get(engine: &RedisEngine, name: &PieceName) -> Result<Option<Vec<u8>>, QueueError> {
    let key = key(name);
    let mut get = redis::cmd("GET");
    get.arg(&key);
    let Value::BulkString(sealed) = engine.link.run(&get).await? else { return Ok(None) };
    let opened = engine.keys.unseal(PURPOSE, &key, &String::from_utf8_lossy(&sealed));
    opened.map(Some).map_err(|problem| QueueError::Altered {
        queue: engine.server.queue.clone(),
        what: format!("a piece of the message {}", name.message),
        problem,
    })
}

pub(crate) async fn delete(engine: &RedisEngine, names: &[PieceName]) -> Result<(), QueueError> {
    for name in names {
        let mut delete = redis::cmd("DEL");
        delete.arg(key(name));
        engine.link.run(&delete).await?;
    }
    Ok(())
}
