//! A registry of several companies: those that cannot be published are held back, and the others do not wait.

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
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

    fn registry(&self) -> PathBuf {
        self.0.path("registry")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
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
        let held = RefCell::new(Vec::new());
        // A reload may end between the two readings.
        self.0.within("the gauge has the number of companies", || {
            let status = self.0.daemon.status();
            let all = status["held_back"].as_array().unwrap().iter();
            *held.borrow_mut() =
                all.map(|held| format!("{} {}", text(&held["company"]), text(&held["reason"]))).collect();
            self.0.daemon.metric("switchboard_companies_held_back") == held.borrow().len() as f64
        });
        held.into_inner()
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

impl Companies {
    /// Breaks the company `a`, which is held back alone: `b` is published, until `a` is repaired.
    fn hold_back_alone(&self, version: u32, breaks: impl FnOnce(), repairs: impl FnOnce(), part: &str) {
        self.0.reload_is("rejected", breaks);
        assert_eq!(self.held_back(), ["a registry"], "{part}");
        let status = self.0.daemon.status();
        let finding = text(&status["held_back"][0]["findings"][0]);
        assert!(finding.starts_with("a/") && finding.contains(part), "{finding}");
        self.0.reload_is("published", || self.write("b", 12, version));
        let before = format!("v{}", version - 1);
        assert_eq!((self.version("a"), self.version("b")), (before, format!("v{version}")), "{part}");
        self.0.reload_is("published", || {
            repairs();
            self.write("a", 12, version);
        });
        assert_eq!((self.version("a"), self.held_back()), (format!("v{version}"), Vec::new()), "{part}");
    }
}

#[test]
fn company_with_a_file_that_cannot_be_read_is_held_back_alone() {
    let served = Companies::start(&["a", "b"]);
    let sheet = served.registry().join("a/accounts.csv");
    let link = || {
        symlink("/no/such/file", served.path("link")).unwrap();
        fs::rename(served.path("link"), &sheet).unwrap();
    };
    served.hold_back_alone(2, link, || fs::remove_file(&sheet).unwrap(), "a link without a target");
    let folder = || {
        fs::remove_file(&sheet).unwrap();
        fs::create_dir(&sheet).unwrap();
    };
    served.hold_back_alone(3, folder, || fs::remove_dir(&sheet).unwrap(), "a folder");
}

/// Root may read every file, so that root serves as another user.
#[test]
fn company_with_a_file_without_permission_is_held_back_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    ["a", "b"].iter().for_each(|company| write(&folder.path().join("registry"), company, 12, 1));
    let program = folder.path().join("switchboard");
    fs::copy(env!("CARGO_BIN_EXE_switchboard"), &program).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { "setpriv".as_ref() } else { program.as_os_str() });
    if is_root {
        command.args(["--reuid", "54321", "--regid", "54321", "--clear-groups"]).arg(&program);
    }
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--registry"]);
    command.arg(folder.path().join("registry"));
    let served = Companies(Served { daemon: DaemonProcess::launch(command), folder });
    let [sheet, company] = ["a/accounts.csv", "a"].map(|name| served.registry().join(name));
    served.hold_back_alone(2, || mode(&sheet, 0), || mode(&sheet, 0o644), "Permission denied");
    served.hold_back_alone(3, || mode(&company, 0), || mode(&company, 0o755), "Permission denied");
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
    let (before, rejected) = served.0.daemon.logs_until("snapshot rejected");
    assert_eq!(rejected["stage"], "guard");
    let of_watcher = before.iter().find(|line| text(&line["message"]).contains("the path from the watches"));
    assert_eq!(of_watcher, None, "the log is not for the texts of libraries");
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
    for times in 1..3 {
        served.0.reload_is("rejected", || served.0.daemon.signal(Signal::HUP));
        let times = f64::from(times);
        served.0.within("an empty registry is refused", || served.rejections("registry") == times);
        assert_eq!(served.version("a"), "v3");
    }
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
    let from_state = |served: &Companies| served.0.daemon.status()["snapshot"]["from_state"] == true;
    served.0.daemon = DaemonProcess::start(&arguments);
    served.0.counts("rejected", 1.0);
    let is_whole = |served: &Companies| {
        assert_eq!((served.version("a"), served.version("b")), ("v1".into(), "v1".into()));
        assert!(from_state(served), "nothing of the source is served");
    };
    is_whole(&served);
    served.0.within("the source is judged as a reload", || served.held_back() == ["a registry"]);
    is_whole(&served);
    let status = served.0.daemon.status();
    let error = text(&status["last_reload"]["error"]);
    assert!(error.contains("every change is held back: a (1 error)"), "{error}");

    // What changes while no daemon runs is judged as at a reload, without a further change or a SIGHUP.
    served.0.daemon.kill();
    served.write("b", 12, 2);
    served.0.daemon = DaemonProcess::start(&arguments);
    is_whole(&served);
    served.0.counts("published", 1.0);
    assert_eq!(served.held_back(), ["a registry"]);
    let versions = (served.version("a"), served.version("b"), from_state(&served));
    assert_eq!(versions, ("v1".into(), "v2".into(), false));
    let floor = served.0.daemon.status()["snapshot"]["generation"].to_string();
    served.0.within("the snapshot is kept", || {
        fs::read_to_string(state.join("floor")).is_ok_and(|text| text.trim() == floor)
    });
    served.0.daemon.signal(Signal::TERM);
    served.0.daemon.wait();
    served.write("b", 4, 3);
    served.0.daemon = DaemonProcess::start(&arguments);
    served.0.within("the guard refuses", || served.held_back() == ["a registry", "b guard"]);
    assert_eq!((served.version("b"), from_state(&served)), ("v2".into(), true));
    served.0.reload_is("published", || served.0.daemon.signal(Signal::HUP));
    assert_eq!((served.version("b"), from_state(&served)), ("v3".into(), false));
    assert_eq!(served.held_back(), ["a registry"]);
    served.0.reload_is("published", || served.write("a", 12, 3));
    assert_eq!((served.version("a"), served.held_back()), ("v3".into(), Vec::new()));
}

#[test]
fn confirmed_removal_is_published_although_the_other_company_is_held_back() {
    let served = Companies::start(&["a", "b", "c"]);
    served.0.reload_is("rejected", || served.break_company("a"));
    served.0.reload_is("rejected", || fs::remove_dir_all(served.registry().join("b")).unwrap());
    served.0.reload_is("rejected", || fs::remove_dir_all(served.registry().join("c")).unwrap());
    assert_eq!(served.held_back(), ["a registry", "b guard", "c guard"]);
    served.0.reload_is("published", || served.0.daemon.signal(Signal::HUP));
    for _ in 0..3 {
        let versions = ["a", "b", "c"].map(|company| served.version(company));
        assert_eq!(versions, ["v1", "unknown_company", "unknown_company"]);
        assert_eq!(served.held_back(), ["a registry"]);
        served.0.reload_is("rejected", || served.0.daemon.signal(Signal::HUP));
    }
    // The company shrinks, and its tests fail. The tests run after the confirmation alone.
    served.write("a", 4, 2);
    served.0.within("the guard refuses", || served.held_back() == ["a guard"]);
    let test = "[[test]]\nname = \"t\"\nquery = { channel = \"line\", ou = \"hq\", country = \"GB\" }\n\
                expect = { error = \"no_pool\" }\n";
    served.0.reload_is("rejected", || fs::write(served.registry().join("a/tests.toml"), test).unwrap());
    for _ in 0..3 {
        served.0.reload_is("rejected", || served.0.daemon.signal(Signal::HUP));
        assert_eq!(served.held_back(), ["a registry"], "the tests fail");
    }
    served.0.reload_is("rejected", || fs::remove_file(served.registry().join("a/tests.toml")).unwrap());
    assert_eq!(served.held_back(), ["a guard"], "other files than those that were confirmed");
    served.0.reload_is("published", || served.0.daemon.signal(Signal::HUP));
    assert_eq!((served.version("a"), served.held_back()), ("v2".into(), Vec::new()));
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
