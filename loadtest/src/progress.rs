//! Progress on standard error: lines, and a bar while a step runs.

use crate::report::{model::Interval, units};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::Write,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

/// Seldom, because the bar may be drawn on the sender's core.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);
const STYLE: &str = "{prefix:<12}{bar:24} {msg}";

/// Prints a line. Colours are kept on a terminal alone.
pub(crate) fn line(text: &str) {
    // A closed standard error is no failure.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Shows intervals as they come, until their sender is dropped. Calls `recording` at the end of the warm-up.
pub(crate) fn follow(
    name: &str,
    intervals: &Receiver<Interval>,
    warm_up: Duration,
    measure: Duration,
    mut recording: impl FnMut(),
) {
    let whole = u64::try_from((warm_up + measure).as_millis()).unwrap_or(u64::MAX);
    // indicatif itself prints nothing where standard error is no terminal.
    let bar = ProgressBar::new(whole).with_prefix(name.to_owned());
    if let Ok(style) = ProgressStyle::with_template(STYLE) {
        bar.set_style(style);
    }
    let (started, mut drawn, mut is_recording) = (Instant::now(), Instant::now(), false);
    bar.set_message("warm-up");
    loop {
        let wait = if is_recording { DRAW_INTERVAL } else { Duration::from_millis(20) };
        let interval = intervals.recv_timeout(wait);
        if !is_recording && started.elapsed() >= warm_up {
            is_recording = true;
            recording();
        }
        match interval {
            Ok(interval) if drawn.elapsed() >= DRAW_INTERVAL => {
                bar.set_message(message(&interval));
                drawn = Instant::now();
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        bar.set_position(u64::try_from(started.elapsed().as_millis()).unwrap_or(whole).min(whole));
    }
    bar.finish_and_clear();
}

fn message(interval: &Interval) -> String {
    let errors = if interval.errors > 0 { format!(", {} errors", interval.errors) } else { String::new() };
    let [p50, p99, max] = [interval.p50, interval.p99, interval.max].map(units::time);
    format!("{}/s, p50 {p50}, p99 {p99}, max {max}{errors}", units::rate(interval.answered))
}
