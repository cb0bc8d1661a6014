//! `heraldd try`: which jobs a recorded request would create.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use herald_base::os_error;
use herald_config::bounded_file;
use herald_control::command_output::{CommandOutput, FAILED};
use herald_control::commands::replay;
use herald_core::activation::{Activation, Name};

use super::config_file::ConfigFile;
use crate::loading::{self, Loaded};
use crate::trigger::http::NoEvent;
use crate::{dry_run, trigger};
use herald_webhook::recorded::{RecordedRequest, RecordingError};

/// Show which jobs a recorded request would create, with their final parameters; creates none
///
/// FILE holds the request as on the wire: the request line, headers, an empty line, the body. It is checked as it would
/// be if it came now, its signature included. Selectors that run programs run them.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd try /etc/heraldd/config.yml --trigger github --request push.http"
)]
pub(super) struct Try {
    #[command(flatten)]
    file: ConfigFile,
    /// The `http` trigger that receives it
    #[arg(long, value_name = "NAME")]
    trigger: String,
    /// The recorded request; `-` reads standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    request: PathBuf,
    /// Skip authentication and address checks
    #[arg(long)]
    unchecked: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Try) -> CommandOutput {
    let path = match arguments.file.path() {
        Ok(path) => path,
        Err(none) => return CommandOutput::refused(&none),
    };
    let loaded = match loading::load(&path, arguments.file.id(), None) {
        Ok(loaded) => loaded,
        Err(wrong) => return CommandOutput::refused(&wrong),
    };
    let recorded = match read(&arguments.request) {
        Ok(recorded) => recorded,
        Err(why) => return CommandOutput::refused(&format!("{}: {why}", arguments.request.display())),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(try_recorded(arguments, loaded, recorded)),
        Err(error) => CommandOutput { remarks: error.to_string(), code: FAILED, ..CommandOutput::good("") },
    }
}

async fn try_recorded(arguments: &Try, loaded: Loaded, recorded: RecordedRequest) -> CommandOutput {
    let name = arguments.trigger.as_str();
    let triggers = loaded.assembly.triggers();
    let triggers = triggers.iter().map(|(name, trigger)| (&**name, &**trigger));
    let params = match trigger::http::dry_run(triggers, name, recorded, !arguments.unchecked).await {
        Ok(params) => params,
        Err(error @ (NoEvent::Unknown { .. } | NoEvent::OtherType(_))) => {
            return CommandOutput::refused(&format!("heraldd: {error}"));
        }
        Err(NoEvent::OtherTrigger(other)) => {
            let remarks = format!("the trigger \"{other}\" on the same port receives this path");
            return CommandOutput { remarks, code: FAILED, ..CommandOutput::good("") };
        }
        Err(NoEvent::Response { status, why }) if status.is_success() => {
            return CommandOutput {
                remarks: format!("the response would be {status}, without an event: {why}"),
                ..CommandOutput::good("")
            };
        }
        Err(NoEvent::Response { status, why }) => {
            let remarks = format!("the request would be rejected with {status}: {why}");
            return CommandOutput { remarks, code: FAILED, ..CommandOutput::good("") };
        }
    };
    let plan = Arc::new(loaded.assembly.plan(loaded.config.workflow, loaded.config.mask));
    let event_id = Name::from("00000000-0000-7000-8000-000000000000");
    let trigger_param = Arc::new(params.into());
    let (trigger, by) = (Name::from(name), None);
    let activation = Activation { event_id, trigger, trigger_param, chain_depth: 0, by };
    replay::show(&dry_run::of(&plan, activation).await, arguments.json)
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
