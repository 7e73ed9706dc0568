//! Step 4 of a selection (`docs/selection.md`): the account that the client already talks to.

use switchboard_model::{Condition, Region, Rule};
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::AccountRef;

use super::Walk;
use crate::{CurrentIgnored, Location};

impl Walk<'_> {
    /// Returns the query's `current` account and its location in the chain, or the reason why it is not kept.
    pub(super) fn current(
        &self,
        id: &str,
        dedicated: Option<AccountIdx>,
    ) -> Result<(AccountIdx, Option<Location>), CurrentIgnored> {
        let idx = self.snapshot.find_account(self.company, id).ok_or(CurrentIgnored::Unknown)?;
        let account = self.snapshot.account(idx);
        if account.channel() != self.channel {
            return Err(CurrentIgnored::OtherChannel);
        }
        let of_role = match account.role() {
            Some(role) => role == self.role,
            // A dedicated account has the conversation role; a spare account has none.
            None => self.is_conversation && account.is_dedicated(),
        };
        if !of_role {
            return Err(CurrentIgnored::OtherRole);
        }
        if self.condition(idx, account) == Condition::Suspended {
            return Err(CurrentIgnored::Suspended);
        }
        if self.is_excluded(account) {
            return Err(CurrentIgnored::Excluded);
        }
        if account.is_resting(self.context.now) {
            return Err(CurrentIgnored::Resting);
        }
        if dedicated == Some(idx) {
            return Ok((idx, None));
        }
        match self.location_in_chain(account) {
            Some(location) => Ok((idx, Some(location))),
            None => Err(CurrentIgnored::NotInChain),
        }
    }

    /// Returns the location of the first step of the chain that has the account.
    fn location_in_chain(&self, account: AccountRef<'_>) -> Option<Location> {
        let pool = account.pool()?;
        let country = account.country()?;
        let mut found = None;
        self.each_step(|step| {
            let client = self.country();
            let is_member = match step.rule {
                Rule::CallingCode => Some(country) != client && shares_calling_code(country, client),
                // A step never has the rule `current` or `dedicated`.
                Rule::Country | Rule::Geography | Rule::DefaultRegion | Rule::Current | Rule::Dedicated => {
                    step.country == Some(country)
                }
            };
            if step.location.pool == pool && is_member {
                found = Some(step.location);
            }
            found.is_none()
        });
        found
    }
}

fn shares_calling_code(country: Region, client: Option<Region>) -> bool {
    client.is_some_and(|client| {
        client.calling_code().is_some() && client.calling_code() == country.calling_code()
    })
}
