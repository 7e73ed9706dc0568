//! The steps of the chains that no test reaches, those first that most depends on, and the test that would reach one.

use std::collections::BTreeMap;

use super::self_test::{Coverage, StepKey};
use switchboard_model::Region;
use switchboard_model::{Condition, Role};
use switchboard_select::query::MOST_EXCLUDED;
use switchboard_select::{Fields, Moment, NO_STANDINGS, Query, Rule, select};
use switchboard_snapshot::view::{Candidate, LevelRef};
use switchboard_snapshot::{ChannelIdx, LevelIdx, Snapshot};

/// As many of a step's countries are asked for before it counts as one that nobody gets to.
const MOST_ASKED: usize = 20;
/// A number of no country: an international freephone number.
const STATELESS: &str = "+80012345678";

/// A step that no test reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The company's id.
    pub company: String,
    /// The channel's.
    pub channel: String,
    /// The OU's: the level that the step belongs to.
    pub ou: String,
    /// The role.
    pub role: Role,
    /// The pool's id.
    pub pool: String,
    /// The rule.
    pub rule: Rule,
    /// The client's countries that come by, in order.
    pub countries: Vec<Region>,
    /// Whether clients of no country do.
    pub stateless: bool,
    /// Whether what is asked for is not the conversation role, and a query has to say so.
    pub other_role: bool,
    key: StepKey,
    /// How many decisions, of an OU for a country, end here.
    decisions: u64,
}

/// A test that reaches a step, as the answer to it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The query's fields but the company.
    pub query: Vec<(&'static str, String)>,
    /// Accounts that it excludes, since they would come first.
    pub exclude: Vec<String>,
}

/// Who comes by a step.
#[derive(Default)]
struct Clients {
    /// One bit for each country.
    countries: [u64; 4],
    stateless: bool,
    /// How many of the countries find nobody before it on its level.
    first: u64,
    /// How many OUs' chains have the level.
    ous: u64,
}

impl Coverage {
    /// The steps that no test reaches, as of `now` (Unix seconds).
    pub fn unreached(&self, snapshot: &Snapshot, now: i64) -> Vec<Unreached> {
        let mut unreached = Vec::new();
        for (key, (clients, channel)) in steps(snapshot, now) {
            if self.reached.contains(&key) {
                continue;
            }
            let (ou, pool, rule, role) = key;
            let ou = snapshot.ou(ou);
            let channel = snapshot.channel(channel);
            let role = role.unwrap_or(Role::Secondary);
            unreached.push(Unreached {
                company: snapshot.company(ou.company()).id().to_owned(),
                channel: channel.id().to_owned(),
                ou: ou.id().to_owned(),
                role,
                pool: snapshot.pool(pool).id().to_owned(),
                rule,
                countries: Region::all().filter(|country| clients.has(*country)).collect(),
                stateless: clients.stateless,
                other_role: role != channel.conversation_role(),
                key,
                decisions: clients.first * clients.ous,
            });
        }
        // Equally useful ones stay in order of their names.
        unreached.sort_by_key(|step| std::cmp::Reverse(step.decisions));
        unreached
    }
}

impl Unreached {
    /// A query whose answer comes from this step now; `None` where no query can be found.
    pub fn suggestion(&self, snapshot: &Snapshot, now: i64) -> Option<Suggestion> {
        let countries = self.countries.iter().take(MOST_ASKED);
        let clients = countries.map(|country| ("country", country.alpha2().to_owned()));
        let stateless = self.stateless.then(|| ("phone", STATELESS.to_owned()));
        clients.chain(stateless).find_map(|client| self.reached_by(client, snapshot, now))
    }

    /// Excludes whoever comes first until the step's turn has come.
    fn reached_by(
        &self,
        client: (&'static str, String),
        snapshot: &Snapshot,
        now: i64,
    ) -> Option<Suggestion> {
        let mut query = vec![("channel", self.channel.clone()), ("ou", self.ou.clone()), client];
        if self.other_role {
            let role = if self.role == Role::Primary { "primary" } else { "secondary" };
            query.push(("role", role.to_owned()));
        }
        let mut exclude: Vec<String> = Vec::new();
        loop {
            let mut asked = Query::default();
            let mut fields = Fields::of(&mut asked);
            for (name, value) in query
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .chain([("company", self.company.as_str()), ("exclude", exclude.join(",").as_str())])
            {
                fields.set(name, value.to_owned().into());
            }
            fields.finish().ok()?;
            let moment = Moment { now, chance: 0, standings: &NO_STANDINGS };
            let selection = select(snapshot, &asked, moment).result.ok()?;
            let found = selection.found?;
            let (ou, pool, rule, _) = self.key;
            if (found.ou, found.pool, selection.rule) == (ou, pool, rule) {
                return Some(Suggestion { query, exclude });
            }
            if exclude.len() == MOST_EXCLUDED || found.ou != ou {
                return None;
            }
            exclude.push(snapshot.account(selection.account).id().to_owned());
        }
    }
}

impl Clients {
    fn has(&self, country: Region) -> bool {
        let at = country.index();
        self.countries.get(usize::from(at / 64)).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn add(&mut self, country: Region) {
        let at = country.index();
        if let Some(word) = self.countries.get_mut(usize::from(at / 64)) {
            *word |= 1 << (at % 64);
        }
    }
}

/// Every step that has candidates, with who comes by and its channel.
fn steps(snapshot: &Snapshot, now: i64) -> BTreeMap<StepKey, (Clients, ChannelIdx)> {
    let served = ous_of_levels(snapshot);
    let available = |candidate: Candidate<'_>| {
        let account = snapshot.account(candidate.account());
        account.condition() == Condition::Active && !account.is_resting(now)
    };
    let mut steps: BTreeMap<StepKey, (Clients, ChannelIdx)> = BTreeMap::new();
    for (level, ous) in snapshot.levels().zip(served) {
        for client in Region::all().map(Some).chain([None]) {
            let mut first = true;
            for step in level.steps(client) {
                let Some(candidate) = step.candidates().first() else { continue };
                let account = snapshot.account(candidate.account());
                let key = (level.ou(), step.pool(), Rule::of_step(step.rule_number()), account.role());
                let (clients, _) = steps
                    .entry(key)
                    .or_insert_with(|| (Clients { ous, ..Clients::default() }, account.channel()));
                match client {
                    Some(country) => clients.add(country),
                    None => clients.stateless = true,
                }
                if first && step.candidates().iter().any(available) {
                    clients.first += 1;
                    first = false;
                }
            }
        }
    }
    steps
}

/// How many OUs' chains have each level.
fn ous_of_levels(snapshot: &Snapshot) -> Vec<u64> {
    let mut served = vec![0u64; snapshot.levels().len()];
    let add = |served: &mut Vec<u64>, level: Option<LevelIdx>, ous: u64| {
        if let Some(slot) = level.and_then(|level| served.get_mut(level.get() as usize)) {
            *slot += ous;
        }
    };
    for level in snapshot.chain_starts() {
        add(&mut served, level, 1);
    }
    // Whoever gets to a level gets to the next one, which is less deep.
    let mut order: Vec<LevelRef<'_>> = snapshot.levels().collect();
    order.sort_by_key(|level| std::cmp::Reverse(level.depth()));
    for level in order {
        let ous = served.get(level.idx().get() as usize).copied().unwrap_or(0);
        add(&mut served, level.next().map(LevelRef::idx), ous);
    }
    served
}
