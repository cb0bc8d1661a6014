use std::fs;
use std::path::PathBuf;

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// A folder with these files; the first one is the main file.
struct Files {
    folder: TempDir,
    main: PathBuf,
}

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let main = folder.path().join(files[0].0);
        Self { folder, main }
    }

    /// Texts with paths that begin at the folder.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn read(&self) -> Result<MergedConfiguration, String> {
        read(&self.main).map_err(|error| self.short(&error.to_string()))
    }

    /// The first line and the advice of each problem.
    fn said(&self) -> String {
        let report = self.read().map(|merged| merged.report(Vec::new(), &[]).to_string());
        let report = report.unwrap_or_else(|error| error);
        let lines = report.lines().filter(|line| line.contains(".yml:") || line.contains("help"));
        self.short(&lines.map(|line| line.trim().to_owned() + "\n").collect::<String>())
    }
}

#[test]
fn sections_are_merged_by_name_in_the_order_of_the_files() {
    let files = Files::new(&[
        (
            "m.yml",
            "include: [conf.d/*.yml, last.yml]\nx-a: &a {n: 1}\nmax_jobs: 3\ntrigger:\n  a: *a\nrouter:\n",
        ),
        ("conf.d/2.yml", "x-a: 7\ntrigger: {c: {n: 3}}\nrouter: {r: {}}\nlog: {level: warn}\n"),
        ("conf.d/1.yml", "trigger: {b: {n: 2}}\n"),
        ("conf.d/.hidden.yml", "trigger: {a: 9}\n"),
        ("conf.d/3.yml~", "trigger: {a: 9}\n"),
        ("last.yml", "# nothing\n"),
    ]);
    let merged = files.read().unwrap();
    assert_eq!(
        merged.value().to_string(),
        json!({
            "x-a": {"n": 1}, "max_jobs": 3,
            "trigger": {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}},
            "router": {"r": {}}, "log": {"level": "warn"},
        })
        .to_string()
    );
    assert_eq!(merged.report(Vec::new(), &[]).errors(), 0);
}

#[test]
fn a_problem_is_shown_in_the_file_that_it_is_in_and_folders_are_those_of_the_file() {
    let files = Files::new(&[
        ("m.yml", "include: d/one.yml\ntrigger:\n  a: {n: 1}\n"),
        ("d/one.yml", "# a comment\ntrigger:\n  b: {password: hunter22}\nlog: {level: x}\n"),
    ]);
    let mut merged = files.read().unwrap();
    let at = |keys: &[&str]| keys.iter().fold(Path::top(), |path, key| path.key(key));
    merged.hide(&at(&["trigger", "b", "password"]));
    let problems = [
        at(&["log", "level"]),
        at(&["trigger", "b", "password"]),
        at(&["trigger", "a", "n"]),
        at(&["router"]),
        at(&["trigger"]),
    ];
    let problems = problems.into_iter().map(|at| Problem::error(at.clone(), format!("wrong {at}"))).collect();
    let report = merged.report(problems, &[]);
    let found: Vec<_> = report
        .found()
        .iter()
        .map(|found| {
            format!("{}:{}:{} {}", files.short(&found.file), found.line, found.column, found.message)
        })
        .collect();
    let expected = [
        "m.yml:1:1 wrong router",
        "m.yml:2:1 wrong trigger",
        "m.yml:3:10 wrong trigger.a.n",
        "d/one.yml:3:17 wrong trigger.b.password",
        "d/one.yml:4:14 wrong log.level",
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for line in expected {
        assert!(found.iter().any(|found| found == line), "{line}: {found:#?}");
    }
    assert!(!report.to_string().contains("hunter22"), "{report}");
    let folders = merged.folders();
    assert_eq!(folders.of(&at(&["trigger", "a"])), files.folder.path());
    assert_eq!(folders.of(&at(&["trigger", "b", "password"])), files.folder.path().join("d"));
    assert_eq!(folders.of(&at(&["nothing"])), files.folder.path());
}

#[test]
fn a_name_that_comes_twice_is_an_error_with_both_places() {
    let files = Files::new(&[
        ("m.yml", "include: [one.yml, two.yml]\nmax_jobs: 1\nrouter:\n  a: {}\n"),
        ("one.yml", "max_jobs: 2\nrouter:\n  a: {}\n  b: {}\n"),
        ("two.yml", "router:\n  b: {}\ninclude: m.yml\n"),
    ]);
    assert_eq!(
        files.said(),
        "one.yml:1:1: `max_jobs` is defined twice\n= help: first defined in m.yml:2:1\n\
         one.yml:3:3: `router.a` is defined twice\n= help: first defined in m.yml:4:3\n\
         two.yml:2:3: `router.b` is defined twice\n= help: first defined in one.yml:4:3\n\
         two.yml:3:1: an included file cannot include other files; list them in the main file\n"
    );
}

/// Also where its folder is missing, which is made with the first file.
#[test]
fn a_pattern_may_name_none() {
    for include in ["d/*.none", "x/*.yml"] {
        let main = format!("include: {include}\nrouter: {{}}\n");
        let files = Files::new(&[("m.yml", &main), ("d/a.yml", "a: {}\n")]);
        assert_eq!(files.said(), "", "{include}");
    }
}

#[test]
fn files_that_cannot_be_included() {
    for (include, expected) in [
        ("none.yml", "m.yml:1:10: none.yml: there is no such file\n"),
        ("[m.yml]", "m.yml:1:11: a configuration file cannot include itself\n"),
        ("'*.yml'", "m.yml:1:10: a configuration file cannot include itself\n"),
        ("[d/a.yml, d/*.yml]", "m.yml:1:20: d/a.yml is included twice\n"),
        ("d", "m.yml:1:10: d: this is a folder, not a file\n"),
        ("/dev/null", "m.yml:1:10: /dev/null: this is not a regular file\n"),
        (
            "'*/a.yml'",
            "m.yml:1:10: `*` and `?` are allowed in the name of the file only, not in its folder\n",
        ),
        ("''", "m.yml:1:10: the path is empty\n"),
        ("[7, 8]", "expected the path of a file, found a number"),
        ("[{a: b}]", "= help: write  include: conf.d/*.yml\n"),
        ("d/latin.txt", "m.yml:1:10: d/latin.txt:1:1: this is not UTF-8; save the file as UTF-8\n"),
        ("[d/list.txt]", "d/list.txt:1:1: an included file is a map of sections"),
    ] {
        let main = format!("include: {include}\nrouter: {{}}\n");
        let files = Files::new(&[("m.yml", &main), ("d/a.yml", "a: {}\n"), ("d/list.txt", "- 1\n")]);
        fs::write(files.folder.path().join("d/latin.txt"), [0xe4, b'\n']).unwrap();
        let report = files.read().map(|merged| files.short(&merged.report(Vec::new(), &[]).to_string()));
        let said = files.said() + &report.unwrap_or_else(|error| error);
        assert!(said.contains(expected), "{include}:\n{said}");
    }
    // Every file that is not YAML is named, with what is wrong in the main file.
    let files = Files::new(&[
        ("m.yml", "include: [one.yml, none.yml, two.yml]\na: 1\na: 2\n"),
        ("one.yml", "a: [\n"),
        ("two.yml", "b: {\n"),
    ]);
    let said = files.said();
    for expected in ["m.yml:1:20: none.yml: there", "m.yml:3:1: duplicate key", "one.yml:", "two.yml:"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn number_and_size_of_the_files_are_bounded() {
    let files = Files::new(&[("m.yml", "include: d/*.yml\n")]);
    let folder = files.folder.path().join("d");
    fs::create_dir(&folder).unwrap();
    assert!(files.read().is_ok(), "a pattern that no file fits names no files");
    for n in 0..256 {
        fs::write(folder.join(format!("{n}.yml")), "").unwrap();
    }
    assert!(files.read().is_ok());
    fs::write(folder.join("more.yml"), "").unwrap();
    assert_eq!(files.said(), "m.yml:1:10: more than 256 files are included\n");

    let files = Files::new(&[("m.yml", "include: [one.yml, two.yml]\n"), ("one.yml", ""), ("two.yml", "")]);
    fs::File::create(files.folder.path().join("two.yml")).unwrap().set_len(LARGEST).unwrap();
    assert_eq!(files.said(), "m.yml:1:20: with two.yml the configuration is larger than 64 MiB\n");
}

#[test]
fn a_file_that_others_can_read_or_change_is_a_warning_in_that_file() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new(&[
        ("m.yml", "include: one.yml\na: {password: x}\n"),
        ("one.yml", "a: {secret: hunter22}\n"),
    ]);
    for (name, mode) in [("m.yml", 0o600), ("one.yml", 0o666)] {
        fs::set_permissions(files.folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let secrets = ["password", "secret"].map(|name| Path::top().key("a").key(name));
    let report = files.read().unwrap().report(Vec::new(), &secrets);
    let report = files.short(&report.to_string());
    assert!(report.contains("one.yml:1:13: warning: others may read this file"), "{report}");
    assert!(report.contains("can be written by other users") && !report.contains("m.yml:"), "{report}");
}

#[test]
fn entries_have_their_lines_and_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let main = |comment: &str, value: u8| {
        let text = format!(
            "include: more.yml\n{comment}api: {{port: 1, token: top-secret-1}}\nrouter:\n  a: {{x: '${{env:HOME}}', z: [k, hidden]}}\nlast: {value}\ntoken: {{t: {{x: 1}}}}\nhunter-22x: 2\nnode: {{hunter-22: {{x: 1}}, n: {{l: [{{secret: 1}}, 1.50]}}}}\n"
        );
        write("main.yml", &text);
        read(&folder.path().join("main.yml")).unwrap()
    };
    write("more.yml", "router:\n\n  b: {y: 'a top-secret-1', password: p}\n");
    let merged = main("", 1);
    let mut mask = Mask::new();
    mask.add("top-secret-1");
    mask.add("hunter-22");
    let places = [Path::top().key("router").key("a").key("z").index(1)];
    let shown = merged.shown(merged.written(), places.iter(), &mask);
    let lines: Vec<String> = shown
        .entries
        .iter()
        .map(|entry| {
            let file = shown.files[entry.file].rsplit('/').next().unwrap();
            format!("{file}:{} {} {}", entry.line, entry.path.join("."), entry.json)
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#"main.yml:2 api {"port":1,"token":"***"}"#,
            r#"main.yml:4 router.a {"x":"${env:HOME}","z":["k","***"]}"#,
            r#"more.yml:3 router.b {"y":"a ***","password":"***"}"#,
            "main.yml:5 last 1",
            r#"main.yml:6 token.t "***""#,
            "main.yml:7 ***x 2",
            r#"main.yml:8 node.*** {"x":1}"#,
            r#"main.yml:8 node.n {"l":[{"secret":"***"},1.50]}"#,
        ]
    );
    assert_eq!(shown.digest, main("# a comment\n", 1).digest());
    assert_ne!(shown.digest, main("", 2).digest());
}
