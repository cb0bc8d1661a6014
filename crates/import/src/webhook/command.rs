//! The command of a hook of webhook, as the `job_param` of a router.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::reference::{RequestReference, RequestUsage};
use crate::escape::literal;
use crate::original::OriginalValue;

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
            param.insert(key.to_owned(), Value::Object(map));
        }
    }
    param
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
        for (at, given) in arguments(item, "pass-environment-to-command") {
            let name = given.envname.clone().unwrap_or_else(|| format!("HOOK_{}", given.name));
            if is_possible(&at, &name) {
                env.insert(name, Value::from(given.in_template(usage)));
            }
        }
        for (at, given) in arguments(item, "pass-file-to-command") {
            let name = given.envname.clone().unwrap_or_else(|| format!("HOOK_{}", given.name.to_uppercase()));
            let text = Value::from(given.in_template(usage));
            if is_possible(&at, &name) {
                files.insert(name, if given.base64 { json!({"base64": text}) } else { text });
            }
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
            let map = |key: &str| param.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
            let all: Map<String, Value> = map("env").into_iter().chain(map("env_file")).collect();
            assert_eq!(param.get("arg").cloned().unwrap_or_default(), arg, "{env:?}");
            assert_eq!((Value::Object(all), left), (passed, omissions), "{env:?}");
        }
    }
}
