//! A query, and the checks of its fields. A query comes from a URL, a JSON object or a command line. All
//! sources set the fields one by one through [`QueryFields`], which applies the same checks.
//!
//! A phone number is personal data, and a caller may put one into the wrong field. For this reason no message
//! of this module repeats a value.

mod fast_json;
mod json;

use std::borrow::Cow;

use switchboard_model::{
    E164, MAX_CLIENT_BYTES, MAX_EXCLUDED, MAX_ID_BYTES, MAX_USER_ID_BYTES, QueryField, Region, Role,
    SelectError, bsuid_region, is_id, is_user_id,
};

/// A well-formed query. The snapshot may not have its company, channel or OU. [`Query::from_json`] has an
/// example.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// The id of the company. Optional if the snapshot has exactly one company.
    pub company: Option<Cow<'a, str>>,
    /// The id of the channel.
    pub channel: Cow<'a, str>,
    /// The id of the organizational unit (OU).
    pub ou: Cow<'a, str>,
    /// The client's phone number, as the caller wrote it.
    pub phone: Option<Cow<'a, str>>,
    /// Whether the number in `phone` follows a `+` that the text does not contain, because the URL has the
    /// `+` encoded. A number without `+` has stricter rules.
    pub phone_follows_plus: bool,
    /// The client's country, as the caller wrote it.
    pub country: Option<Cow<'a, str>>,
    /// The client's business-scoped user id, which stands in for a phone number that the client hides.
    pub bsuid: Option<Cow<'a, str>>,
    /// An opaque id of the client. The same id gets the same account while the candidates stay the same.
    pub client: Option<Cow<'a, str>>,
    /// The id of the employee who invites the client.
    pub user: Option<Cow<'a, str>>,
    /// The role of the account, if it is not the channel's conversation role.
    pub role: Option<Role>,
    /// The id of the account that the client already talks to.
    pub current: Option<Cow<'a, str>>,
    /// The ids of accounts that must not be selected.
    pub exclude: Excluded<'a>,
    /// How far up the chain the selection searches.
    pub fallback: Fallback,
}

impl Query<'_> {
    /// Returns whether equal candidates are picked at random, because nothing in the query identifies the
    /// client.
    pub fn picks_at_random(&self) -> bool {
        self.client.is_none() && self.phone.is_none() && self.bsuid.is_none()
    }
}

/// The ids of excluded accounts, as one text with commas. No id has a comma.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Excluded<'a>(Cow<'a, str>);

/// How far up the chain a selection searches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Searches all steps of the chain.
    #[default]
    All,
    /// Searches only the country rule, at the first level that has pools.
    None,
}

/// The first fault of a malformed query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadQuery {
    /// Describes the fault in a sentence, and says what to change. Repeats no value of the query.
    pub message: Cow<'static, str>,
    /// Column of the fault, from 1, if the text is not a JSON object.
    pub json_column: Option<usize>,
    /// The channel that the query names, because metrics count malformed queries by channel.
    pub channel: Option<String>,
}

impl BadQuery {
    /// Returns the message for a query that is a line of a larger text. Lines count from 1.
    pub fn in_line(&self, line: usize) -> String {
        match self.json_column {
            Some(column) => format!("{NOT_AN_OBJECT} line {line}, column {column}."),
            None => format!("Line {line}: {}", self.message),
        }
    }
}

/// Sets the fields of a query in place, because moving a query costs too much. Keeps the first fault and goes
/// on, so that the query has its channel even if another field is faulty.
pub struct QueryFields<'q, 'a> {
    query: &'q mut Query<'a>,
    /// One bit for each field that the query names.
    seen: u16,
    fault: Option<Cow<'static, str>>,
    json_column: Option<usize>,
}

/// Begins the message about a text that is not a JSON object.
pub const NOT_AN_OBJECT: &str = "Write the query as one JSON object with the query's fields. The fault is at";

type FieldFault = Cow<'static, str>;

impl<'q, 'a> QueryFields<'q, 'a> {
    /// Empties `query`, and returns a setter of its fields.
    pub fn new(query: &'q mut Query<'a>) -> QueryFields<'q, 'a> {
        *query = Query::default();
        QueryFields { query, seen: 0, fault: None, json_column: None }
    }

    /// Sets a field from a text. A list is comma-separated, with or without blanks around the ids. This
    /// method and its callees are inlined into the loops of the readers. That saves 3 ns of the 90 ns that
    /// reading a JSON query of four fields takes.
    #[inline]
    pub fn set(&mut self, name: &str, value: Cow<'a, str>) {
        if let Err(fault) = self.first(name).and_then(|field| self.take(field, value)) {
            self.add_fault(fault);
        }
    }

    /// Sets the field `exclude` from a list.
    pub fn set_list(&mut self, name: &str, values: &[Cow<'a, str>]) {
        if let Err(fault) = self.first(name).and_then(|field| self.take_list(field, name, values)) {
            self.add_fault(fault);
        }
    }

    /// Sets the field `phone` from the digits after an encoded `+`. The digits can then be borrowed.
    pub fn set_phone_after_plus(&mut self, digits: &'a str) {
        self.set(QueryField::Phone.as_str(), Cow::Borrowed(digits));
        self.query.phone_follows_plus = true;
    }

    /// Leaves a field out that has the value `null`.
    pub(super) fn set_null(&mut self, name: &str) {
        if let Err(fault) = self.first(name) {
            self.add_fault(fault);
        }
    }

    /// Adds the fault that a field has a value of a wrong type. `got` names the type, with its article.
    pub(super) fn set_other(&mut self, name: &str, got: &str) {
        let fault = match self.first(name) {
            Err(fault) => fault,
            Ok(QueryField::Exclude) => format!(
                "The field `exclude` must be a list of texts, but it is {got}. Put the ids in brackets."
            )
            .into(),
            Ok(_) => format!("The field `{name}` must be a text, but it is {got}. {}", remedy(got)).into(),
        };
        self.add_fault(fault);
    }

    /// Adds the fault that an item of a list is not a text. Items count from 1.
    pub(super) fn set_list_with_other(&mut self, name: &str, item: usize, got: &str) {
        let fault = match self.first(name) {
            Err(fault) => fault,
            Ok(QueryField::Exclude) => {
                format!("Item {item} of `exclude` must be a text, but it is {got}. {}", remedy(got)).into()
            }
            Ok(_) => not_a_list(name),
        };
        self.add_fault(fault);
    }

    /// Adds a fault that a reader found. The text must not repeat a value of the query.
    pub fn add_fault(&mut self, fault: impl Into<Cow<'static, str>>) {
        self.fault.get_or_insert_with(|| fault.into());
    }

    /// Adds the fault that the text is not a JSON object. Lines and columns count from 1.
    pub(super) fn add_json_fault(&mut self, line: usize, column: usize) {
        if self.fault.is_none() {
            self.json_column = Some(column);
        }
        self.add_fault(format!("{NOT_AN_OBJECT} line {line}, column {column}."));
    }

    /// Checks that all required fields are set.
    ///
    /// # Errors
    /// Returns the first fault: one that was added, or a required field that is missing.
    pub fn finish(mut self) -> Result<(), BadQuery> {
        // An empty text is a fault of its own, which comes first.
        if self.query.channel.is_empty() {
            self.add_fault("Add the required field `channel`.");
        }
        if self.query.ou.is_empty() {
            self.add_fault("Add the required field `ou`.");
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
        if value.is_empty() && field != QueryField::Exclude {
            return Err(empty(field));
        }
        let query = &mut *self.query;
        match field {
            QueryField::Company => query.company = Some(value),
            QueryField::Channel => query.channel = value,
            QueryField::Ou => query.ou = value,
            QueryField::Phone => query.phone = Some(value),
            QueryField::Country => query.country = Some(value),
            QueryField::Bsuid => query.bsuid = Some(bsuid(value)?),
            QueryField::Client => query.client = Some(client(value)?),
            QueryField::User => query.user = Some(user(value)?),
            QueryField::Role => {
                query.role = Some(Role::parse(&value).ok_or("Set `role` to `primary` or `secondary`.")?);
            }
            QueryField::Current => query.current = Some(current(value)?),
            QueryField::Exclude => query.exclude = Excluded::from_text(value)?,
            QueryField::Fallback => {
                query.fallback = match &*value {
                    "all" => Fallback::All,
                    "none" => Fallback::None,
                    _ => return Err("Set `fallback` to `all` or `none`.".into()),
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
            return Err(not_a_list(name));
        }
        few_enough(values.len())?;
        if let Some(at) = values.iter().position(|id| !is_id(id)) {
            return Err(not_an_id(at + 1));
        }
        self.query.exclude = Excluded(values.join(",").into());
        Ok(())
    }

    /// Returns the field with this name, if it is set for the first time. Without the attribute, the compiler
    /// calls it, which takes 11 instructions more for each field.
    #[inline(always)]
    fn first(&mut self, name: &str) -> Result<QueryField, FieldFault> {
        let field = QueryField::parse(name).ok_or_else(|| unknown(name))?;
        if self.seen & bit(field) != 0 {
            return Err(format!("Send the field `{name}` once. The query has it twice.").into());
        }
        self.seen |= bit(field);
        Ok(field)
    }
}

/// Returns the bit of a field in a set of fields.
fn bit(field: QueryField) -> u16 {
    1 << field as u16
}

impl<'a> Excluded<'a> {
    /// Reads ids that are separated by commas. Ignores blanks around an id, and empty items.
    fn from_text(text: Cow<'a, str>) -> Result<Excluded<'a>, FieldFault> {
        let mut count = 0;
        let mut blanks = false;
        for (at, item) in text.split(',').enumerate() {
            if is_id(item) {
                count += 1;
                continue;
            }
            let trimmed = item.trim_matches([' ', '\t']);
            if !trimmed.is_empty() && !is_id(trimmed) {
                return Err(not_an_id(at + 1));
            }
            count += usize::from(!trimmed.is_empty());
            blanks |= trimmed.len() != item.len();
        }
        few_enough(count)?;
        // No id contains a blank.
        Ok(Excluded(if blanks { text.replace([' ', '\t'], "").into() } else { text }))
    }
}

impl Excluded<'_> {
    /// Returns true if the query excludes no account.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the ids of the excluded accounts.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|id| !id.is_empty())
    }
}

/// Checks a client's id, which is opaque.
fn client(value: Cow<'_, str>) -> Result<Cow<'_, str>, FieldFault> {
    if value.len() > MAX_CLIENT_BYTES {
        return Err(
            format!("Set `client` to an id of 1 to {MAX_CLIENT_BYTES} bytes, or leave it out.").into()
        );
    }
    Ok(value)
}

/// Checks a business-scoped user id. The id must be well formed even if another field decides the country.
#[inline(never)]
fn bsuid(value: Cow<'_, str>) -> Result<Cow<'_, str>, FieldFault> {
    match bsuid_region(&value) {
        Some(_) => Ok(value),
        None => Err(
            "Set `bsuid` to the two capital letters of a country, a dot, optionally ENT and a dot, and 1 to \
                     128 letters and digits."
                .into(),
        ),
    }
}

/// Checks the id of a user. An id that no user can have would lose the user's dedicated account in silence.
fn user(value: Cow<'_, str>) -> Result<Cow<'_, str>, FieldFault> {
    if !is_user_id(&value) {
        let fault = format!(
            "Set `user` to an id of 1 to {MAX_USER_ID_BYTES} bytes without white space, control characters and format \
             characters."
        );
        return Err(fault.into());
    }
    Ok(value)
}

/// Checks the id of the account that the client talks to. An id that no account can have would be lost in
/// silence.
fn current(value: Cow<'_, str>) -> Result<Cow<'_, str>, FieldFault> {
    if !is_id(&value) {
        return Err(format!("Set `current` to the id of an account. {ID_FORM}").into());
    }
    Ok(value)
}

/// The form of an id, for messages.
const ID_FORM: &str =
    "An id has 1 to 128 printable ASCII characters without spaces, commas, slashes and quotes.";
const _: () = assert!(MAX_ID_BYTES == 128, "`ID_FORM` has the limit");

/// Returns the fault that an item of `exclude` cannot be an id. Items count from 1.
#[cold]
fn not_an_id(item: usize) -> FieldFault {
    format!("Item {item} of `exclude` is not the id of an account. {ID_FORM}").into()
}

#[cold]
fn not_a_list(name: &str) -> FieldFault {
    format!("The field `{name}` must be a text, but it is a list. Send one text.").into()
}

#[cold]
fn empty(field: QueryField) -> FieldFault {
    let name = field.as_str();
    match field {
        QueryField::Channel | QueryField::Ou => format!("The field `{name}` is empty. Send a value.").into(),
        _ => format!("The field `{name}` is empty. Send a value, or leave the field out.").into(),
    }
}

/// Returns what to do about a value of a wrong type.
fn remedy(got: &str) -> &'static str {
    match got {
        json::NUMBER | json::BOOLEAN => "Put the value in quotes.",
        _ => "Send one text.",
    }
}

fn few_enough(count: usize) -> Result<(), FieldFault> {
    if count > MAX_EXCLUDED {
        return Err(format!("Exclude at most {MAX_EXCLUDED} accounts. The query excludes {count}.").into());
    }
    Ok(())
}

#[cold]
fn unknown(name: &str) -> FieldFault {
    unknown_field(name, &QueryField::ALL.map(QueryField::as_str)).into()
}

/// Returns the fault that a query has an unknown field. `fields` has the names of the known fields. Repeats
/// the name only if the name looks like one, because callers put phone numbers in wrong places.
pub fn unknown_field(name: &str, fields: &[&str]) -> String {
    // Web frameworks write lists as `exclude[]=a` or `exclude[0]=a`.
    let listed = name.split_once('[').and_then(|(name, _)| fields.iter().find(|field| **field == name));
    if let Some(name) = listed {
        let how = if *name == QueryField::Exclude.as_str() { " Separate the ids by commas." } else { "" };
        return format!("The field `{name}[]` is unknown. Send `{name}` once, without brackets.{how}");
    }
    let quotable = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let what =
        if quotable && !name.is_empty() { format!("The field `{name}`") } else { "A field".to_owned() };
    format!("{what} is unknown. The fields are {}.", fields.join(", "))
}

switchboard_model::text_enum! {
    /// The field that the client's country comes from.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum CountrySource {
        /// The query's `country` states the country.
        Query => "query",
        /// The country is that of the query's `phone`.
        Phone => "phone",
        /// The country is that of the query's `bsuid`.
        Bsuid => "bsuid",
    }
}

/// The client's country, and the source of the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The country. `None` if the phone number belongs to no country.
    pub country: Option<Region>,
    /// The field that the country comes from.
    pub source: CountrySource,
    /// The phone number, if the query has one.
    pub phone: Option<E164>,
    /// The country of the business-scoped user id, if the query has one.
    pub bsuid: Option<Region>,
}

impl Client {
    /// Resolves the client of a query. Does not look up the region of a phone number if the query states a
    /// country, which saves half of the work.
    pub(super) fn from_query(query: &Query<'_>) -> Result<Client, SelectError> {
        let stated = match &query.country {
            Some(country) => Some(Region::from_alpha2(country).ok_or(SelectError::InvalidCountry)?),
            None => None,
        };
        let phone = match &query.phone {
            Some(phone) if query.phone_follows_plus => Some(E164::parse_lenient(phone)),
            Some(phone) => Some(E164::parse(phone)),
            None => None,
        };
        let phone = phone.transpose().map_err(|_| SelectError::InvalidPhone)?;
        let bsuid = query.bsuid.as_deref().and_then(bsuid_region);
        let (country, source) = match (stated, phone, bsuid) {
            (Some(_), _, _) => (stated, CountrySource::Query),
            (None, Some(phone), _) => (phone.region(), CountrySource::Phone),
            (None, None, Some(_)) => (bsuid, CountrySource::Bsuid),
            (None, None, None) => return Err(SelectError::ClientRequired),
        };
        Ok(Client { country, source, phone, bsuid })
    }

    /// Returns true if the country comes from a phone number that is not a valid number.
    pub fn is_guessed(&self) -> bool {
        self.source == CountrySource::Phone && self.phone.is_some_and(|phone| phone.origin().guessed)
    }

    /// Returns true if two of the query's `country`, `phone` and `bsuid` belong to different countries.
    pub fn has_conflict(&self) -> bool {
        let others = [self.phone.and_then(|phone| phone.region()), self.bsuid];
        // The country is one of the three, unless the phone number belongs to no country.
        let first = self.country.or(self.bsuid);
        others.into_iter().flatten().any(|country| Some(country) != first)
    }
}
