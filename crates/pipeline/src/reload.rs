//! Builds a snapshot at a reload. A company whose newest files are broken, or from which suspiciously much
//! disappeared, is held back: its version in service stays, and the others are built.

use std::collections::BTreeMap;
use std::fmt;

use super::build::{
    BuildFailure, BuildMode, BuiltSnapshot, LoadStage, StageClock, build_checked, read_checked,
};
use super::self_test;
use switchboard_model::UnixSeconds;
use switchboard_registry::{
    self as registry, Code, Files, Finding, Findings, Place, Registry, Severity, Test,
};
use switchboard_snapshot::view::CompanyRef;
use switchboard_snapshot::{CompanyIdx, Decompiler, Progress, RejectionStage, Snapshot, header};

/// The number of accounts from which the guard compares a company's accounts.
const MIN_GUARDED_ACCOUNTS: usize = 10;

/// The result of a reload that is not rejected as a whole.
pub struct Reload {
    /// The companies that are held back, in the order of their ids.
    pub held_back: Vec<HeldBack>,
    /// The snapshot to publish. `None` if every change is held back, so that nothing is new.
    pub built: Option<BuiltSnapshot>,
    /// The findings about all files, including those of companies that are held back. Empty at a start.
    pub findings: Findings,
}

/// A company that is held back. Its version in service stays. A company that is not in service yet stays
/// absent.
pub struct HeldBack {
    /// The id of the company.
    pub company: String,
    /// The cause.
    pub cause: HoldCause,
}

/// The cause for which a company is held back.
pub enum HoldCause {
    /// The company's files have errors, or its tests fail. The findings are those of the company.
    Findings(Findings),
    /// The guard refuses the change.
    Guard(GuardRefusal),
}

/// A change that the guard refuses, because a mistake is more probable than an intention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardRefusal {
    /// The company has no files any more.
    Disappeared {
        /// Number of accounts in service.
        accounts: usize,
    },
    /// More than half of the company's accounts disappeared.
    AccountsDisappeared {
        /// Number of accounts in service.
        accounts: usize,
        /// Number of these accounts that are not in the files any more.
        gone: usize,
    },
}

/// Builds a snapshot from a registry's files while `in_service` is served. With `is_confirmed`, nothing is
/// guarded.
///
/// # Errors
/// Fails if files outside the companies' folders have errors, or if the version in service of a company that
/// is held back does not pass together with the other files. Nothing must be published then.
pub fn build_reload(
    files: &Files,
    in_service: &Snapshot,
    is_confirmed: bool,
    generation: u64,
    now: UnixSeconds,
    progress: &dyn Progress,
) -> Result<Reload, BuildFailure> {
    let mut failed_tests = Findings::default();
    // If tests fail, the files are read again, because the first build has consumed the registry.
    loop {
        let mut clock = StageClock::new();
        let (mut registry, mut findings) = read_checked(files, progress);
        clock.lap(LoadStage::Read);
        findings.append(&failed_tests);
        let failure = |findings| Err(BuildFailure { findings, tests: 0, failed: 0 });
        let mut errors = findings.iter().filter(|finding| is_error(finding));
        // An empty folder is the guard's concern: the companies in it disappeared.
        if errors.any(|finding| finding.place.company().is_none() && !is_empty_registry(finding)) {
            return failure(findings);
        }
        let held_back = held_back(&registry, &findings, in_service, is_confirmed);
        let is_held = |id: &str| held_back.binary_search_by(|held| held.company.as_str().cmp(id)).is_ok();
        registry.companies.retain(|company| !is_held(&company.id));
        let restored = match restore(&held_back, &registry, in_service) {
            Ok(restored) => restored,
            Err(mut faults) => {
                faults.append(&findings);
                return failure(faults);
            }
        };
        if registry.companies.is_empty() && restored.is_empty() {
            if findings.errors() == 0 {
                let help = "create a folder named after the company, with a `company.toml` in it";
                findings.add(&Place::file("."), Code::Empty, "the registry has no company", help);
            }
            return failure(findings);
        }
        // A confirmed removal is new although every other company is held back.
        let is_nothing_new = registry.companies.is_empty()
            && restored.len() == in_service.counts().companies
            && has_same_channels(&registry, in_service);
        if is_nothing_new {
            return Ok(Reload { held_back, built: None, findings });
        }
        registry.companies.extend(restored);
        registry.companies.sort_by(|a, b| a.id.cmp(&b.id));
        let of_others = findings.filtered(|company, code| match company {
            Some(company) => !is_held(company),
            None => code != Code::Empty,
        });
        match build_checked(registry, of_others, generation, now, BuildMode::Serve, progress, clock) {
            Ok(built) => {
                let is_new = held_back.is_empty() || body(&built.snapshot) != body(in_service);
                return Ok(Reload { held_back, built: is_new.then_some(built), findings });
            }
            Err(failed) => {
                let mut errors = failed.findings.iter().filter(|finding| is_error(finding));
                if !errors.all(|it| {
                    it.code == Code::FailedTest && it.place.company().is_some_and(|id| !is_held(id))
                }) {
                    return Err(failed);
                }
                failed_tests.append(&failed.findings.filtered(|_, code| code.severity() == Severity::Error));
            }
        }
    }
}

/// Returns the companies to hold back, in the order of their ids.
fn held_back(
    registry: &Registry,
    findings: &Findings,
    in_service: &Snapshot,
    is_confirmed: bool,
) -> Vec<HeldBack> {
    let cause = |(company, own)| (company, HoldCause::Findings(own));
    let mut causes: BTreeMap<&str, HoldCause> = findings.errors_by_company().into_iter().map(cause).collect();
    for company in in_service.companies() {
        if is_confirmed || causes.contains_key(company.id()) {
            continue;
        }
        let new = registry.companies.binary_search_by(|new| (*new.id).cmp(company.id()));
        let new = new.ok().and_then(|at| registry.companies.get(at));
        if let Some(refusal) = guard(in_service, company.idx(), new) {
            causes.insert(company.id(), HoldCause::Guard(refusal));
        }
    }
    let held = |(company, cause): (&str, HoldCause)| HeldBack { company: company.to_owned(), cause };
    causes.into_iter().map(held).collect()
}

/// Compares a company in service with its new version. Returns the reason if the guard refuses the change.
fn guard(
    in_service: &Snapshot,
    company: CompanyIdx,
    new: Option<&registry::Company>,
) -> Option<GuardRefusal> {
    let accounts = in_service.company(company).account_count();
    let Some(new) = new else { return Some(GuardRefusal::Disappeared { accounts }) };
    let is_kept = |account: &&registry::Account| in_service.find_account(company, &account.id).is_some();
    refusal(accounts, new.accounts.iter().filter(is_kept).count())
}

/// Compares the number of a company's accounts in service with the number of those that stay.
fn refusal(accounts: usize, kept: usize) -> Option<GuardRefusal> {
    let gone = accounts.saturating_sub(kept);
    let is_refused = accounts >= MIN_GUARDED_ACCOUNTS && gone * 2 > accounts;
    is_refused.then_some(GuardRefusal::AccountsDisappeared { accounts, gone })
}

/// Compares a snapshot in service with the one that is to replace it. Returns the companies that a reload would hold
/// back, in the order of their ids.
pub fn guard_snapshot(in_service: &Snapshot, new: &Snapshot) -> Vec<(String, GuardRefusal)> {
    let refused = |company: CompanyRef<'_>| {
        let accounts = company.account_count();
        let refusal = match new.find_company(company.id()) {
            None => Some(GuardRefusal::Disappeared { accounts }),
            Some(other) => {
                let is_kept = |id: &str| new.find_account(other, id).is_some();
                let ids = in_service.accounts_of(company.idx());
                refusal(accounts, ids.filter(|(_, account)| is_kept(account.id())).count())
            }
        };
        Some((company.id().to_owned(), refusal?))
    };
    in_service.companies().filter_map(refused).collect()
}

/// Returns the versions in service of the companies that are held back and in service.
///
/// # Errors
/// Returns the findings about them if they do not pass with the channels of the registry.
fn restore(
    held_back: &[HeldBack],
    registry: &Registry,
    in_service: &Snapshot,
) -> Result<Vec<registry::Company>, Findings> {
    let mut faults = Findings::default();
    let mut restored = Registry { channels: registry.channels.clone(), companies: Vec::new() };
    if held_back.is_empty() {
        return Ok(restored.companies);
    }
    let decompiler = Decompiler::new(in_service);
    let mut tests = tests_by_company(in_service);
    for held in held_back {
        let Some(company) = in_service.find_company(&held.company) else { continue };
        match decompiler.company(company, &registry.channels) {
            Ok(mut company) => {
                company.tests = tests.remove(&held.company).unwrap_or_default();
                restored.companies.push(company);
            }
            Err(error) => {
                let help = "put the channel back, or repair the newest files of the company";
                let place = Place::file("channels.toml");
                faults.add(&place, Code::UnknownChannel, error.to_string(), help);
            }
        }
    }
    if restored.companies.is_empty() {
        return if faults.is_empty() { Ok(Vec::new()) } else { Err(faults) };
    }
    let mut checked = Findings::default();
    registry::check(&restored, &mut checked);
    for finding in checked.iter().filter(|finding| is_error(finding)) {
        let message =
            format!("in the version in service, which stays while the files are broken: {}", finding.message);
        faults.add(&finding.place, finding.code, message, &*finding.help);
    }
    if faults.is_empty() { Ok(restored.companies) } else { Err(faults) }
}

/// Returns the tests that a snapshot carries, by company.
fn tests_by_company(snapshot: &Snapshot) -> BTreeMap<String, Vec<Test>> {
    let mut tests: BTreeMap<String, Vec<Test>> = BTreeMap::new();
    for test in snapshot.tests() {
        let place = Place::file(format!("{}/tests.toml", test.company));
        let (name, query, expect) =
            (test.name.into(), test.query.into(), self_test::parse_expectation(&test.expect));
        tests.entry(test.company).or_default().push(Test { name, query, expect, place });
    }
    tests
}

/// Returns everything in the file of a snapshot that does not depend on its generation.
fn body(snapshot: &Snapshot) -> &[u8] {
    snapshot.bytes().get(header::LEN..).unwrap_or_default()
}

fn has_same_channels(registry: &Registry, in_service: &Snapshot) -> bool {
    let new = registry.channels.iter().map(|channel| (&*channel.id, channel.conversation_role));
    new.eq(in_service.channels().map(|channel| (channel.id(), channel.conversation_role())))
}

fn is_error(finding: &Finding) -> bool {
    finding.code.severity() == Severity::Error
}

fn is_empty_registry(finding: &Finding) -> bool {
    finding.code == Code::Empty && &*finding.place.file == "."
}

/// Returns the number of errors for display, such as `1 error`.
pub fn error_count(findings: &Findings) -> String {
    match findings.errors() {
        1 => "1 error".to_owned(),
        many => format!("{many} errors"),
    }
}

impl Reload {
    /// Changes the findings, also those of companies that are held back.
    pub fn change_findings(&mut self, change: impl Fn(&mut Findings)) {
        change(&mut self.findings);
        if let Some(built) = &mut self.built {
            change(&mut built.findings);
        }
        for held in &mut self.held_back {
            if let HoldCause::Findings(findings) = &mut held.cause {
                change(findings);
            }
        }
    }
}

impl From<BuiltSnapshot> for Reload {
    fn from(built: BuiltSnapshot) -> Reload {
        Reload { held_back: Vec::new(), built: Some(built), findings: Findings::default() }
    }
}

impl HoldCause {
    /// Returns the stage at which the newest version of the company is rejected.
    pub fn stage(&self) -> RejectionStage {
        match self {
            HoldCause::Findings(_) => RejectionStage::Registry,
            HoldCause::Guard(_) => RejectionStage::Guard,
        }
    }
}

/// Writes the cause in a few words, without the findings.
impl fmt::Display for HoldCause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HoldCause::Findings(findings) => out.write_str(&error_count(findings)),
            HoldCause::Guard(refusal) => refusal.fmt(out),
        }
    }
}

impl GuardRefusal {
    /// Returns the change in a few words, without a remedy.
    pub fn change(self) -> String {
        match self {
            GuardRefusal::Disappeared { accounts } => {
                format!("the company disappeared, whose {accounts} accounts are in service")
            }
            GuardRefusal::AccountsDisappeared { accounts, gone } => {
                format!("{gone} of its {accounts} accounts in service disappeared")
            }
        }
    }
}

/// Writes the refusal with its remedy.
impl fmt::Display for GuardRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; undo the change, or send SIGHUP to publish it", self.change())
    }
}

#[cfg(test)]
mod tests {
    use switchboard_registry::Files;
    use switchboard_snapshot::NoProgress;

    use super::super::build_snapshot;
    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_790_000_000);

    /// Adds the files of a company with this many accounts. Their addresses name the version.
    fn add(files: &mut Files, id: &str, accounts: usize, version: u32) {
        let company = "[[ou]]\nid = \"hq\"\n\n[[ou]]\nid = \"branch\"\nparent = \"hq\"\n\n[[pool]]\nid = \"line\"\n\
                       channel = \"line\"\nous = [\"hq\"]\ndefault_country = \"GB\"\n";
        let mut sheet = "id,channel,role,address,country,pool,user\n".to_owned();
        for number in 0..accounts {
            sheet += &format!("a{number},line,secondary,@{id}-{number}-v{version},GB,line,\n");
        }
        let test = "[[test]]\nname = \"branch\"\nquery = { channel = \"line\", ou = \"branch\", country = \"GB\" }\n\
                    expect = { ou = \"hq\", rule = \"country\", climbed = 1 }\n";
        files.insert(format!("{id}/company.toml"), company);
        files.insert(format!("{id}/accounts.csv"), sheet);
        files.insert(format!("{id}/tests.toml"), test);
    }

    fn files(companies: &[(&str, usize, u32)]) -> Files {
        let mut files = Files::default();
        companies.iter().for_each(|&(id, accounts, version)| add(&mut files, id, accounts, version));
        files
    }

    fn served(files: &Files) -> Snapshot {
        build_snapshot(files, 1, NOW, BuildMode::Serve, &NoProgress).ok().unwrap().snapshot
    }

    /// Reloads. Returns the companies that are held back with the stage, and what is served then: each company
    /// with its number of accounts and the version of its addresses.
    fn reload(
        files: &Files,
        in_service: &Snapshot,
        is_confirmed: bool,
    ) -> (Vec<String>, Option<Vec<String>>) {
        let reload = build_reload(files, in_service, is_confirmed, 2, NOW, &NoProgress).ok().unwrap();
        let held =
            reload.held_back.iter().map(|held| format!("{} {}", held.company, held.cause.stage().as_str()));
        (held.collect(), reload.built.map(|built| content(&built.snapshot)))
    }

    fn content(snapshot: &Snapshot) -> Vec<String> {
        let company = |company: switchboard_snapshot::view::CompanyRef<'_>| {
            let (id, accounts) = (company.id(), company.account_count());
            let first = snapshot.find_account(company.idx(), "a0").unwrap();
            let address = snapshot.account_pieces(snapshot.account(first).json()).address;
            let version = str::from_utf8(address).unwrap().rsplit('-').next().unwrap();
            format!("{id} {accounts} {version}")
        };
        snapshot.companies().map(company).collect()
    }

    /// Returns the first error of a reload that is rejected as a whole.
    fn rejected(files: &Files, in_service: &Snapshot) -> String {
        let failure = build_reload(files, in_service, false, 2, NOW, &NoProgress).err().unwrap();
        let first = failure.findings.iter().find(|finding| is_error(finding)).unwrap();
        format!("{}: {}", first.place, first.message)
    }

    const BROKEN: &str = "id,channel\n";

    #[test]
    fn broken_company_keeps_its_version_while_another_is_built() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let mut changed = files(&[("a", 3, 2), ("b", 3, 2)]);
        for broken in [BROKEN, "", "id,channel,role,address,country,pool\na0,line,secondary,@x,GB,none\n"] {
            changed.insert("a/accounts.csv", broken);
            let now_served = ["a 3 v1".to_owned(), "b 3 v2".to_owned()];
            assert_eq!(
                reload(&changed, &in_service, false),
                (vec!["a registry".into()], Some(now_served.to_vec()))
            );
        }
        // A folder that was copied or removed in part.
        for missing in ["a/company.toml", "a/accounts.csv"] {
            let mut partial = files(&[("a", 3, 2), ("b", 3, 2)]);
            partial.retain(|path| path != missing);
            let now_served = ["a 3 v1".to_owned(), "b 3 v2".to_owned()];
            assert_eq!(
                reload(&partial, &in_service, false),
                (vec!["a registry".into()], Some(now_served.to_vec()))
            );
        }
        // A snapshot with a restored company is the version in service of the next reload.
        let in_service = build_reload(&changed, &in_service, false, 2, NOW, &NoProgress).ok().unwrap();
        let in_service = in_service.built.unwrap().snapshot;
        assert_eq!(in_service.tests().count(), 2, "the restored company keeps its tests");
        assert_eq!(reload(&changed, &in_service, false), (vec!["a registry".into()], None), "nothing new");
        add(&mut changed, "b", 4, 3);
        let now_served = ["a 3 v1".to_owned(), "b 4 v3".to_owned()];
        assert_eq!(reload(&changed, &in_service, false).1, Some(now_served.to_vec()));
    }

    #[test]
    fn company_whose_tests_fail_is_held_back() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1), ("c", 3, 1)]));
        let mut changed = files(&[("a", 3, 2), ("b", 3, 2), ("c", 3, 2)]);
        let test = changed.get("a/tests.toml").unwrap().to_vec();
        let failing = String::from_utf8(test).unwrap().replace("climbed = 1", "climbed = 0");
        changed.insert("a/tests.toml", failing);
        changed.insert("c/accounts.csv", BROKEN);
        let held = vec!["a registry".to_owned(), "c registry".into()];
        let now_served = ["a 3 v1".to_owned(), "b 3 v2".into(), "c 3 v1".into()];
        assert_eq!(reload(&changed, &in_service, false), (held, Some(now_served.to_vec())));
    }

    #[test]
    fn warnings_are_those_of_what_is_served() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let mut changed = files(&[("a", 3, 2), ("b", 3, 2)]);
        for stray in ["notes.txt", "a/notes.txt", "b/notes.txt"] {
            changed.insert(stray, "");
        }
        let warned = |files: &Files| {
            let built =
                build_reload(files, &in_service, false, 2, NOW, &NoProgress).ok().unwrap().built.unwrap();
            let places = built.findings.iter().map(|finding| finding.place.file.to_string());
            places.collect::<Vec<_>>()
        };
        assert_eq!(warned(&changed), ["a/notes.txt", "b/notes.txt", "notes.txt"]);
        changed.insert("a/accounts.csv", BROKEN);
        assert_eq!(warned(&changed), ["b/notes.txt", "notes.txt"]);
    }

    #[test]
    fn every_change_held_back_builds_nothing() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let mut changed = files(&[("a", 3, 2), ("b", 3, 1)]);
        changed.insert("a/accounts.csv", BROKEN);
        assert_eq!(reload(&changed, &in_service, false), (vec!["a registry".into()], None));
        changed.insert("b/accounts.csv", BROKEN);
        let both = vec!["a registry".to_owned(), "b registry".into()];
        assert_eq!(reload(&changed, &in_service, false), (both, None));
    }

    #[test]
    fn new_broken_company_stays_absent() {
        let in_service = served(&files(&[("a", 3, 1)]));
        let mut changed = files(&[("a", 3, 1), ("new", 3, 1)]);
        changed.insert("new/accounts.csv", BROKEN);
        assert_eq!(reload(&changed, &in_service, false), (vec!["new registry".into()], None));
        add(&mut changed, "a", 3, 2);
        assert_eq!(
            reload(&changed, &in_service, false),
            (vec!["new registry".into()], Some(vec!["a 3 v2".into()]))
        );
    }

    #[test]
    fn guard_refuses_a_company_that_disappears_until_it_is_confirmed() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let gone = files(&[("b", 3, 2)]);
        let both = vec!["a 3 v1".to_owned(), "b 3 v2".into()];
        assert_eq!(reload(&gone, &in_service, false), (vec!["a guard".into()], Some(both)));
        assert_eq!(reload(&gone, &in_service, true), (vec![], Some(vec!["b 3 v2".into()])));
        assert_eq!(reload(&files(&[("b", 3, 1)]), &in_service, false), (vec!["a guard".into()], None));
        let renamed = files(&[("a2", 3, 1), ("b", 3, 1)]);
        let both = vec!["a 3 v1".to_owned(), "a2 3 v1".into(), "b 3 v1".into()];
        assert_eq!(reload(&renamed, &in_service, false), (vec!["a guard".into()], Some(both)));
    }

    #[test]
    fn confirmed_removal_is_built_although_every_other_company_is_held_back() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1), ("c", 3, 1), ("d", 12, 1)]));
        let broken = |mut files: Files, companies: &[&str]| {
            companies.iter().for_each(|id| files.insert(format!("{id}/accounts.csv"), BROKEN));
            files
        };
        let all = ["a 3 v1", "b 3 v1", "c 3 v1", "d 12 v1"];
        for (new, held, served_when_confirmed) in [
            // One removed, the others broken.
            (
                broken(files(&[("a", 3, 1), ("b", 3, 1), ("d", 12, 1)]), &["a", "b", "d"]),
                "abd",
                vec![0, 1, 3],
            ),
            // Two removed.
            (broken(files(&[("a", 3, 1), ("d", 12, 1)]), &["a", "d"]), "ad", vec![0, 3]),
            // A new company that is broken too.
            (broken(files(&[("a", 3, 1), ("d", 12, 1), ("e", 3, 1)]), &["a", "d", "e"]), "ade", vec![0, 3]),
        ] {
            let (_, unconfirmed) = reload(&new, &in_service, false);
            assert_eq!(unconfirmed, None, "{held}");
            let expected: Vec<String> = served_when_confirmed.iter().map(|at| all[*at].to_owned()).collect();
            let held: Vec<String> = held.chars().map(|id| format!("{id} registry")).collect();
            assert_eq!(reload(&new, &in_service, true), (held.clone(), Some(expected)));
            // The same files again change nothing.
            let published = build_reload(&new, &in_service, true, 2, NOW, &NoProgress).ok().unwrap();
            let published = published.built.unwrap().snapshot;
            for is_confirmed in [false, true] {
                assert_eq!(reload(&new, &published, is_confirmed), (held.clone(), None));
            }
        }
        // A company that shrinks is confirmed beside a removed one and a broken one.
        let new = broken(files(&[("a", 3, 1), ("d", 2, 2)]), &["a"]);
        let (held, built) = reload(&new, &in_service, false);
        assert_eq!((held.join(", ").as_str(), built), ("a registry, b guard, c guard, d guard", None));
        let (held, built) = reload(&new, &in_service, true);
        assert_eq!(
            (held.as_slice(), built.unwrap().as_slice()),
            (["a registry".to_owned()].as_slice(), ["a 3 v1".to_owned(), "d 2 v2".to_owned()].as_slice())
        );
    }

    #[test]
    fn guard_refuses_an_empty_folder_and_an_empty_registry_is_never_served() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let all = vec!["a guard".to_owned(), "b guard".into()];
        assert_eq!(reload(&Files::default(), &in_service, false), (all, None));
        let confirmed = build_reload(&Files::default(), &in_service, true, 2, NOW, &NoProgress);
        let first = confirmed.err().unwrap().findings.iter().next().unwrap().code;
        assert_eq!(first, Code::Empty);
    }

    #[test]
    fn guard_refuses_the_loss_of_more_than_half_of_ten_or_more_accounts() {
        for (before, after, is_refused) in
            [(10, 5, false), (10, 4, true), (9, 1, false), (11, 5, true), (11, 6, false)]
        {
            let in_service = served(&files(&[("a", before, 1), ("b", 3, 1)]));
            let (held, _) = reload(&files(&[("a", after, 2), ("b", 3, 1)]), &in_service, false);
            assert_eq!(held == ["a guard"], is_refused, "{before} to {after}: {held:?}");
        }
        // As many accounts as before, but others.
        let in_service = served(&files(&[("a", 10, 1)]));
        let mut changed = files(&[("a", 10, 1)]);
        let sheet = String::from_utf8(changed.get("a/accounts.csv").unwrap().to_vec()).unwrap();
        changed.insert("a/accounts.csv", sheet.replace("\na", "\nb"));
        assert_eq!(reload(&changed, &in_service, false), (vec!["a guard".into()], None));
    }

    #[test]
    fn fault_outside_the_companies_folders_rejects_everything() {
        let in_service = served(&files(&[("a", 3, 1), ("b", 3, 1)]));
        let mut changed = files(&[("a", 3, 2), ("b", 3, 2)]);
        changed.insert("channels.toml", "[channel.line]\nconversation_role = \"boss\"\n");
        assert!(
            rejected(&changed, &in_service).starts_with("channels.toml:"),
            "{}",
            rejected(&changed, &in_service)
        );
    }

    #[test]
    fn version_in_service_that_does_not_pass_with_new_channels_rejects_everything() {
        let channel = "[channel.chat]\nconversation_role = \"secondary\"\npool_must_hold = [\"secondary\"]\naddress = \"handle\"\n";
        let with_chat = |mut files: Files| {
            let company = String::from_utf8(files.get("a/company.toml").unwrap().to_vec()).unwrap();
            let sheet = String::from_utf8(files.get("a/accounts.csv").unwrap().to_vec()).unwrap();
            files.insert("a/company.toml", company.replace("channel = \"line\"", "channel = \"chat\""));
            files.insert("a/accounts.csv", sheet.replace(",line,secondary", ",chat,secondary"));
            files.retain(|path| path != "a/tests.toml");
            files.insert("channels.toml", channel);
            files
        };
        let in_service = served(&with_chat(files(&[("a", 3, 1), ("b", 3, 1)])));
        let mut changed = with_chat(files(&[("a", 3, 1), ("b", 3, 2)]));
        changed.insert("a/accounts.csv", BROKEN);
        assert!(reload(&changed, &in_service, false).1.is_some());
        changed.insert("channels.toml", channel.replace("[\"secondary\"]", "[\"primary\", \"secondary\"]"));
        let reason = rejected(&changed, &in_service);
        assert!(reason.contains("in the version in service"), "{reason}");
        changed.retain(|path| path != "channels.toml");
        let reason = rejected(&changed, &in_service);
        assert!(reason.contains("`chat`") && reason.contains("`a`"), "{reason}");
    }
}
