//! Checks a registry against the rules that need more than one line. Every finding is at the line that causes
//! it.
//!
//! Not reported are what another finding on the same line already says, and the consequences of a file that
//! could not be read.

mod accounts;
mod company;
mod company_index;
mod geography;
mod ids;
mod pools;
mod tree;

pub use company::check;
