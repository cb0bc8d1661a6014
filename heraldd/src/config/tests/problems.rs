//! What is reported, and where.

use super::*;

#[test]
fn boards_of_what_is_not_there() {
    for (yaml, expected) in [
        (
            "board: [a]",
            "1:8: expected a map of boards by name, found a list (write  board: {NAME: {tile: {NAME: {router: NAME, path: result/size}}}})",
        ),
        (
            "board: {b: {}}",
            "1:9: the option `tile` of `board` is missing (tile: Its tiles by name, in the order in which they are shown; at most 24.)",
        ),
        (
            "board: {b: {tile: {t: {router: rr, path: result/a}}}}",
            "1:32: there is no router \"rr\" (did you mean \"r\"?)",
        ),
        (
            "board: {b: {tile: {t: {router: r, task: x, path: size}}}}",
            "1:50: `path`: a job has no `size` (did you mean `result/size`?)",
        ),
        (
            "page: {port: 0, links: {rr: 'https://x/rr', r: 'https://x/r'}}",
            "1:25: there is no router \"rr\" (did you mean \"r\"?)",
        ),
        (
            "page: {port: 0, links: {nope: 'https://x'}}",
            "1:25: there is no router \"nope\" (links are by the names of routers)",
        ),
    ] {
        assert_eq!(said(&with_router(yaml)), [expected], "{yaml}");
    }
}

#[test]
fn one_problem_each() {
    let known_sections = herald_sections::names(SECTIONS).join(", ");
    for (yaml, expected) in [
        ("trigger: {w: {typ: tick}}", "1:15: unknown option `typ` (did you mean `type`?)"),
        ("trigger: {'': {type: tick}}", "1:11: the name of a trigger must not be empty"),
        ("executor: {'': {type: print}}", "1:12: the name of an executor must not be empty"),
        ("preset: {'': {a: 1}}", "1:10: the name of a preset must not be empty"),
        ("triger: {}", "1:1: unknown section `triger` (did you mean `trigger`?)"),
        ("foo: {}", &*format!("1:1: unknown section `foo` (expected one of: {known_sections})")),
        ("log_level: INFO", "1:1: unknown section `log_level` (write  log: {level: …})"),
        ("log: INFO", "1:6: expected a map with level, output and format (write  log: {level: info})"),
        ("log: {levl: info}", "1:7: unknown option `levl` of `log` (did you mean `level`?)"),
        ("log: {level: inof}", "1:14: `level`: unknown level; did you mean \"info\"?"),
        ("log: {format: xml}", "1:15: `format`: \"xml\" is not valid; expected one of: text, json"),
        ("max_jobs: 0", "1:11: `max_jobs`: expected a whole number from 1 to 100000, found 0"),
        ("max_jobs: many", "1:11: `max_jobs`: expected a whole number from 1 to 100000, found a string"),
        ("plugin: {a: 1}", "1:9: expected the path of a plugin, found a map"),
        ("plugin: [a.so, '']", "1:16: expected the path of a plugin, found an empty text"),
        ("trigger: [tick]", "1:10: expected a map of triggers by name, found a list"),
        (
            "trigger: {a: tick}",
            "1:14: expected the options of trigger \"a\" as a map, found a string (write  NAME: {type: TYPE, OPTION: VALUE})",
        ),
        ("trigger: {a: {type: tik}}", "1:21: unknown trigger type \"tik\" (did you mean \"tick\"?)"),
        (
            "trigger: {a: {type: nonsense}}",
            "1:21: unknown trigger type \"nonsense\" (expected one of: cron, http, tick)",
        ),
        ("trigger: {a: {type: 5}}", "1:21: expected the name of a type, found a number"),
        (
            "trigger: {every2s: {interval: 2}}",
            "1:11: trigger \"every2s\" has no type, and \"every2s\" is not the name of one (expected one of: cron, http, tick)",
        ),
        (
            "trigger: {exe_done: {type: tick}}",
            "1:11: \"exe_done\" is reserved: Herald itself activates it when a job ends (choose another name)",
        ),
        (
            "trigger: {a: {type: exe_done}}",
            "1:21: the type \"exe_done\" is internal and cannot be configured (expected one of: cron, http, tick)",
        ),
        (
            "trigger: {a: {type: tick, intervall: 2}}",
            "1:27: unknown option `intervall` of `tick` (did you mean `interval`?)",
        ),
        ("trigger: {a: {type: cron}}", "1:11: the option `cron` of `cron` is missing (cron: When.)"),
        ("trigger: {a: {type: cron, cron: bad 5}}", "1:11: \"bad 5\" is no cron line"),
        ("trigger: {a: {type: cron, cron: boom}}", "1:11: the type \"cron\" panicked over these options"),
        ("preset: 5", "1:9: expected a map of presets, found a number"),
        (
            "executor: {http_remote: {host: \"ftp://h\", secret: long-enough}}",
            "1:32: `host`: a URL here begins with http:// or https:// (write a URL such as https://runner.example.com:8124/)",
        ),
    ] {
        assert_eq!(said(&with_router(yaml)), [expected], "{yaml}");
    }
}

#[test]
fn routers_name_what_exists() {
    for (router, expected) in [
        (
            "{trigger: tik, selector: all, task: {t: print}}",
            "1:23: unknown trigger \"tik\" (did you mean \"tick\"?)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: prnt}}",
            "1:54: unknown executor \"prnt\" (did you mean \"print\"?)",
        ),
        (
            "{trigger: cron, selector: all, task: {t: print}}",
            "1:23: the option `cron` of `cron` is missing, so it cannot be used by its type alone (configure it under `trigger`)",
        ),
        (
            "{trigger: tick, selector: match_map, task: {t: print}, select_param: {match_key: a, matchvalue: b}}",
            "1:97: unknown parameter `matchvalue` of `match_map` (did you mean `match_value`?)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: print}, job_param: {print_key: 5}}",
            "1:85: `print_key`: expected a string, found a number (put it in quotes)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: print}, select_param: prest}",
            "1:76: unknown preset \"prest\"",
        ),
    ] {
        assert_eq!(said(&format!("router: {{r: {router}}}")), [expected], "{router}");
    }
    // A component that is wrong itself is not reported again where it is used.
    assert_eq!(
        said("trigger: {a: {type: tik}}\nrouter: {r: {trigger: a, selector: all, task: {t: print}}}").len(),
        1
    );
}

#[test]
fn everything_at_once_in_the_order_of_the_file() {
    let said = said(concat!(
        "log: {level: loud}\n",
        "max_jobs: -1\n",
        "trigger:\n  a: {type: tick, interval: 0}\n  b: {type: nope}\n",
        "executor:\n  http_remote: {host: nowhere, secret: ''}\n",
        "router:\n  r: {trigger: x, selector: y, task: {t: z}}\n  s: {}\n",
        "extra: 1\n",
    ));
    let places: Vec<String> =
        said.iter().map(|text| text.split(':').take(2).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        places,
        [
            "1:14", "2:11", "4:29", "5:13", "7:23", "7:40", "9:16", "9:29", "9:42", "10:3", "10:3", "10:3",
            "11:1"
        ],
        "{said:#?}"
    );
}

#[test]
fn empty_and_odd_files() {
    assert_eq!(said(""), ["1:1: the configuration is empty"]);
    assert_eq!(said("- a"), ["1:1: a configuration is a map of sections, found a list"]);
    let config = good("log: {level: info}");
    let warning = config.warnings[0].to_string();
    assert!(warning.contains("1:1: warning: there is no router, so nothing will ever run"), "{warning}");
    // An application has a router of its own, also where something is wrong with it.
    let wrong = said("app: {shop: {mode: exchnage}}");
    assert!(wrong.iter().all(|problem| !problem.contains("no router")), "{wrong:?}");
}

#[test]
fn files_that_cannot_be_read() {
    let place = Place::new();
    let folder = place.folder.path().display().to_string();
    let error = |path: PathBuf| read(&path).err().unwrap().to_string().replace(&folder, "");
    assert_eq!(error(place.folder.path().join("no.yml")), "/no.yml: there is no such file");
    assert_eq!(error(place.folder.path().to_owned()), ": this is a folder, not a file");
    assert_eq!(
        error(place.write("latin.yml", b"a: 1\nb: \xfcber\n")),
        "/latin.yml:2:4: this is not UTF-8; save the file as UTF-8"
    );
    assert_eq!(
        error(place.write("wide.yml", b"\xff\xfea\0")),
        "/wide.yml:1:1: this is UTF-16; save it as UTF-8"
    );
    let large = place.write("large.yml", "");
    fs::File::options().write(true).open(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(error(large), "/large.yml: the file is larger than 64 MiB");
    assert!(error(place.write("open.yml", "a: [1\nb: 2")).starts_with("/open.yml:2:"));
    let template = bad("x-arg: [{{ trigger_param.ref }}]\n");
    assert!(template.contains("= help: put a template in quotes:  '{{ … }}'"), "{template}");
}

#[test]
fn an_empty_preset_is_a_preset_and_a_wrong_one_is_reported_once() {
    let used = |preset: &str| {
        let router = "router: {r: {trigger: tick, selector: all, task: {t: print}, job_param: p}}";
        format!("preset: {{p: {preset}}}\n{router}\n")
    };
    assert!(good(&used("")).warnings.is_empty());
    assert_eq!(said(&used("5")), ["1:13: expected a map of parameters, found a number"]);
}

#[test]
fn plugins_that_could_not_be_loaded_stand_with_the_rest() {
    let place = Place::new();
    let source = place.source("plugin: [a.so, b.so]\nmax_jobs: 0\n");
    assert_eq!(plugins(&source), [place.folder.path().join("a.so"), place.folder.path().join("b.so")]);
    let problems =
        check_with_plugins(source, &registry(), &[(1, "this is no plugin".to_owned())]).err().unwrap();
    let text = problems.to_string();
    assert!(text.contains("config.yml:1:16: this is no plugin\n"), "{text}");
    assert!(text.contains("config.yml:2:11: `max_jobs`"), "{text}");
}

/// Types that only the missing plugin could have are not reported as well; others are.
#[test]
fn types_of_a_plugin_that_could_not_be_loaded_are_not_reported() {
    let place = Place::new();
    let source = place.source(
        "plugin: [a.so]\ntrigger: {hello: {}, h: {type: hello}, t: {type: tik, interval: 1}}\n\
         router: {r: {trigger: hello, selector: hello, task: {t: hello, u: {executor: prnt}}}}\n",
    );
    let problems =
        check_with_plugins(source, &registry(), &[(0, "plugin a.so is gone".to_owned())]).err().unwrap();
    let found: Vec<&str> = problems.found().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        found,
        ["plugin a.so is gone", "unknown trigger type \"tik\"", "unknown executor \"prnt\""],
        "{problems}"
    );
}

#[test]
fn the_whole_text() {
    assert_eq!(
        bad(&with_router("trigger:\n  every2s:\n    type: tick\n    intervall: 2")),
        concat!(
            "config.yml:4:5: unknown option `intervall` of `tick`\n",
            "  |\n",
            "4 |     intervall: 2\n",
            "  |     ^^^^^^^^^\n",
            "  = help: did you mean `interval`?\n",
        )
    );
}
