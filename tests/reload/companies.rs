//! A registry of several companies: those that cannot be published are held back, and the others do not wait.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::served::{EVENTS, Served};
use crate::expected::edit;
use crate::harness::DaemonProcess;

/// Writes a company with this many accounts. The address of each account names the version.
fn write(registry: &Path, company: &str, accounts: usize, version: u32) {
    let folder = registry.join(company);
    fs::create_dir_all(&folder).unwrap();
    let settings = "[[ou]]\nid = \"hq\"\n\n[[ou]]\nid = \"branch\"\nparent = \"hq\"\n\n[[pool]]\nid = \"line\"\n\
                    channel = \"line\"\nous = [\"hq\"]\n";
    fs::write(folder.join("company.toml"), settings).unwrap();
    let mut sheet = "id,channel,role,address,country,pool\n".to_owned();
    for number in 0..accounts {
        sheet += &format!("a{number},line,secondary,@{company}-{number}-v{version},GB,line\n");
    }
    fs::write(folder.join("accounts.csv"), sheet).unwrap();
}

struct Companies(Served);

impl Companies {
    /// Serves the companies in version 1, with 12 accounts each.
    fn start(companies: &[&str]) -> Companies {
        let folder = tempfile::tempdir().unwrap();
        companies.iter().for_each(|company| write(&folder.path().join("registry"), company, 12, 1));
        Companies(Served::start(EVENTS, folder, "--registry", "registry"))
    }

    fn registry(&self) -> std::path::PathBuf {
        self.0.path("registry")
    }

    fn write(&self, company: &str, accounts: usize, version: u32) {
        write(&self.registry(), company, accounts, version);
    }

    fn break_company(&self, company: &str) {
        edit(&self.registry(), &format!("{company}/accounts.csv"), "a3,line", "a3,lime");
    }

    /// Returns the version of a company in service, or the code of the problem.
    fn version(&self, company: &str) -> String {
        let query = format!("company={company}&channel=line&ou=branch&country=GB&client=c");
        let answer = self.0.daemon.select(&query);
        match answer["address"].as_str() {
            Some(address) => address.rsplit('-').next().unwrap().to_owned(),
            None => answer["code"].as_str().unwrap().to_owned(),
        }
    }

    fn serves(&self, company: &str, version: &str) {
        self.0.within(&format!("{company} {version} is served"), || self.version(company) == version);
    }

    /// Returns the companies that are held back with the reason, from `/status`. The gauge has their number.
    fn held_back(&self) -> Vec<String> {
        let status = self.0.daemon.status();
        let held = status["held_back"].as_array().unwrap();
        assert_eq!(self.0.daemon.metric("switchboard_companies_held_back"), held.len() as f64);
        held.iter().map(|held| format!("{} {}", text(&held["company"]), text(&held["reason"]))).collect()
    }

    fn rejections(&self, stage: &str) -> f64 {
        self.0.daemon.metric(&format!("switchboard_snapshot_rejections_total{{stage=\"{stage}\"}}"))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn broken_company_keeps_its_version_and_the_others_do_not_wait() {
    let served = Companies::start(&["a", "b"]);
    served.0.reload_is("rejected", || served.break_company("a"));
    let rejected = served.0.daemon.log("snapshot rejected");
    assert_eq!(rejected["stage"], "registry");
    assert!(text(&rejected["reason"]).contains("every change is held back: a (1 error)"), "{rejected}");
    assert!(text(&rejected["cause"]).starts_with("a/accounts.csv:5: unknown_channel: "), "{rejected}");
    assert_eq!(served.held_back(), ["a registry"]);

    let changed = Instant::now();
    served.0.reload_is("published", || served.write("b", 12, 2));
    assert!(changed.elapsed() < Duration::from_secs(1), "{:?}", changed.elapsed());
    assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v2".into()));
    assert_eq!(served.0.daemon.log("snapshot published")["held_back"], 1);
    let status = served.0.daemon.status();
    let held = &status["held_back"][0];
    assert!(text(&held["findings"][0]).starts_with("a/accounts.csv:5: error[unknown_channel]: "), "{held}");
    assert!(text(&held["since"]).ends_with('Z'), "{held}");
    assert_eq!(served.rejections("registry"), 1.0);

    // Both are broken, then one is repaired with a new version.
    served.0.reload_is("rejected", || served.break_company("b"));
    assert_eq!(served.held_back(), ["a registry", "b registry"]);
    served.0.reload_is("published", || served.write("a", 12, 3));
    assert_eq!(served.0.daemon.log("company no longer held back")["company"], "a");
    assert_eq!((served.version("a"), served.version("b")), ("v3".into(), "v2".into()));
    assert_eq!(served.held_back(), ["b registry"]);
    served.0.reload_is("published", || served.write("b", 12, 2));
    assert_eq!(served.held_back(), [""; 0]);
}

#[test]
fn company_held_back_by_a_published_reload_is_logged_with_its_cause() {
    let served = Companies::start(&["a", "b"]);
    // The folders are exchanged at once, so that one reload has both changes.
    let changed = served.0.path("changed");
    write(&changed, "a", 12, 2);
    write(&changed, "b", 12, 2);
    edit(&changed, "a/accounts.csv", "a3,line", "a3,lime");
    let registry = served.registry();
    served.0.reload_is("published", || {
        fs::rename(&registry, served.0.path("old")).unwrap();
        fs::rename(&changed, &registry).unwrap();
    });
    let held = served.0.daemon.log("company held back");
    assert_eq!((&held["company"], &held["stage"]), (&"a".into(), &"registry".into()));
    assert!(text(&held["cause"]).contains("a/accounts.csv:5: unknown_channel: "), "{held}");
    assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v2".into()));
}

#[test]
fn removed_company_stays_until_a_sighup_after_the_refusal() {
    let served = Companies::start(&["a", "b", "c"]);
    served.0.reload_is("rejected", || fs::remove_dir_all(served.registry().join("a")).unwrap());
    assert_eq!(served.0.daemon.log("snapshot rejected")["stage"], "guard");
    assert_eq!(served.held_back(), ["a guard"]);
    assert_eq!((served.version("a"), served.rejections("guard")), ("v1".into(), 1.0));
    served.0.reload_is("published", || served.write("b", 12, 2));
    assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v2".into()));
    served.0.reload_is("published", || served.0.daemon.signal(Signal::HUP));
    assert_eq!((served.version("a"), served.version("b")), ("unknown_company".into(), "v2".into()));
    assert_eq!(served.held_back(), [""; 0]);

    // A folder that is removed before a copy is served again when the copy is complete.
    served.0.reload_is("rejected", || fs::remove_dir_all(served.registry().join("c")).unwrap());
    served.0.reload_is("published", || served.write("c", 12, 2));
    assert_eq!(served.version("c"), "v2");
    // A renamed folder is a new company.
    served.0.reload_is("published", || {
        fs::rename(served.registry().join("c"), served.registry().join("d")).unwrap();
    });
    assert_eq!((served.version("c"), served.version("d")), ("v2".into(), "v2".into()));
    assert_eq!(served.held_back(), ["c guard"]);
}

#[test]
fn empty_registry_and_lost_accounts_are_refused() {
    let served = Companies::start(&["a", "b"]);
    served.0.reload_is("rejected", || served.write("a", 5, 2));
    assert_eq!(served.held_back(), ["a guard"]);
    served.0.reload_is("published", || served.write("a", 6, 3));
    assert_eq!((served.version("a"), served.held_back()), ("v3".into(), Vec::new()));

    let registry = served.registry();
    served.0.reload_is("rejected", || {
        fs::rename(&registry, served.0.path("away")).unwrap();
        fs::create_dir(&registry).unwrap();
    });
    served.0.within("the guard refuses", || served.held_back() == ["a guard", "b guard"]);
    assert_eq!((served.version("a"), served.version("b")), ("v3".into(), "v1".into()));
    served.0.reload_is("rejected", || served.0.daemon.signal(Signal::HUP));
    served.0.within("an empty registry is refused", || served.rejections("registry") == 1.0);
    assert_eq!(served.version("a"), "v3");
}

/// One value without quotes makes the table of the pool unreadable. Every account of the pool would be a fault of
/// its own, if the table counted as missing.
#[test]
fn rejection_is_one_line_with_the_cause_and_without_its_consequences() {
    let served = Companies::start(&["a", "b"]);
    served.0.reload_is("rejected", || {
        edit(&served.registry(), "a/company.toml", "id = \"line\"", "id = line\npriority = high");
        edit(&served.registry(), "b/accounts.csv", "a3,line", "a3,lime");
    });
    served.0.within("both are held back", || served.held_back() == ["a registry", "b registry"]);
    let status = served.0.daemon.status();
    let findings: Vec<&str> =
        status["held_back"][0]["findings"].as_array().unwrap().iter().map(text).collect();
    assert!(findings[0].starts_with("a/company.toml:"), "{findings:?}");
    assert!(findings.iter().all(|finding| !finding.starts_with("a/accounts.csv")), "{findings:?}");
    served.0.daemon.signal(Signal::HUP);
    let rejected = served.0.daemon.log("snapshot rejected; the snapshot in service stays");
    let (cause, others) = (text(&rejected["cause"]).to_owned(), rejected["findings"].clone());
    assert!(cause.starts_with("a/company.toml:") && !cause.contains('\n'), "{cause}");
    assert!(!others.to_string().contains("unknown_pool"), "{others}");
}

/// The version in service of a company comes from the kept snapshot. Its files are broken since before the
/// restart.
#[test]
fn company_is_held_back_after_a_restart_from_the_state_directory() {
    let folder = tempfile::tempdir().unwrap();
    let registry = folder.path().join("registry");
    ["a", "b"].iter().for_each(|company| write(&registry, company, 12, 1));
    let state = folder.path().join("state");
    let settings = format!("{EVENTS}\nstate = {:?}", state.to_str().unwrap());
    let mut served = Companies(Served::start(&settings, folder, "--registry", "registry"));
    served.0.within("the snapshot is kept", || state.join("current.swb").exists());
    served.0.reload_is("rejected", || served.break_company("a"));
    served.0.daemon.signal(Signal::TERM);
    served.0.daemon.wait();

    let (registry, config) = (served.registry(), served.0.path("switchboard.toml"));
    let arguments = ["--registry", registry.to_str().unwrap(), "--config", config.to_str().unwrap()];
    served.0.daemon = DaemonProcess::start(&arguments);
    assert_eq!(served.0.daemon.status()["snapshot"]["from_state"], true);
    assert_eq!(served.held_back(), [""; 0], "at a start nothing is held back");
    assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v1".into()));
    served.0.reload_is("published", || served.write("b", 12, 2));
    assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v2".into()));
    assert_eq!(
        (served.held_back(), served.0.daemon.status()["snapshot"]["from_state"].clone()),
        (vec!["a registry".into()], false.into())
    );
    served.0.reload_is("published", || served.write("a", 12, 3));
    assert_eq!((served.version("a"), served.held_back()), ("v3".into(), Vec::new()));
}

#[test]
fn new_broken_company_is_named_and_a_fault_outside_the_companies_rejects_everything() {
    let served = Companies::start(&["a"]);
    served.0.reload_is("rejected", || {
        write(&served.0.path("."), "new", 12, 1);
        edit(&served.0.path("."), "new/accounts.csv", "a3,line", "a3,lime");
        fs::rename(served.0.path("new"), served.registry().join("new")).unwrap();
    });
    assert_eq!(
        (served.held_back(), served.version("new")),
        (vec!["new registry".into()], "unknown_company".into())
    );
    let log = &served.0.daemon;
    served.0.reload_is("published", || served.write("new", 12, 1));
    assert_eq!(log.log("the snapshot has several companies")["companies"], 2);

    served
        .0
        .reload_is("rejected", || fs::write(served.registry().join("channels.toml"), "[channel").unwrap());
    served.0.reload_is("rejected", || served.write("a", 12, 2));
    assert_eq!((served.version("a"), served.held_back()), ("v1".into(), Vec::new()));
    fs::remove_file(served.registry().join("channels.toml")).unwrap();
    served.serves("a", "v2");
}
