//! Sets of digit strings as decision diagrams: acyclic automata in which equal sets are one node.
//!
//! A node holds whether the empty string is in the set, and for each digit the set that remains after it.
//! Nodes are interned. An automaton is therefore always minimal, and two sets are equal if their ids are
//! equal. Strings have at most [`MAX_LENGTH`] digits, which keeps every set finite.

use std::collections::HashMap;

use regex_automata::{
    Anchored,
    dfa::{Automaton, StartKind, dense},
    util::{primitives::StateID, start, syntax},
};

/// Digits of the longest national number: 15 digits of E.164 less one of the calling code.
pub const MAX_LENGTH: u32 = 14;

/// A set of digit strings: the id of its node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Set(u32);

impl Set {
    /// The set that contains no string.
    pub const EMPTY: Set = Set(0);
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    holds_empty: bool,
    after: [Set; 10],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// The store of all nodes.
pub struct Diagrams {
    nodes: Vec<Node>,
    ids: HashMap<Node, Set>,
    done: HashMap<(Operation, Set, Set), Set>,
}

impl Diagrams {
    pub fn new() -> Diagrams {
        let empty = Node { holds_empty: false, after: [Set::EMPTY; 10] };
        Diagrams { nodes: vec![empty], ids: HashMap::from([(empty, Set::EMPTY)]), done: HashMap::new() }
    }

    /// Returns whether the empty string is in the set.
    pub fn holds_empty(&self, set: Set) -> bool {
        self.nodes[set.0 as usize].holds_empty
    }

    /// Returns the set of strings that may follow each digit.
    pub fn after(&self, set: Set) -> [Set; 10] {
        self.nodes[set.0 as usize].after
    }

    /// Returns the set with these strings after each digit, and with the empty string if `holds_empty`.
    pub fn node(&mut self, holds_empty: bool, after: [Set; 10]) -> Set {
        self.intern(Node { holds_empty, after })
    }

    /// Returns the strings of a set, each behind a digit.
    pub fn behind(&mut self, digit: usize, set: Set) -> Set {
        let mut after = [Set::EMPTY; 10];
        after[digit] = set;
        self.node(false, after)
    }

    fn intern(&mut self, node: Node) -> Set {
        *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            Set(self.nodes.len() as u32 - 1)
        })
    }

    /// Returns the strings that match `pattern` and have one of `lengths`. Bit n of `lengths` allows n
    /// digits. The pattern holds its own anchors.
    pub fn matching(&mut self, pattern: &str, lengths: u32) -> Set {
        let dfa = dense::Builder::new()
            .configure(dense::Config::new().start_kind(StartKind::Anchored))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build(pattern)
            .expect("a pattern of the library compiles");
        let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).expect("anchored start");
        self.unroll(&dfa, start, lengths, &mut HashMap::new())
    }

    fn unroll(
        &mut self,
        dfa: &dense::DFA<Vec<u32>>,
        state: StateID,
        lengths: u32,
        seen: &mut HashMap<(StateID, u32), Set>,
    ) -> Set {
        if lengths == 0 || dfa.is_dead_state(state) {
            return Set::EMPTY;
        }
        if let Some(&set) = seen.get(&(state, lengths)) {
            return set;
        }
        let holds_empty = lengths & 1 == 1 && dfa.is_match_state(dfa.next_eoi_state(state));
        let after = std::array::from_fn(|digit| {
            self.unroll(dfa, dfa.next_state(state, b'0' + digit as u8), lengths >> 1, seen)
        });
        let set = self.intern(Node { holds_empty, after });
        seen.insert((state, lengths), set);
        set
    }

    pub fn union(&mut self, a: Set, b: Set) -> Set {
        // The operation is commutative. A fixed order of the operands computes each pair once.
        self.combine(Operation::Union, a.min(b), a.max(b))
    }

    pub fn intersection(&mut self, a: Set, b: Set) -> Set {
        self.combine(Operation::Intersection, a.min(b), a.max(b))
    }

    pub fn difference(&mut self, a: Set, b: Set) -> Set {
        self.combine(Operation::Difference, a, b)
    }

    fn combine(&mut self, operation: Operation, a: Set, b: Set) -> Set {
        match operation {
            Operation::Union if a == Set::EMPTY || a == b => return b,
            Operation::Union if b == Set::EMPTY => return a,
            Operation::Intersection if a == Set::EMPTY || b == Set::EMPTY => return Set::EMPTY,
            Operation::Intersection if a == b => return a,
            Operation::Difference if a == Set::EMPTY || a == b => return Set::EMPTY,
            Operation::Difference if b == Set::EMPTY => return a,
            _ => {}
        }
        if let Some(&set) = self.done.get(&(operation, a, b)) {
            return set;
        }
        let (left, right) = (self.nodes[a.0 as usize], self.nodes[b.0 as usize]);
        let holds_empty = match operation {
            Operation::Union => left.holds_empty || right.holds_empty,
            Operation::Intersection => left.holds_empty && right.holds_empty,
            Operation::Difference => left.holds_empty && !right.holds_empty,
        };
        let after =
            std::array::from_fn(|digit| self.combine(operation, left.after[digit], right.after[digit]));
        let set = self.intern(Node { holds_empty, after });
        self.done.insert((operation, a, b), set);
        set
    }
}
