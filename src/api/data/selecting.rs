//! One query to the bytes of its answer, however it came.

use super::desk::Desk;
use super::problems::{malformed, unanswered};
use crate::runtime::Generation;
use crate::telemetry::ChannelCounters;
use switchboard_select::walk::Moment;
use switchboard_select::{Answer, BadQuery, Query, select, write_selection};
use switchboard_snapshot::Snapshot;

/// What an answer is, beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
}

impl Kind {
    /// A selection.
    const SELECTION: Kind = Kind { status: 200, content_type: "application/json" };

    /// A problem with this status.
    pub(super) fn problem(status: u16) -> Kind {
        Kind { status, content_type: super::problems::CONTENT_TYPE }
    }
}

/// Answers a query from the snapshot in service, and counts it. `None` where there is no snapshot: then nothing
/// is counted.
pub(super) fn select_now(
    desk: &Desk,
    query: Result<&Query<'_>, BadQuery>,
    out: &mut Vec<u8>,
) -> Option<Kind> {
    let mut reader = desk.reader.borrow_mut();
    let generation = reader.pin()?;
    let selections = desk.selections(&generation.snapshot);
    Some(select_from(desk, generation, &selections, desk.moment(generation), query, out))
}

/// Answers a query from this generation: appends the selection, or the problem, and counts it.
pub(super) fn select_from(
    desk: &Desk,
    generation: &Generation,
    selections: &ChannelCounters,
    moment: Moment<'_>,
    query: Result<&Query<'_>, BadQuery>,
    out: &mut Vec<u8>,
) -> Kind {
    let asked = query.map(|query| select(&generation.snapshot, query, moment));
    write(desk, &generation.snapshot, selections, asked, out)
}

/// Appends the selection that a query came to, or the problem, and counts it.
pub(super) fn write(
    desk: &Desk,
    snapshot: &Snapshot,
    selections: &ChannelCounters,
    asked: Result<Answer, BadQuery>,
    out: &mut Vec<u8>,
) -> Kind {
    let problem = match asked {
        Err(bad) => {
            desk.count_malformed(selections, snapshot, &bad);
            malformed(bad).generation(snapshot.generation())
        }
        Ok(answer) => {
            desk.count(selections, &answer);
            match answer.result {
                Ok(selection) => {
                    write_selection(out, snapshot, &selection);
                    return Kind::SELECTION;
                }
                Err(code) => unanswered(code, snapshot),
            }
        }
    };
    problem.write(out);
    Kind::problem(problem.code().status())
}
