//! `company.toml`.

use super::channels::Channels;
use super::document::Document;
use super::{mapping, ous, pools, repair};
use crate::layout::Source;
use crate::model::Mapping;
use crate::shown;
use crate::{Code, Company, DedicatedUnavailable, Findings, OuWithoutPool, Place, Version};

const KEYS: [&str; 7] =
    ["name", "ou_without_pool", "dedicated_unavailable", "platform_version", "geography", "ou", "pool"];

/// Reads a company's settings, OUs and pools; whatever is missing has its default.
pub(super) fn read(
    id: &str,
    place: Place,
    source: Option<Source<'_>>,
    channels: &Channels,
    findings: &mut Findings,
) -> Company {
    let mut company = Company {
        id: id.into(),
        name: id.into(),
        ou_without_pool: OuWithoutPool::default(),
        dedicated_unavailable: DedicatedUnavailable::default(),
        platform_version: None,
        geography: Mapping::new(),
        ous: Vec::new(),
        pools: Vec::new(),
        accounts: Vec::new(),
        tests: Vec::new(),
        place,
    };
    let Some(source) = source else { return company };
    let Some(sound) = repair::sound(source, findings) else {
        company.ous.push(ous::unread(&company.place));
        company.pools.push(pools::unread(&company.place));
        return company;
    };
    let document = Document::parse(source.0, &sound);
    let root = document.root();
    let meant = root.demand_known(&KEYS, findings);

    if let Some(name) = root.text("name", findings).given() {
        company.name = name.into();
    }
    let words = [("inherit", OuWithoutPool::Inherit), ("error", OuWithoutPool::Error)];
    company.ou_without_pool = root.choice("ou_without_pool", &words, findings).given().unwrap_or_default();
    let words = [("error", DedicatedUnavailable::Error), ("pool", DedicatedUnavailable::Pool)];
    company.dedicated_unavailable =
        root.choice("dedicated_unavailable", &words, findings).given().unwrap_or_default();
    company.platform_version = root
        .text("platform_version", findings)
        .and_then(findings, |text, place, findings| {
            let version = Version::parse(text);
            if version.is_none() {
                let message = format!("`platform_version` is {}, which is no version", shown(text));
                let help = "write up to three numbers, such as \"1.24.0\"";
                findings.add(place, Code::InvalidValue, message, help).value("platform_version");
            }
            version
        })
        .given();
    company.geography = mapping::read(&root, findings);

    let (entries, listed) = document.entries("ou", findings);
    company.ous = entries.iter().map(|fields| ous::read_table(fields, findings)).collect();
    if !listed || meant.contains(&"ou") {
        company.ous.push(ous::unread(&company.place));
    }
    let (entries, listed) = document.entries("pool", findings);
    company.pools = entries.iter().map(|fields| pools::read(fields, channels, findings)).collect();
    if !listed || meant.contains(&"pool") {
        company.pools.push(pools::unread(&company.place));
    }
    company
}
