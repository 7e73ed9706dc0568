//! OUs that no chain serves, for the channels that their company uses.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use super::tree::Tree;
use crate::shown::{shown, shown_list};
use crate::{Code, Findings, OuWithoutPool};

pub(super) fn check(subject: &Subject<'_>, tree: &Tree, findings: &mut Findings) {
    if subject.pools_unread {
        return;
    }
    let mut unserved: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let channels = subject.company.pools.iter().map(|pool| &*pool.channel);
    let used: BTreeSet<&str> = channels.filter(|id| subject.channel(id).is_some()).collect();
    for channel in used {
        let Some(served) = served(subject, tree, channel) else { continue };
        for &ou in tree.top_down.iter().filter(|&&ou| served.get(ou) == Some(&false)) {
            unserved.entry(ou).or_default().push(channel);
        }
    }

    let help = match subject.company.ou_without_pool {
        OuWithoutPool::Inherit => "allocate a pool to it or to an OU above it, if it invites clients there",
        OuWithoutPool::Error => "allocate a pool to it, or set `ou_without_pool` to \"inherit\"",
    };
    for (ou, channels) in unserved {
        let Some(ou) = subject.company.ous.get(ou) else { continue };
        let message = format!("no pool serves OU {} on {}", shown(&ou.id), shown_list(channels));
        findings.add(&ou.place, Code::UnservedOu, message, help).value("id");
    }
}

/// Whether each OU's chain reaches a pool of the channel. `None` where a pool's `ous` could not be read.
fn served(subject: &Subject<'_>, tree: &Tree, channel: &str) -> Option<Vec<bool>> {
    let mut served = vec![false; subject.company.ous.len()];
    for pool in subject.company.pools.iter().filter(|pool| &*pool.channel == channel) {
        if pool.ous.iter().any(|ou| ou.is_empty()) {
            return None;
        }
        for ou in pool.ous.iter().filter_map(|ou| subject.ous.get(&**ou)) {
            if let Some(slot) = served.get_mut(*ou) {
                *slot = true;
            }
        }
    }
    if subject.company.ou_without_pool == OuWithoutPool::Inherit {
        for &ou in &tree.top_down {
            let above =
                tree.parents.get(ou).copied().flatten().and_then(|parent| served.get(parent).copied());
            if let (Some(true), Some(slot)) = (above, served.get_mut(ou)) {
                *slot = true;
            }
        }
    }
    Some(served)
}
