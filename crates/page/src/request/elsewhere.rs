//! Addresses of the page that lead to others: what a screen shows as JSON, and names that people expect.

/// The screens of which the API has the same under the same name.
const WITH_JSON: [&str; 11] = [
    "apps",
    "audit",
    "boards",
    "calendar",
    "config",
    "events",
    "graph",
    "jobs",
    "nodes",
    "published",
    "queues",
];

/// Where a path leads, below the base of the page: `/jobs/ID.json` to `/v1/jobs/ID`, say. The query stays.
#[must_use]
pub fn elsewhere(path: &str) -> Option<String> {
    if let Some(rest) = path.strip_suffix(".json") {
        let mut steps = rest.trim_start_matches('/').split('/');
        let (list, id) = (steps.next().unwrap_or_default(), steps.next());
        // Names can have dots in them, ids have none.
        let is_known = match id {
            None => WITH_JSON.contains(&list) || list == "routers",
            Some(_) => matches!(list, "jobs" | "events") && steps.next().is_none(),
        };
        return match rest {
            "/" => Some("/v1/info".to_owned()),
            _ => is_known.then(|| format!("/v1{rest}")),
        };
    }
    match path {
        "/calendar.ics" => Some("/v1/calendar.ics".to_owned()),
        "/about" => Some("/config".to_owned()),
        _ => {
            let name =
                path.strip_prefix("/routers/").filter(|name| !name.is_empty() && !name.contains('/'))?;
            // What means something in a query, and nothing in a path.
            let name = name.replace('+', "%2B").replace('&', "%26");
            Some(format!("/routers?name={name}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_paths_lead() {
        for (path, leads) in [
            ("/jobs.json", Some("/v1/jobs")),
            ("/jobs/01ab.json", Some("/v1/jobs/01ab")),
            ("/routers.json", Some("/v1/routers")),
            ("/.json", Some("/v1/info")),
            ("/calendar.ics", Some("/v1/calendar.ics")),
            ("/routers/back%20up", Some("/routers?name=back%20up")),
            ("/routers/a+b&c", Some("/routers?name=a%2Bb%26c")),
            ("/about", Some("/config")),
            ("/published/data.json", None),
            ("/jobs/a/b.json", None),
            ("/v1/jobs.json", None),
            ("/unknown.json", None),
            ("/routers/", None),
            ("/routers/a/pause", None),
            ("/jobs", None),
        ] {
            assert_eq!(elsewhere(path).as_deref(), leads, "{path}");
        }
    }
}
