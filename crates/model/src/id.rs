//! Ids, wherever they are read: in a registry's files, in a snapshot, in a query.

/// The most bytes of an id.
pub const MAX_ID_BYTES: usize = 128;

/// Returns whether a text is an id: 1 to 128 bytes of printable ASCII without space, comma, slash or quote.
///
/// So ids stand unescaped in CSV cells, URLs, labels of metrics and comma-separated lists.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'"' | b'\''))
}
