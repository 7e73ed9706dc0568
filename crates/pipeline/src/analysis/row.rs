//! The decisions of one OU and channel, for every country.

use std::collections::HashMap;

use super::Decision;
use switchboard_model::Region;

/// One decision for every country. Most are few, so each is kept once: a registry has 2,000 times as many rows as
/// a row has decisions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Row {
    distinct: Box<[Decision]>,
    /// By [`Region::index`]: which of `distinct`.
    places: Box<[u8]>,
}

impl Row {
    /// Of every country's decision.
    pub fn of(decide: impl FnMut(Region) -> Decision) -> Row {
        let mut known: HashMap<Decision, u8> = HashMap::new();
        let mut distinct = Vec::new();
        let places = Region::all().map(decide).map(|decision| {
            // There are fewer countries than a byte has values.
            *known.entry(decision).or_insert_with(|| {
                distinct.push(decision);
                (distinct.len() - 1) as u8
            })
        });
        let places = places.collect();
        Row { distinct: distinct.into(), places }
    }

    /// The decisions that there are, in the order of the first country of each.
    pub fn distinct(&self) -> &[Decision] {
        &self.distinct
    }

    /// By [`Region::index`]: which of [`distinct`](Row::distinct).
    pub fn places(&self) -> &[u8] {
        &self.places
    }

    /// Every country, in alphabetical order, with its decision.
    pub fn countries(&self) -> impl Iterator<Item = (Region, &Decision)> {
        let decisions = self.places.iter().filter_map(|&place| self.distinct.get(usize::from(place)));
        Region::all().zip(decisions)
    }
}
