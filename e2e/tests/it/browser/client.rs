//! A browser that a test drives: Chromium by the WebDriver protocol, over a bare socket.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use e2e::http::{Message, exchange, free_port};
use e2e::place::Place;
use e2e::program::{Program, clean};
use e2e::wait::until_within;
use serde_json::{Value, json};

/// For everything that a person would wait for; generous, because the machine can be busy.
pub const WAIT: Duration = Duration::from_secs(30);
/// For one command of the driver: a script may look through a long document.
const COMMAND: Duration = Duration::from_secs(120);
const CHROMIUM: &str = "/usr/bin/chromium";
/// The keys that are not characters.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
const CONTROL: &str = "\u{e009}";
pub const ESCAPE: &str = "\u{e00c}";
pub const PAGE_DOWN: &str = "\u{e00f}";

/// What every start of the browser has in common, so that a screen looks the same on every machine.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--font-render-hinting=none",
    "--lang=en-US",
    "--window-size=1280,900",
    "--no-first-run",
];

/// A browser with one window; it ends when it is dropped.
pub struct Browser {
    driver: SocketAddr,
    session: String,
    /// The version that it says it has, as in `156.0.8078.108`.
    pub version: String,
    /// The folder of its profile; and its driver, which ends first.
    _driver: Program,
    _home: Place,
}

/// How a screen is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub is_dark: bool,
    pub width: u32,
}

/// Light and dark, on a wide screen and on a telephone.
pub const LOOKS: [Look; 4] = [
    Look { is_dark: false, width: 1280 },
    Look { is_dark: true, width: 1280 },
    Look { is_dark: false, width: 390 },
    Look { is_dark: true, width: 390 },
];

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        for (path, package) in [(CHROMIUM, "chromium"), ("/usr/bin/chromedriver", "chromium-driver")] {
            assert!(
                Path::new(path).exists(),
                "{path} is missing, with which the page is tested: as root, run  .ci/install test  or  \
                 apt-get install {package} fonts-dejavu-core"
            );
        }
        let home = Place::new();
        let mut command = Command::new("/usr/bin/chromedriver");
        clean(&mut command, &home.path(""));
        // With port 0 the driver takes one that is free with IPv6, and ends where it is not with IPv4.
        let port = format!("--port={}", free_port());
        command.env("TMPDIR", home.path("")).env("TZ", "UTC").env("LANG", "C.UTF-8").arg(port);
        let program = Program::start(&mut command);
        let marker = "started successfully on port ";
        let port = program
            .wait_pick(marker, |line| line.split_once(marker)?.1.trim_end_matches('.').parse::<u16>().ok());
        let driver = SocketAddr::from(([127, 0, 0, 1], port));
        let options = json!({"binary": CHROMIUM, "args": ARGUMENTS});
        let wanted = json!({"goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": options});
        let body = json!({"capabilities": {"alwaysMatch": wanted}});
        let started = command_of(driver, "POST", "/session", Some(&body))
            .unwrap_or_else(|error| panic!("the browser does not start: {error}\n{}", program.log()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            driver,
            session: text(&started["sessionId"]),
            version: text(&started["capabilities"]["browserVersion"]),
            _driver: program,
            _home: home,
        }
    }

    /// The number before the first point of its version.
    pub fn major_version(&self) -> &str {
        self.version.split('.').next().unwrap()
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, WebDriverError> {
        command_of(self.driver, method, &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&self, url: &str) {
        self.call("POST", "/url", Some(&json!({"url": url})));
    }

    /// The address that is shown.
    pub fn address(&self) -> String {
        self.call("GET", "/url", None).as_str().unwrap().to_owned()
    }

    /// Runs a script with these arguments; what it returns.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.call("POST", "/execute/sync", Some(&json!({"script": script, "args": arguments})))
    }

    /// Runs a script that ends with a call of its last argument.
    pub fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        self.call("POST", "/execute/async", Some(&json!({"script": script, "args": arguments})))
    }

    /// The value of an expression.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"), &[])
    }

    /// The text of the document, as it is seen.
    pub fn text(&self) -> String {
        self.value("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true; where the document is exchanged meanwhile, it is asked again.
    pub fn wait(&self, what: &str, expression: &str) {
        let script = json!({"script": format!("return Boolean({expression});"), "args": []});
        let started = std::time::Instant::now();
        let is_true =
            || self.try_call("POST", "/execute/sync", Some(&script)).ok() == Some(Value::Bool(true));
        until_within(WAIT + Duration::from_secs(10), what, || {
            if started.elapsed() > WAIT {
                panic!("not within {WAIT:?}: {what}; at {}:\n{}", self.address(), self.shown());
            }
            is_true().then_some(())
        });
    }

    /// Waits until the document holds this text.
    pub fn wait_text(&self, text: &str) {
        let text = Value::from(text);
        self.wait(&format!("the text {text}"), &format!("document.body.innerText.includes({text})"));
    }

    fn shown(&self) -> String {
        self.text().chars().take(3000).collect()
    }

    /// Clicks the first element that this selector finds, as a mouse does.
    pub fn click(&self, selector: &str) {
        let found = json!({"using": "css selector", "value": selector});
        let found = self.call("POST", "/element", Some(&found));
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.call("POST", &format!("/element/{id}/click"), Some(&json!({})));
    }

    /// Presses the tabulator until the focus is on what this selector finds.
    pub fn tab_to(&self, selector: &str) {
        let is_there = |_: &u32| {
            self.press(TAB);
            let focus = "return Boolean(document.activeElement?.matches(arguments[0]))";
            self.run(focus, &[selector.into()]) == true
        };
        assert!((1..100).any(|n| is_there(&n)), "the tabulator does not reach {selector}:\n{}", self.shown());
    }

    /// A command of Chromium's own protocol.
    pub fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.call("POST", "/goog/cdp/execute", Some(&json!({"cmd": command, "params": parameters})))
    }

    /// Presses these keys, one after the other, where the focus is.
    pub fn press(&self, keys: &str) {
        let key =
            |key: char| [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let actions: Vec<Value> = keys.chars().flat_map(key).collect();
        let source = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.call("POST", "/actions", Some(&json!({"actions": [source]})));
    }

    /// Presses a key while Ctrl is held down.
    pub fn press_with_control(&self, key: &str) {
        let action = |kind: &str, key: &str| json!({"type": kind, "value": key});
        let actions = [
            action("keyDown", CONTROL),
            action("keyDown", key),
            action("keyUp", key),
            action("keyUp", CONTROL),
        ];
        let source = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.call("POST", "/actions", Some(&json!({"actions": [source]})));
    }

    /// Shows the page with this look, from the next layout on.
    pub fn look(&self, look: Look) {
        let scheme = if look.is_dark { "dark" } else { "light" };
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.chromium("Emulation.setEmulatedMedia", json!({"features": features}));
        self.size(look.width, 900);
    }

    /// Shows the page with the colours of the system alone, on a wide screen.
    pub fn force_colors(&self) {
        let features = json!([{"name": "forced-colors", "value": "active"}]);
        self.chromium("Emulation.setEmulatedMedia", json!({"features": features}));
        self.size(1280, 900);
    }

    /// Makes the window so large, in CSS pixels.
    pub fn size(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chromium("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether scripts of pages run, from the next document on.
    pub fn allow_scripts(&self, allowed: bool) {
        self.chromium("Emulation.setScriptExecutionDisabled", json!({"value": !allowed}));
    }

    /// The window as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let text = self.call("GET", "/screenshot", None);
        base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
    }

    /// What the console got since the last call: errors of scripts, requests that failed, violations of the policy.
    pub fn console(&self) -> Vec<String> {
        let entries = self.call("POST", "/se/log", Some(&json!({"type": "browser"})));
        let text = |entry: &Value| format!("{}: {}", entry["level"], entry["message"]);
        entries.as_array().unwrap().iter().map(text).collect()
    }

    /// Opens another tab and goes to it; its handle.
    pub fn new_tab(&self) -> String {
        let tab = self.call("POST", "/window/new", Some(&json!({"type": "tab"})));
        let handle = tab["handle"].as_str().unwrap().to_owned();
        self.go_to_tab(&handle);
        handle
    }

    /// The handle of this tab.
    pub fn tab(&self) -> String {
        self.call("GET", "/window", None).as_str().unwrap().to_owned()
    }

    /// Goes to a tab.
    pub fn go_to_tab(&self, handle: &str) {
        self.call("POST", "/window", Some(&json!({"handle": handle})));
    }

    /// Goes into the first frame of the document.
    pub fn go_to_frame(&self) {
        self.call("POST", "/frame", Some(&json!({"id": 0})));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its processes end with the session, and not with the driver.
        let _ = self.try_call("DELETE", "", None);
    }
}

/// What the driver says of a command that it could not do.
#[derive(Debug)]
pub struct WebDriverError(String);

impl std::fmt::Display for WebDriverError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn command_of(
    driver: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, WebDriverError> {
    let bytes = body.map(Value::to_string).unwrap_or_default();
    let request = Message::request(method, path, &[("Content-Type", "application/json")], bytes.as_bytes());
    let stream = TcpStream::connect_timeout(&driver, WAIT);
    let stream = stream.map_err(|error| WebDriverError(format!("no connection to the driver: {error}")))?;
    let _ = stream.set_read_timeout(Some(COMMAND));
    let answer = exchange(stream, &request.bytes(), false);
    let answer = answer.ok_or_else(|| WebDriverError("no answer of the driver".to_owned()))?;
    let value = answer.json()["value"].clone();
    if answer.status != 200 {
        let part = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        return Err(WebDriverError(format!("{}: {}", part("error"), part("message"))));
    }
    Ok(value)
}
