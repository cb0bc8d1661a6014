//! Contract, section 4: files.
//!
//! | sentence | test |
//! |---|---|
//! | Files land as data_dir/job_id/name/filename | `files_land_by_job_id_and_name` |
//! | (names with spaces, quotes, letters of every script) | `files_keep_their_names` |
//! | A missing file fails the job | `a_file_that_is_not_there_fails_the_job` |
//! | surplus, truncated or altered file fails the job, and nothing partial is ever seen under its final name | `a_damaged_answer_fails_the_job_and_leaves_nothing` (v1), [`super::v2`] |
//! | No name, filename or id can lead outside that folder | `no_name_leads_outside` |
//! | Memory does not grow with file size on either side | `memory_does_not_grow_with_file_size` |

use e2e::fake::Fake;
use e2e::http::Message;
use e2e::place::Place;
use e2e::runner::{Runner, remote_daemon};
use e2e::sign::sha256_hex;
use serde_json::{Value, json};

use super::{assert_failed, files_below, run_remote};

const BOTH: &[(&str, &str)] = &[("", ""), ("wire: 1", "allow_v1: true\n")];

#[test]
fn files_land_by_job_id_and_name() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let absolute = place.write("elsewhere/file1.dat", "one");
        let script = format!(
            "printf two >file2.dat; : >empty.dat
echo '{{\"file\": {{\"file1\": \"{}\", \"file2\": \"file2.dat\", \"empty\": \"empty.dat\"}}, \"other_key1\": \"value1\"}}'",
            absolute.display()
        );
        let ended = run_remote(&place, runner.address(), wire, &json!({"cmd": "sh", "arg": ["-c", script]}));
        let id = ended["job_id"].as_str().unwrap();
        let mut files = serde_json::Map::new();
        for (name, filename, content) in
            [("file1", "file1.dat", "one"), ("file2", "file2.dat", "two"), ("empty", "empty.dat", "")]
        {
            let path = format!("data/{id}/{name}/{filename}");
            assert_eq!(place.read(&path).as_deref(), Some(content), "{wire}: {ended}");
            files.insert(name.to_owned(), json!(place.text_path(&path)));
        }
        assert_eq!(ended["result"], json!({"file": files, "other_key1": "value1", "exit_code": 0}), "{wire}");
        assert_eq!(
            files_below(&place.path("data")).len(),
            3,
            "nothing else is left: {:?}",
            files_below(&place.path("data"))
        );
    }
}

#[test]
fn files_keep_their_names() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        for (name, filename) in [
            ("größe", "ünï côdé ☃.dat"),
            ("a b", "with space.dat"),
            ("q", "quo\"te.dat"),
            ("s", "semi;colon=x.dat"),
            ("d", "-dash.dat"),
        ] {
            place.write(&format!("out/{filename}"), filename);
            let output = json!({"file": {name: place.text_path(&format!("out/{filename}"))}});
            let ended = run_remote(
                &place,
                runner.address(),
                wire,
                &json!({"cmd": "printf", "arg": ["%s", output.to_string()]}),
            );
            let path = ended["result"]["file"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{wire} {filename}: {ended}"));
            assert_eq!(std::fs::read_to_string(path).unwrap(), filename, "{ended}");
            assert!(path.ends_with(filename), "{ended}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_fails_the_job() {
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        place.write("there.dat", "there");
        for file in [
            json!({"f": "missing-4721.dat"}),
            json!({"a": place.text_path("there.dat"), "f": place.text_path("missing-4721.dat")}),
            json!({"f": place.text_path("")}),
        ] {
            let output = json!({"file": file}).to_string();
            let ended =
                run_remote(&place, runner.address(), wire, &json!({"cmd": "printf", "arg": ["%s", output]}));
            assert_failed(&format!("{wire} {file}"), &ended);
            if file.to_string().contains("4721") {
                assert!(ended["error"].as_str().unwrap().contains("4721"), "{ended}");
            }
            assert_eq!(files_below(&place.path("data")), Vec::<String>::new(), "{file}");
        }
    }
}

/// One part of a version 1 answer: its Content-Disposition and content.
type Part<'a> = (String, &'a [u8]);

fn part<'a>(name: &str, filename: &str, content: &'a [u8], sum: &[u8]) -> Part<'a> {
    (
        format!("form-data; name=\"{name}\"; filename=\"{filename}\"; sha256sum=\"{}\"", sha256_hex(sum)),
        content,
    )
}

fn multipart(result: &Value, parts: &[Part], end: &str) -> Message {
    let mut body = format!(
        "--BOUNDARY\r\nContent-Disposition: form-data; name=\"result\"\r\nContent-Type: application/json\r\n\r\n{result}"
    )
    .into_bytes();
    for (disposition, content) in parts {
        let head = format!(
            "\r\n--BOUNDARY\r\nContent-Disposition: {disposition}\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(head.into_bytes());
        body.extend(*content);
    }
    body.extend(end.as_bytes());
    Message::response(200, &[("Content-Type", "multipart/form-data; boundary=BOUNDARY")], &body)
}

const END: &str = "\r\n--BOUNDARY--\r\n";

#[test]
fn a_damaged_answer_fails_the_job_and_leaves_nothing() {
    let result = json!({"exit_code": 0});
    let good = part("f", "f.dat", b"content", b"content");
    let unsummed: Part = ("form-data; name=\"f\"; filename=\"f.dat\"".to_owned(), b"content");
    for (what, answer) in [
        ("altered", multipart(&result, &[part("f", "f.dat", b"contenT", b"content")], END)),
        ("truncated", multipart(&result, &[part("f", "f.dat", b"conten", b"content")], END)),
        ("cut in the middle", multipart(&result, std::slice::from_ref(&good), "")),
        ("without a checksum", multipart(&result, &[unsummed], END)),
        ("the second altered", multipart(&result, &[good.clone(), part("g", "g.dat", b"x", b"y")], END)),
        ("the same name twice", multipart(&result, &[good.clone(), part("f", "f.dat", b"x", b"x")], END)),
        ("no JSON", multipart(&json!("text"), std::slice::from_ref(&good), END)),
    ] {
        let place = Place::new();
        let fake = Fake::answering(answer);
        let ended = run_remote(&place, fake.address(), "wire: 1", &json!({"cmd": "x"}));
        assert_failed(what, &ended);
        assert_eq!(files_below(&place.path("data")), Vec::<String>::new(), "{what}");
    }
    let place = Place::new();
    let fake = Fake::answering(multipart(&result, &[good], END));
    let ended = run_remote(&place, fake.address(), "wire: 1", &json!({"cmd": "x"}));
    assert_eq!(ended["success"], true, "the same undamaged: {ended}");
    assert_eq!(std::fs::read_to_string(ended["result"]["file"]["f"].as_str().unwrap()).unwrap(), "content");
}

#[test]
fn no_name_leads_outside() {
    let evil = "../../../../escaped";
    for (name, filename) in [
        (evil, "f.dat"),
        ("f", "../../../../escaped"),
        ("..", "escaped"),
        (".", "escaped"),
        ("/tmp/herald-e2e-escaped", "f"),
        ("f", "/tmp/herald-e2e-escaped"),
        ("f", ".."),
        ("f", ""),
        ("", "f"),
        ("f", "..\\\\..\\\\escaped"),
        ("f", "a/b/c"),
        ("f", "nul\0byte"),
        ("f\nX: y", "f"),
        ("f", &"x".repeat(300)),
    ] {
        let place = Place::new();
        let fake = Fake::answering(multipart(
            &json!({"exit_code": 0}),
            &[part(name, filename, b"content", b"content")],
            END,
        ));
        let job = json!({"cmd": "x"});
        let ended = run_remote(&place, fake.address(), "wire: 1", &job);
        let id = ended["job_id"].as_str().unwrap();
        for file in files_below(&place.path("")) {
            let fine = file.starts_with(&format!("data/{id}/"))
                || file.ends_with(".yml")
                || file.starts_with("state/");
            assert!(fine, "{name:?} {filename:?} made {file}");
        }
        assert!(!std::path::Path::new("/tmp/herald-e2e-escaped").exists());
        // Taken under a harmless name or refused: both keep to the sentence.
        if ended["success"] == true {
            assert_eq!(files_below(&place.path("data")).len(), 1, "{ended}");
        }
    }
}

#[test]
fn memory_does_not_grow_with_file_size() {
    let size = 150_000_000_u64;
    for (wire, allow) in BOTH {
        let place = Place::new();
        let runner = Runner::start(&place, allow);
        let script =
            format!("head -c {size} /dev/zero >big.dat; echo '{{\"file\": {{\"big\": \"big.dat\"}}}}'");
        let daemon =
            remote_daemon(&place, runner.address(), wire, &json!({"cmd": "sh", "arg": ["-c", script]}));
        let ended = daemon.post_and_wait(&json!({}));
        let path = ended["result"]["file"]["big"].as_str().unwrap_or_else(|| panic!("{wire}: {ended}"));
        assert_eq!(std::fs::metadata(path).unwrap().len(), size);
        for (who, peak) in [("daemon", daemon.peak_mib()), ("runner", runner.peak_mib())] {
            // Of a build with debug assertions, whose program alone takes about 70 MiB.
            assert!(peak < 100, "{who} over {wire:?}: {peak} MiB");
        }
    }
}
