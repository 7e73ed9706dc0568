//! The registry held against the rules that no single line can break.
//!
//! Every finding stands at its own line. Unsaid stays only what another finding on the same line
//! already says, and what would follow everywhere from one file that could not be read.

mod accounts;
mod coverage;
mod dedicated;
mod geography;
mod ids;
mod pools;
mod references;
mod subject;
mod tree;

use subject::Subject;

use super::{Code, Findings, Place, Registry};

/// Checks a registry as a whole. `findings` holds what [`read`](super::read()) said about the same
/// files; the new ones are added and all of them sorted.
pub fn check(registry: &Registry, findings: &mut Findings) {
    let stray_files = findings.0.iter().any(|finding| finding.code == Code::UnknownFile);
    if registry.companies.is_empty() && !stray_files {
        let place = Place { file: ".".into(), line: 0 };
        let help = "make a folder named after the company, with a `company.toml` in it";
        findings.add(&place, Code::Empty, "the registry has no company", help);
    }
    for company in &registry.companies {
        let subject = Subject::of(registry, company);
        ids::check(&subject, findings);
        let tree = tree::check(&subject, findings);
        references::check(&subject, findings);
        accounts::check(&subject, findings);
        dedicated::check(&subject, findings);
        pools::check(&subject, findings);
        geography::check(&subject, findings);
        coverage::check(&subject, &tree, findings);
    }
    findings.sort();
    findings.fold();
}
