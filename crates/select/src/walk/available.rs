//! Step 7 of a selection: whether an account can be had at this moment, and why not.

use switchboard_model::Condition;
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::AccountRef;

use super::Walk;
use crate::Outcome;

impl Walk<'_> {
    /// Step 7. A dedicated account counts like any other. The list of those excluded comes last: it is the longest.
    pub(super) fn available(&self, at: AccountIdx) -> bool {
        // Nearly always, without a look at the account, which is far away.
        if self.moment.standings.is_free(at) && self.query.exclude.is_empty() {
            return true;
        }
        let account = self.snapshot.account(at);
        !account.is_resting(self.moment.now)
            && self.condition(at, account) == Condition::Active
            && !self.excluded(account)
    }

    pub(super) fn outcome(&self, at: AccountIdx) -> Outcome {
        let account = self.snapshot.account(at);
        match self.condition(at, account) {
            Condition::Draining => Outcome::Draining,
            Condition::Suspended => Outcome::Suspended,
            Condition::Active if self.excluded(account) => Outcome::Excluded,
            Condition::Active if account.is_resting(self.moment.now) => Outcome::Resting,
            Condition::Active => Outcome::Available,
        }
    }

    /// The more restrictive of the registry's state and the live standing.
    pub(super) fn condition(&self, at: AccountIdx, account: AccountRef<'_>) -> Condition {
        account.condition().max(self.moment.standings.condition(at))
    }

    /// By id: of a group, only accounts that would win are asked, so that most of the ids that a query
    /// excludes need never be looked up. All accounts of a chain are of the query's company.
    pub(super) fn excluded(&self, account: AccountRef<'_>) -> bool {
        let exclude = &self.query.exclude;
        !exclude.is_empty() && {
            let id = account.id_bytes();
            exclude.ids().any(|excluded| excluded.as_bytes() == id)
        }
    }
}
