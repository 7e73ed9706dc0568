//! Step 4 of a selection: the account that the client talks to already.

use switchboard_model::Condition;
use switchboard_model::Region;
use switchboard_snapshot::AccountIdx;
use switchboard_snapshot::view::AccountRef;

use super::Walk;
use crate::{Found, Ignored, Rule};

impl Walk<'_> {
    /// Step 4: the account that the client talks to, if it is kept.
    pub(super) fn current(
        &self,
        id: &str,
        dedicated: Option<AccountIdx>,
    ) -> Result<(AccountIdx, Option<Found>), Ignored> {
        let at = self.snapshot.find_account(self.company, id).ok_or(Ignored::Unknown)?;
        let account = self.snapshot.account(at);
        if account.channel() != self.channel {
            return Err(Ignored::OtherChannel);
        }
        let of_role = match account.role() {
            Some(role) => role == self.role,
            // A dedicated account counts as of the conversation role; a spare one of none.
            None => self.conversation && account.is_dedicated(),
        };
        if !of_role {
            return Err(Ignored::OtherRole);
        }
        if self.condition(at, account) == Condition::Suspended {
            return Err(Ignored::Suspended);
        }
        if self.excluded(account) {
            return Err(Ignored::Excluded);
        }
        if account.is_resting(self.moment.now) {
            return Err(Ignored::Resting);
        }
        if dedicated == Some(at) {
            return Ok((at, None));
        }
        match self.membership(account) {
            Some(found) => Ok((at, Some(found))),
            None => Err(Ignored::NotInChain),
        }
    }

    /// The first step of the whole chain that the account is a member of.
    fn membership(&self, account: AccountRef<'_>) -> Option<Found> {
        let pool = account.pool()?;
        let country = account.country()?;
        let mut found = None;
        self.each_step(|step| {
            let client = self.country();
            let is_member = match step.rule {
                Rule::CallingCode => Some(country) != client && shares_calling_code(country, client),
                _ => step.country == Some(country),
            };
            if step.found.pool == pool && is_member {
                found = Some(step.found);
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
