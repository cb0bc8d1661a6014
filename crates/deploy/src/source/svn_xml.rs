//! What `svn --xml` prints.

use roxmltree::{Document, Node, ParsingOptions};

use super::surface::Commit;
use crate::error::SourceError;

/// What `svn info` says about a URL or a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SvnInfo {
    pub(super) url: String,
    /// The URL of the whole repository.
    pub(super) root: String,
    /// The revision in which it was last changed.
    pub(super) changed: String,
}

/// One line of `svn status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) path: String,
    /// `modified`, `unversioned`, …
    pub(super) item: String,
    /// Of the properties.
    pub(super) props: String,
    /// A copy of another URL inside this one.
    pub(super) is_switched: bool,
    /// What the update would do; `none` where nothing.
    pub(super) server_item: String,
    pub(super) server_props: String,
    pub(super) has_tree_conflict: bool,
}

impl StatusLine {
    /// Whether somebody changed a file that is under version control.
    pub(super) fn is_modified(&self) -> bool {
        let quiet = ["none", "normal", "external", "unversioned", "ignored"];
        !quiet.contains(&&*self.item) || self.has_tree_conflict || !matches!(&*self.props, "none" | "normal")
    }

    /// Whether an update would stumble on it.
    pub(super) fn is_in_the_way(&self) -> bool {
        if self.item == "conflicted" || self.props == "conflicted" || self.has_tree_conflict {
            return true;
        }
        // A missing file is written again by the update.
        let changed = !matches!(&*self.item, "none" | "normal" | "external" | "missing");
        let changes = self.server_item != "none";
        let props = !matches!(&*self.props, "none" | "normal") && self.server_props != "none";
        changed && changes
            || props
            || self.item != "normal" && self.item != "none" && self.server_item == "deleted"
    }
}

fn wrong(command: &str, detail: impl ToString) -> SourceError {
    SourceError::Output { command: command.to_owned(), detail: detail.to_string() }
}

fn document<'a>(command: &str, text: &'a str) -> Result<Document<'a>, SourceError> {
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| wrong(command, error))
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn text(node: Node<'_, '_>, name: &str) -> String {
    let found = node.children().find(|child| child.has_tag_name(name));
    // A text may come in several pieces, around a CDATA section.
    found.map(|found| found.children().filter_map(|piece| piece.text()).collect()).unwrap_or_default()
}

pub(super) fn info(xml: &str) -> Result<SvnInfo, SourceError> {
    let command = "svn info";
    let document = document(command, xml)?;
    let entry = document.descendants().find(|node| node.has_tag_name("entry"));
    let entry = entry.ok_or_else(|| wrong(command, "there is no entry"))?;
    let changed = entry.children().find(|node| node.has_tag_name("commit"));
    let changed = changed.and_then(|commit| commit.attribute("revision")).unwrap_or("0").to_owned();
    let root = child(entry, "repository").map(|found| text(found, "root")).unwrap_or_default();
    Ok(SvnInfo { url: text(entry, "url"), root, changed })
}

pub(super) fn log(xml: &str) -> Result<Vec<Commit>, SourceError> {
    let document = document("svn log", xml)?;
    let entries = document.descendants().filter(|node| node.has_tag_name("logentry"));
    Ok(entries
        .map(|entry| {
            let revision = entry.attribute("revision").unwrap_or_default();
            Commit::new(revision, &text(entry, "author"), &text(entry, "date"), &text(entry, "msg"))
        })
        .collect())
}

pub(super) fn status(xml: &str) -> Result<Vec<StatusLine>, SourceError> {
    let document = document("svn status", xml)?;
    let entries = document.descendants().filter(|node| node.has_tag_name("entry"));
    Ok(entries
        .map(|entry| {
            let of = |kind: &str, name: &str| {
                let found = entry.children().find(|node| node.has_tag_name(kind));
                found.and_then(|found| found.attribute(name)).unwrap_or("none").to_owned()
            };
            StatusLine {
                path: entry.attribute("path").unwrap_or_default().to_owned(),
                item: of("wc-status", "item"),
                props: of("wc-status", "props"),
                is_switched: of("wc-status", "switched") == "true",
                server_item: of("repos-status", "item"),
                server_props: of("repos-status", "props"),
                has_tree_conflict: of("wc-status", "tree-conflicted") == "true",
            }
        })
        .collect())
}

/// The values of `svn propget`.
pub(super) fn properties(xml: &str) -> Result<Vec<String>, SourceError> {
    let document = document("svn propget", xml)?;
    let found = document.descendants().filter(|node| node.has_tag_name("property"));
    Ok(found.map(|found| found.children().filter_map(|piece| piece.text()).collect()).collect())
}

/// The files of `svn list`, with their sizes in bytes.
pub(super) fn sizes(xml: &str) -> Result<Vec<(String, u64)>, SourceError> {
    let document = document("svn list", xml)?;
    let entries = document.descendants().filter(|node| node.has_tag_name("entry"));
    Ok(entries
        .filter_map(|entry| {
            let size = child(entry, "size")?.text()?.trim().parse().ok()?;
            Some((text(entry, "name"), size))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_with_everything() {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<log>\n<logentry revision=\"2\">\n<author>a.b-c</author>\n\
                   <date>2026-11-28T19:24:28.556318Z</date>\n<msg>first: &lt;b&gt;&amp;amp; \"q\" ]]&gt; and\nsecond ^ 🎉</msg>\n\
                   </logentry>\n<logentry\n   revision=\"1\"><msg></msg></logentry></log>";
        let commits = log(xml).unwrap();
        assert_eq!(commits[0].message, "first: <b>&amp; \"q\" ]]> and\nsecond ^ 🎉");
        assert_eq!((commits[0].author.as_str(), commits[1].author.as_str()), ("a.b-c", ""));
        assert_eq!((commits[1].revision.as_str(), commits[1].message.as_str()), ("1", ""));
    }

    #[test]
    fn a_broken_document_is_an_error() {
        for xml in ["", "<log>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"] {
            assert!(log(xml).is_err(), "{xml}");
        }
    }

    #[test]
    fn what_an_update_would_stumble_on() {
        for (wc, server, expected) in [
            ("modified", "modified", true),
            ("unversioned", "added", true),
            ("ignored", "added", true),
            ("normal", "modified", false),
            ("modified", "none", false),
            ("missing", "modified", false),
            ("unversioned", "none", false),
            ("conflicted", "none", true),
            ("added", "deleted", true),
        ] {
            let xml = format!(
                "<status><target path=\".\"><entry path=\"a\"><wc-status props=\"none\" item=\"{wc}\"/>\
                 <repos-status item=\"{server}\" props=\"none\"/></entry></target></status>"
            );
            assert_eq!(status(&xml).unwrap()[0].is_in_the_way(), expected, "{wc} {server}");
        }
    }
}
