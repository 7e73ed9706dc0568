//! Several selections side by side. In a large snapshot, a selection reaches some eight places one after the other, each
//! 40 to 160 ns away, and waits for each. Several that go step by step in turn wait together: while one's
//! place is fetched, the others' are asked for.

use std::array::from_fn;

use super::answer::near_selection;
use super::walk::{Alone, Moment, Walk};
use super::{Answer, Code, Query};
use crate::snapshot::Snapshot;

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
        snapshot.channel(&query.channel)
    });
    let mut walks: [_; TOGETHER] = from_fn(|at| {
        let (query, moment) = queries.get(at)?.as_ref()?;
        Some(Walk::begin(snapshot, query, *moment, channels.get(at).copied().flatten()))
    });
    let under_way = |walks: &mut [Option<Result<Walk<'a>, Code>>; TOGETHER], stage: fn(&mut Walk<'a>)| {
        walks.iter_mut().flatten().flatten().for_each(stage);
    };
    under_way(&mut walks, |walk| walk.near_ou());
    for begun in walks.iter_mut().flatten() {
        if let Ok(walk) = begun
            && let Err(code) = walk.find_ou()
        {
            *begun = Err(code);
        }
    }
    under_way(&mut walks, Walk::find_chain);
    under_way(&mut walks, |walk| {
        walk.find_steps();
        walk.near_step();
    });
    under_way(&mut walks, |walk| walk.near_members());
    let results = walks.each_ref().map(|walk| {
        Some(match walk.as_ref()? {
            Ok(walk) => walk.run(&mut Alone),
            Err(code) => Err(*code),
        })
    });
    for selection in results.iter().flatten().flatten() {
        near_selection(snapshot, selection);
    }
    let mut channels = channels.into_iter();
    results.map(|result| Some(Answer { channel: channels.next().flatten(), result: result? }))
}
