//! The faults of a registry in PostgreSQL, and edits of many writers, each under queries. Every answer is compared with
//! the state of the database that it may come from. A binary of its own, which runs after the tests of the daemon, because
//! the load takes the whole machine. The tests run one at a time.
//!
//! - The long forms are ignored tests whose names end in `_long`.
//! - A test that needs a program that is not installed is ignored, and names its Debian package. Where `CI`
//!   is set, it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

#[expect(dead_code, unused_imports, reason = "the tests of the daemon use the rest")]
#[path = "../harness/mod.rs"]
mod harness;
#[expect(dead_code, reason = "the tests of the database use the rest")]
#[path = "../../crates/database/tests/database/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use harness::{DaemonProcess, HttpClient, wait_until, wait_within};
use server::{Server, empty_database, other_user, programs, sql};

/// Held by the test that runs. Two at once would take the processor from each other.
static TURN: Mutex<()> = Mutex::new(());

/// Selects the account whose pool, unit and address have the number of the last edit.
const QUERY: &str = "/v1/select?company=bank&channel=whatsapp&ou=desk&country=GB";
/// The number of clients, and the pause of each between two queries: 500 queries a second.
const CLIENTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);
/// The lowest rate under which a test counts as one under load. Other tests may take the processor.
const MIN_RATE: f64 = 100.0;
/// An edit is in force within this time of its commit.
const IN_FORCE: Duration = Duration::from_secs(1);
/// An interval after which no test polls.
const NO_POLL: &str = "--poll-interval=1h";

/// A company in which an answer shows the number of the last edit four times, and spare accounts for the guard.
const NUMBERED: &str = "
    insert into switchboard.company (id) values ('bank'), ('other');
    insert into switchboard.ou (company, id, parent)
        values ('bank', 'top-0', null), ('bank', 'desk', 'top-0'), ('other', 'top', null);
    insert into switchboard.pool (company, id, channel) values ('bank', 'p-0', 'whatsapp');
    insert into switchboard.pool_ou values ('bank', 'p-0', 'top-0');
    insert into switchboard.account (company, id, channel, role, address, pool) values
        ('bank', 'primary', 'whatsapp', 'primary', '+447400999999', 'p-0'),
        ('bank', 'a-0', 'whatsapp', 'secondary', '+447400000000', 'p-0');
    insert into switchboard.account (company, id, channel, address, country)
        select 'bank', 'spare-' || n, 'line', '@' || n, 'JP' from generate_series(1, 20) n;";

/// Returns an edit of four tables in one transaction.
fn edit(number: u64) -> String {
    format!(
        "begin;
        update switchboard.account set id = 'a-{number}' where company = 'bank' and id like 'a-%';
        select pg_sleep(0.01);
        update switchboard.ou set id = 'top-{number}' where company = 'bank' and id like 'top-%';
        select pg_sleep(0.01);
        update switchboard.pool set id = 'p-{number}' where company = 'bank';
        update switchboard.company set name = '{number}' where id = 'bank';
        select pg_sleep(0.01);
        update switchboard.account set address = '+447400' || lpad('{number}', 6, '0')
            where company = 'bank' and id = 'a-{number}';
        commit"
    )
}

/// Returns the number of the edit that an answer comes from.
fn number_of(answer: &Value) -> Result<u64, String> {
    let field = |name: &str, prefix: &str| answer[name].as_str()?.strip_prefix(prefix)?.parse::<u64>().ok();
    let parts = [("account", "a-"), ("pool", "p-"), ("ou", "top-"), ("address", "+447400")]
        .map(|(name, prefix)| field(name, prefix));
    match parts {
        [Some(number), ..] if parts.iter().all(|part| *part == Some(number)) => Ok(number),
        _ => Err(format!("a mixed answer: {answer}")),
    }
}

/// A million accounts in 100,000 units and 20,000 pools.
const MILLION: &str = "
    set switchboard.import = 'on';
    insert into switchboard.company (id) values ('big');
    insert into switchboard.ou (company, id, parent)
        select 'big', 'o' || n, case when n > 0 then 'o' || (n - 1) / 10 end from generate_series(0, 99999) n;
    insert into switchboard.pool (company, id, channel)
        select 'big', 'p' || n, 'whatsapp' from generate_series(0, 19999) n;
    insert into switchboard.pool_ou select 'big', 'p' || n, 'o' || n * 5 from generate_series(0, 19999) n;
    insert into switchboard.account (company, id, channel, role, address, country, pool)
        select 'big', 'a' || n, 'whatsapp', case when n % 50 = 0 then 'primary' else 'secondary' end,
            '+4474' || lpad(n::text, 8, '0'), 'GB', 'p' || n / 50 from generate_series(0, 999999) n;";

/// Runs a command that succeeds. Returns its standard output.
fn succeed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until no other test runs.
fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Clients that ask all the time, until they are stopped.
struct Clients {
    is_stopped: Arc<AtomicBool>,
    /// The number of the newest answer, and the lowest that an answer may have.
    newest: Arc<AtomicU64>,
    floor: Arc<AtomicU64>,
    faults: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<u64>>,
    began: Instant,
}

impl Clients {
    fn start(daemon: &DaemonProcess) -> Clients {
        let mut clients = Clients {
            is_stopped: Arc::default(),
            newest: Arc::default(),
            floor: Arc::default(),
            faults: Arc::default(),
            threads: Vec::new(),
            began: Instant::now(),
        };
        for _ in 0..CLIENTS {
            let (is_stopped, faults) = (Arc::clone(&clients.is_stopped), Arc::clone(&clients.faults));
            let (newest, floor) = (Arc::clone(&clients.newest), Arc::clone(&clients.floor));
            let address = daemon.data.clone();
            clients.threads.push(thread::spawn(move || {
                let mut client = HttpClient::connect(&address);
                let mut asked = 0;
                while !is_stopped.load(Ordering::SeqCst) {
                    let lowest = floor.load(Ordering::SeqCst);
                    match ask(&mut client) {
                        Ok(number) if number >= lowest => newest.store(number, Ordering::SeqCst),
                        Ok(number) => faults.lock().unwrap().push(format!("{number} after {lowest}")),
                        Err(fault) => {
                            faults.lock().unwrap().push(fault);
                            client = HttpClient::connect(&address);
                        }
                    }
                    asked += 1;
                    thread::sleep(PAUSE);
                }
                asked
            }));
        }
        clients
    }

    /// Waits until the edit of this number is served. No later answer may have a lower one.
    fn wait_for(&self, number: u64, limit: Duration) {
        let event = || format!("edit {number} is served, {:?}", self.faults.lock().unwrap().first());
        wait_within(limit, event, || self.newest.load(Ordering::SeqCst) == number);
        // An answer that was sent before may still be compared.
        self.floor.store(number.saturating_sub(1), Ordering::SeqCst);
    }

    /// Stops the clients. Fails if an answer was wrong or missing. Returns the number of answers.
    fn stop(mut self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        let asked = self.threads.drain(..).map(|thread| thread.join().unwrap()).sum();
        let (took, faults) = (self.began.elapsed(), self.faults.lock().unwrap());
        let rate = asked as f64 / took.as_secs_f64();
        println!("{asked} queries in {took:.1?}: {rate:.0} a second, {} failed", faults.len());
        assert!(faults.is_empty(), "{} faults, such as {:#?}", faults.len(), &faults[..faults.len().min(5)]);
        assert!(rate >= MIN_RATE, "{rate} queries a second");
        asked
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }
}

fn ask(client: &mut HttpClient) -> Result<u64, String> {
    let request = format!("GET {QUERY} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer =
        client.try_send(request).and_then(|()| client.try_answer()).map_err(|error| error.to_string())?;
    match answer.status {
        200 => number_of(&answer.json()),
        status => Err(format!("{status} {}", answer.text())),
    }
}

fn numbered_database() -> String {
    let url = empty_database();
    succeed(&["db", "migrate", &url]);
    sql(&url, NUMBERED);
    url
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn edits_of_several_tables_are_served_whole_and_within_a_second() {
    let _turn = turn();
    let url = numbered_database();
    let daemon = DaemonProcess::start(&["--registry", &url, NO_POLL]);
    wait_until("notifications arrive", || daemon.status()["watch"] == "events");
    let clients = Clients::start(&daemon);
    let mut slowest = Duration::ZERO;
    for number in 1..=20 {
        sql(&url, &edit(number));
        let committed = Instant::now();
        clients.wait_for(number, IN_FORCE);
        slowest = slowest.max(committed.elapsed());
    }
    println!("in force within {slowest:.0?} of the commit");
    clients.stop();
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn edits_whose_notifications_are_lost_are_served_within_two_polls() {
    let _turn = turn();
    let url = numbered_database();
    // As behind a pooler that drops what it does not know.
    sql(
        &url,
        "do $$ begin execute regexp_replace(pg_get_functiondef('switchboard.record_change'::regproc), \
         'perform pg_notify[^;]*;', 'null;'); end $$",
    );
    let poll = Duration::from_millis(500);
    let daemon = DaemonProcess::start(&["--registry", &url, "--poll-interval=500ms"]);
    let clients = Clients::start(&daemon);
    let mut slowest = Duration::ZERO;
    for number in 1..=10 {
        sql(&url, &edit(number));
        let committed = Instant::now();
        clients.wait_for(number, 2 * poll);
        slowest = slowest.max(committed.elapsed());
    }
    println!("in force within {slowest:.0?} of the commit, with a poll every {poll:?}");
    clients.stop();
}

/// Signals all processes of the server.
fn signal_server(server: &Server, signal: Signal) {
    let file = fs::read_to_string(server.folder.join("data/postmaster.pid")).unwrap();
    let first = file.lines().next().unwrap();
    let send = |pid: &str, signal| kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), signal);
    // The first process starts the others. Stopped, it starts none.
    send(first, Signal::STOP).unwrap();
    let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
    for child in children.split_whitespace() {
        // A process may have ended meanwhile.
        let _ = send(child, signal);
    }
    send(first, signal).unwrap();
}

/// Starts a server that was killed.
fn start_again(server: &Server) {
    // Its first process may still be in the list of processes, so that the new one would take these files for its.
    let locks = fs::read_dir(&server.folder).unwrap().map(|entry| entry.unwrap().path());
    for lock in locks.filter(|path| path.extension().is_some_and(|it| it == "lock")) {
        fs::remove_file(lock).unwrap();
    }
    fs::remove_file(server.folder.join("data/postmaster.pid")).unwrap();
    let mut command = Command::new(programs().join("pg_ctl"));
    command.args(["restart", "--wait", "--silent", "--pgdata=data", "--log=server.log"]);
    command.current_dir(&server.folder).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    assert!(command.status().unwrap().success());
}

/// A program of PostgreSQL that the test reads from and writes to.
struct Psql {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Psql {
    fn start(url: &str) -> Psql {
        let mut command = Command::new(programs().join("psql"));
        command.args(["-X", "-q", "-t", "-A", "-d", url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Psql { child, input, output: BufReader::new(output) }
    }

    /// Runs statements, and returns whether the connection is there and the last one has run.
    fn run(&mut self, statements: &str) -> bool {
        let mut line = String::new();
        let _ =
            writeln!(self.input, "{statements};\n\\if :ERROR\n\\echo failed\n\\else\n\\echo done\n\\endif");
        loop {
            line.clear();
            match self.output.read_line(&mut line) {
                Ok(read) if read > 0 && line.trim() == "done" => return true,
                Ok(read) if read > 0 && line.trim() != "failed" => {}
                _ => return false,
            }
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the error of the last reload, if there is one.
fn error_of(daemon: &DaemonProcess) -> String {
    daemon.status()["last_reload"]["error"].as_str().unwrap_or_default().to_owned()
}

/// Waits until `/status` names the cause.
fn wait_for_error(daemon: &DaemonProcess, cause: &str) {
    let event = || format!("the error {cause:?}, now {:?}", daemon.status()["last_reload"]);
    wait_within(Duration::from_secs(30), event, || error_of(daemon).contains(cause));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn answers_go_on_whatever_happens_to_the_database() {
    let _turn = turn();
    let server = Server::start();
    let admin = server.url("postgres");
    sql(&admin, "create database r");
    let url = server.url("r");
    succeed(&["db", "migrate", &url, "--roles"]);
    sql(&url, NUMBERED);
    sql(&url, "create role daemon login in role switchboard_reader; create role other login");
    // In force when the server starts again.
    for setting in ["max_connections = 8", "superuser_reserved_connections = 3", "max_wal_senders = 0"] {
        sql(&url, &format!("alter system set {setting}"));
    }
    let of_daemon = url.replace("user=postgres", "user=daemon");
    let of_others = url.replace("user=postgres", "user=other");
    let daemon = DaemonProcess::start(&["--registry", &of_daemon, "--poll-interval=200ms"]);
    let clients = Clients::start(&daemon);
    let unreadable = || daemon.metric("switchboard_snapshot_reloads_total{outcome=\"unreadable\"}");
    let mut number = 0;
    // The database is back: an edit is served.
    let mut recovers = |what: &str| {
        number += 1;
        let started = Instant::now();
        sql(&url, &edit(number));
        clients.wait_for(number, Duration::from_secs(20));
        println!("{what}: served again after {:.1?}", started.elapsed());
        number
    };
    let counted = |before: f64, what: &str| assert!(unreadable() > before, "{what} is not counted");
    recovers("start");

    let before = unreadable();
    signal_server(&server, Signal::KILL);
    wait_for_error(&daemon, "refused");
    counted(before, "a killed server");
    start_again(&server);
    recovers("killed");

    let before = unreadable();
    signal_server(&server, Signal::STOP);
    wait_for_error(&daemon, "no answer within 10 s");
    counted(before, "a stopped server");
    signal_server(&server, Signal::CONT);
    recovers("stopped");

    let before = unreadable();
    sql(
        &url,
        "alter role daemon connection limit 0; \
         select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'daemon'",
    );
    wait_for_error(&daemon, "too many connections for role");
    let mut others = Vec::new();
    loop {
        let mut other = Psql::start(&of_others);
        if !other.run("select 1") {
            break;
        }
        others.push(other);
    }
    assert_eq!(others.len(), 5, "the connections that are not for superusers");
    sql(&url, "alter role daemon connection limit -1");
    wait_for_error(&daemon, "remaining connection slots are reserved");
    counted(before, "a server without connections");
    drop(others);
    recovers("out of connections");

    let before = unreadable();
    sql(&url, "insert into switchboard.migration (version) values (1000)");
    wait_for_error(&daemon, "the schema has version 1000, which is newer");
    counted(before, "a newer schema");
    sql(&url, "delete from switchboard.migration where version = 1000");
    recovers("newer schema");

    let backup =
        Command::new(programs().join("pg_dump")).args(["--schema=switchboard", "-d", &url]).output().unwrap();
    assert!(backup.status.success(), "{}", text(&backup.stderr));
    let in_backup = recovers("before the restoration") - 1;
    let script = server.folder.join("backup.sql");
    fs::write(&script, backup.stdout).unwrap();
    clients.floor.store(0, Ordering::SeqCst);
    let mut restoration = Command::new(programs().join("psql"));
    restoration.args(["-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-d", &url]);
    restoration.args(["-c", "drop schema switchboard cascade", "-f"]).arg(&script);
    let output = restoration.stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    clients.wait_for(in_backup, Duration::from_secs(20));
    recovers("restored");

    sql(&url, "delete from switchboard.company");
    wait_until("the guard", || {
        let held = daemon.status()["held_back"].clone();
        held[0]["company"] == "bank" && held[0]["reason"] == "guard"
    });
    assert_eq!(daemon.metric("switchboard_companies_held_back"), 2.0);
    assert!(error_of(&daemon).contains("the registry postgres:///r?"), "{}", error_of(&daemon));
    sql(&url, NUMBERED);
    clients.floor.store(0, Ordering::SeqCst);
    recovers("emptied");
    assert_eq!(daemon.metric("switchboard_companies_held_back"), 0.0);
    clients.stop();
}

/// Returns the SQL of one editor: random edits for this time, each a transaction of its own. Prints the number of edits,
/// of those that changed a row, and of those that a constraint refused.
fn random_edits(editor: usize, time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "do $$
        declare
          ending timestamptz := clock_timestamp() + interval '{seconds} s';
          number integer; a text; b text; edits integer := 0; refused integer := 0;
        begin
          perform setseed({editor} / 100.0);
          while clock_timestamp() < ending loop
            number := (random() * 1000)::integer; a := 'u' || number % 30; b := 'u' || (random() * 30)::integer;
            begin
              case (random() * 11)::integer
                when 0, 1 then insert into switchboard.account (company, id, channel, role, address, pool)
                  values ('bank', 'x' || number, 'whatsapp', 'secondary', '+447401' || lpad(number::text, 6, '0'),
                    'q' || number % 12);
                when 2 then delete from switchboard.account where company = 'bank' and id = 'x' || number;
                when 3 then update switchboard.account set weight = number, state = 'draining'
                  where company = 'bank' and id = 'x' || number % 100;
                when 4 then update switchboard.account set address = '+447401' || lpad((number / 2)::text, 6, '0')
                  where company = 'bank' and id = 'x' || number;
                when 5 then insert into switchboard.ou (company, id, parent) values ('bank', a, 'desk');
                when 6 then update switchboard.ou set parent = b where company = 'bank' and id = a;
                when 7 then delete from switchboard.ou where company = 'bank' and id = a;
                when 8 then insert into switchboard.pool_ou values ('bank', 'q' || number % 10, b);
                when 9 then delete from switchboard.pool_ou where company = 'bank' and ou = a;
                when 10 then update switchboard.pool set id = 'q' || number % 12, priority = number
                  where company = 'bank' and id = 'q' || (number / 12) % 12;
                else
                  update switchboard.account set pool = 'q' || number % 10 where company = 'bank' and id = 'x' || number % 100;
                  update switchboard.ou set name = a where company = 'bank' and id = b;
              end case;
              edits := edits + 1;
            exception when integrity_constraint_violation or transaction_rollback then
              refused := refused + 1;
            end;
            commit;
          end loop;
          raise notice 'edits % refused %', edits, refused;
        end $$"
    )
}

/// Pools that editors rename, each with the accounts that it must hold.
const POOLS: &str = "
    insert into switchboard.pool (company, id, channel) select 'bank', 'q' || n, 'whatsapp' from generate_series(0, 9) n;
    insert into switchboard.account (company, id, channel, role, address, pool)
        select 'bank', role || '-' || n, 'whatsapp', role, '+44740' || length(role) || lpad(n::text, 6, '0'), 'q' || n
        from generate_series(0, 9) n, unnest(array['primary', 'secondary']) role";

fn many_editors(time: Duration) {
    let _turn = turn();
    let url = numbered_database();
    sql(&url, POOLS);
    let daemon = DaemonProcess::start(&["--registry", &url]);
    let clients = Clients::start(&daemon);
    let began = Instant::now();
    let editors: Vec<JoinHandle<String>> = (0..20)
        .map(|editor| {
            let url = url.clone();
            thread::spawn(move || {
                let mut psql = Command::new(programs().join("psql"));
                psql.args(["-X", "-q", "-d", &url, "-c", &random_edits(editor, time)]);
                text(&psql.output().unwrap().stderr)
            })
        })
        .collect();
    // One thread compiles. A second compilation would need another one.
    let tasks = format!("/proc/{}/task", daemon.pid());
    let mut looks = 0;
    while !editors.iter().all(JoinHandle::is_finished) {
        let names =
            fs::read_dir(&tasks).unwrap().flatten().map(|task| fs::read_to_string(task.path().join("comm")));
        let compiling = names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "reload")).count();
        assert_eq!(compiling, 1, "threads that compile");
        looks += 1;
        thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed();
    let (mut edits, mut refused) = (0, 0);
    for editor in editors {
        let text = editor.join().unwrap();
        let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [done, failed] = numbers[..] else { panic!("{text}") };
        (edits, refused) = (edits + done, refused + failed);
    }
    let reloads = |outcome: &str| {
        daemon.metric(&format!("switchboard_snapshot_reloads_total{{outcome=\"{outcome}\"}}"))
    };
    let (published, rejected) = (reloads("published"), reloads("rejected"));
    println!(
        "{edits} edits, {refused} refused in {took:.1?}; {published} snapshots published, {rejected} rejected, {looks} looks"
    );
    assert!(edits > 1000 && refused > 100, "{edits} edits, {refused} refused");
    assert!(published + rejected >= 3.0, "{published} published, {rejected} rejected");

    // Only a cycle of units is refused by no constraint.
    sql(&url, "update switchboard.ou set parent = 'desk' where company = 'bank' and id like 'u%'");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.swb");
    let file = file.to_str().unwrap();
    succeed(&["compile", &url, "-o", file]);
    let inspected: Value = serde_json::from_str(&succeed(&["inspect", file, "--format", "json"])).unwrap();
    let content = inspected["content"].as_str().unwrap().to_owned();
    wait_until("the final state is served", || daemon.status()["snapshot"]["content"] == content.as_str());
    assert_eq!(daemon.metric("switchboard_companies_held_back"), 0.0);
    assert_eq!(reloads("unreadable"), 0.0);
    clients.stop();
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn final_state_of_many_editors_is_served() {
    many_editors(Duration::from_secs(10));
}

#[test]
#[ignore = "long: 20 editors for a minute"]
fn final_state_of_many_editors_is_served_long() {
    many_editors(Duration::from_secs(60));
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn readers_and_writers_do_not_wait_for_each_other() {
    let _turn = turn();
    let url = numbered_database();
    // A statement that waits fails.
    let start = || {
        let mut session = Psql::start(&url);
        assert!(session.run("set lock_timeout = '1ms'"));
        session
    };
    let [mut reader, mut first, mut second] = [start(), start(), start()];
    // A transaction that reads every table, as `check` does, and does not end.
    let tables = ["channel", "company", "ou", "pool", "pool_ou", "geography", "account", "test", "history"];
    let all: String =
        tables.iter().map(|table| format!("select count(*) from switchboard.{table};")).collect();
    assert!(reader.run(&format!("begin isolation level repeatable read read only; {all}")));
    let spare = |number: u32| {
        format!(
            "begin; update switchboard.account set weight = 2 where company = 'bank' and id = 'spare-{number}'; \
             insert into switchboard.account (company, id, channel, address, country) \
               values ('bank', 'new-{number}', 'line', '@new-{number}', 'JP'); \
             delete from switchboard.account where company = 'bank' and id = 'spare-1{number}'"
        )
    };
    assert!(first.run(&spare(1)));
    assert!(second.run(&spare(2)));
    succeed(&["check", &url]);
    assert!(second.run("commit"));
    assert!(first.run("commit"));
    assert!(reader.run("commit"));
    // Two writers of one row do.
    assert!(first.run("begin; update switchboard.account set weight = 3 where id = 'spare-3'"));
    assert!(!second.run("begin; update switchboard.account set weight = 4 where id = 'spare-3'"));
}

#[test]
#[ignore = "long: a million accounts"]
fn a_million_accounts_are_read_and_compiled_long() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let url = empty_database();
    succeed(&["db", "migrate", &url]);
    sql(&url, MILLION);
    sql(&url, "vacuum analyze");
    let file = folder.path().join("registry.swb");
    for _ in 0..3 {
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(["compile", &url, "-o"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (took, peak) = peak_memory(&mut child, began);
        println!("read and compiled in {took:.1?}, {:.2} GiB", peak as f64 / f64::from(1 << 20));
        assert!(took < Duration::from_secs(15), "{took:?}");
        assert!(peak < 3 << 19, "{peak} KiB");
    }
    assert!(file.exists());
}

/// Waits for a process that succeeds. Returns its time, and its peak of resident memory in KiB.
fn peak_memory(child: &mut Child, began: Instant) -> (Duration, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        if let Some(exit) = child.try_wait().unwrap() {
            assert!(exit.success());
            return (began.elapsed(), peak);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
