//! HTTP Message Signatures (RFC 9421) with `hmac-sha256`: the part that requests and answers share.
//!
//! All parsing of structured fields is left to the `sfv` crate; signatures are computed over the strict
//! serialisation of what was parsed, as the RFC wants.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sfv::{
    BareItem, Dictionary, FieldType, InnerList, Item, Key, ListEntry, ListSerializer, Parameters, Parser,
};

use crate::signing::digest::DigestError;
use crate::signing::secret::Secrets;

/// The label that Herald gives to its signatures.
pub const LABEL: &str = "herald";
/// The label of the second signature of an answer; see [`crate::answer::Signer`].
pub const SECOND_LABEL: &str = "herald-2";
/// The one algorithm.
pub const ALGORITHM: &str = "hmac-sha256";
/// The most signatures of one message that are looked at.
const MAX_SIGNATURES: usize = 4;

/// Why a message is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature at all.
    #[error("the message is not signed")]
    Unsigned,
    /// The headers break the syntax.
    #[error("the {0} header cannot be read")]
    Malformed(&'static str),
    /// A signature covers something that is not there, or in a way that is not known here.
    #[error("the signature covers {0}, which is not there or not supported")]
    Component(String),
    /// A signature leaves something out.
    #[error("the signature does not cover {0}")]
    Uncovered(String),
    /// A parameter is missing or wrong.
    #[error("the signature's parameter `{0}` is missing or wrong")]
    Parameter(&'static str),
    /// Made too long ago.
    #[error("the request is too old: it was signed {0} s ago; are both clocks right?")]
    Stale(i64),
    /// Made later than now.
    #[error("the request comes from the future: it was signed {0} s ahead; are both clocks right?")]
    Future(i64),
    /// Made with none of the secrets, or over another message.
    #[error(
        "signature mismatch: the secrets differ, or the message or its path was altered (by a proxy, say)"
    )]
    Forged,
    /// The body is another one.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The answer is not to this request, or its manifest does not fit.
    #[error("{0}")]
    Manifest(String),
}

/// One thing that a signature covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedComponent<'a> {
    /// A header's name in lower case, or a derived component such as `@method`.
    pub name: &'a str,
    /// In an answer: taken from the request.
    pub req: bool,
    /// One member of a header that is a dictionary.
    pub key: Option<&'a str>,
}

impl<'a> SignedComponent<'a> {
    /// A component of the message itself.
    #[must_use]
    pub const fn new(name: &'a str) -> Self {
        Self { name, req: false, key: None }
    }

    fn item(&self) -> Option<Item> {
        let mut params = Parameters::new();
        if self.req {
            params.insert(key("req")?, BareItem::Boolean(true));
        }
        if let Some(member) = self.key {
            params.insert(key("key")?, text(member)?);
        }
        Some(Item::with_params(text(self.name)?, params))
    }

    fn of(item: &'a Item) -> Option<Self> {
        let mut component = Self::new(item.bare_item.as_string()?.as_str());
        for (name, value) in &item.params {
            match name.as_str() {
                "req" => component.req = value.as_boolean()?,
                "key" => component.key = Some(value.as_string()?.as_str()),
                _ => return None,
            }
        }
        Some(component)
    }
}

/// The parameters of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureParams<'a> {
    /// Seconds since 1970.
    pub created: i64,
    /// Never the same twice.
    pub nonce: Option<&'a str>,
    /// The name of the secret that signed.
    pub keyid: &'a str,
}

/// The values of the two headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Signature-Input.
    pub input: String,
    /// Signature.
    pub signature: String,
}

/// Finds the value of a component.
pub type Resolve<'a> = &'a dyn Fn(&SignedComponent<'_>) -> Option<String>;

/// The secret that signs.
#[derive(Debug, Clone, Copy)]
pub struct SigningKey<'a> {
    /// All secrets.
    pub secrets: &'a Secrets,
    /// The place of the one that signs.
    pub index: usize,
}

/// Signs a message.
///
/// # Errors
/// When a component cannot be found or written.
pub fn sign(
    label: &str,
    components: &[SignedComponent<'_>],
    params: &SignatureParams<'_>,
    resolve: Resolve<'_>,
    key: SigningKey<'_>,
) -> Result<Signed, SignatureError> {
    let list = inner_list(components, params).ok_or(SignatureError::Malformed("Signature-Input"))?;
    let base = base(&list, resolve)?;
    let signature = key.secrets.sign(key.index, base.as_bytes());
    Ok(Signed {
        input: format!("{label}={}", serialize(&list)),
        signature: format!("{label}=:{}:", STANDARD.encode(signature)),
    })
}

fn inner_list(components: &[SignedComponent<'_>], given: &SignatureParams<'_>) -> Option<InnerList> {
    let items = components.iter().map(SignedComponent::item).collect::<Option<Vec<_>>>()?;
    let mut params = Parameters::new();
    params.insert(key("created")?, BareItem::Integer(given.created.try_into().ok()?));
    if let Some(nonce) = given.nonce {
        params.insert(key("nonce")?, text(nonce)?);
    }
    params.insert(key("keyid")?, text(given.keyid)?);
    params.insert(key("alg")?, text(ALGORITHM)?);
    Some(InnerList::with_params(items, params))
}

fn key(name: &str) -> Option<Key> {
    Key::from_string(name.to_owned()).ok()
}

fn text(value: &str) -> Option<BareItem> {
    sfv::String::from_string(value.to_owned()).ok().map(BareItem::String)
}

fn serialize(list: &InnerList) -> String {
    let mut serializer = ListSerializer::new();
    serializer.members([&ListEntry::InnerList(list.clone())]);
    serializer.finish().unwrap_or_default()
}

/// The signature base of RFC 9421, section 2.5.
fn base(list: &InnerList, resolve: Resolve<'_>) -> Result<String, SignatureError> {
    let mut base = String::new();
    let mut seen = Vec::new();
    for item in &list.items {
        let identifier = item.serialize();
        let known =
            SignedComponent::of(item).filter(|component| !component.name.chars().any(char::is_uppercase));
        let value = known.and_then(|component| resolve(&component)).filter(|value| !value.contains('\n'));
        let Some(value) = value.filter(|_| !seen.contains(&identifier)) else {
            return Err(SignatureError::Component(identifier));
        };
        // Writing to a String cannot fail.
        let _ = writeln!(base, "{identifier}: {value}");
        seen.push(identifier);
    }
    let _ = write!(base, "\"@signature-params\": {}", serialize(list));
    Ok(base)
}

/// A signature that a message bears, not yet verified.
#[derive(Debug, Clone)]
pub struct MessageSignature {
    /// Its label.
    pub label: String,
    list: InnerList,
    /// The signature itself.
    pub signature: Vec<u8>,
}

impl MessageSignature {
    /// The signatures of a message, by label.
    ///
    /// # Errors
    /// When there is none, or the headers break the syntax.
    pub fn all(input: Option<&str>, signature: Option<&str>) -> Result<Vec<Self>, SignatureError> {
        let (Some(input), Some(signature)) = (input, signature) else { return Err(SignatureError::Unsigned) };
        let inputs = dictionary(input).ok_or(SignatureError::Malformed("Signature-Input"))?;
        let mut signatures = dictionary(signature).ok_or(SignatureError::Malformed("Signature"))?;
        let mut presented = Vec::new();
        for (label, entry) in inputs {
            let ListEntry::InnerList(list) = entry else {
                return Err(SignatureError::Malformed("Signature-Input"));
            };
            let Some(ListEntry::Item(item)) = signatures.shift_remove(&label) else {
                return Err(SignatureError::Malformed("Signature"));
            };
            let signature =
                item.bare_item.as_byte_sequence().ok_or(SignatureError::Malformed("Signature"))?;
            let signature = signature.to_vec();
            presented.push(Self { label: label.as_str().to_owned(), list, signature });
        }
        if presented.is_empty() || presented.len() > MAX_SIGNATURES {
            return Err(SignatureError::Malformed("Signature-Input"));
        }
        Ok(presented)
    }

    /// What it covers; components that are not known here are left out.
    pub fn components(&self) -> impl Iterator<Item = SignedComponent<'_>> {
        self.list.items.iter().filter_map(SignedComponent::of)
    }

    /// Checks that it covers this.
    ///
    /// # Errors
    /// When it does not.
    pub fn require(&self, wanted: &SignedComponent<'_>) -> Result<(), SignatureError> {
        if self.components().any(|component| component == *wanted) {
            return Ok(());
        }
        let name = wanted.item().map_or_else(|| wanted.name.to_owned(), |item| item.serialize());
        Err(SignatureError::Uncovered(name))
    }

    /// A parameter that is a whole number. `Ok(None)` when it is absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn integer(&self, name: &'static str) -> Result<Option<i64>, SignatureError> {
        match self.list.params.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_integer().map(|value| Some(value.into())).ok_or(SignatureError::Parameter(name))
            }
        }
    }

    /// A parameter that is a text. `Ok(None)` when it is absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, SignatureError> {
        match self.list.params.get(name) {
            None => Ok(None),
            Some(value) => {
                value.as_string().map(|value| Some(value.as_str())).ok_or(SignatureError::Parameter(name))
            }
        }
    }

    /// Which of the secrets made it, over a message whose components `resolve` finds. Every secret is tried, whatever
    /// the `keyid` says.
    ///
    /// # Errors
    /// When none did, or it covers something that `resolve` does not know.
    pub fn verify(&self, resolve: Resolve<'_>, secrets: &Secrets) -> Result<usize, SignatureError> {
        if self.text("alg")?.is_some_and(|alg| alg != ALGORITHM) {
            return Err(SignatureError::Parameter("alg"));
        }
        let base = base(&self.list, resolve)?;
        secrets.verify(base.as_bytes(), &self.signature).ok_or(SignatureError::Forged)
    }
}

fn dictionary(header: &str) -> Option<Dictionary> {
    Parser::new(header).parse().ok()
}

/// The value of a header as a signature sees it: trimmed, several lines joined by a comma.
#[must_use]
pub fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut joined = values.next()?.to_str().ok()?.trim().to_owned();
    for value in values {
        joined.push_str(", ");
        joined.push_str(value.to_str().ok()?.trim());
    }
    Some(joined)
}

/// The value of a component that is a header, or one member of it.
#[must_use]
pub fn field_component(headers: &HeaderMap, component: &SignedComponent<'_>) -> Option<String> {
    let value = field(headers, component.name)?;
    match component.key {
        None => Some(value),
        Some(key) => member(&value, key),
    }
}

/// One member of a dictionary, serialised strictly.
pub(crate) fn member(value: &str, key: &str) -> Option<String> {
    Some(match dictionary(value)?.get(key)? {
        ListEntry::Item(item) => item.serialize(),
        ListEntry::InnerList(list) => serialize(list),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9421, appendix B.2.5: hmac-sha256 with the shared secret of B.1.5.
    #[test]
    fn the_test_vector_of_the_rfc() {
        let secret = STANDARD
            .decode(
                "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
            )
            .unwrap();
        let secrets = Secrets::new([secret]).unwrap();
        let input =
            r#"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#;
        let signature = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:";
        let resolve = |component: &SignedComponent<'_>| {
            let value = match component.name {
                "date" => "Tue, 20 Apr 2021 02:07:55 GMT",
                "@authority" => "example.com",
                "content-type" => "application/json",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let presented = MessageSignature::all(Some(input), Some(signature)).unwrap();
        let [one] = presented.as_slice() else { panic!("{presented:?}") };
        assert_eq!(
            base(&one.list, &resolve).unwrap(),
            include_str!("../../tests/golden/rfc9421-b25-base.txt").trim_end()
        );
        assert_eq!(one.verify(&resolve, &secrets), Ok(0));
        assert_eq!(one.integer("created"), Ok(Some(1_618_884_473)));
        assert_eq!(one.text("keyid"), Ok(Some("test-shared-secret")));

        let other =
            |component: &SignedComponent<'_>| resolve(component).map(|value| value.replace("json", "jsom"));
        assert_eq!(one.verify(&other, &secrets), Err(SignatureError::Forged));
    }

    #[test]
    fn what_cannot_be_read_or_is_not_known_is_refused() {
        let secrets = Secrets::new(["a secret of sixteen bytes"]).unwrap();
        let resolve = |component: &SignedComponent<'_>| (component.name == "a").then(|| "1".to_owned());
        let bytes = "x=:AAAA:";
        for (input, signature, expected) in [
            ("x=(\"a\")", "y=:AAAA:", SignatureError::Malformed("Signature")),
            ("x=1", bytes, SignatureError::Malformed("Signature-Input")),
            ("x=(\"a\"", bytes, SignatureError::Malformed("Signature-Input")),
            ("", bytes, SignatureError::Malformed("Signature-Input")),
            ("x=(\"a\")", "x=1", SignatureError::Malformed("Signature")),
            ("x=(\"a\")", bytes, SignatureError::Forged),
            ("x=(\"a\");alg=\"rsa-v1_5-sha256\"", bytes, SignatureError::Parameter("alg")),
            ("x=(\"a\");alg=5", bytes, SignatureError::Parameter("alg")),
            ("x=(\"a\" \"a\")", bytes, SignatureError::Component("\"a\"".to_owned())),
            ("x=(\"A\")", bytes, SignatureError::Component("\"A\"".to_owned())),
            ("x=(\"b\")", bytes, SignatureError::Component("\"b\"".to_owned())),
            ("x=(\"a\";sf)", bytes, SignatureError::Component("\"a\";sf".to_owned())),
            ("x=(a)", bytes, SignatureError::Component("a".to_owned())),
        ] {
            let verdict = MessageSignature::all(Some(input), Some(signature))
                .and_then(|all| all.first().unwrap().verify(&resolve, &secrets));
            assert_eq!(verdict, Err(expected), "{input}");
        }
        assert_eq!(MessageSignature::all(None, Some(bytes)).err(), Some(SignatureError::Unsigned));
    }
}
