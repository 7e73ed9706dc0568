//! Floor 4. What changes while the daemon runs: the snapshot in service, and its accounts' standings.
//!
//! [`publish`](mod@publish) makes a snapshot of files and is the one function that check, compile, serve
//! and reload call; [`trial`] asks the expected selections; [`source`] says where snapshots come from;
//! [`watch`](mod@watch) notices that they may have changed; [`reload`] is the thread that fetches, proves
//! and publishes; [`standings`] are set, kept and lifted; [`store`] is where both meet, and the one cell
//! that answers are read through.

pub mod publish;
pub mod reload;
pub mod source;
pub mod standings;
pub mod store;
pub mod trial;
pub mod watch;

pub use publish::{Compiled, Refused, publish};
pub use reload::{Event, LastReload, Reloader};
pub use source::Source;
pub use standings::Standings;
pub use store::{Generation, Reader, Store};
pub use watch::Wake;
