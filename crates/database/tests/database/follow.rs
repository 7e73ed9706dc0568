//! Following a database: which changes are found, and what happens when it is away.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use switchboard_database::{Database, DatabaseError, FollowedDatabase};
use switchboard_registry::ReadLimits;

use crate::server::{empty_database, sql};

const PATIENCE: Duration = Duration::from_secs(30);
/// The connection of the followed database between two polls.
const BACKEND: &str = "from pg_stat_activity where datname = current_database() \
     and application_name = 'switchboard' and query = 'commit'";

/// Returns the URL of a database with a company, and the database.
fn company() -> (String, Database) {
    let url = empty_database();
    let database = Database::from_url(&url).unwrap();
    database.migrate(false).unwrap();
    sql(&url, "insert into switchboard.company (id) values ('acme')");
    sql(&url, "insert into switchboard.ou (company, id) values ('acme', 'hq')");
    (url, database)
}

/// Polls once. Returns the text of the units if the registry was read.
fn units(followed: &mut FollowedDatabase) -> Option<String> {
    let contents = followed.poll(ReadLimits::default()).unwrap()?;
    Some(String::from_utf8(contents.files.get("acme/ous.csv").unwrap_or_default().to_vec()).unwrap())
}

fn rename(name: &str) -> String {
    format!("update switchboard.ou set name = '{name}'")
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn each_change_is_read_once() {
    let (url, database) = company();
    let mut followed = FollowedDatabase::new(database, None);
    let poll =
        |followed: &mut FollowedDatabase| units(followed).map(|text| text.lines().last().unwrap().to_owned());
    assert_eq!(poll(&mut followed).as_deref(), Some("hq,,"));
    assert_eq!(poll(&mut followed), None);
    followed.forget();
    assert_eq!(poll(&mut followed).as_deref(), Some("hq,,"));
    // No change of the registry.
    sql(
        &url,
        "update switchboard.ou set name = name; delete from switchboard.history; create table other ()",
    );
    sql(&url, &format!("begin; {}; rollback", rename("undone")));
    assert_eq!(poll(&mut followed), None);
    sql(&url, &rename("one"));
    assert_eq!(poll(&mut followed).as_deref(), Some("hq,,one"));
    assert_eq!(poll(&mut followed), None);
    // Nothing shows whether rows of a truncated history were new.
    sql(&url, &format!("{}; truncate switchboard.history", rename("two")));
    assert_eq!(poll(&mut followed).as_deref(), Some("hq,,two"));
    assert_eq!(poll(&mut followed), None);
    // A restored backup: tables with rows that no trigger saw.
    sql(
        &url,
        "create table switchboard.copy (like switchboard.ou including all); \
         insert into switchboard.copy (company, id, name) values ('acme', 'hq', 'restored'); \
         drop table switchboard.ou cascade; alter table switchboard.copy rename to ou",
    );
    assert_eq!(poll(&mut followed).as_deref(), Some("hq,,restored"));
    assert_eq!(poll(&mut followed), None);
    // A restoration that is not one transaction makes the triggers after the rows.
    let mut found_after = |name: &str, made: &str| {
        sql(&url, &format!("set session_replication_role = replica; {}", rename(name)));
        assert_eq!(poll(&mut followed), None);
        sql(&url, made);
        assert_eq!(poll(&mut followed), Some(format!("hq,,{name}")));
    };
    found_after(
        "half",
        "create trigger record_update after update on switchboard.ou referencing old table as old_rows \
         new table as new_rows for each statement execute function switchboard.record_change('company', 'id')",
    );
    found_after("unconstrained", "alter table switchboard.ou add check (id <> '')");
    found_after("enabled", "alter table switchboard.ou disable trigger record_update");
    found_after("disabled", "alter table switchboard.ou enable trigger record_update");
    // The history of a backup from a server that has had more transactions.
    sql(&url, "insert into switchboard.history (xid, \"table\") values ('1000000000000', 'ou')");
    assert_eq!(poll(&mut followed), None);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn transaction_that_ends_after_a_later_one_is_found() {
    let (url, database) = company();
    sql(&url, "insert into switchboard.ou (company, id) values ('acme', 'late')");
    sql(&url, "create table gate (state text)");
    let mut followed = FollowedDatabase::new(database, None);
    let started = "begin; update switchboard.ou set name = 'late' where id = 'late'; \
         do $$ begin while not exists (select from public.gate) loop perform pg_sleep(0.01); end loop; end $$; commit";
    let early = thread::spawn({
        let url = url.clone();
        move || sql(&url, started)
    });
    let start = Instant::now();
    while sql(
        &url,
        "select count(*) from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' \
                     and backend_xid is not null",
    ) != "1"
    {
        assert!(start.elapsed() < PATIENCE);
    }
    sql(&url, "update switchboard.ou set name = 'early' where id = 'hq'");
    let sheet = |hq: &str, late: &str| format!("id,parent,name\nhq,,{hq}\nlate,,{late}\n");
    assert_eq!(units(&mut followed), Some(sheet("early", "")));
    assert_eq!(units(&mut followed), None);
    sql(&url, "insert into gate values ('open')");
    early.join().unwrap();
    assert_eq!(units(&mut followed), Some(sheet("early", "late")));
    assert_eq!(units(&mut followed), None);
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn notifications_and_the_end_of_the_connection_are_reported() {
    let (url, database) = company();
    let (changed, changes) = channel();
    let mut followed = FollowedDatabase::new(database, Some(Box::new(move || changed.send(()).unwrap())));
    assert_eq!(followed.listening(), None);
    assert!(units(&mut followed).is_some());
    assert_eq!(followed.listening(), Some(Ok(())));
    sql(&url, &rename("one"));
    changes.recv_timeout(PATIENCE).unwrap();
    assert!(units(&mut followed).is_some());
    assert!(changes.try_recv().is_err(), "reading is no change");
    sql(&url, &format!("{}; delete from switchboard.history", rename("unrecorded")));
    changes.recv_timeout(PATIENCE).unwrap();
    assert!(units(&mut followed).unwrap().contains("unrecorded"));

    assert_eq!(sql(&url, &format!("select pg_terminate_backend(pid) {BACKEND}")), "t", "one connection");
    changes.recv_timeout(PATIENCE).unwrap();
    // Nothing has changed, but the new connection cannot know.
    assert!(units(&mut followed).is_some());
    assert_eq!(followed.listening(), Some(Ok(())));
    sql(&url, &rename("two"));
    changes.recv_timeout(PATIENCE).unwrap();
    drop(followed);
    let start = Instant::now();
    while sql(&url, &format!("select count(*) {BACKEND}")) != "0" {
        assert!(start.elapsed() < PATIENCE, "the connection ends with its owner");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn table_that_is_truncated_and_filled_again_is_never_empty() {
    let (url, database) = company();
    let mut followed = FollowedDatabase::new(database.clone(), None);
    assert!(units(&mut followed).is_some());
    sql(&url, "create table gate (state text)");
    let refill = thread::spawn({
        let url = url.clone();
        let statements = "begin; truncate switchboard.ou cascade; \
             insert into switchboard.ou (company, id) values ('acme', 'new'); \
             do $$ begin while not exists (select from public.gate) loop perform pg_sleep(0.01); end loop; end $$; commit";
        move || sql(&url, statements)
    });
    let waits = |count: &str| {
        let start = Instant::now();
        let locks =
            "select count(*) from pg_locks where relation = 'switchboard.ou'::regclass and not granted";
        while sql(&url, locks) != count {
            assert!(start.elapsed() < PATIENCE);
        }
    };
    let start = Instant::now();
    while sql(
        &url,
        "select count(*) from pg_locks where relation = 'switchboard.ou'::regclass and granted \
                     and mode = 'AccessExclusiveLock'",
    ) != "1"
    {
        assert!(start.elapsed() < PATIENCE);
    }
    sql(&url, "update switchboard.company set name = 'A'");
    let reads = [
        thread::spawn(move || units(&mut followed).unwrap()),
        thread::spawn(move || {
            let contents = database.read(ReadLimits::default()).unwrap();
            String::from_utf8(contents.files.get("acme/ous.csv").unwrap().to_vec()).unwrap()
        }),
    ];
    waits("2");
    sql(&url, "insert into gate values ('open')");
    refill.join().unwrap();
    for read in reads {
        assert_eq!(read.join().unwrap(), "id,parent,name\nnew,,\n");
    }
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn long_read_is_followed_by_a_pause() {
    let (url, database) = company();
    let mut followed = FollowedDatabase::new(database, None);
    assert!(units(&mut followed).is_some() && !followed.is_pausing());
    sql(&url, &rename("one"));
    let locked = thread::spawn({
        let url = url.clone();
        move || sql(&url, "begin; lock table switchboard.test; select pg_sleep(2); commit")
    });
    let start = Instant::now();
    while sql(
        &url,
        "select count(*) from pg_locks where relation = 'switchboard.test'::regclass and granted \
                     and mode = 'AccessExclusiveLock'",
    ) != "1"
    {
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(units(&mut followed).is_some());
    assert!(followed.is_pausing());
    locked.join().unwrap();
    sql(&url, &rename("two"));
    let start = Instant::now();
    let read = loop {
        if let Some(read) = units(&mut followed) {
            break read;
        }
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    };
    assert!(read.contains("two") && start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
}

#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn polls_pause_after_a_failure_until_they_are_asked_for() {
    let (url, database) = company();
    let mut followed = FollowedDatabase::new(database, None);
    assert!(units(&mut followed).is_some());
    let limits = ReadLimits::default();
    sql(&url, "insert into switchboard.migration (version) values (1000)");
    let error = followed.poll(limits).unwrap_err();
    assert!(matches!(error, DatabaseError::NewerSchema { found: 1000, .. }), "{error}");
    assert!(followed.poll(limits).unwrap().is_none(), "the pause");
    followed.forget();
    assert!(followed.poll(limits).is_err());
    sql(&url, "delete from switchboard.migration where version = 1000");
    let start = Instant::now();
    while units(&mut followed).is_none() {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
    assert!(start.elapsed() > Duration::from_millis(200), "the pause has grown");
    assert_eq!(units(&mut followed), None);
}
