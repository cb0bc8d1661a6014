//! The section `board`: tiles with values out of the results of jobs.

use herald_boards::section;
use herald_boards::settings::BoardSettings;
use herald_core::problem::Problem;
use herald_sections::{Invalid, NamedOptions, References, Section, SectionReader, Shape};
use serde_json::Value;

pub(super) const SECTION: Section = Section {
    name: "board",
    holds: "boards of the page: values out of the results of jobs, `NAME: {title: TEXT, tile: {NAME: {router: NAME, path: PATH, …}}}`",
    references: References::Nowhere,
    shape: Shape::Named(section::description),
};

/// What is said of the section.
const NAMED: NamedOptions = NamedOptions {
    section: "board",
    things: "boards",
    needs: "tile",
    example: "{tile: {NAME: {router: NAME, path: result/size}}}",
};

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Vec<BoardSettings>, Invalid> {
    reading.named(&NAMED, |reading, name, body, at| {
        let options = reading.options(&section::description(), body, at)?;
        Ok(BoardSettings::read(name, &options))
    })
}

/// What is wrong with the boards and the section `router` together.
pub(super) fn check(boards: Option<&[BoardSettings]>, routers: &Value, problems: &mut Vec<Problem>) {
    problems.extend(boards.into_iter().flat_map(|boards| section::problems(boards, routers)));
}
