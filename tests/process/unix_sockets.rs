//! Unix sockets: the file of a socket, its mode and its end, and the hand-over of a path to another process.

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{refused, serve};
use crate::harness::{DaemonProcess, HttpClient, get, request, wait_until};

const QUERY: &str = "/v1/select?company=acme&channel=whatsapp&ou=zurich&country=FR";

/// A folder for the sockets of one test.
struct Sockets(TempDir);

impl Sockets {
    fn new() -> Sockets {
        Sockets(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Returns the address of a socket.
    fn unix(&self, name: &str) -> String {
        format!("unix:{}", self.path(name))
    }

    /// Returns the command of a daemon on the sockets `data` and `admin`.
    fn serve(&self, arguments: &[&str]) -> Command {
        let (data, admin) = (self.unix("data"), self.unix("admin"));
        serve(&[&["--listen", &data, "--admin-listen", &admin], arguments].concat())
    }

    /// Returns the names of the files in the folder, in order.
    fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().flatten();
        let mut names: Vec<String> = names.map(|file| file.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn inode(&self, name: &str) -> u64 {
        fs::symlink_metadata(self.path(name)).unwrap().ino()
    }
}

/// Stops a daemon, and waits for its end.
fn stop(mut daemon: DaemonProcess) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

/// Returns a command that runs another one with this umask.
fn with_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).stdin(Stdio::null());
    shell
}

#[test]
fn tcp_and_unix_sockets_of_both_listeners_answer() {
    let sockets = Sockets::new();
    let command = sockets.serve(&[
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &sockets.unix("second"),
        "--admin-listen",
        "127.0.0.1:0",
        "--access-log=1",
    ]);
    let daemon = DaemonProcess::launch(command);
    let (data, admin): (Vec<&str>, Vec<&str>) =
        (daemon.data.split(", ").collect(), daemon.admin.split(", ").collect());
    assert_eq!(
        (data[0], data[2], admin[0]),
        (&*sockets.unix("data"), &*sockets.unix("second"), &*sockets.unix("admin"))
    );
    let (_, expected) = get(data[1], QUERY);
    for address in &data {
        assert_eq!(get(address, QUERY), (200, expected.clone()), "{address}");
    }
    for address in &admin {
        assert_eq!(get(address, "/readyz").0, 200, "{address}");
    }
    // The fast path, hyper, a refusal of the server and the admin listener each log the peer.
    let mut client = HttpClient::try_connect_unix(&sockets.path("data")).unwrap();
    for requested in [&format!("GET {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n"), "BREW\r\n\r\n"] {
        client.send(requested);
        client.answer();
    }
    let logged = |peer: &str, listener: &str| loop {
        let line = daemon.log("request");
        if line["listener"] == listener && line["peer"].as_str().unwrap().starts_with(peer) {
            return line;
        }
    };
    logged("unix", "data");
    assert_eq!(logged("unix", "admin")["route"], "/readyz");
    stop(daemon);
}

#[test]
fn socket_has_mode_0660_whatever_the_umask_and_is_removed_at_the_end() {
    for umask in ["000", "022", "077"] {
        let sockets = Sockets::new();
        let daemon = DaemonProcess::launch(with_umask(umask, &sockets.serve(&[])));
        for name in ["data", "admin"] {
            let found = fs::symlink_metadata(sockets.path(name)).unwrap();
            assert!(found.file_type().is_socket());
            assert_eq!(found.permissions().mode() & 0o7777, 0o660, "{name} {umask}");
        }
        assert_eq!(sockets.files(), ["admin", "data"]);
        stop(daemon);
        assert_eq!(sockets.files(), [""; 0]);
    }
}

#[test]
fn socket_never_appears_with_another_mode_or_before_it_listens() {
    let sockets = Sockets::new();
    let path = sockets.path("data");
    let (is_running, seen) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while is_running.load(Ordering::SeqCst) {
                let Ok(found) = fs::symlink_metadata(&path) else { continue };
                assert_eq!(found.permissions().mode() & 0o7777, 0o660);
                // Not refused: the file may be gone, but it never leads to a socket that does not listen.
                if let Err(error) = std::os::unix::net::UnixStream::connect(&path) {
                    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
                }
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        for _ in 0..3 {
            let before = seen.load(Ordering::SeqCst);
            let daemon = DaemonProcess::launch(with_umask("000", &sockets.serve(&[])));
            wait_until("the socket is seen", || seen.load(Ordering::SeqCst) > before);
            stop(daemon);
        }
        is_running.store(false, Ordering::SeqCst);
    });
}

#[test]
fn stale_socket_is_replaced() {
    let sockets = Sockets::new();
    let mut killed = DaemonProcess::launch(sockets.serve(&[]));
    killed.kill();
    assert_eq!(sockets.files(), ["admin", "data"]);
    let daemon = DaemonProcess::launch(sockets.serve(&[]));
    assert_eq!(daemon.get(QUERY).0, 200);
    stop(daemon);
    assert_eq!(sockets.files(), [""; 0]);
    // A socket that a process bound without listening is stale as well once the process has ended.
    drop(std::os::unix::net::UnixDatagram::bind(sockets.path("data")).unwrap());
    stop(DaemonProcess::launch(sockets.serve(&[])));
}

#[test]
fn socket_in_use_is_refused_with_its_holder_and_the_remedy() {
    let sockets = Sockets::new();
    let daemon = DaemonProcess::launch(sockets.serve(&[]));
    let (data, admin) = (sockets.unix("data"), sockets.unix("admin"));
    let holder = format!("process {} (switchboard) already listens there", daemon.pid());
    for arguments in [
        ["--listen", &data, "--admin-listen", "127.0.0.1:0"],
        ["--admin-listen", &admin, "--listen", "127.0.0.1:0"],
        ["--admin-listen", &data, "--listen", "127.0.0.1:0"],
    ] {
        for more in [&[][..], &["--reuse-port"]] {
            let (code, text) = refused(serve(&[&arguments, more].concat()));
            let place = format!("cannot listen on {} ({})", arguments[1], arguments[0]);
            assert!(
                code == 3 && [&*place, &*holder, "--reuse-port"].iter().all(|part| text.contains(part)),
                "{code} {text}"
            );
        }
    }
    assert_eq!(sockets.files(), ["admin", "data"]);
    assert_eq!((daemon.get(QUERY).0, get(&admin, "/readyz").0), (200, 200));
}

#[test]
fn what_is_no_socket_is_refused_and_left() {
    let sockets = Sockets::new();
    let path = sockets.path("data");
    let refuses = |kind: &str| {
        let (code, text) = refused(sockets.serve(&[]));
        let expected =
            format!("cannot listen on unix:{path} (--listen): {kind} is at this path, and no socket");
        assert!(code == 3 && text.contains(&expected), "{code} {text}");
    };
    fs::write(&path, "kept").unwrap();
    refuses("a file");
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses("a folder");
    fs::remove_dir(&path).unwrap();
    symlink("target", &path).unwrap();
    refuses("a symbolic link");
    assert_eq!(sockets.files(), ["data"]);
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    refuses("a pipe");
    assert_eq!(sockets.files(), ["data"]);
}

#[test]
fn folder_that_is_missing_or_closed_is_reported_with_its_remedy() {
    let sockets = Sockets::new();
    let address = format!("{}/data", sockets.unix("missing"));
    let (code, text) = refused(serve(&["--listen", &address, "--admin-listen", "127.0.0.1:0"]));
    assert!(code == 3 && text.contains("create the folder of the socket"), "{code} {text}");
    // Root may write everywhere.
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(sockets.0.path(), Permissions::from_mode(0o500)).unwrap();
        let (code, text) = refused(sockets.serve(&[]));
        assert!(code == 3 && text.contains("must be able to write the folder"), "{code} {text}");
    }
}

#[test]
fn longest_path_is_served() {
    let sockets = Sockets::new();
    let folder = sockets.path("f");
    // The temporary name does not fit beside a name of one letter.
    let folder = format!("{folder}{}", "f".repeat(105 - folder.len()));
    fs::create_dir(&folder).unwrap();
    let path = format!("{folder}/s");
    assert_eq!(path.len(), 107);
    for _ in 0..2 {
        let command =
            serve(&["--listen", &format!("unix:{path}"), "--admin-listen", "127.0.0.1:0", "--reuse-port"]);
        let daemon = DaemonProcess::launch(command);
        assert_eq!(daemon.get(QUERY).0, 200);
        stop(daemon);
        assert!(!Path::new(&path).exists());
    }
}

#[test]
fn file_of_another_program_is_not_removed() {
    let sockets = Sockets::new();
    let daemon = DaemonProcess::launch(sockets.serve(&[]));
    let path = sockets.path("data");
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    stop(daemon);
    assert_eq!(sockets.files(), ["data"]);
}

#[test]
fn overlapping_paths_are_refused() {
    let sockets = Sockets::new();
    fs::create_dir(sockets.path("real")).unwrap();
    symlink("real", sockets.path("link")).unwrap();
    symlink("link/s", sockets.path("alias")).unwrap();
    for (data, admin) in
        [("real/s", "real/s"), ("real/s", "link/s"), ("real/s", "./real/../real/s"), ("alias", "real/s")]
    {
        let (data, admin) = (sockets.unix(data), sockets.unix(admin));
        for arguments in
            [["--listen", &*data, "--admin-listen", &*admin], ["--listen", &data, "--listen", &admin]]
        {
            let (code, text) = refused(serve(&arguments));
            assert!(code == 2 && text.contains("overlap"), "{code} {text}");
        }
    }
    let mut command = serve(&["--listen", "unix:s", "--admin-listen", &sockets.unix("link/s")]);
    command.current_dir(sockets.path("real"));
    assert_eq!(refused(command).0, 2);
}

#[test]
fn path_is_handed_over_only_if_both_processes_share_it() {
    for [first, second] in [[false, false], [true, false], [false, true], [true, true]] {
        let sockets = Sockets::new();
        let command = |shares: bool| sockets.serve(if shares { &["--reuse-port"] } else { &[] });
        let old = DaemonProcess::launch(command(first));
        let inodes = [sockets.inode("data"), sockets.inode("admin")];
        if first && second {
            let new = DaemonProcess::launch(command(second));
            assert_eq!(sockets.files(), ["admin", "data"]);
            let taken = [sockets.inode("data"), sockets.inode("admin")];
            assert!(taken[0] != inodes[0] && taken[1] != inodes[1]);
            stop(old);
            assert_eq!(
                [sockets.inode("data"), sockets.inode("admin")],
                taken,
                "the old process left the files"
            );
            assert_eq!((new.get(QUERY).0, get(&new.admin, "/readyz").0), (200, 200));
            stop(new);
            assert_eq!(sockets.files(), [""; 0]);
        } else {
            let (code, text) = refused(command(second));
            assert!(code == 3 && text.contains("already listens there"), "{code} {text}");
            assert_eq!([sockets.inode("data"), sockets.inode("admin")], inodes);
            stop(old);
        }
    }
}

#[test]
fn hand_over_of_a_path_loses_no_request() {
    let sockets = Sockets::new();
    let mut old = DaemonProcess::launch(sockets.serve(&["--reuse-port"]));
    let (is_running, answered) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    // Odd while the old process stops.
    let stops = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = [("data", QUERY), ("data", QUERY), ("admin", "/readyz")]
        .map(|(listener, target)| {
            let (path, is_running) = (sockets.unix(listener), Arc::clone(&is_running));
            let (answered, stops) = (Arc::clone(&answered), Arc::clone(&stops));
            thread::spawn(move || {
                while is_running.load(Ordering::SeqCst) {
                    let before = stops.load(Ordering::SeqCst);
                    let answer = request(&path, "GET", target, "").unwrap();
                    // A probe that had connected to the old process learns that it drains.
                    let is_stopping = before % 2 == 1 || before != stops.load(Ordering::SeqCst);
                    let is_expected =
                        answer.0 == 200 || (listener == "admin" && is_stopping && answer.0 == 503);
                    assert!(is_expected, "{target}: {answer:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .into();
    for round in 1..=5 {
        let new = DaemonProcess::launch(sockets.serve(&["--reuse-port"]));
        stops.fetch_add(1, Ordering::SeqCst);
        stop(std::mem::replace(&mut old, new));
        stops.fetch_add(1, Ordering::SeqCst);
        wait_until("answers after the hand-over", || answered.load(Ordering::SeqCst) > round * 50);
    }
    is_running.store(false, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn process_that_does_not_start_leaves_the_paths_to_the_other() {
    let sockets = Sockets::new();
    let running = DaemonProcess::launch(sockets.serve(&["--reuse-port"]));
    let inodes = [sockets.inode("data"), sockets.inode("admin")];
    let broken = ["--reuse-port", "--require-snapshot", "--registry", "/no/such/registry"];
    assert_eq!(refused(sockets.serve(&broken)).0, 3);
    // One path can be taken over, and the other cannot.
    fs::write(sockets.path("file"), "").unwrap();
    let arguments = ["--reuse-port", "--listen", &sockets.unix("file")];
    assert_eq!(refused(sockets.serve(&arguments)).0, 3);
    assert_eq!([sockets.inode("data"), sockets.inode("admin")], inodes);
    assert_eq!(sockets.files(), ["admin", "data", "file"]);
    assert_eq!((running.get(QUERY).0, get(&running.admin, "/readyz").0), (200, 200));
}

#[test]
fn passed_socket_may_be_a_unix_socket() {
    let sockets = Sockets::new();
    let data = UnixListener::bind(sockets.path("data")).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@""#, env!("CARGO_BIN_EXE_switchboard"), "serve"])
        .args(["--admin-listen", "127.0.0.1:0"])
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "data:data");
    let passed = [OwnedFd::from(data.try_clone().unwrap()), OwnedFd::from(tcp.try_clone().unwrap())];
    let mapping = |(at, parent_fd)| FdMapping { parent_fd, child_fd: 3 + at as i32 };
    command.fd_mappings(passed.into_iter().enumerate().map(mapping).collect()).unwrap();
    let daemon = DaemonProcess::launch(command);
    let tcp = tcp.local_addr().unwrap().to_string();
    assert_eq!(daemon.data, format!("{}, {tcp}", sockets.unix("data")));
    assert_eq!((get(&sockets.unix("data"), QUERY).0, get(&tcp, QUERY).0), (200, 200));
    stop(daemon);
    assert_eq!(sockets.files(), ["data"], "the file belongs to the process that passed the socket");
}

#[test]
fn passed_datagram_socket_fails_the_start() {
    let sockets = Sockets::new();
    let datagram = std::os::unix::net::UnixDatagram::bind(sockets.path("data")).unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"LISTEN_PID=$$ exec "$0" serve"#, env!("CARGO_BIN_EXE_switchboard")])
        .env("LISTEN_FDS", "1");
    let mapping = FdMapping { parent_fd: OwnedFd::from(datagram), child_fd: 3 };
    command.fd_mappings(vec![mapping]).unwrap();
    let (code, text) = refused(command);
    assert!(
        code == 3 && text.contains("fd 3 is not a valid tcp socket, and no Unix stream socket"),
        "{text}"
    );
}

#[test]
fn limit_of_one_peer_does_not_apply_and_the_limit_of_all_does() {
    let sockets = Sockets::new();
    let daemon =
        DaemonProcess::launch(sockets.serve(&["--max-connections=2", "--max-connections-per-peer=1"]));
    let connect = || HttpClient::try_connect_unix(&sockets.path("data")).unwrap();
    let mut clients = [connect(), connect()];
    for client in &mut clients {
        assert_eq!(client.get(QUERY).status, 200);
    }
    let mut third = connect();
    assert_eq!(third.answer().status, 503);
    assert!(third.is_closed());
    drop(clients);
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"rejected\"}"), 1.0);
}

#[test]
fn commands_ask_a_daemon_over_a_unix_socket() {
    let sockets = Sockets::new();
    let _daemon = DaemonProcess::launch(sockets.serve(&[]));
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (data, admin) = (sockets.unix("data"), sockets.unix("admin"));
    let query = ["company=acme", "channel=whatsapp", "ou=zurich", "country=FR"];
    let (code, text) = run(&[&["select", "--url", &data, "--format=json"], &query[..]].concat());
    let answer: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, &answer["ou"]), (0, &"dach".into()));
    assert_eq!(run(&["status", "--url", &admin]).0, 0);
    assert_eq!(run(&["standing", "list", "--url", &admin]).0, 0);
    let missing = sockets.unix("missing");
    let (code, text) = run(&["status", "--url", &missing]);
    assert!(code == 3 && text.contains(&format!("cannot connect to {missing}")), "{text}");
}
