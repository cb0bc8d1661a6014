//! `config.json` of multi-node-webhook: hooks that any node takes and all nodes run.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::escape::{literal, path, template_text};
use super::given::{File, Item};
use super::imported::{Imported, Unreadable};
use super::pattern;
use super::yaml_out::Writer;

/// Where the hooks are served when no node says so.
const PORT: u16 = 8888;
/// Where nodes talk to each other.
const NODE_PORT: u16 = 8124;
/// The original waits as long as it takes.
const LONGEST_WAIT: &str = "1h";
const SECRET: &str = "${env:HERALD_NODE_SECRET}";
const HEAD: &str = "Made by `heraldd import multi-node-webhook`. Every node runs `heraldd -id NAME -config FILE` with this file, and with the same
secret of at least 16 bytes in HERALD_NODE_SECRET.";
/// With `?node=…` only the command of the node that was asked runs.
const ONLY_HERE: &str = "!(\"node\" in trigger_param._request.query)
|| trigger_param._request.query.node == \"\"
|| select_param.node == trigger_param._request.node";
const BODY: &str = "trigger_param._request.body";

/// Makes a configuration of a `config.json`.
///
/// # Errors
/// When it is none.
pub fn import(text: &str, file_name: &str) -> Result<Imported, Unreadable> {
    let file = File::read(text, file_name)?;
    let top = file.top();
    if !["nodes", "hooks"].iter().all(|key| top.get(key).is_some_and(|item| item.value.is_array())) {
        let why = "this is no configuration of multi-node-webhook: expected the lists `nodes` and `hooks`";
        return Err(Unreadable(format!("{file_name}:1: {why}")));
    }
    top.only(&["nodes", "hooks"]);
    let nodes = nodes(&top);
    let port = port(&nodes);
    let mut writer = Writer::default();
    writer.comment(0, HEAD);
    write_nodes(&mut writer, &nodes);
    let hooks = hooks(&top, &nodes);
    if !hooks.is_empty() {
        writer.section("trigger");
        for (key, _) in &hooks {
            let trigger = json!({
                "type": "http", "host": "0.0.0.0", "port": port, "path": path(&format!("/{key}")), "methods": ["GET", "POST"],
                "body": "any", "keep_raw": true, "dedup_window": 0, "respond": "result", "respond_timeout": LONGEST_WAIT,
            });
            writer.entry(2, key, &trigger);
        }
        writer.section("router");
        hooks.iter().for_each(|(key, router)| writer.entry(2, key, router));
    }
    Ok(Imported { yaml: writer.finish(), left_out: file.into_left_out() })
}

struct Node {
    id: String,
    host: String,
    port: Option<u16>,
}

fn nodes(top: &Item<'_>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for item in top.list_at("nodes") {
        item.only(&["id", "host"]);
        let Some(id) = item.text_at("id").filter(|id| !id.is_empty()) else {
            item.leave_out("a node without `id`");
            continue;
        };
        if nodes.iter().any(|node| node.id == id) {
            item.leave_out(format!("node `{id}` is there already: the first one counts, there and here"));
            continue;
        }
        let address = item.text_at("host").unwrap_or_default();
        let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
        let port = port.parse().ok();
        if let Some((at, _)) = item
            .get("host")
            .zip(port.zip(nodes.iter().find_map(|node| node.port)).filter(|(own, first)| own != first))
        {
            at.leave_out(format!(
                "node `{id}`: the port differs; one file serves all nodes, so hooks are on one port"
            ));
        }
        let host = if host.is_empty() {
            let at = item.get("host").unwrap_or_else(|| item.clone());
            at.leave_out(format!(
                "node `{id}` has no address that others can reach: 127.0.0.1 is taken, write its own"
            ));
            "127.0.0.1".to_owned()
        } else {
            host.to_owned()
        };
        nodes.push(Node { id, host, port });
    }
    nodes
}

fn port(nodes: &[Node]) -> u16 {
    nodes.iter().find_map(|node| node.port).unwrap_or(PORT)
}

fn write_nodes(writer: &mut Writer, nodes: &[Node]) {
    if nodes.is_empty() {
        return;
    }
    writer.section("node");
    for node in nodes {
        let host = format!("http://{}:{NODE_PORT}", node.host);
        writer.entry(2, &node.id, &json!({"host": host, "secret": SECRET}));
    }
    writer.section("runner");
    writer.comment(2, "Address and secret are those of the own node.");
    writer.entry(2, "work_dir", &json!("/var/lib/heraldd/runner"));
    writer.section("executor");
    for node in nodes {
        writer.entry(2, &executor(&node.id), &json!({"type": "http_remote", "nodes": [node.id]}));
    }
}

fn executor(node: &str) -> String {
    format!("on_{node}")
}

/// Keys and routers.
fn hooks(top: &Item<'_>, nodes: &[Node]) -> Vec<(String, Value)> {
    let mut seen = BTreeSet::new();
    let mut hooks = Vec::new();
    for item in top.list_at("hooks") {
        item.only(&["key", "commands"]);
        let Some(key) = item.text_at("key").filter(|key| !key.is_empty()) else {
            item.leave_out("a hook without `key`: it cannot be called");
            continue;
        };
        if !seen.insert(key.clone()) {
            item.leave_out(format!("hook `{key}` is there already: the first one counts, there and here"));
            continue;
        }
        let tasks = tasks(&item, nodes);
        if tasks.is_empty() {
            item.leave_out(format!("hook `{key}` runs nothing"));
            continue;
        }
        let router = json!({
            "trigger": key, "selector": "expr", "select_param": {"expr": ONLY_HERE}, "task": tasks,
        });
        hooks.push((key, router));
    }
    hooks
}

fn tasks(hook: &Item<'_>, nodes: &[Node]) -> Map<String, Value> {
    let mut tasks = Map::new();
    for item in hook.list_at("commands") {
        item.only(&["id", "command", "display", "parm_bind"]);
        let id = item.text_at("id").unwrap_or_default();
        let Some(command) = item.text_at("command").filter(|command| !command.is_empty()) else { continue };
        if !nodes.iter().any(|node| node.id == id) {
            item.leave_out(format!("there is no node `{id}` to run it"));
            continue;
        }
        if !item.flag_at("display") {
            let at = item.get("display").unwrap_or_else(|| item.clone());
            at.leave_out("display: the caller gets to see what the command prints all the same");
        }
        let task = json!({
            "executor": executor(&id), "select_param": {"node": id}, "job_param": job_param(&item, &command),
        });
        let name = (1..)
            .map(|n| if n == 1 { id.clone() } else { format!("{id}_{n}") })
            .find(|name| !tasks.contains_key(name))
            .unwrap_or_default();
        tasks.insert(name, task);
    }
    tasks
}

fn job_param(item: &Item<'_>, command: &str) -> Value {
    let relative =
        command.to_ascii_lowercase().ends_with(".sh") && !command.starts_with('/') && !command.contains(' ');
    if let Some(at) = item.get("command").filter(|_| relative) {
        at.leave_out(format!("`{command}` is relative to where the server was started: make it absolute"));
    }
    let mut script = if relative { format!("./{command}") } else { command.to_owned() };
    let mut values = Vec::new();
    for (name, value) in bound(item) {
        let place = values.len() + 1;
        // What does not match is no argument; what does is one, whatever is in it.
        script.push_str(&format!(" ${{{}:+\"${{{place}}}${{{}}}\"}}", place + 1, place + 1));
        values.extend([Value::from(literal(&name)), Value::from(value)]);
    }
    let mut arg = vec![Value::from("-c"), Value::from(literal(&script))];
    if !values.is_empty() {
        arg.push(Value::from(item.text_at("id").unwrap_or_default()));
        arg.extend(values);
    }
    json!({"cmd": "bash", "arg": arg})
}

/// Beginnings of arguments, and templates for the rest of each.
fn bound(item: &Item<'_>) -> Vec<(String, String)> {
    let Some(text) = item.text_at("parm_bind").filter(|text| !text.is_empty()) else { return Vec::new() };
    let Some(at) = item.get("parm_bind") else { return Vec::new() };
    let Ok(Value::Object(map)) = serde_json::from_str::<Value>(&text) else {
        at.leave_out("parm_bind is no JSON object: the original does not look at it either");
        return Vec::new();
    };
    let mut bound = Vec::new();
    for (name, value) in map {
        match value {
            Value::String(pattern) => match pattern::from_go(&pattern) {
                Ok(pattern) if pattern_has_group(&pattern) => {
                    let pattern = template_text(&pattern);
                    bound.push((name, format!("{{{{ {BODY}|regex({pattern}, 1)|default('') }}}}")));
                }
                Ok(_) => at.leave_out(format!("parm_bind `{name}`: a pattern without a group gives nothing")),
                Err(why) => at.leave_out(format!("parm_bind `{name}`: the pattern is wrong: {why}")),
            },
            Value::Array(steps) if !steps.is_empty() => {
                let name = if name.ends_with('=') { name } else { format!("{name}=") };
                at.leave_out(format!(
                    "parm_bind `{name}`: the original looks at patterns only; what stands there in the JSON body is passed"
                ));
                let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
                let path = steps.iter().map(step).collect::<Vec<_>>().join(".");
                bound.push((name, format!("{{{{ text(at(trigger_param, {})) }}}}", template_text(&path))));
            }
            _ => at.leave_out(format!("parm_bind `{name}`: expected a pattern, or a list of keys")),
        }
    }
    bound
}

fn pattern_has_group(pattern: &str) -> bool {
    regex::Regex::new(pattern).is_ok_and(|regex| regex.captures_len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_config::yaml::Document;

    const SEED: &str = r#"{
  "nodes": [
    {"id": "master", "host": ":8888"},
    {"id": "node1", "host": "192.168.16.1:8888"}
  ],
  "hooks": [
    {
      "key": "update",
      "commands": [
        {"id": "master", "command": "ls", "display": true, "parm_bind": "{\"-a=\":\"\\\"tag\\\":\\\"([a-z0-9.-]+)\\\"\"}"},
        {"id": "node1", "command": "docker_redeploy.sh", "display": true,
         "parm_bind": "{\"var\":[\"push_data\",\"tag\"]}"}
      ]
    }
  ]
}"#;

    fn imported(text: &str) -> (Value, Vec<usize>) {
        let imported = import(text, "config.json").unwrap();
        let read = Document::parse(&imported.yaml, "out");
        let read = read.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.yaml));
        (read.value().clone(), imported.left_out.iter().map(|left| left.line).collect())
    }

    #[test]
    fn the_example() {
        let (config, lines) = imported(SEED);
        assert_eq!(lines, [3, 11, 12]);
        assert_eq!(config["node"]["node1"], json!({"host": "http://192.168.16.1:8124", "secret": SECRET}));
        assert_eq!(config["executor"]["on_node1"], json!({"type": "http_remote", "nodes": ["node1"]}));
        assert_eq!(config["trigger"]["update"]["port"], 8888);
        assert_eq!(config["trigger"]["update"]["path"], "/update");
        let task = &config["router"]["update"]["task"];
        assert_eq!(task["master"]["select_param"], json!({"node": "master"}));
        let pattern = r#"{{ trigger_param._request.body|regex('"tag":"([a-z0-9.-]+)"', 1)|default('') }}"#;
        let arg = json!(["-c", "ls ${2:+\"${1}${2}\"}", "master", "-a=", pattern]);
        assert_eq!(task["master"]["job_param"], json!({"cmd": "bash", "arg": arg}));
        let path = "{{ text(at(trigger_param, 'push_data.tag')) }}";
        let arg = json!(["-c", "./docker_redeploy.sh ${2:+\"${1}${2}\"}", "node1", "var=", path]);
        assert_eq!(task["node1"]["job_param"], json!({"cmd": "bash", "arg": arg}));
    }

    #[test]
    fn commands() {
        for (command, lines, job_param) in [
            (
                json!({"command": "a | b", "display": true}),
                vec![],
                Some(json!({"cmd": "bash", "arg": ["-c", "a | b"]})),
            ),
            (json!({"command": "a"}), vec![1], Some(json!({"cmd": "bash", "arg": ["-c", "a"]}))),
            (json!({"command": ""}), vec![1], None),
            (json!({}), vec![1], None),
            (json!({"command": "a", "id": "gone"}), vec![1, 1], None),
            (
                json!({"command": "/a.sh", "display": true, "parm_bind": "x"}),
                vec![1],
                Some(json!({"cmd": "bash", "arg": ["-c", "/a.sh"]})),
            ),
            (
                json!({"command": "a", "display": true, "parm_bind": r#"{"x":"(", "y":"nogroup", "z":5}"#}),
                vec![1, 1, 1],
                Some(json!({"cmd": "bash", "arg": ["-c", "a"]})),
            ),
        ] {
            let mut given = json!({"id": "n"});
            given.as_object_mut().unwrap().extend(command.as_object().unwrap().clone());
            let text =
                json!({"nodes": [{"id": "n", "host": "h:1"}], "hooks": [{"key": "k", "commands": [given]}]});
            let (config, left_out) = imported(&text.to_string());
            assert_eq!(left_out, lines, "{command}");
            let made = config.pointer("/router/k/task/n/job_param");
            assert_eq!(made, job_param.as_ref(), "{command}");
        }
    }

    #[test]
    fn what_is_no_configuration() {
        for text in ["[]", "{}", "x", r#"{"nodes": []}"#, r#"{"nodes": {}, "hooks": []}"#] {
            assert!(import(text, "config.json").is_err(), "{text}");
        }
    }
}
