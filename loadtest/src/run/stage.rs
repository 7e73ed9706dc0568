//! What must be there before anything is asked: the registry, its snapshots, the daemon's binary.

use super::{
    options::Options,
    scratch::Scratch,
    subject::{Ours, Subject},
    variant,
};
use crate::{
    daemon,
    error::{Error, Result},
    registry,
    report::model::Pinning,
    say,
    scenario::Scenario,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};
use switchboard_snapshot::{Header, header};

/// The generation that is served at first. Even: of two registries, the first.
pub(super) const FIRST: u64 = 2;

pub(super) struct Stage {
    pub(super) subject: Subject,
    /// The folders that requests are drawn from; none where queries are given.
    pub(super) registries: Vec<PathBuf>,
    /// Where the registry is from.
    pub(super) source: String,
}

pub(super) fn set(
    scenario: &Scenario,
    options: &Options,
    pinning: Option<&Pinning>,
    scratch: &Scratch,
) -> Result<Stage> {
    let mut registries: Vec<PathBuf> = options.registry.iter().cloned().collect();
    if let Some(data) = options.target {
        let subject = Subject::Theirs { data, admin: options.admin };
        return Ok(Stage { subject, registries, source: String::new() });
    }
    let program = daemon::program(options.switchboard.clone())?;
    let folder = scratch.path().join(&scenario.name);
    fs::create_dir_all(&folder).map_err(failed("create the folder", &folder))?;
    let mut source = String::new();
    if registries.is_empty() {
        let size = scenario.registry;
        let output = folder.join("registry");
        let (accounts, ous, pools, seed) = (size.accounts, size.ous, size.pools, options.seed);
        source = format!("loadtest registry --accounts {accounts} --ous {ous} --pools {pools} --seed {seed}");
        let started = Instant::now();
        registry::generate(&registry::Size {
            accounts,
            ous,
            pools,
            companies: 1,
            seed,
            output: output.clone(),
        })
        .map_err(|error| match error {
            Error::Usage(why) => {
                let of_the_file = || format!("{}: registry", scenario.name);
                Error::Usage(format!(
                    "{}: {why}",
                    options.size.map_or_else(of_the_file, |_| "--size".to_owned())
                ))
            }
            other => other,
        })?;
        registries.push(output);
        say::line(&format!(
            "registry    {accounts} accounts, {ous} OUs, {pools} pools, in {:.1?}",
            started.elapsed()
        ));
    }
    if let (Some(_), [first]) = (scenario.reload, registries.as_slice()) {
        let second = folder.join("registry-b");
        variant::write(first, &second)?;
        registries.push(second);
    }
    let mut compiled = Vec::new();
    for (n, registry) in registries.iter().enumerate() {
        let started = Instant::now();
        let snapshot = folder.join(format!("compiled-{n}.swb"));
        compile(&program, registry, &snapshot)?;
        let bytes = fs::metadata(&snapshot).map_or(0, |file| file.len());
        say::line(&format!("snapshot    {:.1} MB, in {:.1?}", bytes as f64 / 1e6, started.elapsed()));
        compiled.push(snapshot);
    }
    let last = FIRST + reloads(scenario);
    let mut snapshots = Vec::new();
    for generation in FIRST..=last {
        let turn = usize::try_from(generation).unwrap_or(0) % compiled.len().max(1);
        let Some(of) = compiled.get(turn) else { continue };
        let path = folder.join(format!("generation-{generation}.swb"));
        number(of, &path, generation)?;
        snapshots.push((generation, path));
    }
    let ours = Ours {
        program,
        folder,
        snapshots,
        workers: usize::try_from(scenario.workers.get()).unwrap_or(1),
        cores: pinning.map(|pinning| pinning.daemon.clone()).unwrap_or_default(),
        journal: scenario.standings.is_some(),
    };
    Ok(Stage { subject: Subject::Ours(ours), registries, source })
}

/// How many new snapshots there are in the time of a run.
fn reloads(scenario: &Scenario) -> u64 {
    let Some(reload) = scenario.reload else { return 0 };
    let whole = scenario.warm_up.0 + scenario.duration.0;
    (whole.as_secs_f64() / reload.every.0.as_secs_f64()).ceil() as u64
}

fn compile(program: &Path, registry: &Path, snapshot: &Path) -> Result<()> {
    let done = Command::new(program)
        .arg("compile")
        .arg(registry)
        .arg("-o")
        .arg(snapshot)
        .args(["--generation", &FIRST.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(failed("run", program))?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Error::Refused(format!("{} does not compile:\n{why}", registry.display())))
}

/// The same snapshot under another generation: compiling gives the same bytes but for the header.
fn number(from: &Path, to: &Path, generation: u64) -> Result<()> {
    let mut bytes = fs::read(from).map_err(failed("read", from))?;
    let broken = |why: String| Error::Refused(format!("{}: {why}", from.display()));
    let known = Header::read(&bytes).map_err(|error| {
        broken(format!("{error}; the daemon and the load test are not of the same build: build both again"))
    })?;
    if let Some((head, body)) = bytes.split_at_mut_checked(header::LEN) {
        head.copy_from_slice(&Header { generation, ..known }.seal(body));
    }
    fs::write(to, bytes).map_err(failed("write", to))
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { doing, path: path.clone(), source }
}
