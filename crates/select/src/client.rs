//! Where the client is: step 3 of a selection.

use switchboard_model::{E164, Region};

use super::{Code, Query};

/// Where the client is, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The country; none for a number that belongs to none.
    pub country: Option<Region>,
    /// Whether the query stated it.
    pub stated: bool,
    /// The number, where the query has one.
    pub phone: Option<E164>,
}

impl Client {
    /// Step 3. A phone beside a stated country need not be placed, which is half the work.
    pub(super) fn of(query: &Query<'_>) -> Result<Client, Code> {
        let stated = match &query.country {
            Some(country) => Some(Region::from_alpha2(country).ok_or(Code::InvalidCountry)?),
            None => None,
        };
        let phone = match &query.phone {
            Some(phone) => Some(E164::parse(phone).map_err(|_| Code::InvalidPhone)?),
            None => None,
        };
        if stated.is_some() {
            return Ok(Client { country: stated, stated: true, phone });
        }
        Ok(Client { country: phone.ok_or(Code::ClientRequired)?.region(), stated: false, phone })
    }

    /// Whether the country was derived from a phone that is not a valid number.
    pub fn guessed(&self) -> bool {
        self.phone.is_some_and(|phone| !self.stated && phone.origin().guessed)
    }

    /// Whether the phone's country is another than the stated one.
    pub fn conflict(&self) -> bool {
        let placed = self.phone.filter(|_| self.stated).and_then(|phone| phone.region());
        placed.is_some_and(|region| Some(region) != self.country)
    }
}
