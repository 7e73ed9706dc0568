//! A fleet under load: clients that ask for selections all the time, writers that change standings, and a book
//! of what was acknowledged. Every answer is compared with the book. At the end, every replica is compared with
//! the book, and every daemon with the oracle.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::iter::once;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fleet_testbed::proxy::Proxy;
use fleet_testbed::simulated::{SimulatedReplica, SimulatedSettings};
use oracle::{Oracle, Query, Verdict};
use serde_json::Value;
use switchboard_fleet::bus::{Bucket, BusSettings};
use switchboard_model::Condition;
use switchboard_registry::{Company, Holder, Registry};
use switchboard_snapshot::{NoProgress, Snapshot, compile};
use tokio::runtime::Runtime;

use crate::harness::fleet_site::{Release, Site, is_connected, wait_until_served};
use crate::harness::small_registry::{account, channel, company, ou, pool};
use crate::harness::{DaemonProcess, HttpClient, HttpResponse, wait_until, wait_within};

const COMPANY: &str = "bank";
/// The accounts of an OU whose standings change. One more keeps its own, so that every query has an answer.
pub(crate) const GROUP: usize = 20;
/// The pause of a client between two queries. Without it, the clients take the processor from the replicas.
const PAUSE: Duration = Duration::from_millis(2);
/// The time until all replicas agree after the last fault. A broker without memory gets the standings back within
/// 10 s; the rest is for a slow machine, on which a hundred simulated replicas read a hundred thousand standings each.
const AGREEMENT: Duration = Duration::from_secs(300);
/// The time of an answer while a process is stopped is that of the test.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(300);
/// The time for any number of changes of standings, and for a broker to which all replicas write at once.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// The longest time of a change. A write to the broker takes 1 s at most. The rest is for a busy machine.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);
/// The number of faults that a message shows.
const SHOWN: usize = 5;

/// Returns the id of an account by its number.
pub(crate) fn account_id(number: usize) -> String {
    format!("a-{:05}-{:02}", number / GROUP, number % GROUP)
}

fn group_id(group: usize) -> String {
    format!("g-{group:05}")
}

/// Returns a company with this number of accounts whose standings change, in OUs of their own, with these states.
fn bank(accounts: usize, state: impl Fn(usize) -> Condition) -> Company {
    let groups = accounts.div_ceil(GROUP);
    let of = |id: String, group: usize, number: usize, state| {
        let mut account = account(&id, "GB", Holder::Pool(group_id(group).into()), state);
        // A company has each address once.
        account.address = format!("+447{number:09}").into();
        account
    };
    let changing = (0..accounts).map(|number| of(account_id(number), number / GROUP, number, state(number)));
    let constant =
        (0..groups).map(|group| of(format!("c-{group:05}"), group, accounts + group, Condition::Active));
    let mut accounts: Vec<_> = changing.chain(constant).collect();
    accounts.sort_by(|a, b| a.id.cmp(&b.id));
    Company {
        ous: once(ou(COMPANY, None)).chain((0..groups).map(|it| ou(&group_id(it), Some(COMPANY)))).collect(),
        pools: (0..groups).map(|it| pool(&group_id(it), &group_id(it), true)).collect(),
        accounts,
        ..company(COMPANY)
    }
}

fn registry(companies: Vec<Company>) -> Registry {
    Registry { channels: vec![channel("sms"), channel("whatsapp")], companies }
}

/// What was acknowledged about an account.
#[derive(Default)]
struct Acknowledged {
    condition: Option<Condition>,
    /// The last changes and their answers, for the message of a test that fails.
    changes: Vec<String>,
}

impl Acknowledged {
    fn push(&mut self, change: String) {
        if self.changes.len() == SHOWN {
            self.changes.remove(0);
        }
        self.changes.push(change);
    }
}

/// What was acknowledged about each account, and what went wrong. Shared by clients and writers.
pub(crate) struct Book {
    accounts: Vec<Mutex<Acknowledged>>,
    /// For each account: the replicas on which a restriction is in force, as bits, and above them the number of
    /// changes. A client compares the value before a request with the value after it.
    marks: Vec<AtomicU64>,
    /// The newest generation that was published, and the newest that a replica may serve.
    generation: AtomicU64,
    acceptable: AtomicU64,
    /// Whether writers make changes that restrict less.
    may_restrict_less: AtomicBool,
    /// The number of changes that were answered.
    changes: AtomicU64,
    /// The longest time of a change, in milliseconds.
    slowest_change: AtomicU64,
    faults: Mutex<Vec<String>>,
}

impl Book {
    pub(crate) fn new(accounts: usize) -> Book {
        Book {
            accounts: (0..accounts).map(|_| Mutex::default()).collect(),
            marks: (0..accounts).map(|_| AtomicU64::default()).collect(),
            generation: AtomicU64::new(0),
            acceptable: AtomicU64::new(0),
            may_restrict_less: AtomicBool::new(true),
            changes: AtomicU64::new(0),
            slowest_change: AtomicU64::new(0),
            faults: Mutex::default(),
        }
    }

    fn fault(&self, text: String) {
        self.faults.lock().unwrap().push(text);
    }

    /// Records that the account is restricted on these replicas, or on none.
    fn mark(&self, number: usize, replicas: u64) {
        let next = |mark: u64| Some(((mark >> 32) + 1) << 32 | replicas);
        let _ = self.marks[number].fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
    }

    /// Records what a test knows to be in force on these replicas.
    pub(crate) fn record(
        &self,
        number: usize,
        condition: Option<Condition>,
        replicas: impl IntoIterator<Item = usize>,
    ) {
        self.accounts[number].lock().unwrap().condition = condition;
        let bits = replicas.into_iter().fold(0, |bits, replica| bits | 1 << replica);
        self.mark(number, if condition.is_some() { bits } else { 0 });
    }

    /// Returns the last changes of an account.
    fn changes(&self, id: &str) -> Vec<String> {
        let number = (0..self.accounts.len()).find(|number| account_id(*number) == id);
        number.map(|number| self.accounts[number].lock().unwrap().changes.clone()).unwrap_or_default()
    }

    /// Returns the standings that every replica must have.
    fn standings(&self) -> BTreeMap<String, String> {
        let of = |(number, known): (usize, &Mutex<Acknowledged>)| {
            let condition = known.lock().unwrap().condition?;
            Some((account_id(number), name(condition).to_owned()))
        };
        self.accounts.iter().enumerate().filter_map(of).collect()
    }

    /// Changes a standing, and compares the answer with what it must be.
    fn change(&self, client: &mut HttpClient, replica: usize, number: usize, to: Option<Condition>) {
        let mut acknowledged = self.accounts[number].lock().unwrap();
        let may_restrict_less = self.may_restrict_less.load(Ordering::SeqCst);
        let to = if may_restrict_less { to } else { to.max(acknowledged.condition) };
        let takes_away = to < acknowledged.condition;
        if takes_away && to.is_none() {
            self.mark(number, 0);
        }
        let (method, body) = match to {
            Some(to) => ("PUT", format!(r#"{{"standing":"{}","reason":"load"}}"#, name(to))),
            None => ("DELETE", String::new()),
        };
        let id = account_id(number);
        let length = body.len();
        let request = format!(
            "{method} /v1/standings/{COMPANY}/{id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let sent = Instant::now();
        let answer = exchange(client, &request);
        let took = sent.elapsed();
        self.slowest_change.fetch_max(u64::try_from(took.as_millis()).unwrap(), Ordering::SeqCst);
        let (status, answer) = match answer {
            Ok(answer) if answer.status == 204 => (204, Value::Null),
            Ok(answer) => (answer.status, answer.json()),
            Err(error) => {
                return self.fault(format!("{method} {id} on replica {replica}: {error} after {took:?}"));
            }
        };
        acknowledged.push(format!(
            "{method} {} on replica {replica}: {status} {} at {sent:?}",
            to.map_or("", name),
            answer["reach"]
        ));
        self.changes.fetch_add(1, Ordering::SeqCst);
        let text = |member: &str| answer[member].as_str().unwrap_or_default();
        match (status, to) {
            (200, Some(_)) if text("reach") == "fleet" => acknowledged.condition = to,
            (202, Some(_)) if text("reach") == "replica" => acknowledged.condition = to,
            (204, None) => acknowledged.condition = None,
            // The restriction stays.
            (503, _) if takes_away && text("code") == "no_broker" => {}
            _ => self.fault(format!("{method} {id} on replica {replica}: {status} {answer}")),
        }
        if acknowledged.condition.is_some() {
            self.mark(number, 1 << replica);
        }
    }

    /// Asks for a selection, and compares the account with the book.
    fn ask(&self, client: &mut HttpClient, replica: usize, group: usize, last: &mut u64) {
        let numbers = group * GROUP..((group + 1) * GROUP).min(self.marks.len());
        let marks =
            || numbers.clone().map(|number| self.marks[number].load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = marks();
        let ou = group_id(group);
        let target = format!("/v1/select?company={COMPANY}&channel=whatsapp&ou={ou}&country=GB");
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = match exchange(client, &request) {
            Ok(answer) if answer.status == 200 => answer.json(),
            Ok(answer) => {
                return self.fault(format!("replica {replica}: {} {}", answer.status, answer.text()));
            }
            Err(error) => return self.fault(format!("replica {replica}: {error}")),
        };
        let after = marks();
        let generation = answer["generation"].as_u64().unwrap();
        if generation < *last || generation > self.acceptable.load(Ordering::SeqCst) {
            self.fault(format!("replica {replica}: generation {generation} after {last}"));
        }
        *last = generation;
        let selected = answer["account"].as_str().unwrap();
        let at = numbers.clone().position(|number| account_id(number) == selected);
        let is_restricted = at.is_some_and(|at| before[at] == after[at] && before[at] & 1 << replica != 0);
        if is_restricted || (at.is_none() && selected != format!("c-{group:05}")) {
            self.fault(format!("replica {replica}: {selected} for {ou}"));
        }
    }

    #[track_caller]
    fn assert_no_fault(&self) {
        let faults = self.faults.lock().unwrap();
        let first = &faults[..faults.len().min(SHOWN)];
        assert!(faults.is_empty(), "{} faults, such as {first:#?}", faults.len());
    }
}

fn connect(address: &str) -> HttpClient {
    let client = HttpClient::connect(address);
    client.stream.set_read_timeout(Some(CLIENT_TIMEOUT)).unwrap();
    client
}

/// Sends a request. Connects again where the answer ends the connection.
fn exchange(client: &mut HttpClient, request: &str) -> io::Result<HttpResponse> {
    let answer = client.try_send(request).and_then(|()| client.try_answer());
    if !answer.as_ref().is_ok_and(|answer| answer.header("connection") != Some("close")) {
        *client = connect(&client.stream.peer_addr()?.to_string());
    }
    answer
}

fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::Suspended => "suspended",
        Condition::Draining => "draining",
        Condition::Active => unreachable!("no standing"),
    }
}

/// Threads that run until the load ends. A test that fails ends them as well.
pub(crate) struct Load {
    book: Arc<Book>,
    is_stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Starts a thread for each address, which repeats its step until the load ends.
    fn start<S>(book: &Arc<Book>, steps: impl IntoIterator<Item = (String, S)>) -> Load
    where
        S: FnMut(&Book, &mut HttpClient) + Send + 'static,
    {
        let is_stopped = Arc::<AtomicBool>::default();
        let run = |(address, mut step): (String, S)| {
            let (book, is_stopped) = (Arc::clone(book), Arc::clone(&is_stopped));
            thread::spawn(move || {
                let mut client = connect(&address);
                let mut steps = 0;
                while !is_stopped.load(Ordering::SeqCst) {
                    step(&book, &mut client);
                    steps += 1;
                }
                steps
            })
        };
        Load { book: Arc::clone(book), threads: steps.into_iter().map(run).collect(), is_stopped }
    }

    /// Ends the load. Returns the number of requests. Fails if one of them was answered wrongly or not at all.
    #[track_caller]
    pub(crate) fn end(mut self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        let steps: Vec<u64> = self.threads.drain(..).map(|thread| thread.join().unwrap()).collect();
        self.book.assert_no_fault();
        assert!(steps.iter().all(|steps| *steps > 0), "{steps:?} requests");
        steps.iter().sum()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }
}

/// Replicas of a fleet that serve the same release, with the book of their standings.
pub(crate) struct Fleet {
    pub(crate) site: Site,
    /// The connection of each replica to the broker.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) daemons: Vec<DaemonProcess>,
    simulated: Vec<SimulatedReplica>,
    /// Runs the simulated replicas.
    runtime: Runtime,
    pub(crate) book: Arc<Book>,
}

impl Fleet {
    /// Starts daemons with a release of this number of accounts, on a server.
    pub(crate) fn start(server: &Path, accounts: usize, daemons: usize) -> Fleet {
        let mut fleet = Fleet::new(server, accounts);
        fleet.publish();
        (0..daemons).for_each(|_| fleet.join(&[], &[]));
        fleet.wait_until_served();
        fleet
    }

    /// Returns a fleet without replicas and without a release, on a server.
    pub(crate) fn new(server: &Path, accounts: usize) -> Fleet {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Fleet {
            site: Site::on(server),
            proxies: Vec::new(),
            daemons: Vec::new(),
            simulated: Vec::new(),
            runtime,
            book: Arc::new(Book::new(accounts)),
        }
    }

    /// Starts simulated replicas, and waits until they serve the release. The daemons share them out: the proxy of a
    /// daemon that is disturbed connects its share, too. The others need no proxy.
    pub(crate) fn simulate(&mut self, count: usize, disturbed: &[usize]) {
        for number in 0..count {
            let of = number % self.daemons.len();
            let port =
                if disturbed.contains(&of) { self.proxies[of].port() } else { self.site.broker.port() };
            let urls = format!("nats://127.0.0.1:{port}");
            let bus = BusSettings { urls, ..self.site.broker.settings() };
            let settings = SimulatedSettings::new(bus, format!("simulated-{number}"));
            let handle = self.runtime.handle();
            self.simulated.push(SimulatedReplica::start(handle, number, settings, Arc::new(|_, _| {})));
        }
        self.wait_until_served();
    }

    /// Starts one more replica. The words before the program are another program that runs it.
    pub(crate) fn join(&mut self, before: &[&str], options: &[&str]) {
        self.join_as(&[before, &[env!("CARGO_BIN_EXE_switchboard")]].concat(), options);
    }

    /// Starts one more replica of another program.
    pub(crate) fn join_as(&mut self, program: &[&str], options: &[&str]) {
        let proxy = Proxy::start(self.site.broker.port()).unwrap();
        let (url, id) = (format!("nats://127.0.0.1:{}", proxy.port()), format!("r{}", self.daemons.len()));
        let options = self.site.options_at(&url, &id, options);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.daemons.push(DaemonProcess::launch(DaemonProcess::command(program, &options)));
        self.proxies.push(proxy);
    }

    /// Returns the snapshot of a generation. Every generation has another content, so that it is fetched.
    pub(crate) fn snapshot(&self, generation: u64) -> Snapshot {
        let bank = bank(self.book.accounts.len(), |_| Condition::Active);
        let registry = registry(vec![bank, company(&format!("extra-{generation}"))]);
        Snapshot::open(compile(&registry, generation, &NoProgress).unwrap().with_no_tests()).unwrap()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.book.generation.load(Ordering::SeqCst)
    }

    /// Prepares the release of the next generation. From now on, clients accept this generation.
    pub(crate) fn release(&self) -> Release {
        let generation = self.book.generation.fetch_add(1, Ordering::SeqCst) + 1;
        self.accept(generation);
        self.site.release_of(&self.snapshot(generation))
    }

    /// Publishes the next generation.
    pub(crate) fn publish(&self) {
        self.site.publish(&self.release(), &[]);
    }

    /// Makes clients accept every generation up to this one.
    pub(crate) fn accept(&self, generation: u64) {
        self.book.acceptable.fetch_max(generation, Ordering::SeqCst);
    }

    /// Waits until this number of changes of standings was answered, more than now.
    #[track_caller]
    pub(crate) fn wait_for_changes(&self, more: usize) {
        let changes = || self.book.changes.load(Ordering::SeqCst);
        let goal = changes() + u64::try_from(more).unwrap();
        wait_within(LONG_PATIENCE, || format!("{goal} changes, {} so far", changes()), || changes() >= goal);
    }

    /// Lets writers make changes that restrict less, or keeps them from it. Then waits until every replica has read
    /// what was changed before: if the broker loses its memory, a replica puts back a restriction whose end it has
    /// not read.
    #[track_caller]
    pub(crate) fn let_writers_restrict_less(&self, may: bool) {
        self.book.may_restrict_less.store(may, Ordering::SeqCst);
        if may {
            return;
        }
        // A writer holds the lock of an account until its change is answered.
        self.book.accounts.iter().for_each(|account| drop(account.lock().unwrap()));
        let bus = self.site.runtime.block_on(self.site.broker.bus()).unwrap();
        let last = self.site.runtime.block_on(bus.memory(Bucket::Standings)).unwrap().1;
        let has_read = |daemon: &DaemonProcess| {
            daemon.status()["fleet"]["standings_revision"].as_u64().is_some_and(|revision| revision >= last)
        };
        let is_read = || {
            let mut simulated = self.simulated.iter();
            simulated.all(|replica| replica.status().standings_revision >= last)
                && self.daemons.iter().all(has_read)
        };
        wait_within(AGREEMENT, || format!("all replicas have read revision {last}"), is_read);
    }

    #[track_caller]
    pub(crate) fn wait_until_connected(&self) {
        wait_until("all replicas are connected", || self.daemons.iter().all(is_connected));
    }

    #[track_caller]
    pub(crate) fn wait_until_served(&self) {
        let generation = self.generation();
        self.daemons.iter().for_each(|daemon| wait_until_served(daemon, generation));
        let is_served = |replica: &SimulatedReplica| replica.generation() == Some(generation);
        wait_until("all simulated replicas serve the release", || self.simulated.iter().all(is_served));
    }

    /// Starts a client for each replica, which asks for selections one after the other.
    pub(crate) fn clients(&self) -> Load {
        let groups = self.book.accounts.len().div_ceil(GROUP);
        let step = |(replica, daemon): (usize, &DaemonProcess)| {
            let mut last = 0;
            let step = move |book: &Book, client: &mut HttpClient| {
                book.ask(client, replica, fastrand::usize(..groups), &mut last);
                thread::sleep(PAUSE);
            };
            (daemon.data.clone(), step)
        };
        Load::start(&self.book, self.daemons.iter().enumerate().map(step))
    }

    /// Starts two writers for each of these replicas. Each account is changed by one writer, except those of the last
    /// OU, which the test itself may change. The first changes are restrictions, one for each account, and then any.
    pub(crate) fn writers(&self, replicas: &[usize]) -> Load {
        let writers = replicas.len() * 2;
        let accounts = self.book.accounts.len() - GROUP;
        let step = |writer: usize| {
            let replica = replicas[writer / 2];
            let mut first = (writer..accounts).step_by(writers);
            let count = first.len();
            let step = move |book: &Book, client: &mut HttpClient| {
                let is_first = first.len() > 0;
                let number = first.next().unwrap_or_else(|| writer + writers * fastrand::usize(..count));
                let to = match fastrand::u8(..8) {
                    0..=3 => Some(Condition::Suspended),
                    4..=5 => Some(Condition::Draining),
                    _ => is_first.then_some(Condition::Suspended),
                };
                book.change(client, replica, number, to);
            };
            (self.daemons[replica].admin.clone(), step)
        };
        Load::start(&self.book, (0..writers).map(step))
    }

    /// Waits until nothing is pending and every replica has read what the broker has. Then every replica must have the
    /// standings of the book, and must answer as the oracle does.
    #[track_caller]
    pub(crate) fn assert_agreement(&self) {
        self.assert_agreement_of(&self.daemons.iter().collect::<Vec<_>>());
    }

    #[track_caller]
    pub(crate) fn assert_agreement_of(&self, daemons: &[&DaemonProcess]) {
        self.book.assert_no_fault();
        let expected = self.book.standings();
        let bus = self.site.runtime.block_on(self.site.broker.bus()).unwrap();
        let last = || self.site.runtime.block_on(bus.memory(Bucket::Standings)).unwrap().1;
        let started = Instant::now();
        let is_settled = || {
            let last = last();
            let is_settled = |replica: &SimulatedReplica| {
                replica.is_current() && replica.pending() == 0 && replica.status().standings_revision == last
            };
            daemons.iter().all(|daemon| {
                let fleet = &daemon.status()["fleet"];
                fleet["standings_pending"] == 0 && fleet["standings_revision"] == last && is_connected(daemon)
            }) && self.simulated.iter().all(is_settled)
        };
        let states = || {
            let of_daemons = daemons.iter().map(|daemon| daemon.status()["fleet"].to_string());
            let of_simulated = self.simulated.iter().map(|replica| {
                let (revision, pending) = (replica.status().standings_revision, replica.pending());
                format!("{}: {} {revision} {pending}", replica.id(), replica.is_current())
            });
            of_daemons.chain(of_simulated).collect::<Vec<_>>()
        };
        let event = || format!("all replicas have read revision {}: {:#?}", last(), states());
        wait_within(AGREEMENT, event, is_settled);
        let took = started.elapsed();
        let slowest = Duration::from_millis(self.book.slowest_change.load(Ordering::SeqCst));
        println!("{} standings agreed after {took:?}; slowest change {slowest:?}", expected.len());
        assert!(slowest <= CHANGE_LIMIT, "a change took {slowest:?}");
        daemons.iter().enumerate().for_each(|(at, daemon)| {
            self.assert_standings(&format!("replica {at}"), &expected, &listed(daemon));
        });
        for replica in &self.simulated {
            let all = replica.all_in_force().into_iter();
            let in_force =
                all.map(|(key, standing)| (key.account.to_string(), name(standing.condition).to_owned()));
            self.assert_standings(replica.id(), &expected, &in_force.collect());
        }
        self.assert_oracle(daemons);
    }

    /// Compares the standings of a replica with those of the book.
    #[track_caller]
    fn assert_standings(
        &self,
        replica: &str,
        expected: &BTreeMap<String, String>,
        its: &BTreeMap<String, String>,
    ) {
        let keys: BTreeSet<_> = expected.keys().chain(its.keys()).collect();
        let differing: Vec<_> = keys.into_iter().filter(|id| expected.get(*id) != its.get(*id)).collect();
        let show = |id: &&String| {
            let (acknowledged, in_force) = (expected.get(*id), its.get(*id));
            format!(
                "{id}: acknowledged {acknowledged:?}, in force {in_force:?}, {:#?}",
                self.book.changes(id)
            )
        };
        let first: Vec<_> = differing.iter().take(SHOWN).map(show).collect();
        assert!(differing.is_empty(), "{replica} has {} wrong standings: {first:#?}", differing.len());
    }

    /// Compares the answers of these daemons with the oracle's, over a registry whose accounts have the standings of
    /// the book.
    #[track_caller]
    fn assert_oracle(&self, daemons: &[&DaemonProcess]) {
        let state =
            |number: usize| self.book.accounts[number].lock().unwrap().condition.unwrap_or(Condition::Active);
        let registry = registry(vec![bank(self.book.accounts.len(), state)]);
        let oracle = Oracle::new(&registry);
        let mut clients: Vec<_> = daemons.iter().map(|daemon| HttpClient::connect(&*daemon.data)).collect();
        for group in 0..self.book.accounts.len().div_ceil(GROUP) {
            let [company, channel, ou, country] =
                [COMPANY, "whatsapp", &group_id(group), "GB"].map(|text| Some(text.to_owned()));
            let query = Query { company, channel, ou, country, ..Query::default() };
            let Verdict::Selected(selected) = oracle.answer(&query, 0) else { panic!("{query:?}") };
            for client in &mut clients {
                let query = format!("company={COMPANY}&channel=whatsapp&ou={}&country=GB", group_id(group));
                let account = client.select(&query)["account"].clone();
                assert!(selected.candidates.iter().any(|it| *it.id == account), "{account} for {query}");
            }
        }
    }
}

/// Returns the standings that a replica lists.
fn listed(daemon: &DaemonProcess) -> BTreeMap<String, String> {
    let (status, text) = daemon.admin("GET", &format!("/v1/standings?company={COMPANY}"), "");
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let text = |standing: &Value, member: &str| standing[member].as_str().unwrap().to_owned();
    let standings = answer["standings"].as_array().unwrap().iter();
    standings.map(|standing| (text(standing, "account"), text(standing, "standing"))).collect()
}
