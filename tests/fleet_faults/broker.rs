//! Faults of the broker and of the network, with simulated replicas besides the daemons.

use std::thread;

use fleet_testbed::broker::programs;
use fleet_testbed::proxy::Disturbance;
use rustix::process::Signal;
use switchboard_model::Condition::{self, Draining, Suspended};

use crate::harness::fleet_site::is_connected;
use crate::harness::{wait_until, wait_within};
use crate::load::{Fleet, GROUP, LONG_PATIENCE};
use crate::{BOUNDED, LONG, Size, change, newest, oldest};

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_is_killed_under_load() {
    BOUNDED.run(&[newest()], &[], kill_the_broker);
}

#[test]
#[ignore = "long: 100 kills, 100,000 standings"]
fn broker_is_killed_under_load_long() {
    LONG.run(&programs(), &[], kill_the_broker);
}

/// The first outage is long, and the others as short as a restart. A release is published between them.
fn kill_the_broker(size: &Size, mut fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings / 4);
    for kill in 0..size.kills {
        fleet.site.broker.kill();
        if kill == 0 {
            thread::sleep(size.outage);
        }
        fleet.site.broker.restart().unwrap();
        fleet.wait_until_connected();
        fleet.publish();
        fleet.wait_until_served();
    }
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_loses_its_store_under_load() {
    BOUNDED.run(&[oldest()], &[], empty_the_broker);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn broker_loses_its_store_under_load_long() {
    LONG.run(&programs(), &[], empty_the_broker);
}

/// The standings go on changing while the replicas put them back. A replica that joins then gets all of them.
fn empty_the_broker(size: &Size, mut fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    fleet.let_writers_restrict_less(false);
    fleet.site.broker.kill();
    thread::sleep(size.outage);
    fleet.site.broker.lose_memory().unwrap();
    fleet.site.broker.restart().unwrap();
    fleet.wait_until_connected();
    // Where a busy broker does not answer in time, the command is repeated.
    let init = || fleet.site.runtime.block_on(fleet.site.broker.initialized()).is_ok();
    wait_within(LONG_PATIENCE, || "the buckets are created".to_owned(), init);
    fleet.publish();
    fleet.join(&[], &[]);
    fleet.wait_until_served();
    fleet.let_writers_restrict_less(true);
    fleet.wait_for_changes(1_000);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn broker_is_frozen_under_load() {
    BOUNDED.run(&[newest()], &[], freeze_the_broker);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn broker_is_frozen_under_load_long() {
    LONG.run(&programs(), &[], freeze_the_broker);
}

/// The connections stay open without an answer.
fn freeze_the_broker(size: &Size, fleet: Fleet) {
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    fleet.site.broker.freeze().unwrap();
    thread::sleep(size.outage);
    fleet.site.broker.thaw().unwrap();
    fleet.wait_for_changes(100);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn both_halves_write_during_a_partition() {
    BOUNDED.run(&[oldest()], &FAR, part_the_fleet);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn both_halves_write_during_a_partition_long() {
    LONG.run(&programs(), &FAR, part_the_fleet);
}

/// The daemons that lose the broker in a partition.
const FAR: [usize; 2] = [3, 4];

/// Two daemons and their share of the simulated replicas lose the broker: first nothing passes, then their connections
/// are cut. Both halves change their own accounts, and the same ones.
fn part_the_fleet(size: &Size, fleet: Fleet) {
    let (near, far) = (&fleet.daemons[0], &fleet.daemons[FAR[0]]);
    let half = FAR.map(|at| &fleet.proxies[at]);
    // What both halves do with an account that is draining before.
    let pairs: Vec<_> = [None, Some(Draining), Some(Suspended)]
        .into_iter()
        .flat_map(|near| [(near, Some(Draining)), (near, Some(Suspended))])
        .flat_map(|pair| [pair; GROUP / 6])
        .enumerate()
        .map(|(at, pair)| (size.standings + at, pair))
        .collect();
    // A broker that is busy for more than a second leaves a change to the replica, or refuses to clear.
    let change_everywhere = |number, to: Option<Condition>| {
        let status = if to.is_some() { 200 } else { 204 };
        wait_until("the broker takes a change in time", || change(near, number, to) == status);
    };
    for (number, _) in &pairs {
        change_everywhere(*number, Some(Draining));
    }
    let (clients, writers) = (fleet.clients(), fleet.writers(&size.all()));
    fleet.wait_for_changes(size.standings);
    let held = Disturbance { hold_to_server: true, hold_to_client: true, ..Disturbance::default() };
    half.iter().for_each(|proxy| proxy.set(held));
    for (number, (of_near, of_far)) in &pairs {
        assert_eq!(change(far, *number, *of_far), 202);
        change_everywhere(*number, *of_near);
        fleet.book.record(*number, *of_far.max(of_near), []);
    }
    half.iter().for_each(|proxy| proxy.set(Disturbance { cut: true, ..Disturbance::default() }));
    wait_until("the far half has lost the broker", || !is_connected(far));
    thread::sleep(size.outage);
    half.iter().for_each(|proxy| proxy.heal());
    fleet.wait_until_connected();
    fleet.wait_for_changes(100);
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    let overruled: f64 = fleet.daemons.iter().map(|it| it.metric("switchboard_fleet_overruled_total")).sum();
    println!("{overruled} overruled, {} selections", clients.end());
    let differing = pairs.iter().filter(|(_, (near, far))| near != far).count();
    assert!(overruled >= differing as f64, "{overruled} overruled of {differing}");
}

#[test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
#[cfg_attr(not(ci), ignore = "the faults of a fleet take minutes: CI=true runs them")]
fn replica_sleeps_while_standings_change() {
    BOUNDED.run(&[newest()], &[DEAF], put_replicas_to_sleep);
}

#[test]
#[ignore = "long: 100,000 standings"]
fn replica_sleeps_while_standings_change_long() {
    LONG.run(&programs(), &[DEAF], put_replicas_to_sleep);
}

/// The daemon that is stopped, and the one that nothing reaches.
const STOPPED: usize = 1;
const DEAF: usize = 2;

/// One daemon is stopped, and nothing reaches another one and its share of the simulated replicas, while every standing
/// changes.
fn put_replicas_to_sleep(size: &Size, fleet: Fleet) {
    let (stopped, deaf) = (&fleet.daemons[STOPPED], &fleet.proxies[DEAF]);
    let clients = fleet.clients();
    stopped.signal(Signal::STOP);
    deaf.set(Disturbance { hold_to_client: true, ..Disturbance::default() });
    let awake: Vec<usize> = size.all().into_iter().filter(|at| ![STOPPED, DEAF].contains(at)).collect();
    let writers = fleet.writers(&awake);
    fleet.wait_for_changes(size.standings + size.standings / 10);
    stopped.signal(Signal::CONT);
    deaf.heal();
    println!("{} changes", writers.end());
    fleet.assert_agreement();
    println!("{} selections", clients.end());
}
