use super::*;
use herald_webhook::auth::RequestCredentials;
use herald_webhook::delivery::RequestKey;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

mod keys;

use keys::key;

struct Case<'a> {
    auth: Value,
    headers: &'a [(&'a str, &'a str)],
    query: &'a [(&'a str, &'a str)],
    body: &'a str,
    now: i64,
}

impl Case<'_> {
    fn check(&self) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let query: Vec<(String, String)> =
            self.query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let now = Timestamp::from_second(self.now).unwrap();
        let request =
            RequestCredentials { headers: &headers, query: &query, body: self.body.as_bytes(), now };
        let described = spec();
        let description = herald_core::spec::Description::new("http", "").option(described);
        let given = json!({"auth": self.auth.clone()});
        let (options, problems) =
            description.check(given.as_object().unwrap(), &herald_core::problem::Path::top());
        assert_eq!(problems, [], "{}", self.auth);
        let auth = read(&options.0["auth"]).unwrap();
        auth.check_head(&RequestCredentials { headers: &headers, query: &query, body: b"", now })
            .and_then(|()| auth.check_whole(&request))
            .map_err(|denied| denied.to_string())
    }
}

fn provider(name: &str, secret: &str) -> Value {
    json!({"provider": name, "secret": ["not this one", secret]})
}

/// Slack's documentation.
const SLACK: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

/// The examples that the schemes' own documents give, each good as it is and bad once anything is changed.
#[test]
fn the_documented_vectors() {
    let standard = "{\"test\": 2432232314}";
    for (auth, headers, body, now) in [
        (
            provider("github", "It's a Secret to Everybody"),
            &[(
                "x-hub-signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )][..],
            "Hello, World!",
            0,
        ),
        (
            provider("bitbucket", "It's a Secret to Everybody"),
            &[("x-hub-signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")],
            "Hello World!",
            0,
        ),
        (
            provider("slack", "8f742231b10e8888abcd99yyyzzz85a5"),
            &[
                ("x-slack-request-timestamp", "1531420618"),
                ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ],
            SLACK,
            1_531_420_618,
        ),
        (
            json!({"provider": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
            &[
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ],
            standard,
            1_614_265_330,
        ),
    ] {
        let case = Case { auth: auth.clone(), headers, query: &[], body, now };
        assert_eq!(case.check(), Ok(()), "{auth}");
        let changed = format!("{body} ");
        let wrong = Case { auth: auth.clone(), headers, query: &[], body: &changed, now };
        assert!(wrong.check().unwrap_err().contains("signature mismatch"), "{auth}");
        let nothing = Case { auth: auth.clone(), headers: &[], query: &[], body, now };
        assert!(nothing.check().unwrap_err().contains("missing"), "{auth}");
        let twice: Vec<_> = headers.iter().chain(headers).copied().collect();
        let twice = Case { auth: auth.clone(), headers: &twice, query: &[], body, now };
        assert!(twice.check().unwrap_err().contains("twice"), "{auth}");
        if now != 0 {
            for (off, good) in [(-301, false), (-300, true), (300, true), (301, false)] {
                let late = Case { auth: auth.clone(), headers, query: &[], body, now: now + off };
                assert_eq!(late.check().is_ok(), good, "{auth} {off}");
            }
        }
    }
}

/// The base `ID.TIME.BODY` of one request could be that of another one, with a part of the time in its id.
#[test]
fn ids_of_standard_webhooks_end_before_the_time() {
    let standard =
        json!({"provider": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
    for auth in [standard, provider("gitlab", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")] {
        let headers = [
            ("webhook-id", "msg.5"),
            ("webhook-timestamp", "6"),
            ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSy"),
        ];
        let case = Case { auth: auth.clone(), headers: &headers, query: &[], body: "{}", now: 6 };
        assert!(case.check().unwrap_err().contains("full stop"), "{auth}");
    }
}

const SHA1: &str = "104152c5bfdca07bc633eebd46199f0255c9f49d";

/// HMACs that were made with OpenSSL: `printf BODY | openssl dgst -sha256 -hmac SECRET`.
#[test]
fn the_other_schemes() {
    const SHA256: &str = "5031fe3d989c6d1537a013fa6e739da23463fdaec3b70137d828e36ace221bd0";
    const BASE64: &str = "UDH+PZicbRU3oBP6bnOdojRj/a7DtwE32Cjjas4iG9A=";
    for (auth, headers, query, good) in [
        (provider("gitea", "key"), &[("x-gitea-signature", SHA256)][..], &[][..], true),
        (provider("gogs", "key"), &[("x-gogs-signature", SHA256)], &[], true),
        (provider("gogs", "key"), &[("x-gitea-signature", SHA256)], &[], false),
        (provider("forgejo", "key"), &[("x-forgejo-signature", SHA256)], &[], true),
        (provider("forgejo", "key"), &[("x-gitea-signature", SHA256)], &[], true),
        (provider("gitea", "other"), &[("x-gitea-signature", SHA256)], &[], false),
        (provider("gitlab", "key"), &[("x-gitlab-token", "key")], &[], true),
        (provider("gitlab", "key"), &[("x-gitlab-token", "kez")], &[], false),
        (json!({"hmac": {"header": "X-Sig", "secret": "key"}}), &[("x-sig", SHA256)], &[], true),
        (
            json!({"hmac": {"header": "X-Sig", "secret": "key", "prefix": "sha1=", "algorithm": "sha1"}}),
            &[("x-sig", &*format!("sha1={SHA1}"))],
            &[],
            true,
        ),
        (
            json!({"hmac": {"header": "X-Sig", "secret": "key", "prefix": "sha1=", "algorithm": "sha1"}}),
            &[("x-sig", SHA1)],
            &[],
            false,
        ),
        (
            json!({"hmac": {"header": "X-Sig", "secret": "key", "encoding": "base64"}}),
            &[("x-sig", BASE64)],
            &[],
            true,
        ),
        (json!({"token": "123456", "query": "sign"}), &[], &[("sign", "123456"), ("d", "x")], true),
        (json!({"token": "123456", "query": "sign"}), &[], &[("sign", "12345")], false),
        (json!({"token": "123456", "query": "sign"}), &[], &[("sign", "123456"), ("sign", "x")], false),
        (json!({"token": "123456", "query": "sign"}), &[], &[], false),
        (json!({"token": ["a1", "b2"], "header": "X-Token"}), &[("x-token", "b2")], &[], true),
        (json!({"token": "t0"}), &[("authorization", "Bearer t0")], &[], true),
        (json!({"token": "t0"}), &[("authorization", "token t0")], &[], true),
        (json!({"token": "t0"}), &[("authorization", "Basic t0")], &[], false),
        (
            json!({"basic": {"user": "u", "password": "p:w"}}),
            &[("authorization", "Basic dTpwOnc=")],
            &[],
            true,
        ),
        (
            json!({"basic": {"user": "u", "password": "p:w"}}),
            &[("authorization", "Basic dTpwOng=")],
            &[],
            false,
        ),
    ] {
        let case = Case { auth: auth.clone(), headers, query, body: "data", now: 0 };
        assert_eq!(case.check().is_ok(), good, "{auth} {headers:?} {query:?}: {:?}", case.check());
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Gitea, Forgejo and Gogs sign the JSON and send it in a form; GitHub signs the form.
#[test]
fn forms_of_forges() {
    let json = r#"{"ref":"a b"}"#;
    let form = "payload=%7B%22ref%22%3A%22a+b%22%7D";
    let (of_json, of_form) = (hmac_hex("key", json.as_bytes()), hmac_hex("key", form.as_bytes()));
    let (github, of_github) = (format!("sha256={of_form}"), format!("sha256={of_json}"));
    let of_nothing = hmac_hex("key", b"");
    let more = format!("a=1&{form}&b=2");
    for (name, header, signature, body, good) in [
        ("gitea", "x-gitea-signature", &of_json, form, true),
        ("forgejo", "x-forgejo-signature", &of_json, form, true),
        ("forgejo", "x-gitea-signature", &of_json, form, true),
        ("gogs", "x-gogs-signature", &of_json, form, true),
        ("gogs", "x-gogs-signature", &of_json, "payload=%7b%22ref%22:%22a%20b%22}", true),
        // What is beside it is not signed, and does not count.
        ("gitea", "x-gitea-signature", &of_json, &more, true),
        ("gitea", "x-gitea-signature", &of_form, form, false),
        ("gitea", "x-gitea-signature", &of_json, &format!("{form}&{form}"), false),
        ("gitea", "x-gitea-signature", &of_json, "payload=%7B%7D", false),
        ("gitea", "x-gitea-signature", &of_json, json, false),
        ("gitea", "x-gitea-signature", &of_nothing, "a=1", false),
        ("gitea", "x-gitea-signature", &of_nothing, "", false),
        ("github", "x-hub-signature-256", &github, form, true),
        ("github", "x-hub-signature-256", &of_github, form, false),
    ] {
        let headers = [FORM, (header, &**signature)];
        let case = Case { auth: provider(name, "key"), headers: &headers, query: &[], body, now: 0 };
        assert_eq!(case.check().is_ok(), good, "{name} {body}: {:?}", case.check());
    }
    let key = |content_type, body| {
        let headers = [content_type, ("x-gitea-delivery", "d")];
        key(&provider("gitea", "key"), &headers, "/", body, true)
    };
    let sent = key(FORM, form);
    assert_eq!(sent, key(FORM, &more));
    assert_eq!(sent, key(("content-type", "application/json"), json));
    assert_ne!(sent, key(FORM, "payload=%7B%7D"));
}

#[test]
fn prefixes_of_signatures() {
    for (prefix, signature, good) in [
        (json!("sha1="), format!("sha1={SHA1}"), true),
        (json!("sha1="), SHA1.to_owned(), false),
        (json!(["sha1=", ""]), format!("sha1={SHA1}"), true),
        (json!(["", "sha1="]), format!("sha1={SHA1}"), true),
        (json!(["sha1=", ""]), SHA1.to_owned(), true),
        (json!(["sha1=", ""]), format!("sha2={SHA1}"), false),
        (json!(["sha1=", ""]), SHA1.replace('1', "2"), false),
    ] {
        let auth =
            json!({"hmac": {"header": "X-Sig", "secret": "key", "prefix": prefix, "algorithm": "sha1"}});
        let headers = [("x-sig", &*signature)];
        let case = Case { auth: auth.clone(), headers: &headers, query: &[], body: "data", now: 0 };
        assert_eq!(case.check().is_ok(), good, "{auth} {signature}");
    }
}

/// Two signatures while a secret is changed; the time is part of what is signed.
#[test]
fn stripe_signs_with_the_time() {
    let old = "6e1ea1cf8c9eb3ac9ce3e4b5a3e5a4bc8cf6a5f5c2d4c1b2a39485767788990a";
    let good = hmac_hex("whsec_test_secret", b"1492774577.data");
    let stripe = |header: &str, now| {
        let headers = [("stripe-signature", header)];
        let auth = provider("stripe", "whsec_test_secret");
        Case { auth, headers: &headers, query: &[], body: "data", now }.check()
    };
    assert_eq!(stripe(&format!("t=1492774577,v1={old},v1={good},v0={old}"), 1_492_774_577), Ok(()));
    for (header, now) in [
        (format!("t=1492774578,v1={good}"), 1_492_774_577),
        (format!("t=1492774577,v0={good}"), 1_492_774_577),
        (format!("v1={good}"), 1_492_774_577),
        (format!("t=1492774577,v1={good}"), 1_492_774_900),
    ] {
        assert!(stripe(&header, now).is_err(), "{header}");
    }
}

fn hmac_hex(secret: &str, data: &[u8]) -> String {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(data);
    hex::encode(mac.finalize().into_bytes())
}

#[test]
fn several_signatures_in_one_header() {
    for (given, good) in [
        (format!("v1={},v1={SHA1}", "0".repeat(40)), true),
        (format!("v1={SHA1},v1={}", "0".repeat(40)), true),
        (format!("v1={}, v1={SHA1}", "0".repeat(40)), true),
        (format!("v0={SHA1},v1={}", "0".repeat(40)), false),
        (format!("{}v1={SHA1}", format!("v1={},", "0".repeat(40)).repeat(100)), false),
    ] {
        let auth =
            json!({"hmac": {"header": "X-Sig", "secret": "key", "prefix": "v1=", "algorithm": "sha1"}});
        let headers = [("x-sig", &*given)];
        let case = Case { auth, headers: &headers, query: &[], body: "data", now: 0 };
        assert_eq!(case.check().is_ok(), good, "{given}");
    }
}

#[test]
fn what_is_refused() {
    for (auth, says) in [
        (json!({}), "exactly one of"),
        (json!({"token": "a", "provider": "github", "secret": "b"}), "exactly one of"),
        (json!({"provider": "github"}), "needs its `secret`"),
        (json!({"token": "a", "header": "X", "query": "q"}), "not in both"),
        (json!({"token": "a", "secret": "b"}), "goes with `provider`"),
        (json!({"basic": {"user": "u", "password": "p"}, "header": "X"}), "need a `token`"),
        (json!({"provider": "standard_webhooks", "secret": "§"}), "Base64"),
    ] {
        assert!(read(&auth).err().unwrap().to_string().contains(says), "{auth}");
    }
}
