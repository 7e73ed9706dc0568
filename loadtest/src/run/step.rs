//! A while at one rate, with all that is done meanwhile.

use super::{
    actors::{Actors, Diary},
    asked::Asked,
    machine, progress,
    standings::Owed,
    subject::{Answerer, Subject},
    waits::{self, Waits},
};
use crate::{
    engine::{self, Measured, Pace, Plan, Source},
    error::{Error, Result},
    pin,
    report::{
        DAEMON_ENDED,
        model::{Failures, Interval, Step},
    },
    scenario::Scenario,
    until::Until,
};
use std::{
    sync::{Mutex, PoisonError, atomic::AtomicU64, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What the steps of a scenario share.
pub(super) struct Context<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) subject: &'a Subject,
    pub(super) churned: &'a [(String, String)],
    pub(super) owed: &'a Owed,
    /// The harness's.
    pub(super) cores: &'a [u32],
}

/// A rate, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    pub(super) pace: Pace,
    pub(super) warm_up: Duration,
    pub(super) measure: Duration,
}

impl Context<'_> {
    /// The plan of a stretch.
    fn plan(&self, answerer: &Answerer, stretch: Stretch) -> Plan {
        Plan {
            target: answerer.data,
            connections: usize::try_from(self.scenario.connections.get()).unwrap_or(1),
            pace: stretch.pace,
            warm_up: stretch.warm_up,
            measure: stretch.measure,
            timeout: self.scenario.timeout.0,
            latest: self.scenario.latest_us.map(Duration::from_micros),
        }
    }

    /// Measures it, and tells what was done meanwhile.
    pub(super) fn step(
        &self,
        name: &str,
        answerer: &Answerer,
        asked: &mut Asked,
        stretch: Stretch,
    ) -> Result<Step> {
        let (published, suspensions, slowly) = (asked.published(), asked.suspensions(), asked.slowly());
        let actors = Actors {
            scenario: self.scenario,
            subject: self.subject,
            answerer,
            published: &published,
            churned: self.churned,
            suspensions: &suspensions,
            owed: self.owed,
            slowly: &slowly,
            came: AtomicU64::default(),
            cores: self.cores,
            from: Instant::now() + stretch.warm_up,
            until: Until::default(),
            diary: Mutex::new(Diary::default()),
        };
        let (mut cpu, mut waited) = (None, None);
        let measured = thread::scope(|scope| {
            actors.start(scope);
            let recording = || {
                cpu = answerer.pid().and_then(machine::cpu_seconds);
                waited = answerer.pid().and_then(Waits::of_process);
            };
            let measured = self.measure(name, answerer, asked, stretch, recording);
            actors.until.end();
            measured
        })?;
        let mut step = measured.step;
        actors.tell();
        let diary = actors.diary.into_inner().unwrap_or_else(PoisonError::into_inner);
        step.events = diary.events;
        step.errors.extend(diary.errors);
        if let Some(why) = answerer.ended() {
            step.errors.insert(DAEMON_ENDED.to_owned(), Failures { count: 1, first: why });
        }
        step.waited.daemon_percent =
            waited.zip(answerer.pid().and_then(Waits::of_process)).and_then(|(from, to)| from.percent(&to));
        waits::warn(&mut step);
        step.process = answerer.pid().zip(cpu).and_then(|(pid, before)| machine::process(pid, before));
        Ok(step)
    }

    /// Measures it from a thread of its own, and shows how it goes.
    pub(super) fn measure<S: Source + Send>(
        &self,
        name: &str,
        answerer: &Answerer,
        source: &mut S,
        stretch: Stretch,
        mut recording: impl FnMut(),
    ) -> Result<Measured> {
        let plan = self.plan(answerer, stretch);
        let (tell, slices) = mpsc::channel::<Interval>();
        let (tell_thread, thread) = mpsc::channel();
        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                pin::this_thread(self.cores)?;
                let own = rustix::thread::gettid().as_raw_nonzero().get();
                let _ = tell_thread.send(own);
                let measured = engine::measure(&plan, source, &mut |slice| drop(tell.send(slice.clone())))?;
                Ok((measured, Waits::of_thread(own)))
            });
            let mut waited = None;
            let recording = || {
                recording();
                waited = thread.try_recv().ok().and_then(Waits::of_thread);
            };
            progress::follow(name, &slices, stretch.warm_up, stretch.measure, recording);
            let done =
                sender.join().unwrap_or_else(|_| Err(Error::Refused("the sender panicked".to_owned())));
            let (mut measured, until) = done?;
            measured.step.waited.harness_percent = waited.zip(until).and_then(|(from, to)| from.percent(&to));
            Ok(measured)
        })
    }
}
