//! Floor 4. What changes while the daemon runs: the snapshot in service, and its accounts' standings.
//!
//! [`publish`](mod@publish) makes a snapshot of files and is the one function that check, compile, serve
//! and reload call; [`trial`] asks the expected selections, [`unreached`] says what
//! they leave out; [`source`] says where snapshots come from;
//! `trail` where on the way there something can change, and `watch` that it may have, which is what
//! [`wake`] wakes for; `looking` is the thread that looks and fetches, `settle` says when; [`reload`] proves
//! and publishes; `copying` what of that is one refusal; [`event`] what it tells; [`standings`] are set, kept
//! and lifted; [`store`] is where both meet, and the one cell
//! that answers are read through.

mod copying;
pub mod event;
mod looking;
pub mod reload;
mod settle;
pub mod source;
pub mod standings;
pub mod store;
mod trail;
pub mod wake;
mod watch;

pub use event::{Event, LastReload, Noticed};
pub use reload::Reloader;
pub use source::Source;
pub use standings::Standings;
pub use store::{Generation, Reader, Store};
pub use wake::{Bell, Waker, bell};
