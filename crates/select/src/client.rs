//! The client's country: step 3 of a selection.

use switchboard_model::{E164, Region, SelectError};

use super::Query;

/// The client's country, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The country; `None` for a number that belongs to none.
    pub country: Option<Region>,
    /// Whether the query states it.
    pub stated: bool,
    /// The phone number, if the query has one.
    pub phone: Option<E164>,
}

impl Client {
    /// Resolves the client. The region of a phone beside a stated country is not looked up, which is half the work.
    pub(super) fn from_query(query: &Query<'_>) -> Result<Client, SelectError> {
        let stated = match &query.country {
            Some(country) => Some(Region::from_alpha2(country).ok_or(SelectError::InvalidCountry)?),
            None => None,
        };
        let phone = match &query.phone {
            Some(phone) => Some(E164::parse(phone).map_err(|_| SelectError::InvalidPhone)?),
            None => None,
        };
        if stated.is_some() {
            return Ok(Client { country: stated, stated: true, phone });
        }
        Ok(Client { country: phone.ok_or(SelectError::ClientRequired)?.region(), stated: false, phone })
    }

    /// Whether the country was derived from a phone that is not a valid number.
    pub fn is_guessed(&self) -> bool {
        self.phone.is_some_and(|phone| !self.stated && phone.origin().guessed)
    }

    /// Whether the phone's country is another than the stated one.
    pub fn has_conflict(&self) -> bool {
        let placed = self.phone.filter(|_| self.stated).and_then(|phone| phone.region());
        placed.is_some_and(|region| Some(region) != self.country)
    }
}
