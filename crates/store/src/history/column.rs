//! Reads columns of the history.

use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::param::Params;
use rusqlite::Row;
use rusqlite::types::Type;

use crate::journal::packed::Packed;
use crate::journal::stored_actor::StoredActor;

/// A name in this column.
pub(super) fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    Ok(Name::from(row.get_ref(column)?.as_str()?))
}

/// An object in this column; an empty one where nothing is.
pub(super) fn object(row: &Row<'_>, column: usize) -> rusqlite::Result<Params> {
    let Some(packed) = row.get::<_, Option<Packed<'static>>>(column)? else { return Ok(Params::new()) };
    let text = packed.unpack().map_err(|damaged| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(damaged))
    })?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Who or what caused something, in this column.
pub(super) fn actor(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Actor>> {
    let json = row.get_ref(column)?.as_str_or_null()?;
    Ok(json.and_then(|json| serde_json::from_str::<StoredActor>(json).ok()).map(Actor::from))
}
