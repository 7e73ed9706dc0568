//! Prepares a run: the registries, their snapshots and the daemon's binary.

use super::{
    admin::AdminClient,
    options::Options,
    scratch::{self, Scratch},
    target::{FIRST_GENERATION, OwnAccess, OwnDaemon, TestTarget},
};
use crate::{
    child,
    error::{Error, Result},
    output,
    scenario::Scenario,
    traffic,
};
use generator::{RegistryArguments, generate_registry, write_variant};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

/// The daemon under test, and the registries that it serves.
pub(crate) struct TestBed {
    pub(crate) target: TestTarget,
    /// Folders of the registries from which requests are drawn. Empty if a file has the queries.
    pub(crate) registries: Vec<PathBuf>,
    /// Command that generates the registry. Empty if the registry was not generated.
    pub(super) source: String,
    /// Accounts (company, id) whose standings the scenario changes.
    pub(super) churned: Vec<(String, String)>,
}

impl TestBed {
    pub(crate) fn prepare(
        scenario: &Scenario,
        options: &Options,
        cores: &[u32],
        scratch: &Scratch,
    ) -> Result<TestBed> {
        let mut testbed = match options.running()? {
            Some((data, admin)) => TestBed {
                target: TestTarget::Running {
                    data: Box::new(data),
                    admin: Box::new(admin.map(AdminClient::new)),
                },
                registries: options.registry.iter().cloned().collect(),
                source: String::new(),
                churned: Vec::new(),
            },
            None => TestBed::with_own_daemon(scenario, options, cores, scratch)?,
        };
        testbed.churned = churned_accounts(scenario, options.seed, &testbed)?;
        Ok(testbed)
    }

    fn with_own_daemon(
        scenario: &Scenario,
        options: &Options,
        cores: &[u32],
        scratch: &Scratch,
    ) -> Result<TestBed> {
        let mut registries: Vec<PathBuf> = options.registry.iter().cloned().collect();
        let mut source = String::new();
        let program = child::find_program(options.switchboard.clone())?;
        let folder = scratch.path().join(&scenario.name);
        create_dir(&folder)?;
        if registries.is_empty() {
            let output = folder.join("registry");
            source = generate(scenario, options, &output)?;
            registries.push(output);
        }
        if let (Some(_), [first]) = (scenario.reload, registries.as_slice()) {
            let second = folder.join("registry-b");
            write_variant(first, &second)?;
            registries.push(second);
        }
        let mut compiled = Vec::new();
        for (n, registry) in registries.iter().enumerate() {
            let started = Instant::now();
            let snapshot = folder.join(format!("compiled-{n}.swb"));
            compile(&program, registry, &snapshot)?;
            let megabytes = fs::metadata(&snapshot).map_or(0, |file| file.len()) as f64 / 1e6;
            output::log(&format!("snapshot    {megabytes:.1} MB, in {:.1?}", started.elapsed()));
            compiled.push(snapshot);
        }
        let own = OwnDaemon {
            compiled,
            workers: usize::try_from(scenario.workers.get()).unwrap_or(1),
            cores: cores.to_vec(),
            has_journal: scenario.standings.is_some(),
            access: OwnAccess::prepare(&program, &folder, &scenario.access)?,
            program,
            folder,
        };
        Ok(TestBed { target: TestTarget::Own(own), registries, source, churned: Vec::new() })
    }

    /// Writes the snapshot of every generation that the scenario publishes.
    pub(super) fn prepare_snapshots(&self, scenario: &Scenario) -> Result<()> {
        let TestTarget::Own(own) = &self.target else { return Ok(()) };
        let reloads = scenario.reload.map_or(0.0, |reload| {
            let whole = scenario.warm_up.0 + scenario.duration.0;
            (whole.as_secs_f64() / reload.every.0.as_secs_f64()).ceil()
        });
        (FIRST_GENERATION..=FIRST_GENERATION + reloads as u64)
            .try_for_each(|generation| own.write_snapshot(generation, &own.prepared(generation)))
    }
}

/// Returns the accounts (company, id) whose standings the scenario changes.
fn churned_accounts(scenario: &Scenario, seed: u64, testbed: &TestBed) -> Result<Vec<(String, String)>> {
    let Some(standings) = scenario.standings else { return Ok(Vec::new()) };
    let Some(registry) = testbed.registries.first() else { return Ok(Vec::new()) };
    let most = usize::try_from(standings.accounts.get()).unwrap_or(1);
    let mut accounts = traffic::churnable(registry, most, seed)?;
    if let TestTarget::Running { admin, .. } = &testbed.target
        && let Some(admin) = admin.as_ref()
    {
        let found = accounts.len();
        accounts = scratch::without_standing(admin, accounts)?;
        if accounts.len() < found {
            let held = found - accounts.len();
            output::log(&format!("standings   {held} accounts already have one, and are not changed"));
        }
    }
    if accounts.is_empty() {
        return Err(Error::Refused(format!(
            "{} finds no account whose standing it may change: it needs four available accounts of one pool, role and \
             country, one of them without a standing; name another registry",
            scenario.name
        )));
    }
    Ok(accounts)
}

/// Generates the scenario's registry. Returns the command that generates the same registry.
fn generate(scenario: &Scenario, options: &Options, output: &Path) -> Result<String> {
    let (size, seed) = (scenario.registry, options.seed);
    let (accounts, ous, pools) = (size.accounts, size.ous, size.pools);
    let started = Instant::now();
    let output = output.to_owned();
    let arguments = RegistryArguments { accounts, ous, pools, companies: 1, seed, output };
    let origin = options.size.map_or_else(|| format!("{}: registry", scenario.name), |_| "--size".to_owned());
    generate_registry(&arguments).map_err(|error| match error {
        generator::Error::Usage(reason) => Error::Usage(format!("{origin}: {reason}")),
        other => other,
    })?;
    output::log(&format!(
        "registry    {accounts} accounts, {ous} OUs, {pools} pools, in {:.1?}",
        started.elapsed()
    ));
    Ok(format!("loadtest registry --accounts {accounts} --ous {ous} --pools {pools} --seed {seed}"))
}

fn create_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(Error::io("create the folder", dir))
}

fn compile(program: &Path, registry: &Path, snapshot: &Path) -> Result<()> {
    let done = Command::new(program)
        .arg("compile")
        .arg(registry)
        .arg("-o")
        .arg(snapshot)
        .args(["--generation", &FIRST_GENERATION.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(Error::io("run", program))?;
    if done.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&done.stderr);
    Err(Error::Refused(format!("{} does not compile:\n{reason}", registry.display())))
}
