//! Floor 0. What an id looks like, wherever it is read: in a registry's files, and in a snapshot's.

/// In bytes.
pub const MAX_ID_BYTES: usize = 128;

/// 1 to 128 bytes of printable ASCII without space, comma, slash or quote: ids stand in CSV cells,
/// URLs, metrics' labels and comma-separated lists unescaped.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b'/' | b'"' | b'\''))
}
