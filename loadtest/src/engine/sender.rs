//! The loop of the sender: send the requests that are due on free connections, read answers, and sleep at
//! most until the next request is due.

use super::{
    connection::{Arrival, ClientConnection, ConnectionPhase, Flight},
    plan::{Plan, Schedule, nanos},
    recorder::{LatencyRecorder, Measured},
    source::{FailureKind, OutcomeCounts, Received, Source},
};
use crate::{
    error::{Error, Result},
    report::model::Interval,
};
use mio::{Events, Poll, event::Event};
use std::{
    collections::VecDeque,
    io, mem,
    time::{Duration, Instant},
};
use switchboard_client::Head;

/// Holds every answer to a single selection. Answers to batches take several reads.
const BUFFER_BYTES: usize = 1 << 18;

/// Time before the next due request in which the sender polls without sleeping, because the poll counts in
/// milliseconds and wakes a little late.
const SPIN_NANOS: u64 = 1_500_000;

/// Lateness from which the sender checks that a connection is open before it sends a request.
const LATE_NANOS: u64 = 1_000_000;

/// Sends requests at the plan's pace, and passes each interval of the timeline to `show` at its end.
///
/// # Errors
/// A connection cannot be opened at the start, or the poll fails. Later failures are counted.
pub fn measure(plan: &Plan, source: &mut dyn Source, show: &mut dyn FnMut(&Interval)) -> Result<Measured> {
    let failed = |error: io::Error| Error::Refused(format!("cannot poll sockets: {error}"));
    let poll = Poll::new().map_err(failed)?;
    let mut events = Events::with_capacity(1_024);
    let schedule = Schedule::new(plan);
    let slots = (0..plan.connections).map(|slot| ClientConnection::open(&poll, &plan.target, slot));
    let mut sender = Sender {
        plan,
        source,
        schedule,
        free: (0..plan.connections).collect(),
        slots: slots.collect::<Result<_>>()?,
        poll,
        waiting: VecDeque::with_capacity(1 << 16),
        flights: VecDeque::with_capacity(1 << 16),
        serial: 0,
        worked: false,
        recorder: LatencyRecorder::new(plan, schedule)?,
        buffer: vec![0; BUFFER_BYTES],
        started: Instant::now(),
    };
    let mut idle_since = 0;
    loop {
        sender.send_due();
        let now = sender.now();
        if mem::take(&mut sender.worked) {
            idle_since = now;
        }
        sender.recorder.close_intervals(now, show);
        if sender.is_over(now) {
            break;
        }
        sender.poll(&mut events, Duration::ZERO).map_err(failed)?;
        // The sender is idle only while no event is pending.
        if events.is_empty() {
            let sleep = sender.sleep(now);
            if !sleep.is_zero() {
                sender.poll(&mut events, sleep).map_err(failed)?;
            }
            let now = sender.now();
            sender.recorder.idled(idle_since, now);
            idle_since = now;
        }
        for event in &events {
            sender.worked = true;
            sender.handle(event);
            // A request that is due must not wait for the other events.
            sender.send_due();
        }
    }
    let reopened = sender.slots.iter().map(|connection| connection.replaced).sum();
    sender.recorder.finish(plan, reopened, show)
}

struct Sender<'a> {
    plan: &'a Plan,
    source: &'a mut dyn Source,
    poll: Poll,
    schedule: Schedule,
    slots: Vec<ClientConnection>,
    /// Slots without a request. The longest idle is first, so all connections are used equally.
    free: VecDeque<usize>,
    /// Due times of the requests that wait for a free connection.
    waiting: VecDeque<u64>,
    /// Due time, slot and serial number of the requests in flight in order of due time, and of some that have
    /// ended.
    flights: VecDeque<(u64, usize, u64)>,
    serial: u64,
    /// Whether the sender has done anything since the last turn of the loop.
    worked: bool,
    recorder: LatencyRecorder,
    buffer: Vec<u8>,
    started: Instant,
}

impl Sender<'_> {
    fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    fn poll(&mut self, events: &mut Events, wait: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn is_over(&self, now: u64) -> bool {
        let sending = self.schedule.due().is_some() || self.schedule.sends_as_answered(now);
        !sending && self.waiting.is_empty() && self.free.len() == self.slots.len()
    }

    fn send_due(&mut self) {
        self.expire();
        while let Some(&due) = self.waiting.front()
            && let Some(slot) = self.free.pop_front()
        {
            self.waiting.pop_front();
            self.launch(slot, due, self.now());
        }
        while let Some(due) = self.schedule.due() {
            let now = self.now();
            if due > now {
                break;
            }
            self.schedule.advance();
            self.worked = true;
            self.recorder.due(due, now);
            // If a slot is free, no earlier request waits.
            match self.free.pop_front() {
                Some(slot) => self.launch(slot, due, now),
                None => self.waiting.push_back(due),
            }
        }
        // Each slot only once, because a slot whose connection cannot be opened is free again at once.
        for _ in 0..self.free.len() {
            let now = self.now();
            if !self.schedule.sends_as_answered(now) {
                break;
            }
            if let Some(slot) = self.free.pop_front() {
                self.recorder.due(now, now);
                self.launch(slot, now, now);
            }
        }
    }

    fn expire(&mut self) {
        let timeout = nanos(self.plan.timeout);
        while let Some(&(due, slot, serial)) = self.flights.front() {
            let in_flight =
                |at: &ClientConnection| at.flight.serial == serial && at.state != ConnectionPhase::Idle;
            let live = self.slots.get(slot).is_some_and(in_flight);
            let now = if live { self.now() } else { u64::MAX };
            if due + timeout > now {
                break;
            }
            self.flights.pop_front();
            if live {
                let reason = || format!("no answer within {:?}", self.plan.timeout);
                self.fail(slot, now, FailureKind::Timeout, reason);
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
            let reason = || format!("no connection was free within {:?}", self.plan.timeout);
            self.recorder.failed(due, FailureKind::Timeout, reason);
        }
    }

    fn launch(&mut self, slot: usize, due: u64, now: u64) {
        let request = self.source.next();
        self.serial += 1;
        self.worked = true;
        self.flights.push_back((due, slot, self.serial));
        let Some(connection) = self.slots.get_mut(slot) else { return };
        connection.flight = Flight { request, due, sent: now, serial: self.serial };
        // The event of a closed connection may wait in the poll while the sender is late.
        if now.saturating_sub(due) < LATE_NANOS && connection.stream.is_some() || !connection.is_closed() {
            connection.state = ConnectionPhase::Busy;
            return self.write(slot);
        }
        self.reopen(slot);
    }

    /// Opens another connection for the request of this slot.
    fn reopen(&mut self, slot: usize) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        connection.clear();
        connection.state = ConnectionPhase::Connecting;
        if let Err(error) = connection.reopen(self.poll.registry(), &self.plan.target, slot) {
            self.fail(slot, self.now(), FailureKind::Connect, || error.to_string());
        }
    }

    fn write(&mut self, slot: usize) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        if let Err(error) = connection.write(self.source.bytes(connection.flight.request)) {
            let error = io::Error::new(error.kind(), format!("cannot send: {error}"));
            let arrival = connection.closed(Some(error));
            self.arrived(slot, arrival, false);
        }
    }

    fn handle(&mut self, event: &Event) {
        let slot = event.token().0;
        let Some(connection) = self.slots.get_mut(slot) else { return };
        if connection.state == ConnectionPhase::Connecting {
            match connection.is_connected() {
                Ok(true) => connection.state = ConnectionPhase::Busy,
                Ok(false) => return,
                Err(error) => {
                    return self.fail(slot, self.now(), FailureKind::Connect, || error.to_string());
                }
            }
        }
        if connection.state == ConnectionPhase::Busy && event.is_writable() {
            self.write(slot);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(slot, event.is_read_closed() || event.is_error());
        }
    }

    fn read(&mut self, slot: usize, to_end: bool) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        // The event may be that of the socket before.
        if connection.state == ConnectionPhase::Connecting {
            return;
        }
        let arrival = connection.read(&mut self.buffer, to_end);
        if connection.state == ConnectionPhase::Idle {
            // A server may close a connection between two requests. The next request opens another.
            if !matches!(arrival, Arrival::Part) || to_end {
                connection.stream = None;
                connection.clear();
            }
            return;
        }
        self.arrived(slot, arrival, to_end);
    }

    fn arrived(&mut self, slot: usize, arrival: Arrival, to_end: bool) {
        let now = self.now();
        let is_reused = self.slots.get(slot).is_some_and(|connection| connection.reused);
        match arrival {
            Arrival::Part => {}
            // A server may close a connection while a request is on its way. HTTP clients send the request again.
            Arrival::Unread(_) if is_reused => self.reopen(slot),
            // If the server closed after the answer, the next request must not use this connection.
            Arrival::Whole(head) => self.answered(slot, Head { last: head.last || to_end, ..head }, now),
            Arrival::Closed(reason) | Arrival::Unread(reason) => {
                self.fail(slot, now, FailureKind::Closed, || reason)
            }
            Arrival::Malformed(reason) => self.fail(slot, now, FailureKind::Malformed, || reason),
        }
    }

    fn answered(&mut self, slot: usize, head: Head, now: u64) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let Flight { request, due, sent, .. } = connection.flight;
        // The outcomes of the warm-up are not reported.
        let mut unrecorded = OutcomeCounts::default();
        let recorded = self.schedule.records(due);
        let outcomes = if recorded { &mut self.recorder.outcomes } else { &mut unrecorded };
        let answer = Received {
            status: head.status,
            media: head.media,
            body: connection.body(&self.buffer, head),
            connection: (slot, connection.replaced),
            sent: self.started + Duration::from_nanos(sent),
            read: self.started + Duration::from_nanos(now),
        };
        let checked = self.source.check(request, &answer, outcomes);
        self.recorder.ended(due, Some(sent), now, checked.is_ok());
        self.recorder.answered(due, now, head.body_bytes, self.source.selections());
        if let Err(wrong) = checked {
            self.recorder.failed(due, wrong.kind(), || wrong.reason().to_owned());
        }
        connection.reused = true;
        if head.last || !connection.has_written(self.source.bytes(request)) {
            connection.stream = None;
        }
        self.release(slot);
    }

    /// Ends the request of this slot without an answer, and closes its connection.
    fn fail(&mut self, slot: usize, now: u64, kind: FailureKind, reason: impl FnOnce() -> String) {
        let Some(connection) = self.slots.get_mut(slot) else { return };
        let Flight { due, sent, .. } = connection.flight;
        connection.stream = None;
        self.recorder.ended(due, Some(sent), now, false);
        self.recorder.failed(due, kind, reason);
        self.release(slot);
    }

    fn release(&mut self, slot: usize) {
        if let Some(connection) = self.slots.get_mut(slot) {
            connection.clear();
        }
        self.free.push_back(slot);
    }

    fn sleep(&self, now: u64) -> Duration {
        let expires = |due: u64| due + nanos(self.plan.timeout);
        let flight = self.flights.front().map(|&(due, ..)| expires(due));
        let waiting = self.waiting.front().map(|&due| expires(due));
        let next = [self.schedule.due(), flight, waiting, Some(self.recorder.current.end)];
        let next = next.into_iter().flatten().min().unwrap_or(now);
        Duration::from_millis(next.saturating_sub(now).saturating_sub(SPIN_NANOS) / 1_000_000)
    }
}
