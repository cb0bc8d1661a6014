//! What a browser says of itself, in a few words.

/// What is in the text of a browser, and its name: those first that also call themselves by the name of another one.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
];
/// The same of systems.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// Such as `Firefox 148 on Linux`; the text itself where it names no browser that is known.
#[must_use]
pub fn browser_name(agent: &str) -> String {
    let version = |mark: &str| {
        let (_, rest) = agent.split_once(mark)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).take(5).collect();
        (!digits.is_empty()).then_some(digits)
    };
    let found = BROWSERS.iter().find_map(|(mark, name)| Some((*name, version(mark)?)));
    let safari = || Some(("Safari", version("Version/").filter(|_| agent.contains("Safari/"))?));
    let Some((name, version)) = found.or_else(safari) else { return agent.to_owned() };
    match SYSTEMS.iter().find(|(mark, _)| agent.contains(mark)) {
        Some((_, system)) => format!("{name} {version} on {system}"),
        None => format!("{name} {version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems() {
        let mozilla = |rest: &str| format!("Mozilla/5.0 {rest}");
        for (agent, expected) in [
            ("(X11; Linux x86_64; rv:148.0) Gecko/20100101 Firefox/148.0", "Firefox 148 on Linux"),
            (
                "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML) HeadlessChrome/156.0.0.0 Safari/537.36",
                "Chrome 156 on Linux",
            ),
            (
                "(Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge 140 on Windows",
            ),
            (
                "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15",
                "Safari 18 on macOS",
            ),
            (
                "(iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1",
                "Safari 18 on iPhone",
            ),
            (
                "(Linux; Android 16) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome 140 on Android",
            ),
        ] {
            assert_eq!(browser_name(&mozilla(agent)), expected);
        }
        for own in ["curl/8.5.0", "", "Chrome/x", "Mozilla/5.0 <img src=x>"] {
            assert_eq!(browser_name(own), own);
        }
    }
}
