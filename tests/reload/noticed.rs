//! Changes are noticed by file-system events, and by polling without events.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::GERMAN;
use super::served::*;

#[test]
fn gauge_and_status_report_whether_the_watch_is_active() {
    Served::snapshot(EVENTS).shows_watch_mode("events");
    Served::registry(EVENTS).shows_watch_mode("events");
    Served::snapshot(POLL).shows_watch_mode("poll");
    Served::registry(POLL).shows_watch_mode("poll");
}

#[test]
fn missing_folder_is_noticed_by_events_when_it_appears() {
    let served = Served::start(EVENTS, tempfile::tempdir().unwrap(), "--snapshot", "later/still/acme.swb");
    served.shows_watch_mode("events");
    fs::create_dir_all(served.path("later/still")).unwrap();
    fs::write(served.path("later/still/acme.swb"), snapshot(3)).unwrap();
    served.serves(3);
    rename_over(&served.path("later/still/acme.swb"), &snapshot(4));
    served.serves(4);
    assert_eq!(served.reloads("rejected"), 0.0);

    let served = Served::start(EVENTS, tempfile::tempdir().unwrap(), "--registry", "later/registry");
    registry(&served.path("prepared"), 1);
    fs::create_dir(served.path("later")).unwrap();
    fs::rename(served.path("prepared"), served.path("later/registry")).unwrap();
    served.serves_number(1);
}

/// Without file descriptors the source cannot be watched. The daemon polls, the gauge shows 0, and the watch
/// starts as soon as descriptors are free.
#[test]
fn source_is_polled_and_the_watch_retried_without_inotify() {
    let served = Served::snapshot("poll_interval = \"200ms\"");
    served.shows_watch_mode("events");
    let file = served.path("inner/deep/acme.swb");
    let limit = |limit: &str| {
        let pid = served.daemon.pid().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).status();
        assert!(set.unwrap().success());
    };
    // A watch takes three descriptors. With two, the daemon can read a file and accept a connection, but it
    // cannot watch a replaced folder.
    let fds = fs::read_dir(format!("/proc/{}/fd", served.daemon.pid())).unwrap().map(|fd| fd.unwrap().path());
    let watch = fds.filter(|fd| fs::read_link(fd).is_ok_and(|to| to.to_string_lossy().contains("inotify")));
    let number = |fd: &std::path::Path| fd.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let lowest = watch.map(|fd| number(&fd)).min().expect("a watch");
    limit(&(lowest + 2).to_string());
    served.watch_mode_is("poll", || {
        fs::create_dir(served.path("inner/beside")).unwrap();
        fs::write(served.path("inner/beside/acme.swb"), snapshot(2)).unwrap();
        fs::rename(served.path("inner/deep"), served.path("inner/away")).unwrap();
        fs::rename(served.path("inner/beside"), served.path("inner/deep")).unwrap();
    });
    served.serves(2);
    rename_over(&file, &snapshot(3));
    served.serves(3);
    assert_eq!(served.daemon.log("watch unavailable")["level"], "WARN");
    limit("1024");
    served.watch_mode_is("events", || {});
    served.shows_watch_mode("events");
    rename_over(&file, &snapshot(4));
    served.serves(4);
}

/// Ends the noise even if the test fails, because the scope waits for its thread.
struct Noise<'s>(&'s AtomicBool);

impl Drop for Noise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn reload_request_is_never_lost() {
    let served = Served::snapshot(EVENTS);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (folder, stop) = (served.path("inner/deep"), &stop);
        let _noise = Noise(stop);
        // Endless events about files beside the source.
        scope.spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                fs::write(folder.join("acme.swb.notes"), "note").unwrap();
                fs::File::open(folder.join("acme.swb")).unwrap();
            }
        });
        for _ in 0..10 {
            served.reload_is("unchanged", || served.daemon.signal(Signal::HUP));
        }
    });
    assert_eq!(served.daemon.select(GERMAN)["generation"], 1);
}

/// Changes of files beside the source must not keep the reload thread busy.
#[test]
fn changes_beside_the_source_are_ignored() {
    let served = Served::registry(EVENTS);
    let cpu = || served.daemon.metric("process_cpu_seconds_total");
    let (began, before) = (Instant::now(), cpu());
    while began.elapsed() < Duration::from_secs(1) {
        fs::write(served.path("inner/note"), "note").unwrap();
        fs::write(served.path("inner/deep/.hidden"), "note").unwrap();
    }
    let used = cpu() - before;
    assert!(used < 0.9, "{used} s of one");
    assert_eq!(served.reloads("unchanged") + served.reloads("published"), 1.0);
}
