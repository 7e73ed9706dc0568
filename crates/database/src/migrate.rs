//! The versions of the schema.

use sqlx::postgres::PgConnection;

use crate::connection::{Limit, rows, text};
use crate::{Database, DatabaseError};

/// The migrations, in their order. The number of each is its version.
const MIGRATIONS: [&str; 1] = [include_str!("../sql/0001_registry.sql")];
const ROLES: &str = include_str!("../sql/roles.sql");

/// The version of the schema that this program reads and writes.
pub const SCHEMA_VERSION: i32 = MIGRATIONS.len() as i32;

/// The result of [`Database::migrate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before. 0 if there was no schema.
    pub from: i32,
    /// The version now.
    pub to: i32,
}

impl Database {
    /// Makes the schema `switchboard`, or upgrades it to [`SCHEMA_VERSION`], in one transaction. With roles, also makes
    /// `switchboard_reader` and `switchboard_editor`. Both can be repeated, also by several processes at once.
    ///
    /// # Errors
    /// Fails if the database cannot be reached, refuses a statement, or has a newer schema.
    pub fn migrate(&self, with_roles: bool) -> Result<Migrated, DatabaseError> {
        self.run(Limit::None, async |connection| {
            // The number of the lock is the beginning of "switchboard" in ASCII.
            rows(connection, "begin; select pg_advisory_xact_lock(x'737769746368626f'::bigint)::text")
                .await?;
            let from = version(connection).await?.unwrap_or(0);
            if from > SCHEMA_VERSION {
                return Err(DatabaseError::NewerSchema { found: from, known: SCHEMA_VERSION });
            }
            let missing = MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or(0)).copied();
            for sql in missing.chain(with_roles.then_some(ROLES)) {
                rows(connection, sql).await?;
            }
            rows(connection, "commit").await?;
            Ok(Migrated { from, to: SCHEMA_VERSION })
        })
    }
}

/// Returns the version of the schema. Returns `None` if there is no schema.
async fn version(connection: &mut PgConnection) -> Result<Option<i32>, DatabaseError> {
    let found = rows(connection, "select to_regclass('switchboard.migration') is not null").await?;
    let exists = found.first().map(|row| sqlx::Row::try_get::<bool, _>(row, 0)).transpose()?;
    if exists != Some(true) {
        return Ok(None);
    }
    let found = rows(connection, "select coalesce(max(version), 0)::text from switchboard.migration").await?;
    let version = found.first().map(|row| text(row, 0)).transpose()?;
    match version.and_then(|version| version.parse().ok()) {
        None | Some(0) => Err(DatabaseError::NoVersion),
        version => Ok(version),
    }
}

/// Checks that the schema has the version that this program reads and writes.
pub(crate) async fn require_version(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    match version(connection).await? {
        None => Err(DatabaseError::NoSchema),
        Some(SCHEMA_VERSION) => Ok(()),
        Some(found) if found < SCHEMA_VERSION => {
            Err(DatabaseError::OlderSchema { found, needed: SCHEMA_VERSION })
        }
        Some(found) => Err(DatabaseError::NewerSchema { found, known: SCHEMA_VERSION }),
    }
}
