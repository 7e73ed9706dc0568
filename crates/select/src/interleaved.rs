//! Interleaves several selections. In a large snapshot, a selection reads eight places in memory, five of
//! them one after the other. Each read is a cache miss of 40 to 160 ns. Interleaved selections overlap their
//! misses: each stage requests the memory of all selections before the next stage reads it.

use super::answer::{NoTrace, prefetch_selection};
use super::walk::{SelectContext, Walk};
use super::{Answer, Query};
use switchboard_model::SelectError;
use switchboard_snapshot::Snapshot;

/// Number of selections that are interleaved. More than eight gain nothing: a core fetches 10 to 16 cache
/// lines at a time, and each selection requests two or three.
pub const LANES: usize = 8;

/// One of the interleaved selections.
struct Lane<'a> {
    walk: Walk<'a>,
    /// The error that ended the selection early, if any.
    state: Result<(), SelectError>,
}

/// Answers up to [`LANES`] queries. Each answer equals that of [`select()`](super::select). Returns `None` at
/// each index where `queries` has no query.
pub fn select_interleaved<'a>(
    snapshot: &'a Snapshot,
    queries: &[Option<(&'a Query<'a>, SelectContext<'a>)>; LANES],
) -> [Option<Answer>; LANES] {
    let channels = queries.each_ref().map(|query| snapshot.find_channel(&query.as_ref()?.0.channel));
    let mut lanes: [Option<Lane<'a>>; LANES] = queries.each_ref().map(|query| {
        let (query, context) = query.as_ref()?;
        Some(Lane { walk: Walk::new(snapshot, query, *context), state: Ok(()) })
    });
    for (lane, channel) in lanes.iter_mut().zip(&channels) {
        if let Some(lane) = lane {
            lane.state = lane.walk.resolve_names(*channel);
        }
    }
    for lane in active(&mut lanes) {
        lane.walk.prefetch_ou();
    }
    for lane in active(&mut lanes) {
        lane.state = lane.walk.find_ou();
    }
    for lane in active(&mut lanes) {
        lane.walk.find_chain();
    }
    for lane in active(&mut lanes) {
        lane.walk.find_steps();
        lane.walk.prefetch_step();
    }
    for lane in active(&mut lanes) {
        lane.walk.prefetch_candidates();
    }
    let results = lanes.each_ref().map(|lane| {
        let Lane { walk, state } = lane.as_ref()?;
        Some(state.and_then(|()| walk.decide(&mut NoTrace)))
    });
    for selection in results.iter().flatten().flatten() {
        prefetch_selection(snapshot, selection);
    }
    let mut channels = channels.into_iter();
    results.map(|result| {
        let channel = channels.next().flatten();
        Some(Answer { channel, result: result? })
    })
}

/// Returns the selections that have not ended early.
fn active<'l, 'a>(lanes: &'l mut [Option<Lane<'a>>; LANES]) -> impl Iterator<Item = &'l mut Lane<'a>> {
    lanes.iter_mut().flatten().filter(|lane| lane.state.is_ok())
}
