//! The options. What runs there is tested in `herald-remote`, and end to end.

use herald_core::context::Context;
use herald_core::spec::Options;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "the_secret_should_be_strong_enough";

#[test]
fn options_are_checked() {
    let good = json!({"host": "https://h/p", "secret": SECRET, "data_dir": "/d"});
    for (key, value, fine) in [
        ("host", json!("http://h:1/p"), true),
        ("host", json!("http://h:1/p?q"), false),
        ("host", json!("ftp://h"), false),
        ("host", json!("h"), false),
        ("secret", json!([SECRET, "another secret, long enough"]), true),
        ("secret", json!([SECRET, "short"]), false),
        ("secret", json!(""), false),
        ("secret", json!([]), false),
        ("timeout", json!("1h"), true),
        ("timeout", json!("soon"), false),
        ("silence", json!("40s"), true),
        ("silence", json!("999ms"), false),
        ("silence", json!("never"), false),
        ("max_files_size", json!("1GiB"), true),
        ("max_files_size", json!("huge"), false),
    ] {
        let mut options = good.clone();
        options[key] = value.clone();
        let Value::Object(options) = options else { unreachable!() };
        let made = (component().factory)(&Options(options), &Context::default());
        assert_eq!(made.is_ok(), fine, "{key}: {value}: {:?}", made.err().map(|error| error.to_string()));
    }
}
