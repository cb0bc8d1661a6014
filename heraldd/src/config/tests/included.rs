//! Configurations in several files.

use super::*;

#[test]
fn included_files_are_part_of_the_configuration_with_paths_of_their_own() {
    let place = Place::new();
    fs::create_dir(place.folder.path().join("conf.d")).unwrap();
    place.write("key", "the main one");
    place.write("conf.d/key", "the included one");
    place.write(
        "conf.d/jobs.yml",
        "plugin: x.so\npreset: {q: {b: '${file:key}'}}\nrouter:\n  two: {trigger: http, selector: all, task: {t: print}}\n",
    );
    let yaml = "include: conf.d/*.yml\npreset: {p: {a: '${file:key}'}}\nrouter:\n  \
                one: {trigger: http, selector: all, task: {t: print}, job_param: {preset: [p, q]}}\n";
    let source = place.source(yaml);
    assert_eq!(plugins(&source), [place.folder.path().join("conf.d/x.so")]);
    let config = place.check(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let routes = config.workflow.routes("http");
    assert_eq!(routes.iter().map(|route| &*route.router).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(config.mask.text("the main one, the included one"), "***, ***");
}

#[test]
fn problems_of_included_files_name_their_file() {
    let place = Place::new();
    place.write(
        "jobs.yml",
        "log:\n  levle: info\nrouter:\n  one: {}\n  two: {trigger: http, selector: all, task: {t: prnt}}\nx: 1\n",
    );
    let wrong = place
        .check("include: [jobs.yml]\nrouter:\n  one: {trigger: http, selector: all, task: {t: print}}\n");
    let report = wrong.err().unwrap();
    for expected in [
        "jobs.yml:2:3: unknown",
        "did you mean `level`",
        "jobs.yml:4:3: `router.one` is defined twice\n",
        "first defined in config.yml:3:3",
        "jobs.yml:5:",
        "jobs.yml:6:1: unknown section `x`",
    ] {
        assert!(report.contains(expected), "{expected}:\n{report}");
    }
    let missing = read(&place.write("config.yml", "include: none.yml\n")).err().unwrap().to_string();
    assert!(
        missing.contains("config.yml:1:10:") && missing.contains("none.yml: there is no such file"),
        "{missing}"
    );
}
