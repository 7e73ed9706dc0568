//! Finds the steps that no test covers, the most used first, and suggests a test for each.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::self_test::{CoveredSteps, StepKey, TestCoverage};
use switchboard_model::{MAX_EXCLUDED, Region, RegionSet, Role, Rule, UnixSeconds};
use switchboard_select::{NO_STANDINGS, Query, QueryFields, SelectContext, select};
use switchboard_snapshot::view::{Candidate, LevelRef};
use switchboard_snapshot::{ChannelIdx, LevelIdx, Snapshot};

/// Number of countries that are tried before a step counts as unreachable.
const MAX_TRIED_COUNTRIES: usize = 20;
/// A number of no country: an international freephone number.
const PHONE_OF_NO_COUNTRY: &str = "+80012345678";

/// A step that no test covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncoveredStep {
    /// The id of the company.
    pub company: String,
    /// The id of the channel.
    pub channel: String,
    /// The id of the OU whose level has the step.
    pub ou: String,
    /// The role of the step's accounts.
    pub role: Role,
    /// The id of the pool.
    pub pool: String,
    /// The rule of the step.
    pub rule: Rule,
    /// The countries whose clients have the step in their chain, in alphabetical order.
    pub countries: Vec<Region>,
    /// Whether clients of no country have the step in their chain.
    pub no_country: bool,
    /// Whether a query must name the role, because it is not the conversation role.
    pub other_role: bool,
    key: StepKey,
    /// Number of decisions, each of an OU and a country, that this step makes.
    decisions: u64,
}

/// A test that covers a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// The fields of the query, without the company.
    pub query: Vec<(&'static str, String)>,
    /// The accounts that the query excludes, because they would be selected first.
    pub exclude: Vec<String>,
}

/// A step with candidates, and the clients that have the step in their chain.
struct CandidateStep {
    channel: ChannelIdx,
    countries: RegionSet,
    no_country: bool,
    /// Number of countries for which this is the first step of its level with an available account. Clients
    /// of no country count as one more.
    first: u64,
    /// Number of OUs whose chains have the level.
    ous: u64,
}

impl TestCoverage {
    /// Returns the number of steps that the tests cover.
    pub fn covered_steps(&self, snapshot: &Snapshot) -> CoveredSteps {
        let steps = candidate_steps(snapshot, UnixSeconds::MAX);
        let covered = steps.keys().filter(|key| self.covered.contains(key)).count();
        CoveredSteps { steps: steps.len(), covered }
    }

    /// Returns the steps that no test covers at the time `now`, the most used first.
    pub fn uncovered_steps(&self, snapshot: &Snapshot, now: UnixSeconds) -> Vec<UncoveredStep> {
        let mut uncovered = Vec::new();
        for (key, step) in candidate_steps(snapshot, now) {
            if self.covered.contains(&key) {
                continue;
            }
            let (ou, pool, rule, role) = key;
            let ou = snapshot.ou(ou);
            let channel = snapshot.channel(step.channel);
            uncovered.push(UncoveredStep {
                company: snapshot.company(ou.company()).id().to_owned(),
                channel: channel.id().to_owned(),
                ou: ou.id().to_owned(),
                role,
                pool: snapshot.pool(pool).id().to_owned(),
                rule,
                countries: step.countries.iter().collect(),
                no_country: step.no_country,
                other_role: role != channel.conversation_role(),
                key,
                decisions: step.first * step.ous,
            });
        }
        // A stable sort keeps equally used steps in the order of their names.
        uncovered.sort_by_key(|step| Reverse(step.decisions));
        uncovered
    }
}

impl UncoveredStep {
    /// Finds a query that this step answers at the time `now`. Returns `None` if no query was found.
    pub fn suggestion(&self, snapshot: &Snapshot, now: UnixSeconds) -> Option<Suggestion> {
        let countries = self.countries.iter().take(MAX_TRIED_COUNTRIES);
        let clients = countries.map(|country| ("country", country.alpha2().to_owned()));
        let no_country = self.no_country.then(|| ("phone", PHONE_OF_NO_COUNTRY.to_owned()));
        clients.chain(no_country).find_map(|client| self.query_of(client, snapshot, now))
    }

    /// Excludes accounts of earlier steps until this step answers.
    fn query_of(
        &self,
        client: (&'static str, String),
        snapshot: &Snapshot,
        now: UnixSeconds,
    ) -> Option<Suggestion> {
        let mut query = vec![("channel", self.channel.clone()), ("ou", self.ou.clone()), client];
        if self.other_role {
            query.push(("role", self.role.as_str().to_owned()));
        }
        let mut exclude: Vec<String> = Vec::new();
        loop {
            let mut parsed = Query::default();
            let mut fields = QueryFields::new(&mut parsed);
            for (name, value) in query
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .chain([("company", self.company.as_str()), ("exclude", exclude.join(",").as_str())])
            {
                fields.set(name, value.to_owned().into());
            }
            fields.finish().ok()?;
            let context = SelectContext { now, random: 0, standings: &NO_STANDINGS };
            let selection = select(snapshot, &parsed, context).result.ok()?;
            let location = selection.location?;
            let (ou, pool, rule, _) = self.key;
            if (location.ou, location.pool, selection.rule) == (ou, pool, rule) {
                return Some(Suggestion { query, exclude });
            }
            if exclude.len() == MAX_EXCLUDED || location.ou != ou {
                return None;
            }
            exclude.push(snapshot.account(selection.account).id().to_owned());
        }
    }
}

/// Returns every step that has candidates. Accounts count as available if they are at the time `now`.
#[allow(
    clippy::expect_used,
    reason = "`Snapshot::open` verified that candidates have roles; not on the answer path"
)]
fn candidate_steps(snapshot: &Snapshot, now: UnixSeconds) -> BTreeMap<StepKey, CandidateStep> {
    let is_available = |candidate: Candidate<'_>| snapshot.account(candidate.account()).is_available_at(now);
    let mut steps: BTreeMap<StepKey, CandidateStep> = BTreeMap::new();
    for (level, ous) in snapshot.levels().zip(ous_of_levels(snapshot)) {
        for (clients, run) in level.runs() {
            let mut is_first = true;
            for step in run {
                let Some(candidate) = step.candidates().first() else { continue };
                let account = snapshot.account(candidate.account());
                let role = account.role().expect("cannot fail: an account of a pool has a role");
                let key = (level.ou(), step.pool(), step.rule(), role);
                let entry = steps.entry(key).or_insert_with(|| CandidateStep {
                    channel: account.channel(),
                    countries: RegionSet::EMPTY,
                    no_country: false,
                    first: 0,
                    ous,
                });
                entry.countries = entry.countries.union(clients.countries);
                entry.no_country |= clients.no_country;
                if is_first && step.candidates().iter().any(is_available) {
                    entry.first += u64::from(clients.countries.len()) + u64::from(clients.no_country);
                    is_first = false;
                }
            }
        }
    }
    steps
}

/// Returns for each level the number of OUs whose chains have the level.
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
    // If a chain has a level, it also has the next level, which is less deep.
    let mut order: Vec<LevelRef<'_>> = snapshot.levels().collect();
    order.sort_by_key(|level| Reverse(level.depth()));
    for level in order {
        let ous = served.get(level.idx().get() as usize).copied().unwrap_or(0);
        add(&mut served, level.next().map(LevelRef::idx), ous);
    }
    served
}
