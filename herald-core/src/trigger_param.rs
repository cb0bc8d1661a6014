//! What a trigger tells, taken apart only as far as somebody looks at it.
//!
//! Most events are wanted by nobody: a push to a branch that no router waits for, say. All that is needed of such a one is
//! its text, for the journal, and the value that the selector compares. So a JSON object that came as text stays one. It
//! was read once, from end to end, by the same rules: whatever [`serde_json`] would not take is turned away at once.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::param::{Params, lookup, within};
use crate::secret::{Mask, is_secret_name};

/// Texts up to here stay texts. To take a longer one apart takes a while, which is better spent where it came in than
/// where everybody waits.
const LONGEST: usize = 64 << 10;
/// Objects of which [`serde_json`] makes something else (a number, say) have keys that begin with this.
const PRIVATE: &str = "$serde_json::";

/// A JSON object: what a trigger tells of an event. It reads like [`Params`]; [`Self::get`] and [`Self::lookup`] take no
/// more of it apart than they need.
#[derive(Clone)]
pub struct TriggerParam(Form);

#[derive(Clone)]
enum Form {
    Whole(Arc<Params>),
    Text(Text),
}

/// A JSON object whose names are none of secrets.
#[derive(Clone)]
struct Text {
    json: String,
    /// Its keys, in order. Of one that is there twice, the last one counts.
    entries: Vec<Entry>,
    whole: OnceLock<Arc<Params>>,
}

#[derive(Clone)]
struct Entry {
    key: String,
    /// Where the value begins and ends in the text.
    place: (usize, usize),
    value: OnceLock<Value>,
}

impl TriggerParam {
    /// What this JSON object holds, and what stands above it: of keys that both have, those of `above` count.
    ///
    /// # Errors
    /// When it is not JSON, or no object.
    pub fn from_json(json: &str, above: Params) -> Result<Self, serde_json::Error> {
        if let Some(entries) = entries(json).filter(|_| json.len() <= LONGEST)
            && Mask::new().hides_nothing_in(&above)
        {
            let mut text = Text { json: json.trim_ascii_end().to_owned(), entries, whole: OnceLock::new() };
            text.put(above)?;
            return Ok(Self(Form::Text(text)));
        }
        let mut params: Params = serde_json::from_str(json)?;
        params.extend(above);
        Ok(Self::from(params))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.0 {
            Form::Whole(params) => params.get(key),
            Form::Text(text) => text.get(key),
        }
    }

    /// As [`crate::param::lookup`].
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<&Value> {
        match &self.0 {
            Form::Whole(params) => lookup(params, path),
            Form::Text(text) => {
                let (key, rest) = path.split_once('/').map_or((path, None), |(key, rest)| (key, Some(rest)));
                rest.map_or(text.get(key), |rest| within(text.get(key)?, rest))
            }
        }
    }

    /// The whole of it.
    #[must_use]
    pub fn params(&self) -> &Arc<Params> {
        match &self.0 {
            Form::Whole(params) => params,
            // It was read when it came in, so it can be read now.
            Form::Text(text) => {
                text.whole.get_or_init(|| serde_json::from_str(&text.json).unwrap_or_default())
            }
        }
    }

    /// It as JSON, as it came where that can be had.
    #[must_use]
    pub fn json(&self) -> Cow<'_, str> {
        match &self.0 {
            // Texts, numbers, lists and maps: never fails.
            Form::Whole(params) => {
                Cow::Owned(serde_json::to_string(params).unwrap_or_else(|_| "{}".to_owned()))
            }
            Form::Text(text) => Cow::Borrowed(&text.json),
        }
    }

    /// Whether this mask hides nothing in it. It is not taken apart where its text alone shows that.
    #[must_use]
    pub fn is_open_to(&self, mask: &Mask) -> bool {
        match &self.0 {
            Form::Text(text) if !mask.may_hide_in(&text.json) => true,
            _ => mask.hides_nothing_in(self.params()),
        }
    }

    /// As a map of one's own.
    #[must_use]
    pub fn into_params(self) -> Params {
        let whole = self.params().clone();
        drop(self);
        Arc::unwrap_or_clone(whole)
    }
}

impl Text {
    fn get(&self, key: &str) -> Option<&Value> {
        if let Some(whole) = self.whole.get() {
            return whole.get(key);
        }
        let entry = self.entries.iter().rev().find(|entry| entry.key == key)?;
        let (begin, end) = entry.place;
        // As for the whole.
        Some(entry.value.get_or_init(|| serde_json::from_str(&self.json[begin..end]).unwrap_or_default()))
    }

    /// Adds entries at the end of the text.
    fn put(&mut self, above: Params) -> Result<(), serde_json::Error> {
        for (key, value) in above {
            // The brace at the end.
            self.json.pop();
            if !self.entries.is_empty() {
                self.json.push(',');
            }
            self.json.push_str(&serde_json::to_string(&key)?);
            self.json.push(':');
            let begin = self.json.len();
            self.json.push_str(&serde_json::to_string(&value)?);
            self.entries.push(Entry { key, place: (begin, self.json.len()), value: OnceLock::from(value) });
            self.json.push('}');
        }
        Ok(())
    }
}

impl Deref for TriggerParam {
    type Target = Params;

    fn deref(&self) -> &Params {
        self.params()
    }
}

impl From<Params> for TriggerParam {
    fn from(params: Params) -> Self {
        Self::from(Arc::new(params))
    }
}

impl From<Arc<Params>> for TriggerParam {
    fn from(params: Arc<Params>) -> Self {
        Self(Form::Whole(params))
    }
}

impl Default for TriggerParam {
    fn default() -> Self {
        Self::from(Params::new())
    }
}

impl PartialEq for TriggerParam {
    fn eq(&self, other: &Self) -> bool {
        self.params() == other.params()
    }
}

impl fmt::Debug for TriggerParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.params().fmt(f)
    }
}

/// The keys and where their values are. `None`: it has to be taken apart at once, because it cannot be, because a name is one
/// of a secret, or because it is too odd to know where the values are.
fn entries(json: &str) -> Option<Vec<Entry>> {
    if json.contains('$') && json.contains(PRIVATE) {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let keys = reader.deserialize_map(Keys).ok()?;
    reader.end().ok()?;
    let place = |key: &str| {
        let begin = key.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
        Some((begin, begin + key.len())).filter(|(_, end)| *end <= json.len())
    };
    let mut entries = Vec::with_capacity(keys.len() + 4);
    for (n, key) in keys.iter().enumerate() {
        // Behind its quotation mark a colon, and before the next key's a comma; behind the last value a brace.
        let begin = place(key)?.1 + 1;
        let (end, mark) = match keys.get(n + 1) {
            Some(next) => (place(next)?.0 - 1, ','),
            None => (json.len(), '}'),
        };
        let value = json.get(begin..end)?.trim_start().strip_prefix(':')?;
        let value = value.trim_end().strip_suffix(mark)?.trim();
        let begin = value.as_ptr().addr() - json.as_ptr().addr();
        let place = (begin, begin + value.len());
        entries.push(Entry { key: (*key).to_owned(), place, value: OnceLock::new() });
    }
    Some(entries)
}

/// Reads an object and gives its keys, where they can be lent.
struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Vec<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::with_capacity(16);
        while let Some(key) = map.next_key_seed(Key)? {
            keys.push(key);
            map.next_value_seed(Any)?;
        }
        Ok(keys)
    }
}

/// A name of no secret, in the text itself: one with escapes has to be written elsewhere.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<&'de str, E> {
        if is_secret_name(key) { Err(E::custom("the name of a secret")) } else { Ok(key) }
    }
}

/// Any value, read like a [`Value`] and not kept.
struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Any)?.is_some() {}
        Ok(())
    }

    /// Numbers that fit no 64 bits come as maps as well, and are texts in there.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Key)?.is_some() {
            map.next_value_seed(Any)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<TriggerParam, String> {
        TriggerParam::from_json(json, Params::new()).map_err(|error| error.to_string())
    }

    fn is_text(param: &TriggerParam) -> bool {
        matches!(param.0, Form::Text(_))
    }

    /// What is read at once is the measure of everything.
    fn agrees(json: &str) {
        let whole = serde_json::from_str::<Params>(json).map_err(|error| error.to_string());
        let Ok(whole) = whole else { return assert_eq!(read(json).err(), whole.err(), "{json}") };
        let param = read(json).unwrap();
        for key in whole.keys().map(String::as_str).chain(["", "not there"]) {
            assert_eq!(param.get(key), whole.get(key), "{key} in {json}");
        }
        assert_eq!(serde_json::from_str::<Params>(&param.json()).unwrap(), whole, "{json}");
        assert_eq!(*param, whole, "{json}");
        assert_eq!(param.get("not there"), None);
        assert_eq!(param.into_params(), whole, "{json}");
    }

    #[test]
    fn texts_stay_texts_where_they_can() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(LONGEST));
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        let (deep, deeper) = (nested(126), nested(127));
        for (json, text) in [
            ("{}", true),
            (" {\n} \n", true),
            (r#"{"a":1}"#, true),
            (
                "\t{ \"a\" :\r\n [1, 2.50, -0, 1E400, 123456789012345678901234567890] , \"b\":{\"c\":null} }\n",
                true,
            ),
            (r#"{"a":"},{\",:","b":":","c":",","d":"}"}"#, true),
            (r#"{"a":1,"b":2,"a":{"c":3}}"#, true),
            (r#"{"a":"\u00e4\n\ud83e\udd80","":"ä🦀"}"#, true),
            ("{\"a\u{a0}\":\"\u{a0}\"}", true),
            (r#"{"$a":"$serde"}"#, true),
            (deep.as_str(), true),
            // Too deep, for both.
            (deeper.as_str(), false),
            // A key with escapes has no place of its own.
            (r#"{"\u0061":1}"#, false),
            (r#"{"a":{"\u0061":1}}"#, false),
            // Secrets are hidden in what was taken apart.
            (r#"{"token":1}"#, false),
            (r#"{"a":[{"Api-Key":1}]}"#, false),
            // What serde_json makes a number of.
            (r#"{"a":{"$serde_json::private::Number":"5"}}"#, false),
            (r#"{"a":{"$serde_json::private::Number":"x"}}"#, false),
            (&long, false),
            (r#"{"a":"\ud83e"}"#, false),
            ("{\"a\":\"\u{1}\"}", false),
            ("[1]", false),
            ("", false),
            (r#"{"a":1"#, false),
            (r#"{"a":1}}"#, false),
            (r#"{"a":01}"#, false),
        ] {
            assert_eq!(read(json).is_ok_and(|param| is_text(&param)), text, "{json}");
            agrees(json);
        }
    }

    #[test]
    fn paths_lead_into_what_is_not_taken_apart() {
        let param = read(r#"{"a":{"b":[{"c":5}]},"s":"t","a/b":1}"#).unwrap();
        for (path, found) in [
            ("a/b/0/c", Some("5")),
            ("s", Some("\"t\"")),
            ("a/x", None),
            ("x/y", None),
            ("s/0", None),
            ("", None),
        ] {
            assert_eq!(param.lookup(path).map(ToString::to_string).as_deref(), found, "{path}");
            assert_eq!(lookup(&param, path).map(ToString::to_string).as_deref(), found, "{path}");
        }
    }

    #[test]
    fn what_stands_above_counts() {
        let above = json!({"a": [1], "n\"": null});
        let secret = json!({"q": {"token": "x"}});
        for (json, above, expected, text) in [
            ("{}", &above, r#"{"a":[1],"n\"":null}"#, true),
            (" { } ", &above, r#"{"a":[1],"n\"":null}"#, true),
            (r#"{"b":2,"a":{"x":1},"c":3}"#, &above, r#"{"b":2,"a":[1],"c":3,"n\"":null}"#, true),
            (r#"{"b":2}"#, &secret, r#"{"b":2,"q":{"token":"x"}}"#, false),
            (r#"{"token":2}"#, &above, r#"{"token":2,"a":[1],"n\"":null}"#, false),
        ] {
            let above = above.as_object().unwrap().clone();
            let param = TriggerParam::from_json(json, above.clone()).unwrap();
            assert_eq!(is_text(&param), text, "{json}");
            for (key, value) in &above {
                assert_eq!(param.get(key), Some(value), "{key} in {json}");
            }
            assert_eq!(serde_json::to_string(param.params()).unwrap(), expected);
            agrees(&param.json());
        }
    }

    #[test]
    fn a_text_shows_that_nothing_in_it_is_hidden() {
        for (secret, json, shown) in [
            ("hunter22", r#"{"a":"nothing","b":[1,null]}"#, true),
            ("hunter22", r#"{"a":"hunter22"}"#, false),
            // As Go writes it, with no letter of the secret's.
            ("hunter22", r#"{"a":"\u003cme@example.com\u003e \u0026 \n \" \/"}"#, true),
            ("hunter22", r#"{"a":"\u0075"}"#, false),
            ("hunter22", r#"{"a":"\ud83e\udd80"}"#, false),
            ("hunter22", r#"{"a":"\\u"}"#, false),
            ("a/b\"c", r#"{"a":"\n"}"#, false),
            ("a/b\"c", r#"{"a":"n"}"#, true),
        ] {
            let mut mask = Mask::new();
            mask.add(secret);
            assert_eq!(!mask.may_hide_in(json), shown, "{secret} in {json}");
        }
    }

    #[test]
    fn masks_see_what_they_hide() {
        let mut mask = Mask::new();
        ["hunter22", "abc", "4242", "a/b\"c", "1e+5"].into_iter().for_each(|secret| mask.add(secret));
        for (json, open) in [
            (r#"{"a":"nothing","b":[1,null]}"#, true),
            (r#"{"a":"abcd"}"#, true),
            (r#"{"a":"abc"}"#, false),
            (r#"{"a":"x hunter22 y"}"#, false),
            (r#"{"hunter22":1}"#, false),
            (r#"{"a":"\u0068unter22"}"#, false),
            (r#"{"a":"\u0068unter23"}"#, true),
            (r#"{"a":4242}"#, false),
            (r#"{"a":"a\/b\"c"}"#, false),
            (r#"{"a":"\n"}"#, true),
            (r#"{"a":1E5}"#, false),
            (r#"{"token":null}"#, true),
            (r#"{"token":1}"#, false),
        ] {
            let param = read(json).unwrap();
            assert_eq!(param.is_open_to(&mask), open, "{json}");
            assert_eq!(mask.hides_nothing_in(&param), open, "{json}");
            assert!(!is_text(&param) || param.is_open_to(&Mask::new()), "{json}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let name = prop_oneof!["[a-z_/$\":,{}\\\\]{0,8}", Just("token".to_owned()), any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            name.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_as_if_it_were_taken_apart(value in any_value(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            agrees(&json.unwrap());
        }

        #[test]
        fn damaged_text_is_judged_alike(
            value in any_value(),
            at: prop::sample::Index,
            put in "[\\[\\]{}\",:\\\\u0-9eE+ .-]{0,3}",
            drop in 0_usize..3,
        ) {
            let mut json: Vec<char> = json!({"a": value, "b": 1}).to_string().chars().collect();
            let begin = at.index(json.len());
            let end = (begin + drop).min(json.len());
            json.splice(begin..end, put.chars());
            agrees(&json.into_iter().collect::<String>());
        }

        #[test]
        fn nothing_that_a_mask_hides_is_open(value in any_value(), secret in "[a-z0-9/\"\\\\e+]{1,4}") {
            let mut mask = Mask::new();
            mask.add(&secret);
            let param = read(&json!({"a": value}).to_string()).unwrap();
            prop_assert_eq!(param.is_open_to(&mask), mask.hides_nothing_in(&param));
        }
    }
}
