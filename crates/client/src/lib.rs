//! How a client reaches a listener of a daemon: [`Address`] reads the URL of `--url`, [`trust`] the file of
//! `--ca`, [`Token`] the file of `--token-file`, and [`Endpoint`] connects. [`PartialAnswer`] reads answers. The commands of the daemon and the
//! load test share this crate, so that their options mean the same.
//!
//! ```
//! use switchboard_client::{Address, Endpoint};
//!
//! let address = Address::from_url("unix:/run/switchboard/data.sock")?;
//! let endpoint = Endpoint::new(&address, None, None)?;
//! assert_eq!(endpoint.url(), "unix:/run/switchboard/data.sock");
//! # Ok::<(), switchboard_client::ClientError>(())
//! ```

mod address;
mod answer;
mod connection;
mod token;
mod trust;

pub use self::address::{Address, Place};
pub use self::answer::{Head, Media, PartialAnswer};
pub use self::connection::{Connection, Endpoint};
pub use self::token::Token;
pub use self::trust::trust;

/// The reason why a client cannot be made of its options. The texts repeat no URL and no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An option, or the content of its file, is wrong.
    #[error("{0}")]
    Usage(String),
    /// A file or a name cannot be read.
    #[error("{0}")]
    Io(String),
}
