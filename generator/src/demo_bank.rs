//! The demo company Meridian Bank of `config/demo/meridian`.
//!
//! Its settings, tests and OUs are written by hand. Its accounts are generated from templates and a seed.

use crate::{
    account_sheet::{AccountRow, AccountSheet, CHANNELS, channel_by_id},
    error::{Error, Result},
    rng::SeededRng,
    text_file::{self, TextFile},
};
use clap::Args;
use std::path::{Path, PathBuf};
use switchboard_model::Region;

const BANK: &str = "meridian";

const OUS: &str = include_str!("../../config/demo/meridian/ous.csv");

static FILES: [(&str, &str); 3] = [
    ("company.toml", include_str!("../../config/demo/meridian/company.toml")),
    ("tests.toml", include_str!("../../config/demo/meridian/tests.toml")),
    ("ous.csv", OUS),
];

/// The bankers that tests.toml names. The columns are user, country, number of channels and condition.
static PEOPLE: &str = include_str!("../demo/people.csv");

/// The accounts of each pool in the order of their numbers. Those that tests.toml names come first. The
/// columns are pool, role, country, number of accounts and their condition. For an empty condition, the first
/// account is active and the conditions of the others are random.
static STOCK: &str = include_str!("../demo/stock.csv");

/// Number of bankers in addition to [`PEOPLE`].
const MORE_PEOPLE: usize = 160;
const SPARE_ACCOUNTS: usize = 40;

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

/// The arguments of `loadtest bank`.
#[derive(Args)]
pub struct BankArguments {
    /// Folder of the registry; it is created, or must be empty; the bank is its subfolder meridian
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Seed of the accounts' conditions and the users' countries; config/demo has seed 1
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
}

/// Writes the demo bank.
///
/// # Errors
/// The folder has files, or a file cannot be written.
pub fn generate_bank(arguments: &BankArguments) -> Result<()> {
    text_file::make_empty_dir(&arguments.output)?;
    let dir = arguments.output.join(BANK);
    text_file::make_dir(&dir)?;
    for (name, text) in FILES {
        let mut sheet = TextFile::create(dir.join(name))?;
        sheet.text(text)?;
        sheet.finish()?;
    }
    write_accounts(&dir, arguments.seed)
}

fn write_accounts(dir: &Path, seed: u64) -> Result<()> {
    let countries: Vec<&str> = rows(OUS).filter_map(|row| country(row.first()?)).collect();
    let mut sheet = AccountSheet::create(dir, BANK, 4)?;
    let rng = &mut SeededRng::new(seed, 0);
    for row in rows(PEOPLE) {
        let malformed = || malformed(&row);
        let &[user, code, channels, condition] = row.as_slice() else { return Err(malformed()) };
        let country = country(code).ok_or_else(malformed)?;
        let channels = channels.parse().map_err(|_| malformed())?;
        add_banker(&mut sheet, user, country, channels, state_columns(condition))?;
    }
    for row in rows(STOCK) {
        let malformed = || malformed(&row);
        let &[pool, role, code, count, condition] = row.as_slice() else { return Err(malformed()) };
        let channel = channel_by_id(pool).ok_or_else(malformed)?;
        let country = country(code).ok_or_else(malformed)?;
        for n in 0..count.parse().map_err(|_| malformed())? {
            let is_drawn = condition.is_empty() && n > 0;
            let (state, available_from) = if is_drawn { drawn_state(rng) } else { state_columns(condition) };
            let weight = if is_drawn { drawn_weight(rng) } else { "" };
            let derive_country = is_drawn && rng.per_mille(80);
            let row = AccountRow { role, pool, user: "", weight, state, available_from, derive_country };
            sheet.add(channel, country, row)?;
        }
    }
    let any_country = |rng: &mut SeededRng| rng.choose(&countries).copied().unwrap_or("GB");
    // 32 and 37 have no common factor, so every name is unique.
    for (given, family) in GIVEN.iter().cycle().zip(FAMILY.iter().cycle()).take(MORE_PEOPLE) {
        let country = any_country(rng);
        let channels = if rng.per_mille(350) { 2 } else { 1 };
        add_banker(&mut sheet, &format!("{given}.{family}"), country, channels, drawn_state(rng))?;
    }
    for n in 0..SPARE_ACCOUNTS {
        let channel = if n % 4 == 0 { &CHANNELS[1] } else { &CHANNELS[0] };
        let country = any_country(rng);
        // Half of the spare numbers were returned by their users and rest.
        let available_from = if n % 2 == 0 { "2099-01-01" } else { "" };
        let row = AccountRow { role: "secondary", available_from, ..AccountRow::default() };
        sheet.add(channel, country, row)?;
    }
    sheet.finish()
}

/// Writes a banker's own accounts: one on WhatsApp and, if `channels` is 2, one on SMS.
fn add_banker(
    sheet: &mut AccountSheet<'_>,
    user: &str,
    country: &'static str,
    channels: usize,
    (state, available_from): (&str, &str),
) -> Result<()> {
    let user = format!("{user}@{BANK}.example");
    for channel in CHANNELS.iter().filter(|channel| channel.dedicated).take(channels) {
        let row = AccountRow { user: &user, state, available_from, ..AccountRow::default() };
        sheet.add(channel, country, row)?;
    }
    Ok(())
}

/// Returns the cells of each row of a template, without the header.
fn rows(template: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    template.lines().skip(1).map(|row| row.split(',').collect())
}

/// Returns the country of a code in lower or upper case. The OU of a country has the code as its id.
fn country(code: &str) -> Option<&'static str> {
    Region::from_alpha2(&code.to_ascii_uppercase()).map(Region::alpha2)
}

fn malformed(row: &[&str]) -> Error {
    Error::Refused(format!("a template of the demo bank has a malformed row: {}", row.join(",")))
}

fn state_columns(condition: &str) -> (&'static str, &'static str) {
    match condition {
        "draining" => ("draining", ""),
        "suspended" => ("suspended", ""),
        "resting" => ("", "2099-01-01"),
        "rested" => ("", "2024-06-30T00:00:00Z"),
        _ => ("", ""),
    }
}

fn drawn_state(rng: &mut SeededRng) -> (&'static str, &'static str) {
    state_columns(match rng.below(100) {
        0 => "draining",
        1 => "suspended",
        2 => "resting",
        3..6 => "rested",
        _ => "active",
    })
}

fn drawn_weight(rng: &mut SeededRng) -> &'static str {
    match rng.below(100) {
        0..4 => "2",
        4..6 => "5",
        _ => "",
    }
}
