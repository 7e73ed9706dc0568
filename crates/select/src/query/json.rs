//! Reads queries from JSON objects.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{BadQuery, Query, QueryFields, fast_json};
use switchboard_model::{MAX_EXCLUDED, MAX_QUERY_BYTES};

impl<'a> Query<'a> {
    /// Reads a query from a JSON object. Borrows strings that have no escapes.
    ///
    /// ```
    /// use switchboard_select::Query;
    ///
    /// let query = Query::from_json(br#"{"channel":"sms","ou":"london","country":"GB"}"#)?;
    /// assert_eq!(query.ou, "london");
    ///
    /// let missing = Query::from_json(br#"{"channel":"sms"}"#).err().unwrap();
    /// assert_eq!(missing.to_string(), "Add the required field `ou`.");
    /// # Ok::<(), switchboard_select::BadQuery>(())
    /// ```
    ///
    /// # Errors
    /// Returns the first fault of the query. See [`BadQuery`].
    pub fn from_json(bytes: &'a [u8]) -> Result<Query<'a>, BadQuery> {
        let mut query = Query::default();
        query.read_json(bytes)?;
        Ok(query)
    }

    /// Reads a JSON object into this query, and replaces all of its fields. Borrows strings that have no
    /// escapes.
    ///
    /// # Errors
    /// Returns the first fault of the query. The fields of a faulty query are unspecified.
    pub fn read_json(&mut self, bytes: &'a [u8]) -> Result<(), BadQuery> {
        if bytes.len() > MAX_QUERY_BYTES {
            let mut fields = QueryFields::new(self);
            fields
                .add_fault(format!("The query has more than {MAX_QUERY_BYTES} bytes. Send a shorter query."));
            return fields.finish();
        }
        fast_json::read(bytes, self).unwrap_or_else(|| self.read_any_json(bytes))
    }

    /// Reads any JSON object, with serde_json.
    pub(super) fn read_any_json(&mut self, bytes: &'a [u8]) -> Result<(), BadQuery> {
        let mut fields = QueryFields::new(self);
        let mut json = serde_json::Deserializer::from_slice(bytes);
        if let Err(error) = Object(&mut fields).deserialize(&mut json).and_then(|()| json.end()) {
            // serde_json's message may repeat the value, which may be personal data. Only the position is
            // reported. serde_json has column 0 for a fault before the first byte.
            fields.add_json_fault(error.line().max(1), error.column().max(1));
        }
        fields.finish()
    }
}

/// Reads the members of a JSON object into fields.
struct Object<'f, 'q, 'a>(&'f mut QueryFields<'q, 'a>);

impl<'de> DeserializeSeed<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(name)) = map.next_key_seed(TextSeed)? {
            match map.next_value_seed(ValueSeed)? {
                // An empty text excludes nothing, in a URL and here.
                Value::Text(text) if name == "exclude" && !text.is_empty() => self.0.set_other(&name, TEXT),
                Value::Text(text) => self.0.set(&name, text),
                Value::List(list) => self.0.set_list(&name, &list),
                Value::ListWithOther(item, got) => self.0.set_list_with_other(&name, item, got),
                Value::Null => self.0.set_null(&name),
                Value::Other(got) => self.0.set_other(&name, got),
            }
        }
        Ok(())
    }
}

struct Text<'a>(Cow<'a, str>);

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Text<'de>, D::Error> {
        json.deserialize_str(TextSeed)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}

// The names of the types of JSON, for messages.
const TEXT: &str = "a text";
pub(super) const NUMBER: &str = "a number";
pub(super) const BOOLEAN: &str = "a boolean";
const LIST: &str = "a list";
const OBJECT: &str = "an object";
const NULL: &str = "null";

enum Value<'a> {
    Text(Cow<'a, str>),
    List(Vec<Cow<'a, str>>),
    /// A list with an item that is not a text: the item's number, from 1, and its type.
    ListWithOther(usize, &'static str),
    Null,
    /// A number, a boolean or an object: its type.
    Other(&'static str),
}

impl Value<'_> {
    /// Returns the name of the value's type, with its article.
    fn type_name(&self) -> &'static str {
        match self {
            Value::Text(_) => TEXT,
            Value::List(_) | Value::ListWithOther(..) => LIST,
            Value::Null => NULL,
            Value::Other(name) => name,
        }
    }
}

struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value<'de>, D::Error> {
        json.deserialize_any(ValueSeed)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Value<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string or a list of strings")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let mut texts = Vec::new();
        let mut other = None;
        let mut item = 0;
        while let Some(value) = list.next_element_seed(ValueSeed)? {
            item += 1;
            match value {
                // Keeps one more than allowed, which is enough to report the error.
                Value::Text(_) if texts.len() > MAX_EXCLUDED => {}
                Value::Text(text) => texts.push(text),
                value => other = other.or(Some((item, value.type_name()))),
            }
        }
        Ok(match other {
            Some((item, got)) => Value::ListWithOther(item, got),
            None => Value::List(texts),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other(OBJECT))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other(BOOLEAN))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other(NUMBER))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::Other(NUMBER))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other(NUMBER))
    }
}
