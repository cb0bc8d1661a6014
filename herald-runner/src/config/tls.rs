//! `tls`: the certificate of the listener.

use std::ops::Range;
use std::path::PathBuf;

use herald_net::tls::ServerFiles;

use super::read::{Entry, Kind, Node};
use super::report::Problem;

/// Its keys.
const KEYS: [&str; 3] = ["cert", "key", "client_ca"];

/// A key that was found: its value and where that stands.
type Found<'a> = Option<(PathBuf, &'a Range<usize>)>;

/// The files, each of which can be used; or nothing, and what is wrong at its place.
pub(super) fn read(node: &Node, problems: &mut Vec<Problem>) -> Option<ServerFiles> {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("`tls` takes a map, not {}", node.kind.name());
        let help =
            "write  tls: {cert: FILE, key: FILE}, and client_ca: FILE where clients must have a certificate";
        problems.push(Problem::new(node.span.clone(), message).help(Some(help.to_owned())));
        return None;
    };
    let before = problems.len();
    let mut found: [Found<'_>; 3] = [None, None, None];
    for Entry { key, span, value } in entries {
        let Some(place) = KEYS.iter().position(|known| known == key) else {
            let help = format!("known are: {}", KEYS.join(", "));
            let message = format!("the key `{key}` of `tls` is not known");
            problems.push(Problem::new(span.clone(), message).help(Some(help)));
            continue;
        };
        match &value.kind {
            _ if found[place].is_some() => {
                let message = format!("the key `{key}` of `tls` stands here a second time");
                problems.push(Problem::new(span.clone(), message));
            }
            Kind::Scalar { text, .. } if !text.is_empty() => {
                found[place] = Some((PathBuf::from(text), &value.span));
            }
            other => {
                let message = format!("`{key}` takes the path of a file, not {}", other.name());
                problems.push(Problem::new(value.span.clone(), message));
            }
        }
    }
    let missing = KEYS.iter().take(2).filter(|key| !entries.iter().any(|entry| entry.key == **key));
    for key in missing {
        problems.push(Problem::new(node.span.clone(), format!("`{key}` is missing in `tls`")));
    }
    if problems.len() > before {
        return None;
    }
    let [Some((cert, at_cert)), Some((key, at_key)), client_ca] = found else { return None };
    let (client_ca, at_ca) = client_ca.unzip();
    let files = ServerFiles { cert, key, client_ca };
    let Err(error) = files.check() else { return Some(files) };
    let at = match error.option {
        "cert" => at_cert,
        "key" => at_key,
        _ => at_ca.unwrap_or(&node.span),
    };
    problems.push(Problem::new(at.clone(), format!("`{}`: {error}", error.option)));
    None
}

/// What deserves to be said of where the runner listens.
pub(super) fn warnings(tcp: Option<&(String, u16)>, tls: Option<&ServerFiles>) -> Vec<String> {
    match (tcp, tls) {
        (None, Some(_)) => {
            vec!["`tls` counts for nothing, since only a unix socket is listened on".to_owned()]
        }
        (_, Some(files)) => files.warnings(),
        (Some((host, _)), None) if !herald_net::tls::is_loopback(host) => vec![format!(
            "the host {host} is not of this machine alone, and what passes there is signed but not encrypted: give \
             tls: {{cert: FILE, key: FILE}}, or listen on 127.0.0.1 behind something that speaks HTTPS"
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use herald_net::tls::testing::{Authority, Validity};

    use super::super::parse;

    #[test]
    fn what_is_wrong_with_tls_stands_at_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let pair = authority.issue(folder.path(), "a", &["localhost"], Validity::Good);
        let other = authority.issue(folder.path(), "b", &["localhost"], Validity::Good);
        let (cert, key, wrong) = (pair.cert.display(), pair.key.display(), other.key.display());
        for (tls, says) in [
            (format!("{{cert: {cert}, key: {key}}}"), None),
            (format!("{{cert: {cert}, key: {key}, client_ca: {cert}}}"), None),
            (format!("\n  cert: {cert}\n  key: {key}"), None),
            ("yes".to_owned(), Some("c.yml:2:6: `tls` takes a map, not a single value")),
            (String::new(), Some("c.yml:2:4: `tls` takes a map, not nothing")),
            (format!("{{cert: {cert}}}"), Some("c.yml:2:6: `key` is missing in `tls`")),
            ("{crt: a, key: b}".to_owned(), Some("c.yml:2:7: the key `crt` of `tls` is not known")),
            (
                "{key: a, key: b}".to_owned(),
                Some("c.yml:2:15: the key `key` of `tls` stands here a second time"),
            ),
            (
                "{cert: [a], key: b}".to_owned(),
                Some("c.yml:2:13: `cert` takes the path of a file, not a list"),
            ),
            ("{cert: {a: {b: c}}, key: b}".to_owned(), Some("not a map")),
            ("{cert: /none.crt, key: b}".to_owned(), Some("c.yml:2:13: `cert`: /none.crt: cannot be read")),
            (format!("\n  cert: {cert}\n  key: {wrong}"), Some("c.yml:4:8: `key`: ")),
        ] {
            let text = format!("secret: the_secret_should_be_strong_enough\ntls: {tls}\n");
            match (parse(&text, "c.yml", false), says) {
                (Ok(config), None) => assert!(config.listen.tls.is_some() && config.warnings.is_empty()),
                (Err(report), Some(says)) => assert!(report.contains(says), "{tls}: {report}"),
                (got, _) => panic!("{tls}: {got:?}"),
            }
        }
    }

    #[test]
    fn tls_without_a_port_is_said_to_be_for_nothing() {
        let files = super::ServerFiles { cert: "c".into(), key: "k".into(), client_ca: None };
        assert!(super::warnings(None, Some(&files))[0].contains("counts for nothing"));
    }

    #[test]
    fn in_the_clear_for_others_is_said() {
        let said = |host: &str| {
            let text = format!("secret: the_secret_should_be_strong_enough\nhost: '{host}'\n");
            parse(&text, "c.yml", false).unwrap().warnings
        };
        for (host, warned) in [("127.0.0.1", false), ("localhost", false), ("::1", false), ("0.0.0.0", true)]
        {
            assert_eq!(said(host).len(), usize::from(warned), "{host}");
        }
    }
}
