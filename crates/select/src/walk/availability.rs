//! Step 7 of a selection: whether an account can be selected now, and if not, why.

use switchboard_model::Condition;
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::AccountRef;

use super::Walk;
use crate::Availability;

impl Walk<'_> {
    /// Returns whether an account can be selected; a dedicated account is checked like any other. The excluded accounts
    /// are compared last, because their list is the longest.
    pub(super) fn is_available(&self, idx: AccountIdx) -> bool {
        // Fast path: the overlay says "active, no restrictions", so the account's record, a cache miss, is not read.
        if self.context.standings.is_free(idx) && self.query.exclude.is_empty() {
            return true;
        }
        let account = self.snapshot.account(idx);
        !account.is_resting(self.context.now)
            && self.condition(idx, account) == Condition::Active
            && !self.is_excluded(account)
    }

    pub(super) fn availability(&self, idx: AccountIdx) -> Availability {
        let account = self.snapshot.account(idx);
        match self.condition(idx, account) {
            Condition::Draining => Availability::Draining,
            Condition::Suspended => Availability::Suspended,
            Condition::Active if self.is_excluded(account) => Availability::Excluded,
            Condition::Active if account.is_resting(self.context.now) => Availability::Resting,
            Condition::Active => Availability::Available,
        }
    }

    /// Returns the more restrictive of the registry's state and the live standing.
    pub(super) fn condition(&self, idx: AccountIdx, account: AccountRef<'_>) -> Condition {
        account.condition().max(self.context.standings.condition(idx))
    }

    /// Compares by id: only accounts that would win are checked, so most excluded ids are never looked up. All accounts of
    /// a chain are of the query's company.
    pub(super) fn is_excluded(&self, account: AccountRef<'_>) -> bool {
        let exclude = &self.query.exclude;
        !exclude.is_empty() && {
            let id = account.id_bytes();
            exclude.ids().any(|excluded| excluded.as_bytes() == id)
        }
    }
}
