//! Registries whose answers encode the generation in every text and depend on it in every other value.

use std::collections::BTreeMap;

use switchboard_model::{Condition, Role};
use switchboard_model::{Region, UnixSeconds};
use switchboard_registry::*;
use switchboard_select::{Overlay, Query, SelectContext, select, write_selection};
use switchboard_snapshot::{NoProgress, Snapshot, compile};

/// Number of accounts in each group.
const ACCOUNTS: u64 = 5;
/// Number of OUs above the query's OU.
const OUS: u64 = 3;

/// Returns the country and the rule that serve British clients in a generation.
fn country(generation: u64) -> (&'static str, &'static str) {
    if generation.is_multiple_of(2) { ("GB", "country") } else { ("DE", "default_region") }
}

fn climbed(generation: u64) -> u64 {
    1 + generation % OUS
}

fn place() -> Place {
    Place { file: "acme/company.toml".into(), line: 1 }
}

fn ou(id: String, parent: Option<String>) -> Ou {
    Ou { id: id.into(), parent: parent.map(Into::into), parent_place: None, name: "".into(), place: place() }
}

/// Returns the snapshot of a generation.
pub(super) fn snapshot(generation: u64) -> Snapshot {
    let region = Region::from_alpha2(country(generation).0);
    let pool_id = format!("p-{generation}");
    let pool = Pool {
        id: pool_id.as_str().into(),
        channel: "whatsapp".into(),
        ous: vec![format!("o-{generation}-{}", climbed(generation)).into()],
        ous_places: Vec::new(),
        priority: 0,
        match_calling_code: false,
        default_country: Region::from_alpha2("DE"),
        default_place: None,
        fallback_upward: false,
        geography: BTreeMap::new(),
        place: place(),
    };
    let account = |number: u64| Account {
        id: format!("a-{generation}-{number}").into(),
        channel: Some(0),
        role: Some(Role::Secondary),
        address: format!("+44{generation:09}{number}").into(),
        country: region,
        holder: Holder::Pool(pool_id.as_str().into()),
        weight: 1,
        state: Condition::Active,
        available_from: None,
        place: place(),
    };
    let mut ous = vec![ou("uk".to_owned(), Some(format!("o-{generation}-1")))];
    ous.extend((1..=OUS).map(|level| {
        let parent = (level < OUS).then(|| format!("o-{generation}-{}", level + 1));
        ou(format!("o-{generation}-{level}"), parent)
    }));
    let company = Company {
        id: "acme".into(),
        name: "".into(),
        ou_without_pool: OuWithoutPool::Inherit,
        dedicated_unavailable: DedicatedUnavailable::Error,
        platform_version: None,
        geography: BTreeMap::new(),
        ous,
        pools: vec![pool],
        accounts: (0..ACCOUNTS).map(account).collect(),
        tests: Vec::new(),
        unread: Unread::default(),
        place: place(),
    };
    let channel = ChannelProfile {
        id: "whatsapp".into(),
        conversation_role: Role::Secondary,
        pool_roles: RolePair { primary: false, secondary: true },
        address: AddressKind::Phone,
        dedicated_since: None,
        place: place(),
    };
    let registry = Registry { channels: vec![channel], companies: vec![company] };
    let draft = compile(&registry, generation, &NoProgress).unwrap();
    Snapshot::open(draft.finish(&[])).unwrap()
}

/// Asserts that every byte of a selection comes from the generation that it names.
pub(super) fn hold_selection(text: &str) -> u64 {
    selection(text).unwrap_or_else(|expected| panic!("a mix of generations: {text}, expected {expected}"))
}

/// Returns the generation of a selection if every byte comes from it. Otherwise returns the expected
/// selection.
fn selection(text: &str) -> Result<u64, String> {
    let generation = generation(text);
    let number = text.split('"').nth(3).and_then(|account| account.rsplit('-').next()).unwrap();
    assert!(number.parse::<u64>().unwrap() < ACCOUNTS, "{text}");
    let ((country, rule), climbed) = (country(generation), climbed(generation));
    let expected = format!(
        r#"{{"account":"a-{generation}-{number}","address":"+44{generation:09}{number}","channel":"whatsapp","role":"secondary","country":"{country}","rule":"{rule}","ou":"o-{generation}-{climbed}","pool":"p-{generation}","climbed":{climbed},"client_country":"GB","generation":{generation}}}"#
    );
    if text == expected { Ok(generation) } else { Err(expected) }
}

/// Asserts that all lines of a batch come from one generation.
pub(super) fn hold_batch(text: &str, lines: usize) -> u64 {
    assert_eq!(text.lines().count(), lines);
    batch(text).unwrap_or_else(|all| panic!("a mix within a batch: {all:?}"))
}

/// Returns the generation of all lines if it is the same. Otherwise returns the generations of the lines.
fn batch(text: &str) -> Result<u64, Vec<u64>> {
    let mut generations: Vec<u64> = text.lines().map(hold_selection).collect();
    generations.dedup();
    if let [one] = generations[..] { Ok(one) } else { Err(generations) }
}

/// Asserts that selection, steps and candidates of an explanation come from one generation.
pub(super) fn hold_explanation(text: &str) -> u64 {
    let generation = generation(text);
    let all: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(all["generation"], generation);
    let from = text.find("\"selection\":").unwrap() + "\"selection\":".len();
    let to = from + text[from..].find('}').unwrap() + 1;
    assert_eq!(hold_selection(&text[from..to]), generation, "{text}");
    let steps = all["steps"].as_array().unwrap();
    let candidates = || steps.iter().flat_map(|step| step["candidates"].as_array().unwrap());
    assert_eq!(candidates().count() as u64, ACCOUNTS, "{text}");
    for step in steps {
        assert_eq!(step["pool"], format!("p-{generation}"), "{text}");
        assert_eq!(step["ou"], format!("o-{generation}-{}", climbed(generation)), "{text}");
        assert_eq!(step["climbed"], climbed(generation), "{text}");
    }
    for candidate in candidates() {
        let account = candidate["account"].as_str().unwrap();
        assert!(account.starts_with(&format!("a-{generation}-")), "{text}");
    }
    generation
}

/// Returns the generation of an answer, which is its last field.
fn generation(text: &str) -> u64 {
    let (_, last) = text.rsplit_once("\"generation\":").unwrap_or_else(|| panic!("no generation in {text}"));
    last.trim_end_matches(['}', '\n']).parse().unwrap()
}

/// Returns the answer of the daemon in this generation.
fn answer(generation: u64) -> String {
    let snapshot = snapshot(generation);
    let query = Query::from_json(br#"{"channel":"whatsapp","ou":"uk","country":"GB"}"#).unwrap();
    let none = Overlay::from_free(snapshot.free_accounts());
    let answer =
        select(&snapshot, &query, SelectContext { now: UnixSeconds(0), random: 0, standings: &none });
    let mut json = Vec::new();
    write_selection(&mut json, &snapshot, &answer.result.unwrap());
    String::from_utf8(json).unwrap()
}

#[test]
fn mixed_answer_is_detected() {
    let text = answer(7);
    assert_eq!(selection(&text), Ok(7));
    for (from, to) in [
        ("a-7", "a-8"),
        ("07", "08"),
        ("p-7", "p-8"),
        ("o-7", "o-8"),
        ("DE", "GB"),
        ("\"climbed\":2", "\"climbed\":3"),
    ] {
        let mixed = text.replace(from, to);
        assert_ne!(mixed, text, "{from}");
        assert!(selection(&mixed).is_err(), "{mixed}");
    }
    assert_eq!(batch(&format!("{text}\n{text}\n")), Ok(7));
    assert_eq!(batch(&format!("{text}\n{}\n", answer(8))), Err(vec![7, 8]));
}
