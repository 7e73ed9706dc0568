//! Events and errors over time: one lane of marks for each kind.

use super::{
    axis::Axis,
    slices::Course,
    svg::{across, short},
};
use crate::report::units;
use maud::{Markup, html};
use std::collections::BTreeMap;

const LANE: f64 = 20.0;
/// Marks of a kind that are told apart on a screen.
const MOST: usize = 150;
/// Marks of a kind whose place is still worth a line through the curves.
const GUIDES: usize = 40;

/// The marks of a kind.
pub(super) struct Lane {
    name: String,
    class: &'static str,
    marks: Vec<Mark>,
}

struct Mark {
    at: f64,
    /// From 0 to 1.
    size: f64,
    text: String,
}

/// One for each kind of event, and one for the errors, where there are any.
pub(super) fn lanes(course: &Course) -> Vec<Lane> {
    let mut kinds: BTreeMap<&str, Vec<(f64, &str)>> = BTreeMap::new();
    for event in &course.events {
        kinds.entry(&event.kind).or_default().push((event.at, &event.text));
    }
    let column = course.seconds / MOST as f64;
    let events = kinds.into_iter().map(|(kind, mut events)| {
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        let crowded = events.len() > MOST;
        let together = events.chunk_by(|a, b| crowded && (a.0 / column).floor() == (b.0 / column).floor());
        let marks = together.filter_map(|events| {
            let (at, text) = events.first()?;
            let more = events.len() - 1;
            let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
            Some(Mark { at: *at, size: 1.0, text: format!("{at:.2} s: {text}{more}") })
        });
        Lane { name: kind.replace('_', " "), class: "event", marks: marks.collect() }
    });
    let mut lanes: Vec<_> = events.collect();
    let failed: Vec<_> = course.slices.iter().filter(|slice| slice.errors > 0).collect();
    let most = failed.iter().map(|slice| slice.errors).max().unwrap_or(1) as f64;
    if !failed.is_empty() {
        let marks = failed.iter().map(|slice| Mark {
            at: f64::midpoint(slice.from, slice.to),
            size: (slice.errors as f64 / most).sqrt(),
            text: format!(
                "{:.1} to {:.1} s: {} errors",
                slice.from,
                slice.to,
                units::thousands(slice.errors)
            ),
        });
        lanes.push(Lane { name: "errors".to_owned(), class: "error", marks: marks.collect() });
    }
    lanes
}

/// Of all of them.
pub(super) fn height(lanes: &[Lane]) -> f64 {
    lanes.len() as f64 * LANE
}

/// Lines through the curves where something was done, where that is not everywhere.
pub(super) fn guides(lanes: &[Lane], seconds: &Axis, top: f64, bottom: f64) -> Markup {
    html! {
        @for lane in lanes.iter().filter(|lane| lane.class == "event" && lane.marks.len() <= GUIDES) {
            @for mark in &lane.marks {
                @let x = across(seconds.of(mark.at));
                line.guide x1=(x) x2=(x) y1=(short(top)) y2=(short(bottom)) {}
            }
        }
    }
}

pub(super) fn draw(lanes: &[Lane], seconds: &Axis, top: f64) -> Markup {
    html! {
        @for (n, lane) in lanes.iter().enumerate() {
            @let middle = top + (n as f64 + 0.5) * LANE;
            text.lane x="-8" y=(short(middle)) dy=".32em" text-anchor="end" { (lane.name) }
            line.track x1="0" x2="100%" y1=(short(middle)) y2=(short(middle)) {}
            @for mark in &lane.marks {
                @let (x, half) = (across(seconds.of(mark.at)), 2.0 + 6.0 * mark.size);
                line class={"mark " (lane.class)} x1=(x) x2=(x) y1=(short(middle - half)) y2=(short(middle + half)) {
                    title { (mark.text) }
                }
            }
        }
    }
}
