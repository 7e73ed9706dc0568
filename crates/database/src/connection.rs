//! The address of a database, and the connection to it.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::DatabaseError;

/// A variable of psql. The manual page of the commands that read a database names all of them.
const MODE_VARIABLE: &str = "PGSSLMODE";
/// The port of a server that names none.
const DEFAULT_PORT: u16 = 5432;
/// The time within which a connection must be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time within which a transaction that reads must end.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// The parameters of a URL that have an effect, as psql has them.
const PARAMETERS: [&str; 12] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The address of a database that has a registry, or shall have one.
///
/// `Display` writes the address without user, password and parameters.
#[derive(Clone)]
pub struct Database {
    pub(crate) url: String,
    pub(crate) options: PgConnectOptions,
}

/// The reason why a text is not the URL of a database. Does not repeat the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

/// Returns whether a text is meant as the URL of a database: `postgres://…` or `postgresql://…`.
pub fn is_database_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| matches!(scheme, "postgres" | "postgresql"))
}

impl Database {
    /// Parses a URL such as `postgres://user@host:5432/name?sslmode=verify-full`. What the URL leaves out comes from
    /// the variables of psql, such as `PGUSER` and `PGSSLROOTCERT`, and the password from `PGPASSWORD` or `PGPASSFILE`.
    ///
    /// # Errors
    /// Fails for another scheme, a malformed URL, and a parameter without effect.
    pub fn from_url(url: &str) -> Result<Database, InvalidUrl> {
        if !is_database_url(url) {
            return Err(InvalidUrl("expected postgres://USER@HOST:PORT/DATABASE".to_owned()));
        }
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let path =
            rest.split(['?', '#']).next().and_then(|rest| rest.split_once('/')).map_or("", |(_, path)| path);
        if path.contains(['@', '/']) {
            // A slash of a password would make a part of the password the name of the database.
            return Err(InvalidUrl(
                "the URL of the database is malformed: expected postgres://USER@HOST:PORT/DATABASE, with special \
                 characters of a password encoded, such as %2F for a slash"
                    .to_owned(),
            ));
        }
        // sqlx takes another text for `prefer`, which verifies nothing.
        if let Ok(mode) = std::env::var(MODE_VARIABLE)
            && !mode.is_empty()
            && PgSslMode::from_str(&mode).is_err()
        {
            return Err(InvalidUrl(
                "PGSSLMODE has an unknown value: expected disable, prefer, require, verify-ca or verify-full"
                    .to_owned(),
            ));
        }
        require_private_password_file()?;
        // sqlx logs and ignores them, although a limit or a certificate may be meant.
        let query = url.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        let names = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
        for name in names.filter(|name| !name.is_empty()) {
            let is_known = PARAMETERS.contains(&name) || name.starts_with("options[");
            // A name with other characters may be a part of a password that was not encoded.
            let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            if !is_known && is_word && name.len() <= 32 && !query.contains('@') {
                let known = PARAMETERS.join(", ");
                return Err(InvalidUrl(format!(
                    "the parameter `{name}` of the URL is not known; known are {known}"
                )));
            } else if !is_known {
                return Err(InvalidUrl("a parameter of the URL is not known".to_owned()));
            }
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| {
            // sqlx writes these words once or twice.
            let reason = error.to_string().replace("error with configuration: ", "");
            let remedy = match reason.contains("empty host") {
                true => "for a user without a host, write postgres:///DATABASE?user=USER",
                false => {
                    "expected postgres://USER@HOST:PORT/DATABASE, with special characters of a password encoded, such \
                     as %40 for an at sign"
                }
            };
            InvalidUrl(format!("the URL of the database is malformed: {reason}; {remedy}"))
        })?;
        if matches!(options.get_ssl_mode(), PgSslMode::Allow) {
            // sqlx takes it for `disable`, also where the server requires TLS.
            return Err(InvalidUrl(
                "sslmode=allow is not supported: write sslmode=prefer, which uses TLS where the server has it"
                    .to_owned(),
            ));
        }
        // psql verifies the authority if there is one.
        let has_root = query.split('&').any(|pair| pair.starts_with("sslrootcert="))
            || std::env::var_os("PGSSLROOTCERT").is_some_and(|path| !path.is_empty());
        let is_required = matches!(options.get_ssl_mode(), PgSslMode::Require);
        let options = if is_required && has_root { options.ssl_mode(PgSslMode::VerifyCa) } else { options };
        if options.get_host().contains(',') {
            // psql tries one host after the other.
            return Err(InvalidUrl(
                "the URL of the database has a list of hosts: name one, such as the address of the primary"
                    .to_owned(),
            ));
        }
        let has_name = options.get_application_name().is_some();
        let options = if has_name { options } else { options.application_name("switchboard") };
        // The statements of an import have the data of a registry. PgBouncer refuses extra_float_digits.
        let options = options.disable_statement_logging().extra_float_digits(None);
        // sqlx would look up the brackets of an IPv6 address as a part of a name.
        let address =
            options.get_host().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::to_owned);
        let options = match address {
            Some(address) => options.host(&address),
            None => options,
        };
        Ok(Database { url: url.to_owned(), options })
    }

    /// Returns whether the URL has a password. Other users of the machine can see one on a command line.
    pub fn has_password_in_url(&self) -> bool {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let user = before.split('/').next().and_then(|authority| authority.rsplit_once('@'));
        user.is_some_and(|(user, _)| user.contains(':'))
            || query.split('&').any(|pair| pair.starts_with("password="))
    }

    /// Connects, and runs the work with the connection to its end. The transaction of work that fails is rolled back,
    /// because the connection is closed.
    pub(crate) fn run<T>(
        &self,
        limit: Limit,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let failed = |error: std::io::Error| {
            DatabaseError::Connection(format!("cannot start the client of the database: {error}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        runtime.block_on(async {
            let mut connection = within(CONNECT_TIMEOUT, PgConnection::connect_with(&self.options)).await?;
            let done = match limit {
                Limit::Read => within(READ_TIMEOUT, work(&mut connection)).await,
                Limit::None => work(&mut connection).await,
            }?;
            // The work is done, so that a fault while the connection closes is none.
            let _ = timeout(CONNECT_TIMEOUT, connection.close()).await;
            Ok(done)
        })
    }
}

/// The limit on the time of a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// Five minutes, for a transaction that reads.
    Read,
    /// None: an import takes as long as it takes, and a person watches it.
    None,
}

impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let (host, port) = (options.get_host(), options.get_port());
        let name = percent_encoded(options.get_database().unwrap_or_else(|| options.get_username()));
        let folder = match options.get_socket() {
            Some(folder) => Some(folder.to_string_lossy()),
            None => Some(host).filter(|host| host.starts_with('/')).map(Into::into),
        };
        match folder {
            Some(folder) if port == DEFAULT_PORT => {
                write!(out, "postgres:///{name}?host={}", percent_encoded(&folder))
            }
            Some(folder) => write!(out, "postgres:///{name}?host={}&port={port}", percent_encoded(&folder)),
            None if host.contains(':') => write!(out, "postgres://[{host}]:{port}/{name}"),
            None => write!(out, "postgres://{host}:{port}/{name}"),
        }
    }
}

/// Refuses a file of `PGPASSFILE` that group or others may read. sqlx, as psql, ignores such a file, so that the password
/// seems to be wrong.
fn require_private_password_file() -> Result<(), InvalidUrl> {
    let Some(path) = std::env::var_os("PGPASSFILE").filter(|_| std::env::var_os("PGPASSWORD").is_none())
    else {
        return Ok(());
    };
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => Err(InvalidUrl(format!(
            "PGPASSFILE: group or others may read {}: set its mode to 600, because it is ignored otherwise",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// Encodes what would end a part of a URL, or is not printable ASCII.
fn percent_encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let encode =
        |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encode).collect()
}

/// Without the URL, which may contain a password.
impl fmt::Debug for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Database({self})")
    }
}

impl PartialEq for Database {
    fn eq(&self, other: &Database) -> bool {
        self.url == other.url
    }
}

impl Eq for Database {}

/// Awaits work for at most `limit`.
pub(crate) async fn within<T, E: Into<DatabaseError>>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, DatabaseError> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(DatabaseError::Timeout { seconds: limit.as_secs() }),
    }
}

/// Runs statements. Returns the rows of all of them.
///
/// All statements are sent as text, without parameters and without names, because poolers do not keep named statements.
/// The text must contain no data.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    sql: impl Into<String>,
) -> Result<Vec<PgRow>, DatabaseError> {
    Ok(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.into()))).await?)
}

/// Runs a statement, and reads each row when it arrives, so that no more is in memory than what `read` keeps. The rest
/// of the rows still arrives after an error, for which the connection is closed.
pub(crate) async fn for_each_row(
    connection: &mut PgConnection,
    sql: &'static str,
    mut read: impl FnMut(&PgRow) -> Result<(), DatabaseError>,
) -> Result<(), DatabaseError> {
    let mut found = connection.fetch(sqlx::raw_sql(sql));
    while let Some(row) = found.try_next().await? {
        read(&row)?;
    }
    Ok(())
}

/// Returns a column of a row as text. The statement must make it text.
pub(crate) fn text(row: &PgRow, column: usize) -> Result<&str, DatabaseError> {
    Ok(row.try_get(column)?)
}

/// Returns a column of a row as text, or `None` for null.
pub(crate) fn optional_text(row: &PgRow, column: usize) -> Result<Option<&str>, DatabaseError> {
    Ok(row.try_get(column)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_url_are_named_without_the_url() {
        for (url, fault) in [
            ("mysql://u:secret@db/r", "expected postgres://USER@HOST:PORT/DATABASE"),
            ("postgres://u:secret@db:port/r", "malformed: invalid port number"),
            ("postgres://u:secret@db/r?sslmode=full", "malformed: unknown value \"full\" for `ssl_mode`"),
            (
                "postgres://u:secret@db/r?passfile=secret",
                "`passfile` of the URL is not known; known are appl",
            ),
            ("postgres://u:a?secret%3d@db/r", "a parameter of the URL is not known"),
            ("postgres://u:a?secret=b@db/r", "a parameter of the URL is not known"),
            ("postgres://u:12/secret@db/r", "such as %2F for a slash"),
            ("postgres://u:/secret@db/r", "such as %2F for a slash"),
            ("postgres://u:secret@db/r?sslmode=allow", "write sslmode=prefer"),
            ("postgres://u:secret@a,b:5433/r", "a list of hosts: name one"),
            ("postgres://u:secret@/r", "postgres:///DATABASE?user=USER"),
            ("postgres://u:secret@a/r?host=b,c", "a list of hosts: name one"),
        ] {
            let error = Database::from_url(url).unwrap_err().to_string();
            assert!(error.contains(fault) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn databases_are_described_without_user_password_and_parameters() {
        for (url, described) in [
            ("postgres://u:secret@db.example/r?sslmode=require", "postgres://db.example:5432/r"),
            ("postgresql://u:secret@db.example:6432", "postgres://db.example:6432/u"),
            ("postgres:///r?host=/run/postgresql&password=secret", "postgres:///r?host=/run/postgresql"),
            (
                "postgres:///a%20b%3F?host=/run/a%26b&port=5433",
                "postgres:///a%20b%3F?host=/run/a%26b&port=5433",
            ),
            ("postgres://u@%2Frun%2Fpostgresql:5433/r", "postgres:///r?host=/run/postgresql&port=5433"),
            ("postgres://u:secret@[::1]/r", "postgres://[::1]:5432/r"),
            ("postgres://u:secret@db/r?hostaddr=::1", "postgres://[::1]:5432/r"),
        ] {
            let database = Database::from_url(url).unwrap();
            assert_eq!(database.has_password_in_url(), url.contains("secret"), "{url}");
            assert_eq!(database.to_string(), described);
            assert_eq!(format!("{database:?}"), format!("Database({described})"));
            // What is shown names the same database.
            assert_eq!(Database::from_url(described).unwrap().to_string(), described);
        }
        for url in ["postgres://u@[::1]:5432/r", "postgres:///r?host=/a:b@c", "postgres://db:5432/r"] {
            assert!(!Database::from_url(url).unwrap().has_password_in_url(), "{url}");
        }
    }
}
