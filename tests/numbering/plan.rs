//! The rules of the library, expressed over sets: which numbers are valid, and in which region.

use std::collections::BTreeMap;

use super::{
    diagram::{Diagrams, MAX_LENGTH, Set},
    library::{self, Desc},
};

/// A calling code, with its regions and valid numbers.
pub struct Code {
    pub number: u16,
    /// The regions in the library's order, the main region first. Empty if numbers belong to no country.
    pub regions: Vec<String>,
    /// For each of `regions`, its valid national numbers.
    pub valid: Vec<Set>,
}

/// Returns every calling code of the library, in ascending order.
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

/// Returns the valid numbers of each region, as `get_region_for_number` followed by
/// `is_valid_number_for_region`. A number belongs to the first region whose leading digits or types match.
/// Leading digits alone do not make a number valid.
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

/// Returns the numbers with `get_number_type_helper(…) != Unknown`: those of the general description and of a
/// type.
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

/// Returns the numbers for which `is_number_matching_desc` is true.
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

/// Returns the lengths 0 to `longest` as bits.
fn up_to(longest: u32) -> u32 {
    assert!(longest <= MAX_LENGTH);
    (1 << (longest + 1)) - 1
}

/// A state of a walk over the digits of a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct State {
    /// The region of a number that ends here, if such a number is valid.
    pub ends: Option<Whose>,
    /// The only region of all valid numbers that continue from here. Set on the first such state of a walk.
    pub settles: Option<u8>,
    /// Index of the state after each digit; 0 if no valid number continues with that digit.
    pub next: [u32; 10],
}

/// The region of a number that ends in a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Whose {
    /// The region that an earlier state settled, or the only region of the calling code.
    Settled,
    /// This region. Longer numbers with the same digits may belong to other regions.
    Region(u8),
}

/// The automaton of all calling codes. Equal states are stored once.
pub struct Automaton {
    /// The states. No number continues from state 0.
    pub states: Vec<State>,
    ids: BTreeMap<State, u32>,
    seen: BTreeMap<(bool, Vec<(u8, Set)>), u32>,
}

impl Automaton {
    pub fn new() -> Automaton {
        let none = State::default();
        Automaton { states: vec![none], ids: BTreeMap::from([(none, 0)]), seen: BTreeMap::new() }
    }

    /// Adds the numbers of a calling code and returns its start state. `valid` has the indices of regions,
    /// the main region first.
    pub fn add(&mut self, diagrams: &Diagrams, valid: Vec<(u8, Set)>) -> u32 {
        // A walk starts with the main region. The region is settled if no other region has valid numbers:
        // most codes have one region, and for +212 the library assigns all numbers of EH to MA.
        let settled = valid.iter().skip(1).all(|(_, set)| *set == Set::EMPTY);
        self.state(diagrams, settled, valid)
    }

    fn state(&mut self, diagrams: &Diagrams, settled: bool, mut valid: Vec<(u8, Set)>) -> u32 {
        valid.retain(|(_, set)| *set != Set::EMPTY);
        if settled {
            // The region is known already. All regions share the states that follow.
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
