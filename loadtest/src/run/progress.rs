//! How a step goes, while it goes: a bar on a terminal, nothing in a pipe, where the line at the end says it.

use crate::report::{model::Interval, units};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

/// How often it is drawn: seldom, since it may be drawn on the sender's core.
const EVERY: Duration = Duration::from_millis(250);
const STYLE: &str = "{prefix:<12}{bar:24} {msg}";

/// Shows the slices as they come, until their sender is gone; calls `recording` when the warm-up is over.
pub(super) fn follow(
    name: &str,
    slices: &Receiver<Interval>,
    warm_up: Duration,
    measure: Duration,
    mut recording: impl FnMut(),
) {
    let whole = u64::try_from((warm_up + measure).as_millis()).unwrap_or(u64::MAX);
    // indicatif itself stays silent where standard error is no terminal.
    let bar = ProgressBar::new(whole).with_prefix(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template(STYLE) {
        bar.set_style(style);
    }
    let (started, mut drawn, mut told) = (Instant::now(), Instant::now(), false);
    bar.set_message("warm-up");
    loop {
        let slice = slices.recv_timeout(if told { EVERY } else { Duration::from_millis(20) });
        if !told && started.elapsed() >= warm_up {
            told = true;
            recording();
        }
        match slice {
            Ok(slice) if drawn.elapsed() >= EVERY => {
                bar.set_message(message(&slice));
                drawn = Instant::now();
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        bar.set_position(u64::try_from(started.elapsed().as_millis()).unwrap_or(whole).min(whole));
    }
    bar.finish_and_clear();
}

fn message(slice: &Interval) -> String {
    let errors = if slice.errors > 0 { format!(", {} errors", slice.errors) } else { String::new() };
    format!(
        "{}/s, p50 {}, p99 {}, max {}{errors}",
        units::rate(slice.answered),
        units::time(slice.p50),
        units::time(slice.p99),
        units::time(slice.max)
    )
}
