//! Large generated registries, and random queries about all of their entries.

use generator::{RegistryArguments, generate_registry};
use switchboard_model::UnixSeconds;
use switchboard_pipeline::{BuildMode, build_snapshot};
use switchboard_registry::Files;
use switchboard_select::select;
use switchboard_snapshot::{NoProgress, Snapshot};

use crate::kinds::query;
use crate::{CONTEXT, NOW, SEED, opened};

/// Countries of clients. Some have accounts, some are mapped, and some are neither.
const COUNTRIES: [&str; 12] = ["GB", "DE", "FR", "US", "CH", "JP", "BR", "IN", "SG", "NL", "PL", "KE"];

/// Returns the files of a registry with this many accounts, a tenth as many OUs, and a fiftieth as many
/// pools.
pub fn files(accounts: usize) -> Files {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let output = folder.path().join("registry");
    let (ous, pools) = (accounts / 10, accounts / 50);
    let arguments = RegistryArguments { accounts, ous, pools, companies: 1, seed: SEED, output };
    generate_registry(&arguments)
        .unwrap_or_else(|error| panic!("cannot generate a registry of {accounts} accounts: {error}"));
    Files::read_dir(&arguments.output).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Returns the snapshot of such a registry, opened in memory as the daemon opens a file.
pub fn snapshot(accounts: usize) -> Snapshot {
    match build_snapshot(&files(accounts), 1, UnixSeconds(NOW), BuildMode::Strict, &NoProgress) {
        Ok(compiled) => opened(&compiled.snapshot),
        Err(refused) => panic!("the generated registry has errors: {:?}", refused.findings),
    }
}

/// Returns `count` queries as URL fields, each with a random OU, channel and client. Every query is answered
/// by an account.
pub fn urls(snapshot: &Snapshot, count: usize, seed: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let channels: Vec<&str> = snapshot.channels().map(|channel| channel.id()).collect();
    let ous: Vec<&str> = snapshot.companies().flat_map(|company| company.ous()).map(|ou| ou.id()).collect();
    let mut urls = Vec::with_capacity(count);
    while urls.len() < count {
        let ou = ous.get(random.usize(..ous.len())).copied();
        let url = format!(
            "channel={}&ou={}&country={}&client=c-{}",
            channels.get(random.usize(..channels.len())).copied().unwrap_or_default(),
            ou.unwrap_or_default(),
            random.choice(COUNTRIES).unwrap_or_default(),
            random.u32(..),
        );
        if select(snapshot, &query(&url), CONTEXT).result.is_ok() {
            urls.push(url);
        }
    }
    urls
}
