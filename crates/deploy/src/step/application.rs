//! The application of a step, and its deployment, as the engine takes them.

use std::collections::BTreeMap;

use super::params::{AppParams, AuthParams, DeployStep, MachineAuth, health, hook};
use crate::engine::DeployRequest;
use crate::target::{DeployHealth, DeployHooks, DeployOrigin, DeployTarget, OriginAuth, TargetProblem};

impl DeployStep {
    /// The application.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn target(&self) -> Result<DeployTarget, TargetProblem> {
        let AppParams { hooks, .. } = &self.app;
        for command in [&hooks.before, &hooks.build, &hooks.once, &hooks.after].into_iter().flatten() {
            check_hook("hooks", &command.cmd, &command.arg, &command.env)?;
        }
        let app = self.app.clone();
        let target = DeployTarget {
            app: app.name,
            node: app.node,
            path: app.path,
            mode: app.mode,
            origin: DeployOrigin {
                kind: app.kind,
                url: app.repo,
                auth: auth(app.auth),
                ca_file: app.tls.map(|tls| tls.ca),
                externals: app.externals,
                submodules: app.submodules,
            },
            shared: app.shared,
            keep: app.keep,
            hooks: DeployHooks {
                before: hooks.before.as_ref().map(hook),
                build: hooks.build.as_ref().map(hook),
                once: hooks.once.as_ref().map(hook),
                after: hooks.after.as_ref().map(hook),
            },
            local_changes: app.local_changes,
            reserve: app.reserve,
        };
        target.check()?;
        Ok(target)
    }

    /// How it is known that the application works.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn health(&self) -> Result<Option<DeployHealth>, TargetProblem> {
        let wrong = |message: &str| Err(TargetProblem { option: "health", message: message.to_owned() });
        let Some(params) = &self.app.health else { return Ok(None) };
        match (&params.url, &params.cmd) {
            (Some(url), None) if url.starts_with("http://") || url.starts_with("https://") => {}
            (Some(_), None) => return wrong("`url` must begin with http:// or https://"),
            (None, Some(cmd)) => check_hook("health", cmd, &params.arg, &params.env)?,
            (Some(_), Some(_)) => return wrong("has both `url` and `cmd`; give one of them"),
            (None, None) => return wrong("needs a `url` or a `cmd`"),
        }
        Ok(Some(health(params)))
    }

    /// The deployment.
    #[must_use]
    pub fn request(&self) -> DeployRequest {
        let Self { id, action, revision, by, .. } = self.clone();
        DeployRequest { id, action, revision, by }
    }

    /// What is in no message.
    pub(super) fn secret(&self) -> Option<&str> {
        match &self.app.auth {
            Some(AuthParams::Password { password, .. }) => Some(password),
            _ => None,
        }
    }
}

fn auth(params: Option<AuthParams>) -> OriginAuth {
    match params {
        None => OriginAuth::Anonymous,
        Some(AuthParams::Machine(MachineAuth::Machine)) => OriginAuth::Machine,
        Some(AuthParams::Password { username, password }) => OriginAuth::Password { username, password },
        Some(AuthParams::SshKey { ssh_key_file, known_hosts_file }) => {
            OriginAuth::SshKey { key_file: ssh_key_file, known_hosts: known_hosts_file }
        }
    }
}

fn check_hook(
    option: &'static str,
    cmd: &str,
    arg: &[String],
    env: &BTreeMap<String, String>,
) -> Result<(), TargetProblem> {
    let wrong = |message: &str| Err(TargetProblem { option, message: message.to_owned() });
    if cmd.is_empty() {
        return wrong("`cmd` is empty; it names the program to run");
    }
    let mut texts = arg.iter().map(String::as_str).chain([cmd]).chain(env.values().map(String::as_str));
    if texts.any(|text| text.contains('\0')) {
        return wrong("`cmd`, `arg` and `env` must not have a NUL character");
    }
    if env.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
        return wrong("`env` has a name that a variable cannot have");
    }
    Ok(())
}
