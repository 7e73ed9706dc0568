//! The loop: notice what is due, send it where a connection is free, read what has come, and never sleep past the
//! next due time.

use super::{
    connection::{Arrival, Connection, Flight, State},
    pace::{Pace, Plan, Schedule, nanos},
    recorder::{Recorder, Told},
    sockets,
    source::{Received, Source},
    validity,
};
use crate::{
    engine::answer::Head,
    error::{Error, Result},
    report::model::{Interval, Step, Waited},
    traffic::Outcomes,
};
use mio::{Events, Poll, event::Event};
use std::{
    collections::VecDeque,
    io, mem,
    time::{Duration, Instant},
};

/// Answers to single selections come whole in it; batches take several looks.
const BUFFER: usize = 1 << 18;

/// The poll counts in milliseconds, and wakes a little late: so much before the next due time it is no longer slept, but
/// looked again and again.
const SPIN: u64 = 1_500_000;

/// What came of a while at one pace.
#[derive(Debug)]
pub struct Measured {
    /// For the report; what was done to the daemon is not in it.
    pub step: Step,
    /// The median length of the answers' bodies.
    pub body: usize,
    /// How often a connection had to be made anew.
    pub reopened: u64,
}

/// Sends at the plan's pace, and shows each slice of the time when it is over.
///
/// # Errors
/// Where no connection can be made at the start, or the poll fails. What goes wrong later is counted.
pub fn measure(plan: &Plan, source: &mut dyn Source, show: &mut dyn FnMut(&Interval)) -> Result<Measured> {
    let failed = |error: io::Error| Error::Refused(format!("cannot poll sockets: {error}"));
    let poll = Poll::new().map_err(failed)?;
    let mut events = Events::with_capacity(1_024);
    let schedule = Schedule::new(plan);
    let mut places = Vec::with_capacity(plan.connections);
    for place in 0..plan.connections {
        places.push(Connection::new(sockets::connected(&poll, plan.target, place)?));
    }
    let mut sender = Sender {
        plan,
        source,
        poll,
        schedule,
        free: (0..plan.connections).collect(),
        places,
        waiting: VecDeque::with_capacity(1 << 16),
        flights: VecDeque::with_capacity(1 << 16),
        serial: 0,
        in_flight: 0,
        reopened: 0,
        worked: false,
        recorder: Recorder::new(schedule, nanos(plan.timeout))?,
        unrecorded: Outcomes::default(),
        buffer: vec![0; BUFFER],
        started: Instant::now(),
    };
    let mut idle_since = 0;
    loop {
        sender.turn();
        let now = sender.now();
        if mem::take(&mut sender.worked) {
            idle_since = now;
        }
        sender.recorder.turn(now, show);
        if sender.is_over(now) {
            break;
        }
        sender.look_for(&mut events, Duration::ZERO).map_err(failed)?;
        // Slept only where there is nothing: an event that is there already is no idleness.
        if events.is_empty() {
            let wait = sender.wait(now);
            if !wait.is_zero() {
                sender.look_for(&mut events, wait).map_err(failed)?;
            }
            let now = sender.now();
            sender.recorder.idled(idle_since, now);
            idle_since = now;
        }
        for event in &events {
            sender.worked = true;
            sender.look(event);
            // What became due meanwhile must not wait for the rest of the events.
            sender.turn();
        }
    }
    let reopened = sender.reopened;
    let told = sender.recorder.tell(show)?;
    Ok(step(plan, told, reopened))
}

struct Sender<'a> {
    plan: &'a Plan,
    source: &'a mut dyn Source,
    poll: Poll,
    schedule: Schedule,
    places: Vec<Connection>,
    /// Places without a request, the longest idle first: all connections are used alike.
    free: VecDeque<usize>,
    /// When the requests were due that wait for a connection.
    waiting: VecDeque<u64>,
    /// Due time, place and serial of the requests that are on the way, in the order of their due times; some
    /// may have come to their end.
    flights: VecDeque<(u64, usize, u64)>,
    serial: u64,
    in_flight: usize,
    /// Connections that had to be made anew.
    reopened: u64,
    /// Whether there was anything to do since this was last looked at.
    worked: bool,
    recorder: Recorder,
    /// Outcomes of the warm-up.
    unrecorded: Outcomes,
    buffer: Vec<u8>,
    started: Instant,
}

impl Sender<'_> {
    fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    fn look_for(&mut self, events: &mut Events, wait: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn is_over(&self, now: u64) -> bool {
        let sending = self.schedule.due().is_some() || self.schedule.endless(now);
        !sending && self.waiting.is_empty() && self.in_flight == 0
    }

    fn turn(&mut self) {
        self.expire();
        while let Some(&due) = self.waiting.front()
            && let Some(place) = self.free.pop_front()
        {
            self.waiting.pop_front();
            self.launch(place, due, self.now());
        }
        while let Some(due) = self.schedule.due() {
            let now = self.now();
            if due > now {
                break;
            }
            self.schedule.advance();
            self.worked = true;
            self.recorder.due(due, now);
            // None is waiting while one is free.
            match self.free.pop_front() {
                Some(place) => self.launch(place, due, now),
                None => self.waiting.push_back(due),
            }
        }
        // Each once: one whose connection cannot be made is free again at once.
        for _ in 0..self.free.len() {
            let now = self.now();
            if !self.schedule.endless(now) {
                break;
            }
            if let Some(place) = self.free.pop_front() {
                self.recorder.due(now, now);
                self.launch(place, now, now);
            }
        }
    }

    /// Ends what has had no answer for too long.
    fn expire(&mut self) {
        let timeout = nanos(self.plan.timeout);
        while let Some(&(due, place, serial)) = self.flights.front() {
            let live = self
                .places
                .get(place)
                .is_some_and(|at| at.flight.serial == serial && at.state != State::Idle);
            let now = if live { self.now() } else { u64::MAX };
            if due + timeout > now {
                break;
            }
            self.flights.pop_front();
            if live {
                self.fail(place, now, "timeout", || format!("no answer within {:?}", self.plan.timeout));
            }
        }
        while let Some(&due) = self.waiting.front() {
            let now = self.now();
            if due + timeout > now {
                break;
            }
            self.waiting.pop_front();
            self.worked = true;
            self.recorder.ended(due, None, now, false);
            let why = || format!("no connection was free within {:?}", self.plan.timeout);
            self.recorder.failed(due, "timeout", why);
        }
    }

    /// Sends the next request from this place.
    fn launch(&mut self, place: usize, due: u64, now: u64) {
        let request = self.source.next();
        self.serial += 1;
        self.worked = true;
        self.in_flight += 1;
        self.flights.push_back((due, place, self.serial));
        let Some(at) = self.places.get_mut(place) else { return };
        at.flight = Flight { request, due, sent: now, serial: self.serial };
        if at.stream.is_some() {
            at.state = State::Busy;
            return self.write(place);
        }
        at.state = State::Connecting;
        self.reopened += 1;
        match sockets::opened(self.poll.registry(), self.plan.target, place) {
            Ok(stream) => {
                at.stream = Some(stream);
                at.replaced += 1;
            }
            Err(error) => self.fail(place, self.now(), "connect", || error.to_string()),
        }
    }

    fn write(&mut self, place: usize) {
        let Some(at) = self.places.get_mut(place) else { return };
        if let Err(error) = at.write(self.source.bytes(at.flight.request)) {
            self.fail(place, self.now(), "closed", || format!("cannot send: {error}"));
        }
    }

    fn look(&mut self, event: &Event) {
        let place = event.token().0;
        let Some(at) = self.places.get_mut(place) else { return };
        if at.state == State::Connecting {
            match at.stream.as_ref().map(sockets::stands) {
                Some(Ok(true)) => at.state = State::Busy,
                Some(Err(error)) => return self.fail(place, self.now(), "connect", || error.to_string()),
                Some(Ok(false)) | None => return,
            }
        }
        if at.state == State::Busy && event.is_writable() {
            self.write(place);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(place, event.is_read_closed() || event.is_error());
        }
    }

    fn read(&mut self, place: usize, to_end: bool) {
        let Some(at) = self.places.get_mut(place) else { return };
        let arrival = at.read(&mut self.buffer, to_end);
        if at.state == State::Idle {
            // Closed between two requests, as a server may; the next request opens another.
            if !matches!(arrival, Arrival::Part) || to_end {
                at.stream = None;
                at.clear();
            }
            return;
        }
        let now = self.now();
        match arrival {
            Arrival::Part => {}
            // Closed behind the answer: the next request needs another, and must not be lost on this one.
            Arrival::Whole(head) => self.answered(place, Head { last: head.last || to_end, ..head }, now),
            Arrival::Closed(why) => self.fail(place, now, "closed", || why),
            Arrival::Malformed(why) => self.fail(place, now, "malformed", || why),
        }
    }

    fn answered(&mut self, place: usize, head: Head, now: u64) {
        let Some(at) = self.places.get_mut(place) else { return };
        let Flight { request, due, sent, .. } = at.flight;
        let recorded = self.recorder.records(due);
        let outcomes = if recorded { &mut self.recorder.outcomes } else { &mut self.unrecorded };
        let answer = Received {
            status: head.status,
            media: head.media,
            body: at.body(&self.buffer, head),
            place: (place, at.replaced),
            sent: self.started + Duration::from_nanos(sent),
            read: self.started + Duration::from_nanos(now),
        };
        let verdict = self.source.check(request, &answer, outcomes);
        self.recorder.ended(due, Some(sent), now, verdict.is_ok());
        self.recorder.answered(due, now, head.body, self.source.selections());
        if let Err(wrong) = verdict {
            self.recorder.failed(due, wrong.kind, || wrong.why.into_owned());
        }
        if head.last || !at.has_written(self.source.bytes(request)) {
            at.stream = None;
        }
        self.free(place);
    }

    /// Ends the request of this place without an answer; its connection is of no use any more.
    fn fail(&mut self, place: usize, now: u64, kind: &'static str, why: impl FnOnce() -> String) {
        let Some(at) = self.places.get_mut(place) else { return };
        let Flight { due, sent, .. } = at.flight;
        at.stream = None;
        self.recorder.ended(due, Some(sent), now, false);
        self.recorder.failed(due, kind, why);
        self.free(place);
    }

    fn free(&mut self, place: usize) {
        if let Some(at) = self.places.get_mut(place) {
            at.clear();
        }
        self.in_flight -= 1;
        self.free.push_back(place);
    }

    /// How long there is nothing to do.
    fn wait(&self, now: u64) -> Duration {
        let expires = |due: u64| due + nanos(self.plan.timeout);
        let flight = self.flights.front().map(|&(due, ..)| expires(due));
        let waiting = self.waiting.front().map(|&due| expires(due));
        let next = [self.schedule.due(), flight, waiting, Some(self.recorder.next_turn())];
        let next = next.into_iter().flatten().min().unwrap_or(now);
        Duration::from_millis(next.saturating_sub(now).saturating_sub(SPIN) / 1_000_000)
    }
}

fn step(plan: &Plan, told: Told, reopened: u64) -> Measured {
    let achieved = told.answers as f64 / told.seconds;
    let rate = match plan.pace {
        Pace::Rate(rate) => rate,
        Pace::AsAnswered => achieved,
    };
    let judgement = validity::judge(plan, &told);
    let batches = told.selections > told.answers;
    let step = Step {
        rate,
        seconds: told.seconds,
        due: told.due,
        achieved,
        corrected: told.corrected,
        uncorrected: told.uncorrected,
        lateness: told.lateness,
        idle_percent: told.idle_percent,
        invalid: judgement.invalid,
        warnings: judgement.warnings,
        errors: told.errors,
        outcomes: told.outcomes,
        selections: batches.then_some(told.selections as f64 / told.seconds),
        timeline: told.timeline,
        events: Vec::new(),
        process: None,
        waited: Waited::default(),
    };
    Measured { step, body: told.body, reopened }
}
