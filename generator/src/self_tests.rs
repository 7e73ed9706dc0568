//! tests.toml: expected selections that follow from how the registry is generated.

use crate::{
    accounts::Dedicated,
    error::Result,
    pools::{GeneratedPool, Pools},
    text_file::TextFile,
    tree::{GeneratedTree, country_code},
};
use std::{fmt::Arguments, path::Path};

/// Largest number of tests of one kind.
const MAX_EACH: usize = 6;

struct Tests(TextFile);

impl Tests {
    fn add(&mut self, name: Arguments<'_>, query: Arguments<'_>, expect: Arguments<'_>) -> Result<()> {
        self.0.line(format_args!("[[test]]\nname = \"{name}\""))?;
        self.0.line(format_args!("query = {{ {query} }}\nexpect = {{ {expect} }}\n"))
    }
}

pub(crate) fn write(
    dir: &Path,
    tree: &GeneratedTree<'_>,
    pools: &Pools,
    dedicated: &[Dedicated],
) -> Result<()> {
    let mut sheet = TextFile::create(dir.join("tests.toml"))?;
    sheet.line(format_args!("# These hold by how the registry was generated.\n"))?;
    let mut tests = Tests(sheet);
    // At an OU with one pool of the channel, the pool's rules alone decide.
    let alone: Vec<(&GeneratedPool, u32)> = pools
        .all
        .iter()
        .filter_map(|pool| Some((pool, *pool.ous.first()?)))
        .filter(|&(pool, ou)| pools.allocated(ou, pool.channel) == 1)
        .collect();

    for &(pool, ou) in sample(&alone) {
        at_home(&mut tests, tree, pool, ou)?;
    }
    let defaults: Vec<_> = alone.iter().filter(|(pool, _)| pool.default_country).copied().collect();
    for &(pool, ou) in sample(&defaults) {
        let (ou, id, channel) = (tree.id(ou), pool.id(tree), pool.channel.id);
        tests.add(
            format_args!("{id}: a number of no country gets the default region"),
            format_args!("channel = \"{channel}\", ou = \"{ou}\", phone = \"+80012345678\""),
            format_args!("rule = \"default_region\", ou = \"{ou}\", pool = \"{id}\", climbed = 0"),
        )?;
    }
    let mapped: Vec<_> = alone
        .iter()
        .filter(|(pool, _)| !pool.calling_code)
        .filter_map(|&(pool, ou)| {
            // The home country has the anchor, which is always available.
            let &(from, _) = pool.geography.iter().find(|&&(_, to)| to == pool.home())?;
            Some((pool, ou, from))
        })
        .collect();
    for &(pool, ou, from) in sample(&mapped) {
        let (ou, id, channel) = (tree.id(ou), pool.id(tree), pool.channel.id);
        tests.add(
            format_args!("{id}: {} is served from {}", country_code(from), country_code(pool.home())),
            format_args!("channel = \"{channel}\", ou = \"{ou}\", country = \"{}\"", country_code(from)),
            format_args!("rule = \"geography\", pool = \"{id}\", climbed = 0"),
        )?;
    }
    let mut first_child = vec![0; tree.ous.len()];
    for child in (1..tree.ous.len() as u32).rev() {
        if let Some(first) = tree.parent(child).and_then(|p| first_child.get_mut(p as usize)) {
            *first = child;
        }
    }
    let climbs: Vec<_> = alone
        .iter()
        .filter_map(|&(pool, ou)| Some((pool, *first_child.get(ou as usize)?)))
        .filter(|&(pool, child)| child > 0 && pools.allocated(child, pool.channel) == 0)
        .collect();
    for &(pool, child) in sample(&climbs) {
        let (child, id, channel) = (tree.id(child), pool.id(tree), pool.channel.id);
        tests.add(
            format_args!("{child} has no pool of its own and inherits {id}"),
            format_args!(
                "channel = \"{channel}\", ou = \"{child}\", country = \"{}\"",
                country_code(pool.home())
            ),
            format_args!("rule = \"country\", pool = \"{id}\", climbed = 1"),
        )?;
    }
    users(&mut tests, tree, dedicated)?;
    let root = tree.id(0);
    tests.add(
        format_args!("an unknown OU"),
        format_args!("channel = \"whatsapp\", ou = \"atlantis\", country = \"GB\""),
        format_args!("error = \"unknown_ou\""),
    )?;
    tests.add(
        format_args!("nobody to serve"),
        format_args!("channel = \"whatsapp\", ou = \"{root}\""),
        format_args!("error = \"client_required\""),
    )?;
    tests.0.finish()
}

/// Writes tests of the country rule in both roles, and of a client that keeps its account.
fn at_home(tests: &mut Tests, tree: &GeneratedTree<'_>, pool: &GeneratedPool, ou: u32) -> Result<()> {
    let (ou, id, channel) = (tree.id(ou), pool.id(tree), pool.channel);
    let home = country_code(pool.home());
    let query = format!("channel = \"{}\", ou = \"{ou}\"", channel.id);
    let expect = format!("ou = \"{ou}\", pool = \"{id}\", climbed = 0");
    tests.add(
        format_args!("{id} serves its home country"),
        format_args!("{query}, country = \"{home}\""),
        format_args!("rule = \"country\", {expect}"),
    )?;
    if channel.needs_primary {
        tests.add(
            format_args!("{id} has a number to publish"),
            format_args!("{query}, country = \"{home}\", role = \"primary\""),
            format_args!("rule = \"country\", {expect}"),
        )?;
    }
    let anchor = format!("{}-{}-{:06}", channel.prefix, home.to_ascii_lowercase(), pool.anchor);
    tests.add(
        format_args!("{id}: a client keeps {anchor}"),
        format_args!("{query}, country = \"{home}\", current = \"{anchor}\""),
        format_args!("account = \"{anchor}\", rule = \"current\", {expect}"),
    )
}

fn users(tests: &mut Tests, tree: &GeneratedTree<'_>, dedicated: &[Dedicated]) -> Result<()> {
    let last = tree.id(tree.ous.len() as u32 - 1);
    for Dedicated { user, channel, id, usable } in dedicated {
        let expect = match usable {
            true => format!("account = \"{id}\", rule = \"dedicated\""),
            false => "error = \"dedicated_unavailable\"".to_owned(),
        };
        tests.add(
            format_args!("{user} and {}", channel.id),
            format_args!(
                "channel = \"{}\", ou = \"{last}\", country = \"JP\", user = \"{user}\"",
                channel.id
            ),
            format_args!("{expect}"),
        )?;
    }
    Ok(())
}

/// Returns up to [`MAX_EACH`] items at even distances.
fn sample<T>(items: &[T]) -> impl Iterator<Item = &T> {
    items.iter().step_by(items.len().div_ceil(MAX_EACH).max(1))
}
