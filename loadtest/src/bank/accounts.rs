//! accounts.csv: the bankers' own numbers, the pools' stock, and a few spare ones.

use crate::{
    account::{Account, Accounts, channel_of},
    channel::CHANNELS,
    dice::Dice,
    error::{Error, Result},
};
use std::path::Path;

use super::offices::OFFICES;

/// The bankers whom tests.toml names. Columns: user, country, on how many channels, condition.
static PEOPLE: &str = include_str!("people.csv");

/// What each pool holds, in the order in which accounts are numbered: what tests.toml names comes
/// first. Columns: pool, role, country, count, condition of all (empty: what chance brings, the
/// first one apart, which is always active).
static STOCK: &str = include_str!("stock.csv");

/// Bankers beside those.
const MORE_PEOPLE: usize = 160;
const SPARE: usize = 40;

#[rustfmt::skip] // names, read across
static GIVEN: [&str; 32] = [
    "aisha", "alexander", "beatriz", "caroline", "chen", "david", "elena", "emre", "fatima", "felix", "grace",
    "hannah", "hiroshi", "ines", "jack", "julia", "kofi", "laura", "marco", "maria", "nadia", "noah", "olivia",
    "omar", "priya", "rafael", "rosa", "samuel", "sara", "thomas", "wei", "yuki",
];

#[rustfmt::skip] // names, read across
static FAMILY: [&str; 37] = [
    "adeyemi", "ahmed", "andersen", "bauer", "bianchi", "carvalho", "chen", "cohen", "dubois", "evans", "fischer",
    "garcia", "gupta", "haddad", "ito", "jansen", "keller", "kim", "kowalski", "lee", "lindqvist", "martin", "moreau",
    "murphy", "nakamura", "nguyen", "novak", "oliveira", "papadopoulos", "patel", "rossi", "santos", "schmidt", "tan",
    "walker", "wong", "yilmaz",
];

pub(crate) fn write(dir: &Path, bank: &str, seed: u64) -> Result<()> {
    let mut sheet = Accounts::create(dir, bank, 4)?;
    let dice = &mut Dice::new(seed, 0);
    for row in rows(PEOPLE) {
        let &[user, country, channels, condition] = row.as_slice() else { return Err(broken(&row)) };
        dedicate(&mut sheet, bank, user, office(country, &row)?, count(channels, &row)?, named(condition))?;
    }
    for row in rows(STOCK) {
        let &[pool, role, country, n, condition] = row.as_slice() else { return Err(broken(&row)) };
        let channel = channel_of(pool).ok_or_else(|| broken(&row))?;
        let country = office(country, &row)?;
        for n in 0..count(n, &row)? {
            let by_chance = condition.is_empty() && n > 0;
            let (state, available_from) = if by_chance { chance(dice) } else { named(condition) };
            let weight = if by_chance { weight(dice) } else { "" };
            let derive_country = by_chance && dice.per_mille(80);
            let row = Account { role, pool, user: "", weight, state, available_from, derive_country };
            sheet.add(channel, country, row)?;
        }
    }
    for n in 0..MORE_PEOPLE {
        // 32 and 37 have no common factor: no name comes twice.
        let (given, family) = (GIVEN.get(n % GIVEN.len()), FAMILY.get(n % FAMILY.len()));
        let (Some(given), Some(family)) = (given, family) else { continue };
        let country = dice.one_of(&OFFICES).map_or("GB", |office| office.code);
        let channels = if dice.per_mille(350) { 2 } else { 1 };
        dedicate(&mut sheet, bank, &format!("{given}.{family}"), country, channels, chance(dice))?;
    }
    for n in 0..SPARE {
        let channel = if n % 4 == 0 { &CHANNELS[1] } else { &CHANNELS[0] };
        let country = dice.one_of(&OFFICES).map_or("GB", |office| office.code);
        // Handed back by a banker or a client, and at rest before it is given out again.
        let available_from = if n % 2 == 0 { "2099-01-01" } else { "" };
        let row = Account { role: "secondary", available_from, ..Account::default() };
        sheet.add(channel, country, row)?;
    }
    sheet.finish()
}

/// A number of one's own: on WhatsApp, and for `channels` = 2 by SMS too.
fn dedicate(
    sheet: &mut Accounts<'_>,
    bank: &str,
    user: &str,
    country: &'static str,
    channels: usize,
    (state, available_from): (&str, &str),
) -> Result<()> {
    let user = format!("{user}@{bank}.example");
    for channel in CHANNELS.iter().filter(|c| c.dedicated).take(channels) {
        let row = Account { user: &user, state, available_from, ..Account::default() };
        sheet.add(channel, country, row)?;
    }
    Ok(())
}

/// The cells of a template's rows, its header left aside.
fn rows(template: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    template.lines().skip(1).map(|row| row.split(',').collect())
}

fn broken(row: &[&str]) -> Error {
    Error::Refused(format!("a template of the bank is broken at: {}", row.join(",")))
}

fn count(cell: &str, row: &[&str]) -> Result<usize> {
    cell.parse().map_err(|_| broken(row))
}

fn office(code: &str, row: &[&str]) -> Result<&'static str> {
    let office = OFFICES.iter().find(|office| office.code == code);
    office.map(|office| office.code).ok_or_else(|| broken(row))
}

/// State and available_from.
fn named(condition: &str) -> (&'static str, &'static str) {
    match condition {
        "draining" => ("draining", ""),
        "suspended" => ("suspended", ""),
        "resting" => ("", "2099-01-01"),
        "rested" => ("", "2024-06-30T00:00:00Z"),
        _ => ("", ""),
    }
}

fn chance(dice: &mut Dice) -> (&'static str, &'static str) {
    named(match dice.below(100) {
        0 => "draining",
        1 => "suspended",
        2 => "resting",
        3..6 => "rested",
        _ => "active",
    })
}

fn weight(dice: &mut Dice) -> &'static str {
    match dice.below(100) {
        0..4 => "2",
        4..6 => "5",
        _ => "",
    }
}
