//! The example registry of company acme, which uses every rule.

use std::collections::BTreeMap;
use std::path::Path;

use switchboard_registry::{Code, Files, Holder};

use super::base::{printed, read_and_check};

fn folder() -> Files {
    Files::read_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry/acme")).unwrap()
}

#[test]
fn example_has_no_error_and_the_intended_warnings() {
    let (registry, findings) = read_and_check(&folder());
    assert_eq!(findings.errors(), 0, "{}", printed(&findings));
    let mut warnings: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in &findings {
        *warnings.entry(finding.code).or_default() += 1;
    }
    // Intended: two mappings name a country whose accounts are at a higher level, and some channels have
    // pools for some offices only.
    let expected = BTreeMap::from([(Code::UnservedTarget, 2), (Code::UnservedOu, 9)]);
    assert_eq!(warnings, expected, "{}", printed(&findings));
    let company = &registry.companies[0];
    assert_eq!((company.ous.len(), company.pools.len(), company.accounts.len()), (9, 13, 40));
    assert_eq!(company.accounts.iter().filter(|account| account.holder == Holder::Spare).count(), 1);
}

#[test]
fn files_in_memory_equal_those_of_the_folder() {
    let folder = folder();
    let in_memory: Files =
        folder.iter().map(|(path, _)| (path.clone(), folder.get(path).unwrap_or_default())).collect();
    assert_eq!(in_memory, folder);
    assert_eq!(in_memory.digest(), folder.digest());
}
