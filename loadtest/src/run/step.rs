//! A step: a measurement at one rate while the actors work.

use super::{
    actors::{ActorCounts, ActorLog, Actors},
    context::{Context, StopFlag},
    machine::{self, SchedDelay},
    requests::Requests,
    target::Instance,
};
use crate::{
    cpu_affinity,
    engine::{self, Measured, Pace, Plan, Source},
    error::{Error, Result},
    output,
    report::{
        DAEMON_ENDED,
        model::{Failures, Interval, RateStep},
        units,
    },
};
use parking_lot::Mutex;
use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// The pace of a measurement, and the durations of its warm-up and its recording.
#[derive(Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

impl Context<'_> {
    /// Measures a step and runs the actors meanwhile.
    pub(crate) fn step(
        &self,
        name: &str,
        instance: &Instance,
        requests: &mut Requests,
        stretch: Stretch,
    ) -> Result<(RateStep, ActorCounts)> {
        let actors = Actors {
            context: self,
            instance,
            published: requests.published.clone(),
            suspensions: requests.suspensions.clone(),
            slow_requests: requests.slow.clone(),
            recording_from: Instant::now() + stretch.warm_up,
            stop: StopFlag::default(),
            log: Mutex::default(),
        };
        let (mut cpu, mut delay) = (None, None);
        let measured = thread::scope(|scope| {
            actors.start(scope);
            let recording = || {
                cpu = instance.pid().and_then(machine::cpu_seconds);
                delay = instance.pid().and_then(SchedDelay::of_process);
            };
            let measured = self.measure(name, instance, &mut *requests.source, stretch, recording);
            actors.stop.set();
            measured
        })?;
        let ActorLog { events, errors, counts, .. } = actors.finish();
        let mut step = measured.step;
        step.events = events;
        step.errors.extend(errors);
        if let Some(first) = instance.ended() {
            step.errors.insert(DAEMON_ENDED.to_owned(), Failures { count: 1, first });
        }
        let delay_now = instance.pid().and_then(SchedDelay::of_process);
        step.waited.daemon_percent = delay.zip(delay_now).and_then(|(from, to)| from.percent(&to));
        machine::warn_of_delay(&mut step);
        step.process = instance.pid().zip(cpu).and_then(|(pid, before)| machine::usage(pid, before));
        Ok((step, counts))
    }

    /// Measures in another thread, and shows the progress. Calls `recording` at the end of the warm-up.
    pub(super) fn measure(
        &self,
        name: &str,
        instance: &Instance,
        source: &mut (dyn Source + Send),
        stretch: Stretch,
        mut recording: impl FnMut(),
    ) -> Result<Measured> {
        let plan = Plan {
            target: instance.data.clone(),
            connections: usize::try_from(self.scenario.connections.get()).unwrap_or(1),
            pace: stretch.pace,
            warm_up: stretch.warm_up,
            measure: stretch.measure,
            timeout: self.scenario.timeout.0,
            max_lateness: self.scenario.latest_us.map(Duration::from_micros),
        };
        let (interval_sender, intervals) = mpsc::channel::<Interval>();
        let (thread_sender, thread) = mpsc::channel();
        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                cpu_affinity::pin_thread(self.cores)?;
                let own = rustix::thread::gettid().as_raw_nonzero().get();
                let _ = thread_sender.send(own);
                let mut show = |interval: &Interval| drop(interval_sender.send(interval.clone()));
                let measured = engine::measure(&plan, source, &mut show)?;
                Ok((measured, SchedDelay::of_thread(own)))
            });
            let mut delay = None;
            let recording = || {
                recording();
                delay = thread.try_recv().ok().and_then(SchedDelay::of_thread);
            };
            output::show_progress(name, &intervals, stretch.warm_up, stretch.measure, recording);
            let panicked = |_| Err(Error::Refused("the sender panicked".to_owned()));
            let (mut measured, delay_now) = sender.join().unwrap_or_else(panicked)?;
            measured.step.waited.harness_percent =
                delay.zip(delay_now).and_then(|(from, to)| from.percent(&to));
            Ok(measured)
        })
    }
}

/// Logs the figures of a step in one line.
pub(super) fn log_step(name: &str, step: &RateStep) {
    let failed = step.failed();
    let failed = if failed > 0 { format!(", {failed} errors") } else { String::new() };
    let invalid = step.invalid.as_ref().map(|reason| format!("; INVALID: {reason}")).unwrap_or_default();
    let [p50, p99, max] = [step.corrected.p50, step.corrected.p99, step.corrected.max].map(units::time);
    let rate = units::rate(step.rate);
    output::log(&format!("{name:<12}{rate}/s: p50 {p50}, p99 {p99}, max {max}{failed}{invalid}"));
}
