//! What was probably meant by arguments that the parser of the command line refuses, where it does not say so itself.

/// A line to show under what the parser says. `arguments`: without the name of the program.
#[must_use]
pub fn hint(arguments: &[String]) -> Option<String> {
    let output = arguments.iter().position(|argument| argument == "-o" || argument == "--output");
    let format = output.and_then(|at| arguments.get(at + 1));
    let (first, rest) = arguments.split_first()?;
    let named = rest.iter().find(|argument| !argument.starts_with('-')).map(String::as_str);
    let assigned =
        || rest.iter().skip(1).find(|argument| !argument.starts_with('-') && argument.contains('='));
    match first.as_str() {
        _ if format.is_some_and(|format| format != "json") => {
            Some("the output is for people, or JSON with --json".to_owned())
        }
        "run" if named.is_some_and(|name| !is_file(name)) => {
            let name = named.unwrap_or_default();
            Some(format!("to fire a trigger write: heraldd trigger {name}"))
        }
        "run" | "start" | "serve" | "daemon" => {
            let file = named.filter(|name| is_file(name)).unwrap_or("FILE");
            Some(format!("the daemon is started without a command: heraldd -config {file}"))
        }
        "stop" | "shutdown" | "kill" => {
            Some("to stop the daemon send it TERM; as a service: systemctl stop heraldd".to_owned())
        }
        "restart" => Some(
            "a changed configuration needs no restart: heraldd reload; as a service: systemctl restart heraldd"
                .to_owned(),
        ),
        "fire" | "activate" | "emit" => {
            Some(format!("to fire a trigger write: heraldd trigger {}", named.unwrap_or("NAME")))
        }
        "trigger" => {
            let param = assigned()?;
            Some(format!("a parameter is written with -p: heraldd trigger {} -p {param}", named?))
        }
        "jobs" | "ps" | "events" | "stats" | "results" => {
            let name = rest.first().filter(|name| !name.starts_with('-'))?;
            Some(format!("for one router write: heraldd {first} --router {name}"))
        }
        "deploy" | "rollback" if rest.iter().any(|argument| argument.starts_with("--rev")) => {
            Some(format!("the revision is written without an option: heraldd {first} {} REVISION", named?))
        }
        file if is_file(file) => {
            Some(format!("to start the daemon with this file write: heraldd -config {file}"))
        }
        _ => None,
    }
}

fn is_file(text: &str) -> bool {
    [".yml", ".yaml", ".conf", ".json"].iter().any(|ending| text.ends_with(ending)) || text.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        for (typed, says) in [
            ("heraldd.yml", "heraldd -config heraldd.yml"),
            ("/etc/heraldd/config.yaml", "heraldd -config /etc/heraldd/config.yaml"),
            ("run", "heraldd -config FILE"),
            ("run x.yml", "heraldd -config x.yml"),
            ("start", "heraldd -config FILE"),
            ("run nightly", "heraldd trigger nightly"),
            ("fire nightly", "heraldd trigger nightly"),
            ("stop", "systemctl stop heraldd"),
            ("restart", "heraldd reload"),
            ("trigger nightly foo=bar", "heraldd trigger nightly -p foo=bar"),
            ("jobs backup", "heraldd jobs --router backup"),
            ("events backup --json", "heraldd events --router backup"),
            ("deploy site --revision x", "heraldd deploy site REVISION"),
            ("jobs -o yaml", "or JSON with --json"),
            ("jobs --output table", "or JSON with --json"),
            ("jobs --router backup --nonsense", ""),
            ("jbos", ""),
            ("trigger", ""),
            ("trigger nightly --nonsense", ""),
            ("", ""),
        ] {
            let arguments: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            let found = hint(&arguments);
            match says {
                "" => assert_eq!(found, None, "{typed}"),
                says => {
                    assert!(found.as_deref().is_some_and(|found| found.contains(says)), "{typed}: {found:?}")
                }
            }
        }
    }
}
