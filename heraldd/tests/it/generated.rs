//! Documents that are generated from the components' own descriptions are up to date.
//! `HERALD_UPDATE=1 cargo test -p heraldd --test it generated` writes them again.

use std::path::Path;

use heraldd::{api, components, config};

#[test]
fn the_reference_and_the_schema_are_up_to_date() {
    let registry = components::registry(&[]);
    let schema =
        serde_json::to_string_pretty(&herald_sections::schema(config::SECTIONS, &registry)).unwrap() + "\n";
    let runner = herald_runner::config::description();
    let reference = herald_sections::markdown(config::SECTIONS, &registry, &runner);
    let openapi = serde_json::to_string_pretty(&api::openapi()).unwrap() + "\n";
    for (name, text) in
        [("configuration.md", reference), ("configuration.schema.json", schema), ("openapi.json", openapi)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
        if std::env::var_os("HERALD_UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let stands = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stands == text,
            "docs/reference/{name} is out of date; run: HERALD_UPDATE=1 cargo test -p heraldd --test it generated"
        );
    }
}
