//! Events of a plugin's triggers as JSON, with their keys and positions. Positions are in lowercase hexadecimal, which
//! keeps their order.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::abi::{MAX_KEY, MAX_POSITION, MAX_SOURCE};
use super::message;
use crate::event::activation::{Key, NewEvent};
use crate::event::position::{Cursor, Position};
use crate::value::param::Params;

/// How long a key is remembered for which no window is given.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Why an event, or a position, was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EventMessageError {
    /// It cannot be read.
    #[error("not JSON of the shape that herald_plugin.h describes: {0}")]
    Json(#[from] serde_json::Error),
    /// Part of it is longer than allowed.
    #[error("`{field}` has {length} bytes, and at most {most} are allowed")]
    TooLong {
        /// Which part.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The longest that is allowed.
        most: usize,
    },
    /// The position is not hexadecimal.
    #[error("`position` is not in lowercase hexadecimal, two digits a byte")]
    Hexadecimal,
    /// One of two fields that need each other is missing.
    #[error("`source` and `position` must be given together")]
    HalfCursor,
}

#[derive(Serialize)]
struct EventOut<'a> {
    params: &'a Params,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_ms: Option<u64>,
    #[serde(flatten)]
    cursor: Option<CursorMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
}

#[derive(Deserialize)]
struct EventIn {
    params: Params,
    key: Option<String>,
    window_ms: Option<u64>,
    source: Option<String>,
    position: Option<String>,
    due: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct CursorMessage {
    source: String,
    position: String,
}

impl CursorMessage {
    fn of(cursor: &Cursor) -> Self {
        Self { source: cursor.source.to_string(), position: hexadecimal(&cursor.position) }
    }

    fn cursor(self) -> Result<Cursor, EventMessageError> {
        limit("source", &self.source, MAX_SOURCE)?;
        Ok(Cursor { source: self.source.into(), position: read_position(&self.position)? })
    }
}

/// An event as JSON. Its trigger and its watch stay here; its key goes without the name of the trigger in front, which
/// the other side puts there.
#[must_use]
pub fn event_json(event: &NewEvent) -> Vec<u8> {
    let key = event.key.as_ref();
    let own = |name| str::strip_prefix(name, &*event.trigger).and_then(|rest| rest.strip_prefix(':'));
    message::json(&EventOut {
        params: &event.trigger_param,
        key: key.map(|key| own(&key.name).unwrap_or(&key.name)),
        window_ms: key.map(|key| u64::try_from(key.window.as_millis()).unwrap_or(u64::MAX)),
        cursor: event.cursor.as_ref().map(CursorMessage::of),
        due: event.due,
    })
}

/// An event from JSON, of no trigger yet.
///
/// # Errors
/// When it is not one, or too long.
pub fn read_event(bytes: &[u8]) -> Result<NewEvent, EventMessageError> {
    let EventIn { params, key, window_ms, source, position, due } = serde_json::from_slice(bytes)?;
    let cursor = match (source, position) {
        (Some(source), Some(position)) => Some(CursorMessage { source, position }.cursor()?),
        (None, None) => None,
        _ => return Err(EventMessageError::HalfCursor),
    };
    if let Some(key) = &key {
        limit("key", key, MAX_KEY)?;
    }
    let window = window_ms.map_or(DEFAULT_WINDOW, Duration::from_millis);
    let key = key.map(|name| Key { name: name.into(), window });
    Ok(NewEvent { key, cursor, due, ..NewEvent::new("".into(), params) })
}

/// A source and its position as JSON.
#[must_use]
pub fn cursor_json(cursor: &Cursor) -> Vec<u8> {
    message::json(&CursorMessage::of(cursor))
}

/// A source and its position from JSON.
///
/// # Errors
/// When it is not one, or too long.
pub fn read_cursor(bytes: &[u8]) -> Result<Cursor, EventMessageError> {
    serde_json::from_slice::<CursorMessage>(bytes)?.cursor()
}

/// A position in hexadecimal.
#[must_use]
pub fn hexadecimal(position: &Position) -> String {
    let bytes = position.as_bytes();
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A position from hexadecimal.
///
/// # Errors
/// When it is not one, or too long.
pub fn read_position(text: &str) -> Result<Position, EventMessageError> {
    if text.len() / 2 > MAX_POSITION {
        let length = text.len() / 2;
        return Err(EventMessageError::TooLong { field: "position", length, most: MAX_POSITION });
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.filter(|_| rest.is_empty()).map(Position::from_bytes).ok_or(EventMessageError::Hexadecimal)
}

fn limit(field: &'static str, text: &str, most: usize) -> Result<(), EventMessageError> {
    let length = text.len();
    if length > most { Err(EventMessageError::TooLong { field, length, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_cross_whole() {
        let Some(params) = json!({"n": 1}).as_object().cloned() else { unreachable!() };
        let plain = NewEvent::new("t".into(), params.clone());
        assert_eq!(event_json(&plain), br#"{"params":{"n":1}}"#);
        let event = NewEvent {
            key: Some(Key { name: "t:a:b".into(), window: Duration::from_secs(60) }),
            cursor: Some(Cursor { source: "t hooks".into(), position: Position::of_integer(258) }),
            due: Some(Timestamp::UNIX_EPOCH),
            ..plain
        };
        let sent: serde_json::Value = serde_json::from_slice(&event_json(&event)).unwrap();
        assert_eq!(
            sent,
            json!({"params": {"n": 1}, "key": "a:b", "window_ms": 60_000, "source": "t hooks",
                   "position": "0000000000000102", "due": "1970-01-01T00:00:00Z"})
        );
        let read = read_event(&event_json(&event)).unwrap();
        let key = Some(Key { name: "a:b".into(), window: Duration::from_secs(60) });
        assert_eq!((read.key, read.cursor.clone(), read.due), (key, event.cursor.clone(), event.due));
        assert_eq!((read.trigger_param, &*read.trigger), (params.into(), ""));
        let cursor = event.cursor.unwrap();
        assert_eq!(read_cursor(&cursor_json(&cursor)).unwrap(), cursor);
        let window = read_event(br#"{"params": {}, "key": "k"}"#).unwrap().key.unwrap().window;
        assert_eq!(window, DEFAULT_WINDOW);
    }

    #[test]
    fn what_is_not_an_event_is_rejected() {
        let long = "x".repeat(1025);
        for (event, said) in [
            (json!([]), "not JSON of the shape"),
            (json!({"n": 1}), "missing field `params`"),
            (json!({"params": []}), "not JSON of the shape"),
            (json!({"params": {}, "window_ms": -1}), "not JSON of the shape"),
            (json!({"params": {}, "source": "s"}), "`source` and `position` must be given together"),
            (json!({"params": {}, "position": "00"}), "`source` and `position` must be given together"),
            (json!({"params": {}, "source": "s", "position": "0"}), "`position` is not in lowercase"),
            (json!({"params": {}, "source": "s", "position": "0G"}), "`position` is not in lowercase"),
            (json!({"params": {}, "source": "s", "position": "éé"}), "`position` is not in lowercase"),
            (json!({"params": {}, "source": long, "position": ""}), "`source` has 1025 bytes"),
            (json!({"params": {}, "key": long}), "`key` has 1025 bytes, and at most 1024"),
            (json!({"params": {}, "source": "s", "position": "00".repeat(1025)}), "`position` has 1025"),
        ] {
            let error = read_event(event.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{event}: {error}");
        }
        assert!(read_event(b"{").is_err() && read_cursor(b"{}").is_err());
    }

    #[test]
    fn hexadecimal_keeps_the_order() {
        let positions = [&b""[..], b"\0", b"\0\xff", b"\x01", b"1700-0", b"\xff", b"\xff\0"];
        let positions = positions.map(|bytes| Position::from_bytes(bytes.to_vec()));
        let texts: Vec<String> = positions.iter().map(hexadecimal).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (position, text) in positions.iter().zip(&texts) {
            assert_eq!(read_position(text).unwrap(), *position);
        }
    }
}
