//! The job or event that somebody means: by its id, by a part of it, or as the latest.

use herald_store::history::{FoundId, IdKind, IdPart, SHORTEST_PART, WantedId};

/// What an id is of, as messages say it.
#[must_use]
pub fn word(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Job => "job",
        IdKind::Event => "event",
    }
}

/// What is meant; nothing where no id has such a part.
#[must_use]
pub fn wanted(text: &str) -> Option<WantedId> {
    match text.split_once(':') {
        None if text == "last" => Some(WantedId::Latest { router: None }),
        Some(("last", router)) => Some(WantedId::Latest { router: Some(router.to_owned()) }),
        _ => IdPart::parse(text).map(WantedId::Part),
    }
}

/// The id of which a part was given.
#[must_use]
pub fn candidate(found: &FoundId) -> String {
    found.job.as_ref().unwrap_or(&found.id).to_string()
}

/// Nothing is known under this id.
#[must_use]
pub fn unknown(what: &str, id: &str) -> String {
    let help = if id.len() < SHORTEST_PART {
        format!("a part of an id has {SHORTEST_PART} characters or more")
    } else {
        "it may be older than the history that is kept".to_owned()
    };
    format!("there is no {what} \"{id}\"; {help}")
}

/// Several are known under it.
#[must_use]
pub fn ambiguous(what: &str, part: &str) -> String {
    format!("the {what} \"{part}\" is ambiguous; write more of its id")
}
