//! `heraldd import`: configurations of other programs, made anew for Herald.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::answer::{Answer, BAD_INPUT, STOPPED};
use crate::import::imported::{Imported, Unreadable};
use crate::import::{crontab, multi_node, webhook};

/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Print a configuration that does what another program's does, and name on standard error what it does not
///
/// The exit code is 0 also where something could not be carried over, and 2 when the file is not what it should be.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  heraldd import webhook /etc/webhook.conf >heraldd.yml && heraldd check heraldd.yml"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Hooks of adnanh/webhook, in JSON or YAML
    #[command(after_help = "Example:\n  heraldd import webhook hooks.json >heraldd.yml")]
    Webhook(Original),
    /// The config.json of multi-node-webhook
    #[command(after_help = "Example:\n  heraldd import multi-node-webhook config.json >heraldd.yml")]
    MultiNodeWebhook(Original),
    /// A crontab
    #[command(after_help = "Example:\n  crontab -l | heraldd import crontab - >heraldd.yml")]
    Crontab {
        #[command(flatten)]
        original: Original,
        /// It is one of /etc, with a user in each line
        #[arg(long)]
        system: bool,
    },
}

#[derive(Debug, Args)]
struct Original {
    /// The file to read; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Answer {
    let (From::Webhook(original) | From::MultiNodeWebhook(original) | From::Crontab { original, .. }) =
        &arguments.from;
    let path = &original.file;
    let text = match text_of(path) {
        Ok(text) => text,
        Err(error) => {
            return Answer::refused(&format!("heraldd: {} cannot be read: {error}", path.display()));
        }
    };
    let name = path.display().to_string();
    let imported = match &arguments.from {
        From::Webhook(_) => webhook::import(&text, &name),
        From::MultiNodeWebhook(_) => multi_node::import(&text, &name),
        From::Crontab { system, .. } => Ok(crontab::import(&text, *system)),
    };
    told(&name, imported)
}

fn told(name: &str, imported: Result<Imported, Unreadable>) -> Answer {
    match imported {
        Ok(Imported { yaml, left_out }) => {
            let remarks =
                left_out.iter().map(|left| format!("{name}:{}: {}\n", left.line, left.what)).collect();
            Answer { out: yaml, remarks, code: STOPPED }
        }
        Err(why) => Answer { out: String::new(), remarks: why.to_string(), code: BAD_INPUT },
    }
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin().lock().take(LONGEST + 1).read_to_string(&mut text)
    } else {
        File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)
    }?;
    if read as u64 > LONGEST { Err(io::Error::other("it is larger than 16 MiB")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::imported::LeftOut;

    #[test]
    fn notes_have_places() {
        let left_out = vec![LeftOut { line: 3, what: "x".to_owned() }];
        let answer = told("f.json", Ok(Imported { yaml: "a: 1\n".to_owned(), left_out }));
        assert_eq!(answer, Answer { out: "a: 1\n".to_owned(), remarks: "f.json:3: x\n".to_owned(), code: 0 });
        assert_eq!(told("f", Err(Unreadable("no".to_owned()))).code, 2);
    }
}
