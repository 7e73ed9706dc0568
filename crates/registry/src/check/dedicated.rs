//! Dedicated accounts: one for each user and channel, and only where the channel and the platform have them.

use std::collections::HashMap;

use super::Subject;
use crate::shown;
use crate::{Account, Code, Findings, Holder, Mark};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let mut first_of: HashMap<(&str, u16), &Account> = HashMap::new();
    for account in &subject.company.accounts {
        let Holder::User(user) = &account.holder else { continue };
        let Some(channel) = account.channel else { continue };
        let Some(profile) = subject.profile(channel) else { continue };
        let Some(since) = profile.dedicated_since else {
            let message = format!(
                "account {} is dedicated to user {}, but channel {} has no dedicated accounts",
                shown(&account.id),
                shown(user),
                shown(&profile.id)
            );
            let help = "empty its user and put it into a pool";
            findings.add(&account.place, Code::DedicatedUnsupported, message, help).value("user");
            continue;
        };
        if let Some(version) = subject.company.platform_version.filter(|&version| version < since) {
            let message = format!(
                "account {} is dedicated, which channel {} supports since platform {since}; the company has {version}",
                shown(&account.id),
                shown(&profile.id)
            );
            let help = "put it into a pool, or correct `platform_version` once the platform is upgraded";
            findings.add(&account.place, Code::DedicatedVersion, message, help).value("user").beside(
                &subject.company.place,
                Mark::Value("platform_version".into()),
                "the company's version",
            );
        }
        match first_of.get(&(&**user, channel)) {
            None => drop(first_of.insert((user, channel), account)),
            Some(first) => {
                let message = format!(
                    "user {} has two dedicated accounts on channel {}: {} on line {}, and {}",
                    shown(user),
                    shown(&profile.id),
                    shown(&first.id),
                    first.place.line,
                    shown(&account.id)
                );
                let help = "keep one of them; put the other into a pool, or empty its user";
                findings.add(&account.place, Code::DuplicateDedicated, message, help).value("user").beside(
                    &first.place,
                    Mark::Value("user".into()),
                    "the first one",
                );
            }
        }
    }
}
