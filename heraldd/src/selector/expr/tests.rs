use super::*;
use serde_json::json;

fn params(value: Value) -> Arc<Params> {
    Arc::new(value.as_object().unwrap().clone())
}

async fn ask(expr: &str, trigger_param: &Value) -> Result<Answer, String> {
    let question = Question {
        event_id: "e".into(),
        trigger: "t".into(),
        router: "r".into(),
        task: "k".into(),
        trigger_param: Arc::new(params(trigger_param.clone()).into()),
        select_param: params(json!({"expr": expr, "branches": ["main", "stable"], "secret": "key"})),
    };
    Expr.select(&question).await.map_err(|error| error.message)
}

#[tokio::test]
async fn expressions_decide() {
    let event = json!({
        "ref": "refs/heads/main", "branch": "main", "n": 5, "f": 5.0, "big": 18446744073709551615u64, "deleted": false,
        "commits": [{"id": "a", "added": ["x.md"]}, {"id": "b", "added": []}], "nothing": null, "body": "data",
        "address": "10.1.2.3", "sig": "sha256=5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0",
        "a-b": {"c": [1, {"d": "deep"}]}, "date": "Thu, 01 Jan 1970 00:00:00 +0000",
    });
    for (expr, yes) in [
        ("trigger_param.ref == 'refs/heads/main'", true),
        ("trigger_param.branch in select_param.branches", true),
        ("trigger_param.ref.startsWith('refs/tags/')", false),
        ("trigger_param.ref.matches('^refs/heads/(main|stable)$') && !trigger_param.deleted", true),
        (
            "trigger_param.n == 5 && trigger_param.f == 5.0 && trigger_param.n == 5.0 && trigger_param.n > 4",
            true,
        ),
        ("trigger_param.big == 18446744073709551615u", true),
        ("trigger_param.nothing == null", true),
        ("has(trigger_param.gone)", false),
        ("has(trigger_param.gone) && trigger_param.gone == 1", false),
        ("trigger_param.gone == 1", false),
        ("trigger_param.commits.exists(c, c.added.exists(f, f.endsWith('.md')))", true),
        ("trigger_param.commits.all(c, size(c.added) > 0)", false),
        ("trigger_param.commits[1].id == 'b'", true),
        ("trigger_param['a-b'].c[1].d == 'deep'", true),
        ("at(trigger_param, 'a-b.c.1.d') == 'deep'", true),
        ("at(trigger_param, 'x.y') == null", true),
        (
            "text(trigger_param.n) == '5' && text(trigger_param.commits[1]) == '{\"added\":[],\"id\":\"b\"}'",
            true,
        ),
        ("in_cidr(trigger_param.address, '10.0.0.0/8')", true),
        ("in_cidr(trigger_param.address, '192.168.0.0/16') || in_cidr('x', 'y')", false),
        ("hmac_matches('sha256', select_param.secret, trigger_param.body, trigger_param.sig)", true),
        ("hmac_matches('sha256', 'other', trigger_param.body, trigger_param.sig)", false),
        ("seconds_since(trigger_param.date) > 1000000.0", true),
        ("trigger_param.branch.upperAscii() == 'MAIN'", true),
        ("timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')", true),
    ] {
        let answer = ask(expr, &event).await.unwrap_or_else(|error| panic!("{expr}: {error}"));
        assert_eq!(answer.yes, yes, "{expr}: {}", answer.why);
    }
    for (expr, says) in [
        ("trigger_param.n + 1 == 'x' + 1", "the operator `add` does not take a text and a number"),
        ("trigger_param.ref", "gives a text"),
        ("trigger_param.ref < 5", ""),
    ] {
        let error = ask(expr, &event).await.unwrap_err();
        assert!(error.contains(says), "{expr}: {error}");
    }
}

#[tokio::test]
async fn the_answer_tells_what_was_seen() {
    let event = json!({"ref": "refs/heads/x", "token": "hunter2", "long": "y".repeat(100), "map": {"password": "p", "a": 1},
        "labels": {"app.kubernetes.io/name": "w"}, "_request": {"body": "token=hunter2"}});
    for (expr, why) in [
        ("trigger_param.ref == 'y'", "the expression is false: trigger_param.ref is \"refs/heads/x\""),
        (
            "trigger_param._request.body == ''",
            "the expression is false: trigger_param._request.body is \"***\"",
        ),
        ("trigger_param.token == 'hunter2'", "the expression is true: trigger_param.token is ***"),
        ("select_param.secret == 'z'", "the expression is false: select_param.secret is ***"),
        (
            "trigger_param.map.a == 1 || trigger_param.map == 3",
            "the expression is true: trigger_param.map is {\"password\":\"***\",\"a\":1}, trigger_param.map.a is 1",
        ),
        ("trigger_param.gone == 1", "key \"gone\" is missing: trigger_param.gone is missing"),
        (
            "trigger_param.labels['app.kubernetes.io/name'] == 'w'",
            "the expression is true: trigger_param.labels['app.kubernetes.io/name'] is \"w\"",
        ),
        ("true", "the expression is true"),
    ] {
        assert_eq!(ask(expr, &event).await.unwrap().why, why, "{expr}");
    }
    let why = ask("trigger_param.long == 'y'", &event).await.unwrap().why;
    assert!(why.ends_with('…') && why.len() < 120, "{why}");
}

#[test]
fn mistakes_are_found_when_it_is_compiled() {
    for (expr, says, within) in [
        ("", "empty", None),
        ("trigger_param.ref ==", "syntax error in the expression at character", None),
        ("trigger_param.ref == )", "unexpected ')'", Some(")")),
        ("ref == 'x'", "unknown variable `ref`; did you mean `trigger_param.ref`?", Some("ref")),
        ("nothing(1)", "unknown function `nothing`", Some("nothing")),
        ("trigger_parm.ref == 'x'", "did you mean `trigger_param`", Some("trigger_parm")),
        ("trigger_param.ref.startWith('x')", "did you mean `startsWith`", Some("startWith")),
        ("trigger_param.ref.matches('(')", "the pattern is not valid", Some("(")),
        ("'text'", "never gives true or false", None),
        ("size(trigger_param)", "never gives true or false", None),
        ("trigger_param.n + 1", "never gives true or false", None),
        ("1 + 'a' == 2", "does not take a number and a text", None),
        ("trigger_param.a = 1", "syntax error in the expression at character", Some("= 1")),
        ("trigger_param.a = 1", "write  ==  to compare", None),
        ("trigger_param.a == 1 and trigger_param.b == 2", "write  &&", None),
        ("trigger_param.a == 'x' OR trigger_param.b == 2", "write  ||", None),
        ("not trigger_param.a", "write  !(…)", None),
        ("trigger_param.a <> 1", "write  !=", None),
        ("trigger_param.a =~ 'x'", "matches('PATTERN')", None),
    ] {
        let error = match Compiled::new(expr) {
            Err(error) => error,
            Ok(compiled) => {
                panic!("{expr}: {:?}", compiled.evaluate(&Params::new(), &Params::new()))
            }
        };
        assert!(error.to_string().contains(says) && !error.message.contains("expecting"), "{expr}: {error}");
        if let Some(within) = within {
            assert_eq!(error.excerpt.as_deref(), Some(within), "{expr}");
        }
    }
}

#[tokio::test]
async fn what_could_take_long_is_not_evaluated() {
    let list: Vec<u32> = (0..3000).collect();
    let event = json!({ "l": list });
    let twice = "trigger_param.l.all(x, trigger_param.l.exists(y, y == x + 5000))";
    let error = ask(twice, &event).await.unwrap_err();
    assert!(error.contains("steps"), "{error}");
    assert!(ask("trigger_param.l.all(x, x < 3000)", &event).await.unwrap().yes);
    let middling = json!({ "l": (0..1000).collect::<Vec<u32>>() });
    assert!(!ask(twice, &middling).await.unwrap().yes);
}

/// Compiling evaluates what no event decides: that, too, is bounded.
#[test]
fn constants_are_bounded_when_it_is_compiled() {
    let nested = |loops: usize| {
        let names = &["a", "b", "c", "d", "e", "f", "g", "h", "i"][..loops];
        let open: String = names.iter().map(|name| format!("[1,2,3,4,5,6,7,8,9,10].all({name}, ")).collect();
        format!("{open}{} > 0{}", names.join(" + "), ")".repeat(loops))
    };
    let doubled = |times: usize| format!("size([[1]]{}) > 0", ".map(x, x + x)".repeat(times));
    let replaced = |times: usize| format!("'x'{} == ''", ".replace('x', 'xxxxxxxxxx')".repeat(times));
    let split = format!("'{}'.split('').all(a, 'x'.split('').all(b, a == b))", "x".repeat(10_000));
    for (expr, says) in [
        (nested(9), Some("about 2357947691 steps with any event; at most 2000000 are taken")),
        (nested(7), Some("steps with any event")),
        (nested(6), None),
        (doubled(60), None),
        (replaced(30), None),
        (split, None),
        (format!("trigger_param.a.matches('{}')", "(a{1000}){1000}"), Some("the pattern is not valid")),
        ("[1, 2].exists(x, x + 'a' == 2)".to_owned(), Some("does not take a number and a text")),
    ] {
        let begun = std::time::Instant::now();
        let error = Compiled::new(&expr).err().map(|error| error.to_string());
        assert!(begun.elapsed() < LONGEST, "{expr:.80}: {:?}", begun.elapsed());
        match says {
            None => assert_eq!(error, None, "{expr:.80}"),
            Some(says) => assert!(error.as_ref().is_some_and(|e| e.contains(says)), "{expr:.80}: {error:?}"),
        }
    }
}

/// Its time begins when it has a thread: what waits for one is not too slow.
#[test]
fn the_wait_for_a_thread_does_not_count() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_time().build();
    runtime.unwrap().block_on(async {
        let busy = tokio::task::spawn_blocking(|| std::thread::sleep(LONGEST + Duration::from_millis(300)));
        let list: Vec<u32> = (0..60).collect();
        let expr = "trigger_param.l.all(x, trigger_param.l.exists(y, y == x))";
        assert_eq!(ask(expr, &json!({ "l": list })).await.map(|answer| answer.yes), Ok(true));
        busy.await.unwrap();
    });
}

#[test]
fn what_it_requires_and_whether_it_can_be_asked_again() {
    for (expr, requires, again) in [
        ("trigger_param.a == 'x' && trigger_param.b", Some(("a", "x")), true),
        ("trigger_param.a == 'x' || trigger_param.b", None, true),
        (
            "seconds_since(trigger_param.at) < 5.0 && trigger_param.a == select_param.x",
            Some(("a", "y")),
            false,
        ),
        ("not an expression", None, false),
    ] {
        let select = params(json!({"expr": expr, "x": "y"}));
        let required = Expr.requires(&select);
        let expected =
            requires.map(|(path, text)| RequiredValue { path: path.to_owned(), value: text.into() });
        assert_eq!(required, expected, "{expr}");
        assert_eq!(Expr.can_be_asked_again(&select), again, "{expr}");
    }
}
