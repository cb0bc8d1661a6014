//! References and secrets.

use super::*;

#[test]
fn the_password_of_a_url_is_a_secret() {
    for (url, shown) in [
        ("https://bot:s3cretpass@git.example.com/x.git", "fetch https://bot:***@git.example.com/x.git"),
        ("http://u:p@ss:word9@h", "fetch http://u:***@h"),
        ("ssh://git@host/x", "fetch ssh://git@host/x"),
        ("https://host/x?a=b:cccccccc@d", "fetch https://host/x?a=b:cccccccc@d"),
        ("see https://u:visible1@h now", "fetch see https://u:visible1@h now"),
    ] {
        let yaml = with_router(&format!("preset: {{p: {{repo: '{url}'}}}}"));
        assert_eq!(good(&yaml).mask.text(&format!("fetch {url}")), shown);
    }
    let report = bad("preset: {p: {repo: 'https://u:s3cretpass@h'}, q: 5}");
    assert!(report.contains("preset: {p: {repo: ***}, q: 5}") && !report.contains("s3cretpass"), "{report}");
}

#[test]
fn references_are_resolved_and_masked() {
    let place = Place::new();
    place.write("key", "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n");
    place.write("plain", "from the file\r\n");
    let yaml = concat!(
        "trigger: {http: {port: '${env:PORT}', strict: '${env:TRUE}', sign: 'signature!'}}\n",
        "executor: {http_remote: {host: 'http://h', secret: ['${env:PASSWORD}', literal-one]}}\n",
        "preset: {p: {list: ['${file:plain}']}}\n",
        "router:\n",
        "  refresh_token:\n",
        "    trigger: http\n    selector: all\n",
        "    task: {t: {executor: http_remote, job_param: {git_ssh_key: '${file:key}', plain: 'echo ${HOME} ${x:y}'}}}\n",
        "    job_param: {preset: p, git_password: 12345678}\n",
    );
    let config = place.check(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let http = &config.triggers[0].options.0;
    assert_eq!((&http["port"], &http["strict"]), (&json!(9000), &json!(true)));
    assert_eq!(config.executors[0].options.0["secret"], json!(["hunter22", "literal-one"]));
    let route = &config.workflow.routes("http")[0];
    assert_eq!(route.job_param.get()["list"], json!(["from the file"]));
    assert_eq!(route.job_param.get()["git_ssh_key"].as_str().unwrap().lines().count(), 4);
    let shown = |text: &str| config.mask.text(text);
    for secret in
        ["hunter22", "literal-one", "from the file", "signature!", "12345678", "9000", "mnopqrstuvwx"]
    {
        assert_eq!(shown(&format!("it is {secret}.")), "it is ***.", "{secret}");
    }
    for plain in ["http", "all", "refresh_token", "-----BEGIN KEY-----", "http://h"] {
        assert_eq!(shown(plain), plain);
    }
}

#[test]
fn a_shells_default_values_are_no_references() {
    for script in ["echo ${env:-prod}", "${env:-prod}", "echo ${file:=/tmp/x} ${file:?none}", "${env:+set}"] {
        let yaml = with_router(&format!("preset: {{p: {{arg: [-c, '{script}']}}}}"));
        assert!(good(&yaml).warnings.is_empty(), "{script}");
    }
    let mixed = with_router("preset: {p: {arg: 'echo ${env:-prod} ${env:PASSWORD}'}}");
    assert_eq!(said(&mixed).len(), 1);
}

#[test]
fn references_that_lead_nowhere() {
    for (value, expected) in [
        ("${env:NO_SUCH}", "the environment variable NO_SUCH is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${env:}", "the reference names no variable"),
        ("${file:}", "the reference names no file"),
        ("${file:/no/such}", "the secret file /no/such does not exist"),
        ("${file:/}", "the secret file / is not a regular file"),
        ("${file:/dev/zero}", "the secret file /dev/zero is not a regular file"),
        (
            "x${env:PASSWORD}",
            "a secret reference must be the whole value (put the whole text into the variable or the file; `$${` instead of `${` is plain text)",
        ),
        (
            "${env:PASSWORD}${env:PASSWORD}",
            "a secret reference must be the whole value (put the whole text into the variable or the file; `$${` instead of `${` is plain text)",
        ),
    ] {
        let yaml = with_router(&format!("preset: {{p: {{a: {{b: '{value}'}}}}}}"));
        assert_eq!(said(&yaml), [format!("1:21: {expected}")], "{value}");
    }
    for (yaml, place) in [
        (
            "log: {output: '${env:PASSWORD}'}\nrouter: {r: {trigger: tick, selector: all, task: {t: print}}}",
            "1:15",
        ),
        ("router: {r: {trigger: tick, selector: all, task: {t: '${env:PASSWORD}'}}}", "1:54"),
        ("trigger: {a: {type: '${env:PASSWORD}'}}", "1:21"),
    ] {
        let said = said(yaml);
        assert!(
            said.iter()
                .any(|text| text.starts_with(&format!("{place}: a secret reference cannot stand here"))),
            "{said:?}"
        );
    }
}

#[test]
fn empty_secrets_are_errors() {
    for (yaml, expected) in [
        ("preset: {p: {git_password: ''}}", "1:28: the secret `git_password` is empty"),
        ("preset: {p: {git_password: }}", "1:14: the secret `git_password` is empty"),
        ("executor: {http_remote: {host: \"http://h\", secret: ''}}", "1:52: the secret `secret` is empty"),
        ("preset: {p: {tokens: [a, '']}}", "1:26: the secret `tokens` is empty"),
    ] {
        let advice = " (write it, or a reference such as ${env:NAME} or ${file:/path})";
        assert_eq!(said(&with_router(yaml)), [format!("{expected}{advice}")], "{yaml}");
    }
    assert_eq!(said(&with_router("trigger: {http: {sign: ''}}")), ["1:24: `sign`: a secret cannot be empty"]);
}

#[test]
fn no_message_holds_a_secret() {
    let place = Place::new();
    for yaml in [
        "executor: {http_remote: {host: '${env:PASSWORD}', secret: x}}",
        "executor: {http_remote: {host: '${env:SHORT}', secret: hunter22, x: 1}}",
        "executor: {http_remote: {host: 'http://h', secret: {a: hunter22}}}",
        "trigger: {http: {sign: hunter22, port: x, x: 1}}",
        "trigger: {http: {sign: [hunter22], port: '${env:PASSWORD}'}}",
        "trigger: {cron: {cron: '${env:PASSWORD}', x: 1}}",
        "trigger: {a: {type: cron, cron: 'bad ${env:PASSWORD}'}}",
        "trigger: {tick: {interval: '${env:PASSWORD}'}}",
        "trigger: {tick: {interval: '${env:SHORT}'}}",
        "preset: {p: {password: hunter22, x: '${env:NO}'}}",
        "router: {r: {trigger: t, job_param: {token: hunter22}}}",
        "router: {r: {trigger: tick, selector: all, task: {t: print}, select_param: {token: hunter22, preset: no}}}",
        "router: {r: {trigger: tick, selector: all, task: {t: print}, job_param: {print_key: [5], token: [hunter22]}}}",
    ] {
        match place.check(yaml) {
            Ok(_) => panic!("nothing was found wrong with {yaml}"),
            Err(text) => assert!(!text.contains("unter") && !text.contains("zz"), "{yaml}:\n{text}"),
        }
    }
}

#[test]
fn others_who_may_read_a_literal_secret() {
    let place = Place::new();
    for (yaml, mode, warned) in [
        ("preset: {p: {password: hunter22}}", 0o644, true),
        ("preset: {p: {password: hunter22}}", 0o640, true),
        ("preset: {p: {password: hunter22}}", 0o604, true),
        ("preset: {p: {password: hunter22}}", 0o600, false),
        ("trigger: {http: {sign: hunter22}}", 0o644, true),
        ("preset: {p: {password: '${env:PASSWORD}'}}", 0o644, false),
        ("trigger: {http: {sign: '${env:PASSWORD}'}}", 0o644, false),
        ("preset: {p: {user: hunter22}}", 0o644, false),
    ] {
        // Nothing else is to be said of the trigger.
        let router = with_router(yaml).replace("trigger: tick", "trigger: http");
        let path = place.write("config.yml", router);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let variable = |_: &str| Some(OsString::from("hunter22"));
        let config = check_with(read(&path).unwrap(), &registry(), &[], &variable).unwrap();
        assert_eq!(config.warnings.len(), usize::from(warned), "{yaml} {mode:o}: {:?}", config.warnings);
        if warned {
            let warning = config.warnings[0].to_string();
            assert!(
                warning.contains("warning: others may read this file, and it holds a secret"),
                "{warning}"
            );
            assert!(warning.contains("chmod go-rwx"), "{warning}");
            assert!(!warning.contains("hunter22"), "{warning}");
        }
    }
}

#[test]
fn a_secret_file_with_more_in_it_than_the_secret() {
    let place = Place::new();
    for (content, says) in [
        ("hunter22\n", None),
        ("hunter22\r\n", None),
        ("\u{feff}hunter22\n", Some("byte order mark")),
        ("hunter22 \n", Some("blanks")),
        (" hunter22", Some("blanks")),
        ("hunter22\n\n", Some("line end")),
        ("one line\nand another\n\n", None),
    ] {
        place.write("s", content);
        let path = place.write("config.yml", with_router("preset: {p: {password: '${file:s}'}}"));
        let config = check_with(read(&path).unwrap(), &registry(), &[], &|_| None).unwrap();
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(says.is_some()), "{content:?}: {warnings:?}");
        assert!(says.is_none_or(|says| warnings[0].contains(says)), "{content:?}: {warnings:?}");
        assert!(!warnings.concat().contains("unter22"), "{warnings:?}");
    }
}

#[test]
fn a_secret_file_that_every_user_can_read() {
    let place = Place::new();
    let file = place.write("s", "hunter22\n");
    fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = place.write("config.yml", with_router("preset: {p: {password: '${file:s}'}}"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for (mode, warned) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let config = check_with(read(&path).unwrap(), &registry(), &[], &|_| None).unwrap();
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(warned), "{mode:o}: {warnings:?}");
        for part in [
            format!(
                "config.yml:1:24: warning: every user of this machine can read the secret file {}",
                file.display()
            ),
            format!("chmod 600 {}", file.display()),
        ] {
            assert!(!warned || warnings[0].contains(&part), "{part}: {warnings:?}");
        }
    }
}
