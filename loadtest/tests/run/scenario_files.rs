//! Scenario files: the built-in ones, default values and errors.

use loadtest::{
    error::Result,
    quantity::{HumanDuration, Rate},
    scenario::{BUILTIN, Scenario, load},
};
use std::{fs, time::Duration};

/// Loads a scenario with this text from the file `it.toml`.
fn parse(text: &str) -> Result<Scenario> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.toml");
    fs::write(&file, text).unwrap();
    load(file.to_str().unwrap())
}

#[test]
fn every_built_in_scenario_is_valid() {
    for (name, _) in BUILTIN {
        let scenario = load(name).unwrap();
        assert_eq!(scenario.name, name);
        assert!(!scenario.about.is_empty());
    }
    assert!(load("ramp").unwrap().sweep.is_some());
    assert!(load("reload-storm").unwrap().reload.is_some());
    assert!(load("standings-churn").unwrap().standings.is_some());
    assert!(load("slow-clients").unwrap().slow_clients.is_some());
    assert!(load("batch").unwrap().mix.batch.is_some());
}

#[test]
fn every_scenario_file_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut known: Vec<_> = BUILTIN.iter().map(|(name, _)| format!("{name}.toml")).collect();
    known.push("soak.toml".to_owned()); // the scenario of `loadtest soak`
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn absent_keys_have_defaults_and_values_have_units() {
    let it = parse("about = 'a'").unwrap();
    assert_eq!((it.rate, it.duration), (Rate::Share(0.5), HumanDuration(Duration::from_secs(20))));
    let text = "about = 'a'\nrate = 2000\nduration = '500ms'\n[demand]\np99 = '800us'\nerrors_percent = 0.1";
    let it = parse(text).unwrap();
    assert_eq!((it.rate, it.duration), (Rate::PerSecond(2_000.0), HumanDuration(Duration::from_millis(500))));
    assert_eq!(it.demand.p99, Some(HumanDuration(Duration::from_micros(800))));
    assert_eq!(Rate::Share(0.5).per_second(3_000.0), 1_500.0);
    assert_eq!(Rate::parse("62.5 %"), Ok(Rate::Share(0.625)));
}

#[test]
fn durations_are_read_with_their_units_and_written_back() {
    let read = |text: &str| serde_json::from_value::<HumanDuration>(text.into());
    for (text, micros) in [("90", 90_000_000), ("800us", 800), ("500ms", 500_000), ("10m", 600_000_000)] {
        let duration = HumanDuration(Duration::from_micros(micros));
        assert_eq!(read(text).unwrap(), duration, "{text}");
        assert_eq!(read(&duration.to_string()).unwrap(), duration, "{text}");
    }
    for text in ["", "0", "s", "1h", "-1s", "1.5s", "99999999999999999999"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn error_names_the_line_and_the_expectation() {
    for (text, expected) in [
        ("about = 'a'\nraet = 7", "unknown field `raet`"),
        ("about = 'a'\n[mix]\nbatches = 7", "unknown field `batches`"),
        ("about = 'a'\n[demand]\np98 = '1ms'", "unknown field `p98`"),
        ("about = 'a'\nrate = 'fast'", "write requests per second"),
        ("about = 'a'\nduration = '1h'", "write seconds"),
        ("about = 'a'\nrepeat = 0", "nonzero"),
        ("rate = 7", "missing field `about`"),
        ("about = 'a'\nrate = -1", "rate must be more than 0"),
        ("about = 'a'\ntimeout = '61m'", "timeout must be 60m or less"),
        ("about = 'a'\n[standings]\nrate = 1e-300", "standings.rate must be at least 0.01"),
        (
            "about = 'a'\n[sweep]\nstart = 1\nfactor = 2\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1\n\
             [reload]\nevery = '1s'",
            "sweep excludes [reload]",
        ),
        ("about = 'a'\n[reload]\nevery = '1ms'", "line 3: reload.every must be 100ms or more"),
        (
            "about = 'a'\n\n[mix]\nphone = 200",
            "line 4: mix.phone must be a percentage from 0 to 100, not 200",
        ),
        ("about = 'a'\nmix = { batch = 1 }", "line 2: mix.batch must be a number from 2 to 10,000"),
        ("about = 'a'\n[slow_clients]\ncount = 2001", "line 3: slow_clients.count must be 2,000 or less"),
        (
            "about = 'a'\n[sweep]\nstart = 1\nfactor = 1\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1",
            "sweep.factor must be more than 1",
        ),
    ] {
        let reason = parse(text).unwrap_err().to_string();
        assert!(reason.contains(expected), "{text}: {reason}");
    }
    assert!(parse("about = 'a'\nraet = 7").unwrap_err().to_string().contains("line 2"));
    assert!(load("stead").unwrap_err().to_string().contains("choose one of steady, ramp"));
    assert!(load("none.toml").is_err());
}

#[test]
fn effective_keys_give_the_same_scenario() {
    for (name, _) in BUILTIN {
        let scenario = load(name).unwrap();
        let effective = scenario.effective();
        let text = serde_json::to_string(&effective).unwrap();
        let again = serde_json::from_str::<Scenario>(&text).unwrap();
        assert_eq!(Scenario { name: name.to_owned(), ..again }, scenario, "{text}");
        assert!(!text.contains("null"), "{text}");
    }
    assert_eq!(load("steady").unwrap().effective()["rate"], "50 %");
}
