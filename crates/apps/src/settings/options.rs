//! The options of an application, as the reference describes them.

use herald_config::spec::{Description, OptionKind, OptionSpec};
use serde_json::json;

use super::checks;

/// A whole section.
const EXAMPLE: &str = "
node:
  web1: {host: 'https://web1.example.com:8124', secret: \"${env:HERALD_SECRET}\"}
  web2: {host: 'https://web2.example.com:8124', secret: \"${env:HERALD_SECRET}\"}

app:
  shop:
    repo: https://git.example.com/shop.git
    type: git
    revision: main
    mode: exchange
    path: /srv/www/shop
    nodes: [web1, web2]
    shared: [uploads/, .env]
    hooks:
      build: {cmd: composer, arg: [install]}
      after: {cmd: systemctl, arg: [reload, php-fpm]}
    health: {url: 'http://127.0.0.1/up', within: 30s}
    strategy: {canary: 1, max_parallel: 4, offline: catch_up}
";

/// What an application is, with all its options.
#[must_use]
pub fn description() -> Description {
    let description = Description::new(
        "app",
        "An application that is deployed from Git or Subversion to nodes of the fleet: `heraldd deploy NAME`. All nodes \
         get the same revision, and none switches before all are ready. Each application is an executor `app:NAME` too, \
         so that a router can deploy what a webhook names: `task: {go: {executor: 'app:NAME', job_param: {revision: …}}}`.",
    );
    let options = source().into_iter().chain(tree()).chain(fleet());
    options.fold(description, Description::option).example(EXAMPLE)
}

fn source() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "repo",
            OptionKind::Text,
            "The URL of the repository, without a password; of Subversion with the path inside it.",
        )
        .check(checks::repo)
        .required(),
        new(
            "type",
            OptionKind::OneOf(&["git", "svn"]),
            "Which programs speak to it. Default: `svn` for URLs with `svn://` and `svn+ssh://`, `git` for those with `git://`, \
             `ssh://` and `.git` at the end; others must say it.",
        ),
        new(
            "revision",
            OptionKind::Text,
            "What is deployed where nobody says it: a branch, a tag, a commit, a number, or `HEAD`.",
        )
        .default("HEAD"),
        new(
            "auth",
            OptionKind::Any,
            "As whom the repository is asked: `{username, password}`; `{ssh_key_file, known_hosts_file}`, files of the \
             nodes and of this machine; or `machine`: what the user of the runner has stored. Default: nobody.",
        )
        .takes("map or `machine`")
        .check(checks::auth),
        new("tls", OptionKind::Fields(tls()), "How a repository at `https://` proves who it is."),
        new("externals", OptionKind::OneOf(&["fail", "ignore"]), "What an external of Subversion does that cannot be fetched.")
            .default("fail"),
        new("submodules", OptionKind::Boolean, "Whether submodules of Git are checked out.").default(false),
    ]
}

fn tls() -> Vec<OptionSpec> {
    vec![
        OptionSpec::new(
            "ca",
            OptionKind::Text,
            "The certificate of its authority, in PEM: an absolute path, on the nodes and on this machine. Default: the \
             authorities of the system.",
        )
        .required()
        .check(checks::ca),
    ]
}

fn tree() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "mode",
            OptionKind::OneOf(&["in_place", "releases", "exchange"]),
            "`in_place` updates a working copy where it is, or makes it. `releases` writes `PATH/releases/…` and switches the \
             link `PATH/current`. `exchange` builds the new tree beside PATH; then both change places in one system call.",
        )
        .default("exchange"),
        new("path", OptionKind::Text, "Where the application is on the nodes: an absolute path. A node may have its own.")
            .check(checks::path),
        new(
            "shared",
            OptionKind::Texts,
            "Files, and folders with a `/` at the end, that stay through all deployments; relative. Not with `in_place`.",
        )
        .check(checks::shared),
        new("keep", OptionKind::Integer { min: 1, max: 1000 }, "How many good trees each node keeps, with the live one.")
            .default(5),
        new(
            "local_changes",
            OptionKind::OneOf(&["refuse", "keep", "discard"]),
            "What is done about files that were changed on a node (`in_place`): the deployment is refused; they stay; or they \
             are saved as a patch and reverted.",
        )
        .default("refuse"),
        new("reserve", OptionKind::Size, "How much room must stay free on a node beyond what is written and a tenth of it.")
            .default("16MiB"),
        new(
            "hooks",
            OptionKind::Fields(hooks()),
            "Commands on each node. They run in the folder of the tree, and get HERALD_APP, HERALD_ACTION (`deploy`, \
             `rollback`, `revert`), HERALD_REVISION, HERALD_PREVIOUS, HERALD_PATH, HERALD_NEXT, HERALD_NODE and HERALD_BY. \
             Their exit code counts; what they write to standard error does not. They run as the `user` and with the `limits` \
             of the node's herald-runner; the tree belongs to the user of herald-runner itself. A hook that writes in the tree, \
             such as `build`, needs a runner that runs as the owner of the application, and has no `user`.",
        ),
        new("health", OptionKind::Fields(health()), "What must be right after the switch: an answer of `url`, or the end of `cmd`.")
            .check(checks::health),
    ]
}

fn fleet() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "nodes",
            OptionKind::Any,
            "The nodes of `node`: a list of names, or a map `{NAME: {path, hooks}}` where some have a path or hooks of their own.",
        )
        .takes("list of names or map"),
        new("tags", OptionKind::Texts, "The same by tag: every node that bears one of these."),
        new("strategy", OptionKind::Fields(strategy()), "In which order the nodes switch."),
        new(
            "on_failure",
            OptionKind::OneOf(&["rollback", "stop", "continue"]),
            "When a node fails after it has switched, it is reverted. `rollback`: so are all others, in reverse order. `stop`: \
             they stay, and no further node switches. `continue`: the others go on.",
        )
        .default("rollback"),
        new(
            "freeze",
            OptionKind::Any,
            "When nothing is deployed (a rollback is): a list of `{from: fri 16:00, to: mon 08:00, time_zone: Europe/Berlin}`, \
             or of dates `{from: 2026-12-20, to: 2027-01-04}`.",
        )
        .takes("list of maps")
        .check(checks::freeze),
        new("timeout", OptionKind::Duration, "How long each step may take on a node.").default("15m"),
        new(
            "drift_interval",
            OptionKind::Duration,
            "How often each node is asked what is live there; at least 5 s.",
        )
        .default("5m")
        .check(checks::drift_interval),
    ]
}

fn hooks() -> Vec<OptionSpec> {
    let hook = |name: &str, doc: &str| OptionSpec::new(name, OptionKind::Fields(command(true)), doc);
    vec![
        hook(
            "before",
            "Before anything is fetched, on every node; in PATH, or the folder above where it is not there yet.",
        ),
        hook("build", "In the new tree, before the switch; with `in_place` after the update."),
        hook(
            "once",
            "In the new tree of the first node alone, when all nodes are ready: migrations. With `in_place` there is no new \
             tree before the switch: the first node is updated, `build` and `once` run, and no other node is touched before; \
             when `once` fails, the first node goes back.",
        ),
        hook("after", "After the switch, in the live tree; also after a revert."),
    ]
}

fn command(is_required: bool) -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let cmd = new("cmd", OptionKind::Text, "The program: a name in PATH, or a path, relative to the tree.");
    vec![
        if is_required { cmd.required() } else { cmd },
        new("arg", OptionKind::Texts, "Its arguments."),
        new("env", OptionKind::Map, "Environment variables."),
        new("timeout", OptionKind::Duration, "How long it may take, within the `timeout` of its step."),
    ]
}

fn health() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let mut fields = vec![
        new("url", OptionKind::Url, "Asked on the node, again every second."),
        new(
            "status",
            OptionKind::Integer { min: 100, max: 599 },
            "The status that it must answer. Default: 200 to 299.",
        ),
        new("within", OptionKind::Duration, "How long it may take until it is right.").default("30s"),
    ];
    fields.extend(command(false).into_iter().filter(|field| field.name != "timeout"));
    fields
}

fn strategy() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let count = |min| OptionKind::Integer { min, max: 100_000 };
    vec![
        new("canary", count(0), "How many nodes switch, and must be well, before the others do.").default(0),
        new("max_parallel", count(1), "How many nodes switch at once.").default(json!(1)),
        new("pause", OptionKind::Duration, "How long to wait between them. Default: not at all."),
        new(
            "offline",
            OptionKind::OneOf(&["fail", "skip", "wait", "catch_up"]),
            "A node that is offline: the deployment fails before anything is changed; it goes on without the node; it waits for \
             the node within `timeout`; or the node gets the revision when it is back.",
        )
        .default("fail"),
    ]
}
