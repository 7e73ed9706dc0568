//! What the tests start and talk to: a daemon as a process, a daemon within this process, and an HTTP client
//! that sends the bytes it is given. Tests that wait for an event do so through [`wait_until`]; a test that
//! sleeps has the time itself under test, or asserts that nothing happens meanwhile.

mod daemon_process;
mod generated_file;
mod http_client;
mod in_process_daemon;
pub(crate) mod small_registry;
mod wait;

pub(crate) use daemon_process::{DaemonProcess, get, request};
pub(crate) use generated_file::assert_generated;
pub(crate) use http_client::{HttpClient, HttpResponse};
pub(crate) use in_process_daemon::{InProcessDaemon, one_worker};
pub(crate) use wait::{PATIENCE, wait_until, wait_within};
