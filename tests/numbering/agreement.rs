//! Compares the table with the library, over numbers drawn from the library's patterns.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use fastrand::Rng;
use switchboard_model::{E164, Origin, Region};

use super::{
    diagram::{Diagrams, Set},
    draw::{Pattern, change_digits, digits},
    library::{self, Verdict},
    plan,
};

/// A number that is valid by the library.
struct Drawn {
    code: u16,
    national: String,
    /// The region and type whose pattern the number was drawn from. The library may assign another region.
    from: (String, &'static str),
    verdict: Verdict,
}

/// Least number of drawn numbers in total.
const AT_LEAST: usize = 200_000;
/// Numbers drawn for each type of each region.
const OF_EACH: usize = 200;

/// Valid numbers of every type of every region.
static DRAWN: LazyLock<Vec<Drawn>> = LazyLock::new(|| {
    let mut random = Rng::with_seed(1);
    let mut drawn = Vec::new();
    for (region, kind, desc) in described() {
        let (code, pattern) = (library::calling_code(&region), Pattern::new(desc));
        let mut left = OF_EACH;
        for _ in 0..OF_EACH * 20 {
            let national = pattern.draw(&mut random);
            let Some(verdict) = library::verdict(code, &national).filter(|verdict| verdict.valid) else {
                continue;
            };
            if code.to_string().len() + national.len() > 15 {
                continue; // longer than E.164 allows
            }
            drawn.push(Drawn { code, national, from: (region.clone(), kind), verdict });
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    drawn
});

/// Returns every pattern, with its region and type.
fn described() -> Vec<(String, &'static str, &'static str)> {
    let mut found = Vec::new();
    for region in library::all_regions() {
        let Some(metadata) = library::metadata(&region) else { continue };
        for (kind, desc) in library::KINDS.into_iter().zip(metadata.kinds) {
            found.extend(desc.pattern.map(|pattern| (region.clone(), kind, pattern)));
        }
    }
    found
}

fn origin(code: u16, national: &str) -> Origin {
    let number = E164::parse(&format!("+{code}{national}")).unwrap();
    assert_eq!(number.calling_code().number(), code);
    let origin = number.origin();
    assert_eq!(number.region(), origin.region, "+{code}{national}");
    origin
}

#[test]
fn example_numbers_have_the_librarys_region() {
    let mut agreed = 0;
    for region in library::all_regions() {
        let Some(metadata) = library::metadata(&region) else { continue };
        let code = library::calling_code(&region);
        for (kind, desc) in library::KINDS.into_iter().zip(metadata.kinds) {
            let Some(national) = desc.example else { continue };
            let verdict = library::verdict(code, national).unwrap();
            assert!(verdict.valid, "the example of {region} {kind}");
            let expected = Origin { region: verdict.region, guessed: false };
            assert_eq!(origin(code, national), expected, "the example of {region} {kind}");
            agreed += 1;
        }
    }
    assert!(agreed > 1_000, "{agreed}");
}

#[test]
fn drawn_valid_numbers_have_the_librarys_region() {
    for drawn in &*DRAWN {
        let expected = Origin { region: drawn.verdict.region, guessed: false };
        assert_eq!(origin(drawn.code, &drawn.national), expected, "+{} {}", drawn.code, drawn.national);
    }
    assert!(DRAWN.len() >= AT_LEAST, "{}", DRAWN.len());
}

#[test]
fn drawn_numbers_cover_every_region_and_type() {
    let mut patterns = BTreeMap::new();
    let mut regions = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for drawn in &*DRAWN {
        *patterns.entry(drawn.from.clone()).or_insert(0) += 1;
        *regions.entry(drawn.verdict.region.unwrap()).or_insert(0) += 1;
        *kinds.entry(format!("{:?}", drawn.verdict.kind)).or_insert(0) += 1;
    }
    for (region, kind, _) in described() {
        assert!(patterns.contains_key(&(region.clone(), kind)), "none drawn of {region} {kind}");
    }
    // The library lists MA first for +212, and the patterns of MA contain all patterns of EH.
    let expected = Region::all().filter(|region| region.calling_code().is_some() && region.alpha2() != "EH");
    assert_eq!(regions.keys().copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(kinds.len(), 11, "all types but Unknown: {kinds:?}");
    println!("{} numbers: {kinds:?}", DRAWN.len());
}

#[test]
fn drawn_numbers_reach_every_region_of_a_shared_code() {
    let mut reached = BTreeMap::<u16, BTreeSet<Region>>::new();
    for drawn in &*DRAWN {
        reached.entry(drawn.code).or_default().extend(origin(drawn.code, &drawn.national).region);
    }
    let mut shared = Vec::new();
    for code in library::calling_codes() {
        let listed: BTreeSet<Region> =
            library::regions(code).iter().map(|region| Region::from_alpha2(region).unwrap()).collect();
        if listed.len() < 2 {
            continue;
        }
        shared.push(code);
        match code {
            212 => assert_eq!(reached[&code], BTreeSet::from([Region::from_alpha2("MA").unwrap()])),
            _ => assert_eq!(reached[&code], listed, "+{code}"),
        }
    }
    assert_eq!(shared, [1, 7, 39, 44, 47, 61, 212, 262, 290, 358, 590, 599]);
}

/// Returns the library's verdict on a number as its parser reads the number: without a trunk zero, if the rest
/// is valid.
fn verdict_as_read(code: u16, national: &str) -> Option<Verdict> {
    if let Some(rest) = national.strip_prefix('0')
        && let Some(verdict) = library::verdict(code, rest).filter(|verdict| verdict.valid)
        && library::parsed(code, national).as_deref() == Some(rest)
    {
        return Some(verdict);
    }
    library::verdict(code, national)
}

#[test]
fn trunk_zeros_are_read_as_the_library_reads_them() {
    let (mut removed, mut kept) = (BTreeMap::<u16, usize>::new(), 0);
    for drawn in DRAWN.iter().step_by(5) {
        let (code, national) = (drawn.code, &drawn.national);
        let behind_zero = format!("0{national}");
        let Ok(number) = E164::parse(&format!("+{code}{behind_zero}")) else { continue };
        let plain = E164::parse(&format!("+{code}{national}")).unwrap();
        if library::parsed(code, &behind_zero).as_ref() == Some(national) {
            assert_eq!(number, plain, "+{code} 0 {national}");
            assert_eq!(E164::parse(&format!("{code}{behind_zero}")), Ok(plain), "{code} 0 {national}");
            *removed.entry(code).or_default() += 1;
        } else {
            assert_eq!(number.digits(), format!("{code}{behind_zero}"), "+{code} 0 {national}");
            let valid = library::verdict(code, &behind_zero).is_some_and(|verdict| verdict.valid);
            assert_eq!(number.is_valid(), valid, "+{code} 0 {national}");
            kept += 1;
        }
    }
    println!("removed for {} calling codes, kept for {kept} numbers", removed.len());
    assert!(removed.len() > 100 && kept > 5_000, "{removed:?} {kept}");
    assert!([44, 61, 262, 358, 33, 49].iter().all(|code| removed.contains_key(code)));
    assert!([1, 7, 39, 225, 34].iter().all(|code| !removed.contains_key(code)));
}

/// Returns the region of an invalid number, computed from the sets: the region of the longest prefix of valid
/// numbers, if there is only one such region, else the main region of the code.
fn guess(diagrams: &Diagrams, code: &plan::Code, national: &str) -> Option<Region> {
    let mut known: Vec<(&String, Set)> = code.regions.iter().zip(code.valid.iter().copied()).collect();
    known.retain(|(_, set)| *set != Set::EMPTY);
    for digit in national.bytes() {
        let mut next = known.clone();
        next.iter_mut().for_each(|(_, set)| *set = diagrams.after(*set)[usize::from(digit - b'0')]);
        next.retain(|(_, set)| *set != Set::EMPTY);
        if next.is_empty() {
            break;
        }
        known = next;
    }
    match known[..] {
        [(only, _)] => Region::from_alpha2(only),
        _ => Region::from_alpha2(code.regions.first()?),
    }
}

#[test]
fn changed_numbers_are_guessed_exactly_when_invalid() {
    let mut diagrams = Diagrams::new();
    let mut codes = plan::codes(&mut diagrams);
    codes.iter_mut().for_each(|code| code.valid = code.written(&mut diagrams));
    let mut random = Rng::with_seed(2);
    let (mut valid, mut guessed, mut settled) = (0, 0, 0);
    while valid + guessed < AT_LEAST + 50_000 {
        let from = random.choice(DRAWN.iter()).unwrap();
        let national = change_digits(&from.national, &mut random);
        let length = from.code.to_string().len() + national.len();
        let Some(verdict) = verdict_as_read(from.code, &national) else { continue };
        if !(5..=15).contains(&length) {
            continue;
        }
        let found = origin(from.code, &national);
        assert_eq!(found.guessed, !verdict.valid, "+{} {national}", from.code);
        if verdict.valid {
            assert_eq!(found.region, verdict.region, "+{} {national}", from.code);
            valid += 1;
        } else {
            let code = codes.iter().find(|code| code.number == from.code).unwrap();
            assert_eq!(found.region, guess(&diagrams, code, &national), "+{} {national}", from.code);
            guessed += 1;
            settled += usize::from(found.region != Region::from_alpha2(&code.regions[0]));
        }
    }
    println!("{valid} valid, {guessed} guessed, {settled} of them not as the main region's");
    assert!(valid > 20_000, "{valid}");
    assert!(guessed > 100_000, "{guessed}");
    assert!(settled > 5_000, "{settled}");
}

#[test]
fn every_transition_of_the_automaton_agrees_with_the_library() {
    let mut diagrams = Diagrams::new();
    let mut random = Rng::with_seed(3);
    let (mut valid, mut invalid) = (0, 0);
    for code in plan::codes(&mut diagrams) {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(String::new(), code.written(&mut diagrams))];
        while let Some((front, sets)) = waiting.pop() {
            if sets.iter().all(|set| *set == Set::EMPTY) || !seen.insert(sets.clone()) {
                continue;
            }
            for digit in 0..10 {
                let front = format!("{front}{digit}");
                let sets: Vec<Set> = sets.iter().map(|set| diagrams.after(*set)[digit]).collect();
                // The prefix itself, a valid number of each region with this prefix, and the prefix with
                // random digits.
                let mut tried = vec![front.clone()];
                for set in sets.iter().filter(|set| **set != Set::EMPTY) {
                    tried.push(format!("{front}{}", ending(&diagrams, *set, &mut random)));
                }
                tried.push(format!("{front}{}", digits(&mut random, 1, 6)));
                for national in tried {
                    let Some(verdict) = verdict_as_read(code.number, &national) else { continue };
                    let Ok(number) = E164::parse(&format!("+{}{national}", code.number)) else { continue };
                    let found = number.origin();
                    let without_plus = E164::parse(&format!("{}{national}", code.number));
                    assert_eq!(without_plus.is_ok(), verdict.valid, "{} {national}", code.number);
                    assert_eq!(number.is_valid(), verdict.valid, "+{} {national}", code.number);
                    assert_eq!(number.region(), found.region, "+{} {national}", code.number);
                    let has_region = !code.regions.is_empty();
                    assert_eq!(found.guessed, !verdict.valid && has_region, "+{} {national}", code.number);
                    assert!(found.guessed || found.region == verdict.region, "+{} {national}", code.number);
                    *if verdict.valid { &mut valid } else { &mut invalid } += 1;
                }
                waiting.push((front, sets));
            }
        }
    }
    println!("{valid} valid, {invalid} not");
    assert!(valid > 20_000 && invalid > 50_000, "{valid} {invalid}");
}

/// Returns random digits that complete a string of the set.
fn ending(diagrams: &Diagrams, mut set: Set, random: &mut Rng) -> String {
    let mut digits = String::new();
    while !diagrams.holds_empty(set) {
        let after = diagrams.after(set);
        let open: Vec<usize> = (0..10).filter(|digit| after[*digit] != Set::EMPTY).collect();
        let digit = *random.choice(&open).unwrap();
        digits.push(char::from(b'0' + digit as u8));
        set = after[digit];
    }
    digits
}
