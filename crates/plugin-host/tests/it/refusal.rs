//! What is not a plugin, or not one for this daemon, is rejected with a sentence.

use std::os::unix::fs::PermissionsExt;

use herald_plugin_host::load_with;

use super::{TIMEOUTS, in_c, why_not};

#[test]
fn files_that_are_no_plugins() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text.so"), "I am a text").unwrap();
    std::fs::write(at("empty.so"), "").unwrap();
    std::fs::write(at("broken.so"), b"\x7fELF and then nothing").unwrap();
    // Mapped all the same, it would end the process with SIGBUS.
    let whole = std::fs::read(in_c(folder.path(), &[])).unwrap();
    std::fs::write(at("half.so"), &whole[..whole.len() / 3]).unwrap();
    std::fs::create_dir(at("folder.so")).unwrap();
    std::os::unix::fs::symlink(at("missing.so"), at("dangling.so")).unwrap();
    for (path, said) in [
        (at("text.so"), "is not a plugin: it is not a shared library"),
        (at("empty.so"), "is not a plugin: it is not a shared library"),
        (at("broken.so"), "is not a plugin: it cannot be loaded"),
        (at("half.so"), "whose end is missing"),
        (at("folder.so"), "is not a regular file"),
        (at("missing.so"), "cannot be read: No such file"),
        (at("dangling.so"), "cannot be read: No such file"),
        (in_c(folder.path(), &["-DNO_SYMBOL"]), "but not a plugin: it does not export `herald_plugin`"),
        (in_c(folder.path(), &["-DNO_CALL"]), "the function `call` is missing"),
    ] {
        let why = why_not(&path);
        assert!(why.starts_with(&format!("plugin {} ", path.display())), "{why}");
        assert!(why.contains(said), "{why}");
    }
}

#[test]
fn other_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for abi in [0, 1, 3, 4_294_967_295_u32] {
        let why = why_not(&in_c(folder.path(), &[&format!("-DABI={abi}u")]));
        assert!(why.contains(&format!("was built for version {abi} of the plugin ABI")), "{why}");
        assert!(why.contains("this heraldd has version 2; rebuild the plugin"), "{why}");
    }
    // Another version has another size, and is not read any further.
    let why = why_not(&in_c(folder.path(), &["-DABI=3u", "-DSIZE=8"]));
    assert!(why.contains("version 3"), "{why}");
    for size in [0, 8, 23] {
        let why = why_not(&in_c(folder.path(), &[&format!("-DSIZE={size}")]));
        assert!(why.contains(&format!("has {size} bytes")), "{why}");
    }
}

#[test]
fn plugins_that_describe_themselves_badly() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, said) in [
        (1, "describes itself with no JSON"),
        (2, "describes itself with JSON of another shape"),
        (3, "unknown variant `colour`"),
        (4, "has the selector type \"x\" twice"),
        (5, "\"exe_done\", which is reserved"),
        (6, "has no name"),
        (7, "did not describe itself within 1.5 s"),
        (8, "did not describe itself within 1.5 s"),
        (9, "did not describe itself: it is Sunday"),
        (10, "failed, and why it did is no JSON"),
    ] {
        let why = why_not(&in_c(folder.path(), &[&format!("-DMODE={mode}")]));
        assert!(why.contains(said), "{mode}: {why}");
    }
}

#[test]
fn what_others_could_replace() {
    let folder = tempfile::tempdir().unwrap();
    let library = in_c(folder.path(), &[]);
    let set = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&library, 0o757);
    assert!(why_not(&library).contains("chmod o-w"), "{}", why_not(&library));
    set(&library, 0o755);
    set(folder.path(), 0o777);
    assert!(why_not(&library).contains("is in a folder"), "{}", why_not(&library));
    set(folder.path(), 0o700);
    if rustix::process::geteuid().is_root() {
        for (path, said) in [
            (&*library, "belongs to another user (uid 1234)"),
            (folder.path(), "is in a folder that belongs"),
        ] {
            std::os::unix::fs::chown(path, Some(1234), None).unwrap();
            let why = why_not(&library);
            assert!(why.contains(said) && why.contains("`chown 0`"), "{why}");
            std::os::unix::fs::chown(path, Some(0), None).unwrap();
        }
    }
    assert!(load_with(&[library], TIMEOUTS).is_ok());
}

#[test]
fn everything_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (good, text) = (in_c(folder.path(), &[]), folder.path().join("text.so"));
    std::fs::write(&text, "text").unwrap();
    let missing = folder.path().join("missing.so");
    let errors =
        load_with(&[text.clone(), good.clone(), missing.clone(), good.clone()], TIMEOUTS).err().unwrap();
    let paths: Vec<_> = errors.0.iter().map(|error| &error.path).collect();
    assert_eq!(paths, [&text, &missing, &good]);
    assert_eq!(errors.0[2].why, "is listed twice");
    assert_eq!(errors.to_string().lines().count(), 3);
}
