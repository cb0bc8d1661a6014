//! The fields of a cron line: what classic cron allows, in sentences that name the field and the value that is
//! wrong. What passes is handed on in numbers, so that the computation needs no names.

use jiff::civil::Date;

use crate::cron_error::CronError;

/// One field's bounds and names.
struct FieldKind {
    name: &'static str,
    least: u32,
    most: u32,
    /// The names of `names_from`, `names_from + 1`, …
    names: &'static [&'static str],
    names_from: u32,
}

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const KINDS: [FieldKind; 6] = [
    FieldKind { name: "second", least: 0, most: 59, names: &[], names_from: 0 },
    FieldKind { name: "minute", least: 0, most: 59, names: &[], names_from: 0 },
    FieldKind { name: "hour", least: 0, most: 23, names: &[], names_from: 0 },
    FieldKind { name: "day of month", least: 1, most: 31, names: &[], names_from: 0 },
    FieldKind { name: "month", least: 1, most: 12, names: &MONTHS, names_from: 1 },
    FieldKind { name: "day of week", least: 0, most: 7, names: &WEEKDAYS, names_from: 0 },
];
const SUNDAY_AGAIN: u32 = 7;

/// One field that was read.
pub(crate) struct Field {
    /// The same field in numbers.
    pub(crate) text: String,
    /// Whether it begins with `*`, which classic cron takes as "not restricted", steps or not.
    pub(crate) star: bool,
    /// Bit n is set when the value n matches.
    pub(crate) values: u64,
}

/// All fields of a line.
pub(crate) struct Fields {
    pub(crate) second: Field,
    pub(crate) minute: Field,
    pub(crate) hour: Field,
    pub(crate) day: Field,
    pub(crate) month: Field,
    pub(crate) weekday: Field,
}

/// What the fields of a line name: bit n is set where n does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldValues {
    pub(crate) second: u64,
    pub(crate) minute: u64,
    pub(crate) hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    both_days: bool,
}

impl FieldValues {
    /// Whether the line names this day.
    pub(crate) fn has_day(&self, date: Date) -> bool {
        let has = |values: u64, value: i8| values & (1 << value) != 0;
        let day = has(self.day, date.day());
        let weekday = has(self.weekday, date.weekday().to_sunday_zero_offset());
        has(self.month, date.month()) && if self.both_days { day && weekday } else { day || weekday }
    }
}

impl Fields {
    /// What they name.
    pub(crate) fn values(&self) -> FieldValues {
        FieldValues {
            second: self.second.values,
            minute: self.minute.values,
            hour: self.hour.values,
            day: self.day.values,
            month: self.month.values,
            weekday: self.weekday.values,
            both_days: self.both_days(),
        }
    }

    /// Reads five fields, or six with a leading one for seconds.
    pub(crate) fn read(line: &str, with_seconds: bool) -> Result<Self, CronError> {
        let mut texts: Vec<&str> = line.split_whitespace().collect();
        let wanted = if with_seconds { 6 } else { 5 };
        if let Some(wrong) = spaced_list(&texts) {
            return Err(CronError::new(wrong));
        }
        if texts.len() != wanted {
            return Err(CronError::new(wrong_count(texts.len(), with_seconds)));
        }
        if !with_seconds {
            texts.insert(0, "0");
        }
        let mut fields = KINDS.iter().zip(texts).map(|(kind, text)| kind.read(text));
        let mut next = || fields.next().unwrap_or_else(|| Err(CronError::new("a field is missing")));
        Ok(Self {
            second: next()?,
            minute: next()?,
            hour: next()?,
            day: next()?,
            month: next()?,
            weekday: next()?,
        })
    }

    /// The line in numbers, seconds first.
    pub(crate) fn line(&self) -> String {
        [&self.second, &self.minute, &self.hour, &self.day, &self.month, &self.weekday]
            .map(|field| field.text.as_str())
            .join(" ")
    }

    /// As in Vixie cron: when both day fields are restricted a day that either names will do; when one of them
    /// begins with `*` a day has to please both.
    pub(crate) fn both_days(&self) -> bool {
        self.day.star || self.weekday.star
    }

    /// Whether there is a day that the line names. 30 February is none; 29 February is one.
    pub(crate) fn has_a_day(&self) -> bool {
        const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let first_day = self.day.values.trailing_zeros();
        let some_date = (1..=12_u32)
            .zip(LENGTHS)
            .any(|(month, length)| self.month.values & (1 << month) != 0 && first_day <= length);
        some_date || !self.both_days()
    }
}

/// What is wrong with a list that has a space in it: its rest reads as the next field.
fn spaced_list(texts: &[&str]) -> Option<String> {
    let is_rest = |text: &str| text.starts_with(|c: char| c == ',' || c.is_ascii_alphanumeric());
    let is_split =
        |first: &str, second: &str| first.ends_with(',') && is_rest(second) || second.starts_with(',');
    let at = texts.windows(2).position(|pair| is_split(pair[0], pair[1]))?;
    let (first, second) = (texts.get(at)?, texts.get(at + 1)?);
    Some(format!("a list has no spaces in it; write `{first}{second}` instead of `{first} {second}`"))
}

fn wrong_count(found: usize, with_seconds: bool) -> String {
    let wanted = if with_seconds {
        "six fields (second minute hour day-of-month month day-of-week)"
    } else {
        "five fields (minute hour day-of-month month day-of-week)"
    };
    let hint = match (found, with_seconds) {
        (6, false) => "; set `with_seconds: true` for a leading seconds field",
        (5, true) => "; leave `with_seconds` out for a line without seconds",
        _ => "",
    };
    format!("a cron line has {wanted}, this one has {found}{hint}")
}

impl FieldKind {
    fn read(&self, text: &str) -> Result<Field, CronError> {
        let mut field = Field { text: String::new(), star: text.starts_with('*'), values: 0 };
        let alone = !text.contains(',');
        for item in text.split(',') {
            let numbers = self.item(item, alone, &mut field.values).map_err(|error| {
                let place = if alone { String::new() } else { format!(", in `{text}`") };
                error.within(&format!("{} field{place}", self.name))
            })?;
            if !field.text.is_empty() {
                field.text.push(',');
            }
            field.text.push_str(&numbers);
        }
        Ok(field)
    }

    /// Reads one item of a list: adds its values and returns it in numbers.
    fn item(&self, item: &str, alone: bool, values: &mut u64) -> Result<String, CronError> {
        if item.is_empty() {
            return Err(CronError::new("an empty item in a list"));
        }
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let (from, to) = self.range(item, range, step.is_some())?;
        for value in (from..=to).step_by(step.unwrap_or(1)) {
            // Sunday has two numbers.
            let value = if self.most == SUNDAY_AGAIN && value == SUNDAY_AGAIN { 0 } else { value };
            *values |= 1 << value;
        }
        Ok(match (range, step) {
            ("*", None) if alone => "*".to_owned(),
            (_, Some(step)) => format!("{from}-{to}/{step}"),
            _ if from == to => from.to_string(),
            _ => format!("{from}-{to}"),
        })
    }

    fn step(&self, item: &str, step: &str) -> Result<usize, CronError> {
        match step.parse::<u16>() {
            Ok(0) => Err(CronError::new(format!("the step of `{item}` must be at least 1"))),
            Ok(number) if step.bytes().all(|b| b.is_ascii_digit()) => Ok(usize::from(number)),
            _ => Err(CronError::new(format!("the step of `{item}` is not a whole number"))),
        }
    }

    fn range(&self, item: &str, range: &str, stepped: bool) -> Result<(u32, u32), CronError> {
        if range == "*" {
            return Ok((self.least, self.most));
        }
        let Some((first, last)) = range.split_once('-') else {
            let from = self.value(item, range)?;
            // `5/15` begins at 5 and goes on to the end.
            return Ok((from, if stepped { self.most } else { from }));
        };
        let from = self.value(item, first)?;
        let mut to = self.value(item, last)?;
        if to == 0 && self.most == SUNDAY_AGAIN && from > 0 && !last.starts_with('0') {
            to = SUNDAY_AGAIN;
        }
        if from > to {
            return Err(CronError::new(format!(
                "the range `{range}` runs backwards; write two, with a comma"
            )));
        }
        Ok((from, to))
    }

    fn value(&self, item: &str, text: &str) -> Result<u32, CronError> {
        if let Some(place) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(self.names_from + u32::try_from(place).unwrap_or(0));
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CronError::new(self.no_value(item, text)));
        }
        match text.parse::<u32>() {
            Ok(number) if (self.least..=self.most).contains(&number) => Ok(number),
            _ => Err(CronError::new(format!("`{text}` is not between {} and {}", self.least, self.most))),
        }
    }

    fn no_value(&self, item: &str, text: &str) -> String {
        let quartz = text.is_empty() || text.contains(['L', 'W', '#', '?', 'l', 'w']);
        if let Some(near) =
            herald_base::near_miss::near_miss(&text.to_ascii_lowercase(), self.names.iter().copied())
        {
            return format!("`{text}` is neither a number nor a name; did you mean `{near}`?");
        }
        if quartz && item.contains(['L', 'W', '#', '?']) {
            return format!("`{item}`: `L`, `W`, `#` and `?` are not part of classic cron");
        }
        if self.names.is_empty() {
            format!("`{item}` is not a number, a range or a step")
        } else {
            let (first, last) = (self.names[0], self.names[self.names.len() - 1]);
            format!("`{item}` is not a number, a name ({first}…{last}), a range or a step")
        }
    }
}
