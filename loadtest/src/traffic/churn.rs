//! The accounts whose standings may change under load.

use super::worlds::sound;
use crate::{dice::Dice, error::Result};
use std::{collections::HashMap, path::Path};
use switchboard_model::{Condition, Region, Role};
use switchboard_registry::Holder;

/// Accounts in use that a group of equals must have beside the one whose standing changes: no request excludes so
/// many, so that whatever the standings are, the step that a client is served by stays.
const STABLE: usize = 3;

/// Accounts (company, id) whose live standings may be changed while requests are answered, at most so many: each is
/// the only one of its equals, and they have others in use, so that what must be answered stays foretold.
///
/// # Errors
/// A folder that cannot be read, or a registry with errors.
pub fn churnable(folder: &Path, most: usize, seed: u64) -> Result<Vec<(String, String)>> {
    let registry = sound(folder)?;
    let mut groups: HashMap<(&str, &str, Option<Role>, Region), Vec<&str>> = HashMap::new();
    let mut order = Vec::new();
    for company in &registry.companies {
        for account in &company.accounts {
            let (Holder::Pool(pool), Some(country)) = (&account.holder, account.country) else { continue };
            if account.state != Condition::Active || account.available_from.is_some() {
                continue;
            }
            let key = (&*company.id, &**pool, account.role, country);
            let group = groups.entry(key).or_default();
            group.push(&account.id);
            if group.len() == STABLE + 1 {
                order.push(key);
            }
        }
    }
    let dice = &mut Dice::new(seed, 5);
    let mut chosen = Vec::new();
    while chosen.len() < most && !order.is_empty() {
        let key = order.swap_remove(dice.below(order.len()));
        if let Some(id) = groups.get(&key).and_then(|group| dice.one_of(group)) {
            chosen.push((key.0.to_owned(), (*id).to_owned()));
        }
    }
    Ok(chosen)
}
