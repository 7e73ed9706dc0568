//! The effect of an account as JSON.

use serde_json::{Map, Value};
use switchboard_model::UnixSeconds;
use switchboard_pipeline::analysis::{Effect, Gaps};
use switchboard_select::Overlay;
use switchboard_snapshot::{AccountIdx, Snapshot};

/// Returns the effect that an account has, or would have if it were available.
pub(super) fn of(
    snapshot: &Snapshot,
    standings: &Overlay,
    now: UnixSeconds,
    account: AccountIdx,
) -> Map<String, Value> {
    let Effect { units, decisions, share, without } = Effect::of(snapshot, standings, now, account);
    let mut object = Map::new();
    object.insert("units".into(), units.into());
    object.insert("decisions".into(), decisions.into());
    object.insert("share".into(), share.into());
    object.insert("without".into(), gaps(snapshot, &without).into());
    if let Some(user) = snapshot.user_of(account) {
        let company = snapshot.company(snapshot.account(account).company());
        let mut dedicated = Map::new();
        dedicated.insert("user".into(), user.into());
        dedicated.insert("falls_back".into(), company.dedicated_falls_back().into());
        object.insert("dedicated".into(), dedicated.into());
    }
    object
}

fn gaps(snapshot: &Snapshot, gaps: &Gaps) -> Map<String, Value> {
    let first = gaps.first.iter().map(|(ou, countries)| {
        let mut object = Map::new();
        object.insert("ou".into(), snapshot.ou(*ou).id().into());
        object.insert("countries".into(), countries.iter().map(|country| country.alpha2()).collect());
        Value::from(object)
    });
    let mut object = Map::new();
    object.insert("units".into(), gaps.units.into());
    object.insert("countries".into(), gaps.countries.into());
    object.insert("decisions".into(), gaps.decisions.into());
    object.insert("first".into(), first.collect());
    object
}
