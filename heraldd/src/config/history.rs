//! The section `history`: how much of the past is kept.

use std::time::Duration;

use herald_core::problem::Path;
use herald_core::spec::{Description, OptionKind, OptionSpec};
use herald_core::unit;
use serde::Deserialize;

use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "history",
    holds: "how much of the past is kept",
    references: References::Nowhere,
    shape: Shape::Options(description),
};

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct HistorySettings {
    /// How long a job is kept after it was made.
    #[serde(deserialize_with = "unit::de_duration")]
    pub keep: Duration,
    /// How many jobs are kept.
    pub max_jobs: u64,
    /// How many bytes of the output of one attempt are kept.
    #[serde(deserialize_with = "unit::de_size")]
    pub log_limit: u64,
    /// How many bytes all logs together take; none: a share of the disk.
    #[serde(default, deserialize_with = "unit::de_optional_size")]
    pub logs: Option<u64>,
}

fn description() -> Description {
    let new = OptionSpec::new;
    Description::new("history", "How much of the past is kept. Jobs that have not ended are always kept.")
        .option(new("keep", OptionKind::Duration, "How long a job is kept after it was made.").default("30d"))
        .option(
            new("max_jobs", OptionKind::Integer { min: 1, max: 1_000_000_000 }, "How many jobs are kept.")
                .default(100_000),
        )
        .option(
            new(
                "log_limit",
                OptionKind::Size,
                "How much of what one attempt of a job writes is kept as its log; the rest is dropped, and marked.",
            )
            .default("16MiB"),
        )
        .option(new(
            "logs",
            OptionKind::Size,
            "How much the logs of all jobs take together. Past it, the oldest logs of ended jobs are removed; where that \
             is not enough, the output of running jobs is dropped, and marked. Default: 10 GiB, or a tenth of the file \
             system if that is less. However full the disk is, logs leave room for the journal.",
        ))
        .example("history: {keep: 30d}")
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<HistorySettings, Invalid> {
    let options = reading.section(&description())?;
    reading.parse(&options, &Path::top().key("history"))
}
