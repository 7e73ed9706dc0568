//! The errors of a database, for people. None repeats the URL, which may contain a password.

use std::io::ErrorKind;

use sqlx::postgres::PgDatabaseError;
use switchboard_registry::quoted;

/// The reason why a database cannot be read or written. The texts do not name the database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection was made, or the connection broke.
    #[error("{0}")]
    Connection(String),
    /// The database did not answer in time.
    #[error(
        "no answer within {seconds} s; check that the server runs, and that no transaction locks the tables"
    )]
    Timeout {
        /// The limit in seconds.
        seconds: u64,
    },
    /// The database has no schema `switchboard`.
    #[error("the database has no schema `switchboard`: run `switchboard db migrate` first")]
    NoSchema,
    /// The schema is there without its version.
    #[error(
        "the table `migration` is empty, so that the version of the schema is not known: restore its rows"
    )]
    NoVersion,
    /// The schema is of an earlier version.
    #[error("the schema has version {found}, but this program needs {needed}: run `switchboard db migrate`")]
    OlderSchema {
        /// The version of the schema.
        found: i32,
        /// The version that this program reads.
        needed: i32,
    },
    /// The schema is of a later version.
    #[error(
        "the schema has version {found}, which is newer than {known}, the newest that this program knows: upgrade it"
    )]
    NewerSchema {
        /// The version of the schema.
        found: i32,
        /// The version that this program reads.
        known: i32,
    },
    /// The database refused a statement. The text is the server's, with its detail and its hint.
    #[error("{0}")]
    Refused(String),
    /// A table has more data of one company than the limit on files allows.
    #[error("table `{table}` has more than {max_bytes} bytes of company {}; --max-file-size sets the limit", quoted(.company))]
    CompanyTooLarge {
        /// The name of the table.
        table: &'static str,
        /// The id of the company.
        company: String,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// A table has more data than a registry can have within the limit on files.
    #[error("table `{table}` has more than {max_bytes} bytes; the limit is 8 times --max-file-size")]
    TableTooLarge {
        /// The name of the table.
        table: &'static str,
        /// The limit in bytes.
        max_bytes: u64,
    },
    /// A company has an id that the schema does not allow.
    #[error("company {} has an id that no folder of a registry has; the schema lacks its constraint on company.id", quoted(.0))]
    CompanyId(String),
    /// An import of single companies found other channel profiles in the database.
    #[error(
        "the database has another profile for channel {}: change table `channel`, or import the whole folder, which \
         replaces the profiles",
        .0.join(", ")
    )]
    OtherChannels(Vec<String>),
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> DatabaseError {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
                Some(error) => DatabaseError::Refused(describe(error)),
                None => DatabaseError::Refused(error.message().to_owned()),
            },
            sqlx::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                DatabaseError::Connection("the server closed the connection".to_owned())
            }
            // sqlx does not say which file.
            sqlx::Error::Io(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
            {
                let text = "check the folder of the socket, and the files of sslrootcert, sslcert and sslkey";
                DatabaseError::Connection(format!("{error}: {text}"))
            }
            sqlx::Error::Io(error) => DatabaseError::Connection(error.to_string()),
            error => DatabaseError::Connection(error.to_string()),
        }
    }
}

/// Returns the message of the server, with its detail and its hint. Leaves out the detail of an expected selection,
/// which may be the phone number of a client.
fn describe(error: &PgDatabaseError) -> String {
    let mut text = error.message().to_owned();
    let detail = error.detail().filter(|_| error.table() != Some("test"));
    for more in [detail, error.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}
