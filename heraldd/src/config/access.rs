//! The section `access`: who may use the control API over TCP, and as what.

use herald_access::AccessSettings;
use herald_access::options::{self, SectionOptions, description};
use herald_core::problem::{Path, Problem, kind_of};
use herald_core::spec::{Description, Options};
use serde_json::{Map, Value};

use herald_sections::{Invalid, References, Section, SectionReader, Shape};

pub(super) const SECTION: Section = Section {
    name: "access",
    holds: "who may use the control API over TCP, and as what: users with passwords, tokens, JWT, proxies",
    references: References::Some(options::resolve),
    shape: Shape::Options(description),
};

/// Reads the options for herald-access, which knows no sections.
struct AccessReader<'s, 'a, 'r>(&'s mut SectionReader<'a, 'r>);

impl SectionOptions for AccessReader<'_, '_, '_> {
    fn options(
        &mut self,
        description: &Description,
        given: &Map<String, Value>,
        at: &Path,
    ) -> Option<Options> {
        self.0.options(description, given, at).ok()
    }

    fn secret(&mut self, text: &str, at: &Path) {
        self.0.resolver.literal(text, at);
    }

    fn report(&mut self, problem: Problem) {
        self.0.problems.push(problem);
    }
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<AccessSettings, Invalid> {
    let at = Path::top().key("access");
    match reading.given("access") {
        None => Ok(AccessSettings::default()),
        Some(Value::Object(given)) => {
            let folder = reading.folders.of(&at.key("users"));
            options::read(given, &at, folder, &mut AccessReader(reading)).ok_or(Invalid)
        }
        Some(other) => {
            let message =
                format!("expected a map with users, token, jwt, proxy and may, found {}", kind_of(other));
            let help = "write  access: {users: /etc/heraldd/users}";
            Err(reading.wrong(Problem::error(at, message).help(help)))
        }
    }
}

/// Whether anybody could prove who it is by this section. What is wrong in it is reported with it.
pub(super) fn has_login(reading: &SectionReader<'_, '_>) -> bool {
    let given = |way: &Value| !way.is_null();
    let access = reading.given("access").and_then(Value::as_object);
    let has = |way: &str| access.and_then(|access| access.get(way)).is_some_and(given);
    let proxy = access.and_then(|access| access.get("proxy"));
    ["users", "token", "jwt"].into_iter().any(has)
        || proxy.and_then(|proxy| proxy.get("user")).is_some_and(given)
}
