//! The option `--pin`.

use loadtest::report::model::Pinning;

#[test]
fn pin_option_gives_cores_to_the_daemon_and_the_harness() {
    let with = |text, usable: &[u32], workers| {
        Pinning::from_option(text, usable, workers).unwrap().map(|p| (p.daemon, p.harness))
    };
    let of = |text, usable: &[u32]| with(text, usable, 1);
    assert_eq!(with("auto", &[0, 1, 2, 3], 2), Some((vec![0, 1], vec![3])));
    assert_eq!(with("auto", &[0, 1, 2], 8), Some((vec![0, 1], vec![2])));
    assert_eq!(of("auto", &[0, 1, 2]), Some((vec![0], vec![2])));
    assert_eq!(of("auto", &[3]), None);
    assert_eq!(of("none", &[0, 1]), None);
    assert_eq!(of("daemon:0-1,harness:3", &[0, 1, 2, 3]), Some((vec![0, 1], vec![3])));
    for text in ["both", "daemon:0", "daemon:0,harness:9", "daemon:x,harness:1", "server:0,harness:1"] {
        assert!(Pinning::from_option(text, &[0, 1], 1).is_err(), "{text}");
    }
}
