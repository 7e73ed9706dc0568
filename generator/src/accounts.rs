//! The accounts of a generated company: first the shared accounts of each pool, then the accounts of users,
//! then the spare accounts.

use crate::{
    account_sheet::{AccountRow, AccountSheet, CHANNELS, Channel},
    error::Result,
    pools::{GeneratedPool, Pools},
    rng::SeededRng,
    tree::{COUNTRIES, GeneratedTree, country_code},
};
use std::path::Path;

/// Numbers of accounts of a company by their use.
pub(crate) struct Division {
    pub(crate) shared: usize,
    dedicated: usize,
    spare: usize,
}

impl Division {
    /// Divides accounts: 3 % are dedicated to users, 1 % are spare, the others are shared in pools.
    pub(crate) fn new(accounts: usize) -> Self {
        let (dedicated, spare) = (accounts * 3 / 100, accounts / 100);
        Self { shared: accounts - dedicated - spare, dedicated, spare }
    }
}

/// A user's own account whose availability does not depend on the time.
pub(crate) struct Dedicated {
    pub(crate) user: String,
    pub(crate) channel: &'static Channel,
    pub(crate) id: String,
    pub(crate) usable: bool,
}

/// Writes accounts.csv and sets the anchor of each pool. Returns up to eight dedicated accounts.
pub(crate) fn write(
    dir: &Path,
    company: &str,
    tree: &GeneratedTree<'_>,
    pools: &mut Pools,
    division: &Division,
    rng: &mut SeededRng,
) -> Result<Vec<Dedicated>> {
    let mut sheet = AccountSheet::create(dir, company, 6)?;
    for pool in &mut pools.all {
        let id = pool.id(tree);
        fill(&mut sheet, pool, &id, rng)?;
    }
    // A channel needs a pool. A company with one pool has only WhatsApp.
    let channels = pools.all.len().min(2);
    let known = dedicate(&mut sheet, company, tree, division.dedicated, channels, rng)?;
    for n in 0..division.spare {
        let channel = if n % 3 == 0 && channels > 1 { &CHANNELS[1] } else { &CHANNELS[0] };
        sheet.add(
            channel,
            any_country(tree, rng),
            AccountRow { role: "secondary", ..AccountRow::default() },
        )?;
    }
    sheet.finish()?;
    Ok(known)
}

/// Writes a pool's primary accounts, one active account of each of its countries, and the other accounts.
fn fill(sheet: &mut AccountSheet<'_>, pool: &mut GeneratedPool, id: &str, rng: &mut SeededRng) -> Result<()> {
    let channel = pool.channel;
    let kinds = pool.countries.len();
    let spare_room = pool.size.saturating_sub(kinds + 1);
    let primaries = if channel.needs_primary { 1 + (spare_room / 12).min(kinds - 1) } else { 0 };
    for &country in pool.countries.iter().take(primaries) {
        sheet.add(
            channel,
            country_code(country),
            AccountRow { role: "primary", pool: id, ..AccountRow::default() },
        )?;
    }
    for (n, &country) in pool.countries.iter().enumerate() {
        let row = AccountRow { role: channel.conversation, pool: id, ..AccountRow::default() };
        let serial = sheet.add(channel, country_code(country), row)?;
        if n == 0 {
            pool.anchor = serial;
        }
    }
    // Half of the others are in the home country. Each following country has fewer than the one before.
    let weights = (0..kinds).map(|n| if n == 0 { 2 * kinds } else { kinds + 1 - n });
    for _ in primaries + kinds..pool.size {
        let country = pool.countries.get(rng.weighted(weights.clone()));
        let country = country.copied().unwrap_or_else(|| pool.home());
        let (state, available_from) = condition(rng);
        let weight = weight(rng);
        let derive_country = rng.per_mille(100);
        let role = channel.conversation;
        let row = AccountRow { role, pool: id, user: "", weight, state, available_from, derive_country };
        sheet.add(channel, country_code(country), row)?;
    }
    Ok(())
}

/// Writes the users' own accounts. Each user has one on WhatsApp, and two users of five have one on SMS.
fn dedicate(
    sheet: &mut AccountSheet<'_>,
    company: &str,
    tree: &GeneratedTree<'_>,
    count: usize,
    channels: usize,
    rng: &mut SeededRng,
) -> Result<Vec<Dedicated>> {
    let mut known = Vec::new();
    let (mut user, mut written) = (0, 0);
    while written < count {
        user += 1;
        let email = format!("u{user:06}@{company}.example");
        let country = any_country(tree, rng);
        let channels = if rng.per_mille(400) { channels } else { 1 };
        for channel in CHANNELS.iter().filter(|c| c.dedicated).take(channels) {
            if written == count {
                break;
            }
            let (state, available_from) = if written == 1 { ("suspended", "") } else { condition(rng) };
            let row = AccountRow { user: &email, state, available_from, ..AccountRow::default() };
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

fn any_country(tree: &GeneratedTree<'_>, rng: &mut SeededRng) -> &'static str {
    country_code(rng.weighted(COUNTRIES.iter().take(tree.countries.max(1)).map(|c| c.weight)))
}

/// Returns the columns `state` and `available_from`: 1 % of the accounts drain, 1 % are suspended, 0.5 %
/// become available in 2099, and 2 % became available in the past.
fn condition(rng: &mut SeededRng) -> (&'static str, &'static str) {
    match rng.below(1000) {
        0..10 => ("draining", ""),
        10..20 => ("suspended", ""),
        20..25 => ("", "2099-01-01"),
        25..35 => ("", "2024-06-30"),
        35..45 => ("active", "2023-11-05T09:30:00Z"),
        _ => ("", ""),
    }
}

/// Returns the column `weight`. One account in twenty has a weight above the default.
fn weight(rng: &mut SeededRng) -> &'static str {
    match rng.below(1000) {
        0..20 => "2",
        20..35 => "3",
        35..45 => "5",
        45..48 => "20",
        48..50 => "100",
        _ => "",
    }
}
