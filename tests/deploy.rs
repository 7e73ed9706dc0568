//! The files for production, as far as they can be tested without a cluster or a service manager.
//! `.ci/debian` and `.ci/manifests` test the rest.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use switchboard::config::Settings;

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns the keys of the generated ConfigMap, and the file that each holds.
fn keys() -> BTreeMap<String, String> {
    let text = text("config/kubernetes/kustomization.yaml");
    let files = text.lines().filter_map(|line| line.trim().strip_prefix("- acme."));
    files
        .map(|entry| entry.split_once('=').unwrap())
        .map(|(key, file)| (format!("acme.{key}"), format!("config/kubernetes/{file}")))
        .collect()
}

/// Returns the path at which the Deployment mounts each key.
fn items() -> BTreeMap<String, String> {
    let text = text("config/kubernetes/deployment.yaml");
    let items = text.lines().filter_map(|line| line.trim().strip_prefix("- { key: ")?.strip_suffix(" }"));
    items
        .map(|item| item.split_once(", path: ").unwrap())
        .map(|(k, p)| (k.to_owned(), p.to_owned()))
        .collect()
}

#[test]
fn config_map_mounted_as_by_the_kubelet_passes_check() {
    let (keys, items) = (keys(), items());
    assert_eq!(keys.len(), 3);
    assert!(keys.keys().eq(items.keys()), "{keys:?} {items:?}");
    let volume = tempfile::tempdir().unwrap();
    let version = volume.path().join("..2026_11_25_12_00_00.1");
    for (key, path) in &items {
        let path = version.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text(&keys[key])).unwrap();
    }
    symlink("..2026_11_25_12_00_00.1", volume.path().join("..data")).unwrap();
    symlink("..data/acme", volume.path().join("acme")).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_switchboard")).arg("check").arg(volume.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("0 errors, 0 warnings; 1 test, 0 failed"), "{said}");
}

#[test]
fn packages_settings_file_parses() {
    let packaged = Settings::from_toml(&text("config/debian/switchboard.toml")).unwrap();
    assert_eq!(packaged.registry, Some("/etc/switchboard/registry".into()));
    assert_eq!(packaged.standings.as_deref(), Some(Path::new("/var/lib/switchboard/standings")));
}

/// Returns the files that the package installs: the pattern of the source, and the destination.
fn packaged() -> Vec<(String, String)> {
    let manifest: toml::Table = toml::from_str(&text("Cargo.toml")).unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let part = |asset: &toml::Value, at: usize| asset[at].as_str().unwrap().to_owned();
    assets.iter().map(|asset| (part(asset, 0), part(asset, 1))).collect()
}

#[test]
fn package_has_runbook_rules_dashboard_and_interface_description() {
    let packaged = packaged();
    let documents = "usr/share/doc/switchboard/";
    for (source, to) in [
        ("docs/*.md", documents.to_owned()),
        ("docs/openapi.yaml", documents.to_owned()),
        ("docs/schema/*.json", format!("{documents}schema/")),
        ("config/prometheus/*.yml", format!("{documents}examples/prometheus/")),
        ("config/grafana/switchboard.json", format!("{documents}examples/grafana/")),
        ("config/systemd/fleet.conf", format!("{documents}examples/systemd/")),
        ("config/systemd/database.conf", format!("{documents}examples/systemd/")),
    ] {
        assert!(packaged.contains(&(source.to_owned(), to)), "{source} in {packaged:?}");
    }
    for file in ["docs/runbook.md", "config/prometheus/alerts.yml", "config/prometheus/recording.yml"] {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
    }
    // `config/debian/package` makes those below target.
    for (source, _) in packaged.iter().filter(|(source, _)| !source.starts_with("target/")) {
        let (folder, name) = source.rsplit_once('/').unwrap_or((".", source));
        let names = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let suffix = name.strip_prefix('*');
        assert!(
            names.any(|found| suffix.map_or(found == name, |suffix| found.ends_with(suffix))),
            "{source} exists"
        );
    }
}

/// Runs the lines of `config/debian/package` that make the example registries.
#[test]
fn packaged_examples_name_installed_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let script = text("config/debian/package");
    let lines =
        script.lines().filter(|line| line.contains("\"$made/registry\"") || line.contains("#:schema /"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let status = Command::new("bash")
        .args(["-euc", &lines.join("\n")])
        .env("made", folder.path())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.unwrap().success());
    let (mut companies, mut named) = (0, 0);
    for company in fs::read_dir(folder.path().join("registry")).unwrap() {
        companies += 1;
        for file in fs::read_dir(company.unwrap().path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let Some(schema) = text.lines().find_map(|line| line.strip_prefix("#:schema ")) else { continue };
            let name = schema.strip_prefix("/usr/share/doc/switchboard/schema/").unwrap();
            assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name).exists(),
                "{schema}"
            );
            named += 1;
        }
    }
    assert_eq!(named, 2 * companies);
}

#[test]
fn units_and_manifests_pass_a_state_directory_that_they_provide() {
    let unit = text("config/systemd/switchboard.service");
    let start = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    assert!(start.ends_with(" --state ${STATE_DIRECTORY}"), "{start}");
    assert!(unit.contains("\nStateDirectory=switchboard\n"));
    let deployment = text("config/kubernetes/deployment.yaml");
    let path = deployment.lines().find_map(|line| line.trim().strip_prefix("- --state=")).unwrap();
    assert!(deployment.contains(&format!("- name: state\n              mountPath: {path}\n")));
    assert!(deployment.contains("- name: state\n          emptyDir:\n"));
}

/// A pod of the other folders of manifests gets the arguments of the Deployment without the registry, and the variables
/// of a secret.
#[test]
fn arguments_of_other_pods_in_kubernetes_pass_check_config() {
    let folder = tempfile::tempdir().unwrap();
    let deployment = text("config/kubernetes/deployment.yaml");
    let arguments = deployment.lines().filter_map(|line| line.trim().strip_prefix("- --"));
    let arguments: Vec<String> = arguments
        .filter(|argument| !argument.starts_with("registry="))
        .map(|argument| {
            let path = |name: &str| folder.path().join(name).display().to_string();
            match argument.split_once('=') {
                Some(("state", _)) => format!("--state={}", path("state")),
                Some(("principals", _)) => format!("--principals={}", path("principals.toml")),
                _ => format!("--{argument}"),
            }
        })
        .collect();
    assert!(arguments.len() > 4, "{arguments:?}");
    fs::write(folder.path().join("principals.toml"), text("config/kubernetes/principals.toml")).unwrap();
    let check = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.arg("check-config").args(&arguments).envs(variables.iter().copied()).output().unwrap()
    };
    // A database is read, and this one is nowhere.
    for (file, code, source) in [
        ("config/kubernetes-fleet/fleet.env", 0, "nats.nats:4222"),
        ("config/kubernetes-database/database.env", 3, "read: postgres://registry.postgres:5432/registry"),
    ] {
        let variables = text(file);
        let variables = variables.lines().filter(|line| !line.starts_with('#'));
        let output = check(&variables.map(|line| line.split_once('=').unwrap()).collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{file}: {said}");
        assert!(said.contains(source) && !said.contains("REPLACE-THIS"), "{file}: {said}");
    }
    assert_eq!(check(&[("SWITCHBOARD_FLEET", "http://nats.nats:4222")]).status.code(), Some(2));
}

#[test]
fn systemd_unit_allows_for_the_drain_timeout_and_max_connections() {
    let unit = text("config/systemd/switchboard.service");
    let setting = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}")).parse::<u64>().unwrap()
    };
    let settings = Settings::default();
    assert!(setting("TimeoutStopSec") > settings.drain_timeout.as_secs());
    let connections = settings.max_connections as u64;
    assert!(setting("LimitNOFILE") > connections + connections / 8 + 1000);
}

/// The prometheus-operator names the job after the service unless `jobLabel` names a label of the service.
#[test]
fn service_monitor_yields_the_job_name_of_the_alerts() {
    let label = "app.kubernetes.io/name";
    assert!(text("config/kubernetes/monitor.yaml").contains(&format!("\n  jobLabel: {label}\n")));
    let services = text("config/kubernetes/services.yaml");
    let admin = services.split("---").find(|service| service.contains("name: switchboard-admin")).unwrap();
    assert!(admin.contains(&format!("  labels:\n    {label}: switchboard ")), "{admin}");
    assert!(text("config/prometheus/alerts.yml").contains("absent(up{job=\"switchboard\"} == 1)"));
}

#[test]
fn pods_grace_period_exceeds_the_drain_timeout() {
    let deployment = text("config/kubernetes/deployment.yaml");
    let number = |key: &str| {
        let line = deployment.lines().find_map(|line| line.trim().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).trim().parse::<u64>().unwrap()
    };
    let drain = Settings::default().drain_timeout.as_secs();
    assert!(number("terminationGracePeriodSeconds:") > number("seconds:") + drain);
}
