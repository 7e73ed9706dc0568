//! Events, and what is done without them.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::GERMAN;
use super::served::*;

#[test]
fn a_gauge_and_the_status_say_whether_events_tell() {
    Served::snapshot(EVENTS).noticed("events");
    Served::registry(EVENTS).noticed("events");
    Served::snapshot(POLL).noticed("poll");
    Served::registry(POLL).noticed("poll");
}

#[test]
fn a_folder_that_is_not_there_yet_is_awaited_by_events() {
    let served = Served::start(EVENTS, tempfile::tempdir().unwrap(), "--snapshot", "later/still/acme.swb");
    served.noticed("events");
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

/// Without file descriptors no watch can be made: looking goes on, the gauge says so, and the watch is made
/// as soon as there are some again.
#[test]
fn without_inotify_it_is_looked_and_tried_again() {
    let served = Served::snapshot("poll_interval = \"200ms\"");
    served.noticed("events");
    let file = served.path("inner/deep/acme.swb");
    let limit = |limit: &str| {
        let pid = served.daemon.pid().to_string();
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).status();
        assert!(set.unwrap().success());
    };
    // A watch takes three descriptors. With two, a file can be read and a connection taken, but no watch be
    // made where the folder's being replaced asks for another one.
    let fds = fs::read_dir(format!("/proc/{}/fd", served.daemon.pid())).unwrap().map(|fd| fd.unwrap().path());
    let watch = fds.filter(|fd| fs::read_link(fd).is_ok_and(|to| to.to_string_lossy().contains("inotify")));
    let number = |fd: &std::path::Path| fd.file_name().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let lowest = watch.map(|fd| number(&fd)).min().expect("a watch");
    limit(&(lowest + 2).to_string());
    served.tells_watch("poll", || {
        fs::create_dir(served.path("inner/beside")).unwrap();
        fs::write(served.path("inner/beside/acme.swb"), snapshot(2)).unwrap();
        fs::rename(served.path("inner/deep"), served.path("inner/away")).unwrap();
        fs::rename(served.path("inner/beside"), served.path("inner/deep")).unwrap();
    });
    served.serves(2);
    rename_over(&file, &snapshot(3));
    served.serves(3);
    assert_eq!(served.daemon.log("no events of changed files")["level"], "WARN");
    limit("1024");
    served.tells_watch("events", || {});
    served.noticed("events");
    rename_over(&file, &snapshot(4));
    served.serves(4);
}

/// Ends the noise also where the test fails: its thread would be waited for.
struct Noise<'s>(&'s AtomicBool);

impl Drop for Noise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_request_to_reload_is_never_lost() {
    let served = Served::snapshot(EVENTS);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (folder, stop) = (served.path("inner/deep"), &stop);
        let _noise = Noise(stop);
        // Notes beside the source: events without end.
        scope.spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                fs::write(folder.join("acme.swb.notes"), "note").unwrap();
                fs::File::open(folder.join("acme.swb")).unwrap();
            }
        });
        for _ in 0..10 {
            served.tells("unchanged", || served.daemon.signal(Signal::HUP));
        }
    });
    assert_eq!(served.daemon.select(GERMAN)["generation"], 1);
}

/// Whatever happens beside the source, the reload thread rests.
#[test]
fn what_happens_beside_the_source_is_not_looked_at() {
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
