//! Reads and checks a registry: the files in which administrators describe companies, organizational units
//! (OUs), pools and official accounts.
//!
//! [`read()`] turns [`Files`] into a [`Registry`] of values that keep their lines. [`check()`] holds the
//! registry as a whole against the rules. Both report every fault as a [`Finding`], not only the first.
//! Nothing here knows how a snapshot looks.
//!
//! Reading order: `model`, `finding`, `files`, then `read` and `check`. `address` knows what an address looks
//! like, `redact` how a value is repeated in a finding, `suggest` what a mistyped name was meant to be, and
//! `snippet` finds the lines that a finding points at.
//!
//! ```
//! use switchboard_registry::{Code, Files, check, read};
//!
//! let files = Files::from_iter([("acme/company.toml", "[[ou]]\nid = \"acme\"\nparent = \"acne\"\n")]);
//! let (registry, mut findings) = read(&files);
//! check(&registry, &mut findings);
//!
//! assert_eq!(registry.companies[0].ous.len(), 1);
//! let finding = findings.iter().next().unwrap();
//! assert_eq!(finding.code, Code::UnknownParent);
//! assert_eq!(finding.place.to_string(), "acme/company.toml:3");
//! ```

mod address;
mod check;
mod files;
mod finding;
mod model;
mod read;
mod redact;
mod snippet;
mod suggest;

pub use address::AddressKind;
pub use check::check;
pub use files::{Entry, Files, ReadError, Stamp};
pub use finding::{AddedFinding, Code, Finding, Findings, Label, Place, Severity, Span};
pub use model::{
    Account, ChannelProfile, Company, DedicatedUnavailable, Expectation, Holder, Mapping, Ou, OuWithoutPool,
    Pool, Registry, RolePair, Test, Unread, Version,
};
pub use read::read;
pub use redact::quoted;
pub use snippet::{Snippet, Snippets};
pub use suggest::did_you_mean;
