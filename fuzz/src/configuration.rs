//! What an administrator writes, or an importer finds: configurations, cron lines, templates, files of other programs.

use std::sync::Arc;

use herald_base::value::Params;
use herald_config::problem::{Path, Problem};
use herald_config::yaml::Document;
use herald_core::template::{Compiler, For, Scope};
use herald_import::go_git_webhooks::ListWire;
use herald_import::imported::Imported;
use herald_import::value_checks::{RejectedValue, ValueChecks};
use herald_schedule::schedule::Schedule;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// A cron line, and its next three times.
pub fn cron(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    for with_seconds in [false, true] {
        if let Ok(schedule) = Schedule::parse(line, with_seconds, &TimeZone::UTC) {
            let times = schedule.next_n(Timestamp::UNIX_EPOCH, 3);
            assert!(times.is_sorted(), "{line}: times go forward");
        }
    }
}

/// A configuration as YAML, and where its values are.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Document::parse_as_far_as_possible(text, "config.yml") {
        Ok(document) => {
            let problem = Problem::error(Path::top().key("router").key("a"), "wrong");
            assert!(document.report(&[problem]).to_string().contains("config.yml:"), "a problem has a place");
        }
        Err(problems) => assert!(problems.errors() > 0, "what cannot be read has a reason"),
    }
}

/// A template in a parameter: compiled, and filled in with a small event.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let params = Params::from_iter([("cmd".to_owned(), Value::from(text))]);
    let mut problems = Vec::new();
    let mut compiler = Compiler::default();
    let template = compiler.compile(&params, For::Job, &|_| false, &mut problems);
    compiler.finish();
    if let Some(template) = template.filter(|_| problems.is_empty()) {
        let event = Arc::new(Params::from_iter([("ref".to_owned(), Value::from("main"))]));
        let scope = Scope::new(&[("router", Value::from("r"))], &[("trigger_param", &event)]);
        // A template may fail on this event; it must end.
        let _ = template.render(&scope);
    }
}

/// Files of other programs. The first byte says which importer reads the rest.
pub fn import(data: &[u8]) {
    let Some((which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let imported = match which % 8 {
        0 => herald_import::crontab::import(text, false, &[], &AnyValue).ok(),
        1 => herald_import::crontab::import(text, true, &["root".to_owned()], &AnyValue).ok(),
        2 => herald_import::webhook::import(text, "hooks", &AnyValue).ok(),
        3 => herald_import::multi_node::import(text, "config").ok(),
        4 => herald_import::go_deploy::import(text, "server.json").ok(),
        5 => herald_import::watcher::import(text, "scm_config.ini").ok(),
        which => {
            let wire = if which == 6 { ListWire::Stream } else { ListWire::List };
            let flags: Vec<String> = text.split('\n').map(str::to_owned).collect();
            herald_import::go_git_webhooks::import(&flags, wire).ok()
        }
    };
    if let Some(Imported { yaml, .. }) = imported {
        assert!(Document::parse(&yaml, "imported.yml").is_ok(), "what is imported is YAML:\n{yaml}");
    }
}

/// Accepts every value: the importers are under test, not the components.
struct AnyValue;

impl ValueChecks for AnyValue {
    fn schedule(&self, _: &str) -> Result<(), RejectedValue> {
        Ok(())
    }

    fn time_zone(&self, _: &str) -> Result<(), RejectedValue> {
        Ok(())
    }

    fn network(&self, _: &str) -> Result<(), RejectedValue> {
        Ok(())
    }
}
