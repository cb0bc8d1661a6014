//! The trigger `http`: it fires when somebody sends a request, a JSON object or a web hook. Its options, who may send
//! to it, where it listens, and trials with recorded requests; the daemon gives it its name.

mod auth;
mod doubts;
mod fixed;
mod http_trigger;
mod options;
mod recorded;
mod unsigned;

use herald_core::spec::Description;

pub use http_trigger::{Clash, HttpTrigger, clashes, path_of};
pub use options::PORT;
pub use recorded::{NoEvent, dry_run};

/// Its description, with what is doubtful about its options.
#[must_use]
pub fn description() -> Description {
    describe().doubts(|options| doubts::of(options).into_iter().chain(unsigned::doubts(options)).collect())
}

fn describe() -> Description {
    let description = Description::new(
        "http",
        "Fires when a JSON object is posted to it, on any path, and answers `{\"event_id\": \"…\"}` once the event \
         is safely accepted. Requests need `Content-Type: application/json`, so that a web page in a browser cannot \
         send them. Of a key that an object has twice, the last one counts. Without `auth` there is no access control: do \
         not open the port to the world. With any option from `path` to `keep_raw`, with `respond: result` or `answer` it is a \
         webhook receiver: the request is described in `_request`, the response says how many tasks matched \
         (`matched`), and a ping is answered and runs nothing.",
    );
    let description = options::add_to(description);
    description
        .gives("*", "the keys of the object that was posted; the fields of a form; the query of a GET; captures of the path")
        .gives("_request", "web hooks: `method`, `path`, `query`, `headers`, `remote_address`, `body` where it is kept, `node` with `-id`")
        .example(
        "
trigger:
  manual:
    type: http
    host: 127.0.0.1
    port: 8123

router:
  manual_command:
    trigger: manual
    selector: match_map
    task:
      show: print
    select_param:
      match_key: command
      match_value: uptime
",
    )
}

#[cfg(test)]
mod tests;
