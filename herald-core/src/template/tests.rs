use super::*;
use serde_json::json;

fn scope() -> Scope {
    let trigger = json!({
        "ref": "refs/heads/main", "n": 5, "f": 0.5, "big": 12345678901234567890123456789u128, "yes": true, "nothing": null,
        "list": ["a", "b c"], "map": {"a-b": {"c": "it's"}}, "text": "{\"tag\":\"v1.2\"}", "b64": "eyJhIjoxfQ",
    });
    let text = r#"{"long": 0.12345678901234567890123}"#;
    let mut trigger = trigger.as_object().unwrap().clone();
    trigger.extend(serde_json::from_str::<Params>(text).unwrap());
    let select = json!({"x": "sel"}).as_object().unwrap().clone();
    Scope::new(
        &[("job_id", json!("id-1")), ("router", json!("deploy"))],
        &[("trigger_param", &Arc::new(trigger)), ("select_param", &Arc::new(select))],
    )
}

fn compile(value: Value) -> (Option<Template>, Vec<Problem>) {
    let params = json!({"p": value}).as_object().unwrap().clone();
    let mut compiler = Compiler::default();
    let mut problems = Vec::new();
    let template = compiler.compile(&params, For::Job, &|text| text == "{{ secret", &mut problems);
    compiler.finish();
    (template, problems)
}

fn render(value: Value) -> Result<Value, String> {
    let (template, problems) = compile(value);
    assert_eq!(problems, []);
    Ok(template.unwrap().render(&scope()).map_err(|error| error.to_string())?["p"].clone())
}

#[derive(Debug)]
struct TwoProjects;

impl PublishedSource for TwoProjects {
    fn counts(&self) -> PublishedCounts {
        PublishedCounts {
            projects: 2,
            in_sync: 1,
            held: 1,
            revision: 42,
            etcd: "connected".into(),
            ..Default::default()
        }
    }
}

#[test]
fn a_heartbeat_is_a_map() {
    let made = render(json!("{{ heartbeat() }}")).unwrap();
    let names =
        ["version", "hostname", "timestamp", "projects", "in_sync", "failed", "held", "revision", "etcd"];
    assert_eq!(made.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    assert_eq!(made["version"], concat!("herald ", env!("CARGO_PKG_VERSION")));
    assert!(made["timestamp"].as_i64().unwrap() > 1_577_836_800);
    assert_eq!((&made["projects"], &made["etcd"]), (&json!(0), &json!("none")));
    assert_eq!(render(json!("{{ heartbeat().hostname }}")).unwrap(), made["hostname"]);

    let (template, problems) =
        compile(json!({"is": "{{ heartbeat() }}", "text": "{{ heartbeat().etcd }} {{ router }}"}));
    assert_eq!(problems, []);
    let source: Arc<dyn PublishedSource> = Arc::new(TwoProjects);
    let made = template.unwrap().render(&scope().with_published(Some(&source))).unwrap()["p"].clone();
    assert_eq!((&made["is"]["projects"], &made["is"]["revision"]), (&json!(2), &json!(42)));
    assert_eq!(made["text"], "connected deploy");
}

#[test]
fn json_objects_in_texts() {
    for (template, made) in [
        ("{{ trigger_param.text | json_object }}", json!({"tag": "v1.2"})),
        ("{{ '{\"b\": 5} {junk' | json_object }}", json!({"b": 5})),
        ("{{ '[1]' | json_object }}", json!("[1]")),
        ("{{ 'not json' | json_object }}", json!("not json")),
        ("{{ '' | json_object }}", json!("")),
        ("{{ trigger_param.list | json_object }}", json!(["a", "b c"])),
        ("{{ trigger_param.nothing | json_object }}", json!(null)),
        (
            "{{ {'a': '{\"b\":1}', 'c': 'x', 'd': '{}'} | json_object_at('a', 'c', 'gone') }}",
            json!({"a": {"b": 1}, "c": "x", "d": "{}"}),
        ),
    ] {
        assert_eq!(render(json!(template)).unwrap(), made, "{template}");
    }
    let error = render(json!("{{ 5 | json_object_at('a') }}")).unwrap_err();
    assert!(error.contains("only a map has values under keys"), "{error}");
}

#[test]
fn texts_are_filled_in_and_lone_expressions_keep_their_type() {
    for (template, made) in [
        ("{{ trigger_param.ref }}", json!("refs/heads/main")),
        ("x={{ trigger_param.n }} y", json!("x=5 y")),
        (" {{ trigger_param.n }} ", json!(5)),
        ("{{- trigger_param.n -}}", json!(5)),
        ("{{ trigger_param.f }}", json!(0.5)),
        ("{{ trigger_param.yes }}", json!(true)),
        ("{{ trigger_param.nothing }}", json!(null)),
        ("{{ trigger_param.list }}", json!(["a", "b c"])),
        ("{{ trigger_param.map }}", json!({"a-b": {"c": "it's"}})),
        ("{{ trigger_param.map['a-b'].c }}", json!("it's")),
        ("{{ trigger_param.list[1] }}{{ trigger_param.list[0] }}", json!("b ca")),
        ("{{ '}}' }}", json!("}}")),
        ("{{ '{{' }} stays", json!("{{ stays")),
        ("{{ trigger_param.n + 1 }}", json!(6)),
        ("{{ job_id }}/{{ router }}/{{ select_param.x }}", json!("id-1/deploy/sel")),
        ("{{ trigger_param.ref | regex('refs/heads/(.+)', 1) }}", json!("main")),
        ("{{ trigger_param.ref | regex('refs/heads/(.+)') }}", json!("main")),
        ("{{ trigger_param.ref | regex('^refs') }}", json!("refs")),
        ("{{ trigger_param.text | regex('\"tag\":\"([a-z0-9.-]+)\"', 1) }}", json!("v1.2")),
        ("{{ (trigger_param.text | fromjson).tag }}", json!("v1.2")),
        ("{{ trigger_param.list | tojson }}", json!("[\"a\",\"b c\"]")),
        ("{{ trigger_param.b64 | b64decode }}", json!("{\"a\":1}")),
        ("{{ 'a' | b64encode }}", json!("YQ==")),
        ("echo {{ trigger_param.map['a-b'].c | quote }}", json!(r"echo 'it'\''s'")),
        ("{{ trigger_param.gone is defined }}", json!(false)),
        ("{{ trigger_param.gone | default('d') }}", json!("d")),
        ("{% if trigger_param.yes %}{{ trigger_param.n }}{% endif %}", json!("5")),
        ("{{ at(trigger_param, 'map.a-b.c') }}", json!("it's")),
        ("{{ at(trigger_param, 'map.x.c') }}", json!(null)),
        ("{{ text(at(trigger_param, 'map.x.c')) }}", json!("")),
        ("{{ text(at(trigger_param, 'map.a-b.c')) }}", json!("it's")),
        (
            "b={{ trigger_param.yes }} n={{ trigger_param.nothing }} {{ trigger_param.f }}",
            json!("b=true n=null 0.5"),
        ),
        (
            "l={{ trigger_param.list }} {{ trigger_param.map }}",
            json!("l=[\"a\",\"b c\"] {\"a-b\":{\"c\":\"it's\"}}"),
        ),
        ("-{{ trigger_param.n + 1 }}-{{ 7 / 2 }}-{{ 'x' if false }}-", json!("-6-3.5--")),
        ("{{ text(true) }}{{ text([1, {'a': none}]) }}", json!("true[1,{\"a\":null}]")),
        ("{{ {'a': 1, 'b': 2, 'c': 3}|without('b') }}", json!({"a": 1, "c": 3})),
        ("{{ {'a': 1}|without('x')|tojson }}", json!("{\"a\":1}")),
    ] {
        assert_eq!(render(json!(template)), Ok(made), "{template}");
    }
    let digits =
        render(json!(["{{ trigger_param.big }}", "{{ trigger_param.long }}", "<{{ trigger_param.long }}>"]));
    assert_eq!(
        digits.unwrap().to_string(),
        r#"[12345678901234567890123456789,0.12345678901234567890123,"<0.12345678901234567890123>"]"#
    );
    let deep = render(json!({"a": ["{{ trigger_param.n }}", 1, {"b": "{{ job_id }}"}]}));
    assert_eq!(deep.unwrap(), json!({"a": [5, 1, {"b": "id-1"}]}));
    // A secret is taken as it is, whatever it holds.
    assert_eq!(render(json!("{{ secret")).unwrap(), json!("{{ secret"));
    assert!(compile(json!("no template")).0.is_none());
}

#[test]
fn what_is_not_defined_is_named() {
    for (template, says) in [
        ("{{ trigger_param.gone }}", "p: `trigger_param.gone` is not defined"),
        ("x {{ trigger_param.gone }} y", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone.deeper }}", "p: `trigger_param.gone.deeper` is not defined"),
        ("{{ trigger_param.ref | regex('nope') }}", "is not defined"),
        ("{{ trigger_param.gone | upper }}", "p: `trigger_param.gone` is not defined"),
        ("x {{ trigger_param.gone | trim | upper }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone|quote }}", "p: `trigger_param.gone` is not defined"),
        ("rm /srv/{{ trigger_param.gone | quote }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | b64encode }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | escape }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | e }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | pprint }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | regex('a', 0) | quote }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | tojson }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | fromjson }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | sort }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone | length }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.gone ~ 'x' }}", "p: `trigger_param.gone` is not defined"),
        ("{{ trigger_param.text | b64decode }}", "not Base64"),
        ("{{ trigger_param.ref | fromjson }}", "not JSON"),
        ("{{ trigger_param.ref | regex('(' ~ '') }}", "the pattern `(` is not valid"),
        ("{{ trigger_param.ref | regex('x', 1 + 2) }}", "no group 3"),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}{{ j }}{% endfor %}{% endfor %}",
            "exceeded the step limit",
        ),
        ("{{ 'x' * 1000000000 }}", "exceeded the step limit"),
        ("{{ 1 / 0 }}", "p: "),
    ] {
        let error = render(json!(template)).unwrap_err();
        assert!(error.contains(says), "{template}: {error}");
    }
}

#[test]
fn mistakes_are_found_when_it_is_compiled() {
    for (template, says, within) in [
        ("{{ trigger_parm.ref }}", "unknown variable `trigger_parm`", Some("trigger_parm")),
        ("{{ trigger_parm.sha[:8] }}", "unknown variable `trigger_parm`", Some("trigger_parm")),
        ("x {{ trigger_parm.sha[1:8] | upper }}", "unknown variable `trigger_parm`", Some("trigger_parm")),
        ("x {{ trigger_param.ref | nofilter }}", "unknown filter", Some("nofilter")),
        ("{{ nofunction(1) }}", "`nofunction`", Some("nofunction")),
        ("{{ trigger_param. }}", "syntax error in the template at character", None),
        ("a {{ trigger_param.ref", "syntax error", None),
        ("{% if %}{{ job_id }}", "syntax error", None),
        ("{{ job_id is notest }}", "unknown test", None),
        ("{{ trigger_param.ref | regex('(') }}", "the pattern `(` is not valid", Some("'('")),
        ("x {{ trigger_param.ref | regex(\"[a-\", 1)|quote }} y", "is not valid", Some("\"[a-")),
        ("{{ trigger_param.ref | regex('x', 3) }}", "no group 3", Some("'x'")),
        (
            "{% if trigger_param.ref|regex('a{2}{1') %}{{ job_id }}{% endif %}",
            "is not valid",
            Some("'a{2}{1'"),
        ),
    ] {
        let (_, problems) = compile(json!(template));
        let [problem] = problems.as_slice() else { panic!("{template}: {problems:?}") };
        assert!(problem.message.contains(says), "{template}: {problem}");
        if let Some(within) = within {
            assert!(problem.excerpt.as_deref().unwrap().starts_with(within), "{template}: {problem:?}");
        }
    }
    let (_, problems) = compile(json!("{{ trigger_parm }}"));
    assert_eq!(problems[0].help.as_deref(), Some("did you mean `trigger_param`?"));
}

#[test]
fn what_is_filled_in_may_be_nested_a_hundred_levels_deep() {
    for (levels, expected) in [(97, Ok(())), (98, Err("p is nested 101 levels deep; the limit is 100"))] {
        let list = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let made = render(json!({"a": [format!("{{{{ '{list}' | fromjson }}}}")]}));
        assert_eq!(made.map(drop), expected.map_err(str::to_owned), "{levels}");
    }
}

#[test]
fn what_only_looks_like_a_pattern_is_left_alone() {
    for template in [
        "regex('(') {{ job_id }} regex('(')",
        "{{ 'it''s' ~ job_id }}",
        "{{ trigger_param.ref | regex('a\\\\.(b)', 1) | default('') }}",
    ] {
        assert!(compile(json!(template)).1.is_empty(), "{template}: {:?}", compile(json!(template)).1);
    }
}

#[test]
fn long_texts_are_filled_in_up_to_their_bound() {
    for (length, template, fits) in [
        (10 << 20, "{{ trigger_param.t }}", true),
        (10 << 20, "a{{ trigger_param.t }}", true),
        (10 << 20, "{{ trigger_param.t|quote }}", true),
        (10 << 20, "{{ trigger_param|tojson }}", true),
        (LONGEST, "{{ trigger_param.t }} ", true),
        (LONGEST, "a{{ trigger_param.t }}", false),
        (LONGEST, "{{ trigger_param.t }}{{ trigger_param.t }}", false),
    ] {
        let trigger = json!({"t": "x".repeat(length)}).as_object().unwrap().clone();
        let scope = Scope::new(&[], &[("trigger_param", &Arc::new(trigger))]);
        let made = compile(json!(template)).0.unwrap().render(&scope);
        assert_eq!(made.is_ok(), fits, "{length} {template}: {:?}", made.err());
    }
}

#[test]
fn good_templates_are_good_also_where_trying_them_fails() {
    for template in [
        "{% for f in trigger_param.files %}{{ f }} {% endfor %}{{ trigger_param.ref | quote }}",
        "{% if trigger_param.tag %}{% set v = trigger_param.tag %}{{ v }}{% endif %}{{ trigger_param.ref | quote }}",
        "{% macro f(n) %}{{ n }}{% if n > 1 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
        "{% for f in trigger_param.files[:2] %}{{ f[1:] | quote }}{{ loop.index }}{% endfor %}",
        "{% set v = trigger_param.ref %}{{ v[5:] }}",
        "{{ range(3)[1:] }} {{ [{'a': job_id}][0:] }}",
    ] {
        assert_eq!(compile(json!(template)).1, [], "{template}");
    }
}

/// With these parameters of the selector, of which `hunter22secret` is known to be secret, and this event.
fn masked(template: &Value) -> (Value, Arc<Mask>) {
    let select = json!({
        "tok": "hunter22secret", "other": "plain", "deep": {"tok": "hunter22secret", "b": "open"},
        "keys": ["hunter22secret"], "x": 4,
    });
    let select = Arc::new(select.as_object().unwrap().clone());
    let event = Arc::new(
        json!({"env": "prod", "user": "somebody", "guess": "HUNTER22SECRET"}).as_object().unwrap().clone(),
    );
    let mut mask = Mask::new();
    mask.add("hunter22secret");
    let mask = Arc::new(mask);
    let (compiled, problems) = compile(template.clone());
    assert_eq!(problems, [], "{template}");
    let compiled = compiled.unwrap();
    let params = [("select_param", &select), ("trigger_param", &event)];
    let made = compiled.render(&Scope::new(&[("job_id", json!("id-1"))], &params)).unwrap();
    let whole = compiled.mask(&mask, &select, || event.clone(), &made);
    assert_eq!(whole.hides_nothing_in(&made), whole.params(&made) == made, "{template}");
    assert_eq!(whole.by_value(&made["p"]), whole.params(&made)["p"], "{template}");
    (whole.params(&made)["p"].clone(), whole)
}

#[test]
fn what_a_template_makes_of_a_secret_is_hidden() {
    for (template, shown) in [
        // Copies are hidden by what they are, and the rest is shown.
        (json!("{{ select_param.tok }}"), json!("***")),
        (json!("Bearer {{ select_param['tok'] }}"), json!("Bearer ***")),
        (json!("{{- select_param.deep.tok }} {{ job_id | upper }}"), json!("*** ID-1")),
        (json!("{{ select_param.tok | trim }}"), json!("***")),
        (json!("{{ select_param.keys[0] }}"), json!("***")),
        // What is made of it.
        (json!("{{ select_param.tok[:12] }}"), json!("***")),
        (json!("{{ select_param.tok | upper }}"), json!("***")),
        (json!("{{ select_param['tok'] | reverse }}"), json!("***")),
        (json!("{{ select_param.tok | list }}"), json!("***")),
        (json!({"a": ["x", "b={{ select_param.deep.tok | upper }}"]}), json!({"a": ["x", "b=***"]})),
        (json!("{% set t = select_param %}{{ t.tok[:6] }}"), json!("***")),
        (json!("{% for c in select_param.keys[0] %}{{ c }}-{% endfor %}"), json!("***")),
        (json!("{{ '}}' ~ select_param.tok | upper }}"), json!("***")),
        (json!(r"{{ 'it\'s }}' ~ select_param.tok | upper }}"), json!("***")),
        (json!("{{ (select_param | dictsort)[3][1][:9] }}"), json!("***")),
        (json!("{{ {'a': {'b': {'c': job_id}}, 'k': select_param.tok | upper} }}"), json!("***")),
        (json!("{{ select_param.tok[:5] }}{{ select_param.tok[5:] | upper }}"), json!("***")),
        (json!("a {{ select_param.tok[:2] }} b"), json!("***")),
        // An `e` is in the secret, too: what is whose part is not known.
        (json!("{{ select_param.tok }}e{{ select_param.tok | upper }}"), json!("***")),
        // What does not come from it.
        (json!("{{ select_param.other | upper }}"), json!("PLAIN")),
        (json!("{{ select_param.deep.b | upper }}"), json!("OPEN")),
        (json!("{{ 'production' if select_param.tok else 'test' }}"), json!("production")),
        (json!("{{ 8080 if select_param.tok else 9090 }}"), json!(8080)),
        (json!("{{ trigger_param.env if select_param.tok else 'test' }}"), json!("prod")),
        (json!("{{ select_param.other if select_param.tok else '' }}"), json!("plain")),
        (json!("{{ select_param.tok | length }}"), json!(14)),
        (json!("{{ select_param.tok == 'x' }}"), json!(false)),
        (json!("select_param.tok {{ job_id | upper }}"), json!("select_param.tok ID-1")),
    ] {
        assert_eq!(masked(&template).0, shown, "{template}");
    }
}

#[test]
fn what_a_script_prints_of_it_is_hidden() {
    for (template, says, shown) in [
        ("echo {{ select_param.tok[:12] }}", "hunter22secr", "***"),
        (
            "--key={{ select_param.tok | upper }} --user={{ trigger_param.user | upper }}",
            "HUNTER22SECRET SOMEBODY",
            "*** SOMEBODY",
        ),
        ("{{ select_param.tok | upper }} try {{ job_id }}\n", "HUNTER22SECRET try 2", "*** try 2"),
        ("{{ trigger_param.env if select_param.tok else 'test' }}", "deploy-prod", "deploy-prod"),
    ] {
        assert_eq!(masked(&json!(template)).1.text(says), shown, "{template}");
    }
}

#[test]
fn odd_texts_are_read_to_their_end() {
    let parts = [
        "{{",
        "}}",
        "{%",
        "%}",
        "'",
        "\"",
        "\\",
        "ä",
        "a",
        "select_param",
        ".tok",
        "[",
        "]",
        ":",
        "{",
        "}",
        " ",
        "-",
    ];
    let select = json!({"tok": "hunter22secret"}).as_object().unwrap().clone();
    let mut mask = Mask::new();
    mask.add("hunter22secret");
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(parts[usize::try_from(state >> 33).unwrap() % parts.len()]);
        }
        for made in [text.clone(), text.replace("select_param", "ä")] {
            let mut found = Vec::new();
            for reads in [DerivedReads::of_text(&text), DerivedReads::of_expression(&text)] {
                reads.secrets(&json!(made), &select, &Params::new(), &mask, &mut found);
            }
        }
    }
}
