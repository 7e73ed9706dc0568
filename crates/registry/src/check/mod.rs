//! Checks a registry against the rules that need more than one line. Every finding is at the line that causes
//! it.
//!
//! Not reported are what another finding on the same line already says, and the consequences of a file that
//! could not be read.

mod accounts;
mod company_index;
mod geography;
mod ids;
mod pools;
mod tree;

use crate::{Code, Findings, Place, Registry};
use company_index::CompanyIndex;

/// Checks a registry as a whole. `findings` contains what [`read`](crate::read()) found in the same files.
/// Adds the new findings, and sorts all of them.
pub fn check(registry: &Registry, findings: &mut Findings) {
    let has_unknown_files = findings.iter().any(|finding| finding.code == Code::UnknownFile);
    if registry.companies.is_empty() && !has_unknown_files {
        let help = "make a folder named after the company, with a `company.toml` in it";
        findings.add(&Place::file("."), Code::Empty, "the registry has no company", help);
    }
    for company in &registry.companies {
        let index = CompanyIndex::new(registry, company);
        ids::check(&index, findings);
        let tree = tree::check(&index, findings);
        ids::check_references(&index, findings);
        accounts::check(&index, findings);
        pools::check(&index, findings);
        geography::check(&index, findings);
        pools::check_served_ous(&index, &tree, findings);
    }
    findings.sort();
    findings.fold();
}
