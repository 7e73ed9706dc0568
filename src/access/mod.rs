//! Who may call: the principals of the file `--principals`, their tokens, and the decision about one request.
//! This layer knows no HTTP.
//!
//! `file` reads the file, `principals` decides about requests, and [`Access`] has the principals in force.
//! [`audit`] is the log of changes and of denied requests.

pub mod audit;
mod audit_chain;
pub mod file;
mod in_force;
mod principals;

pub use file::{FileFaults, PrincipalsFile, is_principal_name};
pub use in_force::{Access, AccessEvent, AccessReader, PrincipalsError, Token, first_of};
pub use principals::{
    ANONYMOUS, Caller, Companies, CompanyScope, Credential, Denial, Need, Permission, Principal, Principals,
    TokenHash,
};
