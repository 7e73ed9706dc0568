use super::{
    builtin::{BUILTIN, load, read},
    *,
};

#[test]
fn each_that_is_built_in_is_sound() {
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
fn each_file_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let mut known: Vec<_> = BUILTIN.iter().map(|(name, _)| format!("{name}.toml")).collect();
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn defaults_and_units() {
    let it = read("it", "about = 'a'").unwrap();
    assert_eq!((it.rate, it.duration), (Rate::Share(0.5), Span(Duration::from_secs(20))));
    let text = "about = 'a'\nrate = 2000\nduration = '500ms'\n[demand]\np99 = '800us'\nerrors_percent = 0.1";
    let it = read("it", text).unwrap();
    assert_eq!((it.rate, it.duration), (Rate::PerSecond(2_000.0), Span(Duration::from_millis(500))));
    assert_eq!(it.demand.p99, Some(Span(Duration::from_micros(800))));
    assert_eq!(Rate::Share(0.5).of(3_000.0), 1_500.0);
    assert_eq!(Rate::parse("62.5 %"), Ok(Rate::Share(0.625)));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, said) in [
        ("about = 'a'\nraet = 7", "unknown field `raet`"),
        ("about = 'a'\n[mix]\nbatches = 7", "unknown field `batches`"),
        ("about = 'a'\n[demand]\np98 = '1ms'", "unknown field `p98`"),
        ("about = 'a'\nrate = 'fast'", "write requests a second"),
        ("about = 'a'\nduration = '1h'", "write seconds"),
        ("about = 'a'\nrepeat = 0", "nonzero"),
        ("rate = 7", "missing field `about`"),
        ("about = 'a'\nrate = -1", "rate must be more than 0"),
        ("about = 'a'\ntimeout = '61m'", "timeout must be 60m or less"),
        ("about = 'a'\n[standings]\nrate = 1e-300", "standings.rate must be at least 0.01"),
        (
            "about = 'a'\n[sweep]\nstart = 1\nfactor = 2\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1\n\
             [reload]\nevery = '1s'",
            "[sweep] and [reload] cannot be together",
        ),
        ("about = 'a'\n[reload]\nevery = '1ms'", "line 3: reload.every must be 100ms or more"),
        ("about = 'a'\n\n[mix]\nphone = 200", "line 4: mix.phone = 200: give a share"),
        ("about = 'a'\nmix = { batch = 1 }", "line 2: mix.batch: a batch has 2 to 10,000 lines"),
        ("about = 'a'\n[slow_clients]\ncount = 2001", "line 3: slow_clients.count must be 2000 or less"),
        (
            "about = 'a'\n[sweep]\nstart = 1\nfactor = 1\nstep = '1s'\nsettle = '1s'\np99 = '1ms'\nrefine = 1",
            "sweep.factor must be more than 1",
        ),
    ] {
        let why = read("it", text).unwrap_err();
        assert!(why.contains(said), "{text}: {why}");
    }
    assert!(read("it", "about = 'a'\nraet = 7").unwrap_err().contains("line 2"));
    assert!(load("stead").unwrap_err().to_string().contains("there are steady, ramp"));
    assert!(load("none.toml").is_err());
}

#[test]
fn the_effective_scenario_is_the_scenario() {
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
