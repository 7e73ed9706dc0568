//! A registry in PostgreSQL.
//!
//! The tables have the names and the columns of the registry's files. `sql/0001_registry.sql` makes them. A database is
//! read as the text of these files, so that one parser and one set of checks serves both.
//!
//! * [`Database`] is the address of a database, from a URL. Its methods connect, and return when they are done.
//! * [`Database::migrate`] makes or upgrades the schema.
//! * [`Database::import`] replaces companies in one transaction.
//! * [`FollowedDatabase`] reads the registry whenever it has changed.
//! * [`Database::read`] reads the registry in one transaction, as files, with the [`Rows`] of their lines.
//!
//! # Example: a URL is described without its password
//!
//! ```
//! use switchboard_database::Database;
//!
//! let database = Database::from_url("postgres://reader:secret@db.example:5433/registry").unwrap();
//! assert_eq!(database.to_string(), "postgres://db.example:5433/registry");
//! ```

mod connection;
mod contents;
mod error;
mod follow;
mod import;
mod migrate;
mod read;
mod toml_text;

pub use connection::{Database, InvalidUrl, is_database_url};
pub use contents::{Contents, Rows};
pub use error::DatabaseError;
pub use follow::FollowedDatabase;
pub use import::{Change, Import, ImportScope};
pub use migrate::{Migrated, SCHEMA_VERSION};
