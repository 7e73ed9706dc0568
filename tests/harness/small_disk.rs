use std::path::Path;
use std::process::Command;

/// Returns the words that run a program with a disk of its own, of this size, at a folder. Root mounts the disk in a
/// mount namespace, and others do so in a user namespace. Returns `None` where neither is allowed. Where `CI` is set,
/// fails instead.
pub(crate) fn with_small_disk(folder: &Path, bytes: u64) -> Option<Vec<String>> {
    let mount = format!("mount -t tmpfs -o size={bytes} none {} && exec \"$0\" \"$@\"", folder.display());
    let mut failures = String::new();
    for way in [["unshare", "--mount"].as_slice(), &["unshare", "--user", "--map-root-user", "--mount"]] {
        let words = [way, &["sh", "-c", &mount]].concat();
        match Command::new(words[0]).args(&words[1..]).arg("true").output() {
            Ok(output) if output.status.success() => {
                return Some(words.into_iter().map(str::to_owned).collect());
            }
            Ok(output) => failures.push_str(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => failures.push_str(&format!("unshare: {error}\n")),
        }
    }
    let missing = format!(
        "no disk can be mounted: run the test as root with CAP_SYS_ADMIN, or allow user namespaces:\n{failures}"
    );
    if cfg!(ci) {
        panic!("{missing}");
    }
    println!("skipped: {missing}");
    None
}
