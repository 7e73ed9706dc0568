//! Floor 2. The registry compiled to one immutable, flat run of bytes, and the way back in.
//!
//! [`compile()`] turns a checked registry into bytes; [`Snapshot::open`] proves bytes sound and reads
//! them in place. Only `compile/` knows the registry; only `view` has `unsafe`.
//!
//! Reading order: [`mod@format`] (what is stored), [`header`] (before it), [`index`] (how an id is found), [`rendezvous`] (how a
//! pick is drawn), `compile/` (how it is made), [`open`](Snapshot::open) and `verify/` (what is proved), [`view`] (how it is read),
//! `bytes` (where it lies), [`mod@file`] (how it reaches the disk).

mod bytes;
pub mod compile;
pub mod file;
pub mod format;
pub mod header;
pub mod index;
pub mod open;
pub mod rejection;
pub mod rendezvous;
mod verify;
pub mod view;

pub use bytes::Bytes;
pub use compile::{Draft, compile};
pub use header::Header;
pub use rejection::{Rejection, Stage};
pub use view::Snapshot;
