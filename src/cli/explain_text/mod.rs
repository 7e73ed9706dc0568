//! The explanation of a query as text: the answer first, then every step of the chain, level by level.
//!
//! `summary` has what comes before the chain, `chain` the levels, steps and accounts, and `tree` the lines of all of it.
//! Nothing in here shows the number of the client.

mod chain;
mod summary;
mod tree;

use switchboard_model::SelectError;
use switchboard_select::Trace;
use switchboard_snapshot::Snapshot;

use tree::Tree;

/// Renders the explanation of a query.
pub(super) fn render(snapshot: &Snapshot, trace: &Trace) -> String {
    let mut tree = Tree::new();
    summary::draw_query(&mut tree, snapshot, trace);
    summary::draw_preamble(&mut tree, snapshot, trace);
    chain::draw(&mut tree, snapshot, trace);
    tree.into_text()
}

/// Renders the problem of a query that has no chain to explain.
pub(super) fn render_problem(code: SelectError, detail: Option<&str>) -> String {
    let mut tree = Tree::new();
    summary::draw_problem(&mut tree, code, detail);
    tree.into_text()
}
