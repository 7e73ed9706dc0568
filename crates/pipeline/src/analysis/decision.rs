//! The decision for one OU, channel and country; the decisions for every country; and how many are served by which rule.

use std::collections::{BTreeMap, HashMap};

use switchboard_model::{Region, Rule, SelectError};

use switchboard_snapshot::{GroupIdx, OuIdx, PoolIdx, Snapshot};

/// The answer to an invite of a client of whom only the country is known. Indices are the snapshot's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// An account of this step serves.
    Served(ServingStep),
    /// No account serves, for this reason.
    Refused(SelectError),
}

/// The step whose candidates serve; the client's id or phone decides which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServingStep {
    /// The rule.
    pub rule: Rule,
    /// Levels above the query's OU.
    pub climbed: u32,
    /// The OU whose level has the step.
    pub ou: OuIdx,
    /// The pool.
    pub pool: PoolIdx,
    /// The step's group of candidates.
    pub group: GroupIdx,
}

impl Decision {
    /// Returns the rule, or the code of the error.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Served(step) => step.rule.as_str(),
            Decision::Refused(error) => error.as_str(),
        }
    }

    /// Returns the step that serves, if one does.
    pub fn served(&self) -> Option<&ServingStep> {
        match self {
            Decision::Served(served) => Some(served),
            Decision::Refused(_) => None,
        }
    }
}

impl ServingStep {
    /// Returns the pool's id.
    pub fn pool<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.pool(self.pool).id()
    }

    /// Returns the id of the OU whose level has the step.
    pub fn ou<'s>(&self, snapshot: &'s Snapshot) -> &'s str {
        snapshot.ou(self.ou).id()
    }
}

/// The decisions of one OU and channel, one for every country. Few are distinct, so each is stored once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    distinct: Box<[Decision]>,
    /// For each region by its index: which of `distinct`.
    cells: Box<[u8]>,
}

impl Row {
    /// Returns the row with each country's decision.
    pub fn from_fn(decide: impl FnMut(Region) -> Decision) -> Row {
        let mut known: HashMap<Decision, u8> = HashMap::new();
        let mut distinct = Vec::new();
        let cells = Region::all().map(decide).map(|decision| {
            // There are fewer countries than a byte has values.
            *known.entry(decision).or_insert_with(|| {
                distinct.push(decision);
                (distinct.len() - 1) as u8
            })
        });
        let cells = cells.collect();
        Row { distinct: distinct.into(), cells }
    }

    /// Returns the distinct decisions, in order of the first country of each.
    pub fn distinct(&self) -> &[Decision] {
        &self.distinct
    }

    /// Returns for each region, by its index, which of [`distinct`](Row::distinct) is its decision.
    pub fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// Returns every country, in alphabetical order, with its decision.
    pub fn countries(&self) -> impl Iterator<Item = (Region, &Decision)> {
        let decisions = self.cells.iter().filter_map(|&cell| self.distinct.get(usize::from(cell)));
        Region::all().zip(decisions)
    }
}

/// How many countries are served by which rule. Each decision is counted once: as none, as climbed whatever the rule, or
/// by its rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleCounts {
    /// Served by the client's country, at the OU itself.
    pub country: usize,
    /// Served by its calling code, at the OU itself.
    pub calling_code: usize,
    /// Served by a mapping, at the OU itself.
    pub mapping: usize,
    /// Served by a pool's default country, at the OU itself.
    pub default: usize,
    /// Served by any rule, above the OU.
    pub climbed: usize,
    /// Not served.
    pub none: usize,
    /// The errors of decisions that are not served.
    pub reasons: BTreeMap<&'static str, usize>,
}

impl RuleCounts {
    /// Counts the decisions of a row.
    pub fn from_row(row: &Row) -> RuleCounts {
        let mut counts = RuleCounts::default();
        for (_, decision) in row.countries() {
            let count = match decision.served() {
                None => {
                    *counts.reasons.entry(decision.as_str()).or_default() += 1;
                    &mut counts.none
                }
                Some(served) if served.climbed > 0 => &mut counts.climbed,
                Some(served) => match served.rule {
                    Rule::CallingCode => &mut counts.calling_code,
                    Rule::Geography => &mut counts.mapping,
                    Rule::DefaultRegion => &mut counts.default,
                    Rule::Country | Rule::Current | Rule::Dedicated => &mut counts.country,
                },
            };
            *count += 1;
        }
        counts
    }

    /// Adds other counts, `times` times.
    pub fn add(&mut self, other: &RuleCounts, times: usize) {
        let RuleCounts { country, calling_code, mapping, default, climbed, none, reasons } = other;
        self.country += country * times;
        self.calling_code += calling_code * times;
        self.mapping += mapping * times;
        self.default += default * times;
        self.climbed += climbed * times;
        self.none += none * times;
        for (reason, count) in reasons {
            *self.reasons.entry(reason).or_default() += count * times;
        }
    }

    /// Returns the number of decisions.
    pub fn total(&self) -> usize {
        let RuleCounts { country, calling_code, mapping, default, climbed, none, reasons: _ } = self;
        country + calling_code + mapping + default + climbed + none
    }
}
