//! What is written for a `server.json` is checked as the daemon does it; the applications have a check of their own.

use herald_core::yaml::Document;
use serde_json::{Value, json};

use crate::{components, config};
use herald_import::go_deploy;

#[test]
fn everything_around_the_applications_is_right() {
    let node = |alias: &str, addr: &str| json!({"alias": alias, "addr": addr, "path": "/srv/www", "after_deploy": "make | cat"});
    let app = |name: &str| {
        let nodes = [node("api-1", "192.168.1.11:8081"), node("{{ x }} ${env:HOME}", "[::1]:8081")];
        json!({"name": name, "type": "svn", "url": "svn://192.168.1.207/x", "node": nodes})
    };
    let apps = [app("douke"), app("a {{ b }} ${env:HOME}"), app("yes")];
    let server =
        json!({"listen_http": ":8082", "debug": true, "jwt_secret": "0123456789abcdef", "apps": apps});
    let imported = go_deploy::import(&server.to_string(), "server.json").unwrap();
    let document = Document::parse(&imported.yaml, "out").unwrap();
    let mut value = document.value().clone();
    let sections = value.as_object_mut().unwrap();
    let deployed = sections.remove("app").unwrap();
    assert_eq!(deployed.as_object().unwrap().len(), 3);
    sections.remove("access").unwrap();
    sections.insert("executor".to_owned(), json!({"show": {"type": "print"}}));
    for router in sections["router"].as_object_mut().unwrap().values_mut() {
        for task in router["task"].as_object_mut().unwrap().values_mut() {
            let app = task.as_str().and_then(|task| task.strip_prefix("app:")).unwrap();
            assert!(deployed.get(app).is_some(), "{app}");
            *task = Value::from("show");
        }
    }
    let text = secrets_filled(&value.to_string());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("heraldd.yml");
    std::fs::write(&file, &text).unwrap();
    let source = config::read(&file).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let checked = config::check(source, &components::registry(&[]));
    let checked = checked.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(checked.triggers.len(), 1);
}

/// With a text in place of each reference to an environment variable.
fn secrets_filled(text: &str) -> String {
    let mut rest = text;
    let mut out = String::new();
    while let Some((before, behind)) = rest.split_once("\"${env:HERALD_") {
        let (name, behind) = behind.split_once("}\"").unwrap();
        out.push_str(&format!("{before}\"a secret for {name}\"").replace(' ', "_"));
        rest = behind;
    }
    out + rest
}
