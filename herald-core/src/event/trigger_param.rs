//! The parameters of an event, parsed only as far as they are read.
//!
//! Most events match no router: a push to a branch that no router waits for, say. All that is needed of such a one is
//! its text, for the journal, and the value that the selector compares. So a JSON object that came as text stays one,
//! as long as it is of moderate size and plain. It was validated once, from end to end, by the same rules: what
//! [`serde_json`] would not accept is rejected at once.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use herald_base::depth;
use serde::de::Deserializer as _;
use serde_json::Value;

use super::object_text::{Count, KeysVisitor};
use crate::value::param::{Params, lookup, rough_size, within};
use crate::value::secret::Mask;

/// Shorter ones are taken apart at once: that is soon done, and what goes with a text would be larger than its values.
const SHORTEST: usize = 512;
/// What stays a text: of at most so many bytes, and not too many keys and values. To take more apart takes a while,
/// which is better spent where it came in than where everybody waits.
const LONGEST: usize = 64 << 10;
/// And with so many keys of its own, among which they are looked for one by one.
const MOST_KEYS: usize = 64;
/// For a value whose text is longer, the whole is taken apart: nothing large is there twice.
const SMALL: usize = 512;
/// To free values that take more than so many bytes takes a while as well: they can be a million numbers.
const LARGE: usize = 2 << 20;
/// Room in the text for what is added to it.
const MORE: usize = 1 << 10;
/// Objects of which [`serde_json`] makes something else (a number, say) have keys that begin with this.
const PRIVATE: &str = "$serde_json::";

/// A JSON object: the parameters that a trigger gives an event. It reads like [`Params`]; [`Self::get`] and
/// [`Self::lookup`] parse no more of it than they need.
#[derive(Clone)]
pub struct TriggerParam {
    form: Form,
    /// What it takes in memory, roughly, once that was asked.
    size: OnceLock<usize>,
    /// How deep it is nested, once that was asked.
    depth: OnceLock<usize>,
    /// Its text, where that was prepared and none of its names is one of a secret.
    json: OnceLock<Option<Arc<str>>>,
}

#[derive(Clone)]
enum Form {
    Whole(Arc<Params>),
    ObjectText(ObjectText),
}

/// A JSON object whose names are none of secrets, and its own keys each another one.
#[derive(Clone)]
struct ObjectText {
    json: String,
    entries: Vec<TextEntry>,
    /// What it takes in memory, taken apart or not, roughly.
    size: usize,
    whole: OnceLock<Arc<Params>>,
}

#[derive(Clone)]
struct TextEntry {
    key: String,
    /// Where the value begins and ends in the text.
    place: Range<usize>,
    value: OnceLock<Value>,
}

impl TriggerParam {
    /// What this JSON object holds, and `above`: of keys that both have, those of `above` count.
    ///
    /// # Errors
    /// When it is not JSON, or no object.
    pub fn from_json(json: &str, above: Params) -> Result<Self, serde_json::Error> {
        if let Some(text) = ObjectText::read(json, &above) {
            return Ok(Self::of(Form::ObjectText(text)));
        }
        let mut params: Params = serde_json::from_str(json)?;
        params.extend(above);
        Ok(Self::from(params))
    }

    fn of(form: Form) -> Self {
        Self { form, size: OnceLock::new(), depth: OnceLock::new(), json: OnceLock::new() }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.form {
            Form::Whole(params) => params.get(key),
            Form::ObjectText(text) => text.get(key),
        }
    }

    /// As [`crate::param::lookup`].
    #[must_use]
    pub fn lookup(&self, path: &str) -> Option<&Value> {
        match &self.form {
            Form::Whole(params) => lookup(params, path),
            Form::ObjectText(text) => {
                let (key, rest) = path.split_once('/').map_or((path, None), |(key, rest)| (key, Some(rest)));
                rest.map_or(text.get(key), |rest| within(text.get(key)?, rest))
            }
        }
    }

    /// The whole of it.
    #[must_use]
    pub fn params(&self) -> &Arc<Params> {
        match &self.form {
            Form::Whole(params) => params,
            Form::ObjectText(text) => text.whole(),
        }
    }

    /// Works out beforehand what the dispatcher and the journal, which serve all events, would ask of a large one.
    /// Takes a while; to be called where that holds up nobody else.
    pub fn prepare(&self) {
        let _ = self.depth();
        let Form::Whole(params) = &self.form else { return };
        let plain = || Mask::new().hides_nothing_in(params).then(|| serde_json::to_string(&**params).ok());
        let json = self.json.get_or_init(|| plain().flatten().map(Arc::from));
        self.size.get_or_init(|| rough_size(params) + json.as_ref().map_or(0, |json| json.len()));
    }

    /// It as JSON, unless this mask hides something in it. It is not parsed where the text alone shows that; and what
    /// of the text does not count (of a duplicate key, the first value) is in the result only then.
    #[must_use]
    pub fn open_json(&self, mask: &Mask) -> Option<Cow<'_, str>> {
        match &self.form {
            Form::ObjectText(text) if !mask.may_hide_in(&text.json) => Some(Cow::Borrowed(&text.json)),
            _ if self
                .json
                .get()
                .is_some_and(|json| json.as_ref().is_some_and(|json| !mask.may_hide_in(json))) =>
            {
                self.json.get()?.as_deref().map(Cow::Borrowed)
            }
            // Texts, numbers, lists and maps: never fails.
            _ if mask.hides_nothing_in(self.params()) => serde_json::to_string(&**self).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// This mask, and the values under secret names in here: templates may have put them elsewhere, too.
    #[must_use]
    pub fn with_secrets(&self, mask: &Mask) -> Mask {
        match &self.form {
            Form::Whole(params) => mask.with_secrets_of(params),
            Form::ObjectText(_) => mask.clone(),
        }
    }

    /// How deep lists and maps are nested in it: at least 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        match &self.form {
            Form::Whole(params) => *self.depth.get_or_init(|| depth::of_params(params)),
            Form::ObjectText(text) => *self.depth.get_or_init(|| depth::of_json(text.json.as_bytes())),
        }
    }

    /// What it takes in memory, roughly, once it is taken apart.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.form {
            // Of a large event it takes a while, and the dispatcher asks for it more than once.
            Form::Whole(params) => *self.size.get_or_init(|| rough_size(params)),
            Form::ObjectText(text) => text.size,
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

impl TriggerParam {
    /// What would take a while to free, where nobody else holds it.
    fn take_large(&mut self) -> Option<Arc<Params>> {
        let is_large = self.size.get().is_some_and(|size| *size > LARGE);
        let Form::Whole(params) = &mut self.form else { return None };
        (is_large && Arc::get_mut(params).is_some()).then(|| std::mem::take(params))
    }
}

impl Drop for TriggerParam {
    /// The last one to hold something large does not free it where all events are served. Where there is no thread for
    /// it, it is freed here.
    fn drop(&mut self) {
        if let Some(params) = self.take_large() {
            let _ = std::thread::Builder::new().name("herald-free".to_owned()).spawn(move || drop(params));
        }
    }
}

impl ObjectText {
    /// `None`: it has to be parsed at once. Because it is not valid, because a name in it is one of a secret, because
    /// it is large, or too unusual to know where its values are.
    fn read(json: &str, above: &Params) -> Option<Self> {
        // As JSON has white space.
        let json = json.trim_matches([' ', '\t', '\r', '\n']);
        let odd = || json.contains('$') && json.contains(PRIVATE);
        if !(SHORTEST..=LONGEST).contains(&json.len()) || odd() || !Mask::new().hides_nothing_in(above) {
            return None;
        }
        let mut count = Count::default();
        let mut reader = serde_json::Deserializer::from_str(json);
        let keys = reader.deserialize_map(KeysVisitor(&mut count)).ok()?;
        reader.end().ok()?;
        let mut text = Self {
            json: String::with_capacity(json.len() + if above.is_empty() { 0 } else { MORE }),
            entries: Vec::with_capacity(keys.len() + above.len()),
            size: count.size + rough_size(above),
            whole: OnceLock::new(),
        };
        text.json.push_str(json);
        let begin = |key: &str| key.as_ptr().addr().checked_sub(json.as_ptr().addr());
        let keys = keys.into_iter().map(|key| Some((key, begin(key)?)));
        text.find(&keys.collect::<Option<Vec<_>>>()?)?;
        text.put(above)?;
        text.size += text.json.capacity() + text.entries.len() * size_of::<TextEntry>();
        (text.json.len() <= LONGEST).then_some(text)
    }

    /// Finds the values of its keys, which are given with where they begin in the text.
    fn find(&mut self, keys: &[(&str, usize)]) -> Option<()> {
        for (n, (key, begin)) in keys.iter().enumerate() {
            // Behind its quotation mark a colon, and before the next key's a comma; behind the last value a brace.
            let (end, mark) = match keys.get(n + 1) {
                Some((_, next)) => (next - 1, ','),
                None => (self.json.len(), '}'),
            };
            let rest = self.json.get(begin + key.len() + 1..end)?;
            let value = rest.trim_start().strip_prefix(':')?.trim_start();
            let begin = end - value.len();
            let value = value.trim_end().strip_suffix(mark)?.trim_end();
            self.add((*key).to_owned(), begin..begin + value.len(), OnceLock::new())?;
        }
        Some(())
    }

    /// Adds entries at the end of the text.
    fn put(&mut self, above: &Params) -> Option<()> {
        for (key, value) in above {
            // The brace at the end.
            self.json.pop();
            if !self.entries.is_empty() {
                self.json.push(',');
            }
            self.json.push_str(&serde_json::to_string(key).ok()?);
            self.json.push(':');
            let begin = self.json.len();
            self.json.push_str(&serde_json::to_string(value).ok()?);
            self.add(key.clone(), begin..self.json.len(), OnceLock::from(value.clone()))?;
            self.json.push('}');
        }
        Some(())
    }

    /// `None`: there are too many, or the key is there already.
    fn add(&mut self, key: String, place: Range<usize>, value: OnceLock<Value>) -> Option<()> {
        if self.entries.len() == MOST_KEYS || self.entries.iter().any(|entry| entry.key == key) {
            return None;
        }
        self.entries.push(TextEntry { key, place, value });
        Some(())
    }

    fn get(&self, key: &str) -> Option<&Value> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let Range { start: begin, end } = entry.place;
        if entry.value.get().is_none() && (self.whole.get().is_some() || end - begin > SMALL) {
            return self.whole().get(key);
        }
        // As for the whole.
        Some(entry.value.get_or_init(|| serde_json::from_str(&self.json[begin..end]).unwrap_or_default()))
    }

    /// It was read when it came in, so it can be read now.
    fn whole(&self) -> &Arc<Params> {
        self.whole.get_or_init(|| serde_json::from_str(&self.json).unwrap_or_default())
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
        Self::of(Form::Whole(params))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(json: &str) -> Result<TriggerParam, String> {
        TriggerParam::from_json(json, Params::new()).map_err(|error| error.to_string())
    }

    /// The same with white space in it, long enough to stay a text.
    fn stretched(json: &str) -> String {
        match json.find('{') {
            Some(at) => format!("{}{{{}{}", &json[..at], " ".repeat(SHORTEST), &json[at + 1..]),
            None => json.to_owned(),
        }
    }

    fn is_text(param: &TriggerParam) -> bool {
        matches!(param.form, Form::ObjectText(_))
    }

    /// What is read at once is the measure of everything.
    fn agrees(json: &str) {
        let whole = serde_json::from_str::<Params>(json).map_err(|error| error.to_string());
        let Ok(whole) = whole else { return assert_eq!(read(json).err(), whole.err(), "{json}") };
        let param = read(json).unwrap();
        for key in whole.keys().map(String::as_str).chain(["", "not there"]) {
            assert_eq!(param.get(key), whole.get(key), "{key} in {json}");
        }
        let open = param.open_json(&Mask::new()).map(|open| serde_json::from_str::<Params>(&open).unwrap());
        assert_eq!(open, Mask::new().hides_nothing_in(&whole).then(|| whole.clone()), "{json}");
        assert!(param.size() >= rough_size(&whole), "{json}");
        assert_eq!(*param, whole, "{json}");
        assert_eq!(param.get("not there"), None);
        assert_eq!(param.into_params(), whole, "{json}");
    }

    #[test]
    fn what_is_prepared_is_what_would_be_worked_out() {
        let mut mask = Mask::new();
        mask.add("hunter2222");
        let many: Vec<u32> = (0..3000).collect();
        for (value, open) in [
            (json!({"a": many, "b": "plain"}), true),
            (json!({"a": many, "b": "has hunter2222 in it"}), false),
            (json!({"a": many, "password": "plain"}), false),
        ] {
            let text = value.to_string();
            let [given, prepared] = [(); 2].map(|()| TriggerParam::from_json(&text, Params::new()).unwrap());
            prepared.prepare();
            assert_eq!(prepared.open_json(&mask), given.open_json(&mask));
            assert_eq!(prepared.open_json(&mask).is_some(), open, "{open}");
            assert!(prepared.size() >= given.size());
            assert_eq!(prepared, given);
        }
    }

    #[test]
    fn texts_stay_texts_where_they_can() {
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(LONGEST));
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        let (deep, deeper) = (nested(126), nested(127));
        let broad: Params = (0..=MOST_KEYS).map(|n| (n.to_string(), Value::Null)).collect();
        let (broad, full) = (
            Value::Object(broad).to_string(),
            json!({"a": vec![0; crate::event::object_text::MOST_NODES]}).to_string(),
        );
        for (json, text) in [
            ("{}", true),
            (" {\n} \n", true),
            (r#"{"a":1}"#, true),
            (
                "\t{ \"a\" :\r\n [1, 2.50, -0, 1E400, 123456789012345678901234567890] , \"b\":{\"c\":null} }\n",
                true,
            ),
            (r#"{"a":"},{\",:","b":":","c":",","d":"}"}"#, true),
            (r#"{"a":{"b":1,"b":2}}"#, true),
            (r#"{"a":1,"b":2,"a":{"c":3}}"#, false),
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
            (&broad, false),
            (&full, false),
            (r#"{"a":"\ud83e"}"#, false),
            ("{\"a\":\"\u{1}\"}", false),
            ("[1]", false),
            ("", false),
            (r#"{"a":1"#, false),
            (r#"{"a":1}}"#, false),
            (r#"{"a":01}"#, false),
        ] {
            assert!(!read(json).is_ok_and(|param| is_text(&param)) || json.len() >= SHORTEST, "{json}");
            agrees(json);
            let json = &stretched(json);
            assert_eq!(read(json).is_ok_and(|param| is_text(&param)), text, "{json}");
            agrees(json);
        }
    }

    #[test]
    fn paths_lead_into_what_is_not_taken_apart() {
        let param = read(&stretched(r#"{"a":{"b":[{"c":5}]},"s":"t","a/b":1}"#)).unwrap();
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
            (r#"{"b":2,"a":{"x":1},"c":3}"#, &above, r#"{"b":2,"a":[1],"c":3,"n\"":null}"#, false),
            (r#"{"b":2}"#, &secret, r#"{"b":2,"q":{"token":"x"}}"#, false),
            (r#"{"token":2}"#, &above, r#"{"token":2,"a":[1],"n\"":null}"#, false),
        ] {
            let above = above.as_object().unwrap().clone();
            let param = TriggerParam::from_json(&stretched(json), above.clone()).unwrap();
            assert_eq!(is_text(&param), text, "{json}");
            for (key, value) in &above {
                assert_eq!(param.get(key), Some(value), "{key} in {json}");
            }
            assert_eq!(serde_json::to_string(param.params()).unwrap(), expected);
            assert_eq!(param.open_json(&Mask::new()).is_some(), !expected.contains("token"), "{json}");
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
            // What does not count is not reported either.
            (r#"{"a":"hunter22","a":"x"}"#, true),
            (r#"{"a":{"b":"hunter22","b":"x"}}"#, true),
            (r#"{"token":null}"#, true),
            (r#"{"token":1}"#, false),
        ] {
            let param = read(&stretched(json)).unwrap();
            let told = param.open_json(&mask);
            assert_eq!(told.is_some(), open, "{json}");
            assert_eq!(mask.hides_nothing_in(&param), open, "{json}");
            assert!(told.is_none_or(|told| !told.contains("hunter22") && !told.contains("1E5")), "{json}");
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

    #[test]
    fn the_last_one_to_hold_something_large_frees_it_elsewhere() {
        let many = |count: usize, is_prepared: bool| {
            let param = read(&json!({"a": vec![1; count]}).to_string()).unwrap();
            if is_prepared {
                param.prepare();
            }
            param
        };
        assert!(many(10, true).take_large().is_none() && many(100_000, false).take_large().is_none());
        let mut last = many(100_000, true);
        let (other, kept) = (last.clone(), last.params().clone());
        assert!(last.take_large().is_none(), "others hold it");
        drop(other);
        assert!(last.take_large().is_none(), "another one holds it");
        drop(kept);
        assert_eq!(last.take_large().unwrap()["a"][99_999], 1);
        drop(last);
        // As the daemon does it.
        drop(many(100_000, true));
    }

    proptest! {
        #[test]
        fn reads_as_if_it_were_taken_apart(value in any_value(), pretty: bool) {
            let json = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let json = json.unwrap();
            agrees(&json);
            agrees(&stretched(&json));
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
            agrees(&stretched(&json.into_iter().collect::<String>()));
        }

        #[test]
        fn nothing_that_a_mask_hides_is_open(value in any_value(), secret in "[a-z0-9/\"\\\\e+]{1,4}") {
            let mut mask = Mask::new();
            mask.add(&secret);
            let param = read(&stretched(&json!({"a": value}).to_string())).unwrap();
            let told = param.open_json(&mask).map(|told| serde_json::from_str::<Params>(&told).unwrap());
            prop_assert_eq!(told, mask.hides_nothing_in(&param).then(|| param.params().as_ref().clone()));
        }
    }
}
