//! Selects an account for a query, step by step, in the order in which errors are reported. This file
//! resolves names and has the order of the steps. [`chain`] has the larger steps: the current account, and
//! the search of the chain. Also runs several selections at a time.

mod chain;

use switchboard_model::{Condition, Region, Role, Rule, SelectError, UnixSeconds};
use switchboard_snapshot::rendezvous::Seed;
use switchboard_snapshot::view::{AccountJson, AccountRef, LevelRef, OuProbe, Steps};
use switchboard_snapshot::{AccountIdx, ChainStartIdx, ChannelIdx, CompanyIdx, OuIdx, Snapshot};

use super::answer::{Availability, CurrentOutcome, NoTrace, ResolvedQuery, Tracer, prefetch_selection};
use super::query::{Client, Fallback, Query};
use super::{Answer, Overlay, Selection};

/// The inputs that differ per call: clock, random number, live standings. The caller passes them in, which
/// keeps selection a pure function.
#[derive(Debug, Clone, Copy)]
pub struct SelectContext<'s> {
    /// The current time, which `available_from` is compared with.
    pub now: UnixSeconds,
    /// A random number, different for each query. It decides which candidate is picked if the query names
    /// none of `client`, `phone` and `bsuid`.
    pub random: u64,
    /// The live standings of the snapshot's accounts.
    pub standings: &'s Overlay,
}

impl SelectContext<'_> {
    /// Returns whether a query without `exclude` can select an account of this snapshot.
    pub fn availability(&self, snapshot: &Snapshot, account: AccountIdx) -> Availability {
        if self.standings.is_free(account) {
            return Availability::Available;
        }
        match self.condition(account, snapshot.account(account)) {
            Condition::Draining => Availability::Draining,
            Condition::Suspended => Availability::Suspended,
            Condition::Active if snapshot.account(account).is_resting(self.now) => Availability::Resting,
            Condition::Active => Availability::Available,
        }
    }

    /// Returns the stricter of two conditions: the registry's and the live standing's.
    fn condition(&self, idx: AccountIdx, account: AccountRef<'_>) -> Condition {
        account.condition().max(self.standings.condition(idx))
    }
}

/// Selects the account that answers a query. Reads no clock, takes no lock, and allocates nothing.
///
/// ```
/// use switchboard_model::UnixSeconds;
/// use switchboard_select::{NO_STANDINGS, Query, SelectContext, select};
/// use switchboard_snapshot::Snapshot;
///
/// /// Returns the id of the selected account, or the code of the error.
/// fn account_id<'s>(snapshot: &'s Snapshot, query: &Query<'_>, now: UnixSeconds) -> &'s str {
///     let context = SelectContext { now, random: 7, standings: &NO_STANDINGS };
///     match select(snapshot, query, context).result {
///         Ok(selection) => snapshot.account(selection.account).id(),
///         Err(error) => error.as_str(),
///     }
/// }
/// ```
pub fn select(snapshot: &Snapshot, query: &Query<'_>, context: SelectContext<'_>) -> Answer {
    select_with(snapshot, query, context, &mut NoTrace)
}

/// Selects the account that answers a query, and reports each step to a tracer.
pub fn select_with(
    snapshot: &Snapshot,
    query: &Query<'_>,
    context: SelectContext<'_>,
    tracer: &mut impl Tracer,
) -> Answer {
    let channel = snapshot.find_channel(&query.channel);
    let mut walk = Walk::new(snapshot, query, context);
    Answer { channel, result: walk.select(channel, tracer) }
}

/// A selection in progress, divided into stages. Each stage prefetches the memory that the next stage reads,
/// which is usually not in the cache, and returns. Other selections can run while the memory is fetched. The
/// stages in order: [`resolve_names`](Walk::resolve_names), [`find_ou`](Walk::find_ou),
/// [`find_chain`](Walk::find_chain), [`find_steps`](Walk::find_steps), [`decide`](Walk::decide).
///
/// A `Walk` is created and filled in place. Moving it twice would take 9 % of a selection among 1,000
/// accounts.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    context: SelectContext<'a>,
    company: CompanyIdx,
    channel: ChannelIdx,
    /// The role of the accounts in all steps.
    role: Role,
    is_conversation: bool,
    client: Result<Client, SelectError>,
    seed: Seed,
    probe: Option<OuProbe>,
    ou: OuIdx,
    depth: u32,
    /// Start of the query's chain.
    start: Option<ChainStartIdx>,
    /// The first level of the chain.
    first: Option<LevelRef<'a>>,
    /// The steps of the first level.
    steps: Option<Steps<'a>>,
}

impl<'a> Walk<'a> {
    /// Creates a selection whose fields are placeholders. Each stage sets some fields. No stage reads a field
    /// that no earlier stage has set.
    #[inline]
    pub(super) fn new(snapshot: &'a Snapshot, query: &'a Query<'a>, context: SelectContext<'a>) -> Walk<'a> {
        Walk {
            snapshot,
            query,
            context,
            company: CompanyIdx::new(u32::MAX),
            channel: ChannelIdx::new(u32::MAX),
            role: Role::Secondary,
            is_conversation: false,
            client: Err(SelectError::ClientRequired),
            seed: Seed(context.random),
            probe: None,
            ou: OuIdx::new(u32::MAX),
            depth: 0,
            start: None,
            first: None,
            steps: None,
        }
    }

    /// Runs all stages of the selection.
    fn select(
        &mut self,
        channel: Option<ChannelIdx>,
        tracer: &mut impl Tracer,
    ) -> Result<Selection, SelectError> {
        self.resolve_names(channel)?;
        self.find_ou()?;
        self.find_chain();
        self.find_steps();
        self.decide(tracer)
    }

    /// Resolves company and channel, and hashes the OU's id. While the OU's slot is fetched, does all work
    /// that causes no further cache miss. Errors of the client are reported later, in their order. The caller
    /// looks up the channel, because metrics count by channel.
    pub(super) fn resolve_names(&mut self, channel: Option<ChannelIdx>) -> Result<(), SelectError> {
        let &mut Walk { snapshot, query, .. } = self;
        self.company = match &query.company {
            Some(id) => snapshot.find_company(id).ok_or(SelectError::UnknownCompany)?,
            None => snapshot.only_company().ok_or(SelectError::BadRequest)?,
        };
        self.channel = channel.ok_or(SelectError::UnknownChannel)?;
        self.probe = Some(snapshot.probe_ou(self.company, &query.ou));
        let conversation_role = snapshot.channel(self.channel).conversation_role();
        self.role = query.role.unwrap_or(conversation_role);
        self.is_conversation = self.role == conversation_role;
        self.client = Client::from_query(query);
        match (&query.client, &self.client) {
            (Some(client), _) => self.seed = Seed::from_key(client.as_bytes()),
            (None, Ok(Client { phone: Some(phone), .. })) => {
                self.seed = Seed::from_key(phone.digits().as_bytes())
            }
            (None, _) => {
                if let Some(bsuid) = &query.bsuid {
                    self.seed = Seed::from_key(bsuid.as_bytes());
                }
            }
        }
        Ok(())
    }

    /// Prefetches the record of the OU.
    #[inline]
    pub(super) fn prefetch_ou(&self) {
        if let Some(probe) = self.probe {
            self.snapshot.prefetch_ou(probe);
        }
    }

    /// Finds the OU, checks the client, and prefetches the start of the chain.
    pub(super) fn find_ou(&mut self) -> Result<(), SelectError> {
        let ou = self.probe.and_then(|probe| self.snapshot.find_ou(self.company, &self.query.ou, probe));
        self.ou = ou.ok_or(SelectError::UnknownOu)?;
        self.client?;
        self.depth = self.snapshot.ou(self.ou).depth();
        self.start = self.snapshot.prefetch_chain(self.company, self.ou, self.channel, self.role);
        Ok(())
    }

    /// Finds the first level of the chain.
    #[inline]
    pub(super) fn find_chain(&mut self) {
        self.first = self.start.and_then(|start| self.snapshot.first_level(start));
    }

    /// Finds the steps of the first level.
    #[inline]
    pub(super) fn find_steps(&mut self) {
        self.steps = self.first.map(|level| level.steps(self.country()));
    }

    /// Prefetches the first step of the first level.
    #[inline]
    pub(super) fn prefetch_step(&self) {
        if let Some(steps) = &self.steps {
            steps.prefetch_first();
        }
    }

    /// Prefetches the first step's candidates and pool.
    #[inline]
    pub(super) fn prefetch_candidates(&self) {
        if let Some(steps) = &self.steps {
            steps.prefetch_candidates();
        }
    }

    #[inline]
    fn country(&self) -> Option<Region> {
        self.client.ok().and_then(|client| client.country)
    }

    /// Decides the selection: keeps the current account, selects the user's dedicated account, or picks from
    /// the chain.
    pub(super) fn decide(&self, tracer: &mut impl Tracer) -> Result<Selection, SelectError> {
        tracer.resolved(self.resolved_query(), self.client?);
        let dedicated = match &self.query.user {
            Some(user) if self.is_conversation => {
                self.snapshot.find_dedicated(self.company, self.channel, user)
            }
            _ => None,
        };
        let current = self.query.current.as_ref().map(|id| self.current(id, dedicated));
        let current_ignored = current.and_then(Result::err);
        if current.is_some() {
            tracer.current(current_ignored.map_or(CurrentOutcome::Kept, CurrentOutcome::Ignored));
        }
        self.trace_user(tracer);
        if let Some(account) = dedicated {
            tracer.dedicated(account, |account| self.availability(account));
        }
        let selection = |(account, account_json), rule, location| Selection {
            account,
            account_json,
            rule,
            location,
            client_country: self.country(),
            current_ignored,
        };
        let decided = match (current, dedicated) {
            (Some(Ok((account, location))), _) => {
                Some(Ok(selection(self.with_json(account), Rule::Current, location)))
            }
            (_, Some(account)) if self.is_available(account) => {
                Some(Ok(selection(self.with_json(account), Rule::Dedicated, None)))
            }
            (_, Some(_)) if self.snapshot.company(self.company).dedicated_falls_back() => None,
            (_, Some(_)) => Some(Err(SelectError::DedicatedUnavailable)),
            (_, None) => None,
        };
        match decided {
            Some(decided) => {
                self.trace_chain(tracer);
                decided
            }
            None => self.chain(tracer).map(|(candidate, rule, location)| {
                selection((candidate.account(), candidate.json()), rule, Some(location))
            }),
        }
    }

    /// Reports the account of the query's user to a tracer of whole chains.
    fn trace_user<T: Tracer>(&self, tracer: &mut T) {
        if T::WHOLE_CHAIN
            && let Some(user) = &self.query.user
            && let Some(account) = self.snapshot.find_dedicated(self.company, self.channel, user)
        {
            tracer.user(account, |account| self.availability(account));
        }
    }

    fn resolved_query(&self) -> ResolvedQuery {
        let &Walk { query, company, channel, ou, role, .. } = self;
        ResolvedQuery {
            company,
            channel,
            ou,
            role,
            without_fallback: query.fallback == Fallback::None,
            picks_at_random: query.picks_at_random(),
        }
    }

    fn with_json(&self, account: AccountIdx) -> (AccountIdx, AccountJson) {
        (account, self.snapshot.account(account).json())
    }
}

/// Number of selections that are interleaved. More than eight gain nothing: a core fetches 10 to 16 cache
/// lines at a time, and each selection requests two or three.
pub const LANES: usize = 8;

/// One of the interleaved selections.
struct Lane<'a> {
    walk: Walk<'a>,
    /// The error that ended the selection early, if any.
    state: Result<(), SelectError>,
}

/// Answers up to [`LANES`] queries. In a large snapshot, a selection reads eight places in memory, five of
/// them one after the other. Each read is a cache miss of 40 to 160 ns. Interleaved selections overlap their
/// misses: each stage requests the memory of all selections before the next stage reads it.
///
/// Each answer equals that of [`select()`](select). Returns `None` at
/// each index where `queries` has no query.
pub fn select_interleaved<'a>(
    snapshot: &'a Snapshot,
    queries: &[Option<(&'a Query<'a>, SelectContext<'a>)>; LANES],
) -> [Option<Answer>; LANES] {
    let channels = queries.each_ref().map(|query| snapshot.find_channel(&query.as_ref()?.0.channel));
    let mut lanes: [Option<Lane<'a>>; LANES] = queries.each_ref().map(|query| {
        let (query, context) = query.as_ref()?;
        Some(Lane { walk: Walk::new(snapshot, query, *context), state: Ok(()) })
    });
    for (lane, channel) in lanes.iter_mut().zip(&channels) {
        if let Some(lane) = lane {
            lane.state = lane.walk.resolve_names(*channel);
        }
    }
    for lane in active(&mut lanes) {
        lane.walk.prefetch_ou();
    }
    for lane in active(&mut lanes) {
        lane.state = lane.walk.find_ou();
    }
    for lane in active(&mut lanes) {
        lane.walk.find_chain();
    }
    for lane in active(&mut lanes) {
        lane.walk.find_steps();
        lane.walk.prefetch_step();
    }
    for lane in active(&mut lanes) {
        lane.walk.prefetch_candidates();
    }
    let results = lanes.each_ref().map(|lane| {
        let Lane { walk, state } = lane.as_ref()?;
        Some(state.and_then(|()| walk.decide(&mut NoTrace)))
    });
    for selection in results.iter().flatten().flatten() {
        prefetch_selection(snapshot, selection);
    }
    let mut channels = channels.into_iter();
    results.map(|result| {
        let channel = channels.next().flatten();
        Some(Answer { channel, result: result? })
    })
}

/// Returns the selections that have not ended early.
fn active<'l, 'a>(lanes: &'l mut [Option<Lane<'a>>; LANES]) -> impl Iterator<Item = &'l mut Lane<'a>> {
    lanes.iter_mut().flatten().filter(|lane| lane.state.is_ok())
}
