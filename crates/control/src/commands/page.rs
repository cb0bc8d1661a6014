//! `heraldd page`: a link that lets you in to the page.

use clap::Args;
use http::Method;

use crate::client::DaemonSocket;
use crate::command_output::CommandOutput;
use crate::model::PageLink;

/// Print a link to the page of the running daemon
///
/// The link lets you in as an admin: once, and within 60 seconds. It leads to the listener of the section `page`;
/// without one, the daemon opens a port of this machine now, which nobody else reaches, and closes it when it is not
/// used for 12 hours.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd page")]
pub struct PageArguments {
    #[command(flatten)]
    daemon: DaemonSocket,
    /// Print JSON: the response of the API
    #[arg(long)]
    json: bool,
}

/// Carries it out.
#[must_use]
pub fn run(arguments: &PageArguments) -> CommandOutput {
    let said = match arguments.daemon.ask(Method::POST, "/v1/page-link", None) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    if arguments.json {
        return CommandOutput::good(said.to_string());
    }
    match serde_json::from_value::<PageLink>(said) {
        Ok(link) => {
            let ssh = std::env::var("SSH_CONNECTION").ok();
            let user = std::env::var("USER").ok();
            let remarks = remarks(&link, ssh.as_deref(), user.as_deref());
            CommandOutput { remarks, ..CommandOutput::good(link.url) }
        }
        Err(error) => CommandOutput::unexpected(&error),
    }
}

/// What to know of the link; `ssh`: the variable `SSH_CONNECTION`.
fn remarks(link: &PageLink, ssh: Option<&str>, user: Option<&str>) -> String {
    let once = format!("the link can be used once, within {} s", link.valid_seconds);
    let server = ssh.and_then(|ssh| ssh.split_whitespace().nth(2));
    match (link.port, server) {
        (Some(port), Some(server)) => {
            let user = user.map(|user| format!("{user}@")).unwrap_or_default();
            format!(
                "{once}; from your own machine, first run\n  ssh -L {port}:127.0.0.1:{port} {user}{server}"
            )
        }
        _ => once,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_ssh_it_says_how_to_reach_the_port() {
        let link = |port| PageLink { url: "http://127.0.0.1:4/in/x".to_owned(), port, valid_seconds: 60 };
        let ssh = Some("192.0.2.9 50000 192.0.2.1 22");
        let said = remarks(&link(Some(4040)), ssh, Some("root"));
        assert!(said.ends_with("\n  ssh -L 4040:127.0.0.1:4040 root@192.0.2.1"), "{said}");
        for (port, ssh) in [(None, ssh), (Some(4040), None)] {
            assert!(!remarks(&link(port), ssh, None).contains("ssh -L"));
        }
    }
}
