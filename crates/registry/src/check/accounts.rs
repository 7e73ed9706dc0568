//! Checks accounts. An account has the channel of its pool, no two accounts have the same address, no
//! country contradicts a phone number, and phone numbers are valid. A user has one dedicated account per
//! channel, if channel and platform version support dedicated accounts.

use std::collections::HashMap;

use switchboard_model::{AddressBuffer, E164};

use super::CompanyIndex;
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
                "account {} has channel {}, but its pool {} has channel {}",
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
                .secondary(&pool.place, Span::value("channel"), "the channel of the pool");
        }
    }
}

fn check_addresses(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let accounts = &index.company.accounts;
    let mut seen: HashMap<(u16, Box<str>), &Account> = HashMap::with_capacity(accounts.len());
    let mut buffer = AddressBuffer::new();
    for account in accounts {
        let Some(channel) = account.channel else { continue };
        let Some(profile) = index.profile(channel) else { continue };
        if !profile.address.accepts(&account.address) {
            continue;
        }
        let Some(address) = profile.address.normal_form(&account.address, &mut buffer) else { continue };
        let key = (channel, address.into());
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
                    .secondary(&first.place, Span::value("address"), "the first account with this address");
            }
        }
        if profile.address == AddressKind::Phone {
            check_number(account, findings);
        }
    }
}

/// Reports a phone number that is not valid, and a country that contradicts the number.
fn check_number(account: &Account, findings: &mut Findings) {
    let Ok(number) = E164::parse(&account.address) else { return };
    let origin = number.origin();
    let Some(region) = origin.region else { return };
    let country = account.country.unwrap_or(region);
    if account.address.strip_prefix('+') != Some(number.digits()) {
        let message =
            format!("the phone number of account {} has a zero behind its calling code", quoted(&account.id));
        let help = format!("write the number without this zero: `+{}`", number.digits());
        findings.add(&account.place, Code::InvalidNumber, message, help).primary(Span::value("address"));
    } else if origin.guessed {
        let message = format!(
            "the phone number {} of account {} is not valid for its country `{country}`",
            quoted(&account.address),
            quoted(&account.id)
        );
        let help = "compare it with the number at the provider, because a digit may be missing, too many or wrong; \
                    ignore this warning if the range of the number is new";
        findings.add(&account.place, Code::InvalidNumber, message, help).primary(Span::value("address"));
    }
    // The region of a number that is not valid is a guess, but its calling code is not.
    let code = number.calling_code();
    let (belongs, label) = if !origin.guessed {
        (format!("belongs to `{region}`"), format!("this number belongs to `{region}`"))
    } else if country.calling_code() != Some(code) {
        let has = format!("has the calling code {code} of `{region}`");
        (has.clone(), format!("this number {has}"))
    } else {
        return;
    };
    if region == country {
        return;
    }
    let message =
        format!("account {} has country `{country}`, but its phone number {belongs}", quoted(&account.id));
    let help = format!(
        "correct the country or the number, or leave the country empty to use the country of the number; ignore \
         this warning if the account serves `{country}` on purpose"
    );
    findings
        .add(&account.place, Code::CountryContradicted, message, help)
        .primary(Span::value("country"))
        .secondary(&account.place, Span::value("address"), label);
}

fn check_dedicated(index: &CompanyIndex<'_>, findings: &mut Findings) {
    let mut seen: HashMap<(&str, u16), &Account> = HashMap::new();
    for account in &index.company.accounts {
        let Holder::User(user) = &account.holder else { continue };
        let Some(channel) = account.channel else { continue };
        let Some(profile) = index.profile(channel) else { continue };
        let Some(since) = profile.dedicated_since else {
            let message = format!(
                "account {} is dedicated to user {}, but channel {} does not support dedicated accounts",
                quoted(&account.id),
                quoted(user),
                quoted(&profile.id)
            );
            let help = "remove the user from the row, and name a pool";
            findings
                .add(&account.place, Code::DedicatedUnsupported, message, help)
                .primary(Span::value("user"));
            continue;
        };
        if let Some(version) = index.company.platform_version.filter(|&version| version < since) {
            let message = format!(
                "account {} is dedicated, but channel {} supports dedicated accounts from platform version \
                 {since} on, and the company has version {version}",
                quoted(&account.id),
                quoted(&profile.id)
            );
            let help =
                "put the account into a pool, or update `platform_version` after the platform is upgraded";
            let version_key = Span::value("platform_version");
            findings
                .add(&account.place, Code::DedicatedVersion, message, help)
                .primary(Span::value("user"))
                .secondary(&index.company.place, version_key, "the platform version of the company");
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
                let help = "keep one of them; put the other one into a pool, or remove its user";
                findings
                    .add(&account.place, Code::DuplicateDedicated, message, help)
                    .primary(Span::value("user"))
                    .secondary(&first.place, Span::value("user"), "the first dedicated account");
            }
        }
    }
}
