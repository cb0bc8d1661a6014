//! A line that a job wrote as HTML: text alone, with the colours of a terminal as classes.

use maud::{Markup, PreEscaped, Render};

/// The most pieces of one line that are coloured; the rest of the line is plain.
const MOST_PIECES: usize = 500;

/// How the next characters look: what of `ESC [ … m` has been said so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TerminalStyle {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    /// One of the eight colours, or those eight bright.
    colour: Option<u8>,
}

impl TerminalStyle {
    fn classes(self) -> String {
        let mut classes = Vec::new();
        for (is_so, class) in
            [(self.bold, "ab"), (self.dim, "ad"), (self.italic, "ai"), (self.underline, "au")]
        {
            if is_so {
                classes.push(class.to_owned());
            }
        }
        classes.extend(self.colour.map(|colour| format!("a{colour}")));
        classes.join(" ")
    }

    /// Applies the numbers of `ESC [ numbers m`.
    fn apply(&mut self, numbers: &str) {
        let mut numbers = numbers.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.colour = u8::try_from(number - 30).ok(),
                90..=97 => self.colour = u8::try_from(number - 90 + 8).ok(),
                38 => self.colour = extended(&mut numbers),
                48 => drop(extended(&mut numbers)),
                39 => self.colour = None,
                _ => {}
            }
        }
    }
}

/// The nearest of the sixteen colours to one of 256, or to red, green and blue.
fn extended(numbers: &mut impl Iterator<Item = u16>) -> Option<u8> {
    let near = |red: u16, green: u16, blue: u16| {
        // What a job writes may be any number.
        let [red, green, blue] = [red, green, blue].map(|part| part.min(255));
        let brightest = red.max(green).max(blue);
        let bit = |part: u16, bit: u8| if part > 0 && part * 3 >= brightest * 2 { bit } else { 0 };
        let colour = bit(red, 1) | bit(green, 2) | bit(blue, 4);
        if brightest > 190 { colour + 8 } else { colour }
    };
    match numbers.next()? {
        5 => match numbers.next()? {
            one @ 0..=15 => u8::try_from(one).ok(),
            cube @ 16..=231 => {
                let level = |part: u16| part * 51;
                let cube = cube - 16;
                Some(near(level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
            }
            grey => Some(if grey > 243 { 15 } else { 8 }),
        },
        2 => Some(near(numbers.next()?, numbers.next()?, numbers.next()?)),
        _ => None,
    }
}

/// The line as HTML: nothing of it is markup, links of terminals are left out, and of what a carriage return overwrote
/// only the last is shown.
pub struct LogText<'a>(pub &'a str);

impl Render for LogText<'_> {
    fn render(&self) -> Markup {
        let line = self.0.trim_end_matches('\r');
        let line = line.rsplit_once('\r').map_or(line, |(_, last)| last);
        let mut out = String::with_capacity(line.len() + 16);
        let (mut look, mut pieces, mut rest) = (TerminalStyle::default(), 0, line);
        while !rest.is_empty() {
            let (text, after) = rest.split_at(rest.find('\u{1b}').unwrap_or(rest.len()));
            let is_plain = look == TerminalStyle::default() || pieces >= MOST_PIECES;
            if !text.is_empty() && !is_plain {
                out.push_str("<span class=\"");
                out.push_str(&look.classes());
                out.push_str("\">");
            }
            escape(text, &mut out);
            if !text.is_empty() && !is_plain {
                out.push_str("</span>");
                pieces += 1;
            }
            rest = control(after, &mut look);
        }
        PreEscaped(out)
    }
}

/// What follows the control sequence at the beginning.
fn control<'a>(text: &'a str, look: &mut TerminalStyle) -> &'a str {
    let Some(after) = text.strip_prefix('\u{1b}') else { return text };
    if let Some(numbers) = after.strip_prefix('[') {
        let Some(end) = numbers.find(|c: char| ('@'..='~').contains(&c)) else { return "" };
        if numbers[end..].starts_with('m') {
            look.apply(&numbers[..end]);
        }
        return &numbers[end + 1..];
    }
    if let Some(command) = after.strip_prefix(']') {
        // A title or a link: it ends with BEL or ESC \; another ESC begins what is next. Each character is looked at
        // once, however many of these are never ended.
        let Some(end) = command.find(['\u{7}', '\u{1b}']) else { return "" };
        let rest = &command[end..];
        return rest.strip_prefix('\u{7}').or(rest.strip_prefix("\u{1b}\\")).unwrap_or(rest);
    }
    let mut characters = after.chars();
    characters.next();
    characters.as_str()
}

/// As text; control characters and those that turn the direction of others are shown as what they are.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push('\t'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_terminals() {
        for (line, expected) in [
            ("plain", "plain"),
            ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
            ("\u{1b}[31mred\u{1b}[0m rest", "<span class=\"a1\">red</span> rest"),
            ("\u{1b}[1;92mok", "<span class=\"ab a10\">ok</span>"),
            ("\u{1b}[38;5;196mx\u{1b}[39my", "<span class=\"a9\">x</span>y"),
            ("\u{1b}[38;2;0;0;120mx", "<span class=\"a4\">x</span>"),
            ("\u{1b}[48;5;3mx", "x"),
            ("\u{1b}]8;;https://evil.example.com\u{7}link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}]8;;javascript:x\u{1b}\\link", "link"),
            ("\u{1b}]0;unfinished", ""),
            ("\u{1b}]0;unfinished\u{1b}[31mred", "<span class=\"a1\">red</span>"),
            ("\u{1b}]0;\u{1b}]0;twice\u{7}x", "x"),
            ("\u{1b}[38;2;65535;65535;0mx", "<span class=\"a11\">x</span>"),
            ("\u{1b}[38;2;65536;0;22000mx", "<span class=\"a12\">x</span>"),
            ("10 %\r50 %\r100 %\r", "100 %"),
            ("\u{1b}[2K\u{1b}(Bx", "Bx"),
            ("a\u{202e}b\u{0}", "a\u{fffd}b\u{fffd}"),
            ("\u{1b}[\"><b>m", "&gt;m"),
            ("\u{1b}", ""),
            ("\u{1b}ü", ""),
        ] {
            let html = LogText(line).render().into_string();
            let html = html.strip_prefix("&quot;").unwrap_or(&html);
            assert_eq!(html, expected, "{line:?}");
        }
        let many = "\u{1b}[31mx\u{1b}[32my".repeat(5000);
        assert!(LogText(&many).render().into_string().len() < 40_000);
    }

    #[test]
    fn links_without_an_end_take_no_longer_than_other_text() {
        let many = "\u{1b}]".repeat(1 << 20);
        let begun = std::time::Instant::now();
        assert_eq!(LogText(&many).render().into_string(), "");
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
