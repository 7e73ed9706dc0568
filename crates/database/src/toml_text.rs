//! Writes TOML: the settings, pools, channels and tests of a registry.

use serde_json::Value;

/// Writes a text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // Escapes also what a person does not see.
            letter if switchboard_model::is_invisible(letter) && letter != ' ' => {
                out.push_str(&format!("\\U{:08X}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Writes an inline table.
pub(crate) fn table<'k>(entries: impl IntoIterator<Item = (&'k str, String)>) -> String {
    let entries: Vec<String> =
        entries.into_iter().map(|(key, value)| format!("{} = {value}", bare(key))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

/// Writes a key, in quotes where it needs them.
fn bare(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// Writes a value of JSON on one line. Leaves out nulls, which TOML does not have.
pub(crate) fn value(json: &Value) -> String {
    match json {
        Value::String(text) => quoted(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => json.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let given = entries.iter().filter(|(_, json)| !json.is_null());
            table(given.map(|(key, json)| (key.as_str(), value(json))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(quoted("a\"\\\n\t\u{7f}é\u{200b} b"), "\"a\\\"\\\\\\n\\t\\U0000007Fé\\U0000200B b\"");
    }

    #[test]
    fn json_becomes_toml_on_one_line() {
        let json = serde_json::json!({"ou": "a", "e x": ["b", null, 1], "t": {"n": null}});
        assert_eq!(value(&json), "{ ou = \"a\", \"e x\" = [\"b\", 1], t = {} }");
    }
}
