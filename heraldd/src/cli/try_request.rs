//! `heraldd try`: which jobs an event would create, of a recorded request or with parameters.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use herald_base::near_miss::expected;
use herald_base::os_error;
use herald_config::bounded_file;
use herald_control::command_output::{CommandOutput, FAILED};
use herald_control::commands::events::event_data;
use herald_control::commands::replay;
use herald_core::activation::{Activation, INTERNAL, Name};
use herald_core::param::Params;

use super::config_file::ConfigFile;
use crate::loading::{self, Loaded};
use crate::trigger::http::NoEvent;
use crate::{dry_run, trigger};
use herald_webhook::recorded::{RecordedRequest, RecordingError};

/// Show which jobs an event would create, with their final parameters; creates none
///
/// --request names a file with a request as on the wire: the request line, headers, an empty line, the body. It is
/// checked as it would be if it came now, its signature included. --data gives the parameters of an event of any
/// trigger, also of an internal one such as exe_done. Selectors that run programs run them.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd try /etc/heraldd/config.yml --trigger github --request push.http"
)]
pub(super) struct Try {
    #[command(flatten)]
    file: ConfigFile,
    /// The trigger of the event
    #[arg(long, value_name = "NAME")]
    trigger: String,
    /// A recorded request to a trigger of type `http`; `-` reads standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    request: Option<PathBuf>,
    /// Event parameters, as a JSON object; `@FILE` reads a file, `-` standard input
    #[arg(short, long, value_name = "JSON", conflicts_with_all = ["request", "unchecked"])]
    data: Option<String>,
    /// One parameter: `key=value`, or `key:=JSON` for something else than a string; may be given several times
    #[arg(short, long = "param", value_name = "KEY=VALUE", conflicts_with_all = ["request", "unchecked"])]
    param: Vec<String>,
    /// Skip authentication and address checks
    #[arg(long)]
    unchecked: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Neither a request nor parameters.
const NO_EVENT: &str = "heraldd: what does the event carry? Add  -d '{\"ref\": \"refs/heads/main\"}'  or  -p \
                        ref=refs/heads/main  for its parameters (-d '{}' for none), or  --request FILE  for a recorded \
                        request to a trigger of type http";

pub(super) fn run(arguments: &Try) -> CommandOutput {
    let path = match arguments.file.path() {
        Ok(path) => path,
        Err(none) => return CommandOutput::refused(&none),
    };
    let loaded = match loading::load(&path, arguments.file.id(), None) {
        Ok(loaded) => loaded,
        Err(wrong) => return CommandOutput::refused(&wrong),
    };
    let event = match event(arguments) {
        Ok(event) => event,
        Err(output) => return output,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(try_event(arguments, loaded, event)),
        Err(error) => CommandOutput { remarks: error.to_string(), code: FAILED, ..CommandOutput::good("") },
    }
}

/// What is tried.
enum TriedEvent {
    Request(RecordedRequest),
    Params(Params),
}

fn event(arguments: &Try) -> Result<TriedEvent, CommandOutput> {
    if let Some(path) = &arguments.request {
        let recorded =
            read(path).map_err(|why| CommandOutput::refused(&format!("{}: {why}", path.display())));
        return recorded.map(TriedEvent::Request);
    }
    if arguments.data.is_none() && arguments.param.is_empty() {
        return Err(CommandOutput::refused(&NO_EVENT));
    }
    let text = event_data(arguments.data.as_deref(), &arguments.param);
    let text = text.map_err(|error| CommandOutput::refused(&error))?;
    // It was checked to be an object, or nothing.
    let params = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(TriedEvent::Params(params))
}

async fn try_event(arguments: &Try, loaded: Loaded, event: TriedEvent) -> CommandOutput {
    let name = arguments.trigger.as_str();
    let triggers = loaded.assembly.triggers();
    let params = match event {
        TriedEvent::Request(recorded) => {
            let triggers = triggers.iter().map(|(name, trigger)| (&**name, &**trigger));
            match trigger::http::dry_run(triggers, name, recorded, !arguments.unchecked).await {
                Ok(params) => params,
                Err(no_event) => return without_event(no_event),
            }
        }
        TriedEvent::Params(params) => {
            let mut known = triggers.iter().map(|(name, _)| &**name).chain(INTERNAL);
            if !known.any(|known| known == name) {
                let known = triggers.iter().map(|(name, _)| &**name).chain(INTERNAL);
                let help = expected(name, known);
                return CommandOutput::unknown(&format!("heraldd: there is no trigger \"{name}\"; {help}"));
            }
            params
        }
    };
    let plan = Arc::new(loaded.assembly.plan(loaded.config.workflow, loaded.config.mask));
    let event_id = Name::from("00000000-0000-7000-8000-000000000000");
    let trigger_param = Arc::new(params.into());
    let (trigger, by) = (Name::from(name), None);
    let activation = Activation { event_id, trigger, trigger_param, chain_depth: 0, by };
    replay::show(&dry_run::of(&plan, activation).await, arguments.json)
}

/// A request that creates no event.
fn without_event(no_event: NoEvent) -> CommandOutput {
    let failed = |remarks: String| CommandOutput { remarks, code: FAILED, ..CommandOutput::good("") };
    match no_event {
        error @ NoEvent::Unknown { .. } => CommandOutput::unknown(&format!("heraldd: {error}")),
        error @ NoEvent::OtherType(_) => CommandOutput::refused(&format!("heraldd: {error}")),
        NoEvent::OtherTrigger(other) => {
            failed(format!("the trigger \"{other}\" on the same port receives this path"))
        }
        NoEvent::Response { status, why } if status.is_success() => CommandOutput {
            remarks: format!("the response would be {status}, without an event: {why}"),
            ..CommandOutput::good("")
        },
        NoEvent::Response { status, why } => {
            failed(format!("the request would be rejected with {status}: {why}"))
        }
    }
}

/// Why there is no recorded request.
#[derive(Debug, thiserror::Error)]
enum RequestFileError {
    #[error("cannot be read: {}", os_error::plain(&.0.to_string()))]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Content(#[from] RecordingError),
}

fn read(path: &Path) -> Result<RecordedRequest, RequestFileError> {
    const MOST: u64 = 64 << 20;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(MOST).read_to_end(&mut bytes)?;
    } else {
        let file = bounded_file::open(path)?;
        bytes = bounded_file::read(&file, &file.metadata()?, MOST)?;
    }
    Ok(RecordedRequest::read(&bytes)?)
}
