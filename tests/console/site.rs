//! A daemon whose console the scripts use, with its registry and principals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use generator::{RegistryArguments, generate_registry};
use switchboard::access::Token;
use tempfile::TempDir;

use crate::harness::{DaemonProcess, get, wait_within};

/// Time in which a million accounts are read and compiled on a slow machine.
const MAX_START: Duration = Duration::from_secs(120);
/// The permissions of a person who may do everything.
const EVERYTHING: &str = r#"["select", "explain", "read", "standings", "metrics"]"#;

/// Ids have printable ASCII without space, comma, slash and quotes. Names may have any character.
const HOSTILE_COMPANY: &str = r#"
name = "\"><img src=x onerror=alert(1)> مرحبا \u202Egnp"

[[ou]]
id = "<script>alert(1)<"
name = "<script>alert('name')</script> שלום"

[[ou]]
id = "a?b#c&d=e+f%20;"
parent = "<script>alert(1)<"

[[ou]]
id = "__proto__"
parent = "a?b#c&d=e+f%20;"

[[pool]]
id = "${alert(1)}"
channel = "whatsapp"
ous = ["<script>alert(1)<"]
default_country = "GB"
fallback_upward = true

[[pool]]
id = "constructor"
channel = "whatsapp"
ous = ["__proto__"]
fallback_upward = true
"#;
const HOSTILE_ACCOUNTS: &str = "\
id,channel,role,address,country,pool,user
<script>alert(2)<,whatsapp,primary,+447400123401,,${alert(1)},
a?b#c&d=e+f%20;,whatsapp,secondary,+447400123402,,${alert(1)},
__proto__,whatsapp,secondary,+4915123456701,,constructor,
%2e%2e,whatsapp,primary,+4915123456702,,constructor,
..,whatsapp,secondary,+4915123456703,,constructor,
<img>,whatsapp,,+447400123403,,,שלום@bank.example
`{{7*7}}`,whatsapp,,+447400123404,,,\"o'neil\"\"<script>alert(3)</script>\"
";

/// A daemon with files of its own.
pub(crate) struct Site {
    folder: TempDir,
    /// What the scripts know: names and values of environment variables.
    known: Vec<(&'static str, String)>,
    daemon: Option<DaemonProcess>,
}

impl Site {
    /// Serves a copy of the demo, without principals.
    pub(crate) fn open() -> Site {
        let site = Site::new();
        site.copy_demo();
        site.start(&[])
    }

    /// Serves a copy of the demo to principals: `CONSOLE_FULL` has a token for everything, `CONSOLE_ONE_COMPANY` one for the company
    /// acme, and `CONSOLE_READ` one that may only read.
    pub(crate) fn guarded() -> Site {
        let mut site = Site::new();
        site.copy_demo();
        let mut text = String::new();
        for (name, variable, companies, allow) in [
            ("on-call", "CONSOLE_FULL", r#"["*"]"#, EVERYTHING),
            ("acme-desk", "CONSOLE_ONE_COMPANY", r#"["acme"]"#, r#"["explain", "read", "standings"]"#),
            ("auditor", "CONSOLE_READ", r#"["*"]"#, r#"["read"]"#),
        ] {
            let token = Token::random().unwrap();
            text += &format!(
                "[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{}\"]\ncompanies = {companies}\nallow = {allow}\n",
                token.sha256()
            );
            site.known.push((variable, token.as_str().to_owned()));
        }
        let principals = site.path("principals.toml");
        fs::write(&principals, text).unwrap();
        site.start(&["--principals", &principals])
    }

    /// Serves a registry whose ids and names look like HTML, like parts of a URL, and are written from right to left.
    pub(crate) fn with_hostile_names() -> Site {
        let site = Site::new();
        // A folder has the id of its company as its name.
        let company = site.registry().join("<b>&amp;");
        fs::create_dir(&company).unwrap();
        fs::write(company.join("company.toml"), HOSTILE_COMPANY).unwrap();
        fs::write(company.join("accounts.csv"), HOSTILE_ACCOUNTS).unwrap();
        site.start(&[])
    }

    /// Serves a generated registry. `CONSOLE_LIMIT_MS` has the time that a view may take.
    pub(crate) fn large(accounts: usize, ous: usize, limit: Duration) -> Site {
        let mut site = Site::new();
        let output = site.registry();
        let arguments = RegistryArguments { accounts, ous, pools: ous / 5, companies: 1, seed: 1, output };
        generate_registry(&arguments).unwrap();
        site.known.push(("CONSOLE_LIMIT_MS", limit.as_millis().to_string()));
        site.start(&[])
    }

    fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("registry")).unwrap();
        Site { folder, known: Vec::new(), daemon: None }
    }

    fn registry(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn copy_demo(&self) {
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo"), &self.registry());
    }

    fn start(mut self, arguments: &[&str]) -> Site {
        let (registry, state) = (self.path("registry"), self.path("state"));
        let all = [&["--registry", &registry, "--state", &state], arguments].concat();
        let daemon = DaemonProcess::start(&all);
        wait_within(
            MAX_START,
            || "a snapshot is in service".to_owned(),
            || get(&daemon.admin, "/readyz").0 == 200,
        );
        self.known.push(("CONSOLE_URL", format!("http://{}", daemon.admin)));
        self.known.push(("CONSOLE_REGISTRY", registry));
        self.daemon = Some(daemon);
        self
    }

    /// Runs a script of this folder. Fails with what it printed, unless it ends with exit code 0.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) {
        let output = Command::new("node")
            .arg(script_folder().join(format!("{script}.js")))
            .env("CONSOLE_PICTURES", concat!(env!("CARGO_TARGET_TMPDIR"), "/console"))
            .envs(self.known.iter().map(|(name, value)| (name, value)))
            .output()
            .expect("node starts; install it with apt-get install nodejs");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(output.status.success(), "{script}.js: {}\n{printed}", output.status);
        println!("{printed}");
    }
}

fn script_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
