//! The manifest of an answer: what was sent, with sizes and checksums. The answer's signature covers it.

use std::collections::BTreeMap;

use herald_base::ending::Ending;
use serde::{Deserialize, Serialize};

use crate::message::ending::EndingName;
use crate::message::log::OutputSummary;
use crate::signing::digest;
use crate::signing::runner_id::RunnerId;

/// The header, and the signed component, that holds a manifest.
pub const HEADER: &str = "herald-manifest";
/// The name of the last part of a multipart answer.
pub const PART: &str = "manifest";

/// Size and checksum of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// In bytes.
    pub size: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

impl Sum {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { size: bytes.len() as u64, sha256: hex::encode(digest::sha256(bytes)) }
    }
}

/// One result file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// The file's own name, without folders.
    pub filename: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// What was sent in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerManifest {
    /// The body, or in a multipart answer the part `result`.
    pub result: Sum,
    /// The files, by the names that the job gave them.
    #[serde(default)]
    pub file: BTreeMap<String, FileSum>,
    /// How the process ended; absent in errors, but for a job that was stopped or timed out before its program ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<EndingName>,
    /// The last line of the job's standard error, where it failed by itself. Runners that are older do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_line: Option<String>,
    /// What the job wrote, so that it need not be requested. Absent where that is no longer known, and from older
    /// runners; older daemons ask all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputSummary>,
    /// The runner that answers. Runners of version 2.0 do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerId>,
}

/// The manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest of the answer cannot be read: {0}")]
pub struct ManifestError(String);

impl AnswerManifest {
    /// An answer without files.
    #[must_use]
    pub fn of_body(body: &[u8], ending: Option<Ending>) -> Self {
        Self {
            result: Sum::of(body),
            file: BTreeMap::new(),
            ending: ending.map(EndingName::from),
            error_line: None,
            output: None,
            runner: None,
        }
    }

    /// As compact JSON in ASCII, fit for a header whatever names the files bear.
    #[must_use]
    pub fn to_text(&self) -> String {
        // A struct of texts and numbers always serialises.
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut text = String::with_capacity(json.len());
        for c in json.chars() {
            if c.is_ascii() && c != '\x7f' {
                text.push(c);
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    text.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        text
    }

    /// Reads what [`AnswerManifest::to_text`] wrote.
    ///
    /// # Errors
    /// When it is not a manifest.
    pub fn from_text(text: &str) -> Result<Self, ManifestError> {
        serde_json::from_str(text).map_err(|error| ManifestError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_optional() {
        let without = AnswerManifest::of_body(b"{}", Some(Ending::Exited(3)));
        assert!(!without.to_text().contains("error_line"), "as before for older daemons");
        let with = AnswerManifest { error_line: Some("disk \u{fc}ber\u{1b}".to_owned()), ..without };
        let text = with.to_text();
        assert!(text.is_ascii());
        assert_eq!(AnswerManifest::from_text(&text), Ok(with));
    }

    /// A daemon from before that field was there takes the rest of the manifest as it is.
    #[test]
    fn the_output_is_optional() {
        let without = AnswerManifest::of_body(b"{}", Some(Ending::Exited(0)));
        assert!(!without.to_text().contains("output"), "as before for older daemons");
        let with = AnswerManifest { output: Some(OutputSummary::default()), ..without };
        assert!(with.to_text().ends_with(r#","output":{"length":0}}"#), "{}", with.to_text());
        assert_eq!(AnswerManifest::from_text(&with.to_text()), Ok(with.clone()));
        let unknown = with.to_text().replace(r#""output":"#, r#""of a later version":"#);
        assert_eq!(AnswerManifest::from_text(&unknown), Ok(AnswerManifest { output: None, ..with }));
    }

    #[test]
    fn any_name_survives_a_header() {
        let mut manifest = AnswerManifest::of_body(b"{}", Some(Ending::TimedOut));
        for filename in ["a.dat", "ü.dat", "a\nb\r\t", "\"q\" \\ b", "\u{7f}", "🦀", "\u{2028}"] {
            let sum = FileSum { filename: filename.to_owned(), size: u64::MAX, sha256: "00".to_owned() };
            manifest.file.insert(filename.to_owned(), sum);
        }
        let text = manifest.to_text();
        assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{text}");
        assert_eq!(AnswerManifest::from_text(&text).unwrap(), manifest);
    }

    #[test]
    fn the_text_is_stable() {
        let manifest = AnswerManifest::of_body(b"{\"exit_code\":0}", Some(Ending::Exited(0)));
        assert_eq!(manifest.to_text(), include_str!("../../tests/golden/manifest.json").trim_end());
        assert!(AnswerManifest::from_text("{}").is_err());
        assert!(AnswerManifest::from_text(r#"{"result":{"size":-1,"sha256":""}}"#).is_err());
    }
}
