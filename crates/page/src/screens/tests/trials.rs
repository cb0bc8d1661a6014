//! The form to try something, and what it answers.

use super::*;

#[test]
fn the_form_to_try_fits_the_trigger_and_says_what_would_start() {
    let admin = admin();
    let screen = |data: &TryData| with_frame("/try", Some(&admin), |frame| try_form::screen(frame, data));
    let trial = |response: Option<u16>| {
        let response = response.map(|status| TrialResponse { status, why: "the signature".to_owned() });
        TrialResource { rehearsal: response.is_none().then(rehearsal), response }
    };
    for (type_name, outcome, parts, others) in [
        (
            "http",
            None,
            &["name=\"path\"", "name=\"unchecked\"", "<option value=\"PUT\" selected>"][..],
            &["name=\"params\"", "would be created"][..],
        ),
        ("cron", None, &["name=\"params\""], &["name=\"path\""]),
        (
            "cron",
            Some(Ok(trial(None))),
            &["One job would be created", "would fail at once", "heraldd try --trigger ", " --data "],
            &["No event"],
        ),
        (
            "http",
            Some(Ok(trial(Some(401)))),
            &[
                "The response would be <b>401</b>: <bdi>the signature</bdi>",
                "printf %s ",
                "--request - --unchecked",
            ],
            &["job would be created"],
        ),
        ("http", Some(Ok(trial(Some(200)))), &["class=\"notice\""], &["class=\"wrong\""]),
        (
            "http",
            Some(Err(PartUnavailable("broken".to_owned()))),
            &["role=\"alert\"", "broken"],
            &["No event"],
        ),
    ] {
        let html = screen(&try_data(type_name, outcome));
        check(&html);
        for part in parts {
            assert!(html.contains(part), "{part}: {html}");
        }
        for other in others {
            assert!(!html.contains(other), "{other}: {html}");
        }
    }
    let empty = TryData { form: TryForm::default(), ..try_data("http", None) };
    let html = screen(&empty);
    assert!(html.contains("choose …") && !html.contains("method=\"post\""), "{html}");
}

#[test]
fn parameters_to_try_are_an_object_and_keep_their_digits() {
    for (params, wanted) in [("", Some(json!({"params": {}}))), ("{\"n\": 0.10}", None), ("[1]", None)] {
        let data = try_data("cron", None);
        let data = TryData { form: TryForm { params: params.to_owned(), ..data.form }, ..data };
        match (data.wanted(), wanted) {
            (Ok(found), Some(wanted)) => assert_eq!(serde_json::Value::from(found), wanted),
            (Ok(found), None) => assert_eq!(found["params"]["n"].to_string(), "0.10"),
            (Err(error), _) => {
                assert!(params == "[1]" && error.0.contains("must be a JSON object"), "{error}")
            }
        }
    }
}

#[test]
fn the_path_is_that_of_the_trigger_until_another_one_is_written() {
    let admin = admin();
    let form = |path: Option<&str>, written: &str, outcome| {
        let mut data = try_data("http", outcome);
        data.triggers[0].path = path.map(str::to_owned);
        data.form.path = written.to_owned();
        with_frame("/try", Some(&admin), |frame| try_form::screen(frame, &data))
    };
    for (path, value, has_hint) in [
        (None, "value=\"/\"", false),
        (Some("/hooks/shop"), "value=\"/hooks/shop\"", false),
        (Some("/deploy/{app}"), "value=\"/deploy/{app}\"", true),
    ] {
        let html = form(path, "", None);
        assert!(html.contains(value), "{value}: {html}");
        assert_eq!(html.contains("in place of what is in braces"), has_hint, "{html}");
        assert!(html.contains("data-most=\"1048576\""), "{html}");
        check(&html);
    }
    let html = form(Some("/hooks/shop"), "/x", None);
    assert!(html.contains("value=\"/x\"") && !html.contains("/hooks/shop\""), "{html}");
    let refused = || Some(Err(PartUnavailable("broken".to_owned())));
    assert!(form(Some("/hooks/shop"), "", refused()).contains("value=\"\""), "what was emptied stays so");
}
