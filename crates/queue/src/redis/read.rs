//! Waits for entries of streams.

use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::error::QueueError;
use crate::redis::cluster::slot;
use crate::redis::engine::millis;
use crate::redis::link::RedisLink;

/// How often streams are read that one call cannot wait for.
const POLL: Duration = Duration::from_millis(100);

/// Streams, each read after an entry.
pub(crate) struct StreamsFrom<'a> {
    pub(crate) keys: &'a [String],
    pub(crate) ids: &'a [String],
}

/// Reads up to so many entries of each, and waits until there is one. The answers are those of XREAD.
///
/// In a cluster one call can read only streams of one slot: streams of several are read in turns there.
pub(crate) async fn streams(
    link: &RedisLink,
    from: StreamsFrom<'_>,
    count: usize,
    wait: Duration,
) -> Result<Vec<Value>, QueueError> {
    let Some(first) = from.keys.first() else { return Ok(Vec::new()) };
    let is_apart = from.keys.iter().any(|key| slot(key) != slot(first));
    if !is_apart || !link.server.is_cluster() {
        let answer = link.run(first, &xread(from.keys, from.ids, count, Some(wait))).await;
        // The first call finds out that it is a cluster.
        if !(answer.is_err() && is_apart && link.server.is_cluster()) {
            return answer.map(|answer| vec![answer]);
        }
    }
    let until = Instant::now() + wait;
    loop {
        let mut answers = Vec::new();
        for (key, id) in from.keys.iter().zip(from.ids) {
            let answer = link
                .run(key, &xread(std::slice::from_ref(key), std::slice::from_ref(id), count, None))
                .await?;
            answers.extend(Some(answer).filter(|answer| *answer != Value::Nil));
        }
        if !answers.is_empty() || Instant::now() >= until {
            return Ok(answers);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn xread(keys: &[String], ids: &[String], count: usize, wait: Option<Duration>) -> Cmd {
    let mut read = redis::cmd("XREAD");
    read.arg("COUNT").arg(count);
    if let Some(wait) = wait {
        read.arg("BLOCK").arg(millis(wait));
    }
    read.arg("STREAMS").arg(keys).arg(ids);
    read
}
