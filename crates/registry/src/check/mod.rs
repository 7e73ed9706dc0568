//! Checks the rules of a registry that concern more than one line. Each file of this folder has the checks of
//! one subject; `ids` also has the index by id that they share.
//!
//! A finding is reported at the line that causes it. A check skips what another finding on the same line
//! already reports, and consequences of a file that could not be read.

mod accounts;
mod geography;
mod ids;
mod ous_and_pools;

use crate::{Code, Findings, Place, Registry};
use ids::CompanyIndex;

/// Checks a registry as a whole, and adds what it finds to the findings of [`read`](crate::read()). Sorts all
/// findings by file and line.
///
/// ```
/// use switchboard_registry::{Code, Files, check, read};
///
/// let pool = "[[ou]]\nid = \"acme\"\n\n[[pool]]\nid = \"line\"\nchannel = \"line\"\nous = [\"acme\"]\n";
/// let (registry, mut findings) = read(&Files::from_iter([("acme/company.toml", pool)]));
/// assert!(findings.is_empty());
///
/// check(&registry, &mut findings);
/// let finding = findings.iter().next().unwrap();
/// assert_eq!(finding.code, Code::MissingRole);
/// assert_eq!(finding.help, "add an account with this pool and role `secondary` to `accounts.csv`");
/// ```
pub fn check(registry: &Registry, findings: &mut Findings) {
    let has_unknown_files = findings.iter().any(|finding| finding.code == Code::UnknownFile);
    if registry.companies.is_empty() && !has_unknown_files {
        let help = "create a folder named after the company, with a `company.toml` in it";
        findings.add(&Place::file("."), Code::Empty, "the registry has no company", help);
    }
    for company in &registry.companies {
        let index = CompanyIndex::new(registry, company);
        ids::check(&index, findings);
        let tree = ous_and_pools::check_tree(&index, findings);
        ids::check_references(&index, findings);
        accounts::check(&index, findings);
        ous_and_pools::check_pools(&index, findings);
        geography::check(&index, findings);
        ous_and_pools::check_served_ous(&index, &tree, findings);
    }
    findings.sort();
    findings.fold();
}
