//! `switchboard compile`: what a replaced file keeps, the generation, standard output, and snapshots as sources.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{XattrFlags, getxattr, setxattr};
use rustix::io::Errno;
use serde_json::Value;
use switchboard_snapshot::header;

use super::{stderr, stdout, switchboard};
use crate::expected::{acme, edit};

/// An id that no user and no group of the machine has.
const STRANGER: u32 = 54_321;
const OTHER_GROUP: u32 = 54_322;
/// The time at which this test was written, in milliseconds. Every clock is later.
const PAST_MS: u64 = 1_790_000_000_000;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn generation(file: &Path) -> u64 {
    let inspected = stdout(&switchboard(&["inspect", file.to_str().unwrap(), "--format", "json"]));
    serde_json::from_str::<Value>(&inspected).unwrap()["generation"].as_u64().unwrap()
}

fn compile(source: &Path, output: &Path, more: &[&str]) -> Output {
    let arguments = ["compile", source.to_str().unwrap(), "-o", output.to_str().unwrap()];
    switchboard(&[&arguments, more].concat())
}

#[test]
fn replaced_file_keeps_its_mode_group_and_owner() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("acme.swb"), folder.path().join("link.swb"));
    symlink("acme.swb", &link).unwrap();
    for mode in [0o640, 0o600, 0o664, 0o444] {
        fs::remove_file(&file).unwrap_or_default();
        fs::write(&file, "old").unwrap();
        if is_root() {
            chown(&file, Some(STRANGER), Some(OTHER_GROUP)).unwrap();
        }
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let old = fs::metadata(&file).unwrap();
        for output in [&file, &link] {
            let compiled = compile(registry.path(), output, &[]);
            assert!(compiled.status.success(), "{}", stderr(&compiled));
            let new = fs::metadata(&file).unwrap();
            assert_ne!(old.len(), new.len());
            let access = |of: &fs::Metadata| (of.mode(), of.uid(), of.gid());
            assert_eq!(access(&old), access(&new), "{mode:o}");
        }
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
}

/// An access list by which a stranger may read, in the form of the kernel: the version, then tag, permissions and
/// id of each entry.
fn access_list() -> Vec<u8> {
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, STRANGER), (4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
        list.extend(id.to_le_bytes());
    }
    list
}

#[test]
fn replaced_file_keeps_its_access_list() {
    const NAME: &str = "system.posix_acl_access";
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.swb");
    fs::write(&file, "old").unwrap();
    if setxattr(&file, NAME, &access_list(), XattrFlags::empty()) == Err(Errno::NOTSUP) {
        eprintln!("not tested: the file system has no access lists");
        return;
    }
    let output = compile(registry.path(), &file, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut list = [0; 256];
    let length = getxattr(&file, NAME, &mut list).unwrap();
    assert_eq!(list[..length], access_list());
}

#[test]
fn new_file_has_the_mode_of_the_umask() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let run = "umask 027; exec \"$0\" compile \"$1\" -o \"$2\"";
    let file = folder.path().join("acme.swb");
    let mut command = Command::new("sh");
    command.args(["-c", run, env!("CARGO_BIN_EXE_switchboard")]).arg(registry.path()).arg(&file);
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
}

/// A user who may write in the folder, but is not in the group of the file. Only root can become this user.
#[test]
fn group_that_cannot_be_kept_exits_3_and_nothing_is_written() {
    if !is_root() {
        return;
    }
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    open(registry.path());
    open(folder.path());
    chown(folder.path(), Some(STRANGER), Some(STRANGER)).unwrap();
    // The program may be in a folder that only root can enter.
    let program = folder.path().join("switchboard");
    fs::copy(env!("CARGO_BIN_EXE_switchboard"), &program).unwrap();
    let file = folder.path().join("acme.swb");
    fs::write(&file, "old").unwrap();
    chown(&file, Some(STRANGER), Some(OTHER_GROUP)).unwrap();
    let run = |groups: &[u32]| {
        let mut command = Command::new("setpriv");
        let ids = STRANGER.to_string();
        let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
        command.args(["--reuid", &ids, "--regid", &ids]);
        match groups.is_empty() {
            true => command.arg("--clear-groups"),
            false => command.args(["--groups", &groups.join(",")]),
        };
        command.arg(&program).arg("compile").arg(registry.path()).arg("-o").arg(&file).output().unwrap()
    };
    let refused = run(&[]);
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("the group 54322 and the mode 0644"), "{}", stderr(&refused));
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    let kept = run(&[OTHER_GROUP]);
    assert!(kept.status.success(), "{}", stderr(&kept));
    let new = fs::metadata(&file).unwrap();
    assert_eq!((new.uid(), new.gid()), (STRANGER, OTHER_GROUP));
}

#[test]
fn default_generation_is_greater_than_that_of_the_replaced_file() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.swb");
    assert!(compile(registry.path(), &file, &[]).status.success());
    let first = generation(&file);
    assert!(first > PAST_MS, "{first}");
    // The clock of the writer was far ahead.
    let ahead = 9_000_000_000_000_000;
    assert!(compile(registry.path(), &file, &["--generation", &ahead.to_string()]).status.success());
    assert!(compile(registry.path(), &file, &[]).status.success());
    assert_eq!(generation(&file), ahead + 1);
    // So was the writer of another format version, whose header has its generation at the same place.
    let mut other = fs::read(&file).unwrap();
    other[8] = 77;
    fs::write(&file, &other).unwrap();
    assert!(compile(registry.path(), &file, &[]).status.success());
    assert_eq!(generation(&file), ahead + 2);
    // A smaller generation is written if it is stated, with a warning.
    let stated = compile(registry.path(), &file, &["--generation", "5"]);
    assert!(stated.status.success() && stderr(&stated).contains("warning: "), "{}", stderr(&stated));
    assert_eq!(generation(&file), 5);
    // A file that is not a snapshot has no generation.
    fs::write(&file, [0xff; 100]).unwrap();
    assert!(compile(registry.path(), &file, &[]).status.success());
    assert!(generation(&file) < ahead);
    // The greatest generation has no successor.
    let last = i64::MAX.to_string();
    assert!(compile(registry.path(), &file, &["--generation", &last]).status.success());
    let none = compile(registry.path(), &file, &[]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert_eq!(generation(&file).to_string(), last);
}

#[test]
fn snapshot_as_source_gets_a_new_generation_and_nothing_else() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (old, new) = (at("old.swb"), at("new.swb"));
    assert!(compile(registry.path(), &old, &["--generation", "7"]).status.success());
    let copied = compile(&old, &new, &[]);
    assert!(copied.status.success(), "{}", stderr(&copied));
    assert!(generation(&new) > PAST_MS);
    let bytes = [&old, &new].map(|path| fs::read(path).unwrap());
    assert!(bytes[0][header::LEN..] == bytes[1][header::LEN..]);
    // The bytes are those of a compilation with the same generation.
    let again = at("again.swb");
    assert!(compile(&old, &again, &["--generation", "8"]).status.success());
    assert!(compile(registry.path(), &at("direct.swb"), &["--generation", "8"]).status.success());
    assert!(fs::read(&again).unwrap() == fs::read(at("direct.swb")).unwrap());
    // The source may be the output.
    assert!(compile(&new, &new, &["--generation", "9"]).status.success());
    assert_eq!(generation(&new), 9);
    // A damaged snapshot is not copied.
    let mut damaged = bytes[0].clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&old, damaged).unwrap();
    let refused = compile(&old, &new, &[]);
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert_eq!(generation(&new), 9);
}

#[test]
fn dash_is_standard_output() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let output = compile(registry.path(), Path::new("-"), &["--generation", "7"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let file = folder.path().join("acme.swb");
    assert!(compile(registry.path(), &file, &["--generation", "7"]).status.success());
    assert!(output.stdout == fs::read(&file).unwrap());
    let copied = compile(&file, Path::new("-"), &["--generation", "7"]);
    assert!(copied.stdout == output.stdout);
    // A full device is an error, and so is a closed pipe.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for output in [Stdio::from(full), Stdio::from(closed)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.arg("compile").arg(registry.path()).args(["-o", "-"]);
        let failed = command.stdout(output).output().unwrap();
        assert_eq!(failed.status.code(), Some(3), "{}", stderr(&failed));
    }
    // Errors in the registry leave standard output empty.
    edit(registry.path(), "acme/company.toml", "channel = \"line\"", "channel = \"lime\"");
    let refused = compile(registry.path(), Path::new("-"), &[]);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
}

#[test]
fn check_accepts_a_snapshot_and_runs_its_tests() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.swb");
    assert!(compile(registry.path(), &file, &[]).status.success());
    let path = file.to_str().unwrap();
    let output = switchboard(&["check", path]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("0 errors, 0 warnings; "), "{}", stdout(&output));
    assert!(stdout(&output).contains(" tests, 0 failed\nthe tests cover "), "{}", stdout(&output));
    assert_eq!(switchboard(&["check", path, "--fail-under", "100"]).status.code(), Some(1));
    fs::write(&file, "no snapshot").unwrap();
    assert_eq!(switchboard(&["check", path]).status.code(), Some(3));
}

#[test]
fn url_as_a_source_is_wrong_usage_and_is_not_repeated() {
    // A database and the release of a fleet are sources, but these servers do not run.
    for (url, code) in [
        ("postgres://reader:secret@127.0.0.1:9/registry", 3),
        ("postgres://reader:secret@127.0.0.1:9/registry?sslmode=full", 2),
        ("nats://user:secret@127.0.0.1:9", 3),
        ("https://secret/registry", 2),
    ] {
        for arguments in [
            &["check", url][..],
            &["compile", url, "-o", "/nowhere"],
            &["coverage", url],
            &["diff", url, url],
            &["select", "--registry", url, "channel=sms", "ou=emea", "country=GB"],
            &["explain", "--snapshot", url, "channel=sms", "ou=emea", "country=GB"],
        ] {
            let output = switchboard(arguments);
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
            assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
        }
    }
    let output = switchboard(&["inspect", "postgres://reader:secret@db/registry"]);
    assert!(output.status.code() == Some(2) && !stderr(&output).contains("secret"), "{}", stderr(&output));
}
