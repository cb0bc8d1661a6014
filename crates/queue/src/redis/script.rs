//! The scripts that run inside Redis, each atomically on the keys of one topic.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script and how it is called.
pub(crate) struct TopicScript {
    script: Script,
    text: String,
}

impl TopicScript {
    /// With `allow_oom` it runs while Redis is out of memory: what frees memory in the end must not fail.
    fn new(text: &str, allow_oom: bool) -> Self {
        let first = if allow_oom { "#!lua flags=allow-oom\n" } else { "" };
        let text = format!("{first}{}\n{text}", include_str!("lua/prelude.lua"));
        Self { script: Script::new(&text), text }
    }

    /// The command for this topic.
    pub(crate) fn call(&self, prefix: &str, arguments: &[&[u8]]) -> Cmd {
        Self::command("EVALSHA", self.script.get_hash(), prefix, arguments)
    }

    /// The same for a server that has lost its scripts.
    pub(crate) fn call_with_text(&self, prefix: &str, arguments: &[&[u8]]) -> Cmd {
        Self::command("EVAL", &self.text, prefix, arguments)
    }

    fn command(name: &str, script: &str, prefix: &str, arguments: &[&[u8]]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(prefix);
        for argument in arguments {
            command.arg(*argument);
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal, $allow_oom:literal;)+) => {
        $(pub(crate) static $name: LazyLock<TopicScript> =
            LazyLock::new(|| TopicScript::new(include_str!(concat!("lua/", $file)), $allow_oom));)+
    };
}

scripts! {
    PUT = "put.lua", false;
    TAKE = "take.lua", true;
    START = "start.lua", true;
    RENEW = "renew.lua", true;
    DONE = "done.lua", true;
    REQUEUE = "requeue.lua", true;
    RELEASE = "release.lua", true;
    COMPARE = "compare.lua", true;
    SHOW = "show.lua", true;
    TOPIC = "topic.lua", true;
    REQUEUE_DEAD = "requeue_dead.lua", false;
    PAUSE = "pause.lua", true;
    WITHDRAW = "withdraw.lua", true;
    FORGET = "forget.lua", true;
}
