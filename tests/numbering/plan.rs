//! The rules of the library, expressed over sets: which numbers are valid, and in which region.

use std::collections::{BTreeMap, HashMap};

use regex_automata::{
    Anchored,
    dfa::{Automaton as _, StartKind, dense},
    util::{primitives::StateID, start, syntax},
};

use super::{
    diagram::{Diagrams, MAX_LENGTH, Set},
    library::{self, Desc},
};

/// A calling code, with its regions and valid numbers.
pub struct Code {
    pub number: u16,
    /// The regions in the library's order, the main region first. Empty if numbers belong to no country.
    pub regions: Vec<String>,
    /// For each of `regions`, its valid national numbers. One set if the code has no region.
    pub valid: Vec<Set>,
    /// For each set of `valid`, the numbers that the parser also reads behind a trunk zero.
    pub trunk: Vec<Set>,
}

impl Code {
    /// Returns `valid` together with the same numbers behind a trunk zero, where the parser reads them so.
    pub fn written(&self, diagrams: &mut Diagrams) -> Vec<Set> {
        let pairs = self.valid.iter().zip(&self.trunk);
        pairs
            .map(|(&valid, &trunk)| {
                let behind_zero = diagrams.behind(0, trunk);
                diagrams.union(valid, behind_zero)
            })
            .collect()
    }
}

/// Returns every calling code of the library, in ascending order.
pub fn codes(diagrams: &mut Diagrams) -> Vec<Code> {
    library::calling_codes()
        .into_iter()
        .map(|number| {
            let regions = library::regions(number);
            let valid = valid(diagrams, number, &regions);
            let trunk = trunk(diagrams, number, &regions, &valid);
            Code { number, regions, valid, trunk }
        })
        .collect()
}

/// Returns the valid numbers of each region, as `get_region_for_number` followed by
/// `is_valid_number_for_region`. A number belongs to the first region whose leading digits or types match.
/// Leading digits alone do not make a number valid.
fn valid(diagrams: &mut Diagrams, code: u16, regions: &[String]) -> Vec<Set> {
    let longest = 15 - code.to_string().len() as u32;
    if regions.is_empty() {
        let metadata = library::metadata_of_no_country(code).expect("a listed code has metadata");
        return vec![typed(diagrams, &metadata, longest)];
    }
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

/// Returns for each set of valid numbers those that the library's parser also reads behind a trunk zero.
///
/// Asks the parser about one number for all numbers of which it cannot distinguish the digits read so far: all
/// sets that it compares a number with, and its pattern of national prefixes, are in the same state.
fn trunk(diagrams: &mut Diagrams, code: u16, regions: &[String], valid: &[Set]) -> Vec<Set> {
    let longest = 15 - code.to_string().len() as u32;
    let main = regions.first().and_then(|region| library::metadata(region));
    let Some((main, prefix)) = main.and_then(|it| it.national_prefix.map(|prefix| (it, prefix))) else {
        return vec![Set::EMPTY; valid.len()];
    };
    let prefix = prefix.strip_suffix('$').expect("wrapped");
    let dfa = dense::Builder::new()
        .configure(dense::Config::new().start_kind(StartKind::Anchored))
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .build(prefix)
        .expect("a pattern of the library compiles");
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).expect("anchored start");
    let any_length = Desc { pattern: main.general.pattern, lengths: &[], example: None };
    let general = described(diagrams, &any_length, longest);
    let with_zero = diagrams.after(general)[0];
    let state = dfa.next_state(start, b'0');
    let reading = Reading { valid: valid.to_vec(), general, with_zero, prefix: (state, 1), ends: Vec::new() };
    let mut trunks = Trunks { code, longest, dfa, seen: HashMap::new() };
    trunks.sets(diagrams, reading, &mut String::new())
}

/// What the parser can distinguish after the digits that it has read so far behind a zero.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reading {
    valid: Vec<Set>,
    /// The rest of the general description after the digits.
    general: Set,
    /// The rest of the general description after the zero and the digits.
    with_zero: Set,
    /// The state of the pattern of national prefixes, and the number of digits that it has read.
    prefix: (StateID, usize),
    /// The lengths of the prefixes that match so far.
    ends: Vec<usize>,
}

struct Trunks {
    code: u16,
    longest: u32,
    dfa: dense::DFA<Vec<u32>>,
    seen: HashMap<Reading, Vec<Set>>,
}

impl Trunks {
    fn sets(&mut self, diagrams: &mut Diagrams, reading: Reading, digits: &mut String) -> Vec<Set> {
        let none = vec![Set::EMPTY; reading.valid.len()];
        if reading.valid == none || digits.len() as u32 + 1 > self.longest {
            return none;
        }
        if let Some(known) = self.seen.get(&reading) {
            return known.clone();
        }
        let is_read = reading.valid.iter().any(|set| diagrams.holds_empty(*set))
            && library::parsed(self.code, &format!("0{digits}")).as_deref() == Some(digits.as_str());
        let mut after = vec![[Set::EMPTY; 10]; none.len()];
        for digit in 0..10 {
            let (state, read) = reading.prefix;
            let byte = b'0' + digit as u8;
            let state = self.dfa.next_state(state, byte);
            let mut next = Reading {
                valid: reading.valid.iter().map(|set| diagrams.after(*set)[digit]).collect(),
                general: diagrams.after(reading.general)[digit],
                with_zero: diagrams.after(reading.with_zero)[digit],
                prefix: (state, read + 1),
                ends: reading.ends.clone(),
            };
            // An automaton of this kind reports a match one digit late.
            if self.dfa.is_match_state(state) {
                next.ends.push(read);
            }
            digits.push(char::from(byte));
            for (after, set) in after.iter_mut().zip(self.sets(diagrams, next, digits)) {
                after[digit] = set;
            }
            digits.pop();
        }
        let holds = reading.valid.iter().map(|set| is_read && diagrams.holds_empty(*set)).collect::<Vec<_>>();
        let sets: Vec<Set> =
            holds.into_iter().zip(after).map(|(holds, after)| diagrams.node(holds, after)).collect();
        self.seen.insert(reading, sets.clone());
        sets
    }
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
