//! The walk: from a query to an account, step by step, in the order that faults are reported in. Here: names, and the
//! order of the steps; `current`, `chain` and `available` are steps of their own.

mod available;
mod chain;
mod current;

use switchboard_model::Region;
use switchboard_model::Role;
use switchboard_snapshot::rendezvous::Seed;
use switchboard_snapshot::view::{AccountJson, LevelRef, OuProbe, Steps};
use switchboard_snapshot::{AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, OuIdx, Snapshot};

use super::client::Client;
use super::query::{Fallback, Query};
use super::tracer::{Alone, Asked, Tracer};
use super::{Answer, Code, Overlay, Rule, Selection};

/// What the walk may not find out by itself.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'s> {
    /// Unix seconds.
    pub now: i64,
    /// Another number each time: what candidates are spread by where a query names no client.
    pub chance: u64,
    /// The live standings of the snapshot's accounts.
    pub standings: &'s Overlay,
}

/// Answers a query.
pub fn select(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> Answer {
    walk(snapshot, query, moment, &mut Alone)
}

/// Answers a query, with a tracer along.
pub fn walk(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>, tracer: &mut impl Tracer) -> Answer {
    let channel = snapshot.find_channel(&query.channel);
    let mut walk = Walk::of(snapshot, query, moment);
    Answer { channel, result: walk.go(channel, tracer) }
}

/// A query on its way. What it finds lies in memory that is far away, one place after the other: each stage asks for the
/// next place and ends, so that several can go side by side. In order: [`begin`](Walk::begin),
/// [`find_ou`](Walk::find_ou), [`find_chain`](Walk::find_chain), [`find_steps`](Walk::find_steps), [`run`](Walk::run).
pub(super) struct Walk<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    moment: Moment<'a>,
    company: CompanyIdx,
    channel: ChannelIdx,
    /// One role holds for all the steps.
    role: Role,
    conversation: bool,
    client: Result<Client, Code>,
    seed: Seed,
    probe: Option<OuProbe>,
    ou: OuIdx,
    /// How many OUs are above it.
    depth: u32,
    /// Which entry says where the chain begins.
    start: Option<ChainStartIdx>,
    /// Where the chain begins, where there is one.
    first: Option<LevelRef<'a>>,
    /// The steps there.
    steps: Option<Steps<'a>>,
}

impl<'a> Walk<'a> {
    /// Before its first step: what is found on the way is still to be, and nobody reads it before.
    pub(super) fn of(snapshot: &'a Snapshot, query: &'a Query<'a>, moment: Moment<'a>) -> Walk<'a> {
        Walk {
            snapshot,
            query,
            moment,
            company: CompanyIdx::new(u32::MAX),
            channel: ChannelIdx::new(u32::MAX),
            role: Role::Secondary,
            conversation: false,
            client: Err(Code::ClientRequired),
            seed: Seed(moment.chance),
            probe: None,
            ou: OuIdx::new(u32::MAX),
            depth: 0,
            start: None,
            first: None,
            steps: None,
        }
    }

    /// Seeks the OU, and does all that takes no memory while its place is fetched, though the faults of that are
    /// reported in their turn. The channel was looked up first, for the metrics' sake.
    pub(super) fn begin(&mut self, channel: Option<ChannelIdx>) -> Result<(), Code> {
        let &mut Walk { snapshot, query, .. } = self;
        self.company = match &query.company {
            Some(id) => snapshot.find_company(id).ok_or(Code::UnknownCompany)?,
            None => snapshot.only_company().ok_or(Code::BadRequest)?,
        };
        self.channel = channel.ok_or(Code::UnknownChannel)?;
        self.probe = Some(snapshot.probe_ou(self.company, &query.ou));
        let conversation_role = snapshot.channel(self.channel).conversation_role();
        self.role = query.role.unwrap_or(conversation_role);
        self.conversation = self.role == conversation_role;
        self.client = Client::of(query);
        match (&query.client, &self.client) {
            (Some(client), _) => self.seed = Seed::of(client.as_bytes()),
            (None, Ok(Client { phone: Some(phone), .. })) => self.seed = Seed::of(phone.digits().as_bytes()),
            (None, _) => {}
        }
        Ok(())
    }

    /// All the way.
    fn go(&mut self, channel: Option<ChannelIdx>, tracer: &mut impl Tracer) -> Result<Selection, Code> {
        self.begin(channel)?;
        self.find_ou()?;
        self.find_chain();
        self.find_steps();
        self.run(tracer)
    }

    /// Begins to fetch the OU.
    pub(super) fn prefetch_ou(&self) {
        if let Some(probe) = self.probe {
            self.snapshot.prefetch_ou(probe);
        }
    }

    /// Steps 1 to 3: names, role, country. Then its chain is sought.
    pub(super) fn find_ou(&mut self) -> Result<(), Code> {
        let ou = self.probe.and_then(|probe| self.snapshot.find_ou(self.company, &self.query.ou, probe));
        self.ou = ou.ok_or(Code::UnknownOu)?;
        self.client?;
        self.depth = self.snapshot.ou(self.ou).depth();
        self.start = self.snapshot.prefetch_chain(self.company, self.ou, self.channel, self.role);
        Ok(())
    }

    /// Where the chain begins.
    pub(super) fn find_chain(&mut self) {
        self.first = self.start.and_then(|start| self.snapshot.first_level(start));
    }

    /// The steps there.
    pub(super) fn find_steps(&mut self) {
        self.steps = self.first.map(|level| level.steps(self.country()));
    }

    /// Begins to fetch the first step.
    pub(super) fn prefetch_step(&self) {
        if let Some(steps) = &self.steps {
            steps.prefetch_first();
        }
    }

    /// Begins to fetch the first step's candidates, and its pool.
    pub(super) fn prefetch_candidates(&self) {
        if let Some(steps) = &self.steps {
            steps.prefetch_candidates();
        }
    }

    /// The client's country.
    fn country(&self) -> Option<Region> {
        self.client.ok().and_then(|client| client.country)
    }

    /// Steps 4 to 8.
    pub(super) fn run(&self, tracer: &mut impl Tracer) -> Result<Selection, Code> {
        tracer.asked(self.asked(), self.client?);
        let dedicated = match &self.query.user {
            Some(user) if self.conversation => self.snapshot.find_dedicated(self.company, self.channel, user),
            _ => None,
        };
        let current = self.query.current.as_ref().map(|id| self.current(id, dedicated));
        let current_ignored = current.and_then(Result::err);
        if current.is_some() {
            tracer.current(current_ignored);
        }
        if let Some(account) = dedicated {
            tracer.own(account, |account| self.outcome(account));
        }
        let selection = |(account, account_json), rule, found| Selection {
            account,
            account_json,
            rule,
            found,
            client_country: self.country(),
            current_ignored,
        };
        let decided = match (current, dedicated) {
            (Some(Ok((account, found))), _) => {
                Some(Ok(selection(self.with_json(account), Rule::Current, found)))
            }
            (_, Some(account)) if self.available(account) => {
                Some(Ok(selection(self.with_json(account), Rule::Dedicated, None)))
            }
            (_, Some(_)) if self.dedicated_falls_back() => None,
            (_, Some(_)) => Some(Err(Code::DedicatedUnavailable)),
            (_, None) => None,
        };
        match decided {
            Some(decided) => {
                self.trace(tracer);
                decided
            }
            None => self
                .chain(tracer)
                .map(|(member, rule, found)| selection((member.account(), member.json()), rule, Some(found))),
        }
    }

    fn asked(&self) -> Asked {
        let &Walk { query, company, channel, ou, role, .. } = self;
        let strictly = query.fallback == Fallback::None;
        let by_chance = query.client.is_none() && query.phone.is_none();
        Asked { company, channel, ou, role, strictly, by_chance }
    }

    fn with_json(&self, account: AccountIdx) -> (AccountIdx, AccountJson) {
        (account, self.snapshot.account(account).json())
    }

    fn dedicated_falls_back(&self) -> bool {
        self.snapshot.company(self.company).dedicated_falls_back()
    }
}
