//! Open pages of the console. Each repeats the requests of its view at their intervals.

use super::{admin::AdminClient, context::StopFlag};
use std::time::{Duration, Instant};

/// A request of a page, and the time from one to the next.
struct PageRequest {
    every: Duration,
    method: &'static str,
    path: String,
    body: &'static str,
}

/// Returns the requests of page `number`: those that every page repeats, and those of one of the views. `query` is the
/// query string of a selection.
fn requests(number: u32, query: &str) -> Vec<PageRequest> {
    let request = |seconds, method, path: &str, body| PageRequest {
        every: Duration::from_secs(seconds),
        method,
        path: path.to_owned(),
        body,
    };
    let mut all = vec![request(2, "GET", "/status", ""), request(2, "GET", "/metrics", "")];
    match number % 4 {
        0 => all.push(request(2, "GET", "/v1/standings", "")),
        1 => all.push(request(5, "GET", &format!("/v1/explain?{query}"), "")),
        2 => {
            let of_row =
                |field: &&str| ["company=", "channel=", "ou="].iter().any(|name| field.starts_with(name));
            let row: Vec<&str> = query.split('&').filter(of_row).collect();
            all.push(request(5, "GET", "/v1/coverage", ""));
            all.push(request(5, "GET", &format!("/v1/coverage?{}", row.join("&")), ""));
        }
        _ => {
            all.push(request(5, "POST", "/v1/accounts", r#"{"limit":100}"#));
            // A search that looks at every account.
            all.push(request(5, "POST", "/v1/accounts", r#"{"text":"no account has this text"}"#));
        }
    }
    all
}

/// Sends the requests of the page of this number until the stop. Reports the path and the duration of each, or the
/// reason why it failed. `query` is the query string of a selection.
pub(super) fn show_page(
    stop: &StopFlag,
    admin: &AdminClient,
    number: u32,
    query: &str,
    report: impl Fn(Result<(&str, Duration), String>),
) {
    let requests = requests(number, query);
    // The pages are not opened at the same moment.
    let start = Instant::now() + Duration::from_millis(170) * number;
    let mut due = vec![start; requests.len()];
    while let Some((next, at)) = due.iter().enumerate().min_by_key(|(_, at)| **at) {
        stop.sleep_until(*at);
        if stop.is_set() {
            return;
        }
        let (Some(request), started) = (requests.get(next), Instant::now()) else { return };
        let path = request.path.split('?').next().unwrap_or_default();
        match admin.send(request.method, &request.path, request.body) {
            Ok((200, _)) => report(Ok((path, started.elapsed()))),
            Ok((status, _)) => report(Err(format!("{path}: {status}"))),
            Err(reason) => report(Err(format!("{path}: {reason}"))),
        }
        if let Some(due) = due.get_mut(next) {
            *due += request.every;
        }
    }
}
