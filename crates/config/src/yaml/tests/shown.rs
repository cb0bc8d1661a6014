//! How problems are shown.

use super::*;

#[test]
fn the_whole_text_of_a_problem() {
    assert_eq!(
        refused("trigger:\n  every2s: {type: tick}\n  every2s: {type: cron}\n"),
        concat!(
            "c.yml:3:3: duplicate key \"every2s\"\n",
            "  |\n",
            "3 |   every2s: {type: cron}\n",
            "  |   ^^^^^^^\n",
            "  = help: first defined on line 2\n",
        )
    );
}

#[test]
fn lines_are_shown_without_secrets() {
    let password = Path::top().key("e").key("git_password");
    for (yaml, path, line, mark) in [
        (
            "e: {git_password: hunter22, user: u}",
            &password,
            "e: {git_password: ***, user: u}",
            "                  ^^^",
        ),
        (
            "e:\n  git_password: 'hun''ter22' # no",
            &password,
            "  git_password: *** # no",
            "                ^^^",
        ),
        (
            "e: {git_password: [hunter22, x]}",
            &password,
            "e: {git_password: [***, ***]}",
            "                  ^",
        ),
        (
            "e: {git_password: '${env:PW}', x: 1}",
            &password,
            "e: {git_password: '${env:PW}', x: 1}",
            "                  ^^^^^^^^^^^",
        ),
        (
            "e: {git_password: '${env:PW}hunter22'}",
            &password,
            "e: {git_password: ***}",
            "                  ^^^",
        ),
        ("p: &p hunter22\ne: {git_password: *p}", &Path::top().key("p"), "p: &p ***", "      ^^^"),
    ] {
        let text = shown(yaml, path, EntryPart::Value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2].split_once("| ").unwrap().1, line, "{yaml}");
        assert_eq!(lines[3].split_once("| ").unwrap().1, mark, "{yaml}");
        assert!(!text.contains("hun"), "{text}");
    }
}

#[test]
fn names_of_parts_are_not_secret() {
    let text = "router:\n  refresh_token: {trigger: t, job_param: {token: hunter22}}\n";
    let path = Path::top().key("router").key("refresh_token").key("trigger");
    let text = shown(text, &path, EntryPart::Value);
    assert!(text.contains("refresh_token: {trigger: t, job_param: {token: ***}}"), "{text}");
}

#[test]
fn a_hidden_value_is_not_shown() {
    let mut document = parse("a: {sign: hunter22, list: [hunter22]}").unwrap();
    let sign = Path::top().key("a").key("sign");
    document.hide(&sign);
    document.hide(&Path::top().key("a").key("list"));
    let text = document.report(&[Problem::error(sign, "wrong")]).to_string();
    assert!(text.contains("1 | a: {sign: ***, list: [***]}\n"), "{text}");
}

#[test]
fn syntax_errors_show_no_secrets() {
    for yaml in [
        "password: \"hunter22\" x",
        "password: hunter22: x",
        "password: \"hunter22",
        "password: @hunter22",
        "e: {user: u, password: hunter22",
        "e: {user: u, password: hunter22: 1]",
        "git_ssh_key: |\n    hunter22\n   hunter22: [",
        "git_ssh_key: |\n    hunter22\nhunter22\n",
        "e:\n  git_ssh_key: |\n    hunter22\n hunter22\nb: 1",
        "token:\n  - hunter22\n  - hunter22: [\n",
        "token:\n\thunter22",
        "user: \"u\ntoken: hunter22",
        "secret: !!int hunter22",
        "secret: .inf\nsecret: hunter22\n",
        "'api-key' : [hunter22, @hunter22]",
    ] {
        let text = refused(yaml);
        assert!(!text.contains("unter"), "{yaml:?}:\n{text}");
    }
}

#[test]
fn hostile_lines_stay_readable() {
    let long = format!("{}: {{{}: 1}}", "a".repeat(200), "b".repeat(300));
    let path = Path::top().key(&"a".repeat(200));
    let text = shown(&long, &path, EntryPart::Value);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().skip(1).all(|line| line.chars().count() < 140), "{text}");
    let line = lines[2].split_once("| ").unwrap().1;
    let mark = lines[3].split_once("| ").unwrap().1;
    let column = mark.chars().take_while(|c| *c == ' ').count();
    assert_eq!(line.chars().nth(column), Some('{'));
    assert!(line.starts_with('…') && line.ends_with('…'), "{line}");

    // Wide characters take two columns; control and bidi characters are not sent to the terminal.
    let text = shown("任务: {a: \"\u{202e}\", b: 5}", &Path::top().key("任务").key("b"), EntryPart::Value);
    assert_eq!(text, "c.yml:1:17: wrong\n  |\n1 | 任务: {a: \"\u{fffd}\", b: 5}\n  |                   ^\n");
    let text = refused("\"a\\n\\e[31m\": 1\n\"a\\n\\e[31m\": 2");
    assert!(text.starts_with("c.yml:2:1: duplicate key \"a\u{fffd}\u{fffd}[31m\"\n"), "{text}");
}

/// Without quotes, a secret that begins with `*`, `!` or `&` is an alias, a tag or an anchor to YAML.
#[test]
fn secrets_that_begin_like_yaml_are_not_shown() {
    let mut wrong = Vec::new();
    for (yaml, expected) in [
        ("secret: *hunter22", "secret: ***"),
        ("secret: *hunter22 # !", "secret: ***"),
        ("secret: *hunter22\nuser: u", "secret: ***"),
        ("secret: *hunter22 hunter23", "secret: ***"),
        ("secret: */hunter22", "secret: ***"),
        ("secret: !hunter22", "secret: ***"),
        ("secret: !hunter22\nuser: u", "secret: ***"),
        ("secret: !hunter22\n\n# !\nuser: u", "secret: ***"),
        ("secret: !!hunter22", "secret: ***"),
        ("secret: !!hunter22 hunter23", "secret: ***"),
        ("secret: !hunter22 hunter23", "secret: ***"),
        ("secret: !hunter22!hunter23", "secret: ***"),
        ("secret: !<hunter22> x", "secret: ***"),
        ("secret: &hunter22", "secret: ***"),
        ("secret: &hunter22\nuser: u", "secret: ***"),
        ("secret: &hunter22 !hunter23", "secret: ***"),
        ("secret: !hunter23 &hunter22", "secret: ***"),
        ("secret: !hunter22 [x]", "secret: ******]"),
        ("secret: !hunter22 {x: y}", "secret: ***x: ***}"),
        ("secret: {hunter22}", "secret: {***}"),
        ("secret: {hunter22, hunter22}", "secret: {***, ***}"),
        ("secret: {x: *hunter22, y: z}", "secret: {x: ***, y: ***}"),
        ("secret: {x: !hunter22 , y: z}", "secret: {x: *** , y: ***}"),
        ("secret: {<<: *hunter22}", "secret: {<<: ***}"),
        ("secret: [*hunter22, !hunter23 , &hunter24 ]", "secret: [***, *** , *** ]"),
        ("secret:\n- *hunter22\n- x", "- ***"),
        ("secret:\n- !hunter22\n- x", "- ***"),
        ("secret: |hunter22\n  x", "secret: ***"),
        ("secret: >hunter22", "secret: ***"),
        ("secret: %hunter22", "secret: ***"),
        ("e: {user: u, password: *hunter22, x: 1}", "e: {user: u, password: ***, x: 1}"),
        ("e: {user: u, password: !hunter22, x: 1}", "e: {user: u, password: ***"),
        ("e: {user: u, password: &hunter22, x: 1}", "e: {user: u, password: ***"),
    ] {
        let wrong_value = Problem::error(Path::top().key("secret"), "wrong");
        let text = match Document::parse_as_far_as_possible(yaml, "c.yml") {
            Ok(document) => document.report(&[wrong_value]).to_string(),
            Err(problems) => problems.to_string(),
        };
        let line = text.lines().find(|line| line.contains("***")).and_then(|line| line.split_once(" | "));
        let line = line.map_or("", |(_, line)| line);
        if text.contains("unter2") || !line.starts_with(expected) {
            wrong.push(format!("{yaml:?}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn secrets_that_begin_like_yaml_are_to_be_quoted() {
    for (yaml, message) in [
        ("secret: *hunter22", "this secret begins with `*`, which YAML takes for an alias"),
        ("secret: !hunter22", "this secret begins with `!`, which YAML takes for a tag"),
        ("secret: !!hunter22", "this secret begins with `!`, which YAML takes for a tag"),
        ("secret: &hunter22", "this secret begins with `&`, which YAML takes for an anchor"),
    ] {
        let text = refused(yaml);
        assert!(text.contains(message) && text.contains("help: put the secret in quotes"), "{text}");
    }
    // What is known to be secret only once the options are known.
    let mut document = Document::parse_as_far_as_possible("a: {sign: *hunter22}", "c.yml").unwrap();
    document.hide(&Path::top().key("a").key("sign"));
    let text = document.report(&[]).to_string();
    assert!(text.contains("1 | a: {sign: ***}\n") && !text.contains("unter"), "{text}");
    for yaml in ["a: {sign: !hunter22 }", "a: {sign: &hunter22 }", "a: {sign: &hunter22 x}"] {
        let mut document = Document::parse_as_far_as_possible(yaml, "c.yml").unwrap();
        let sign = Path::top().key("a").key("sign");
        document.hide(&sign);
        let text = document.report(&[Problem::error(sign, "wrong")]).to_string();
        assert!(text.contains("1 | a: {sign: ***") && !text.contains("unter"), "{text}");
    }
}
