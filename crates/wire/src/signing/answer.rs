//! Answers of version 2: signed over their status, the request's signature, and a manifest.
//!
//! The signature covers `"@status"`, `"signature";req;key="<label of the request's signature>"` and
//! `"herald-manifest"`. An answer with one body carries the three headers Herald-AnswerManifest, Signature-Input and
//! Signature. An answer with files is multipart/form-data; its last part, `manifest`, holds the manifest as its body
//! and the other two as its own headers, so that files can be hashed while they are sent.

use crate::message::manifest::{self, AnswerManifest};
use crate::signing::request::{RequestTie, Verified};
use crate::signing::runner_id::RunnerId;
use crate::signing::secret::Secrets;
use crate::signing::signature::{
    self, LABEL, MessageSignature, SECOND_LABEL, SignatureError, SignatureParams, Signed, SignedComponent,
    SigningKey,
};

const STATUS: SignedComponent<'static> = SignedComponent::new("@status");
const MANIFEST: SignedComponent<'static> = SignedComponent::new(manifest::HEADER);

fn value(component: &SignedComponent<'_>, tie: &RequestTie, status: u16, manifest: &str) -> Option<String> {
    match (component.name, component.req, component.key) {
        ("@status", false, None) => Some(status.to_string()),
        (manifest::HEADER, false, None) => Some(manifest.to_owned()),
        ("signature", true, None) => Some(tie.signature.clone()),
        ("signature", true, Some(key)) => signature::member(&tie.signature, key),
        _ => None,
    }
}

fn tied<'a>(tie: &'a RequestTie) -> SignedComponent<'a> {
    SignedComponent { name: "signature", req: true, key: Some(&tie.label) }
}

/// Signs the answer to one request.
#[derive(Debug, Clone)]
pub struct Signer {
    secrets: Secrets,
    used: usize,
    tie: RequestTie,
    runner: Option<RunnerId>,
}

impl Signer {
    /// For the answer to this request.
    #[must_use]
    pub fn new(secrets: &Secrets, request: &Verified) -> Self {
        Self { secrets: secrets.clone(), used: request.secret, tie: request.tie.clone(), runner: None }
    }

    /// The same, for the answers of this runner: each names it.
    #[must_use]
    pub fn of_runner(self, id: &RunnerId) -> Self {
        Self { runner: Some(id.clone()), ..self }
    }

    /// The text of a manifest, with the runner that answers.
    #[must_use]
    pub fn manifest_text(&self, manifest: AnswerManifest) -> String {
        AnswerManifest { runner: self.runner.clone(), ..manifest }.to_text()
    }

    /// Signs with the first secret. When the request was signed with another one, a second signature with that one
    /// is added, so that a daemon which does not know the new secret yet can verify the answer too.
    ///
    /// # Errors
    /// When the request's label cannot be named.
    pub fn sign(&self, status: u16, manifest: &str, now: i64) -> Result<Signed, SignatureError> {
        let mut signed = self.sign_with(LABEL, 0, status, manifest, now)?;
        if self.used != 0 {
            let second = self.sign_with(SECOND_LABEL, self.used, status, manifest, now)?;
            signed.input = format!("{}, {}", signed.input, second.input);
            signed.signature = format!("{}, {}", signed.signature, second.signature);
        }
        Ok(signed)
    }

    fn sign_with(
        &self,
        label: &str,
        secret: usize,
        status: u16,
        manifest: &str,
        now: i64,
    ) -> Result<Signed, SignatureError> {
        let params = SignatureParams { created: now, nonce: None, keyid: self.secrets.key_id(secret) };
        let resolve = |component: &SignedComponent<'_>| value(component, &self.tie, status, manifest);
        let components = [STATUS, tied(&self.tie), MANIFEST];
        signature::sign(
            label,
            &components,
            &params,
            &resolve,
            SigningKey { secrets: &self.secrets, index: secret },
        )
    }
}

/// What an answer says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The status code.
    pub status: u16,
    /// The manifest's text, as received.
    pub manifest: &'a str,
    /// Signature-Input.
    pub input: Option<&'a str>,
    /// Signature.
    pub signature: Option<&'a str>,
}

/// Verifies an answer and gives its manifest, which the caller holds against what was received.
///
/// # Errors
/// When no signature of it is right, or the manifest cannot be read.
pub fn verify(
    claim: &Claim<'_>,
    tie: &RequestTie,
    secrets: &Secrets,
) -> Result<AnswerManifest, SignatureError> {
    let presented = MessageSignature::all(claim.input, claim.signature)?;
    let mut verdict = Err(SignatureError::Unsigned);
    for one in &presented {
        verdict = verify_one(one, claim, tie, secrets);
        if verdict.is_ok() {
            break;
        }
    }
    verdict?;
    AnswerManifest::from_text(claim.manifest).map_err(|error| SignatureError::Manifest(error.to_string()))
}

fn verify_one(
    one: &MessageSignature,
    claim: &Claim<'_>,
    tie: &RequestTie,
    secrets: &Secrets,
) -> Result<(), SignatureError> {
    one.require(&STATUS)?;
    one.require(&MANIFEST)?;
    // With or without the key, both bind the answer to this very request.
    let whole = SignedComponent { key: None, ..tied(tie) };
    one.require(&tied(tie)).or_else(|error| one.require(&whole).map_err(|_| error))?;
    let resolve = |component: &SignedComponent<'_>| value(component, tie, claim.status, claim.manifest);
    one.verify(&resolve, secrets).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_007;

    fn secrets(list: &[&str]) -> Secrets {
        Secrets::new(list).unwrap()
    }

    fn request(secret: usize) -> Verified {
        let tie = RequestTie {
            label: "herald".to_owned(),
            signature: "herald=:lHh3n4q1W8QWJtHkv6QB0ZsxGWxYVJUpq0eYJ1mFwmE=:".to_owned(),
        };
        Verified { nonce: "n".to_owned(), created: NOW, secret, join: false, to: None, tie }
    }

    fn claim<'a>(signed: &'a Signed, manifest: &'a str) -> Claim<'a> {
        Claim { status: 200, manifest, input: Some(&signed.input), signature: Some(&signed.signature) }
    }

    #[test]
    fn the_golden_answer() {
        let secrets = secrets(&["the_secret_should_be_strong_enough"]);
        let manifest =
            AnswerManifest::of_body(b"{\"exit_code\":0}", Some(herald_base::ending::Ending::Exited(0)));
        let text = manifest.to_text();
        let signed = Signer::new(&secrets, &request(0)).sign(200, &text, NOW).unwrap();
        let shown = format!(
            "herald-manifest: {text}\nsignature-input: {}\nsignature: {}",
            signed.input, signed.signature
        );
        assert_eq!(shown, include_str!("../../tests/golden/v2-answer.txt").trim_end());
        assert_eq!(verify(&claim(&signed, &text), &request(0).tie, &secrets), Ok(manifest));
    }

    /// Version 2.1: the manifest names the runner.
    #[test]
    fn the_golden_answer_of_one_runner() {
        let secrets = secrets(&["the_secret_should_be_strong_enough"]);
        let id = RunnerId::try_from("5f0c1a9e3b7d48261122334455667788".to_owned()).unwrap();
        let manifest =
            AnswerManifest::of_body(b"{\"exit_code\":0}", Some(herald_base::ending::Ending::Exited(0)));
        let signer = Signer::new(&secrets, &request(0)).of_runner(&id);
        let text = signer.manifest_text(manifest.clone());
        let signed = signer.sign(200, &text, NOW).unwrap();
        let shown = format!(
            "herald-manifest: {text}\nsignature-input: {}\nsignature: {}",
            signed.input, signed.signature
        );
        assert_eq!(shown, include_str!("../../tests/golden/v2.1-answer.txt").trim_end());
        let expected = AnswerManifest { runner: Some(id), ..manifest };
        assert_eq!(verify(&claim(&signed, &text), &request(0).tie, &secrets), Ok(expected));
    }

    #[test]
    fn alterations_are_found() {
        let secrets = secrets(&["the_secret_should_be_strong_enough"]);
        let tie = request(0).tie;
        let text = AnswerManifest::of_body(b"{}", None).to_text();
        let other_text = AnswerManifest::of_body(b"{ }", None).to_text();
        let signed = Signer::new(&secrets, &request(0)).sign(200, &text, NOW).unwrap();
        let good = claim(&signed, &text);
        let thin = signed.input.replace(" \"herald-manifest\"", "");
        let untied = signed.input.replace(" \"signature\";req;key=\"herald\"", "");
        let other_tie =
            RequestTie { signature: tie.signature.replace("lHh3", "lHh4"), label: tie.label.clone() };
        for (what, claim, tie, expected) in [
            ("status", Claim { status: 500, ..good }, &tie, SignatureError::Forged),
            ("manifest", Claim { manifest: &other_text, ..good }, &tie, SignatureError::Forged),
            ("another request", good, &other_tie, SignatureError::Forged),
            ("unsigned", Claim { input: None, signature: None, ..good }, &tie, SignatureError::Unsigned),
            (
                "manifest not covered",
                Claim { input: Some(&thin), ..good },
                &tie,
                SignatureError::Uncovered("\"herald-manifest\"".to_owned()),
            ),
            (
                "request not covered",
                Claim { input: Some(&untied), ..good },
                &tie,
                SignatureError::Uncovered("\"signature\";req;key=\"herald\"".to_owned()),
            ),
        ] {
            assert_eq!(verify(&claim, tie, &secrets), Err(expected), "{what}");
        }
    }

    #[test]
    fn a_secret_changes_without_a_gap() {
        let (new, old) = ("the new secret, long enough", "the old secret, long enough");
        let text = AnswerManifest::of_body(b"{}", None).to_text();
        let runner = secrets(&[new, old]);
        let signed = Signer::new(&runner, &request(1)).sign(200, &text, NOW).unwrap();
        for known in [&[old][..], &[new], &[old, new], &[new, old]] {
            assert!(verify(&claim(&signed, &text), &request(1).tie, &secrets(known)).is_ok(), "{known:?}");
        }
        let unknown = secrets(&["some third secret, long enough"]);
        assert_eq!(verify(&claim(&signed, &text), &request(1).tie, &unknown), Err(SignatureError::Forged));
    }
}
