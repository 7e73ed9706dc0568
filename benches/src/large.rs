//! Large generated registries, and queries drawn at random from all that they hold.

use generator::{RegistryArguments, generate_registry};
use switchboard_model::UnixSeconds;
use switchboard_pipeline::build_snapshot;
use switchboard_registry::Files;
use switchboard_select::select;
use switchboard_snapshot::{NoProgress, Snapshot};

use crate::kinds::query;
use crate::{MOMENT, NOW, SEED, opened};

/// Countries that clients are from: with accounts, mapped and neither.
const COUNTRIES: [&str; 12] = ["GB", "DE", "FR", "US", "CH", "JP", "BR", "IN", "SG", "NL", "PL", "KE"];

/// A registry's files with so many accounts, a tenth as many OUs and a fiftieth as many pools.
pub fn files(accounts: usize) -> Files {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let output = folder.path().join("registry");
    let (ous, pools) = (accounts / 10, accounts / 50);
    let arguments = RegistryArguments { accounts, ous, pools, companies: 1, seed: SEED, output };
    generate_registry(&arguments)
        .unwrap_or_else(|error| panic!("the registry of {accounts} accounts: {error}"));
    Files::read_dir(&arguments.output).unwrap_or_else(|error| panic!("{error:?}"))
}

/// That registry, compiled, and opened where the daemon has what it reads from a file.
pub fn snapshot(accounts: usize) -> Snapshot {
    match build_snapshot(&files(accounts), 1, UnixSeconds(NOW), &NoProgress) {
        Ok(compiled) => opened(&compiled.snapshot),
        Err(refused) => panic!("the drawn registry is refused: {:?}", refused.findings),
    }
}

/// So many queries that are answered, as the fields of URLs: any OU, any channel, any client.
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
        if select(snapshot, &query(&url), MOMENT).result.is_ok() {
            urls.push(url);
        }
    }
    urls
}
