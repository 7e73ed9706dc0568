//! Numbers drawn from the library's patterns, the same ones in every run.

use fastrand::Rng;
use regex_syntax::{
    ParserBuilder,
    hir::{Class, Hir, HirKind},
};

/// Draws `least` to `most` random digits.
pub fn digits(random: &mut Rng, least: usize, most: usize) -> String {
    (0..random.usize(least..=most)).map(|_| random.digit(10)).collect()
}

/// A pattern from which matching texts are drawn. It is walked as a tree and shares no code with the automata
/// that the table is generated from. Every branch is equally likely, so small ranges of numbers are drawn as
/// often as large ones.
pub struct Pattern(Hir);

impl Pattern {
    pub fn new(pattern: &str) -> Pattern {
        Pattern(ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap())
    }

    pub fn draw(&self, random: &mut Rng) -> String {
        let mut out = String::new();
        walk(&self.0, random, &mut out);
        out
    }
}

fn walk(hir: &Hir, random: &mut Rng, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(str::from_utf8(&literal.0).unwrap()),
        HirKind::Class(Class::Bytes(class)) => {
            let bytes: Vec<u8> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            out.push(char::from(*random.choice(&bytes).unwrap()));
        }
        HirKind::Class(Class::Unicode(class)) => {
            let chars: Vec<char> = class.iter().flat_map(|range| range.start()..=range.end()).collect();
            out.push(*random.choice(&chars).unwrap());
        }
        HirKind::Repetition(repetition) => {
            let (least, most) = (repetition.min, repetition.max.unwrap_or(repetition.min + 12));
            for _ in 0..least as usize + random.usize(..(most - least + 1) as usize) {
                walk(&repetition.sub, random, out);
            }
        }
        HirKind::Capture(capture) => walk(&capture.sub, random, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, random, out)),
        HirKind::Alternation(branches) => walk(random.choice(branches).unwrap(), random, out),
    }
}

/// Changes the national digits of a number in one of seven ways.
pub fn change_digits(national: &str, random: &mut Rng) -> String {
    let mut digits: Vec<char> = national.chars().collect();
    let place = random.usize(..digits.len());
    match random.usize(..7) {
        0 => digits[place] = random.digit(10),
        1 => drop(digits.remove(place)),
        2 => digits.insert(place, random.digit(10)),
        3 => digits.push(random.digit(10)),
        4 => digits.truncate(place),
        5 => digits[place..].fill_with(|| random.digit(10)),
        _ => digits.fill_with(|| random.digit(10)),
    }
    digits.into_iter().collect()
}
