//! Facts about this machine and this process.

use loadtest::run::machine::{SchedDelay, cpu_seconds, digest, machine, memory_and_files, usage};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

#[test]
fn this_process_and_this_machine_have_facts() {
    let machine = machine();
    assert!(machine.cores > 0 && machine.memory > 1 << 20 && machine.kernel.starts_with("Linux "));
    let pid = std::process::id();
    let usage = usage(pid, cpu_seconds(pid).unwrap()).unwrap();
    assert!(usage.rss > 0 && usage.rss_peak >= usage.rss && usage.cpu_seconds >= 0.0);
    let (memory, files) = memory_and_files(pid).unwrap();
    assert!(memory > 0 && files > 0);
}

#[test]
fn digest_is_the_published_xxh3_or_missing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // The published value for no bytes.
    assert_eq!(digest(file.path()).as_deref(), Some("2d06800538d394c2"));
    assert_eq!(digest(Path::new("/none")), None);
}

#[test]
fn delay_is_that_of_the_longest_waiting_thread() {
    let at = Instant::now();
    let from = SchedDelay { at, threads: BTreeMap::from([(1, 1_000), (2, 5_000)]) };
    let later = SchedDelay {
        at: at + Duration::from_micros(100),
        threads: BTreeMap::from([(1, 3_000), (2, 15_000), (3, 1)]),
    };
    assert_eq!(from.percent(&later), Some(10.0));
    assert_eq!(from.percent(&SchedDelay { at, threads: BTreeMap::new() }), None);
}

#[test]
fn delay_of_each_thread_of_this_process_is_counted() {
    let own = rustix::thread::gettid().as_raw_nonzero().get();
    let process = SchedDelay::of_process(std::process::id()).unwrap();
    let thread = SchedDelay::of_thread(own).unwrap();
    assert!(process.threads.contains_key(&own) && thread.threads.contains_key(&own));
}
