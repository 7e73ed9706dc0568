//! A PostgreSQL of this process: in a folder of its own, reached through a socket in this folder, or with TLS at a port
//! of the loopback.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the server until standard input ends, which is when this process ends, for any reason. The role `with_password`
/// needs its password at the port.
const SCRIPT: &str = r#"
set -e
trap '' INT TERM HUP
"$0/initdb" --pgdata=data --username=postgres --auth=trust --encoding=UTF8 --no-locale --no-sync >initdb.log 2>&1
printf 'host all with_password 127.0.0.1/32 scram-sha-256\n' | cat - data/pg_hba.conf >hba
mv hba data/pg_hba.conf
"$0/pg_ctl" start --wait --silent --pgdata=data --log=server.log \
  --options="-p $1 -h 127.0.0.1 -k '$PWD' -c fsync=off -c ssl=on -c ssl_cert_file='$PWD/server.crt' \
    -c ssl_key_file='$PWD/server.key'" >pg_ctl.log 2>&1
echo ready
cat >/dev/null
"$0/pg_ctl" stop --silent --mode=immediate --pgdata=data >pg_ctl.log 2>&1
rm -r "$PWD"
"#;

pub(crate) struct Server {
    pub(crate) folder: PathBuf,
    port: u16,
    /// The shell that ends the server when its standard input is closed.
    _shell: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

impl Server {
    pub(crate) fn start() -> Server {
        let mut log = String::new();
        for _ in 0..5 {
            // Another process may take the port meanwhile.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match Server::start_at(port) {
                Ok(server) => return server,
                Err(fault) => log = fault,
            }
        }
        panic!("{log}");
    }

    fn start_at(port: u16) -> Result<Server, String> {
        let programs = programs();
        let folder = tempfile::tempdir().unwrap().keep();
        let names = vec!["localhost".to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = folder.join("server.key");
        fs::write(folder.join("server.crt"), cert.pem()).unwrap();
        fs::write(&key, signing_key.serialize_pem()).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).arg(&programs).arg(port.to_string()).current_dir(&folder);
        // initdb refuses to run as root.
        if let Some((user, group)) = other_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
            chown(&key, Some(user), Some(group)).unwrap();
            shell.uid(user).gid(group);
        }
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let logs =
            ["initdb.log", "pg_ctl.log", "server.log"].map(|name| fs::read_to_string(folder.join(name)));
        match &*line {
            "ready\n" => Ok(Server { folder, port, _shell: shell }),
            _ => {
                shell.wait().unwrap();
                fs::remove_dir_all(&folder).unwrap();
                Err(format!("{logs:?}"))
            }
        }
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&port={}&user=postgres", self.folder.display(), self.port)
    }
}

/// Returns the folder of the newest server's programs.
pub(crate) fn programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = debian.map(|entry| entry.path()).max_by_key(version).map(|folder| folder.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = newest.into_iter().chain(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("postgres").is_file()).expect("install postgresql")
}

/// Returns a user who is not root, and its group, if this process runs as root.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    if !Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n") {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let fields = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
        Some((fields.next()?, fields.next()?))
    };
    fields("postgres").or_else(|| fields("nobody"))
}

/// Makes an empty database on the server of this process, and returns its URL.
pub(crate) fn empty_database() -> String {
    let server = SERVER.get_or_init(Server::start);
    let name = format!("d{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    assert_eq!(try_sql(&server.url("postgres"), &format!("create database {name}")), Ok(String::new()));
    server.url(&name)
}

/// Returns the URL of a database at the port of the server, and the file with its certificate.
pub(crate) fn at_port(url: &str, user: &str) -> (String, PathBuf) {
    let server = SERVER.get_or_init(Server::start);
    let database = url.trim_start_matches("postgres:///").split('?').next().unwrap();
    let url = format!("postgres://{user}@localhost:{}/{database}", server.port);
    (url, server.folder.join("server.crt"))
}

/// Runs SQL as `psql` does. Returns the rows, with `|` between the columns.
///
/// # Errors
/// Returns the messages of the server.
pub(crate) fn try_sql(url: &str, sql: &str) -> Result<String, String> {
    let mut psql = Command::new(programs().join("psql"));
    psql.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]);
    let output = psql.output().unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap().trim_end().to_owned()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// Runs SQL that succeeds.
pub(crate) fn sql(url: &str, sql: &str) -> String {
    try_sql(url, sql).unwrap()
}
