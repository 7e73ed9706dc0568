//! Queries. Their fields arrive one by one, from a URL, a JSON object or a command line, and are checked by the same
//! rules whichever way they arrive.
//!
//! A phone number is personal data, and a caller may put one in the wrong field: no message in here
//! repeats a value.

mod fast_json;
mod json;

use std::borrow::Cow;

use switchboard_model::{E164, MAX_CLIENT_BYTES, MAX_EXCLUDED, QueryField, Region, Role, SelectError};

/// A well-formed query. Its company, channel and so on need not exist.
///
/// ```
/// use switchboard_select::Query;
///
/// let query = Query::from_json(br#"{"channel":"sms","ou":"london","country":"GB"}"#).unwrap();
/// assert_eq!(query.ou, "london");
/// assert!(Query::from_json(br#"{"channel":"sms"}"#).is_err());
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// The company's id; optional where the snapshot has one company.
    pub company: Option<Cow<'a, str>>,
    /// The channel's id.
    pub channel: Cow<'a, str>,
    /// The organizational unit's id.
    pub ou: Cow<'a, str>,
    /// The client's phone, as given.
    pub phone: Option<Cow<'a, str>>,
    /// The client's country, as given.
    pub country: Option<Cow<'a, str>>,
    /// An opaque id of the client: the same client gets the same account.
    pub client: Option<Cow<'a, str>>,
    /// The employee who invites.
    pub user: Option<Cow<'a, str>>,
    /// Another role than the channel's conversation role.
    pub role: Option<Role>,
    /// The account that the client already talks to.
    pub current: Option<Cow<'a, str>>,
    /// The accounts that must not be selected.
    pub exclude: Excluded<'a>,
    /// How far the query searches.
    pub fallback: Fallback,
}

/// Account ids, separated by commas: ids contain none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Excluded<'a>(Cow<'a, str>);

/// How far a query searches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fallback {
    /// The whole chain.
    #[default]
    All,
    /// The country rule at the first level that has pools, or nothing.
    None,
}

/// A malformed query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadQuery {
    /// The first fault, for people.
    pub message: Cow<'static, str>,
    /// The column of the fault, if the text is no JSON object of a query's fields.
    pub json_column: Option<usize>,
    /// The channel that the query names: malformed queries are counted by channel, too.
    pub channel: Option<String>,
}

/// Sets the fields of a query in place, because a query is too large to be moved. Keeps the first fault, and still sets
/// the other fields.
pub struct QueryFields<'q, 'a> {
    query: &'q mut Query<'a>,
    /// One bit for each field that has been set.
    seen: u16,
    fault: Option<Cow<'static, str>>,
    json_column: Option<usize>,
}

/// The fault of a text that is no JSON object of a query's fields.
pub const NOT_A_QUERY: &str = "not a JSON object with a query's fields";

type FieldFault = Cow<'static, str>;

impl<'q, 'a> QueryFields<'q, 'a> {
    /// Returns a setter of the fields of `query`, which it empties.
    pub fn new(query: &'q mut Query<'a>) -> QueryFields<'q, 'a> {
        *query = Query::default();
        QueryFields { query, seen: 0, fault: None, json_column: None }
    }

    /// Sets a field from text; lists are comma-separated. Inlined, with what it calls, into the readers' loops: a query has
    /// four fields, and that saves 3 ns of the 90 that reading one as JSON takes.
    #[inline]
    pub fn set(&mut self, name: &str, value: Cow<'a, str>) {
        if let Err(fault) = self.first(name).and_then(|field| self.take(field, value)) {
            self.add_fault(fault);
        }
    }

    /// Sets `exclude` from a list.
    pub fn set_list(&mut self, name: &str, values: &[Cow<'a, str>]) {
        if let Err(fault) = self.first(name).and_then(|field| self.take_list(field, name, values)) {
            self.add_fault(fault);
        }
    }

    /// Adds a fault that the reader of the fields found. It must not repeat a value.
    pub fn add_fault(&mut self, fault: impl Into<Cow<'static, str>>) {
        self.fault.get_or_insert_with(|| fault.into());
    }

    /// Adds the fault that the text is no JSON object of a query's fields.
    pub(super) fn add_json_fault(&mut self, line: usize, column: usize) {
        if self.fault.is_none() {
            self.json_column = Some(column);
        }
        self.add_fault(format!("{NOT_A_QUERY}: line {line}, column {column}"));
    }

    /// Ends the query.
    ///
    /// # Errors
    /// A required field is missing, or a fault was found.
    pub fn finish(mut self) -> Result<(), BadQuery> {
        for (field, missing) in [
            (QueryField::Channel, "channel: this field is required"),
            (QueryField::Ou, "ou: this field is required"),
        ] {
            if self.seen & bit(field) == 0 {
                self.add_fault(missing);
            }
        }
        match self.fault {
            None => Ok(()),
            Some(message) => {
                let channel = Some(self.query.channel.to_string()).filter(|channel| !channel.is_empty());
                Err(BadQuery { message, json_column: self.json_column, channel })
            }
        }
    }

    #[inline]
    fn take(&mut self, field: QueryField, value: Cow<'a, str>) -> Result<(), FieldFault> {
        let query = &mut *self.query;
        match field {
            QueryField::Company => query.company = Some(value),
            QueryField::Channel => query.channel = value,
            QueryField::Ou => query.ou = value,
            QueryField::Phone => query.phone = Some(value),
            QueryField::Country => query.country = Some(value),
            QueryField::Client => query.client = Some(client(value)?),
            QueryField::User => query.user = Some(value),
            QueryField::Role => {
                query.role = Some(Role::parse(&value).ok_or("role: expected primary or secondary")?);
            }
            QueryField::Current => query.current = Some(value),
            QueryField::Exclude => {
                few_enough(value.split(',').filter(|id| !id.is_empty()).count())?;
                query.exclude = Excluded(value);
            }
            QueryField::Fallback => {
                query.fallback = match &*value {
                    "all" => Fallback::All,
                    "none" => Fallback::None,
                    _ => return Err("fallback: expected all or none".into()),
                }
            }
        }
        Ok(())
    }

    fn take_list(
        &mut self,
        field: QueryField,
        name: &str,
        values: &[Cow<'a, str>],
    ) -> Result<(), FieldFault> {
        if field != QueryField::Exclude {
            return Err(format!("{name}: expected a text, not a list").into());
        }
        few_enough(values.len())?;
        // No id has a comma: a value with one names no account, and must not become two ids.
        let ids: Vec<&str> = values.iter().map(|id| &**id).filter(|id| !id.contains(',')).collect();
        self.query.exclude = Excluded(ids.join(",").into());
        Ok(())
    }

    /// Returns the field, if it exists and is set for the first time.
    #[inline]
    fn first(&mut self, name: &str) -> Result<QueryField, FieldFault> {
        let field = QueryField::parse(name).ok_or_else(|| unknown(name))?;
        if self.seen & bit(field) != 0 {
            return Err(format!("{name}: this field is given twice").into());
        }
        self.seen |= bit(field);
        Ok(field)
    }
}

/// The bit of a field in a set of them.
fn bit(field: QueryField) -> u16 {
    1 << field as u16
}

impl Excluded<'_> {
    /// Returns whether no account is excluded.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|id| !id.is_empty())
    }
}

/// Checks a client's id: with an empty one, all clients without an id would get the same account.
fn client(value: Cow<'_, str>) -> Result<Cow<'_, str>, FieldFault> {
    if value.is_empty() || value.len() > MAX_CLIENT_BYTES {
        return Err(format!("client: expected 1 to {MAX_CLIENT_BYTES} bytes; leave it out if unknown").into());
    }
    Ok(value)
}

fn few_enough(count: usize) -> Result<(), FieldFault> {
    if count > MAX_EXCLUDED {
        return Err(format!("exclude: {count} account ids, of at most {MAX_EXCLUDED}").into());
    }
    Ok(())
}

fn unknown(name: &str) -> FieldFault {
    let quotable = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let name = if quotable && !name.is_empty() { name } else { "a field" };
    format!("{name}: unknown; the fields are {}", QueryField::ALL.map(QueryField::as_str).join(", ")).into()
}

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
