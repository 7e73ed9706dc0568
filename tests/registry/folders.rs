//! Folders on disk: which files are read, which files are ignored, and how stamps detect changes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use switchboard_registry::{Code, Files, ReadLimits, Stamp};

use super::base::{printed, read_and_check, sound};

fn write(root: &Path) {
    for (path, text) in sound() {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn names(files: &Files) -> Vec<&str> {
    files.iter().map(|(path, _)| &**path).collect()
}

const SOUND: [&str; 5] =
    ["acme/accounts.csv", "acme/company.toml", "acme/ous.csv", "acme/tests.toml", "channels.toml"];

#[test]
fn ignored_files_change_neither_files_nor_digest() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    let sound = Files::read_dir(root.path()).unwrap();
    for ignored in [
        ".DS_Store",
        "acme/.accounts.csv.swp",
        "acme/accounts.csv~",
        "README",
        "readme.txt",
        "acme/notes.md",
        "acme/#company.toml#",
        "acme/x.swp",
        "acme/~$accounts.csv",
        "acme/.~lock.accounts.csv#",
        "acme/Thumbs.db",
        "acme/upload.csv.part",
        "acme/accounts.csv.crdownload",
        "acme/~syncthing~accounts.csv.tmp",
        "acme/7F3A10C2",
        "CODEOWNERS",
        "LICENSE",
        "License-MIT.txt",
        "old.swb",
        "desktop.ini",
    ] {
        fs::write(root.path().join(ignored), "x").unwrap();
    }
    for folder in ["lost+found", "@eaDir", "acme/@eaDir", "point.md", ".acme.new", "acme/.old"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    fs::write(root.path().join("@eaDir/accounts.csv@SynoEAStream"), "x").unwrap();
    fs::write(root.path().join(".acme.new/accounts.csv"), "x").unwrap();
    fs::write(root.path().join("acme/.old/company.toml"), "x").unwrap();
    symlink("nowhere", root.path().join(".link")).unwrap();
    fs::create_dir(root.path().join(".git")).unwrap();
    fs::write(root.path().join(".git/config"), "x").unwrap();
    let files = Files::read_dir(root.path()).unwrap();
    assert_eq!(names(&files), SOUND);
    assert_eq!(files.digest(), sound.digest());
}

/// The name of a folder does not decide whether it is a company.
#[test]
fn folder_with_a_company_file_is_a_company_whatever_its_name() {
    let names = [
        "point.md",
        "readme-bank",
        "x.swb",
        "x~",
        "~$bank",
        "#x#",
        "license",
        "a.tmp",
        "4913",
        "bank",
        ".acme",
    ];
    let root = tempfile::tempdir().unwrap();
    for name in names {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("company.toml"), "[[ou]]\nid = \"a\"\n").unwrap();
    }
    let (registry, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    assert!(findings.is_empty(), "{}", printed(&findings));
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(registry.companies.iter().map(|company| &*company.id).collect::<Vec<_>>(), sorted);

    // Without its settings, the folder still does not vanish. An id that no company can have is an error.
    fs::remove_file(root.path().join("point.md/company.toml")).unwrap();
    fs::write(root.path().join("point.md/accounts.csv"), "id,channel,address\n").unwrap();
    fs::rename(root.path().join("bank"), root.path().join("my bank")).unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(
        found,
        [
            (Code::InvalidId, "my bank/company.toml:1".to_owned()),
            (Code::MissingFile, "point.md/company.toml:1".to_owned()),
        ]
    );
}

/// A folder of a name that is passed over is no place where a misnamed file may hide a company.
#[test]
fn misnamed_file_is_an_error_in_every_folder() {
    for (path, is_found) in [
        ("z.md/Company.toml", true),
        ("@eaDir/company.tml", true),
        ("x~/Accounts.csv", true),
        (".acme/Company.toml", true),
        (".acme/accounts.csv", false),
        ("..data/company.toml", false),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(root.path());
        fs::create_dir(root.path().join(path).parent().unwrap()).unwrap();
        fs::write(root.path().join(path), "").unwrap();
        let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
        let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
        let wanted: &[_] = &[(Code::UnknownFile, format!("{path}:1"))];
        assert_eq!(found, if is_found { wanted } else { &[] }, "{path}");
    }
}

#[test]
fn registry_of_stray_files_only_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("notes.txt"), "x").unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    let found: Vec<_> = findings.iter().map(|it| it.code).collect();
    assert_eq!(found, [Code::Empty, Code::StrayFile], "{}", printed(&findings));
}

#[test]
fn link_without_a_target_stops_only_the_files_of_a_registry() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    symlink("nowhere", root.path().join("acme/old.txt")).unwrap();
    symlink("ann@host.123", root.path().join("acme/~$accounts.csv")).unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(found, [(Code::StrayFile, "acme/old.txt:1".to_owned())]);
    symlink("nowhere", root.path().join("bank")).unwrap();
    symlink("loop.txt", root.path().join("loop.txt")).unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    let stray = |place: &str| (Code::StrayFile, place.to_owned());
    assert_eq!(found, [stray("acme/old.txt:1"), stray("bank:1"), stray("loop.txt:1")]);
    assert!(printed(&findings).contains("`bank` is a link without a target"));

    symlink("nowhere", root.path().join("Channels.toml")).unwrap();
    fs::remove_file(root.path().join("channels.toml")).unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    assert!(findings.iter().any(|it| it.code == Code::UnknownFile), "{}", printed(&findings));
    fs::create_dir(root.path().join("channels.toml")).unwrap();
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    assert!(
        findings.iter().any(|it| it.code == Code::UnknownFile && it.place.to_string() == "channels.toml:1")
    );
    fs::remove_dir(root.path().join("channels.toml")).unwrap();
    symlink("nowhere", root.path().join("channels.toml")).unwrap();
    assert_eq!(&*Files::read_dir(root.path()).unwrap_err().path, "channels.toml");
}

#[test]
fn file_above_the_limit_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    let accounts = root.path().join("acme/accounts.csv");
    // A file with a hole takes no space on the disk.
    fs::File::create(&accounts).unwrap().set_len((256 << 20) + 1).unwrap();
    let files = Files::read_dir(root.path()).unwrap();
    assert_eq!(files.get("acme/accounts.csv"), None);
    let (_, findings) = read_and_check(&files);
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(found, [(Code::Limit, "acme/accounts.csv:1".to_owned())], "{}", printed(&findings));
    assert!(printed(&findings).contains("has 268435457 bytes, but at most 268435456"));
    // The size is part of the digest.
    fs::File::create(&accounts).unwrap().set_len((256 << 20) + 2).unwrap();
    assert_ne!(Files::read_dir(root.path()).unwrap().digest(), files.digest());

    fs::write(&accounts, "id,channel,address\n").unwrap();
    let read = |max_file_bytes| Files::read_dir_within(root.path(), ReadLimits { max_file_bytes }).unwrap();
    assert!(read(19).get("acme/accounts.csv").is_some());
    assert!(read(18).get("acme/accounts.csv").is_none());
}

#[test]
fn links_of_mounted_volumes_are_followed() {
    let root = tempfile::tempdir().unwrap();
    let version = root.path().join("..2026_01_01");
    fs::create_dir(&version).unwrap();
    write(&version);
    symlink("..2026_01_01", root.path().join("..data")).unwrap();
    symlink("..data/acme", root.path().join("acme")).unwrap();
    symlink("..data/channels.toml", root.path().join("channels.toml")).unwrap();
    // A volume of one company, whose versions have the files themselves.
    fs::write(version.join("company.toml"), "").unwrap();
    let files = Files::read_dir(root.path()).unwrap();
    assert_eq!(names(&files), SOUND);
    let (_, findings) = read_and_check(&files);
    assert!(findings.is_empty(), "{}", printed(&findings));

    // A mounted volume is updated by one rename of `..data`.
    let before = Stamp::from_dir(root.path()).unwrap();
    let next = root.path().join("..2026_01_02");
    fs::create_dir(&next).unwrap();
    write(&next);
    symlink("..2026_01_02", root.path().join("..data_tmp")).unwrap();
    fs::rename(root.path().join("..data_tmp"), root.path().join("..data")).unwrap();
    assert_ne!(Stamp::from_dir(root.path()).unwrap(), before);
    assert_eq!(Files::read_dir(root.path()).unwrap().digest(), files.digest());
}

#[test]
fn folders_and_pipes_in_place_of_files_are_reported_and_never_opened() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    symlink(".", root.path().join("acme/loop")).unwrap();
    let _pipe = std::os::unix::net::UnixListener::bind(root.path().join("acme/accounts.sock")).unwrap();
    fs::write(root.path().join("company.toml"), "x").unwrap();
    // A folder or a pipe with a file's name must not be read as an empty file.
    fs::remove_file(root.path().join("acme/accounts.csv")).unwrap();
    fs::create_dir(root.path().join("acme/accounts.csv")).unwrap();
    fs::remove_file(root.path().join("acme/tests.toml")).unwrap();
    let pipe = Command::new("mkfifo").arg(root.path().join("acme/tests.toml")).status();
    assert!(pipe.unwrap().success());
    let (_, findings) = read_and_check(&Files::read_dir(root.path()).unwrap());
    let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
    assert_eq!(
        found,
        [
            (Code::UnknownFile, "acme/accounts.csv:1".to_owned()),
            (Code::StrayFile, "acme/accounts.sock:1".to_owned()),
            (Code::StrayFile, "acme/loop:1".to_owned()),
            (Code::UnknownFile, "acme/tests.toml:1".to_owned()),
            (Code::UnknownFile, "company.toml:1".to_owned()),
        ]
    );
}

#[test]
fn missing_folder_is_a_read_error() {
    let root = tempfile::tempdir().unwrap();
    let absent = Files::read_dir(&root.path().join("absent")).unwrap_err();
    assert_eq!(&*absent.path, ".");
    assert!(Stamp::from_dir(&root.path().join("absent")).is_err());
    let finding = absent.finding();
    assert_eq!((finding.code, finding.place.to_string().as_str()), (Code::Unreadable, ".:1"));
    assert!(!finding.message.is_empty() && !finding.help.is_empty());
}

/// The files of the other companies are read, and no finding follows from the absent content.
#[test]
fn file_of_a_company_that_cannot_be_read_is_a_finding_of_that_company() {
    for name in ["company.toml", "ous.csv", "accounts.csv", "tests.toml"] {
        for target in ["nowhere", name] {
            let root = tempfile::tempdir().unwrap();
            write(root.path());
            let before = Files::read_dir(root.path()).unwrap().digest();
            fs::create_dir(root.path().join("bank")).unwrap();
            fs::write(root.path().join("bank/company.toml"), "[[ou]]\nid = \"a\"\n").unwrap();
            let path = root.path().join("acme").join(name);
            fs::remove_file(&path).unwrap();
            symlink(target, &path).unwrap();
            let stamp = Stamp::from_dir(root.path()).unwrap();
            let files = Files::read_dir(root.path()).unwrap();
            assert_ne!(files.digest(), before);
            let (registry, findings) = read_and_check(&files);
            let found: Vec<_> = findings.iter().map(|it| (it.code, it.place.to_string())).collect();
            assert_eq!(found, [(Code::Unreadable, format!("acme/{name}:1"))], "{}", printed(&findings));
            let said = printed(&findings);
            assert!(said.contains(&format!("`{name}` is a link without a target: ")), "{said}");
            assert_eq!(registry.companies.len(), 2);
            // The target appears.
            if target == "nowhere" {
                fs::write(root.path().join("acme/nowhere"), "").unwrap();
                assert_ne!(Stamp::from_dir(root.path()).unwrap(), stamp);
                let files = Files::read_dir(root.path()).unwrap();
                assert_eq!(files.get(&format!("acme/{name}")), Some(&b""[..]));
            }
        }
    }
}

#[test]
fn stamps_differ_after_every_kind_of_change() {
    let root = tempfile::tempdir().unwrap();
    write(root.path());
    let accounts = root.path().join("acme/accounts.csv");
    let first = Stamp::from_dir(root.path()).unwrap();
    assert_eq!(Stamp::from_dir(root.path()).unwrap(), first);

    // The new content has the same length, and the file gets its old time of modification.
    let modified = fs::metadata(&accounts).unwrap().modified().unwrap();
    let text = fs::read_to_string(&accounts).unwrap().replace("wa-gb-1", "wa-gb-2");
    fs::write(&accounts, text).unwrap();
    fs::File::options().write(true).open(&accounts).unwrap().set_modified(modified).unwrap();
    let second = Stamp::from_dir(root.path()).unwrap();
    assert_ne!(second, first);

    fs::create_dir(root.path().join("bank")).unwrap();
    assert_eq!(Stamp::from_dir(root.path()).unwrap(), second);
    fs::write(root.path().join("bank/company.toml"), "").unwrap();
    assert_ne!(Stamp::from_dir(root.path()).unwrap(), second);
}

#[test]
fn digests_distinguish_paths_from_contents() {
    let files = |pairs: &[(&'static str, &'static str)]| pairs.iter().copied().collect::<Files>();
    assert_ne!(files(&[("ab", "c")]).digest(), files(&[("a", "bc")]).digest());
    assert_ne!(files(&[("a", "")]).digest(), files(&[]).digest());
    assert_eq!(files(&[]).digest(), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
}

/// The program runs as a user who owns nothing, because permissions mean nothing to root.
#[test]
fn missing_permission_is_a_finding_of_the_company() {
    const STRANGER: u32 = 54321;
    let root = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(root.path(), 0o755);
    write(root.path());
    // The program may be in a folder that only root can enter.
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    let program = folder.path().join("switchboard");
    fs::copy(env!("CARGO_BIN_EXE_switchboard"), &program).unwrap();
    let check = || {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            let id = STRANGER.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output = command.args(["check", "--format", "json"]).arg(root.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check().0, Some(0));
    for (path, place, message) in [
        ("acme/accounts.csv", "acme/accounts.csv", "`accounts.csv` cannot be read: Permission denied"),
        ("acme", "acme/company.toml", "the folder `acme` cannot be read: Permission denied"),
    ] {
        let path = root.path().join(path);
        let stamp = Stamp::from_dir(root.path()).unwrap();
        mode(&path, 0);
        let (code, found) = check();
        assert!(found.contains(place) && found.contains(message), "{found}");
        assert_eq!((code, found.matches("\"code\"").count()), (Some(1), 1), "{found}");
        // Root still lists the folder, so that only the file has another stamp for this process.
        assert!(path.is_dir() || Stamp::from_dir(root.path()).unwrap() != stamp);
        mode(&path, if path.is_dir() { 0o755 } else { 0o644 });
    }
}
