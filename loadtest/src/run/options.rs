//! The command line of `loadtest run`.

use crate::{
    error::{Error, Result},
    quantity::{HumanDuration, Rate, parse_duration},
    scenario::{Access, RegistrySize, Scenario},
};
use clap::Args;
use std::{collections::BTreeSet, num::NonZero, path::PathBuf, sync::Arc, time::Duration};
use switchboard_client::{Address, ClientError, Endpoint, Token, trust};

/// The arguments of `loadtest run`.
#[derive(Args, Default, Debug, Clone)]
pub struct Options {
    /// Names of built-in scenarios, or files that end in .toml
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "steady")]
    pub scenarios: Vec<String>,
    /// Data listener of a running daemon: http://127.0.0.1:7400, https://localhost:7400 or unix:PATH; without
    /// this option, a daemon is started
    #[arg(long, value_name = "URL", value_parser = address)]
    pub target: Option<Address>,
    /// Admin listener of the --target, for example http://127.0.0.1:7401, which has the facts about the
    /// daemon; scenarios with standings need this option
    #[arg(long, value_name = "URL", value_parser = address, requires = "target")]
    pub admin: Option<Address>,
    /// File with the certificate authorities to trust in place of those of the system, in PEM
    #[arg(long, value_name = "FILE", requires = "target")]
    pub ca: Option<PathBuf>,
    /// File with the token to send to the --target; without this option, SWITCHBOARD_TOKEN has the token
    #[arg(long, value_name = "FILE", requires = "target")]
    pub token_file: Option<PathBuf>,
    /// How clients reach the daemon that is started: a list of tls, unix and token
    #[arg(long, value_name = "WAYS", value_delimiter = ',', conflicts_with = "target")]
    pub access: Option<Vec<Access>>,
    /// Registry to serve. With --target: the registry of the running daemon, for checking answers
    #[arg(long, value_name = "DIR")]
    pub registry: Option<PathBuf>,
    /// File with one query on each line: a JSON object or a URL /v1/select?…; for a --target without
    /// --registry; only the form of answers is checked
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "registry")]
    pub queries: Option<PathBuf>,
    /// Requests per second, or a share of the highest rate, for example 50%
    #[arg(long, value_name = "R", value_parser = Rate::parse)]
    pub rate: Option<Rate>,
    /// Duration of the recording in seconds, or with a unit: 500ms, 30s, 10m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Duration of the requests before the recording
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub warm_up: Option<Duration>,
    /// Measure the highest rate of a --target, even if the scenario's rate is a number
    #[arg(long, requires = "target")]
    pub ceiling: bool,
    /// Number of connections to the daemon
    #[arg(long, value_name = "N")]
    pub connections: Option<NonZero<u32>>,
    /// Number of runs of each scenario
    #[arg(long, value_name = "N")]
    pub repeat: Option<NonZero<u32>>,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Cores: auto (the first for the daemon, one for each worker, and the last for the harness), none, or a
    /// list such as daemon:0,harness:1
    #[arg(long, value_name = "CORES", default_value = "auto")]
    pub pin: String,
    /// Size of the generated registry: small, standard, large, or accounts/ous/pools, for example
    /// 100000/10000/2000
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "registry")]
    pub size: Option<RegistrySize>,
    /// Folder in which the reports are written
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    pub out: PathBuf,
    /// Binary of the daemon [default: switchboard in the folder of loadtest (cargo run builds both)]
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    pub switchboard: Option<PathBuf>,
}

impl Options {
    /// Returns the scenario with the values from the command line.
    pub(super) fn apply(&self, scenario: Scenario) -> Scenario {
        Scenario {
            rate: self.rate.unwrap_or(scenario.rate),
            duration: self.duration.map_or(scenario.duration, HumanDuration),
            warm_up: self.warm_up.map_or(scenario.warm_up, HumanDuration),
            connections: self.connections.unwrap_or(scenario.connections),
            repeat: self.repeat.unwrap_or(scenario.repeat),
            registry: self.size.unwrap_or(scenario.registry),
            access: self.access.clone().map_or(scenario.access, BTreeSet::from_iter),
            ..scenario
        }
    }

    /// Returns the data and the admin listener of `--target`, with the credential of its clients.
    pub(super) fn running(&self) -> Result<Option<(Endpoint, Option<Endpoint>)>> {
        let Some(target) = &self.target else { return Ok(None) };
        let token = Token::read(self.token_file.as_deref()).map_err(|error| client_error("", error))?;
        let has_tls = target.has_tls() || self.admin.as_ref().is_some_and(Address::has_tls);
        let config = has_tls.then(|| trust(self.ca.as_deref()).map(Arc::new)).transpose();
        let config = config.map_err(|error| client_error("--ca: ", error))?;
        let endpoint = |option, address| {
            let endpoint = Endpoint::new(address, config.clone(), token.clone());
            endpoint.map_err(|error| client_error(option, error))
        };
        let admin = self.admin.as_ref().map(|admin| endpoint("--admin: ", admin)).transpose()?;
        Ok(Some((endpoint("--target: ", target)?, admin)))
    }

    /// Checks that the options contain what the scenario needs.
    pub(super) fn check(&self, scenario: &Scenario) -> Result<()> {
        let name = &scenario.name;
        scenario.check().map_err(|reason| Error::Usage(format!("{name}: {reason}")))?;
        let sets_rate = self.rate.is_some() || self.duration.is_some() || self.warm_up.is_some();
        let is_running = self.target.is_some();
        let missing = if sets_rate && scenario.sweep.is_some() {
            "is a sweep, which has its own rates and durations: remove --rate, --duration and --warm-up, or write a \
             scenario with another sweep.start, sweep.step and sweep.settle"
        } else if is_running && self.registry.is_none() && self.queries.is_none() {
            "needs the registry that --target serves, to check the answers: name it with --registry, or name queries \
             with --queries"
        } else if is_running && scenario.reload.is_some() {
            "replaces the daemon's snapshot: run it without --target"
        } else if is_running
            && scenario.standings.is_some()
            && (self.admin.is_none() || self.registry.is_none())
        {
            "changes standings: name the admin listener with --admin, and the registry with --registry"
        } else {
            return Ok(());
        };
        Err(Error::Usage(format!("{name} {missing}")))
    }
}

/// Reads a URL. Without a scheme, it is plain HTTP.
fn address(text: &str) -> std::result::Result<Address, String> {
    let has_scheme = text.contains("://") || text.starts_with("unix:");
    let url = if has_scheme { text.to_owned() } else { format!("http://{text}") };
    let address = Address::from_url(&url).map_err(|error| error.to_string())?;
    match address.prefix.as_str() {
        "" => Ok(address),
        _ => Err("the URL has a path: name the listener of a daemon, as in http://127.0.0.1:7400".to_owned()),
    }
}

/// Returns the error of a client, with the option that it belongs to.
pub(super) fn client_error(option: &str, error: ClientError) -> Error {
    match error {
        ClientError::Usage(reason) => Error::Usage(format!("{option}{reason}")),
        ClientError::Io(reason) => Error::Io(format!("{option}{reason}")),
    }
}

fn size(text: &str) -> std::result::Result<RegistrySize, String> {
    let counts: Option<Vec<usize>> = text.split('/').map(|count| count.parse().ok()).collect();
    match (text, counts.as_deref()) {
        ("small", _) => Ok(RegistrySize::SMALL),
        ("standard", _) => Ok(RegistrySize::STANDARD),
        ("large", _) => Ok(RegistrySize::LARGE),
        (_, Some(&[accounts, ous, pools])) => Ok(RegistrySize { accounts, ous, pools }),
        _ => {
            Err("write small, standard, large, or accounts/ous/pools, for example 100000/10000/2000"
                .to_owned())
        }
    }
}
