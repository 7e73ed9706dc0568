//! Accounts: the shared ones pool by pool, then the dedicated, then the spare.

use super::{
    pools::{Pool, Pools},
    tree::Tree,
    world::{COUNTRIES, code},
};
use crate::{
    account::{Account, Accounts},
    channel::{CHANNELS, Channel},
    dice::Dice,
    error::Result,
};
use std::path::Path;

/// How a company's accounts are divided.
pub(crate) struct Division {
    pub(crate) shared: usize,
    dedicated: usize,
    spare: usize,
}

impl Division {
    /// 3 % dedicated, 1 % spare, the rest in pools.
    pub(crate) fn of(accounts: usize) -> Self {
        let (dedicated, spare) = (accounts * 3 / 100, accounts / 100);
        Self { shared: accounts - dedicated - spare, dedicated, spare }
    }
}

/// A user with an account that certainly can, or certainly cannot, be used.
pub(crate) struct Dedicated {
    pub(crate) user: String,
    pub(crate) channel: &'static Channel,
    pub(crate) id: String,
    pub(crate) usable: bool,
}

/// Writes accounts.csv, and notes in each pool its anchor. Answers with some dedicated accounts.
pub(crate) fn write(
    dir: &Path,
    company: &str,
    tree: &Tree<'_>,
    pools: &mut Pools,
    division: &Division,
    dice: &mut Dice,
) -> Result<Vec<Dedicated>> {
    let mut sheet = Accounts::create(dir, company, 6)?;
    for pool in &mut pools.all {
        let id = pool.id(tree);
        fill(&mut sheet, pool, &id, dice)?;
    }
    // A channel without a pool serves nobody: a company of one pool has WhatsApp alone.
    let channels = pools.all.len().min(2);
    let known = dedicate(&mut sheet, company, tree, division.dedicated, channels, dice)?;
    for n in 0..division.spare {
        let channel = if n % 3 == 0 && channels > 1 { &CHANNELS[1] } else { &CHANNELS[0] };
        sheet.add(channel, any_country(tree, dice), Account { role: "secondary", ..Account::default() })?;
    }
    sheet.finish()?;
    Ok(known)
}

/// A pool's primaries, one active secondary of each of its countries, and then the rest.
fn fill(sheet: &mut Accounts<'_>, pool: &mut Pool, id: &str, dice: &mut Dice) -> Result<()> {
    let channel = pool.channel;
    let kinds = pool.countries.len();
    let spare_room = pool.size.saturating_sub(kinds + 1);
    let primaries = if channel.needs_primary { 1 + (spare_room / 12).min(kinds - 1) } else { 0 };
    for &country in pool.countries.iter().take(primaries) {
        sheet.add(channel, code(country), Account { role: "primary", pool: id, ..Account::default() })?;
    }
    for (n, &country) in pool.countries.iter().enumerate() {
        let row = Account { role: channel.conversation, pool: id, ..Account::default() };
        let serial = sheet.add(channel, code(country), row)?;
        if n == 0 {
            pool.anchor = serial;
        }
    }
    // Half of the rest in the home country, fewer in each that follows.
    let weights = (0..kinds).map(|n| if n == 0 { 2 * kinds } else { kinds + 1 - n });
    for _ in primaries + kinds..pool.size {
        let country = pool.countries.get(dice.weighted(weights.clone()));
        let country = country.copied().unwrap_or_else(|| pool.home());
        let (state, available_from) = condition(dice);
        let weight = weight(dice);
        let derive_country = dice.per_mille(100);
        let role = channel.conversation;
        let row = Account { role, pool: id, user: "", weight, state, available_from, derive_country };
        sheet.add(channel, code(country), row)?;
    }
    Ok(())
}

/// Most users have a number for WhatsApp; two of five have one for SMS as well.
fn dedicate(
    sheet: &mut Accounts<'_>,
    company: &str,
    tree: &Tree<'_>,
    count: usize,
    channels: usize,
    dice: &mut Dice,
) -> Result<Vec<Dedicated>> {
    let mut known = Vec::new();
    let (mut user, mut written) = (0, 0);
    while written < count {
        user += 1;
        let email = format!("u{user:06}@{company}.example");
        let country = any_country(tree, dice);
        let channels = if dice.per_mille(400) { channels } else { 1 };
        for channel in CHANNELS.iter().filter(|c| c.dedicated).take(channels) {
            if written == count {
                break;
            }
            let (state, available_from) = if written == 1 { ("suspended", "") } else { condition(dice) };
            let row = Account { user: &email, state, available_from, ..Account::default() };
            let serial = sheet.add(channel, country, row)?;
            written += 1;
            if known.len() < 8 && available_from.is_empty() {
                let id = sheet.id(channel, country, serial);
                known.push(Dedicated { user: email.clone(), channel, id, usable: state.is_empty() });
            }
        }
    }
    Ok(known)
}

fn any_country(tree: &Tree<'_>, dice: &mut Dice) -> &'static str {
    code(dice.weighted(COUNTRIES.iter().take(tree.countries.max(1)).map(|c| c.weight)))
}

/// State and available_from: 1 % drains, 1 % is suspended, 0.5 % rests, 2 % has rested.
fn condition(dice: &mut Dice) -> (&'static str, &'static str) {
    match dice.below(1000) {
        0..10 => ("draining", ""),
        10..20 => ("suspended", ""),
        20..25 => ("", "2099-01-01"),
        25..35 => ("", "2024-06-30"),
        35..45 => ("active", "2023-11-05T09:30:00Z"),
        _ => ("", ""),
    }
}

/// One in twenty takes more clients than the others.
fn weight(dice: &mut Dice) -> &'static str {
    match dice.below(1000) {
        0..20 => "2",
        20..35 => "3",
        35..45 => "5",
        45..48 => "20",
        48..50 => "100",
        _ => "",
    }
}
