mod shown;

use serde_json::Value;

use super::{Document, Problems};
use crate::problem::{EntryPart, Path, Problem};

fn parse(text: &str) -> Result<Document, Problems> {
    Document::parse(text, "c.yml")
}

fn value(text: &str) -> Value {
    parse(text).unwrap().value().clone()
}

fn refused(text: &str) -> String {
    match parse(text) {
        Ok(document) => panic!("{text:?} was read as {}", document.value()),
        Err(problems) => problems.to_string(),
    }
}

/// The first lines of all problems.
fn heads(text: &str) -> Vec<String> {
    refused(text).lines().filter(|line| line.starts_with("c.yml:")).map(str::to_owned).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_yaml_means() {
    for (yaml, expected) in [
        ("", "null"),
        ("# only a comment\n", "null"),
        ("---\n...\n", "null"),
        ("\u{feff}a: 1", r#"{"a":1}"#),
        ("--- \na: 1\n...\n", r#"{"a":1}"#),
        ("%YAML 1.2\n---\na: 1\n", r#"{"a":1}"#),
        ("a: 1\r\nb: 2\r\n", r#"{"a":1,"b":2}"#),
        ("a:\nb: ~", r#"{"a":null,"b":null}"#),
        ("8080: x\ntrue: y\nnull: z\n1.50: w", r#"{"8080":"x","true":"y","null":"z","1.50":"w"}"#),
        ("'': x", r#"{"":"x"}"#),
        ("a: [yes, no, on, off, true]", r#"{"a":["yes","no","on","off",true]}"#),
        ("a: [0755, 0o755, 0x1f, '5', !!str 5, !!int 5]", r#"{"a":["0755",493,31,"5","5",5]}"#),
        ("a: 18446744073709551617", r#"{"a":18446744073709551617}"#),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", r#"{"a":"x\ny\n","b":"x y"}"#),
        ("a: ! 5", r#"{"a":"5"}"#),
        ("a: &x {k: 1}\nb: *x", r#"{"a":{"k":1},"b":{"k":1}}"#),
        ("a: &x k\n*x : v", r#"{"a":"k","k":"v"}"#),
        ("&x a: 1\nb: *x", r#"{"a":1,"b":"a"}"#),
        ("x: &x {k: 1, l: 2}\na:\n  <<: *x\n  k: 3", r#"{"x":{"k":1,"l":2},"a":{"k":3,"l":2}}"#),
        (
            "x: &x {k: 1}\ny: &y {k: 2, l: 3}\na:\n  <<: [*x, *y]\n",
            r#"{"x":{"k":1},"y":{"k":2,"l":3},"a":{"k":1,"l":3}}"#,
        ),
        ("a: {<<: {k: 1}, l: 2}", r#"{"a":{"l":2,"k":1}}"#),
        ("x: &x {<<: {k: 1}}\na: {<<: *x}", r#"{"x":{"k":1},"a":{"k":1}}"#),
        ("'<<': 1", r#"{"<<":1}"#),
    ] {
        assert_eq!(value(yaml), json(expected), "{yaml:?}");
    }
}

#[test]
fn maps_keep_their_order() {
    let value = value("z: 1\na: 2\nm: {<<: {q: 1}, b: 2}");
    assert_eq!(value.to_string(), r#"{"z":1,"a":2,"m":{"b":2,"q":1}}"#);
}

#[test]
fn what_is_refused_and_where() {
    let mut wrong = Vec::new();
    for (yaml, expected) in [
        ("a: 1\n---\nb: 2", "c.yml:2:1: a second document begins here; a file holds one"),
        ("a:\n\t- x", "c.yml:2:2: a tab cannot indent"),
        ("a: 'x", "c.yml:1:4: this quote is never closed"),
        ("a: 'x\nb: 1\n", "c.yml:2:1: the quoted text that began above goes on here without indentation"),
        ("a: b: c", "c.yml:1:5: a `:` that begins a value is not allowed here"),
        ("a: [1, 2", "c.yml:1:4: this `[` is never closed"),
        ("a: {b: 1", "c.yml:1:4: this `{` is never closed"),
        ("a: 1\n b: 2", "c.yml:2:3: a `:` that begins a value is not allowed here"),
        ("a: @x", "c.yml:1:4: `@` cannot begin a value"),
        ("a: \"\\q\"", "c.yml:1:4: this escape is not known in double quotes"),
        ("a: 1\nb\nc: 2", "c.yml:2:1: a `:` is missing after this key"),
        ("a: *x", "c.yml:1:4: unknown anchor `&x`: an anchor must come before its alias"),
        ("a: */5 * * * *", "c.yml:1:4: a value that begins with * must be quoted"),
        ("a: * * * * *", "c.yml:1:4: a value that begins with * must be quoted"),
        ("a: &x [1, *x]", "c.yml:1:11: this alias is inside its own anchor and would never end"),
        ("a: &x\n  <<: *x", "c.yml:2:7: this alias is inside its own anchor and would never end"),
        ("a: {<<: 5}", "c.yml:1:9: `<<` takes a map or a list of maps"),
        ("a: {<<: [{b: 1}, 5]}", "c.yml:1:18: `<<` takes a map or a list of maps"),
        ("? [a, b]\n: 1", "c.yml:1:3: a key must be a string, not a list or a map"),
        ("a: {~: 1}", "c.yml:1:5: a key is missing before this `:`"),
        ("a: .inf", "c.yml:1:4: `.inf` is a number that JSON cannot hold; quote it if a string is meant"),
        ("a: !!int x", "c.yml:1:10: this is not a valid !!int"),
        ("a: !thing x", "c.yml:1:11: unknown tag `!thing`"),
        ("a: !thing {b: 1}", "c.yml:1:11: unknown tag `!thing`"),
        ("a: !!seq {b: 1}", "c.yml:1:10: unknown tag `!!seq`"),
        ("ä: 1\nä: 2", "c.yml:2:1: duplicate key \"ä\""),
        ("a: {\"b\": 1, b: 2}", "c.yml:1:13: duplicate key \"b\""),
    ] {
        if heads(yaml) != [expected] {
            wrong.push(format!("{yaml:?}\n  expected {expected}\n  found    {:?}", heads(yaml)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_duplicates_and_unknown_aliases_at_once() {
    assert_eq!(
        heads("a: 1\nb: {x: 1, x: *n}\na: 2\na: 3\nc: *m\n"),
        [
            "c.yml:2:11: duplicate key \"x\"",
            "c.yml:2:14: unknown anchor `&n`: an anchor must come before its alias",
            "c.yml:3:1: duplicate key \"a\"",
            "c.yml:4:1: duplicate key \"a\"",
            "c.yml:5:4: unknown anchor `&m`: an anchor must come before its alias",
        ]
    );
    // Duplicates before a syntax error are reported with it.
    assert_eq!(heads("a: {x: 1, x: 2}\nb: [").len(), 2);
}

#[test]
fn bombs_are_refused_in_bounded_memory() {
    let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    let mut merges = "a: &a {k: 1, l: 2}\n".to_owned();
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for (n, name) in ('b'..='z').enumerate() {
        let before = char::from_u32(name as u32 - 1).unwrap();
        let list = vec![format!("*{before}"); 10].join(",");
        laughs.push_str(&format!("{name}: &{name} [{list}]\n"));
        merges.push_str(&format!("{name}: &{name} {{<<: [{list}], n{n}: [{list}]}}\n"));
    }
    for n in 1..100_000 {
        deep.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
    }
    let text = "x".repeat(1 << 20);
    let wide = format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 1000].join(","));
    let keys = format!("a: &a {{{text}: 1}}\nb: [{}]\n", vec!["*a"; 1000].join(","));
    for (name, text) in [("laughs", laughs), ("merges", merges), ("wide", wide)] {
        assert!(refused(&text).contains("the aliases repeat more than can be held"), "{name}");
    }
    assert!(refused(&deep).contains("nested deeper than 100 levels"));
    // Keys of this length are beyond YAML's own bound, whatever repeats them.
    assert!(parse(&keys).is_err());
    assert!(refused(&"[".repeat(100_000)).contains("nested deeper than 100 levels"));
    assert!(refused(&"- ".repeat(100_000)).contains("nested deeper than 100 levels"));
    assert!(refused(&"{a: ".repeat(100_000)).contains("nested deeper than 100 levels"));
    let mixed = format!("{}{}{}", "- ".repeat(60), "[".repeat(60), "]".repeat(60));
    assert!(refused(&mixed).contains("nested deeper than 100 levels"), "{}", refused(&mixed));
    // What people write with aliases stays well within the bounds.
    let shared = format!("a: &a {{k: [1, 2, 3], l: {{m: 1}}}}\nb:\n{}", "  - *a\n".repeat(10_000));
    assert_eq!(value(&shared)["b"].as_array().unwrap().len(), 10_000);
}

#[test]
fn places_of_keys_and_values() {
    let document = parse(
        "x: &x {k: 1}\nrouter:\n  r:\n    task: {t: print}\n    list: [a, {b: 5}]\n    al: *x\n    empty:\n    m: {<<: *x}\n",
    )
    .unwrap();
    let r = Path::top().key("router").key("r");
    for (path, part, line, column) in [
        (r.clone(), EntryPart::Key, 3, 3),
        // A block map is reported at its name.
        (r.clone(), EntryPart::Value, 3, 3),
        (r.key("task").key("t"), EntryPart::Value, 4, 15),
        (r.key("task").key("t"), EntryPart::Key, 4, 12),
        (r.key("list").index(1).key("b"), EntryPart::Value, 5, 19),
        (r.key("al").key("k"), EntryPart::Value, 1, 11),
        (r.key("al"), EntryPart::Value, 6, 9),
        (r.key("empty"), EntryPart::Value, 7, 5),
        (r.key("m").key("k"), EntryPart::Key, 1, 8),
        // Nothing is there: the nearest thing above.
        (r.key("absent"), EntryPart::Value, 3, 3),
        (r.key("absent").key("deeper"), EntryPart::Key, 3, 3),
        (r.key("list").index(7), EntryPart::Value, 5, 5),
        (Path::top().key("nothing"), EntryPart::Key, 1, 1),
        (Path::top(), EntryPart::Value, 1, 1),
    ] {
        let found = document.locate(&path, part);
        assert_eq!((found.line, found.column), (line, column), "{path} {part:?}");
    }
}

fn shown(text: &str, path: &Path, part: EntryPart) -> String {
    let mut problem = Problem::error(path.clone(), "wrong");
    problem.part = part;
    parse(text).unwrap().report(&[problem]).to_string()
}

#[test]
fn what_is_no_number_can_be_a_text() {
    let text = "[.inf, -.NAN, 0x10000000000000000, 0x1F, 1e3]";
    let read = Document::parse_texts(text, "f").unwrap();
    assert_eq!(read.value()[0], ".inf");
    assert_eq!(read.value()[2], "0x10000000000000000");
    assert_eq!(read.value()[3], 31);
    assert!(Document::parse_texts("{a: 1, a: 2}", "f").is_err());
}

#[test]
fn plain_scalars_as_they_are_written() {
    let text =
        "a: 1e3\nb: ['0x1F', 0x1F, \"5\", !!int 5, &x True, *x]\nc: {d: ~}\n<<: {m: 1_0}\nl: é 2.50 # no\n";
    let document = parse(text).unwrap();
    let plain = |path: Path| document.plain_text(&path).map(str::to_owned);
    let list = |n: usize| plain(Path::top().key("b").index(n));
    assert_eq!(plain(Path::top().key("a")).as_deref(), Some("1e3"));
    let read: Vec<Option<String>> = (0..7).map(list).collect();
    let written = [None, Some("0x1F"), None, Some("5"), Some("True"), Some("True"), None];
    assert_eq!(read.iter().map(Option::as_deref).collect::<Vec<_>>(), written);
    assert_eq!(plain(Path::top().key("c").key("d")).as_deref(), Some("~"));
    assert_eq!(plain(Path::top().key("m")).as_deref(), Some("1_0"));
    assert_eq!(plain(Path::top().key("l")).as_deref(), Some("é 2.50"));
    assert_eq!((plain(Path::top().key("b")), plain(Path::top().key("gone"))), (None, None));
}

#[test]
fn ten_thousand_routers_are_read_in_no_time() {
    let mut text = "router:\n".to_owned();
    for n in 0..10_000 {
        text.push_str(&format!(
            "  router_{n}:\n    trigger: exe_done\n    selector: match_map\n    task:\n      task_{n}: print\n    select_param: {{match_key: a/b, match_value: {n}}}\n"
        ));
    }
    let begun = std::time::Instant::now();
    let document = parse(&text).unwrap();
    let parsed = begun.elapsed();
    for n in 0..10_000 {
        let path = Path::top().key("router").key(&format!("router_{n}")).key("task");
        assert_eq!(document.locate(&path, EntryPart::Key).line, 6 * n + 5);
    }
    // Only printed: a busy machine is not a failure.
    eprintln!("read {} bytes in {parsed:?}, located 10,000 in {:?}", text.len(), begun.elapsed() - parsed);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// Whatever the text is, it is read, or refused with a message that begins with the place.
    #[test]
    fn no_text_is_too_odd(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.iter().map(|n| PIECES[*n]).collect();
        match parse(&text) {
            Ok(mut document) => {
                let path = Path::top().key("token").index(1).key("ä");
                document.hide(&Path::top());
                let report = document.report(&[Problem::error(path, "wrong"), Problem::error(Path::top(), "wrong")]);
                proptest::prop_assert!(report.to_string().starts_with("c.yml:"));
            }
            Err(problems) => proptest::prop_assert!(problems.to_string().starts_with("c.yml:")),
        }
    }
}

const PIECES: [&str; 44] = [
    "a",
    "ä",
    "任",
    "token",
    "password",
    ": ",
    ":",
    "- ",
    "-",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\r",
    "\t",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "&x ",
    "*x",
    "<<",
    "? ",
    "| ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "# c",
    " #",
    "!!int ",
    "!t ",
    "%YAML 1.2\n",
    "---",
    "...",
    "\u{feff}",
    "\u{0}",
    "\\x",
    "0755",
    "1e400",
    ".inf",
    "~",
    " ",
];

/// A thread of its own parses large texts.
#[test]
fn a_large_text_reads_like_a_small_one() {
    let map: String =
        (0..20_000).map(|n| format!("k{n}: {{a: [{n}, 'x y'], b: &b{n} t, c: *b{n}}}\n")).collect();
    let document = Document::parse(&map, "f").unwrap();
    assert_eq!(document.value().as_object().unwrap().len(), 20_000);
    assert_eq!(document.value()["k19999"], serde_json::json!({"a": [19_999, "x y"], "b": "t", "c": "t"}));
    let path = Path::top().key("k19999").key("b");
    assert_eq!(document.locate(&path, EntryPart::Value).line, 20_000);
    // What is wrong is found where it is, whether the text is read to its end or not.
    for (wrong, at, what) in [
        (format!("{map}k7: 1\n"), "f:20001:1", "k7"),
        (format!("{map}l: [1\n"), "f:2000", "["),
        (format!("a: 1\n---\n{map}"), "f:2:1", "second document"),
        (format!("a: [1}}\n{map}"), "f:1:4", "mismatched"),
    ] {
        let problems = Document::parse(&wrong, "f").err().unwrap().to_string();
        assert!(problems.contains(at) && problems.contains(what), "{at} {what}: {problems}");
    }
}
