//! Accounts: their channel is that of their pool, no address is there twice, no country contradicts a phone
//! number, and dedicated accounts are one for each user and channel, where channel and platform support them.

use std::borrow::Cow;
use std::collections::HashMap;

use switchboard_model::E164;

use super::company_index::CompanyIndex;
use crate::redact::quoted;
use crate::{Account, AddressKind, Code, Findings, Holder, Span};

pub(super) fn check(index: &CompanyIndex<'_>, findings: &mut Findings) {
    check_channels(index, findings);
    check_addresses(index, findings);
    check_dedicated(index, findings);
}

fn check_channels(index: &CompanyIndex<'_>, findings: &mut Findings) {
    for pool in index.first_pools() {
        let Some((channel, _)) = index.channel(&pool.channel) else { continue };
        for account in index.members_of(pool) {
            let Some(other) = account.channel.filter(|&other| other != channel) else { continue };
            let other = index.profile(other).map_or("", |profile| &profile.id);
            let message = format!(
                "account {} is of channel {}, its pool {} of {}",
                quoted(&account.id),
                quoted(other),
                quoted(&pool.id),
                quoted(&pool.channel)
            );
            let help =
                "name a pool of the account's channel, or correct the channel of the account or of the pool";
            findings
                .add(&account.place, Code::ChannelMismatch, message, help)
                .primary(Span::value("channel"))
                .secondary(&pool.place, Span::value("channel"), "the pool's channel");
        }
    }
}

fn check_addresses(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let accounts = &index.company.accounts;
    let mut seen: HashMap<(u16, Cow<'_, str>), &Account> = HashMap::with_capacity(accounts.len());
    for account in accounts {
        let Some(channel) = account.channel else { continue };
        let Some(profile) = index.profile(channel) else { continue };
        if !profile.address.accepts(&account.address) {
            continue;
        }
        let key = (channel, profile.address.canonical(&account.address));
        match seen.get(&key) {
            None => drop(seen.insert(key, account)),
            Some(first) => {
                let message = format!(
                    "account {} has the same address on channel {} as account {} on line {}",
                    quoted(&account.id),
                    quoted(&profile.id),
                    quoted(&first.id),
                    first.place.line
                );
                let help = "correct one of the two addresses, or remove one of the accounts";
                findings
                    .add(&account.place, Code::DuplicateAddress, message, help)
                    .primary(Span::value("address"))
                    .secondary(&first.place, Span::value("address"), "the same address");
            }
        }
        if profile.address == AddressKind::Phone {
            check_country(account, findings);
        }
    }
}

/// Reports a written country that contradicts a valid number. A region that is only guessed contradicts
/// nothing.
fn check_country(account: &Account, findings: &mut Findings) {
    let Some(country) = account.country else { return };
    let Ok(number) = E164::parse(&account.address) else { return };
    let origin = number.origin();
    let Some(region) = origin.region.filter(|&region| region != country && !origin.guessed) else { return };
    let message =
        format!("account {} is of country `{country}`, its number is one of `{region}`", quoted(&account.id));
    let help =
        "correct the country, or empty it to take the number's; keep it if the number serves that country";
    findings
        .add(&account.place, Code::CountryContradicted, message, help)
        .primary(Span::value("country"))
        .secondary(&account.place, Span::value("address"), format!("a number of `{region}`"));
}

fn check_dedicated(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let mut seen: HashMap<(&str, u16), &Account> = HashMap::new();
    for account in &index.company.accounts {
        let Holder::User(user) = &account.holder else { continue };
        let Some(channel) = account.channel else { continue };
        let Some(profile) = index.profile(channel) else { continue };
        let Some(since) = profile.dedicated_since else {
            let message = format!(
                "account {} is dedicated to user {}, but channel {} has no dedicated accounts",
                quoted(&account.id),
                quoted(user),
                quoted(&profile.id)
            );
            let help = "empty its user and put it into a pool";
            findings
                .add(&account.place, Code::DedicatedUnsupported, message, help)
                .primary(Span::value("user"));
            continue;
        };
        if let Some(version) = index.company.platform_version.filter(|&version| version < since) {
            let message = format!(
                "account {} is dedicated, which channel {} supports since platform {since}; the company has {version}",
                quoted(&account.id),
                quoted(&profile.id)
            );
            let help = "put it into a pool, or correct `platform_version` once the platform is upgraded";
            let version_key = Span::value("platform_version");
            findings
                .add(&account.place, Code::DedicatedVersion, message, help)
                .primary(Span::value("user"))
                .secondary(&index.company.place, version_key, "the company's version");
        }
        match seen.get(&(&**user, channel)) {
            None => drop(seen.insert((user, channel), account)),
            Some(first) => {
                let message = format!(
                    "user {} has two dedicated accounts on channel {}: {} on line {}, and {}",
                    quoted(user),
                    quoted(&profile.id),
                    quoted(&first.id),
                    first.place.line,
                    quoted(&account.id)
                );
                let help = "keep one of them; put the other into a pool, or empty its user";
                findings
                    .add(&account.place, Code::DuplicateDedicated, message, help)
                    .primary(Span::value("user"))
                    .secondary(&first.place, Span::value("user"), "the first one");
            }
        }
    }
}
