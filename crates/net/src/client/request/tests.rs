use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;

use super::*;

const CONTEXT: RequestContext<'_> = RequestContext { url: None, idempotency_key: "job-1" };

fn read(params: Value) -> Result<HttpRequest, InvalidRequest> {
    HttpRequest::read(params.as_object().unwrap(), CONTEXT)
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| std::str::from_utf8(value.as_bytes()).unwrap())
}

#[test]
fn a_url_alone_is_enough() {
    let request = read(json!({"url": "http://example.com"})).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "http://example.com/"));
    assert_eq!((request.timeout, request.max_response), (Duration::from_secs(30), 1 << 20));
    assert_eq!((request.follow_redirects, request.body), (0, None));
    assert_eq!(request.headers.len(), 1);
    assert_eq!(request.headers[IDEMPOTENCY_KEY], "job-1");
}

#[test]
fn bodies() {
    for (params, method, content_type, body) in [
        (json!({"json": {"b": 1, "a": [null]}}), "POST", "application/json", r#"{"b":1,"a":[null]}"#),
        (json!({"json": null}), "POST", "application/json", "null"),
        (
            json!({"form": {"a": "x y&", "b": [1, true], "c": null}}),
            "POST",
            "application/x-www-form-urlencoded",
            "a=x+y%26&b=1&b=true",
        ),
        (json!({"body": "text"}), "POST", "text/plain; charset=utf-8", "text"),
        (json!({"body": "x", "method": "PUT"}), "PUT", "text/plain; charset=utf-8", "x"),
        (json!({"body": "x", "headers": {"content-type": "text/csv"}}), "POST", "text/csv", "x"),
    ] {
        let mut given = params.clone();
        given["url"] = json!("http://h/");
        let request = read(given).unwrap();
        assert_eq!(request.method.as_str(), method, "{params}");
        assert_eq!(request.headers[CONTENT_TYPE], content_type, "{params}");
        assert_eq!(request.body.unwrap(), body, "{params}");
    }
}

#[test]
fn urls_and_queries() {
    for (url, query, expected) in [
        ("HTTP://Example.com:80/a?b=1#part", json!(null), "http://example.com/a?b=1"),
        ("https://h/a?b=1", json!({"c": "d e", "l": ["1", 2], "n": null}), "https://h/a?b=1&c=d+e&l=1&l=2"),
        ("http://[::1]:8080", json!({"x": "&=?#/\n"}), "http://[::1]:8080/?x=%26%3D%3F%23%2F%0A"),
    ] {
        let request = read(json!({"url": url, "query": query})).unwrap();
        assert_eq!(request.url.as_str(), expected);
    }
    let found = RequestContext { url: Some("https://u:p@h/x?t=1"), ..CONTEXT };
    let request = HttpRequest::read(&Map::new(), found).unwrap();
    assert_eq!((request.url.as_str(), request.origin().as_str()), ("https://h/x?t=1", "https://h"));
}

#[test]
fn who_it_is_from() {
    let encoded = |text: &str| {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (params, expected) in [
        (json!({"auth": {"bearer": "abc"}}), "Bearer abc".to_owned()),
        (json!({"auth": {"basic": {"user": "u", "password": "p:w"}}}), encoded("u:p:w")),
        (json!({"url": "http://us%40er:p+w%2F@h/"}), encoded("us@er:p+w/")),
        (json!({"url": "http://only@h/"}), encoded("only:")),
        // What is given besides wins over the URL.
        (json!({"url": "http://u:p@h/", "auth": {"bearer": "abc"}}), "Bearer abc".to_owned()),
        (json!({"url": "http://u:p@h/", "headers": {"Authorization": "x"}}), "x".to_owned()),
    ] {
        let mut given = params.clone();
        given.as_object_mut().unwrap().entry("url").or_insert(json!("http://h/"));
        let request = read(given).unwrap();
        assert_eq!(header(&request, AUTHORIZATION.as_str()), expected, "{params}");
        assert_eq!(request.url.as_str(), "http://h/", "{params}");
    }
}

#[test]
fn headers_are_the_users() {
    let request = read(json!({"url": "http://h/", "headers": {
        "X-Text": "ü", "X-Number": 5, "X-List": ["a", "b"], "X-None": null, "idempotency-KEY": "own",
        "Host": "other.example.com",
    }}))
    .unwrap();
    assert_eq!((header(&request, "x-text"), header(&request, "x-number")), ("ü", "5"));
    assert_eq!(request.headers.get_all("x-list").iter().count(), 2);
    assert!(!request.headers.contains_key("x-none"));
    assert_eq!(request.headers.get_all(IDEMPOTENCY_KEY).iter().collect::<Vec<_>>(), ["own"]);
    assert_eq!(header(&request, "host"), "other.example.com");
}

#[test]
fn what_is_wrong_is_named() {
    let many: Map<String, Value> = (0..200).map(|n| (format!("x{n}"), json!("v"))).collect();
    let large: Map<String, Value> = (0..9).map(|n| (format!("x{n}"), json!("v".repeat(9000)))).collect();
    for (params, says) in [
        (json!({"url": null}), "url: no URL"),
        (json!({"url": ""}), "url: the URL is empty"),
        (json!({"url": 5}), "url: expected a string"),
        (json!({"url": "ftp://h/"}), "url: a URL here begins with"),
        (json!({"url": "file:///etc/passwd"}), "url: a URL here begins with"),
        (json!({"url": "h/path"}), "url: this is not a valid URL"),
        (json!({"url": "http://"}), "url: this is not a valid URL"),
        (json!({"url": "http://h/a b"}), "url: a URL cannot hold spaces"),
        (json!({"url": "http://h/\r\nX: y"}), "url: a URL cannot hold spaces"),
        (json!({"url": format!("http://h/{}", "x".repeat(20_000))}), "url: the URL is longer"),
        (json!({"query": {"x": "y".repeat(20_000)}}), "query: the URL is longer"),
        (json!({"query": {"x": {}}}), "query/x: expected a string, a number"),
        (json!({"query": "a=b"}), "query: expected a map"),
        (json!({"headers": {"X": "a\r\nEvil: 1"}}), "headers/X: the value holds a line break"),
        (json!({"headers": {"X": "a\u{0}"}}), "headers/X: the value holds a line break"),
        (json!({"headers": {"a b": "c"}}), "headers/a b: this is not a valid name"),
        (json!({"headers": {"a\r\nb": "c"}}), "headers/a"),
        (json!({"headers": {"Content-Length": "3"}}), "headers/Content-Length: Herald sets"),
        (json!({"headers": {"Transfer-Encoding": "chunked"}}), "headers/Transfer-Encoding: Herald sets"),
        (json!({"headers": {"X": "v".repeat(20_000)}}), "headers/X: the value is longer"),
        (json!({"headers": many}), "headers: more than 100"),
        (json!({"headers": large}), "headers: more than 100"),
        (json!({"json": 1, "form": {}}), "form: `json` is given as well"),
        (json!({"body": {"a": 1}}), "body: expected a string"),
        (json!({"form": [1]}), "form: expected a map"),
        (json!({"auth": {}}), "auth: expected `basic"),
        (json!({"auth": "x"}), "auth: expected `basic"),
        (json!({"auth": {"bearer": "a", "basic": {}}}), "auth: expected `basic"),
        (json!({"auth": {"bearer": "a\nb"}}), "auth: the token holds"),
        (json!({"auth": {"basic": {"user": "a:b", "password": "c"}}}), "auth/basic/user: a user cannot"),
        (json!({"auth": {"basic": {"user": "a"}}}), "auth/basic: expected"),
        (json!({"auth": {"bearer": "a"}, "headers": {"authorization": "b"}}), "auth: the header"),
        (json!({"method": "get"}), "method: expected a method in capital"),
        (json!({"method": "GET /x HTTP/1.1"}), "method: expected a method in capital"),
        (json!({"method": "CONNECT"}), "method: CONNECT and TRACE"),
        (json!({"expect": "2xx"}), "expect: `2xx` is not a status code"),
        (json!({"timeout": -1}), "timeout: "),
        (json!({"max_response": "much"}), "max_response: "),
    ] {
        let mut given = params.clone();
        given.as_object_mut().unwrap().entry("url").or_insert(json!("http://h/"));
        let error = read(given).unwrap_err().to_string();
        assert!(error.starts_with(says), "{params}: {error}");
    }
}
