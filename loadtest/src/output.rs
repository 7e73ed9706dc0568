//! Output for people: results on standard output; messages and a progress bar on standard error.

use crate::{
    error::{Error, Result},
    report::{model::Interval, units},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

/// Long, because the bar may be drawn on the sender's core.
const DRAW_INTERVAL: Duration = Duration::from_millis(250);
const BAR_STYLE: &str = "{prefix:<12}{bar:24} {msg}";

/// Prints to standard output, with styles only on a terminal. Ignores a closed pipe, as of `| head`.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "standard output")(error))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error, with styles only on a terminal. Ignores a closed standard error.
pub(crate) fn log(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Shows the intervals of a measurement until their sender is dropped. Calls `recording` at the end of the
/// warm-up. Shows nothing if standard error is no terminal.
pub(crate) fn show_progress(
    name: &str,
    intervals: &Receiver<Interval>,
    warm_up: Duration,
    measure: Duration,
    mut recording: impl FnMut(),
) {
    let whole = u64::try_from((warm_up + measure).as_millis()).unwrap_or(u64::MAX);
    let bar = ProgressBar::new(whole).with_prefix(name.to_owned()).with_message("warm-up");
    if let Ok(style) = ProgressStyle::with_template(BAR_STYLE) {
        bar.set_style(style);
    }
    let (started, mut drawn, mut is_recording) = (Instant::now(), Instant::now(), false);
    loop {
        let wait = if is_recording { DRAW_INTERVAL } else { Duration::from_millis(20) };
        let interval = intervals.recv_timeout(wait);
        if !is_recording && started.elapsed() >= warm_up {
            is_recording = true;
            recording();
        }
        match interval {
            Ok(interval) if drawn.elapsed() >= DRAW_INTERVAL => {
                let [p50, p99, max] = [interval.p50, interval.p99, interval.max].map(units::time);
                let rate = units::rate(interval.answered);
                let errors = match interval.errors {
                    0 => String::new(),
                    errors => format!(", {errors} errors"),
                };
                bar.set_message(format!("{rate}/s, p50 {p50}, p99 {p99}, max {max}{errors}"));
                drawn = Instant::now();
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        bar.set_position(u64::try_from(started.elapsed().as_millis()).unwrap_or(whole).min(whole));
    }
    bar.finish_and_clear();
}
