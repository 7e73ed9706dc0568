//! A daemon whose source the test changes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::GERMAN;
use crate::expected::{acme, compiled, edit};
use crate::harness::{DaemonProcess, wait_within};

/// Time within which the daemon must serve a change.
pub(super) const PROMISED: Duration = Duration::from_secs(2);

/// Time that a test waits for a change while other tests run on two cores. Polls are an hour apart, so that a
/// change without an event is not served within this time.
pub(super) const CHANGE_LIMIT: Duration = Duration::from_secs(6);

/// Settings with polls so rare that only events can report a change in time.
pub(super) const EVENTS: &str = "poll_interval = \"1h\"";
/// Settings without events, so that only polls notice a change.
pub(super) const POLL: &str = "watch = \"poll\"\npoll_interval = \"300ms\"";

pub(super) struct Served {
    pub(super) folder: TempDir,
    pub(super) daemon: DaemonProcess,
}

impl Served {
    /// Serves a source in a folder.
    pub(super) fn start(settings: &str, folder: TempDir, kind: &str, source: &str) -> Served {
        let config = folder.path().join("switchboard.toml");
        fs::write(&config, settings).unwrap();
        let source = folder.path().join(source);
        let daemon =
            DaemonProcess::start(&[kind, source.to_str().unwrap(), "--config", config.to_str().unwrap()]);
        Served { folder, daemon }
    }

    /// Serves a snapshot of generation 1 at `inner/deep/acme.swb`.
    pub(super) fn snapshot(settings: &str) -> Served {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("inner/deep")).unwrap();
        fs::write(folder.path().join("inner/deep/acme.swb"), snapshot(1)).unwrap();
        let served = Served::start(settings, folder, "--snapshot", "inner/deep/acme.swb");
        assert_eq!(served.daemon.select(GERMAN)["generation"], 1);
        served
    }

    /// Serves a registry at `inner/deep`, whose German account has number 0.
    pub(super) fn registry(settings: &str) -> Served {
        let folder = tempfile::tempdir().unwrap();
        registry(&folder.path().join("inner/deep"), 0);
        let served = Served::start(settings, folder, "--registry", "inner/deep");
        assert_eq!(served.daemon.select(GERMAN)["address"], number(0));
        served
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until this generation is served.
    pub(super) fn serves(&self, generation: u64) {
        self.answers("generation", &generation.into());
    }

    /// Waits until this number of the German account is served.
    pub(super) fn serves_number(&self, version: u32) {
        self.answers("address", &number(version).into());
    }

    fn answers(&self, field: &str, value: &serde_json::Value) {
        self.within(&format!("{field} {value} is served"), || &self.daemon.select(GERMAN)[field] == value);
    }

    pub(super) fn reloads(&self, outcome: &str) -> f64 {
        self.daemon.metric(&format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}}"))
    }

    /// Makes a change and waits for a reload with this outcome.
    pub(super) fn reload_is(&self, outcome: &str, change: impl FnOnce()) {
        let before = self.reloads(outcome);
        change();
        self.within(&format!("a reload is {outcome}"), || self.reloads(outcome) != before);
    }

    /// Waits until this many reloads had an outcome.
    pub(super) fn counts(&self, outcome: &str, times: f64) {
        self.within(&format!("{times} reloads are {outcome}"), || self.reloads(outcome) >= times);
        assert_eq!(self.reloads(outcome), times, "{outcome}");
    }

    /// Makes a change and waits until the watch is in this mode.
    pub(super) fn watch_mode_is(&self, how: &str, change: impl FnOnce()) {
        change();
        self.within(&format!("changes are noticed by {how}"), || self.daemon.status()["watch"] == how);
    }

    /// Waits for a change to be served, at most [`CHANGE_LIMIT`]. A failure shows `/status`.
    pub(super) fn within(&self, event: &str, condition: impl FnMut() -> bool) {
        wait_within(CHANGE_LIMIT, || format!("{event}: {}", self.daemon.status()), condition);
    }

    /// Asserts that the gauge and `/status` both show this mode.
    pub(super) fn shows_watch_mode(&self, how: &str) {
        assert_eq!(self.daemon.status()["watch"], how);
        assert_eq!(self.daemon.metric("switchboard_watch_active"), f64::from(u8::from(how == "events")));
    }
}

/// Returns the bytes of a snapshot.
pub(super) fn snapshot(generation: u64) -> Vec<u8> {
    let registry = acme();
    let files = switchboard_registry::Files::read_dir(registry.path()).unwrap();
    compiled(&files, generation).bytes().to_vec()
}

/// Writes a registry into a new folder, with this number of the German account.
pub(super) fn registry(root: &Path, version: u32) {
    let demo = acme();
    renumber(demo.path(), version);
    fs::create_dir_all(root.join("acme")).unwrap();
    for file in fs::read_dir(demo.path().join("acme")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), root.join("acme").join(file.file_name())).unwrap();
    }
}

/// Changes the number of the German account.
pub(super) fn renumber(root: &Path, version: u32) {
    edit(root, "acme/accounts.csv", "+4915123456701", &number(version));
}

pub(super) fn number(version: u32) -> String {
    format!("+4915123457{version:03}")
}

/// Writes another file and renames it over the path.
pub(super) fn rename_over(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Copies in place, in this many pieces, with a pause between them.
pub(super) fn copy_slowly(path: &Path, bytes: &[u8], pieces: usize, pause: Duration) {
    let mut file = File::create(path).unwrap();
    for (at, piece) in bytes.chunks(bytes.len().div_ceil(pieces)).enumerate() {
        if at > 0 {
            // The pause makes the copy slow. The daemon reports no event about a part of a file.
            std::thread::sleep(pause);
        }
        file.write_all(piece).unwrap();
    }
}

/// Publishes files like Kubernetes: writes them into a new folder and swaps the link `..data` to it by a
/// rename. Every entry of the volume is a link through `..data`.
pub(super) fn project(volume: &Path, version: u32, fill: impl Fn(&Path)) {
    let name = format!("..2026_11_24_{version}");
    fs::create_dir_all(volume.join(&name)).unwrap();
    fill(&volume.join(&name));
    let turned = volume.join("..data_tmp");
    std::os::unix::fs::symlink(&name, &turned).unwrap();
    let before = fs::read_link(volume.join("..data")).ok();
    fs::rename(&turned, volume.join("..data")).unwrap();
    for entry in fs::read_dir(volume.join("..data")).unwrap() {
        let name = entry.unwrap().file_name();
        if !volume.join(&name).exists() {
            std::os::unix::fs::symlink(Path::new("..data").join(&name), volume.join(&name)).unwrap();
        }
    }
    if let Some(before) = before {
        fs::remove_dir_all(volume.join(before)).unwrap();
    }
}
