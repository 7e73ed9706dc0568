//! Registries of the tests: one of two small companies, and random ones with every character that ids may have.

use std::fmt::Write;

use switchboard_model::{Region, is_id, is_invisible};
use switchboard_registry::Files;

/// Returns a registry that uses every key and column.
pub(crate) fn small() -> Files {
    Files::from_iter([
        (
            "channels.toml",
            "[channel.sms]\ndedicated_since = \"never\"\n\n[channel.fax]\nconversation_role = \"primary\"\n\
             pool_must_hold = [\"primary\"]\naddress = \"phone\"\n",
        ),
        (
            "acme/company.toml",
            "name = \"Acme \\\"Capital\\\"\"\nou_without_pool = \"error\"\ndedicated_unavailable = \"pool\"\n\
             platform_version = \"1.24\"\n\n[geography]\nIE = \"GB\"\n\n[[ou]]\nid = \"hq\"\nname = \"Head, office\"\n\n\
             [[pool]]\nid = \"wa\"\nchannel = \"whatsapp\"\nous = [\"hq\", \"emea\"]\npriority = -1\n\
             country_match = \"calling_code\"\ndefault_country = \"GB\"\nfallback_upward = true\n\
             geography = { NL = \"DE\", BE = \"DE\" }\n\n[[pool]]\nid = \"fax\"\nchannel = \"fax\"\nous = [\"hq\"]\n",
        ),
        ("acme/ous.csv", "id,parent,name\nemea,hq,\"Europe\n\"\"EMEA\"\"\"\nuk,emea,\n"),
        (
            "acme/accounts.csv",
            "id,channel,role,address,country,pool,user,weight,state,available_from\n\
             wa-2,whatsapp,secondary,+447400123402,GB,wa,,1000,draining,2027-03-01T08:00:00.5+02:00\n\
             wa-1,whatsapp,primary,+447400123401,,wa,,,,2027-03-01\n\
             wa-3,whatsapp,secondary,+4915123456703,DE,wa,,1,active,\n\
             wa-4,whatsapp,,+447400123404,,,müller@bank.example,,,\n\
             fax-1,fax,primary,+442079460001,GB,fax,,,suspended,\n\
             spare,line,,@acme,GB,,,,,\n",
        ),
        (
            "acme/tests.toml",
            "[[test]]\nquery = { country = \"GB\", ou = \"uk\", channel = \"whatsapp\", exclude = [\"wa-9\"] }\n\
             expect = { pool = \"wa\", climbed = 1 }\n\n[[test]]\nname = \"no pool\"\n\
             query = { ou = \"uk\", channel = \"sms\", country = \"GB\" }\nexpect = { error = \"no_pool\" }\n",
        ),
        ("beta/company.toml", "[[ou]]\nid = \"hq\"\n"),
    ])
}

/// Returns a random registry whose ids have every character that they may have.
pub(crate) fn random(seed: u64) -> Files {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut files = Files::default();
    for number in 0..random.usize(1..4) {
        let company = format!("{}{number}", id(&mut random));
        let mut settings = format!("name = {}\n", quoted(&name(&mut random)));
        if random.bool() {
            settings += "ou_without_pool = \"error\"\nplatform_version = \"1.30\"\n";
        }
        settings += "\n[geography]\n";
        settings += &mapping(&mut random, "\n");
        let ous: Vec<String> = (0..random.usize(1..8)).map(|at| format!("{}{at}", id(&mut random))).collect();
        let mut sheet = "id;parent;name\n".to_owned();
        for (at, ou) in ous.iter().enumerate() {
            let parent = if at > 0 && random.bool() { &ous[random.usize(0..at)] } else { "" };
            let name = name(&mut random).replace('"', "\"\"");
            writeln!(sheet, "\"{ou}\";\"{parent}\";\"{name}\"").unwrap();
        }
        let channels = ["whatsapp", "sms", "wechat_miniapp", "line"];
        let mut accounts =
            "id;channel;role;address;country;pool;user;weight;state;available_from\n".to_owned();
        let mut account = |random: &mut fastrand::Rng, channel: &str, role: &str, holder: &str| {
            let number = random.u64(0..1 << 40);
            let address = match channel {
                "line" => {
                    let name: String =
                        name(random).chars().filter(|it| !is_invisible(*it) && *it != '"').collect();
                    format!("\"@{number}{name}\"")
                }
                "wechat_miniapp" => format!("o'neil{number}@Müller.example"),
                _ => format!("+4474{:08}", number % 100_000_000),
            };
            let country = Region::all().nth(random.usize(0..Region::COUNT)).unwrap().alpha2();
            let state = ["", "active", "draining", "suspended"][random.usize(0..4)];
            let from = ["", "2027-01-01", "2031-12-31T23:59:59Z"][random.usize(0..3)];
            let (id, weight) = (id(random), random.u16(1..1001));
            writeln!(
                accounts,
                "\"{id}{number}\";{channel};{role};{address};{country};{holder};{weight};{state};{from}"
            )
            .unwrap();
        };
        for at in 0..random.usize(0..5) {
            let (channel, pool) = (channels[random.usize(0..4)], format!("{}{at}", id(&mut random)));
            let of: Vec<String> = ous.iter().filter(|_| random.bool()).map(|ou| quoted(ou)).collect();
            write!(
                settings,
                "\n[[pool]]\nid = {}\nchannel = \"{channel}\"\nous = [{}]\npriority = {}\ngeography = {{ {} }}\n",
                quoted(&pool),
                of.join(", "),
                random.i64(..),
                mapping(&mut random, ", "),
            )
            .unwrap();
            for role in ["primary", "secondary"] {
                account(&mut random, channel, role, &format!("\"{pool}\";"));
            }
        }
        account(&mut random, "whatsapp", "", ";李雷@bank.example");
        account(&mut random, "sms", "", ";");
        files.insert(format!("{company}/company.toml"), settings);
        files.insert(format!("{company}/ous.csv"), sheet);
        files.insert(format!("{company}/accounts.csv"), accounts);
    }
    files
}

/// Returns 1 to 20 characters of those that an id may have.
fn id(random: &mut fastrand::Rng) -> String {
    let letters: Vec<char> = ('!'..='~').filter(|letter| is_id(&letter.to_string())).collect();
    let length = random.usize(1..21);
    let id: String = (0..length).map(|_| letters[random.usize(0..letters.len())]).collect();
    // Names of folders that are no companies.
    if id.starts_with('.') || id.starts_with('#') || id.starts_with('~') { format!("x{id}") } else { id }
}

fn name(random: &mut fastrand::Rng) -> String {
    let letters = ['a', 'é', '李', '🙂', ' ', '\t', '\n', '"', '\\', ',', ';', '\'', '\u{200b}'];
    (0..random.usize(0..9)).map(|_| letters[random.usize(0..letters.len())]).collect()
}

/// Returns some lines of a mapping, none of which are chained.
fn mapping(random: &mut fastrand::Rng, separator: &str) -> String {
    let from = ["IE", "NL", "AT", "CH"].iter().filter(|_| random.bool());
    from.map(|from| format!("{from} = \"DE\"")).collect::<Vec<_>>().join(separator)
}

/// Writes a text as TOML.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}
