//! The example that uses every rule.

use std::collections::BTreeMap;
use std::path::Path;

use switchboard_registry::{Code, Files, Holder};

use super::base::{judged, printed};

static EMBEDDED: include_dir::Dir<'_> =
    include_dir::include_dir!("$CARGO_MANIFEST_DIR/tests/fixtures/registry/acme");

fn folder() -> Files {
    Files::read_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/registry/acme")).unwrap()
}

#[test]
fn is_without_errors_and_warned_of_what_it_means_to_show() {
    let (registry, findings) = judged(&folder());
    assert_eq!(findings.errors(), 0, "{}", printed(&findings.0));
    let mut warnings: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in &findings.0 {
        *warnings.entry(finding.code).or_default() += 1;
    }
    // Two mappings climb on purpose; Signal, LINE and WeChat are for some offices only.
    let expected = BTreeMap::from([(Code::UnservedTarget, 2), (Code::UnservedOu, 9)]);
    assert_eq!(warnings, expected, "{}", printed(&findings.0));
    let company = &registry.companies[0];
    assert_eq!((company.ous.len(), company.pools.len(), company.accounts.len()), (9, 13, 40));
    assert_eq!(company.accounts.iter().filter(|account| account.holder == Holder::Spare).count(), 1);
}

#[test]
fn is_the_same_from_the_folder_and_from_the_binary() {
    let embedded = Files::from_embedded(&EMBEDDED);
    assert_eq!(embedded.files, folder().files);
    assert_eq!(embedded.digest(), folder().digest());
}
