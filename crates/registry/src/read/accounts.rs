//! `accounts.csv`.

use super::cells;
use super::channels::Channels;
use super::sheet::Sheet;
use crate::layout::Source;
use crate::nearest::did_you_mean;
use crate::shown;
use crate::{Account, AddressKind, Code, Condition, Findings, Holder, Mark, Place, Role, id};
use switchboard_model::{E164, rfc3339};

const COLUMNS: [&str; 10] =
    ["id", "channel", "role", "address", "country", "pool", "user", "weight", "state", "available_from"];
const REQUIRED: [&str; 3] = ["id", "channel", "address"];

/// Stands for accounts that could not be read.
pub(super) fn unread(place: &Place) -> Account {
    Account {
        id: "".into(),
        channel: None,
        role: None,
        address: "".into(),
        country: None,
        holder: Holder::Spare,
        weight: 1,
        state: Condition::Active,
        available_from: None,
        place: place.clone(),
    }
}

/// What is gathered over all the rows.
struct Sums {
    /// The first shared account, where there is no column for its role.
    role_wanted: Option<Place>,
    /// Whether roles can be judged: the column is there.
    roles: bool,
    /// Whether a country that is absent can be: no column may be a mistyped one.
    countries: bool,
}

/// Reads a company's accounts.
pub(super) fn read(source: Source<'_>, channels: &Channels, findings: &mut Findings) -> Vec<Account> {
    let start = Place { file: source.0.clone(), line: 0 };
    let mut accounts = Vec::new();
    let Some(sheet) = Sheet::open(source, COLUMNS, &REQUIRED, findings) else {
        accounts.push(unread(&start));
        return accounts;
    };
    accounts.reserve_exact(sheet.rows() + 1);
    let mut sums = Sums { role_wanted: None, roles: sheet.has("role"), countries: sheet.judges("country") };
    let role_absent = !sums.roles && sheet.judges("role");
    let complete = sheet.each(findings, |cells, place, findings| {
        accounts.push(account(cells, place, channels, &mut sums, findings));
    });
    let role_missed = sums.role_wanted.is_some();
    if let Some(first) = sums.role_wanted.filter(|_| role_absent) {
        let message = format!("there is no column `role`, which the account on line {} needs", first.line);
        let help = "add it: `primary` or `secondary` for accounts of a pool, empty for those of a user";
        findings.add(&Place { line: 1, ..first }, Code::MissingColumn, message, help);
    }
    if !complete || role_missed {
        accounts.push(unread(&start));
    }
    accounts
}

fn account(
    cells: [&str; 10],
    place: &Place,
    channels: &Channels,
    sums: &mut Sums,
    findings: &mut Findings,
) -> Account {
    let [id, channel, role, address, country, pool, user, weight, state, available_from] = cells;
    id::demand_id(id, "account id", place, Mark::Value("id".into()), findings);

    let profile = channels.find(channel);
    match profile {
        Some((_, profile)) if !profile.address.fits(address) => {
            // The address itself is not repeated: it may be somebody's number.
            let wanted = profile.address.wanted();
            let message = format!("the address of account {} is not {wanted}", shown(id));
            let help = format!("write {wanted}, as channel {} has it", shown(channel));
            findings.add(place, Code::InvalidAddress, message, help).value("address");
        }
        Some(_) => {}
        None => channels.report_unknown(channel, place, findings),
    }
    let country = if !country.is_empty() {
        cells::country("country", country, place, || Mark::Value("country".into()), findings)
    } else if profile.is_some_and(|(_, profile)| profile.address == AddressKind::Phone)
        && address.starts_with('+')
    {
        E164::parse(address).ok().and_then(|number| number.region())
    } else {
        if sums.countries && profile.is_some_and(|(_, profile)| profile.address != AddressKind::Phone) {
            let message = format!("account {} has no country, and its address tells none", shown(id));
            let help = "write its country; only a phone number tells it by itself";
            findings.add(place, Code::MissingCountry, message, help).value("country");
        }
        None
    };
    Account {
        id: id.into(),
        channel: profile.map(|(at, _)| at),
        role: holder_role(id, role, (pool, user), place, sums, findings),
        address: address.into(),
        country,
        holder: match (pool, user) {
            ("", "") => Holder::Spare,
            ("", user) => Holder::User(user.into()),
            (pool, _) => Holder::Pool(pool.into()),
        },
        weight: weight_of(id, weight, place, findings),
        state: state_of(id, state, place, findings),
        available_from: available_from_of(id, available_from, place, findings),
        place: place.clone(),
    }
}

/// Holds role, pool and user against each other: which role an account may have depends on whose it is.
fn holder_role(
    id: &str,
    role: &str,
    (pool, user): (&str, &str),
    place: &Place,
    sums: &mut Sums,
    findings: &mut Findings,
) -> Option<Role> {
    if !user.is_empty() {
        id::demand_id(user, "user id", place, Mark::Value("user".into()), findings);
    }
    if !pool.is_empty() && !user.is_empty() {
        let message =
            format!("account {} has both a pool, {}, and a user, {}", shown(id), shown(pool), shown(user));
        let help = "empty one of the two cells: an account is shared or dedicated, never both";
        findings.add(place, Code::PoolAndUser, message, help).value("user").beside(
            place,
            Mark::Value("pool".into()),
            "and a pool",
        );
    }
    let mut report = |message: String, help: &str| {
        findings.add(place, Code::Role, message, help).value("role");
    };
    let words = ["primary", "secondary"];
    match role {
        "primary" | "secondary" if pool.is_empty() && !user.is_empty() => {
            let message =
                format!("account {} is dedicated to a user and has a role, {}", shown(id), shown(role));
            report(message, "empty the role: a dedicated account is for conversations");
            None
        }
        "primary" => Some(Role::Primary),
        "secondary" => Some(Role::Secondary),
        "" if pool.is_empty() || !user.is_empty() => None,
        "" if !sums.roles => {
            sums.role_wanted.get_or_insert_with(|| place.clone());
            None
        }
        "" => {
            let message = format!("account {} of pool {} has no role", shown(id), shown(pool));
            report(message, "write `primary` or `secondary`");
            None
        }
        other => {
            let help = did_you_mean(other, words.into_iter(), || "write `primary` or `secondary`".to_owned());
            let message = format!(
                "role {} of account {} is neither `primary` nor `secondary`",
                shown(other),
                shown(id)
            );
            findings.add(place, Code::InvalidValue, message, help).value("role");
            None
        }
    }
}

fn weight_of(id: &str, text: &str, place: &Place, findings: &mut Findings) -> u16 {
    if text.is_empty() {
        return 1;
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(weight @ 1..=1000) if digits => weight,
        _ => {
            let message =
                format!("weight {} of account {} is no whole number from 1 to 1000", shown(text), shown(id));
            let help = "write a number from 1 to 1000, or leave the cell empty for 1";
            findings.add(place, Code::InvalidValue, message, help).value("weight");
            1
        }
    }
}

fn state_of(id: &str, text: &str, place: &Place, findings: &mut Findings) -> Condition {
    let words = ["active", "draining", "suspended"];
    match text {
        "" | "active" => Condition::Active,
        "draining" => Condition::Draining,
        "suspended" => Condition::Suspended,
        other => {
            let message = format!("state {} of account {} is not known", shown(other), shown(id));
            let help =
                did_you_mean(other, words.into_iter(), || format!("write one of {}", shown_words(&words)));
            findings.add(place, Code::InvalidValue, message, help).value("state");
            Condition::Active
        }
    }
}

fn available_from_of(id: &str, text: &str, place: &Place, findings: &mut Findings) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let instant = rfc3339::seconds(text);
    if instant.is_none() {
        let message = format!("available_from {} of account {} is no RFC 3339 date", shown(text), shown(id));
        let help =
            "write a date such as 2026-03-01, or a date-time with its offset such as 2026-03-01T08:00:00Z";
        findings.add(place, Code::InvalidValue, message, help).value("available_from");
    }
    instant
}

fn shown_words(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
