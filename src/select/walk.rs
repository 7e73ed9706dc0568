//! The walk: from a query to an account, step by step, in the order that faults are reported in.

use crate::account::{Condition, Role};
use crate::numbering::Region;
use crate::snapshot::Snapshot;
use crate::snapshot::format::{
    ArchivedAccount, ArchivedLevel, ArchivedMember, ArchivedStep, NO_COUNTRY, NONE,
};
use crate::snapshot::rendezvous::Seed;
use crate::snapshot::view::{Records, Run, Sought};

use super::answer::Lead;
use super::client::Client;
use super::pick::pick;
use super::query::{Fallback, Query};
use super::{Code, Ignored, Outcome, Overlay, Rule};

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

/// What a query comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The channel, where the query named a known one.
    pub channel: Option<u32>,
    /// The account, or why there is none.
    pub result: Result<Selection, Code>,
}

/// The account that talks to the client, and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The account.
    pub account: u32,
    /// What an answer says of it.
    pub lead: Lead,
    /// Why this one.
    pub rule: Rule,
    /// Where; a dedicated account is in no pool.
    pub found: Option<Found>,
    /// The client's country.
    pub client_country: Option<Region>,
    /// Why the account that the client talks to was not kept.
    pub current_ignored: Option<Ignored>,
}

/// Where in the chain an account was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The OU.
    pub ou: u32,
    /// The pool.
    pub pool: u32,
    /// Both as an answer has them: which of the snapshot's `level_pools`.
    pub place: u32,
    /// Levels above the query's OU.
    pub climbed: u32,
}

/// A query's names, resolved, and what else its steps depend on.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The company.
    pub company: u32,
    /// The channel.
    pub channel: u32,
    /// The OU.
    pub ou: u32,
    /// The role: the query's, or the channel's conversation role.
    pub role: Role,
    /// Whether nothing but the first country rule counts.
    pub strictly: bool,
    /// Whether the pick is a matter of chance: the query names nobody.
    pub by_chance: bool,
}

/// A level of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The OU.
    pub ou: u32,
    /// How far above the query's.
    pub climbed: u32,
}

/// What goes along on the walk and sees every step.
pub trait Tracer {
    /// Whether the walk goes on to the end of the chain when the account is found.
    const WHOLE_CHAIN: bool;
    /// What is asked, once all its names are resolved, and of whom.
    fn asked(&mut self, _asked: Asked, _client: Client) {}
    /// Why the account that the client talks to is not kept, or that it is.
    fn current(&mut self, _ignored: Option<Ignored>) {}
    /// The user's own account.
    fn own(&mut self, _account: u32, _outcome: impl Fn(u32) -> Outcome) {}
    /// The chain, where there is one: its levels that have pools, from the query's OU up.
    fn chain(&mut self, _levels: impl Iterator<Item = Level>) {}
    /// A step, before anything is picked; `outcome` tells of any account whether it can be had.
    fn step(&mut self, _step: Step<'_>, _outcome: impl Fn(u32) -> Outcome) {}
}

/// Nobody goes along.
pub struct Alone;

impl Tracer for Alone {
    const WHOLE_CHAIN: bool = false;
}

/// A step of the chain, as a tracer sees it.
#[derive(Clone, Copy)]
pub struct Step<'s> {
    /// As stored.
    pub stored: &'s ArchivedStep,
    /// Its rule.
    pub rule: Rule,
    /// Where its accounts are.
    pub found: Found,
    /// The country it looks for.
    pub country: Option<Region>,
}

/// Answers a query.
pub fn select(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>) -> Answer {
    walk(snapshot, query, moment, &mut Alone)
}

/// Answers a query, with a tracer along.
pub fn walk(snapshot: &Snapshot, query: &Query<'_>, moment: Moment<'_>, tracer: &mut impl Tracer) -> Answer {
    let channel = snapshot.channel(&query.channel);
    let result = Walk::begin(snapshot, query, moment, channel).and_then(|mut walk| {
        walk.find_ou()?;
        walk.find_chain();
        walk.find_steps();
        walk.run(tracer)
    });
    Answer { channel, result }
}

/// A query on its way. What it finds lies in memory that is far away, one place after the other: each stage asks for the
/// next place and ends, so that several can go side by side. In order: [`find_ou`](Walk::find_ou),
/// [`find_chain`](Walk::find_chain), [`find_steps`](Walk::find_steps), [`run`](Walk::run).
pub(super) struct Walk<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    moment: Moment<'a>,
    company: u32,
    channel: u32,
    /// One role holds for all the steps.
    role: Role,
    conversation: bool,
    client: Result<Client, Code>,
    seed: Seed,
    sought: Sought,
    ou: u32,
    /// How many OUs are above it.
    depth: u32,
    /// Which entry says where the chain begins.
    entry: Option<u32>,
    /// Where the chain begins, where there is one.
    first: Option<&'a ArchivedLevel>,
    /// The steps there.
    steps: Run<'a>,
}

impl<'a> Walk<'a> {
    /// Seeks the OU, and does all that takes no memory while its place is fetched, though the faults of that are
    /// reported in their turn. The channel was looked up first, for the metrics' sake.
    pub(super) fn begin(
        snapshot: &'a Snapshot,
        query: &'a Query<'a>,
        moment: Moment<'a>,
        channel: Option<u32>,
    ) -> Result<Walk<'a>, Code> {
        let contents = snapshot.contents();
        let company = match &query.company {
            Some(id) => snapshot.company(id).ok_or(Code::UnknownCompany)?,
            None if contents.companies.len() == 1 => 0,
            None => return Err(Code::BadRequest),
        };
        let channel = channel.ok_or(Code::UnknownChannel)?;
        let sought = snapshot.seek_ou(company, &query.ou);
        let conversation_role = contents.channels.at(channel).conversation_role();
        let role = query.role.unwrap_or(conversation_role);
        let client = Client::of(query);
        let seed = match (&query.client, client.as_ref().map(|client| &client.phone)) {
            (Some(client), _) => Seed::of(client.as_bytes()),
            (None, Ok(Some(phone))) => Seed::of(phone.digits().as_bytes()),
            (None, _) => Seed(moment.chance),
        };
        Ok(Walk {
            snapshot,
            query,
            moment,
            company,
            channel,
            role,
            conversation: role == conversation_role,
            client,
            seed,
            sought,
            ou: NONE,
            depth: 0,
            entry: None,
            first: None,
            steps: Run::default(),
        })
    }

    /// Begins to fetch the OU.
    pub(super) fn near_ou(&self) {
        self.snapshot.near_ou(self.sought);
    }

    /// Steps 1 to 3: names, role, country. Then its chain is sought.
    pub(super) fn find_ou(&mut self) -> Result<(), Code> {
        self.ou = self.snapshot.ou(self.company, &self.query.ou, self.sought).ok_or(Code::UnknownOu)?;
        self.client?;
        self.depth = self.snapshot.contents().ous.at(self.ou).depth.to_native();
        self.entry = self.snapshot.seek_chain(self.company, self.ou, self.channel, self.role);
        Ok(())
    }

    /// Where the chain begins.
    pub(super) fn find_chain(&mut self) {
        self.first = self.entry.and_then(|entry| self.snapshot.first_level(entry));
    }

    /// The steps there.
    pub(super) fn find_steps(&mut self) {
        if let Some(level) = self.first {
            self.steps = self.snapshot.steps(level, self.country());
        }
    }

    /// Begins to fetch the first step.
    pub(super) fn near_step(&self) {
        self.snapshot.near_step(&self.steps);
    }

    /// Begins to fetch the first step's candidates, and its pool.
    pub(super) fn near_members(&self) {
        if let Some(level) = self.first {
            self.snapshot.near_members(level, &self.steps);
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
            Some(user) if self.conversation => self.snapshot.dedicated(self.company, self.channel, user),
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
        let selection = |(account, lead), rule, found| Selection {
            account,
            lead,
            rule,
            found,
            client_country: self.country(),
            current_ignored,
        };
        let decided = match (current, dedicated) {
            (Some(Ok((account, found))), _) => {
                Some(Ok(selection(self.with_lead(account), Rule::Current, found)))
            }
            (_, Some(account)) if self.available(account) => {
                Some(Ok(selection(self.with_lead(account), Rule::Dedicated, None)))
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
            None => self.chain(tracer).map(|(member, rule, found)| {
                selection((member.account.to_native(), Lead::of_member(member)), rule, Some(found))
            }),
        }
    }

    fn asked(&self) -> Asked {
        let &Walk { query, company, channel, ou, role, .. } = self;
        let strictly = query.fallback == Fallback::None;
        let by_chance = query.client.is_none() && query.phone.is_none();
        Asked { company, channel, ou, role, strictly, by_chance }
    }

    fn levels(&self) -> impl Iterator<Item = Level> {
        let levels = std::iter::successors(self.first, |level| self.snapshot.next(level));
        levels.map(|level| Level { ou: level.ou.to_native(), climbed: self.climbed(level) })
    }

    fn with_lead(&self, account: u32) -> (u32, Lead) {
        (account, Lead::of_account(self.snapshot.contents().accounts.at(account)))
    }

    /// Step 4: the account that the client talks to, if it is kept.
    fn current(&self, id: &str, dedicated: Option<u32>) -> Result<(u32, Option<Found>), Ignored> {
        let at = self.snapshot.account(self.company, id).ok_or(Ignored::Unknown)?;
        let account = self.snapshot.contents().accounts.at(at);
        if u32::from(account.channel.to_native()) != self.channel {
            return Err(Ignored::OtherChannel);
        }
        let of_role = match account.role() {
            Some(role) => role == self.role,
            // A dedicated account counts as of the conversation role; a spare one of none.
            None => self.conversation && account.is_dedicated(),
        };
        if !of_role {
            return Err(Ignored::OtherRole);
        }
        if self.condition(at, account) == Condition::Suspended {
            return Err(Ignored::Suspended);
        }
        if self.excluded(account) {
            return Err(Ignored::Excluded);
        }
        if account.available_from.to_native() > self.moment.now {
            return Err(Ignored::Resting);
        }
        if dedicated == Some(at) {
            return Ok((at, None));
        }
        match self.membership(account) {
            Some(found) => Ok((at, Some(found))),
            None => Err(Ignored::NotInChain),
        }
    }

    /// The first step of the whole chain that the account is a member of.
    fn membership(&self, account: &ArchivedAccount) -> Option<Found> {
        let pool = account.pool.to_native();
        let country = account.country()?;
        if pool == NONE {
            return None;
        }
        let mut found = None;
        self.each_step(|step| {
            let client = self.country();
            let is_member = match step.rule {
                Rule::CallingCode => Some(country) != client && shares_calling_code(country, client),
                _ => step.country == Some(country),
            };
            if step.found.pool == pool && is_member {
                found = Some(step.found);
            }
            found.is_none()
        });
        found
    }

    /// Steps 6 to 8: the chain, to the first step with an available account.
    fn chain(&self, tracer: &mut impl Tracer) -> Result<(&'a ArchivedMember, Rule, Found), Code> {
        self.first.ok_or(Code::NoPool)?;
        tracer.chain(self.levels());
        let (winner, any) = self.walk_chain(tracer, true);
        winner.ok_or(if any { Code::NoAccountAvailable } else { Code::NoAccount })
    }

    /// The chain for the tracer's eyes alone, where the answer is known without it.
    fn trace<T: Tracer>(&self, tracer: &mut T) {
        tracer.chain(self.levels());
        if T::WHOLE_CHAIN {
            self.walk_chain(tracer, false);
        }
    }

    /// The winner, where one is wanted, and whether any step that was tried had accounts.
    fn walk_chain<T: Tracer>(
        &self,
        tracer: &mut T,
        wanted: bool,
    ) -> (Option<(&'a ArchivedMember, Rule, Found)>, bool) {
        let mut winner = None;
        let mut any = false;
        let first_climb = self.first.map_or(0, |level| self.climbed(level));
        self.each_step(|step| {
            tracer.step(step, |account| self.outcome(account));
            let tried = self.query.fallback == Fallback::All
                || (step.rule == Rule::Country && step.found.climbed == first_climb);
            let empty = step.stored.group.to_native() == NONE;
            if !empty && wanted && tried && winner.is_none() {
                any = true;
                let picked = pick(self.snapshot, step.stored, self.seed, |account| self.available(account));
                winner = picked.map(|member| (member, step.rule, step.found));
            }
            T::WHOLE_CHAIN || (winner.is_none() && (tried || self.query.fallback == Fallback::All))
        });
        (winner, any)
    }

    /// Every step of the whole chain in order, for as long as `visit` wants more.
    fn each_step(&self, mut visit: impl FnMut(Step<'a>) -> bool) {
        let (mut at, mut steps) = (self.first, self.steps.clone());
        while let Some(level) = at {
            let climbed = self.climbed(level);
            for stored in steps {
                let place = self.snapshot.step_pool(level, stored);
                let pool = self.snapshot.contents().level_pools.at(place).pool.to_native();
                let found = Found { ou: level.ou.to_native(), pool, place, climbed };
                let country = match stored.country {
                    NO_COUNTRY => self.country(),
                    country => Region::from_index(country),
                };
                if !visit(Step { stored, rule: Rule::of_step(stored.rule()), found, country }) {
                    return;
                }
            }
            at = self.snapshot.next(level);
            steps = at.map(|level| self.snapshot.steps(level, self.country())).unwrap_or_default();
        }
    }

    /// How far above the query's OU a level of its chain is.
    fn climbed(&self, level: &ArchivedLevel) -> u32 {
        self.depth.saturating_sub(level.depth.to_native())
    }

    /// Step 7. A dedicated account counts like any other. The list of those excluded comes last: it is the longest.
    fn available(&self, at: u32) -> bool {
        // Nearly always, without a look at the account, which is far away.
        if self.moment.standings.is_free(at) && self.query.exclude.is_empty() {
            return true;
        }
        let account = self.snapshot.contents().accounts.at(at);
        account.available_from.to_native() <= self.moment.now
            && self.condition(at, account) == Condition::Active
            && !self.excluded(account)
    }

    fn outcome(&self, at: u32) -> Outcome {
        let account = self.snapshot.contents().accounts.at(at);
        match self.condition(at, account) {
            Condition::Draining => Outcome::Draining,
            Condition::Suspended => Outcome::Suspended,
            Condition::Active if self.excluded(account) => Outcome::Excluded,
            Condition::Active if account.available_from.to_native() > self.moment.now => Outcome::Resting,
            Condition::Active => Outcome::Available,
        }
    }

    /// The more restrictive of the registry's state and the live standing.
    fn condition(&self, at: u32, account: &ArchivedAccount) -> Condition {
        account.condition().max(self.moment.standings.condition(at))
    }

    /// By id: of a group, only accounts that would win are asked, so that most of the ids that a query
    /// excludes need never be looked up. All accounts of a chain are of the query's company.
    fn excluded(&self, account: &ArchivedAccount) -> bool {
        let exclude = &self.query.exclude;
        !exclude.is_empty() && {
            let id = self.snapshot.account_id(account);
            exclude.ids().any(|excluded| excluded.as_bytes() == id)
        }
    }

    fn dedicated_falls_back(&self) -> bool {
        self.snapshot.contents().companies.at(self.company).dedicated_falls_back != 0
    }
}

fn shares_calling_code(country: Region, client: Option<Region>) -> bool {
    client.is_some_and(|client| {
        client.calling_code().is_some() && client.calling_code() == country.calling_code()
    })
}
