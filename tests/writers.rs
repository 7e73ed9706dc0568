//! Writers of a snapshot that are killed, run out of space, or run at the same time. The file is always the
//! whole old one or the whole new one, and no temporary file stays.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use switchboard_registry::Files;
use switchboard_snapshot::file;

use crate::expected::{self, acme};
use crate::harness::with_small_disk;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn compiled(registry: &Path, generation: u64) -> Vec<u8> {
    expected::compiled(&Files::read_dir(registry).unwrap(), generation).bytes().to_vec()
}

fn compile(registry: &Path, output: &Path, generation: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command.arg("compile").arg(registry).arg("-o").arg(output);
    command.args(["--generation", &generation.to_string()]).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

#[test]
fn killed_writer_leaves_the_old_file_or_the_new_one() {
    kill_writers(30);
}

#[test]
#[ignore = "long: 200 killed writers"]
fn killed_writer_leaves_the_old_file_or_the_new_one_long() {
    kill_writers(200);
}

fn kill_writers(kills: u64) {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("acme.swb");
    let started = Instant::now();
    assert!(compile(registry.path(), &output, 1).status().unwrap().success());
    let usual = started.elapsed();
    let mut there = compiled(registry.path(), 1);
    assert_eq!(fs::read(&output).unwrap(), there);
    let mut random = fastrand::Rng::with_seed(1);
    let (mut old, mut new, mut littered) = (0, 0, 0);
    for kill in 0..kills {
        let generation = kill + 2;
        let mut writer = compile(registry.path(), &output, generation).spawn().unwrap();
        let moment = Instant::now() + usual.mul_f64(random.f64());
        // Half of the writers die at a random moment, the other half while they write.
        while Instant::now() < moment + usual * (kill % 2) as u32 {
            if kill % 2 == 1 && names(folder.path()).len() > 1 || writer.try_wait().unwrap().is_some() {
                break;
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let now = fs::read(&output).unwrap();
        if now == there {
            old += 1;
        } else {
            there = compiled(registry.path(), generation);
            assert!(now == there, "neither the old file nor the new one, after kill {kill}");
            new += 1;
        }
        let litter = names(folder.path()).len() - 1;
        assert!(litter <= 1, "the next writer removes the temporary file of the last one");
        littered += litter;
    }
    println!(
        "{kills} writers killed: the old file {old} times, the new one {new} times; {littered} died writing"
    );
    assert!(littered > 0, "no writer died while it wrote, so the test shows little");
    assert!(compile(registry.path(), &output, 1000).status().unwrap().success());
    assert_eq!(names(folder.path()), ["acme.swb"]);
}

#[test]
fn write_beyond_the_file_size_limit_keeps_the_old_file() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("acme.swb");
    let old = compiled(registry.path(), 1);
    fs::write(&output, &old).unwrap();
    // Limits files to a few kilobytes. The signal is ignored, so that the write fails instead of the process.
    let script = r#"ulimit -f 8; exec "$0" "$@""#;
    let command = compile(registry.path(), &output, 2);
    let limited =
        Command::new("sh").args(["-c", script]).arg(command.get_program()).args(command.get_args()).output();
    assert_out_of_space(&limited.unwrap());
    assert_eq!(fs::read(&output).unwrap(), old);
    assert_eq!(names(folder.path()), ["acme.swb"]);
}

fn assert_out_of_space(output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(
        error.contains("acme.swb: ") && error.contains("nothing was replaced: free disk space"),
        "{error}"
    );
}

/// The disk has room for one and a half snapshots.
#[test]
fn write_to_a_full_disk_keeps_the_old_file() {
    let registry = acme();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let old = folder.path().join("old.swb");
    fs::write(&old, compiled(registry.path(), 1)).unwrap();
    let size = fs::metadata(&old).unwrap().size() * 3 / 2;
    let Some(words) = with_small_disk(&disk, size) else { return };
    let script = r#"cp "$D/../old.swb" "$D/acme.swb"
        "$0" "$@"; code=$?
        cmp "$D/../old.swb" "$D/acme.swb" || exit 98
        ls -A "$D" >&2
        exit $code"#;
    let command = compile(registry.path(), &disk.join("acme.swb"), 2);
    let run = Command::new(&words[0])
        .args(&words[1..])
        .args(["sh", "-c", script])
        .arg(command.get_program())
        .args(command.get_args())
        .env("D", &disk)
        .output()
        .unwrap();
    assert_out_of_space(&run);
    assert_eq!(String::from_utf8_lossy(&run.stderr).lines().last(), Some("acme.swb"));
}

#[test]
fn temporary_files_of_killed_writers_are_removed_and_locked_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.swb");
    let dead = [".a.swb.77.tmp", ".a.swb.4194304-0.tmp"];
    let others = [".a.swb.old.tmp", ".b.swb.77.tmp", "a.swb.77.tmp", ".a.swb.tmp", ".a.swb.1-0.tmp"];
    for name in dead.iter().chain(&others) {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    let living = fs::File::open(folder.path().join(".a.swb.1-0.tmp")).unwrap();
    living.lock().unwrap();
    file::write(&output, b"whole").unwrap();
    let mut left: Vec<&str> = others.into_iter().chain(["a.swb"]).collect();
    left.sort_unstable();
    assert_eq!(names(folder.path()), left);
}

#[test]
fn concurrent_writers_never_mix_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("a.swb");
    std::thread::scope(|threads| {
        for writer in 0..4u8 {
            let output = &output;
            threads.spawn(move || {
                for _ in 0..25 {
                    file::write(output, &vec![writer; 100_000]).unwrap();
                    let there = fs::read(output).unwrap();
                    assert!(there.len() == 100_000 && there.iter().all(|byte| *byte == there[0]));
                }
            });
        }
    });
    assert_eq!(names(folder.path()), ["a.swb"]);
}

#[test]
fn links_are_followed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("versions")).unwrap();
    symlink("versions/7.swb", at("current.swb")).unwrap();
    symlink("current.swb", at("served.swb")).unwrap();
    // At first the link has no target. Then its target is a file, whose permissions stay.
    for (bytes, mode) in [(b"first", 0o640), (b"other", 0o640)] {
        file::write(&at("served.swb"), bytes).unwrap();
        assert_eq!(fs::read(at("versions/7.swb")).unwrap(), bytes);
        fs::set_permissions(at("versions/7.swb"), fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(fs::metadata(at("versions/7.swb")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::read_link(at("served.swb")).unwrap(), Path::new("current.swb"));
    assert_eq!(
        (names(folder.path()), names(&at("versions"))),
        (["current.swb", "served.swb", "versions"].map(String::from).to_vec(), vec!["7.swb".to_owned()])
    );
    symlink("circle.swb", at("circle.swb")).unwrap();
    assert!(file::write(&at("circle.swb"), b"x").unwrap_err().to_string().contains("cycle"));
}

#[test]
fn pipes_folders_and_devices_are_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let before = Instant::now();
    for place in [pipe.as_path(), folder.path(), Path::new("/dev/full")] {
        assert!(
            file::write(place, b"x").unwrap_err().to_string().contains("regular file"),
            "{}",
            place.display()
        );
    }
    assert!(before.elapsed() < Duration::from_secs(10));
    let nowhere = folder.path().join("none/a.swb");
    assert!(file::write(&nowhere, b"x").unwrap_err().to_string().contains("create the folder first"));
}
