//! Floor 1. What administrators write: companies, organizational units, pools, official accounts.
//!
//! Files become a [`Registry`] in two passes that both report everything they find, never only the
//! first fault: [`read()`] turns each file into values with their lines kept, and [`check()`] holds the
//! whole against the rules. Nothing here knows how a snapshot looks.
//!
//! Reading order: [`model`], [`channel`], [`source`], [`finding`] and its [`mark`], then `read/` and `check/`. The small
//! ones serve both: `layout` (which files there are), `tree` (the folder on disk), `id`, `address`, `version`, [`instant`]
//! (what such a value looks like), `shown` (how one is repeated in a finding) and `nearest` ("did you mean"). [`quote`] finds
//! what a finding points at.

mod address;
pub mod channel;
pub mod check;
pub mod finding;
mod id;
mod layout;
pub mod mark;
pub mod model;
mod nearest;
pub mod quote;
pub mod read;
mod shown;
pub mod source;
mod tree;
mod version;

pub use channel::{AddressKind, ChannelProfile, RolePair};
pub use check::check;
pub use finding::{Code, Finding, Findings, Place, Severity};
pub use mark::{Beside, Mark};
pub use model::{
    Account, Company, DedicatedUnavailable, Expectation, Holder, Mapping, Ou, OuWithoutPool, Pool, Registry,
    Test, Version,
};
pub use nearest::did_you_mean;
pub use quote::{Quote, Quotes};
pub use read::read;
pub use shown::shown;
pub use source::Files;
pub use switchboard_model::{Condition, Role};
pub use tree::{Stamp, Unreadable};
