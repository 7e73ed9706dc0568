//! Checks pools. A pool is allocated to an OU and has accounts of the roles that its channel requires. Every
//! OU is served by a pool.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_model::Role;

use super::company_index::CompanyIndex;
use super::tree::OuTree;
use crate::redact::{quoted, quoted_list};
use crate::{Code, Findings, OuWithoutPool, Span};

pub(super) fn check(index: &CompanyIndex<'_>, findings: &mut Findings) {
    for pool in index.company.pools.iter().filter(|pool| pool.ous.is_empty()) {
        let message = format!("pool {} is allocated to no OU, so no query can reach it", quoted(&pool.id));
        findings
            .add(&pool.place, Code::PoolWithoutOu, message, "list its OUs in `ous`")
            .primary(Span::value("ous"));
    }
    if index.company.unread.accounts {
        return;
    }
    for pool in index.first_pools() {
        let Some((_, profile)) = index.channel(&pool.channel) else { continue };
        let roles =
            [(profile.pool_roles.primary, Role::Primary), (profile.pool_roles.secondary, Role::Secondary)];
        for (_, role) in roles.into_iter().filter(|&(is_required, _)| is_required) {
            if index.members_of(pool).any(|account| account.role == Some(role)) {
                continue;
            }
            let role = role.as_str();
            let message = format!(
                "pool {} has no account of role `{role}`, but channel {} requires one",
                quoted(&pool.id),
                quoted(&pool.channel)
            );
            let help = format!("add an account with this pool and role `{role}` to `accounts.csv`");
            findings.add(&pool.place, Code::MissingRole, message, help).primary(Span::value("id"));
        }
    }
}

/// Reports OUs that no pool serves on a channel of which the company has pools.
pub(super) fn check_served_ous(index: &CompanyIndex<'_>, tree: &OuTree, findings: &mut Findings) {
    if index.company.unread.pools {
        return;
    }
    let channels = index.company.pools.iter().map(|pool| &*pool.channel);
    let used: BTreeSet<&str> = channels.filter(|id| index.channel(id).is_some()).collect();
    let mut unserved: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for channel in used {
        let Some(served) = served_ous(index, tree, channel) else { continue };
        for &ou in tree.top_down.iter().filter(|&&ou| served.get(ou) == Some(&false)) {
            unserved.entry(ou).or_default().push(channel);
        }
    }

    let help = match index.company.ou_without_pool {
        OuWithoutPool::Inherit => {
            "allocate a pool to this OU or to an OU above it, if the OU invites clients on the channel"
        }
        OuWithoutPool::Error => "allocate a pool to this OU, or set `ou_without_pool` to \"inherit\"",
    };
    for (ou, channels) in unserved {
        let Some(ou) = index.company.ous.get(ou) else { continue };
        let noun = if channels.len() == 1 { "channel" } else { "channels" };
        let message = format!("no pool serves OU {} on {noun} {}", quoted(&ou.id), quoted_list(channels));
        findings.add(&ou.place, Code::UnservedOu, message, help).primary(Span::value("id"));
    }
}

/// Returns for each OU whether a pool of the channel serves it. Returns `None` if the `ous` of a pool could
/// not be read.
fn served_ous(index: &CompanyIndex<'_>, tree: &OuTree, channel: &str) -> Option<Vec<bool>> {
    let mut served = vec![false; index.company.ous.len()];
    for pool in index.company.pools.iter().filter(|pool| &*pool.channel == channel) {
        if pool.ous.iter().any(|ou| ou.is_empty()) {
            return None;
        }
        for ou in pool.ous.iter().filter_map(|ou| index.ous.get(&**ou)) {
            *served.get_mut(*ou)? = true;
        }
    }
    if index.company.ou_without_pool == OuWithoutPool::Inherit {
        for &ou in &tree.top_down {
            let parent = tree.parents.get(ou).copied().flatten();
            if parent.is_some_and(|parent| served.get(parent) == Some(&true)) {
                *served.get_mut(ou)? = true;
            }
        }
    }
    Some(served)
}
