//! Accounts: of their pool's channel, no address twice, and no country that the number contradicts.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Subject;
use crate::shown;
use crate::{Account, AddressKind, Code, Findings, Mark};
use switchboard_model::E164;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    channel_mismatches(subject, findings);
    addresses(subject, findings);
}

fn channel_mismatches(subject: &Subject<'_>, findings: &mut Findings) {
    for pool in subject.first_pools() {
        let Some((channel, _)) = subject.channel(&pool.channel) else { continue };
        for account in subject.members_of(pool) {
            let Some(other) = account.channel.filter(|&other| other != channel) else { continue };
            let other = subject.profile(other).map_or("", |profile| &profile.id);
            let message = format!(
                "account {} is of channel {}, its pool {} of {}",
                shown(&account.id),
                shown(other),
                shown(&pool.id),
                shown(&pool.channel)
            );
            let help =
                "name a pool of the account's channel, or correct the channel of the account or of the pool";
            findings.add(&account.place, Code::ChannelMismatch, message, help).value("channel").beside(
                &pool.place,
                Mark::Value("channel".into()),
                "the pool's channel",
            );
        }
    }
}

fn addresses(subject: &Subject<'_>, findings: &mut Findings) {
    let accounts = &subject.company.accounts;
    let mut seen: HashMap<(u16, Cow<'_, str>), &Account> = HashMap::with_capacity(accounts.len());
    for account in accounts {
        let Some(channel) = account.channel else { continue };
        let Some(profile) = subject.profile(channel) else { continue };
        if !profile.address.fits(&account.address) {
            continue;
        }
        let key = (channel, profile.address.canonical(&account.address));
        match seen.get(&key) {
            None => drop(seen.insert(key, account)),
            Some(first) => {
                let message = format!(
                    "account {} has the same address on channel {} as account {} on line {}",
                    shown(&account.id),
                    shown(&profile.id),
                    shown(&first.id),
                    first.place.line
                );
                let help = "correct one of the two addresses, or remove one of the accounts";
                findings.add(&account.place, Code::DuplicateAddress, message, help).value("address").beside(
                    &first.place,
                    Mark::Value("address".into()),
                    "the same address",
                );
            }
        }
        if profile.address == AddressKind::Phone {
            contradiction(account, findings);
        }
    }
}

/// A written country that is not the one of a valid number. What is guessed contradicts nobody.
fn contradiction(account: &Account, findings: &mut Findings) {
    let Some(country) = account.country else { return };
    let Ok(number) = E164::parse(&account.address) else { return };
    let origin = number.origin();
    let Some(region) = origin.region.filter(|&region| region != country && !origin.guessed) else { return };
    let message =
        format!("account {} is of country `{country}`, its number is one of `{region}`", shown(&account.id));
    let help =
        "correct the country, or empty it to take the number's; keep it if the number serves that country";
    findings.add(&account.place, Code::CountryContradicted, message, help).value("country").beside(
        &account.place,
        Mark::Value("address".into()),
        format!("a number of `{region}`"),
    );
}
