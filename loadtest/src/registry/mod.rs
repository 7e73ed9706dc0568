//! Large registries, drawn from a seed: the same arguments give the same bytes.
//!
//! A company's tree and pools are planned in memory; its accounts are written as they are drawn. A million
//! accounts in 100,000 OUs and 20,000 pools take 4 s on one core and 95 MB, mostly for libphonenumber's
//! patterns.

mod account_sheet;
mod accounts;
mod generate;
mod phone_numbers;
mod pools;
mod self_tests;
mod tree;

pub use self::generate::{Size, generate};
pub(crate) use self::{
    account_sheet::{AccountRow, AccountSheet, CHANNELS, channel_by_id},
    phone_numbers::ClientNumbers,
};
