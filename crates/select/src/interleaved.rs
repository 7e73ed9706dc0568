//! Several selections in turns. In a large snapshot, a selection reads from eight places, five of them one after the
//! other, and each is a cache miss of 40 to 160 ns. Selections that take turns overlap their misses: while the memory of
//! one is fetched, that of the others is requested.

use super::answer::prefetch_selection;
use super::tracer::NoTrace;
use super::walk::{SelectContext, Walk};
use super::{Answer, Query};
use switchboard_model::SelectError;
use switchboard_snapshot::Snapshot;

/// How many selections take turns. More than eight gain nothing: a core of today fetches ten to sixteen lines at a time,
/// and each selection has two or three.
pub const LANES: usize = 8;

/// A selection that takes turns with others.
struct Lane<'a> {
    walk: Walk<'a>,
    /// Fails when the selection has ended early.
    state: Result<(), SelectError>,
}

/// Answers queries as [`select()`](super::select) does each of them; `None` where there is no query.
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

/// Returns the lanes whose selection has not ended.
fn active<'l, 'a>(lanes: &'l mut [Option<Lane<'a>>; LANES]) -> impl Iterator<Item = &'l mut Lane<'a>> {
    lanes.iter_mut().flatten().filter(|lane| lane.state.is_ok())
}
