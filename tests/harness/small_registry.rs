//! A small registry in code: the OU acme has a US pool, emea below it a GB and DE pool, and uk below emea
//! none.

use std::collections::BTreeMap;

use switchboard_model::Region;
use switchboard_model::{Condition, Role};
use switchboard_registry::*;
use switchboard_snapshot::{NoProgress, Snapshot, compile};

fn place() -> Place {
    Place { file: "acme/company.toml".into(), line: 1 }
}

fn region(alpha2: &str) -> Option<Region> {
    Region::from_alpha2(alpha2)
}

pub(crate) fn channel(id: &str) -> ChannelProfile {
    ChannelProfile {
        id: id.into(),
        conversation_role: Role::Secondary,
        pool_roles: RolePair { primary: true, secondary: true },
        address: AddressKind::Phone,
        dedicated_since: Some(Version([1, 0, 0])),
        place: place(),
    }
}

pub(crate) fn ou(id: &str, parent: Option<&str>) -> Ou {
    Ou { id: id.into(), parent: parent.map(Into::into), parent_place: None, name: "".into(), place: place() }
}

pub(crate) fn pool(id: &str, ou: &str, fallback_upward: bool) -> Pool {
    Pool {
        id: id.into(),
        channel: "whatsapp".into(),
        ous: vec![ou.into()],
        ous_places: Vec::new(),
        priority: 0,
        match_calling_code: false,
        default_country: None,
        default_place: None,
        fallback_upward,
        geography: BTreeMap::new(),
        place: place(),
    }
}

pub(crate) fn account(id: &str, country: &str, holder: Holder, state: Condition) -> Account {
    let role = if matches!(holder, Holder::User(_)) { None } else { Some(Role::Secondary) };
    // A company has each address once.
    let number = match country {
        "GB" => "+4474001234",
        "DE" => "+4915123456",
        _ => "+1201555012",
    };
    Account {
        id: id.into(),
        channel: Some(1),
        role,
        address: format!("{number}{}", id.len()).into(),
        country: region(country),
        holder,
        weight: 1,
        state,
        available_from: None,
        place: place(),
    }
}

pub(crate) fn company(id: &str) -> Company {
    let emea = || Holder::Pool("emea-whatsapp".into());
    Company {
        id: id.into(),
        name: "".into(),
        ou_without_pool: OuWithoutPool::Inherit,
        dedicated_unavailable: DedicatedUnavailable::Error,
        platform_version: None,
        geography: BTreeMap::new(),
        ous: vec![ou("acme", None), ou("emea", Some("acme")), ou("uk", Some("emea"))],
        pools: vec![pool("emea-whatsapp", "emea", true), pool("us-whatsapp", "acme", false)],
        accounts: vec![
            account("wa-gb-1", "GB", emea(), Condition::Active),
            account("wa-de-1", "DE", emea(), Condition::Active),
            account("wa-fr-01", "FR", emea(), Condition::Suspended),
            account("wa-us-001", "US", Holder::Pool("us-whatsapp".into()), Condition::Active),
            account("wa-anna-01", "GB", Holder::User("anna".into()), Condition::Active),
            account("wa-berta-01", "GB", Holder::User("berta".into()), Condition::Draining),
        ],
        tests: Vec::new(),
        unread: Unread::default(),
        place: place(),
    }
}

/// Returns a snapshot of these companies, all with the same content.
pub(crate) fn snapshot(generation: u64, companies: &[&str]) -> Snapshot {
    let registry = Registry {
        channels: vec![channel("sms"), channel("whatsapp")],
        companies: companies.iter().map(|id| company(id)).collect(),
    };
    let draft = compile(&registry, generation, &NoProgress).unwrap();
    Snapshot::open(draft.with_no_tests()).unwrap()
}
