//! Generates `crates/model/src/numbering/table.rs`, and compares the checked-in file with the generated one.

use std::fmt::Write;

use super::{
    diagram::{Diagrams, Set},
    library,
    plan::{self, Automaton, Code, State, Whose},
};
use crate::harness::assert_generated;

#[test]
fn checked_in_table_equals_the_generated_one() {
    assert_generated(
        "crates/model/src/numbering/table.rs",
        table().as_bytes(),
        "--test contract numbering::generate",
    );
}

/// Returns the text of the file.
fn table() -> String {
    let regions = library::all_regions();
    let mut diagrams = Diagrams::new();
    let codes = plan::codes(&mut diagrams);
    let mut automaton = Automaton::new();
    let written: Vec<_> = codes.iter().map(|code| code.written(&mut diagrams)).collect();
    let starts: Vec<[u32; 2]> = codes
        .iter()
        .zip(written)
        .map(|(code, written)| {
            [written, code.trunk.clone()].map(|sets| start(&mut automaton, &diagrams, code, sets, &regions))
        })
        .collect();
    assert!(automaton.states.len() <= 1 << 16, "states are u16: {}", automaton.states.len());

    let mut out = String::new();
    header(&mut out, automaton.states.len());
    writeln!(out, "/// Every region's letters, and its calling code, 0 where it has none.").unwrap();
    writeln!(out, "pub(super) static REGIONS: [(&str, u16); {}] = [", regions.len()).unwrap();
    for line in regions.chunks(8) {
        let items = line.iter().map(|region| format!("(\"{region}\", {})", library::calling_code(region)));
        writeln!(out, "    {},", items.collect::<Vec<_>>().join(", ")).unwrap();
    }
    writeln!(out, "];\n").unwrap();
    writeln!(out, "/// Every assigned calling code, ascending.").unwrap();
    writeln!(out, "pub(super) static CODES: [CodeEntry; {}] = [", codes.len()).unwrap();
    for (code, [start, trunk]) in codes.iter().zip(starts) {
        let regions: Vec<_> = code.regions.iter().map(|region| format!("r(\"{region}\")")).collect();
        let line = format!(
            "    Entry {{ number: {}, start: {start}, trunk: {trunk}, regions: &[{}] }},",
            code.number,
            regions.join(", ")
        );
        writeln!(out, "{}", wrapped(&line)).unwrap();
    }
    writeln!(out, "];\n").unwrap();
    writeln!(out, "/// The automaton; a state leads only to states before it.").unwrap();
    writeln!(out, "pub(super) static STATES: [State; {}] = [", automaton.states.len()).unwrap();
    for (id, state) in automaton.states.iter().enumerate() {
        assert!(
            state.next.iter().all(|next| *next < id as u32 || *next == 0),
            "a state leads only to states before it"
        );
        let next = state.next.map(|next| next.to_string()).join(",");
        writeln!(out, "    S({}, [{next}]),", mark(state, &regions)).unwrap();
    }
    writeln!(out, "];").unwrap();
    out
}

fn header(out: &mut String, states: usize) {
    let (library, iso) = (locked("rlibphonenumber"), locked("iso3166-static"));
    write!(
        out,
        "//! Made by tests/numbering/generate.rs: do not edit. From the metadata of libphonenumber as in the crate\n\
         //! rlibphonenumber {library}, and the alpha-2 codes of ISO 3166-1 as in iso3166-static {iso}.\n\
         //! After an update of either:\n\
         //! `SWITCHBOARD_REGENERATE=1 cargo test --test contract numbering::generate`\n\
         //!\n\
         //! {states} states of 22 bytes: {} KB.\n\
         \n\
         use super::{{CodeEntry, CodeEntry as Entry, State, State as S, StateMark::*}};\n\
         \n\
         /// The index of a region; a wrong name fails the build.\n\
         const fn r(alpha2: &str) -> u8 {{\n    super::index_of(&REGIONS, alpha2)\n}}\n\n",
        states * 22 / 1000
    )
    .unwrap();
}

/// Returns the version of a package in Cargo.lock.
fn locked(package: &str) -> &'static str {
    let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));
    let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).unwrap();
    after.split_once('"').unwrap().0
}

/// Adds sets of numbers, one for each region of the code, and returns the index of their start state.
fn start(
    automaton: &mut Automaton,
    diagrams: &Diagrams,
    code: &Code,
    sets: Vec<Set>,
    regions: &[String],
) -> u32 {
    let index = |region: &String| regions.binary_search(region).unwrap() as u8;
    // The numbers of a code without a region are stored as those of one region that is never read.
    let indices = code.regions.iter().map(index).chain([0]);
    let start = automaton.add(diagrams, indices.zip(sets).collect());
    let state = automaton.states[start as usize];
    assert!(
        state.ends.is_none() && state.settles.is_none(),
        "+{}: the mark of a start state is never read, so it must be empty",
        code.number
    );
    start
}

fn mark(state: &State, regions: &[String]) -> String {
    let region = |index: u8| format!("r(\"{}\")", regions[usize::from(index)]);
    match (state.settles, state.ends) {
        (None, None) => "Open".to_owned(),
        (None, Some(Whose::Settled)) => "Valid".to_owned(),
        (None, Some(Whose::Region(index))) => format!("ValidIn({})", region(index)),
        (Some(index), None) => format!("Settles({})", region(index)),
        (Some(index), Some(Whose::Settled)) => format!("SettlesValid({})", region(index)),
        (Some(_), Some(Whose::Region(_))) => unreachable!("a settled region is stored once"),
    }
}

/// Breaks a line of more than 110 characters at its commas.
fn wrapped(line: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in line.split_inclusive(", ") {
        if width + word.trim_end().len() > 110 {
            out.truncate(out.trim_end().len());
            out.push_str("\n        ");
            width = 8;
        }
        out.push_str(word);
        width += word.len();
    }
    out
}
