//! Listening sockets that another process opened and passed to the daemon: systemd, or this test.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::Signal;

use super::load::Load;
use super::{LONG_RESTARTS, RESTARTS, free_address};
use crate::harness::{DaemonProcess, get, wait_until};

/// Returns a command that starts the daemon as systemd does: with descriptors from 3 on, and the daemon's own
/// pid in the environment, which a shell sets before it becomes the daemon.
fn activated(sockets: &[(&str, &TcpListener)]) -> Command {
    let mut command = Command::new("sh");
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    command
        .args(["-c", r#"LISTEN_PID=$$ exec "$0" "$@""#, env!("CARGO_BIN_EXE_switchboard"), "serve"])
        // An address of another machine: the daemon must not bind it.
        .args(["--listen", "192.0.2.1:1", "--admin-listen", "127.0.0.1:0"])
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    let mapping = |(at, (_, socket)): (usize, &(&str, &TcpListener))| FdMapping {
        parent_fd: OwnedFd::from(socket.try_clone().unwrap()),
        child_fd: 3 + at as i32,
    };
    command.fd_mappings(sockets.iter().enumerate().map(mapping).collect()).unwrap();
    command
}

#[test]
fn restart_with_a_passed_socket_loses_no_request() {
    hand_over_a_passed_socket(RESTARTS);
}

#[test]
#[ignore = "long: 200 restarts"]
fn restart_with_a_passed_socket_loses_no_request_long() {
    hand_over_a_passed_socket(LONG_RESTARTS);
}

fn hand_over_a_passed_socket(restarts: usize) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let mut old = DaemonProcess::launch(activated(&[("data", &socket)]));
    assert_eq!(old.data, address);
    let load = Load::on(&address);
    for round in 0..restarts {
        // The next process starts before this one ends, or after it, as `systemctl restart` does.
        let next = (round % 2 == 0).then(|| DaemonProcess::launch(activated(&[("data", &socket)])));
        old.signal(Signal::TERM);
        let stopped = old.log("stopped");
        assert_eq!((old.wait().code(), &stopped["force_closed"]), (Some(0), &0.into()));
        old = next.unwrap_or_else(|| DaemonProcess::launch(activated(&[("data", &socket)])));
    }
    let counted = load.stop();
    assert!(counted.answered > 100 * restarts as u64, "{counted:?}");
    assert_eq!((counted.lost.as_slice(), counted.answered), ([].as_slice(), counted.sent));
}

#[test]
fn passed_socket_beyond_the_loopback_is_refused_without_principals() {
    let [open, local] = ["0.0.0.0:0", "127.0.0.1:0"].map(|address| TcpListener::bind(address).unwrap());
    for name in ["data", "admin"] {
        let output = activated(&[(name, &open), ("data", &local)]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("the passed socket 0.0.0.0:") && text.contains("--principals"), "{text}");
    }
    let mut command = activated(&[("data", &open)]);
    command.arg("--anonymous");
    let daemon = DaemonProcess::launch(command);
    assert_eq!(daemon.get("/v1/select").0, 400);
}

#[test]
fn both_listeners_take_passed_sockets_by_name() {
    let [data, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let daemon = DaemonProcess::launch(activated(&[("admin", &admin), ("data", &data)]));
    assert_eq!(daemon.data, data.local_addr().unwrap().to_string());
    assert_eq!(daemon.admin, admin.local_addr().unwrap().to_string());
    assert_eq!(get(&daemon.admin, "/readyz").0, 200);
    assert_eq!(daemon.get("/v1/select").0, 400);
}

#[test]
fn passed_descriptor_that_does_not_listen_fails_the_start() {
    let output = Command::new("sh")
        .args(["-c", r#"LISTEN_PID=$$ exec "$0" serve 3</dev/null"#, env!("CARGO_BIN_EXE_switchboard")])
        .env("LISTEN_FDS", "1")
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("cannot use a passed socket: fd 3"), "{said}");
}

#[test]
fn sockets_passed_to_another_process_are_not_used() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", std::process::id().to_string());
    let mapping = FdMapping { parent_fd: OwnedFd::from(socket.try_clone().unwrap()), child_fd: 3 };
    command.fd_mappings(vec![mapping]).unwrap();
    let daemon = DaemonProcess::launch(command);
    assert_ne!(daemon.data, socket.local_addr().unwrap().to_string());
}

#[test]
#[cfg_attr(
    not(has_systemd_socket_activate),
    ignore = "needs systemd-socket-activate: apt-get install systemd"
)]
fn socket_passed_by_systemd_is_served() {
    let address = free_address();
    let mut command = Command::new("systemd-socket-activate");
    command
        .args(["--listen", &address, "--fdname=data", env!("CARGO_BIN_EXE_switchboard"), "serve"])
        .args(["--admin-listen", "127.0.0.1:0"]);
    // systemd-socket-activate listens, and becomes the daemon with the first connection.
    let asked = std::thread::spawn({
        let address = address.clone();
        move || {
            wait_until("systemd listens", || std::net::TcpStream::connect(&address).is_ok());
            get(&address, "/v1/select?company=acme&channel=whatsapp&ou=zurich&country=FR")
        }
    });
    let mut daemon = DaemonProcess::launch(command);
    assert_eq!(asked.join().unwrap().0, 200);
    assert_eq!(daemon.data, address);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn service_manager_gets_ready_reloading_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let notification = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    };
    let mut command = super::serve("127.0.0.1:0", "127.0.0.1:0");
    command.env("NOTIFY_SOCKET", &path);
    let mut daemon = DaemonProcess::launch(command);
    assert_eq!(notification(), "READY=1\n");
    assert_eq!(get(&daemon.admin, "/readyz").0, 200);
    daemon.signal(Signal::HUP);
    let reloading = notification();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(notification(), "READY=1\n");
    daemon.signal(Signal::TERM);
    assert_eq!(notification(), "STOPPING=1\n");
    assert_eq!(daemon.wait().code(), Some(0));
}
