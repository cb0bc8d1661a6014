//! The running configuration, and what is wrong with its file now.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use herald_access::Role;
use herald_control::model;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult};
use super::caller::ApiCaller;
use super::context::Api;
use super::given::Asked;
use super::json::Json;
use crate::config;
use crate::loading::{self, ConfigLoadError};
use crate::page::state::FoundProblems;

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 200;
const LARGEST_PAGE: usize = 1000;
/// About how many bytes of values a page has.
const PAGE_BYTES: usize = 4 << 20;
/// The most problems.
const PROBLEMS: usize = 100;

/// Loads the configuration, and starts nothing. Blocks.
fn check_file(path: &Path, node: Option<&str>) -> FoundProblems {
    let digest = config::read(path).ok().map(|source| source.digest());
    let found = |is_valid, problems: Vec<model::ConfigProblem>| {
        let count = problems.len() as u64;
        FoundProblems { is_valid, problems: problems.into_iter().take(PROBLEMS).collect(), count, digest }
    };
    match loading::load(path, node, None) {
        Ok(loaded) => found(true, loaded.config.warnings.iter().map(model::ConfigProblem::from).collect()),
        Err(ConfigLoadError::Places(problems)) => {
            found(false, problems.found().iter().map(model::ConfigProblem::from).collect())
        }
        Err(ConfigLoadError::Whole(message)) => {
            let (file, line, column, help) = (None, None, None, None);
            let severity = "error".to_owned();
            found(false, vec![model::ConfigProblem { severity, file, line, column, message, help }])
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConfigQuery {
    /// Only this section: `router`, say.
    #[param(max_length = 100)]
    section: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,9}$")]
    cursor: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 200.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// The running configuration with the lines of its files, and whether and how the files differ from it now
///
/// The files are checked every five seconds at most. What is wrong with them is for an admin to read; others see how
/// many problems there are.
#[utoipa::path(get, path = "/v1/config", tag = "configuration", params(ConfigQuery),
    responses((status = 200, description = "The configuration.", body = model::ConfigResource), CommonErrors))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<ConfigQuery>,
    Extension(caller): Extension<ApiCaller>,
) -> HandlerResult<Json<model::ConfigResource>> {
    let bad = |why: String| ErrorResponse::new(StatusCode::BAD_REQUEST, why);
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(bad(format!("limit: expected a number from 1 to {LARGEST_PAGE}")));
    }
    let from = query.cursor.map_or(Ok(0), |cursor| cursor.parse::<usize>());
    let from = from.map_err(|_| bad("cursor: expected the next_cursor of an earlier page".to_owned()))?;
    let (path, node) = (PathBuf::from(&api.config), api.page.node.clone());
    let check = move || check_file(&path, node.as_deref());
    let found = api.page.checked_config(check).await;
    let found = found.map_err(|error| ErrorResponse::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
    let written = api.view().written.clone();
    let is_admin = caller.caller.require(Role::Admin).is_ok();
    let (mut entries, mut next_cursor, mut bytes) = (Vec::new(), None, 0);
    let wanted = |section: &str| query.section.as_ref().is_none_or(|wanted| *wanted == *section);
    for (place, entry) in written.entries.iter().enumerate().skip(from) {
        let [section, name @ ..] = entry.path.as_slice() else { continue };
        if !wanted(section) {
            continue;
        }
        bytes += entry.json.len();
        if entries.len() >= limit || (bytes > PAGE_BYTES && !entries.is_empty()) {
            next_cursor = Some(place.to_string());
            break;
        }
        entries.push(model::ConfigEntry {
            section: section.clone(),
            name: name.first().cloned(),
            file: written.files.get(entry.file).cloned().unwrap_or_default(),
            line: entry.line as u64,
            // It was JSON before.
            value: serde_json::from_str(&entry.json).unwrap_or_default(),
        });
    }
    Ok(Json(model::ConfigResource {
        files: written.files.clone(),
        differs: found.digest != Some(written.digest),
        is_valid: found.is_valid,
        problem_count: found.count,
        problems: if is_admin { found.problems } else { Vec::new() },
        entries,
        next_cursor,
    }))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;

    use super::*;
    use crate::api::tests::{api, caller, send_as};

    #[tokio::test]
    async fn what_runs_comes_in_pages_and_problems_are_for_an_admin() {
        let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
        for (role, path, status, expected) in [
            (Role::Viewer, "/v1/config?section=router", 200, "r 1 0"),
            (Role::Admin, "/v1/config?section=router", 200, "r 1 1"),
            (Role::Viewer, "/v1/config?limit=1", 200, "r 1 0"),
            (Role::Viewer, "/v1/config?limit=1&cursor=1", 200, "b 1 0"),
            (Role::Viewer, "/v1/config?section=nothing", 200, " 1 0"),
            (Role::Viewer, "/v1/config?limit=0", 400, ""),
            (Role::Viewer, "/v1/config?cursor=x", 400, ""),
        ] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let (found, body) = send_as(&api, Some(caller(role).await), request).await;
            assert_eq!(found.as_u16(), status, "{path}: {body}");
            let Ok(config) = serde_json::from_str::<model::ConfigResource>(&body) else { continue };
            // Its file is gone.
            assert!(config.differs && !config.is_valid, "{body}");
            let names: Vec<&str> = config.entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
            let shown = format!("{} {} {}", names.join(","), config.problem_count, config.problems.len());
            assert_eq!(shown, expected, "{path} {role}: {body}");
        }
    }

    #[tokio::test]
    async fn why_a_reload_failed_is_for_an_admin() {
        let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
        let failed =
            model::FailedReload::new("2026-11-28T12:55:00Z".to_owned(), "/c.yml:3:4: no".into(), &[]);
        *api.failed_reload.write().unwrap() = Some(failed);
        for (role, error) in [
            (Role::Viewer, "an admin sees why"),
            (Role::Operator, "an admin sees why"),
            (Role::Admin, "/c.yml:3:4: no"),
        ] {
            let request = Request::get("/v1/info").body(Body::empty()).unwrap();
            let (_, body) = send_as(&api, Some(caller(role).await), request).await;
            let info: model::DaemonInfo = serde_json::from_str(&body).unwrap();
            assert_eq!(
                info.failed_reload.map(|failed| failed.error).as_deref(),
                Some(error),
                "{role}: {body}"
            );
        }
    }
}
