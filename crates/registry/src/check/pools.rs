//! Pools: each holds the roles that its channel demands, and serves somebody.

use super::Subject;
use crate::shown;
use crate::{Code, Findings, Role};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for pool in subject.company.pools.iter().filter(|pool| pool.place.line > 0 && pool.ous.is_empty()) {
        let message = format!("pool {} is allocated to no OU, so nobody is served from it", shown(&pool.id));
        findings.add(&pool.place, Code::PoolWithoutOu, message, "name its OUs in `ous`").value("ous");
    }
    if subject.accounts_unread {
        return;
    }
    for pool in subject.first_pools() {
        let Some((_, profile)) = subject.channel(&pool.channel) else { continue };
        let roles = [
            (profile.pool_roles.primary, Role::Primary, "primary"),
            (profile.pool_roles.secondary, Role::Secondary, "secondary"),
        ];
        for (_, role, word) in roles.into_iter().filter(|&(required, ..)| required) {
            if subject.members_of(pool).any(|account| account.role == Some(role)) {
                continue;
            }
            let message = format!(
                "pool {} has no {word} account, and channel {} demands it",
                shown(&pool.id),
                shown(&pool.channel)
            );
            let help = format!("add to `accounts.csv` an account of role {word} with this pool");
            findings.add(&pool.place, Code::MissingRole, message, help).value("id");
        }
    }
}
