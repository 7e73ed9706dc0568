//! The console in Chromium. Each test starts a daemon and runs one script of this folder with Node, which opens pages and
//! uses them as a person does. A binary of its own, because browsers take the whole machine.
//!
//! - `npm ci --prefix tests/console` installs the modules of the scripts. Without them and without Chromium, the tests
//!   are ignored. Where `CI` is set, they fail.
//! - A script that finds faults prints them, with the path of a picture of each page.
//! - `CONSOLE_ASSETS=$PWD/src/console/assets cargo test --workspace --test console` tries changed scripts and styles
//!   with the daemon of an earlier build.
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
mod site;

use std::time::Duration;

use site::Site;

/// Defines tests that run a script on a site.
macro_rules! scenarios {
    ($($test:ident: $script:literal on $site:expr;)*) => {$(
        #[test]
        #[cfg_attr(
            not(all(has_chromium, has_playwright)),
            ignore = "needs chromium and playwright: apt-get install chromium nodejs npm, npm ci --prefix tests/console"
        )]
        fn $test() {
            $site.run($script);
        }
    )*};
}

scenarios! {
    views_fit_every_width_and_have_no_barrier: "views" on Site::open();
    keyboard_alone_reaches_everything: "keyboard" on Site::open();
    open_page_shows_standings_generations_and_broken_edits: "live" on Site::open();
    token_is_asked_for_kept_for_the_tab_and_forgotten: "access" on Site::guarded();
    accounts_are_found_drained_suspended_and_cleared: "accounts" on Site::open();
    registry_that_is_chosen_or_dropped_is_compared_and_not_served: "compare" on Site::open();
    hostile_names_are_shown_as_they_are: "ids" on Site::with_hostile_names();
    // The limit leaves time for a debug build and for other tests.
    views_of_a_large_registry_are_shown_in_time: "size" on Site::large(20_000, 1_000, Duration::from_secs(10));
}

#[test]
#[ignore = "long: a million accounts; needs a release build and a machine without other load"]
fn views_of_a_large_registry_are_shown_in_time_long() {
    Site::large(1_000_000, 10_000, Duration::from_secs(1)).run("size");
}
