//! Where the client is: step 3 of a selection.

use crate::numbering::{E164, Region};

use super::{Code, Query};

/// Where the client is, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The country; none for a number that belongs to none.
    pub country: Option<Region>,
    /// Whether the query stated it.
    pub stated: bool,
    /// Whether it was derived from a phone that is not a valid number.
    pub guessed: bool,
    /// Whether the phone's country is another than the stated one.
    pub conflict: bool,
}

/// Step 3: where the client is, and its number.
pub(super) fn client(query: &Query<'_>) -> Result<(Client, Option<E164>), Code> {
    let stated = match &query.country {
        Some(country) => Some(Region::from_alpha2(country).ok_or(Code::InvalidCountry)?),
        None => None,
    };
    let phone = match &query.phone {
        Some(phone) => Some(E164::parse(phone).map_err(|_| Code::InvalidPhone)?),
        None => None,
    };
    let origin = phone.map(|phone| phone.origin());
    let client = match (stated, origin) {
        (Some(country), origin) => Client {
            country: Some(country),
            stated: true,
            guessed: false,
            conflict: origin.and_then(|origin| origin.region).is_some_and(|region| region != country),
        },
        (None, Some(origin)) => {
            Client { country: origin.region, stated: false, guessed: origin.guessed, conflict: false }
        }
        (None, None) => return Err(Code::ClientRequired),
    };
    Ok((client, phone))
}
