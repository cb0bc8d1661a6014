//! Contents of earlier publications.

use crate::fixture::{Site, files};

#[test]
fn the_last_twenty_can_be_restored() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let large = "x".repeat(5_000);
    let mut published = Vec::new();
    for n in 0..25 {
        let wanted = files(&[("constant", &large), ("changing", &n.to_string()), ("sub/empty", "")]);
        let done = site.publish(&wanted).unwrap();
        published.push((done.ledger.data().publications.last().unwrap().publication.clone(), wanted));
    }
    let ledger = site.ledger();
    assert_eq!(ledger.data().publications.len(), 20);
    for (publication, wanted) in &published[5..] {
        let kept = ledger.contents_of(publication).unwrap();
        let kept = kept
            .into_iter()
            .map(|file| (String::from_utf8(file.name).unwrap(), String::from_utf8(file.content).unwrap()));
        assert_eq!(&kept.collect::<crate::fixture::Files>(), wanted);
    }
    let newest = &published[24].0;
    assert_eq!(ledger.kept(&newest[newest.len() - 8..]).unwrap(), newest);
    for (part, expected) in
        [(&newest[..4], "several publications"), ("xyz", "are not kept"), ("", "are not kept")]
    {
        let error = ledger.kept(part).unwrap_err().to_string();
        assert!(error.contains(expected), "{part}: {error}");
    }
    let error = ledger.contents_of(&published[4].0).unwrap_err().to_string();
    assert!(error.contains("are not kept; kept are: "), "{error}");
    // What does not change is kept once.
    let mut size = 0;
    let projects = std::fs::read_dir(site.top.join("ledgers")).unwrap();
    for entry in
        projects.flat_map(|project| std::fs::read_dir(project.unwrap().path().join("contents")).unwrap())
    {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".pack") {
            size += entry.metadata().unwrap().len();
        }
    }
    assert!(size < 6_000, "{size}");
}
