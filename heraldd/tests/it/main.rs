//! What the daemon's parts do together.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod conformance;
mod generated;
mod once;
mod runner_options;

/// The trigger type by which CONTRIBUTING.md shows how to add one is what is compiled and tested here.
#[test]
fn the_sample_of_the_guide_is_this_one() {
    assert!(include_str!("../../../CONTRIBUTING.md").contains(include_str!("once.rs")));
    let component = once::component();
    let (options, problems) =
        component.description.check(&serde_json::Map::new(), &herald_core::problem::Path::top());
    assert!(problems.is_empty(), "{problems:?}");
    assert!((component.factory)(&options, &herald_core::context::Context::default()).is_ok());
}
