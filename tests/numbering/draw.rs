//! Numbers at random, the same ones in every run.

use fastrand::Rng;
use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

/// A generator with a fixed seed.
pub struct Chance(Rng);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(Rng::with_seed(seed))
    }

    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit)
    }

    pub fn digit(&mut self) -> char {
        char::from(b'0' + self.below(10) as u8)
    }

    /// As many digits as one of `least..=most`.
    pub fn digits(&mut self, least: usize, most: usize) -> String {
        (0..least + self.below(most - least + 1)).map(|_| self.digit()).collect()
    }

    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A pattern to draw matching texts from. It reads the pattern as a tree and walks it: nothing is shared
/// with the automata that the table is made from. Every branch is as likely as its sisters, so that a
/// range of ten numbers beside one of ten million is met too.
pub struct Pattern(Hir);

impl Pattern {
    pub fn new(pattern: &str) -> Pattern {
        Pattern(ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap())
    }

    pub fn draw(&self, chance: &mut Chance) -> String {
        let mut out = String::new();
        walk(&self.0, chance, &mut out);
        out
    }
}

fn walk(hir: &Hir, chance: &mut Chance, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(str::from_utf8(&literal.0).unwrap()),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<u8> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            out.push(char::from(*chance.one_of(&bytes)));
        }
        HirKind::Class(Class::Unicode(class)) => {
            let chars: Vec<char> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            out.push(*chance.one_of(&chars));
        }
        HirKind::Repetition(repetition) => {
            let (least, most) = (repetition.min, repetition.max.unwrap_or(repetition.min + 12));
            for _ in 0..least as usize + chance.below((most - least + 1) as usize) {
                walk(&repetition.sub, chance, out);
            }
        }
        HirKind::Capture(capture) => walk(&capture.sub, chance, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, chance, out)),
        HirKind::Alternation(branches) => walk(chance.one_of(branches), chance, out),
    }
}

/// Spoils a number's national digits: one of seven small accidents.
pub fn spoil(national: &str, chance: &mut Chance) -> String {
    let mut digits: Vec<char> = national.chars().collect();
    let place = chance.below(digits.len());
    match chance.below(7) {
        0 => digits[place] = chance.digit(),
        1 => drop(digits.remove(place)),
        2 => digits.insert(place, chance.digit()),
        3 => digits.push(chance.digit()),
        4 => digits.truncate(place),
        5 => digits[place..].fill_with(|| chance.digit()),
        _ => digits.fill_with(|| chance.digit()),
    }
    digits.into_iter().collect()
}
