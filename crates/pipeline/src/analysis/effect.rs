//! The effect of one account: the decisions that its selections answer, and those that become problems without the
//! account.
//!
//! Runs one selection for all OUs whose chains begin at the same level, and for all countries that the snapshot
//! stores as one list of steps at each of their levels. Countries for which no step has the account need none.

use std::collections::{BTreeSet, HashMap};

use switchboard_model::{Condition, Region, RegionSet, Role, UnixSeconds};
use switchboard_select::{
    Availability, ChainStep, NoTrace, Overlay, Query, SelectContext, Tracer, select_with,
};
use switchboard_snapshot::view::LevelRef;
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, GroupIdx, LevelIdx, OuIdx, Snapshot};
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

/// Maximum number of OUs that [`Gaps`] lists.
pub const MAX_LISTED_GAPS: usize = 10;

/// The effect of an available account on the decisions of its company: for each OU and country, on the channel and in
/// the role of the account, the answer to a client of whom only the country is known. An account that is not in a pool
/// has no effect.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Effect {
    /// Number of OUs with at least one decision that the account answers.
    pub units: usize,
    /// Number of decisions that the account answers, alone or with others: it is among the available candidates of
    /// the step that serves.
    pub decisions: usize,
    /// Share of the selections of these OUs that the account answers, from 0 to 1. Each country counts alike, and
    /// among equal candidates the weight decides.
    pub share: f64,
    /// The decisions that no account answers while the account is suspended.
    pub without: Gaps,
}

/// The decisions that become problems while the account is suspended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    /// Number of OUs with at least one such decision.
    pub units: usize,
    /// Number of different countries of these decisions.
    pub countries: usize,
    /// Number of these decisions.
    pub decisions: usize,
    /// The first OUs, in the order of their ids, with the countries of their decisions. At most
    /// [`MAX_LISTED_GAPS`].
    pub first: Vec<(OuIdx, RegionSet)>,
}

impl Effect {
    /// Returns the effect that an account has, or would have if it were available, with these standings of the other
    /// accounts.
    pub fn of(snapshot: &Snapshot, standings: &Overlay, now: UnixSeconds, account: AccountIdx) -> Effect {
        let record = snapshot.account(account);
        let (Some(pool), Some(role)) = (record.pool(), record.role()) else { return Effect::default() };
        let (with, without) = (standings.with_free(account), standings.with_free(account));
        without.set(account, Condition::Suspended);
        let mut search = Search {
            snapshot,
            account,
            pool_ous: snapshot.pool(pool).ous().map(|ou| ou.idx()).collect(),
            company: record.company(),
            channel: record.channel(),
            role,
            with: SelectContext { now, random: 0, standings: &with },
            without: SelectContext { now, random: 0, standings: &without },
            groups: HashMap::default(),
            candidacies: HashMap::default(),
            chains: HashMap::default(),
            decided: HashMap::default(),
        };
        search.run()
    }
}

/// The countries of the clients for whom a chain has the account, and those that have steps of their own.
#[derive(Clone, Copy, Default)]
struct Chain {
    /// The countries for which a step has the account.
    reached: RegionSet,
    /// The countries whose steps differ from those of other countries at one of the levels.
    separate: RegionSet,
}

/// The decisions of one OU that the account answers.
#[derive(Clone, Copy, Default)]
struct Decided {
    decisions: usize,
    /// Sum of the account's shares.
    shares: f64,
    /// The countries of the decisions that become problems.
    gaps: RegionSet,
}

/// The available candidates of a group that has the account.
#[derive(Clone, Copy)]
struct Candidacy {
    share: f64,
    is_only: bool,
}

struct Search<'s> {
    snapshot: &'s Snapshot,
    account: AccountIdx,
    /// The OUs that the account's pool is allocated to.
    pool_ous: BTreeSet<OuIdx>,
    company: CompanyIdx,
    channel: ChannelIdx,
    role: Role,
    with: SelectContext<'s>,
    without: SelectContext<'s>,
    /// Whether each group of the account's pool has the account.
    groups: HashMap<GroupIdx, bool, Xxh3DefaultBuilder>,
    /// The groups that selections have visited, of those that have the account.
    candidacies: HashMap<GroupIdx, Candidacy, Xxh3DefaultBuilder>,
    chains: HashMap<LevelIdx, Chain, Xxh3DefaultBuilder>,
    decided: HashMap<LevelIdx, Decided, Xxh3DefaultBuilder>,
}

impl<'s> Search<'s> {
    fn run(&mut self) -> Effect {
        let snapshot = self.snapshot;
        let mut effect = Effect::default();
        let mut countries = RegionSet::EMPTY;
        let mut shares = 0.0;
        for ou in snapshot.company(self.company).ous() {
            let Some(level) = snapshot.chain(self.company, ou.idx(), self.channel, self.role) else {
                continue;
            };
            let decided = self.decisions(ou.idx(), level);
            if decided.decisions == 0 {
                continue;
            }
            effect.units += 1;
            effect.decisions += decided.decisions;
            shares += decided.shares;
            if !decided.gaps.is_empty() {
                let without = &mut effect.without;
                without.units += 1;
                without.decisions += decided.gaps.len() as usize;
                if without.first.len() < MAX_LISTED_GAPS {
                    without.first.push((ou.idx(), decided.gaps));
                }
                countries = countries.union(decided.gaps);
            }
        }
        effect.without.countries = countries.len() as usize;
        if effect.units > 0 {
            effect.share = shares / (effect.units * Region::COUNT) as f64;
        }
        effect
    }

    /// Returns the decisions of an OU whose chain begins at this level.
    fn decisions(&mut self, ou: OuIdx, level: LevelRef<'s>) -> Decided {
        if let Some(&known) = self.decided.get(&level.idx()) {
            return known;
        }
        let Chain { reached, separate } = self.chain(level);
        let mut decided = Decided::default();
        for country in reached.intersection(separate).iter() {
            self.decide(ou, country, country.into(), &mut decided);
        }
        let others = reached.difference(separate);
        if let Some(country) = others.iter().next() {
            self.decide(ou, country, others, &mut decided);
        }
        self.decided.insert(level.idx(), decided);
        decided
    }

    /// Adds the decisions for clients of `countries`, which are all as that of `country`.
    fn decide(&mut self, ou: OuIdx, country: Region, countries: RegionSet, decided: &mut Decided) {
        let Search { snapshot, account, .. } = *self;
        let query = Query {
            company: Some(snapshot.company(self.company).id().into()),
            channel: snapshot.channel(self.channel).id().into(),
            ou: snapshot.ou(ou).id().into(),
            role: Some(self.role),
            country: Some(country.alpha2().into()),
            ..Query::default()
        };
        let Search { groups, candidacies, .. } = self;
        let mut last = LastStep { snapshot, account, groups, candidacies, last: None };
        let answered = select_with(snapshot, &query, self.with, &mut last).result;
        // The last step that a selection visits is the one that serves.
        let Some(Candidacy { share, is_only }) = last.last.filter(|_| answered.is_ok()) else { return };
        decided.decisions += countries.len() as usize;
        decided.shares += share * f64::from(countries.len());
        if is_only && select_with(snapshot, &query, self.without, &mut NoTrace).result.is_err() {
            decided.gaps = decided.gaps.union(countries);
        }
    }

    /// Returns the countries of the chain that begins at a level.
    fn chain(&mut self, first: LevelRef<'s>) -> Chain {
        let mut unknown = Vec::new();
        let mut chain = Chain::default();
        for level in std::iter::successors(Some(first), |level| level.next()) {
            if let Some(&known) = self.chains.get(&level.idx()) {
                chain = known;
                break;
            }
            unknown.push(level);
        }
        for level in unknown.into_iter().rev() {
            let own = self.level(level);
            chain.reached = chain.reached.union(own.reached);
            chain.separate = chain.separate.union(own.separate);
            self.chains.insert(level.idx(), chain);
        }
        chain
    }

    /// Returns the countries of one level.
    fn level(&mut self, level: LevelRef<'s>) -> Chain {
        let mut chain = Chain::default();
        let has_pool = self.pool_ous.contains(&level.ou());
        for (clients, mut steps) in level.runs() {
            if clients.countries.len() == 1 {
                chain.separate = chain.separate.union(clients.countries);
            }
            if has_pool && steps.any(|step| step.group().is_some_and(|group| self.has_account(group))) {
                chain.reached = chain.reached.union(clients.countries);
            }
        }
        chain
    }

    fn has_account(&mut self, group: GroupIdx) -> bool {
        let Search { snapshot, account, groups, .. } = self;
        *groups.entry(group).or_insert_with(|| {
            snapshot.candidates_of(group).iter().any(|candidate| candidate.account() == *account)
        })
    }
}

/// Tracer that records the candidates of the last step of a selection, if the account is among them.
struct LastStep<'a> {
    snapshot: &'a Snapshot,
    account: AccountIdx,
    groups: &'a HashMap<GroupIdx, bool, Xxh3DefaultBuilder>,
    candidacies: &'a mut HashMap<GroupIdx, Candidacy, Xxh3DefaultBuilder>,
    last: Option<Candidacy>,
}

impl Tracer for LastStep<'_> {
    const WHOLE_CHAIN: bool = false;

    fn step(&mut self, step: ChainStep<'_>, availability: impl Fn(AccountIdx) -> Availability) {
        let group = step.stored.group().filter(|group| self.groups.get(group) == Some(&true));
        let (snapshot, account) = (self.snapshot, self.account);
        self.last = group.map(|group| {
            *self.candidacies.entry(group).or_insert_with(|| {
                let (mut own, mut others) = (0.0, 0.0);
                let mut is_only = true;
                for candidate in snapshot.candidates_of(group).iter() {
                    // The account's record may restrict it.
                    if candidate.account() == account {
                        own = f64::from(candidate.weight());
                    } else if availability(candidate.account()) == Availability::Available {
                        others += f64::from(candidate.weight());
                        is_only = false;
                    }
                }
                Candidacy { share: own / (own + others), is_only }
            })
        });
    }
}
