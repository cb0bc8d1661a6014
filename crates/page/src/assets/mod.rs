//! The style and the scripts of the page. Their address has a digest of them all in it, so that browsers keep them
//! until they change.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::site::Site;

/// A file of the page.
pub struct Asset {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub content_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The script of the worker: a part of `page.js`, and a file of its own.
const WORKER: &str = "stream.js";

/// All files. The scripts are served as one, `page.js`, with which a browser asks once and not for one after the other.
const ASSETS: [Asset; 8] = [
    Asset { name: "page.css", content_type: "text/css; charset=utf-8", text: include_str!("page.css") },
    Asset { name: "page.js", content_type: SCRIPT, text: include_str!("page.js") },
    Asset { name: "keys.js", content_type: SCRIPT, text: include_str!("keys.js") },
    Asset { name: "live.js", content_type: SCRIPT, text: include_str!("live.js") },
    Asset { name: "log.js", content_type: SCRIPT, text: include_str!("log.js") },
    Asset { name: WORKER, content_type: SCRIPT, text: include_str!("stream.js") },
    Asset { name: "trusted.js", content_type: SCRIPT, text: include_str!("trusted.js") },
    Asset { name: "icon.svg", content_type: "image/svg+xml", text: include_str!("icon.svg") },
];

/// Changes with what is in the files.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let digest = ASSETS.iter().fold(Sha256::new(), |digest, asset| digest.chain_update(asset.text));
        hex::encode(&digest.finalize()[..6])
    })
}

/// Where a file is.
#[must_use]
pub fn address(site: &Site, name: &str) -> String {
    site.to(&format!("/assets/{}/{name}", version()))
}

/// The file of this name, as it is served.
#[must_use]
pub fn find(name: &str) -> Option<Asset> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    match (asset.content_type == SCRIPT, asset.name) {
        (true, "page.js") => Some(Asset { text: script(), ..*asset }),
        (true, name) if name != WORKER => None,
        _ => Some(Asset { ..*asset }),
    }
}

/// The modules as one: what they import of each other is in the same scope.
fn script() -> &'static str {
    static SCRIPT_TEXT: OnceLock<String> = OnceLock::new();
    SCRIPT_TEXT.get_or_init(|| {
        // Those that others import come first.
        let modules = ASSETS.iter().rev().filter(|asset| asset.content_type == SCRIPT);
        let lines = modules.flat_map(|asset| asset.text.lines()).filter(|line| !line.starts_with("import "));
        lines.flat_map(|line| [line.strip_prefix("export ").unwrap_or(line), "\n"]).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_small_and_make_no_html_but_by_the_policy() {
        let all: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
        assert!(all < 42 << 10, "{all} bytes");
        for asset in &ASSETS {
            for sink in [
                "innerHTML",
                "eval(",
                "document.write",
                "insertAdjacentHTML",
                "createPolicy",
                "http://",
                "https://",
            ] {
                let is_policy = sink == "createPolicy" && asset.name == "trusted.js";
                let is_namespace = asset.name == "icon.svg" && sink == "http://";
                assert!(is_policy || is_namespace || !asset.text.contains(sink), "{}: {sink}", asset.name);
            }
        }
        assert!(find("stream.js").unwrap().text.contains("onconnect"));
        assert!(find("page.css").is_some() && find("../lib.rs").is_none() && find("live.js").is_none());
        let script = find("page.js").unwrap().text;
        assert!(script.contains("function follow(") && script.contains("createPolicy"), "{script}");
        assert!(!script.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")));
    }
}
