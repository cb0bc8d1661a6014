//! The command of a hook of webhook, as the `job_param` of a router.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::reference::{RequestReference, RequestUsage};
use crate::escape::{literal, parameter};
use crate::original::OriginalValue;

/// The original answers with all of a command's output; this is the most that is kept of it.
const MOST_OUTPUT: &str = "64MiB";

/// The command with all that is passed to it.
pub(super) fn job_param(
    item: &OriginalValue<'_>,
    command: &str,
    usage: &mut RequestUsage,
) -> Map<String, Value> {
    let folder = item.text_at("command-working-directory").filter(|folder| !folder.is_empty());
    let program = match &folder {
        Some(folder) if !command.starts_with('/') => format!("{}/{command}", folder.trim_end_matches('/')),
        _ => command.to_owned(),
    };
    let at = item.get("execute-command");
    if let Some(at) = at.as_ref().filter(|_| program.contains('/') && !program.starts_with('/')) {
        at.omit(format!("`{program}` is relative to where webhook was started: make it absolute"));
    }
    let output = item.bool_at("include-command-output-in-response");
    let mut passed = PassedValues::read(item, usage);
    // What holds = is a variable to env.
    let shell = output || (folder.is_some() && program.contains('='));
    let renamed = if shell { passed.rename() } else { Vec::new() };
    let mut line = if shell {
        let renaming = if program.contains('=') { String::new() } else { renaming(&renamed) };
        if let Some(at) = at.filter(|_| program.contains('=') && !renamed.is_empty()) {
            let names: Vec<&str> = renamed.iter().map(|(name, _)| &**name).collect();
            at.omit(format!(
                "a program with `=` in its name does not get the variables {}",
                names.join(", ")
            ));
        }
        through_shell(folder.as_deref(), output, &renaming)
    } else {
        folder.iter().flat_map(|folder| ["env".to_owned(), format!("--chdir={}", literal(folder))]).collect()
    };
    line.push(literal(&program));
    line.extend(
        arguments(item, "pass-arguments-to-command").into_iter().map(|(_, at)| at.in_template(usage)),
    );
    let mut param = Map::new();
    param.insert("cmd".to_owned(), Value::from(line.remove(0)));
    if !line.is_empty() {
        param.insert("arg".to_owned(), Value::from(line));
    }
    for (key, map) in [("env", passed.env), ("env_file", passed.files)] {
        if !map.is_empty() {
            let map = map.into_iter().map(|(name, value)| (name.clone(), present(&name, value)));
            param.insert(key.to_owned(), Value::Object(map.collect()));
        }
    }
    if output {
        param.insert("output_limit".to_owned(), Value::from(MOST_OUTPUT));
    }
    param
}

/// A value under this name that nobody takes for one that was forgotten.
fn present(name: &str, value: Value) -> Value {
    match value {
        Value::String(template) => Value::from(parameter(name, template)),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, present(name, value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// The words before a program that a shell starts: in the folder, and with both kinds of output as they come, which is
/// what the original answers with.
fn through_shell(folder: Option<&str>, output: bool, renaming: &str) -> Vec<String> {
    let cd = if folder.is_some() { "cd -- \"$0\" && " } else { "" };
    let both = if output { " 2>&1" } else { "" };
    let script = format!("{cd}exec {renaming}\"$@\"{both}");
    let name = folder.map_or("webhook".to_owned(), literal);
    vec!["sh".to_owned(), "-c".to_owned(), literal(&script), name]
}

/// The part of the script that gives variables the names which a shell does not pass on.
fn renaming(renamed: &[(String, String)]) -> String {
    if renamed.is_empty() {
        return String::new();
    }
    let unset = renamed.iter().map(|(_, plain)| format!("-u {plain} "));
    let set = renamed.iter().map(|(name, plain)| format!("'{}='\"${plain}\" ", name.replace('\'', "'\\''")));
    format!("env {}{}", unset.collect::<String>(), set.collect::<String>())
}

/// Variables, and files by the variables that hold their paths.
struct PassedValues {
    env: Map<String, Value>,
    files: Map<String, Value>,
}

impl PassedValues {
    fn read(item: &OriginalValue<'_>, usage: &mut RequestUsage) -> Self {
        let (mut env, mut files) = (Map::new(), Map::new());
        let variables = by_name(item, "pass-environment-to-command", |name| format!("HOOK_{name}"));
        for Variable { name, sources, .. } in variables {
            env.insert(name, Value::from(RequestReference::last_there(&sources, usage)));
        }
        let named = by_name(item, "pass-file-to-command", |name| format!("HOOK_{}", name.to_uppercase()));
        for Variable { name, sources, at } in named {
            let file = if sources.iter().any(|source| source.base64) {
                json!({"base64": RequestReference::last_in_base64(&sources, usage)})
            } else {
                Value::from(RequestReference::last_there(&sources, usage))
            };
            if env.shift_remove(&name).is_some() {
                at.omit(format!("`{name}` is a variable of its own as well: here it always names the file"));
            }
            files.insert(name, file);
        }
        Self { env, files }
    }

    /// Gives what a shell does not pass on a name that it does. Gives the names and the plain ones.
    fn rename(&mut self) -> Vec<(String, String)> {
        let mut renamed = Vec::new();
        let names: BTreeSet<String> = self.env.keys().chain(self.files.keys()).cloned().collect();
        for name in names.into_iter().filter(|name| !is_plain(name)) {
            let mut plain: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            if plain.starts_with(|c: char| c.is_ascii_digit()) {
                plain.insert(0, '_');
            }
            while self.env.contains_key(&plain) || self.files.contains_key(&plain) {
                plain.push('_');
            }
            for map in [&mut self.env, &mut self.files] {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, value)| (if key == name { plain.clone() } else { key }, value))
                    .collect();
            }
            renamed.push((name, plain));
        }
        renamed
    }
}

/// A variable and all that it is set to; of what is there, the last counts.
struct Variable<'a> {
    name: String,
    sources: Vec<RequestReference>,
    /// The first source.
    at: OriginalValue<'a>,
}

/// The references under a key by the variables that they set; `name` makes the name of one that has none.
fn by_name<'a>(item: &OriginalValue<'a>, key: &str, name: impl Fn(&str) -> String) -> Vec<Variable<'a>> {
    let mut variables: Vec<Variable<'a>> = Vec::new();
    for (at, given) in arguments(item, key) {
        let name = given.envname.clone().unwrap_or_else(|| name(&given.name));
        match variables.iter_mut().find(|variable| variable.name == name) {
            Some(variable) => variable.sources.push(given),
            None if is_possible(&at, &name) => variables.push(Variable { name, sources: vec![given], at }),
            None => {}
        }
    }
    variables
}

/// Whether a variable can have this name at all; noted otherwise.
fn is_possible(at: &OriginalValue<'_>, name: &str) -> bool {
    let possible = !name.contains(['=', '\0']);
    if !possible {
        at.omit(format!("`{name}` is not a valid variable name: the variable is not passed"));
    }
    possible
}

/// Whether a shell passes a variable of this name on.
fn is_plain(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The references under a key, and their places; those that the original does not know either are noted.
fn arguments<'a>(item: &OriginalValue<'a>, key: &str) -> Vec<(OriginalValue<'a>, RequestReference)> {
    let mut arguments = Vec::new();
    for at in item.list_at(key) {
        match RequestReference::read(&at) {
            Ok(argument) => {
                if let Some(difference) = argument.difference() {
                    at.omit(difference);
                }
                arguments.push((at, argument));
            }
            // The original passes an empty argument, to keep the places of the others.
            Err(why) => {
                at.omit(format!("{why}: it is empty, as in the original"));
                if key == "pass-arguments-to-command" {
                    arguments.push((at, RequestReference::empty()));
                }
            }
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::original::OriginalFile;

    /// The job of a hook with these keys.
    fn job(keys: &Value) -> (Map<String, Value>, usize) {
        let file = OriginalFile::read(&keys.to_string(), "hook").unwrap();
        let command = keys["execute-command"].as_str().unwrap();
        let param = job_param(&file.top(), command, &mut RequestUsage::default());
        (param, file.into_omissions().len())
    }

    #[test]
    fn one_variable_from_several_sources() {
        let from = |source: &str| json!({"source": source, "name": "m", "envname": "TOKEN"});
        let decoded =
            |source: &str| json!({"source": source, "name": "m", "envname": "TOKEN", "base64decode": true});
        let (payload, query) = ("at(trigger_param, 'm')", "at(trigger_param._request.query, 'm')");
        for (sources, env, file) in [
            (json!([from("payload")]), format!("{{{{ text({payload}) }}}}"), None),
            (
                json!([from("payload"), from("url")]),
                format!("{{{{ text({query}) if {query} is not none else text({payload}) }}}}"),
                None,
            ),
            (
                json!([from("string"), from("payload"), from("url")]),
                format!(
                    "{{{{ text({query}) if {query} is not none else text({payload}) if {payload} is not none else 'm' }}}}"
                ),
                None,
            ),
            (json!([from("url"), from("string")]), "m".to_owned(), None),
            (
                json!([from("payload"), decoded("url")]),
                format!("{{{{ text({query}) if {query} is not none else text({payload}) }}}}"),
                Some(format!(
                    "{{{{ text({query}) if {query} is not none else text({payload})|b64encode }}}}"
                )),
            ),
        ] {
            let (param, _) = job(&json!({"execute-command": "/x", "pass-environment-to-command": sources}));
            assert_eq!(param["env"], json!({"TOKEN": env}));
            let (param, _) = job(&json!({"execute-command": "/x", "pass-file-to-command": sources}));
            let file = file.map_or(json!(env), |file| json!({"base64": file}));
            assert_eq!(param["env_file"], json!({"TOKEN": file}));
        }
        let (param, left) = job(&json!({
            "execute-command": "/x", "pass-environment-to-command": [from("string")], "pass-file-to-command": [from("string")],
        }));
        assert_eq!((param.get("env"), &param["env_file"], left), (None, &json!({"TOKEN": "m"}), 1));
    }

    #[test]
    fn an_empty_text_is_no_forgotten_secret() {
        let empty =
            json!([{"source": "string", "envname": "API_TOKEN"}, {"source": "string", "envname": "A"}]);
        let (param, _) = job(&json!({"execute-command": "/x", "pass-environment-to-command": empty}));
        assert_eq!(param["env"], json!({"API_TOKEN": "{{ '' }}", "A": ""}));
        let (param, _) = job(&json!({"execute-command": "/x", "pass-file-to-command": empty}));
        assert_eq!(param["env_file"], json!({"API_TOKEN": "{{ '' }}", "A": ""}));
    }

    #[test]
    fn names_that_a_shell_does_not_pass_on() {
        let variable = |name: &str| json!({"source": "string", "name": "v", "envname": name});
        let whole = |script: &str| json!(["-c", script, "webhook", "/x"]);
        for (output, program, env, files, arg, passed, omissions) in [
            (false, "/x", vec!["a-b"], vec![], Value::Null, json!({"a-b": "v"}), 0),
            (
                true,
                "/x",
                vec!["A", "b_1"],
                vec![],
                whole("exec \"$@\" 2>&1"),
                json!({"A": "v", "b_1": "v"}),
                0,
            ),
            (
                true,
                "/x",
                vec!["a-b", "a_b"],
                vec!["1.'"],
                whole("exec env -u _1__ -u a_b_ '1.'\\''='\"$_1__\" 'a-b='\"$a_b_\" \"$@\" 2>&1"),
                json!({"a_b_": "v", "a_b": "v", "_1__": "v"}),
                0,
            ),
            (
                true,
                "/x=",
                vec!["a-b"],
                vec![],
                json!(["-c", "exec \"$@\" 2>&1", "webhook", "/x="]),
                json!({"a_b": "v"}),
                1,
            ),
            (false, "/x", vec!["a=b"], vec!["c=d"], Value::Null, json!({}), 2),
        ] {
            let list = |names: &[&str]| names.iter().map(|name| variable(name)).collect::<Vec<_>>();
            let (param, left) = job(&json!({
                "execute-command": program, "include-command-output-in-response": output,
                "pass-environment-to-command": list(&env), "pass-file-to-command": list(&files),
            }));
            assert_eq!(param.get("output_limit").is_some(), output);
            let map = |key: &str| param.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            let all: Map<String, Value> = map("env").into_iter().chain(map("env_file")).collect();
            assert_eq!(param.get("arg").cloned().unwrap_or_default(), arg, "{env:?}");
            assert_eq!((Value::Object(all), left), (passed, omissions), "{env:?}");
        }
    }
}
