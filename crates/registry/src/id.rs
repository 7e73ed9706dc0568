//! Texts that should be ids.

use super::shown::shown;
use super::{Code, Findings, Mark, Place};
use switchboard_model::MAX_ID_BYTES;
pub(super) use switchboard_model::is_id;

/// Reports a text that is no id. `what` says whose it should be: `OU id`.
pub(super) fn demand_id(text: &str, what: &str, place: &Place, mark: Mark, findings: &mut Findings) {
    if is_id(text) {
        return;
    }
    let message = if text.is_empty() {
        format!("{what} is empty")
    } else if text.len() > MAX_ID_BYTES {
        format!("{what} {} is longer than {MAX_ID_BYTES} bytes", shown(text))
    } else {
        format!("{what} {} has a character that ids do not have", shown(text))
    };
    let help = "use 1 to 128 printable ASCII characters without space, comma, slash or quote";
    findings.add(place, Code::InvalidId, message, help).at(mark);
}
