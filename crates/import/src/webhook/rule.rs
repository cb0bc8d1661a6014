//! Rules of webhook as conditions.
//!
//! A rule there gives true or false and perhaps an error: a value that is missing, a signature that is wrong, or a
//! rule that cannot be evaluated. Errors end an `and`; an `or` goes on after a missing value, and after a wrong
//! signature only with `trigger-signature-soft-failures`; `not` turns the verdict around and keeps the error; a hook
//! runs on true, unless a signature was wrong or a rule could not be evaluated. All of it is followed here, so that the
//! same requests are let through; a rule that can never be evaluated lets none through, also where the original would
//! not come to it.

use serde_json::{Map, Number, Value};

use super::formula::Formula;
use super::formula::Formula::Known;
use super::reference::{RequestReference, RequestUsage};
use super::shape::UnreadablePart;
use crate::escape::cel_text;
use crate::go_regex;
use crate::original::OriginalValue;
use crate::value_checks::ValueChecks;

/// Reads the rules of one hook.
pub(super) struct RuleReader<'a> {
    pub(super) usage: &'a mut RequestUsage,
    /// A wrong signature does not end an `or`.
    pub(super) soft: bool,
    /// Values that the expression compares with, for `select_param`.
    pub(super) secrets: Vec<(String, String)>,
    /// Further strings that it uses, for `select_param`.
    pub(super) texts: Map<String, Value>,
    /// The rule that the trigger itself checks, by its place.
    pub(super) checked_by_trigger: Option<*const Value>,
    pub(super) checks: &'a dyn ValueChecks,
    /// Whether an odd number of `not`s is around the rule that is read.
    pub(super) negated: bool,
}

/// What a rule gives.
struct RuleConditions {
    holds: Formula,
    /// It looks at something that is missing.
    missing: Formula,
    /// A signature is wrong.
    unsigned: Formula,
    /// It cannot be evaluated.
    broken: Formula,
    /// It may hold although something is wrong, as what `not` turns around does.
    turned: bool,
}

impl RuleConditions {
    fn plain(holds: Formula) -> Self {
        Self { holds, missing: Known(false), unsigned: Known(false), broken: Known(false), turned: false }
    }

    /// It holds, and nothing is missing or wrong.
    fn in_order(&self) -> Formula {
        if self.turned { self.unless_it_fails().and(self.missing.clone().not()) } else { self.holds.clone() }
    }

    /// It holds, and nothing is wrong.
    fn unless_it_fails(&self) -> Formula {
        self.unless(self.fails())
    }

    fn unless(&self, wrong: Formula) -> Formula {
        if self.turned { self.holds.clone().and(wrong.not()) } else { self.holds.clone() }
    }

    fn fails(&self) -> Formula {
        self.unsigned.clone().or(self.broken.clone())
    }
}

/// Follows the reason why a rule cannot be evaluated.
const NEVER: &str = ": the original answers with an error; here neither this rule nor the `and`, `or` or `not` around it lets a request in";
const MATCH: [&str; 6] = ["type", "regex", "secret", "value", "parameter", "ip-range"];

impl RuleReader<'_> {
    /// The condition under which a hook runs.
    pub(super) fn condition(&mut self, rule: &OriginalValue<'_>) -> Formula {
        if let Some(UnreadablePart { at, expected }) = UnreadablePart::of(rule) {
            at.error(format!(
                "expected {expected}: the original does not read a file with this rule; here the hook rejects every request"
            ));
            return Known(false);
        }
        self.rule(rule).unless_it_fails()
    }

    fn rule(&mut self, rule: &OriginalValue<'_>) -> RuleConditions {
        rule.only(&["and", "or", "not", "match"]);
        let kinds = ["and", "or", "not", "match"];
        let mut given = kinds.iter().filter_map(|kind| Some((*kind, rule.get(kind)?)));
        let Some((kind, inner)) = given.next() else {
            rule.omit("an empty rule is never satisfied, as in the original");
            return RuleConditions::plain(Known(false));
        };
        for (other, item) in given {
            item.omit(format!("`{other}` beside `{kind}`; the original ignores it as well"));
        }
        match kind {
            "and" => self.and(&rule.list_at("and")),
            "or" => self.or(&rule.list_at("or")),
            "not" => {
                self.negated = !self.negated;
                let verdict = self.rule(&inner);
                self.negated = !self.negated;
                RuleConditions { holds: verdict.holds.not(), turned: true, ..verdict }
            }
            _ => self.matching(&inner),
        }
    }

    fn and(&mut self, rules: &[OriginalValue<'_>]) -> RuleConditions {
        let mut verdict = RuleConditions::plain(Known(true));
        for rule in rules {
            let next = self.rule(rule);
            let so_far = verdict.holds;
            verdict.missing = verdict.missing.or(so_far.clone().and(next.missing.clone()));
            verdict.unsigned = verdict.unsigned.or(so_far.clone().and(next.unsigned.clone()));
            verdict.broken = verdict.broken.or(so_far.clone().and(next.broken.clone()));
            verdict.holds = so_far.and(next.in_order());
        }
        verdict
    }

    fn or(&mut self, rules: &[OriginalValue<'_>]) -> RuleConditions {
        let mut verdict = RuleConditions::plain(Known(false));
        // What it takes to come to the next one at all.
        let mut reached = Known(true);
        for rule in rules {
            let next = self.rule(rule);
            let unsigned = if self.soft { Known(false) } else { next.unsigned.clone() };
            let here = verdict.holds.clone().not().and(reached.clone());
            verdict.unsigned = verdict.unsigned.or(here.clone().and(unsigned.clone()));
            verdict.broken = verdict.broken.or(here.and(next.broken.clone()));
            let ends = unsigned.or(next.broken.clone());
            verdict.holds = verdict.holds.or(reached.clone().and(next.unless(ends.clone())));
            reached = reached.and(ends.not());
        }
        verdict
    }

    fn matching(&mut self, rule: &OriginalValue<'_>) -> RuleConditions {
        if self.checked_by_trigger == Some(std::ptr::from_ref(rule.value)) {
            return RuleConditions::plain(Known(true));
        }
        rule.only(&MATCH);
        let kind = rule.text_at("type").unwrap_or_default();
        match kind.as_str() {
            "ip-whitelist" => return self.addresses(rule),
            "scalr-signature" => return self.scalr(rule),
            _ => {}
        }
        let parameter = rule.get("parameter");
        let argument = match parameter.as_ref().map(RequestReference::read) {
            Some(Ok(argument)) => argument,
            Some(Err(why)) => return Self::never(rule, &why.to_string()),
            None => return Self::never(rule, "`parameter` is missing"),
        };
        if argument.is_beyond_rules(self.usage) {
            return Self::never(rule, "rules cannot evaluate the entire payload or all headers");
        }
        if let (Some(difference), Some(at)) = (argument.difference(), &parameter) {
            at.omit(difference);
        }
        let (there, text) = argument.in_cel(self.usage);
        let missing = there.clone().not();
        if missing == Known(true) {
            return missing_only(missing);
        }
        match kind.as_str() {
            "value" => {
                let value = rule.text_at("value").unwrap_or_default();
                note_number(rule, &value);
                // What is missing reads `null`.
                let there = if value == "null" { there } else { Known(true) };
                // An empty text would be taken for a secret that was forgotten.
                let is_secret = argument.is_secret() && !value.is_empty();
                let value = if is_secret { self.secret(value) } else { cel_text(&value) };
                let holds = there.and(Formula::Equal(text, value, true));
                RuleConditions { holds, ..missing_only(missing) }
            }
            "regex" => {
                let pattern = match go_regex::from_go(&rule.text_at("regex").unwrap_or_default()) {
                    Ok(pattern) => pattern,
                    Err(why) => return Self::never(rule, &why.to_string()),
                };
                let holds = there.and(Formula::Holds(format!("{text}.matches({})", cel_text(&pattern))));
                RuleConditions { holds, ..missing_only(missing) }
            }
            other => match algorithm(other) {
                Some(algorithm) => self.signature(rule, algorithm, there, &text),
                None => {
                    rule.omit(format!(
                        "unknown type `{other}`: the rule is never satisfied, as in the original"
                    ));
                    missing_only(missing)
                }
            },
        }
    }

    fn signature(
        &mut self,
        rule: &OriginalValue<'_>,
        algorithm: &str,
        there: Formula,
        text: &str,
    ) -> RuleConditions {
        let secret = rule.text_at("secret").unwrap_or_default();
        if secret.is_empty() {
            return Self::never(rule, "the secret is missing");
        }
        self.usage.body = true;
        let secret = self.secret(secret);
        let body = "trigger_param._request.body";
        let holds = Formula::Holds(format!("hmac_matches(\"{algorithm}\", {secret}, {body}, {text})"));
        let unsigned = there.clone().and(holds.clone().not());
        RuleConditions { missing: there.not(), unsigned, ..RuleConditions::plain(holds) }
    }

    fn addresses(&mut self, rule: &OriginalValue<'_>) -> RuleConditions {
        let ranges = rule.text_at("ip-range").unwrap_or_default();
        let mut holds = Known(false);
        for range in ranges.split_whitespace() {
            let whole = match (range.contains('/'), range.contains(':')) {
                (true, _) => range.to_owned(),
                // The original takes the first 32 bits for the network. It is the smaller one that lets fewer in.
                (false, true) if !self.negated => format!("{range}/128"),
                (false, _) => format!("{range}/32"),
            };
            if self.checks.network(&whole).is_err() {
                rule.error(format!("`{range}` is not a valid address or network{NEVER}"));
                // The original does not look at those behind it.
                return RuleConditions { broken: holds.clone().not(), ..RuleConditions::plain(holds) };
            }
            let address = "trigger_param._request.remote_address";
            holds = holds.or(Formula::Holds(format!("in_cidr({address}, {})", cel_text(&whole))));
        }
        RuleConditions::plain(holds)
    }

    /// Signed over the body and the header Date, which must be of the last five minutes.
    fn scalr(&mut self, rule: &OriginalValue<'_>) -> RuleConditions {
        let secret = rule.text_at("secret").unwrap_or_default();
        if secret.is_empty() {
            return Self::never(rule, "the secret is missing");
        }
        self.usage.body = true;
        self.usage.headers.extend(["x-signature".to_owned(), "date".to_owned()]);
        let secret = self.secret(secret);
        let headers = "trigger_param._request.headers";
        let there =
            |name: &str| Formula::Equal(format!("at({headers}, \"{name}\")"), "null".to_owned(), false);
        let date = format!("text(at({headers}, \"date\"))");
        let data = format!("trigger_param._request.body + {date}");
        let signature = format!("text(at({headers}, \"x-signature\"))");
        let signed = Formula::Holds(format!("hmac_matches(\"sha1\", {secret}, {data}, {signature})"));
        // `Fri 08 Sep 2017 11:24:32 UTC` becomes a date of RFC 2822.
        let text = format!("text(at({headers}, 'date'))");
        let rfc = format!("{{{{ {text}[:3] }}}},{{{{ {text}[3:]|replace(' UTC', ' +0000') }}}}");
        self.texts.insert("date".to_owned(), Value::from(rfc));
        let age = "seconds_since(select_param.date)";
        let known = Formula::Equal(age.to_owned(), "null".to_owned(), false);
        let young = |bound: &str| Formula::Holds(format!("({age} {bound})"));
        let there = there("x-signature").and(there("date"));
        let in_time = young("<= 300.0").and(young(">= -300.0"));
        let unsigned = signed.clone().not().or(known.clone().and(in_time.clone().not()));
        let broken = there.clone().and(signed.clone()).and(known.clone().not());
        let holds = there.clone().and(signed).and(known).and(in_time);
        RuleConditions { unsigned: there.and(unsigned), broken, ..RuleConditions::plain(holds) }
    }

    /// A rule with which the original answers every request with an error.
    fn never(rule: &OriginalValue<'_>, why: &str) -> RuleConditions {
        rule.error(format!("{why}{NEVER}"));
        RuleConditions { broken: Known(true), ..RuleConditions::plain(Known(false)) }
    }

    /// The path under which the expression finds this secret.
    fn secret(&mut self, secret: String) -> String {
        let known = self.secrets.iter().find(|(_, known)| *known == secret).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let count = self.secrets.len();
            let name = if count == 0 { "secret".to_owned() } else { format!("secret_{}", count + 1) };
            self.secrets.push((name.clone(), secret));
            name
        });
        format!("select_param.{name}")
    }
}

/// Notes a value of the payload that is compared with a number that is written in another way here.
fn note_number(rule: &OriginalValue<'_>, value: &str) {
    let source = rule.get("parameter").and_then(|parameter| parameter.text_at("source"));
    if source.is_some_and(|source| source == "payload") && is_written_otherwise(value) {
        rule.omit(format!(
            "a number that the payload has as `{value}` is written in another way here, so that this rule matches a string \
             alone"
        ));
    }
}

/// Whether a number in JSON does not keep this text: one with an exponent, or a zero that is negative.
fn is_written_otherwise(value: &str) -> bool {
    let number = serde_json::from_str::<Number>(value);
    value == "-0" || number.is_ok_and(|number| number.as_str() != value)
}

fn missing_only(missing: Formula) -> RuleConditions {
    RuleConditions { missing, ..RuleConditions::plain(Known(false)) }
}

/// The algorithm of a type of rule that checks a signature.
pub(super) fn algorithm(kind: &str) -> Option<&'static str> {
    match kind {
        "payload-hmac-sha1" | "payload-hash-sha1" => Some("sha1"),
        "payload-hmac-sha256" | "payload-hash-sha256" => Some("sha256"),
        "payload-hmac-sha512" | "payload-hash-sha512" => Some("sha512"),
        _ => None,
    }
}
