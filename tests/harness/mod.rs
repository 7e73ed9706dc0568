//! Helpers of the tests: a daemon as a child process, a daemon within this process, and an HTTP client that
//! sends given bytes. A test waits for an event with [`wait_until`]. A test sleeps only if the time itself is
//! under test, or to assert that nothing happens meanwhile.

mod daemon_process;
pub(crate) mod fleet_site;
mod generated_file;
mod http_client;
mod in_process_daemon;
mod small_disk;
pub(crate) mod small_registry;
mod wait;

pub(crate) use daemon_process::{DaemonProcess, get, request};
pub(crate) use generated_file::assert_generated;
pub(crate) use http_client::{HttpClient, HttpResponse};
pub(crate) use in_process_daemon::{InProcessDaemon, one_worker};
pub(crate) use small_disk::with_small_disk;
pub(crate) use wait::{PATIENCE, wait_until, wait_within};
