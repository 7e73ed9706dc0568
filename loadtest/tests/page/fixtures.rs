//! Reports to render, and functions that search pages.

use loadtest::report::{
    files,
    model::{Latency, Report},
};
use roxmltree::Node;
use std::path::{Path, PathBuf};

pub(crate) const NAMES: [&str; 4] = ["steady", "ramp", "reload-storm", "failing"];

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/reports").join(name).with_extension("json")
}

pub(crate) fn report(name: &str) -> Report {
    files::read(&path(name)).expect(name)
}

/// Returns the page as XML, with closed `meta` tags.
pub(crate) fn xml(page: &str) -> String {
    let page = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut xml = String::new();
    for (n, piece) in page.split("<meta ").enumerate() {
        match piece.split_once('>') {
            Some((attributes, rest)) if n > 0 => xml.push_str(&format!("<meta {attributes}/>{rest}")),
            _ => xml.push_str(piece),
        }
    }
    xml
}

/// Returns the elements in a node that have this name and all these classes.
pub(crate) fn all<'a, 'b>(root: Node<'a, 'b>, name: &str, classes: &[&str]) -> Vec<Node<'a, 'b>> {
    let matches = |node: &Node<'_, '_>| {
        let has = node.attribute("class").unwrap_or_default();
        node.has_tag_name(name) && classes.iter().all(|class| has.split(' ').any(|it| it == *class))
    };
    root.descendants().filter(matches).collect()
}

/// Returns the text of an element and of the elements in it.
pub(crate) fn words(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|it| it.text()).collect()
}

/// Returns a distribution of 1,000 values whose curve goes through three points.
pub(crate) fn latency(p50: f64, p99: f64, max: f64) -> Latency {
    Latency {
        count: 1_000,
        mean: p50,
        p50,
        p90: p50,
        p99,
        p999: max,
        p9999: max,
        max,
        curve: vec![(0.0, p50), (0.9, p50), (0.99, p99), (1.0, max)],
    }
}
