//! Plain lists, as other programs write and read them: RPUSH, and LMOVE into a list of the consumer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::error::QueueError;
use crate::message::DeadReason;
use crate::queue::ListItem;
use crate::redis::engine::RedisEngine;
use crate::redis::keys;
use crate::redis::reply;

/// The lists of this process.
#[derive(Default)]
pub(crate) struct OwnLists {
    lists: Mutex<HashMap<String, OwnList>>,
}

struct OwnList {
    /// Items that this process returned and that were not removed yet.
    returned: Vec<Vec<u8>>,
    /// There may be others: an earlier process took them, or a call that was cut.
    unknown: bool,
}

impl OwnLists {
    fn change<T>(&self, own_list: &str, change: impl FnOnce(&mut OwnList) -> T) -> T {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || OwnList { returned: Vec::new(), unknown: true };
        change(lists.entry(own_list.to_owned()).or_insert_with(fresh))
    }
}

/// Appends an item, unless the list is full.
pub(crate) async fn push(
    engine: &RedisEngine,
    key: &str,
    item: &[u8],
    max_length: u64,
) -> Result<Option<u64>, QueueError> {
    let mut length = redis::cmd("LLEN");
    length.arg(key);
    if reply::count(&engine.link.run(key, &length).await?) >= max_length {
        return Ok(None);
    }
    let mut push = redis::cmd("RPUSH");
    push.arg(key).arg(item);
    Ok(Some(reply::count(&engine.link.run(key, &push).await?)))
}

/// Takes items into the consumer's own list.
pub(crate) async fn take(
    engine: &RedisEngine,
    lists: &OwnLists,
    key: &str,
    consumer: &str,
    places: usize,
) -> Result<Vec<ListItem>, QueueError> {
    // Its hash slot is that of the list.
    let own_list = if key.contains('{') {
        format!("{key}:herald:{consumer}")
    } else {
        format!("{{{key}}}:herald:{consumer}")
    };
    let mut items = Vec::new();
    if lists.change(&own_list, |own| own.unknown) {
        let mut range = redis::cmd("LRANGE");
        range.arg(&own_list).arg(0).arg(-1);
        let all = engine.link.run(&own_list, &range).await?;
        let all: Vec<Vec<u8>> = reply::items(&all).iter().filter_map(reply::bytes).collect();
        items = lists.change(&own_list, |own| left_over(own, all, places));
    }
    let item = |item, taken_before| ListItem { own_list: own_list.clone(), item, taken_before };
    let mut taken: Vec<ListItem> = items.into_iter().map(|bytes| item(bytes, true)).collect();
    while taken.len() < places {
        let before = lists.change(&own_list, |own| std::mem::replace(&mut own.unknown, true));
        let mut take = redis::cmd("LMOVE");
        take.arg(key).arg(&own_list).arg("LEFT").arg("RIGHT");
        let moved = engine.link.run(key, &take).await;
        let bytes = match moved {
            Ok(value) => reply::bytes(&value),
            // What was taken before is in the own list, and is returned by the next call.
            Err(error) if taken.is_empty() => return Err(error),
            Err(_) => break,
        };
        lists.change(&own_list, |own| {
            own.unknown = before;
            own.returned.extend(bytes.clone());
        });
        match bytes {
            Some(bytes) => taken.push(item(bytes, false)),
            None => break,
        }
    }
    Ok(taken)
}

/// What is in the list and was not returned by this process: at most `places`.
fn left_over(own: &mut OwnList, all: Vec<Vec<u8>>, places: usize) -> Vec<Vec<u8>> {
    let mut returned = own.returned.clone();
    let mut rest: Vec<Vec<u8>> = Vec::new();
    for item in all {
        match returned.iter().position(|known| *known == item) {
            Some(place) => drop(returned.swap_remove(place)),
            None => rest.push(item),
        }
    }
    own.unknown = rest.len() > places;
    rest.truncate(places);
    own.returned.extend(rest.iter().cloned());
    rest
}

/// How many dead letters a topic keeps, about.
const MOST_DEAD: usize = 10_000;
/// How much of an item is kept.
const LONGEST_DEAD: usize = 1 << 20;

/// Makes it a dead letter, as done.lua does with messages.
pub(crate) async fn bury(
    engine: &RedisEngine,
    key: &str,
    item: &ListItem,
    reason: &DeadReason,
) -> Result<(), QueueError> {
    engine.announce(key).await?;
    let dead = keys::dead(key);
    let content = item.item.get(..LONGEST_DEAD).unwrap_or(&item.item);
    let mut add = redis::cmd("XADD");
    add.arg(&dead).arg("MAXLEN").arg("~").arg(MOST_DEAD).arg("*");
    // It has no id.
    add.arg("i").arg("!").arg("m").arg(content).arg("g").arg("").arg("k").arg("");
    add.arg("r").arg(reason.to_string()).arg("n").arg(&*engine.node);
    add.arg("t").arg(engine.now());
    engine.link.run(&dead, &add).await.map(drop)
}

/// Removes an item from the own list.
pub(crate) async fn remove(
    engine: &RedisEngine,
    lists: &OwnLists,
    item: &ListItem,
) -> Result<(), QueueError> {
    let mut remove = redis::cmd("LREM");
    remove.arg(&item.own_list).arg(1).arg(&item.item);
    engine.link.run(&item.own_list, &remove).await?;
    lists.change(&item.own_list, |own| {
        if let Some(place) = own.returned.iter().position(|known| *known == item.item) {
            own.returned.swap_remove(place);
        }
    });
    Ok(())
}
