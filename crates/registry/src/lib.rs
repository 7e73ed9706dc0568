//! The registry crate reads and checks the files in which administrators describe companies, organizational
//! units (OUs), pools and official accounts.
//!
//! The main entry points are:
//!
//! * [`Files`] holds the files of a registry. [`Files::read_dir`] reads a folder, and a registry can also be
//!   built in memory.
//! * [`read()`] turns the files into a [`Registry`]: values that know the line where they are written.
//! * [`check()`] compares the values with each other, such as the pool of an account with the pools of the
//!   company.
//! * [`Findings`] are the result of both. A [`Finding`] has a place, a [`Code`], a message and a remedy.
//! * [`Snippets`] finds the lines that a finding points at, for display.
//!
//! Neither function stops at the first fault: one run reports every fault of a registry. The crate does not
//! know the format of a snapshot.
//!
//! # Example: a mistyped parent
//!
//! ```
//! use switchboard_registry::{Code, Files, check, read};
//!
//! let company = "[[ou]]\nid = \"acme\"\n\n[[ou]]\nid = \"emea\"\nparent = \"acne\"\n";
//! let files = Files::from_iter([("acme/company.toml", company)]);
//! let (registry, mut findings) = read(&files);
//! check(&registry, &mut findings);
//!
//! assert_eq!(registry.companies[0].ous.len(), 2);
//! let finding = findings.iter().next().unwrap();
//! assert_eq!(finding.code, Code::UnknownParent);
//! assert_eq!(finding.place.to_string(), "acme/company.toml:6");
//! assert_eq!(finding.help, "did you mean `acme`?");
//! ```
//!
//! # Where to begin reading
//!
//! Begin with `model.rs`, which has the values of a registry, and `finding.rs`. Then read `files.rs`, the
//! folder `read` (one file of code for each kind of file, over the readers of TOML and CSV) and the folder
//! `check`. The smaller files help with messages: `redact.rs` quotes a value and hides data of clients,
//! and `suggest.rs` guesses what a mistyped name was meant to be.

mod check;
mod files;
mod finding;
mod model;
mod read;
mod redact;
mod snippet;
mod suggest;

pub use check::check;
pub use files::{Entry, Files, ReadError, ReadLimits, Stamp, is_passed_over};
pub use finding::{AddedFinding, Code, Finding, Findings, Label, Place, Severity, Span};
pub use model::{
    Account, ChannelProfile, Company, DedicatedUnavailable, Expectation, Holder, Mapping, Ou, OuWithoutPool,
    Pool, Registry, RolePair, Test, Unread, UnreadPart, Version,
};
pub use read::read;
pub use redact::{quoted, quoted_test, redacted};
pub use snippet::{Snippet, Snippets};
pub use suggest::did_you_mean;
pub use switchboard_model::AddressKind;
