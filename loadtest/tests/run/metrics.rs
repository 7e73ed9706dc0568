//! Metrics in the text format of Prometheus.

use loadtest::run::Metrics;

#[test]
fn metrics_are_found_by_name_and_labels() {
    let text = "switchboard_snapshot_bytes 17000000\nswitchboard_snapshot_generation 7\n\
        switchboard_snapshot_entries{kind=\"ous\"} 12\n\
        switchboard_build_info{version=\"0.1.0\",commit=\"abc\"} 1\n";
    let metrics = Metrics(text.to_owned());
    assert_eq!((metrics.generation(), metrics.snapshot_bytes()), (7, 17_000_000));
    assert_eq!((metrics.entries("ous"), metrics.entries("pools"), metrics.reloads("published")), (12, 0, 0));
    assert_eq!(metrics.build().as_deref(), Some("0.1.0 (abc)"));
}
