//! Standings of the daemon that this run sets, and owes it to lift: also where it is interrupted.

use crate::{
    error::{Error, Result},
    http::{self, Connection, Failure, encoded},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// What is set ends by itself after this: nothing outlives a run that is killed.
const LASTS: SignedDuration = SignedDuration::from_secs(60);

/// So long a suspension is taken for certain. Half of it: the daemon's clock need not be this one.
pub(super) const CERTAIN: Duration = Duration::from_secs(30);

/// How long an interrupted run waits for the daemon to lift all.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is set, and whom to ask to lift it. Held while a change is on the way, so that who lifts all lifts that, too.
#[derive(Debug, Default, Clone)]
pub(super) struct Owed(Arc<Mutex<BTreeSet<(SocketAddr, String)>>>);

/// The path of an account's standing.
pub(super) fn path(company: &str, account: &str) -> String {
    format!("/v1/standings/{}/{}", encoded(company), encoded(account))
}

impl Owed {
    fn set(&self) -> MutexGuard<'_, BTreeSet<(SocketAddr, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Suspends an account; the status that the daemon answers with.
    pub(super) fn suspend(
        &self,
        admin: SocketAddr,
        line: &mut Option<Connection>,
        path: &str,
    ) -> std::result::Result<u16, Failure> {
        let until = Timestamp::now().saturating_add(LASTS).unwrap_or(Timestamp::MAX);
        let body = json!({"standing": "suspended", "reason": "load test", "until": until.to_string()});
        let request = http::request("PUT", path, "application/json", &body.to_string());
        let mut set = self.set();
        // Before it is sent: it may be done where no answer comes.
        set.insert((admin, path.to_owned()));
        let answered = ask(admin, line, &request);
        if answered.as_ref().is_ok_and(|status| (400..500).contains(status)) {
            set.remove(&(admin, path.to_owned()));
        }
        answered
    }

    /// Lifts it. Where that fails it stays owed.
    pub(super) fn lift(
        &self,
        admin: SocketAddr,
        line: &mut Option<Connection>,
        path: &str,
    ) -> std::result::Result<u16, Failure> {
        let mut set = self.set();
        let answered = lift(admin, line, path);
        if matches!(answered, Ok(204)) {
            set.remove(&(admin, path.to_owned()));
        }
        answered
    }

    /// Lifts all that is still set; why each that is not lifted is not.
    pub(super) fn lift_all(&self) -> Vec<String> {
        lift_each(&mut self.set())
    }

    /// The same before this process ends: nothing is set any more from then on. Not for longer than a few seconds.
    pub(super) fn lift_at_last(&self) -> Vec<String> {
        let (tell, told) = mpsc::channel();
        let owed = self.clone();
        thread::spawn(move || {
            let mut set = owed.set();
            let _ = tell.send(lift_each(&mut set));
            // Held until the process is gone.
            loop {
                thread::park();
            }
        });
        told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            vec![format!(
                "standings may be set still, for a minute at the most: no answer within {PATIENCE:?}"
            )]
        })
    }
}

fn lift_each(set: &mut BTreeSet<(SocketAddr, String)>) -> Vec<String> {
    let mut failed = Vec::new();
    set.retain(|(admin, path)| {
        let why = match lift(*admin, &mut None, path) {
            Ok(204) => return false,
            Ok(status) => format!("status {status}"),
            Err((kind, why)) => format!("{kind}: {why}"),
        };
        failed.push(format!("{path} is not lifted, and ends by itself within a minute: {why}"));
        true
    });
    failed
}

fn lift(admin: SocketAddr, line: &mut Option<Connection>, path: &str) -> std::result::Result<u16, Failure> {
    ask(admin, line, &http::request("DELETE", path, "application/json", ""))
}

fn ask(admin: SocketAddr, line: &mut Option<Connection>, request: &str) -> std::result::Result<u16, Failure> {
    let mut connection = match line.take() {
        Some(connection) => connection,
        None => Connection::open(admin)?,
    };
    let answer = connection.ask(request)?;
    if !answer.last {
        *line = Some(connection);
    }
    Ok(answer.status)
}

/// Those accounts, but for such as have a standing of somebody else's: a load test does not touch it.
pub(super) fn without_standing(
    admin: SocketAddr,
    mut accounts: Vec<(String, String)>,
) -> Result<Vec<(String, String)>> {
    let companies: BTreeSet<String> = accounts.iter().map(|(company, _)| company.clone()).collect();
    for company in companies {
        let path = format!("/v1/standings?company={}", encoded(&company));
        let failed = |why: String| {
            let what =
                "whether it is the admin listener, and serves the registry that is named with --registry";
            Error::Refused(format!("GET {path} from {admin}: {why}; see {what}"))
        };
        let request = http::request("GET", &path, "application/json", "");
        let answer = Connection::open(admin).and_then(|mut connection| connection.ask(&request));
        let answer = answer.map_err(|(kind, why)| failed(format!("{kind}: {why}")))?;
        if answer.status != 200 {
            return Err(failed(format!("status {}", answer.status)));
        }
        let told: Value = serde_json::from_str(&answer.body).map_err(|error| failed(error.to_string()))?;
        let listed = told.get("standings").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| failed("no list of standings".to_owned()))?;
        let held: BTreeSet<&str> = listed.iter().filter_map(|entry| entry.get("account")?.as_str()).collect();
        accounts.retain(|(of, account)| *of != company || !held.contains(&**account));
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
    };

    /// Answers each request with what `says` says of its first line and body, for as long as the test's process lives.
    fn serve(says: impl Fn(&str, &str) -> String + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(std::result::Result::ok) {
                connection(stream, &says);
            }
        });
        address
    }

    fn connection(stream: TcpStream, says: &dyn Fn(&str, &str) -> String) {
        let mut reader = BufReader::new(stream);
        loop {
            let (mut head, mut length) = (Vec::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 {
                    return;
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head.push(line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = says(&head[0], std::str::from_utf8(&body).unwrap());
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    }

    const DONE: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

    fn whole(status: u16, body: &str) -> String {
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn what_is_set_ends_by_itself_and_is_owed_until_it_is_lifted() {
        let (tell, told) = mpsc::channel();
        let refusals = Mutex::new(1);
        let admin = serve(move |line, body| {
            tell.send((line.trim_end().to_owned(), body.to_owned())).unwrap();
            let mut left = refusals.lock().unwrap();
            match line.starts_with("PUT") {
                true => whole(200, "{}"),
                false if *left > 0 => {
                    *left -= 1;
                    whole(500, "{}")
                }
                false => DONE.to_owned(),
            }
        });
        let (owed, path) = (Owed::default(), path("acme", "a/b c"));
        assert_eq!(owed.suspend(admin, &mut None, &path), Ok(200));
        let (line, body) = told.recv().unwrap();
        assert_eq!(line, "PUT /v1/standings/acme/a%2Fb%20c HTTP/1.1");
        let body: Value = serde_json::from_str(&body).unwrap();
        let until: Timestamp = body["until"].as_str().unwrap().parse().unwrap();
        let left = until.duration_since(Timestamp::now()).as_secs();
        assert!((30..=60).contains(&left), "{left}");
        assert_eq!(owed.lift(admin, &mut None, &path), Ok(500));
        assert_eq!(owed.lift_all(), Vec::<String>::new(), "the second time");
        assert_eq!(told.try_iter().count(), 2);
        assert!(owed.lift_all().is_empty() && told.try_recv().is_err(), "nothing is owed any more");
    }

    #[test]
    fn what_is_refused_is_not_owed_and_what_fails_is_told() {
        let (owed, gone) = (Owed::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let admin = serve(|_, _| whole(400, "{}"));
        assert_eq!(owed.suspend(admin, &mut None, "/v1/standings/acme/a"), Ok(400));
        assert!(owed.lift_at_last().is_empty());
        let owed = Owed::default();
        let address = gone.local_addr().unwrap();
        drop(gone);
        assert!(owed.suspend(address, &mut None, "/v1/standings/acme/a").is_err());
        let told = owed.lift_at_last();
        assert!(told[0].contains("/v1/standings/acme/a is not lifted"), "{told:?}");
    }

    #[test]
    fn standings_of_others_are_left_alone() {
        let admin = serve(|line, _| {
            assert!(line.starts_with("GET /v1/standings?company=a%20b "), "{line}");
            whole(200, r#"{"company":"a b","standings":[{"account":"x","standing":"draining"}]}"#)
        });
        let accounts = ["x", "y"].map(|account| ("a b".to_owned(), account.to_owned()));
        assert_eq!(without_standing(admin, accounts.to_vec()).unwrap(), [accounts[1].clone()]);
        let other = serve(|_, _| whole(404, "{}"));
        assert!(without_standing(other, accounts.to_vec()).unwrap_err().to_string().contains("--registry"));
    }
}
