//! A climb as a picture: the answer first, then the way there, level by level.
//!
//! `head` is what is asked and answered, `before` the current and the dedicated account, `levels` the tree below
//! them, `steps` those of a level, `candidates` the accounts of a step, `canvas` the lines that all of it is drawn with. Nothing in here prints the client's number.

mod before;
mod candidates;
mod canvas;
mod head;
mod levels;
mod steps;

use canvas::Canvas;

use switchboard_select::{Climb, Code};
use switchboard_snapshot::Snapshot;

/// The whole picture.
pub(super) fn draw(snapshot: &Snapshot, climb: &Climb) -> String {
    let mut canvas = Canvas::new();
    head::draw(&mut canvas, snapshot, climb);
    before::draw(&mut canvas, snapshot, climb);
    levels::draw(&mut canvas, snapshot, climb);
    canvas.finish()
}

/// A query that fails before there is anything to climb.
pub(super) fn problem(code: Code, detail: Option<&str>) -> String {
    let mut canvas = Canvas::new();
    head::problem(&mut canvas, code, detail);
    canvas.finish()
}
