//! Small hand-written registries: one that uses every rule, and one with a single large group.

use std::fmt::Write as _;

use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::Files;
use switchboard_snapshot::{NoProgress, Snapshot};

use crate::NOW;

/// Countries, each with the prefix of its mobile numbers.
const COUNTRIES: [(&str, &str); 8] = [
    ("GB", "+44740"),
    ("DE", "+4915112"),
    ("FR", "+33612"),
    ("JP", "+819012"),
    ("US", "+1201"),
    ("CH", "+4178"),
    ("BR", "+551196"),
    ("IN", "+919812"),
];

/// A head office, and a branch with a mapping and a default country. [`small`] adds five OUs below the head
/// office, each of which falls back to its parent, and dedicated accounts. In total there are 1,000 accounts.
const COMPANY: &str = r#"
[[ou]]
id = "hq"
[[ou]]
id = "branch"
parent = "hq"
[[ou]]
id = "island"

[[pool]]
id = "hq-pool"
channel = "whatsapp"
ous = ["hq"]
[[pool]]
id = "branch-pool"
channel = "whatsapp"
ous = ["branch"]
default_country = "GB"
geography = { NL = "DE" }
[[pool]]
id = "island-pool"
channel = "whatsapp"
ous = ["island"]
"#;

/// Number of OUs below each other.
const FLOORS: usize = 5;

/// Returns a snapshot of 1,000 accounts that uses every rule.
pub fn small() -> Snapshot {
    let mut company = COMPANY.to_owned();
    let mut accounts = Accounts::default();
    for floor in 1..=FLOORS {
        let parent = if floor == 1 { "hq".to_owned() } else { format!("floor-{}", floor - 1) };
        let _ = write!(
            company,
            "[[ou]]\nid = \"floor-{floor}\"\nparent = \"{parent}\"\n\
             [[pool]]\nid = \"floor-{floor}-pool\"\nchannel = \"whatsapp\"\nous = [\"floor-{floor}\"]\n\
             fallback_upward = true\n"
        );
        accounts.pool(&format!("floor-{floor}-pool"), &[("JP", 10)]);
    }
    accounts.pool("branch-pool", &[("GB", 20), ("DE", 20), ("FR", 20)]);
    accounts.pool("island-pool", &[("JP", 20)]);
    accounts.pool("hq-pool", &[("US", 200), ("CH", 200), ("BR", 200), ("IN", 192)]);
    accounts.dedicated(70);
    compiled(&company, accounts)
}

/// Returns a snapshot of one OU and one pool, with this many equal accounts of one country.
pub fn crowd(size: usize) -> Snapshot {
    let company =
        "[[ou]]\nid = \"crowd\"\n[[pool]]\nid = \"crowd-pool\"\nchannel = \"whatsapp\"\nous = [\"crowd\"]\n";
    let mut accounts = Accounts::default();
    accounts.pool("crowd-pool", &[("GB", size)]);
    compiled(company, accounts)
}

fn compiled(company: &str, accounts: Accounts) -> Snapshot {
    let files = Files::from_iter([
        ("bench/company.toml", company.as_bytes()),
        ("bench/accounts.csv", accounts.csv.as_bytes()),
    ]);
    match build_snapshot(&files, 1, UnixSeconds(NOW), BuildMode::Strict, &NoProgress) {
        Ok(compiled) => compiled.snapshot,
        Err(refused) => panic!("the benchmark's registry has errors: {:?}", refused.findings),
    }
}

struct Accounts {
    csv: String,
    count: usize,
}

impl Default for Accounts {
    fn default() -> Accounts {
        Accounts { csv: "id,channel,role,address,country,pool,user\n".to_owned(), count: 0 }
    }
}

impl Accounts {
    /// Adds accounts to a pool: for each country this many, and one primary account, which the channel
    /// requires.
    fn pool(&mut self, pool: &str, countries: &[(&str, usize)]) {
        for (at, (country, count)) in countries.iter().enumerate() {
            if at == 0 {
                self.line("primary", country, pool, "");
            }
            for _ in 0..*count {
                self.line("secondary", country, pool, "");
            }
        }
    }

    fn dedicated(&mut self, users: usize) {
        for user in 0..users {
            self.line("", "GB", "", &format!("user-{user}"));
        }
    }

    fn line(&mut self, role: &str, country: &str, pool: &str, user: &str) {
        let known = COUNTRIES.iter().find(|(code, _)| *code == country);
        let prefix = known.map(|(_, prefix)| *prefix).unwrap_or_default();
        let at = self.count;
        self.count += 1;
        let _ = writeln!(self.csv, "wa-{at:05},whatsapp,{role},{prefix}{at:05},{country},{pool},{user}");
    }
}
