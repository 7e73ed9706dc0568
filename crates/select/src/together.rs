//! Several selections side by side. In a large snapshot, a selection reaches eight places, five of them one after the
//! other, each 40 to 160 ns away, and waits for each. Several that go step by step in turn wait together: while one's
//! place is fetched, the others' are asked for.

use std::array::from_fn;

use super::answer::prefetch_selection;
use super::tracer::Alone;
use super::walk::{Moment, Walk};
use super::{Answer, Code, Query};
use switchboard_snapshot::Snapshot;

/// How many go side by side: beyond eight nothing is gained, since a core of today has ten to sixteen
/// lines on their way at a time, and each has two or three.
pub const TOGETHER: usize = 8;

/// Answers queries as [`select()`](super::select) does each of them; `None` where there was no query.
pub fn select_together<'a>(
    snapshot: &'a Snapshot,
    queries: &[Option<(&'a Query<'a>, Moment<'a>)>; TOGETHER],
) -> [Option<Answer>; TOGETHER] {
    let channels = queries.each_ref().map(|query| {
        let (query, _) = query.as_ref()?;
        snapshot.find_channel(&query.channel)
    });
    let mut walks: [Option<Side<'a>>; TOGETHER] = from_fn(|at| {
        let (query, moment) = queries.get(at)?.as_ref()?;
        Some(Side { walk: Walk::of(snapshot, query, *moment), going: Ok(()) })
    });
    for (side, channel) in walks.iter_mut().zip(&channels) {
        if let Some(side) = side {
            side.going = side.walk.begin(*channel);
        }
    }
    for side in going(&mut walks) {
        side.walk.prefetch_ou();
    }
    for side in going(&mut walks) {
        side.going = side.walk.find_ou();
    }
    for side in going(&mut walks) {
        side.walk.find_chain();
    }
    for side in going(&mut walks) {
        side.walk.find_steps();
        side.walk.prefetch_step();
    }
    for side in going(&mut walks) {
        side.walk.prefetch_candidates();
    }
    let results = walks.each_ref().map(|side| {
        let Side { walk, going } = side.as_ref()?;
        Some(going.and_then(|()| walk.run(&mut Alone)))
    });
    for selection in results.iter().flatten().flatten() {
        prefetch_selection(snapshot, selection);
    }
    let mut channels = channels.into_iter();
    results.map(|result| Some(Answer { channel: channels.next().flatten(), result: result? }))
}

/// One of those that go side by side.
struct Side<'a> {
    walk: Walk<'a>,
    /// Or why it ended.
    going: Result<(), Code>,
}

/// Those that are still under way.
fn going<'w, 'a>(walks: &'w mut [Option<Side<'a>>; TOGETHER]) -> impl Iterator<Item = &'w mut Side<'a>> {
    walks.iter_mut().flatten().filter(|side| side.going.is_ok())
}
