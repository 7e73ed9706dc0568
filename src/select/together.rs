//! Several selections side by side. In a large snapshot, a selection reaches some eight places one after the other, each
//! 40 to 160 ns away, and waits for each. Several that go step by step in turn wait together: while one's
//! place is fetched, the others' are asked for.

use std::array::from_fn;

use super::answer::near_selection;
use super::walk::{Alone, Begun, Moment, Resolved};
use super::{Answer, Query};
use crate::snapshot::Snapshot;

/// How many go side by side: beyond eight nothing is gained, since a core of today has ten to sixteen
/// lines on their way at a time, and each has two or three.
pub const TOGETHER: usize = 8;

/// Answers queries as [`select()`](super::select) does each of them; `None` where there was no query.
pub fn select_together<'a>(
    snapshot: &'a Snapshot,
    queries: &'a [Option<(Query<'a>, Moment<'a>)>; TOGETHER],
) -> [Option<Answer>; TOGETHER] {
    let channels = queries.each_ref().map(|query| {
        let (query, _) = query.as_ref()?;
        snapshot.channel(&query.channel)
    });
    let begun: [_; TOGETHER] = from_fn(|at| {
        let (query, moment) = queries.get(at)?.as_ref()?;
        Some(Begun::new(snapshot, query, *moment, channels.get(at).copied().flatten()))
    });
    for begun in begun.iter().flatten().flatten() {
        snapshot.near_ou(begun.sought);
    }
    let resolved = begun.map(|begun| Some(begun?.and_then(Begun::resolve)));
    let walks = resolved.map(|resolved| Some(resolved?.map(Resolved::walk)));
    for walk in walks.iter().flatten().flatten() {
        walk.near_steps();
    }
    for walk in walks.iter().flatten().flatten() {
        walk.near_members();
    }
    let results = walks.map(|walk| Some(walk?.and_then(|walk| walk.run(&mut Alone))));
    for selection in results.iter().flatten().flatten() {
        near_selection(snapshot, selection);
    }
    let mut channels = channels.into_iter();
    results.map(|result| Some(Answer { channel: channels.next().flatten(), result: result? }))
}
