//! The standings that a run sets on the daemon and must clear, even if it is interrupted.

use super::admin::{self, AdminClient};
use crate::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// Lifetime of a standing. It bounds the time that a standing outlives a run that is killed.
const EXPIRY: SignedDuration = SignedDuration::from_secs(60);

/// Time for which a suspension is certain. It is half of the lifetime, because the daemon's clock may differ.
pub(super) const CERTAIN: Duration = Duration::from_secs(30);

/// Time that an interrupted run waits until the daemon has cleared every standing.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The status of an answer, or the reason why none arrived.
type StandingAnswer = std::result::Result<u16, String>;

/// The standings that are set, as admin listener and path. Clones share the state.
///
/// A change holds the lock until its answer arrives. Therefore [`StandingsToRestore::restore_all`] includes
/// it.
#[derive(Debug, Default, Clone)]
pub(crate) struct StandingsToRestore(Arc<Mutex<BTreeSet<(SocketAddr, String)>>>);

impl StandingsToRestore {
    pub(super) fn suspend(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let until = Timestamp::now().saturating_add(EXPIRY).unwrap_or(Timestamp::MAX);
        let body = json!({"standing": "suspended", "reason": "load test", "until": until.to_string()});
        let mut set = self.0.lock();
        // Before the request, because the daemon may set the standing even if no answer arrives.
        set.insert((admin.address, path.to_owned()));
        let answer = admin.put(path, &body);
        if answer.as_ref().is_ok_and(|status| (400..500).contains(status)) {
            set.remove(&(admin.address, path.to_owned()));
        }
        answer
    }

    /// Clears a standing. If that fails, the standing is kept for [`StandingsToRestore::restore_all`].
    pub(super) fn restore(&self, admin: &AdminClient, path: &str) -> StandingAnswer {
        let mut set = self.0.lock();
        let answer = admin.delete(path);
        if matches!(answer, Ok(204)) {
            set.remove(&(admin.address, path.to_owned()));
        }
        answer
    }

    /// Clears every standing. Returns a reason for each that is not cleared.
    pub(super) fn restore_all(&self) -> Vec<String> {
        restore_each(&mut self.0.lock())
    }

    /// Clears every standing within five seconds, and prevents new ones until the process ends.
    pub(super) fn restore_before_exit(&self) -> Vec<String> {
        let (sender, result) = mpsc::channel();
        let standings = self.clone();
        thread::spawn(move || {
            let mut set = standings.0.lock();
            let _ = sender.send(restore_each(&mut set));
            // Keeps the lock until the process ends.
            loop {
                thread::park();
            }
        });
        result.recv_timeout(INTERRUPT_TIMEOUT).unwrap_or_else(|_| {
            vec![format!(
                "some standings may remain for up to a minute, because the daemon did not answer within {INTERRUPT_TIMEOUT:?}"
            )]
        })
    }
}

fn restore_each(set: &mut BTreeSet<(SocketAddr, String)>) -> Vec<String> {
    let mut failed = Vec::new();
    set.retain(|(address, path)| {
        let reason = match AdminClient::new(*address).delete(path) {
            Ok(204) => return false,
            Ok(status) => format!("status {status}"),
            Err(reason) => reason,
        };
        failed.push(format!("{path} is not cleared, and expires within a minute: {reason}"));
        true
    });
    failed
}

/// Returns the accounts that have no standing. A load test must not change existing standings.
pub(super) fn without_standing(
    admin: &AdminClient,
    mut accounts: Vec<(String, String)>,
) -> Result<Vec<(String, String)>> {
    let companies: BTreeSet<String> = accounts.iter().map(|(company, _)| company.clone()).collect();
    for company in companies {
        let held = admin.accounts_with_standing(&company).map_err(|reason| {
            let (path, address) = (admin::standings_of(&company), admin.address);
            Error::Refused(format!(
                "GET {path} from {address}: {reason}; check that this is the admin listener, and that the daemon serves the \
                 registry of --registry"
            ))
        })?;
        accounts.retain(|(of, account)| *of != company || !held.contains(account));
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
    };

    /// Serves answers that `answer` makes from the first line and the body, until the process ends.
    fn serve(answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + 'static) -> AdminClient {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let start = head.len();
                    assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
                    if let Some(value) = head[start..].to_lowercase().strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let line = head.lines().next().unwrap();
                let (status, text) = answer(line, std::str::from_utf8(&body).unwrap());
                let length =
                    if status == 204 { String::new() } else { format!("content-length: {}\r\n", text.len()) };
                let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{length}\r\n");
                reader.get_mut().write_all((head + text).as_bytes()).unwrap();
            }
        });
        AdminClient::new(address)
    }

    #[test]
    fn a_standing_expires_and_is_kept_until_it_is_cleared() {
        let (sender, requests) = mpsc::channel();
        let refusals = Mutex::new(1);
        let admin = serve(move |line, body| {
            sender.send((line.to_owned(), body.to_owned())).unwrap();
            let mut left = refusals.lock();
            match line.starts_with("PUT") {
                true => (200, "{}"),
                false if *left > 0 => {
                    *left -= 1;
                    (500, "{}")
                }
                false => (204, ""),
            }
        });
        let (standings, path) = (StandingsToRestore::default(), admin::standing_of("acme", "a/b c"));
        assert_eq!(standings.suspend(&admin, &path), Ok(200));
        let (line, body) = requests.recv().unwrap();
        assert_eq!(line, "PUT /v1/standings/acme/a%2Fb%20c HTTP/1.1");
        let body: Value = serde_json::from_str(&body).unwrap();
        let until: Timestamp = body["until"].as_str().unwrap().parse().unwrap();
        let left = until.duration_since(Timestamp::now()).as_secs();
        assert!((30..=60).contains(&left), "{left}");
        assert_eq!(standings.restore(&admin, &path), Ok(500));
        assert_eq!(standings.restore_all(), Vec::<String>::new(), "the second time");
        assert_eq!(requests.try_iter().count(), 2);
        assert!(standings.restore_all().is_empty() && requests.try_recv().is_err(), "nothing is left");
    }

    #[test]
    fn a_refused_standing_is_not_kept_and_a_failed_one_is_reported() {
        let (standings, gone) = (StandingsToRestore::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let admin = serve(|_, _| (400, "{}"));
        assert_eq!(standings.suspend(&admin, "/v1/standings/acme/a"), Ok(400));
        assert!(standings.restore_before_exit().is_empty());
        let standings = StandingsToRestore::default();
        let admin = AdminClient::new(gone.local_addr().unwrap());
        drop(gone);
        assert!(standings.suspend(&admin, "/v1/standings/acme/a").is_err());
        let failed = standings.restore_before_exit();
        assert!(failed[0].contains("/v1/standings/acme/a is not cleared"), "{failed:?}");
    }

    #[test]
    fn accounts_with_a_standing_are_left_out() {
        let admin = serve(|line, _| {
            assert!(line.starts_with("GET /v1/standings?company=a%20b "), "{line}");
            (200, r#"{"company":"a b","standings":[{"account":"x","standing":"draining"}]}"#)
        });
        let accounts = ["x", "y"].map(|account| ("a b".to_owned(), account.to_owned()));
        assert_eq!(without_standing(&admin, accounts.to_vec()).unwrap(), [accounts[1].clone()]);
        let other = serve(|_, _| (404, "{}"));
        assert!(without_standing(&other, accounts.to_vec()).unwrap_err().to_string().contains("--registry"));
    }
}
