//! Calls of one script for one topic that are made at the same time go to Redis as one: most of what a script costs
//! is not its commands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use redis::Value;
use tokio::sync::oneshot;

use crate::error::QueueError;
use crate::redis::link::RedisLink;
use crate::redis::reply;
use crate::redis::script::TopicScript;

/// How many calls go together at most.
const CALLS: usize = 64;
/// How many bytes, unless one call alone has more.
const BYTES: usize = 256 << 10;

/// A script that takes the arguments of many calls and answers for each.
pub(crate) struct BatchedScript {
    script: &'static TopicScript,
    link: Arc<RedisLink>,
    /// By topic. A topic is here while a task runs its calls.
    waiting: Mutex<HashMap<String, Vec<WaitingCall>>>,
}

struct WaitingCall {
    arguments: Vec<Vec<u8>>,
    answer: oneshot::Sender<Result<Value, QueueError>>,
}

impl WaitingCall {
    fn bytes(&self) -> usize {
        self.arguments.iter().map(Vec::len).sum()
    }
}

impl BatchedScript {
    pub(crate) fn new(script: &'static TopicScript, link: Arc<RedisLink>) -> Arc<Self> {
        Arc::new(Self { script, link, waiting: Mutex::default() })
    }

    /// Calls the script, together with the calls that wait already. It is carried out even when this future is dropped.
    pub(crate) async fn call(
        self: &Arc<Self>,
        topic: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, QueueError> {
        let (answer, answered) = oneshot::channel();
        let arguments = arguments.iter().map(|argument| argument.to_vec()).collect();
        if self.is_first(topic, WaitingCall { arguments, answer }) {
            let (batch, topic) = (self.clone(), topic.to_owned());
            // It ends when nothing waits any more.
            tokio::spawn(async move { batch.run(&topic).await });
        }
        answered.await.unwrap_or_else(|_| Err(self.link.server.unexpected("a call ended without an answer")))
    }

    /// Whether no task runs the calls of this topic yet.
    fn is_first(&self, topic: &str, call: WaitingCall) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(topic) {
            Some(calls) => {
                calls.push(call);
                false
            }
            None => {
                waiting.insert(topic.to_owned(), vec![call]);
                true
            }
        }
    }

    async fn run(&self, topic: &str) {
        loop {
            let calls = self.next(topic);
            if calls.is_empty() {
                return;
            }
            let arguments: Vec<&[u8]> =
                calls.iter().flat_map(|call| call.arguments.iter().map(Vec::as_slice)).collect();
            let result = self.link.script(self.script, topic, &arguments).await;
            let mut answers = match &result {
                Ok(value) => reply::items(value).iter(),
                Err(_) => [].iter(),
            };
            for call in calls {
                let missing = || self.link.server.unexpected("a script left an answer out");
                let answer = match &result {
                    Ok(_) => answers.next().cloned().ok_or_else(missing),
                    Err(error) => Err(error.clone()),
                };
                // Who asked may have gone.
                let _ = call.answer.send(answer);
            }
        }
    }

    /// The calls that go together now. None: the topic is removed.
    fn next(&self, topic: &str) -> Vec<WaitingCall> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(calls) = waiting.get_mut(topic) else { return Vec::new() };
        if calls.is_empty() {
            waiting.remove(topic);
            return Vec::new();
        }
        let mut bytes = 0;
        let fits = |call: &&WaitingCall| {
            bytes += call.bytes();
            bytes <= BYTES
        };
        let count = calls.iter().take(CALLS).take_while(fits).count().max(1);
        calls.drain(..count).collect()
    }
}
