//! The section `board`: its options, and what is wrong with them.

use std::time::Duration;

use herald_base::near_miss::near_miss;
use herald_base::unit;
use herald_config::Params;
use herald_config::problem::{Path, Problem};
use herald_config::spec::{CheckError, Description, OptionKind, OptionSpec, Options};
use serde_json::Value;

use crate::number::TileNumber;
use crate::settings::{BoardSettings, FORMS, Thresholds, TileForm, TileSettings};

/// The most boards.
pub const MOST_BOARDS: usize = 32;
/// The most tiles of a board.
pub const MOST_TILES: usize = 24;
/// The longest title, and the longest unit, in characters.
const LONGEST: usize = 80;
const LONGEST_UNIT: usize = 16;
/// How far back tiles look unless it is said.
const SINCE: &str = "24h";

/// With what a path can begin.
const ROOTS: [&str; 19] = [
    "result",
    "job_param",
    "select_param",
    "trigger_param",
    "status",
    "success",
    "error",
    "attempt",
    "attempts",
    "queued_at",
    "started_at",
    "ended_at",
    "chain_depth",
    "router",
    "task",
    "trigger",
    "executor",
    "trigger_id",
    "job_id",
];
/// Those of them that are objects.
const OBJECTS: usize = 4;

const EXAMPLE: &str = "board:
  shop:
    title: Shop
    tile:
      orders: {router: count_orders, path: result/orders, unit: orders, warn: 100, alert: 50}
      disk: {router: check_disk, path: result/used, show: line, unit: '%', since: 7d, warn: 80, alert: 90}";

/// The options of a board.
#[must_use]
pub fn description() -> Description {
    Description::new(
        "board",
        "A board: values out of the results of jobs as tiles, on the screen `/boards/NAME` of the page.",
    )
    .option(
        OptionSpec::new("title", OptionKind::Text, "What it is called. Default: its name.")
            .check(check_title),
    )
    .option(
        OptionSpec::new(
            "tile",
            OptionKind::NamedFields(tile_options()),
            "Its tiles by name, in the order in which they are shown; at most 24.",
        )
        .required()
        .check(check_tiles),
    )
    .example(EXAMPLE)
}

fn tile_options() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let threshold = |name, doc| new(name, OptionKind::Any, doc).takes("number").check(check_number);
    vec![
        new("title", OptionKind::Text, "What it is called. Default: its name.").check(check_title),
        new("router", OptionKind::Text, "The router whose jobs have the values.").required(),
        new("task", OptionKind::Text, "Only jobs of this task. Default: of every task of the router."),
        new(
            "path",
            OptionKind::Text,
            "Where the value is in a job, as `exe_done` has it: `result/size`, `result/disks/0/used`, `status`.",
        )
        .required()
        .check(check_path),
        new(
            "show",
            OptionKind::OneOf(&FORMS),
            "`number`: the latest number and the one before. `line`: numbers over time. `table`: the rows of the latest list, \
             or the entries of the latest object. `text`: the latest text.",
        )
        .default("number"),
        new("unit", OptionKind::Text, "What is written behind the number, such as `GB`.").check(check_unit),
        new("since", OptionKind::Duration, "How far back a line goes, and a number looks for the one before.").default(SINCE),
        threshold("warn", "The number from which on it is a warning. Where `alert` is less than `warn`, low numbers are bad."),
        threshold("alert", "The number from which on it is an alarm: from there up, or down where it is less than `warn`."),
    ]
}

fn check_text(value: &Value, most: usize) -> Result<(), CheckError> {
    let text = value.as_str().unwrap_or_default();
    if text.trim().is_empty() || text.chars().count() > most || text.contains(char::is_control) {
        return Err(CheckError::new(format!("expected one line of 1 to {most} characters")));
    }
    Ok(())
}

fn check_title(value: &Value) -> Result<(), CheckError> {
    check_text(value, LONGEST)
}

fn check_unit(value: &Value) -> Result<(), CheckError> {
    check_text(value, LONGEST_UNIT)
}

fn check_number(value: &Value) -> Result<(), CheckError> {
    match value {
        Value::Number(_) => Ok(()),
        _ => Err(CheckError::new("expected a number").help("write it without quotes and without its unit")),
    }
}

fn check_tiles(tiles: &Value) -> Result<(), CheckError> {
    match tiles.as_object().map_or(0, Params::len) {
        0 => Err(CheckError::new("a board needs a tile")),
        count if count > MOST_TILES => {
            let help = "make another board of some of them";
            Err(CheckError::new(format!("{count} tiles are more than a board has, which is {MOST_TILES}"))
                .help(help))
        }
        _ => Ok(()),
    }
}

/// What is wrong with the path of a value.
///
/// # Errors
/// [`CheckError`]: it does not begin as the path of a value in a job does, or has an empty step.
pub fn check_value_path(path: &str) -> Result<(), CheckError> {
    let (root, rest) = path.split_once('/').map_or((path, None), |(root, rest)| (root, Some(rest)));
    let place = ROOTS.iter().position(|known| *known == root);
    let Some(place) = place else {
        let meant = near_miss(root, ROOTS).map_or_else(
            || format!("result/{path}"),
            |meant| rest.map_or_else(|| meant.to_owned(), |rest| format!("{meant}/{rest}")),
        );
        return Err(
            CheckError::new(format!("a job has no `{root}`")).help(format!("did you mean `{meant}`?"))
        );
    };
    match rest {
        Some(_) if place >= OBJECTS => Err(CheckError::new(format!("`{root}` of a job has no parts"))),
        Some(rest) if rest.split('/').any(str::is_empty) => {
            Err(CheckError::new("a step of the path is empty").help("write it as in  result/size"))
        }
        _ => Ok(()),
    }
}

fn check_path(value: &Value) -> Result<(), CheckError> {
    check_value_path(value.as_str().unwrap_or_default())
}

impl BoardSettings {
    /// Of options that are right.
    #[must_use]
    pub fn read(name: &str, options: &Options) -> Self {
        let tiles = options.0.get("tile").and_then(Value::as_object).into_iter().flatten();
        Self {
            name: name.to_owned(),
            title: text(&options.0, "title"),
            tiles: tiles.filter_map(|(name, tile)| Some(tile_of(name, tile.as_object()?))).collect(),
        }
    }
}

fn text(options: &Params, key: &str) -> Option<String> {
    options.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn tile_of(name: &str, options: &Params) -> TileSettings {
    let since = options.get("since").cloned().unwrap_or_else(|| Value::from(SINCE));
    let threshold = |key: &str| options.get(key).and_then(TileNumber::of);
    TileSettings {
        name: name.to_owned(),
        title: text(options, "title"),
        router: text(options, "router").unwrap_or_default(),
        task: text(options, "task"),
        path: text(options, "path").unwrap_or_default(),
        form: text(options, "show").and_then(|word| TileForm::parse(&word)).unwrap_or(TileForm::Number),
        unit: text(options, "unit"),
        since: unit::duration(&since).unwrap_or(Duration::from_secs(24 * 3600)),
        since_text: since.as_str().map_or_else(|| format!("{since}s"), str::to_owned),
        thresholds: Thresholds { warn: threshold("warn"), alert: threshold("alert") },
    }
}

/// What is wrong with the boards together: too many, or a tile of a router or a task that is not there. `routers` is
/// the section `router`.
#[must_use]
pub fn problems(boards: &[BoardSettings], routers: &Value) -> Vec<Problem> {
    let at = Path::top().key("board");
    let mut problems = Vec::new();
    if boards.len() > MOST_BOARDS {
        let message = format!("{} boards are too many: {MOST_BOARDS} at most", boards.len());
        problems.push(Problem::error(at.clone(), message));
    }
    let empty = Params::new();
    let routers = routers.as_object().unwrap_or(&empty);
    for board in boards {
        for tile in &board.tiles {
            let at = at.key(&board.name).key("tile").key(&tile.name);
            let Some(router) = routers.get(&tile.router) else {
                problems.push(no_such(at.key("router"), "router", &tile.router, routers));
                continue;
            };
            let tasks = router.get("task").and_then(Value::as_object).unwrap_or(&empty);
            if let Some(task) = tile.task.as_ref().filter(|task| !tasks.contains_key(*task)) {
                problems.push(no_such(at.key("task"), &format!("task of {}", tile.router), task, tasks));
            }
        }
    }
    problems
}

fn no_such(at: Path, what: &str, name: &str, known: &Params) -> Problem {
    let help = herald_base::near_miss::expected(name, known.keys().map(String::as_str));
    Problem::error(at, format!("there is no {what} \"{name}\"")).help(help)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is wrong with a board of this tile.
    fn wrong(tile: Value) -> Vec<String> {
        let given = json!({ "tile": { "t": tile } });
        let (options, problems) =
            description().check_map(given.as_object().unwrap(), &Path::top().key("board").key("b"));
        let routers = json!({"backup": {"task": {"dump": "sh"}}});
        let together = || super::problems(&[BoardSettings::read("b", &options)], &routers);
        let all = if problems.is_empty() { together() } else { problems };
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_with_tiles() {
        for (tile, says) in [
            (json!({"router": "backup", "path": "result/size"}), ""),
            (json!({"router": "backup", "task": "dump", "path": "status", "show": "text"}), ""),
            (json!({"router": "backup", "path": "result/a", "warn": 5, "alert": 0.5}), ""),
            (json!({"path": "result/a"}), "board.b.tile.t: the option `router` of `tile` is missing"),
            (
                json!({"router": "backups", "path": "result/a"}),
                "board.b.tile.t.router: there is no router \"backups\" (did you mean",
            ),
            (
                json!({"router": "backup", "task": "dmup", "path": "result/a"}),
                "board.b.tile.t.task: there is no task of backup \"dmup\" (did you mean",
            ),
            (json!({"router": "backup", "path": "size"}), "(did you mean `result/size`?)"),
            (json!({"router": "backup", "path": "resutl/size"}), "(did you mean `result/size`?)"),
            (json!({"router": "backup", "path": "status/x"}), "`status` of a job has no parts"),
            (json!({"router": "backup", "path": "result//x"}), "a step of the path is empty"),
            (json!({"router": "backup", "path": "result/x", "warn": "5"}), "expected a number"),
            (json!({"router": "backup", "path": "result/x", "show": "pie"}), "board.b.tile.t.show"),
            (json!({"router": "backup", "path": "result/x", "unit": "x".repeat(17)}), "1 to 16 characters"),
            (json!({"router": "backup", "path": "result/x", "titel": "x"}), "did you mean `title`?"),
            (json!({"router": "backup", "path": "result/x", "since": "soon"}), "board.b.tile.t.since"),
        ] {
            let found = wrong(tile.clone());
            match says {
                "" => assert_eq!(found, [""; 0], "{tile}"),
                says => assert!(found.first().is_some_and(|found| found.contains(says)), "{tile}: {found:?}"),
            }
        }
    }

    #[test]
    fn there_are_bounds() {
        let tile = json!({"router": "r", "path": "result"});
        for (count, good) in [(0, false), (1, true), (MOST_TILES, true), (MOST_TILES + 1, false)] {
            let tiles: Params = (0..count).map(|n| (format!("t{n}"), tile.clone())).collect();
            let given = json!({ "tile": tiles });
            let (_, problems) = description().check_map(given.as_object().unwrap(), &Path::top());
            assert_eq!(problems.is_empty(), good, "{count}: {problems:?}");
        }
        let board = BoardSettings { name: "b".to_owned(), title: None, tiles: Vec::new() };
        for (count, found) in [(MOST_BOARDS, 0), (MOST_BOARDS + 1, 1)] {
            assert_eq!(problems(&vec![board.clone(); count], &json!({})).len(), found);
        }
    }

    #[test]
    fn a_tile_is_read_with_its_defaults() {
        let given = json!({"title": "B", "tile": {
            "a": {"router": "r", "path": "result/x"},
            "b": {"router": "r", "path": "result", "show": "line", "since": "7d", "warn": 1},
        }});
        let (options, problems) = description().check_map(given.as_object().unwrap(), &Path::top());
        assert_eq!(problems, []);
        let board = BoardSettings::read("x", &options);
        assert_eq!((board.heading(), board.tiles.len()), ("B", 2));
        let [a, b] = board.tiles.as_slice() else { panic!("{board:?}") };
        assert_eq!((a.form, a.since.as_secs(), &*a.since_text), (TileForm::Number, 86_400, "24h"));
        assert_eq!((b.form, b.since.as_secs(), &*b.since_text), (TileForm::Line, 7 * 86_400, "7d"));
        assert!(a.thresholds.is_empty() && b.thresholds.warn.is_some());
    }
}
