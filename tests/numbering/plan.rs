//! The library's rules, written again over sets: which numbers are valid, and in which region.

use std::collections::BTreeMap;

use super::{
    diagram::{Diagrams, MAX_LENGTH, Set},
    library::{self, Desc},
};

/// A calling code with what it means.
pub struct Code {
    pub number: u16,
    /// In the library's order: the main region first. Empty where numbers belong to no country.
    pub regions: Vec<String>,
    /// Per region of `regions`, the national numbers that are valid and the region's.
    pub valid: Vec<Set>,
}

/// Every calling code of the library, in ascending order.
pub fn codes(diagrams: &mut Diagrams) -> Vec<Code> {
    library::calling_codes()
        .into_iter()
        .map(|number| {
            let regions = library::regions(number);
            let valid = valid(diagrams, number, &regions);
            Code { number, regions, valid }
        })
        .collect()
}

/// `get_region_for_number`, then `is_valid_number_for_region`. The first region whose leading digits or
/// types match has the number, and no later one; leading digits alone do not make it valid.
fn valid(diagrams: &mut Diagrams, code: u16, regions: &[String]) -> Vec<Set> {
    let longest = 15 - code.to_string().len() as u32;
    let mut taken = Set::EMPTY;
    let mut found = Vec::new();
    for region in regions {
        let metadata = library::metadata(region).expect("a listed region has metadata");
        let typed = typed(diagrams, &metadata, longest);
        found.push(diagrams.difference(typed, taken));
        taken = diagrams.union(taken, typed);
        if let (Some(leading), true) = (metadata.leading_digits, regions.len() > 1) {
            let leading = leading.strip_suffix('$').expect("wrapped");
            let claimed = diagrams.matching(&format!("{leading}[0-9]*$"), up_to(longest));
            taken = diagrams.union(taken, claimed);
        }
    }
    found
}

/// `get_number_type_helper(…) != Unknown`: the general description and any type's.
fn typed(diagrams: &mut Diagrams, metadata: &library::Metadata, longest: u32) -> Set {
    let mut any = Set::EMPTY;
    for (kind, desc) in library::KINDS.iter().zip(&metadata.kinds) {
        if *kind == "mobile" && metadata.same_mobile_and_fixed_line {
            continue;
        }
        let set = described(diagrams, desc, longest);
        any = diagrams.union(any, set);
    }
    let general = described(diagrams, &metadata.general, longest);
    diagrams.intersection(any, general)
}

/// `is_number_matching_desc`.
pub fn described(diagrams: &mut Diagrams, desc: &Desc, longest: u32) -> Set {
    let lengths = match desc.lengths {
        [] => up_to(longest),
        some => some.iter().filter_map(|&n| u32::try_from(n).ok()).fold(0, |bits, n| bits | 1 << n),
    };
    match desc.pattern {
        Some(pattern) => diagrams.matching(pattern, lengths & up_to(longest)),
        None => Set::EMPTY,
    }
}

/// The lengths 0 to `longest` as bits.
fn up_to(longest: u32) -> u32 {
    assert!(longest <= MAX_LENGTH);
    (1 << (longest + 1)) - 1
}

/// What a walk over a number knows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct State {
    /// A number that ends here is valid and belongs to this region.
    pub ends: Option<Whose>,
    /// The region that all valid numbers which begin so belong to, on the first state of a walk where it
    /// is one region alone.
    pub settles: Option<u8>,
    /// Indices of states, 0 where no valid number goes on so.
    pub next: [u32; 10],
}

/// Whose a number is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Whose {
    /// The region that was settled on the way, or the only one of the calling code.
    Settled,
    /// A region's, though longer numbers of the same beginning are others'.
    Region(u8),
}

/// The automaton of all calling codes: equal states are one.
pub struct Automaton {
    /// State 0 is where no number goes on.
    pub states: Vec<State>,
    ids: BTreeMap<State, u32>,
    seen: BTreeMap<(bool, Vec<(u8, Set)>), u32>,
}

impl Automaton {
    pub fn new() -> Automaton {
        let none = State::default();
        Automaton { states: vec![none], ids: BTreeMap::from([(none, 0)]), seen: BTreeMap::new() }
    }

    /// Adds a calling code's numbers; `valid` has regions' indices, the main one first. Gives the state
    /// to start in.
    pub fn add(&mut self, diagrams: &Diagrams, valid: Vec<(u8, Set)>) -> u32 {
        // A walk starts from the main region. It is settled where no other region has valid numbers: for
        // most codes because there is none; for +212 because the library finds all of EH's to be MA's.
        let settled = valid.iter().skip(1).all(|(_, set)| *set == Set::EMPTY);
        self.state(diagrams, settled, valid)
    }

    fn state(&mut self, diagrams: &Diagrams, settled: bool, mut valid: Vec<(u8, Set)>) -> u32 {
        valid.retain(|(_, set)| *set != Set::EMPTY);
        if settled {
            // The region is known already, so that all regions share the states behind.
            valid.iter_mut().for_each(|(region, _)| *region = 0);
        }
        if valid.is_empty() {
            return 0;
        }
        if let Some(&id) = self.seen.get(&(settled, valid.clone())) {
            return id;
        }
        let settles = (!settled && valid.len() == 1).then(|| valid[0].0);
        let now = settled || settles.is_some();
        let ends = valid
            .iter()
            .find(|(_, set)| diagrams.holds_empty(*set))
            .map(|(region, _)| if now { Whose::Settled } else { Whose::Region(*region) });
        let next = std::array::from_fn(|digit| {
            let after = valid.iter().map(|(region, set)| (*region, diagrams.after(*set)[digit])).collect();
            self.state(diagrams, now, after)
        });
        let state = State { ends, settles, next };
        let fresh = self.states.len() as u32;
        let id = *self.ids.entry(state).or_insert(fresh);
        if id == fresh {
            self.states.push(state);
        }
        self.seen.insert((settled, valid), id);
        id
    }
}
