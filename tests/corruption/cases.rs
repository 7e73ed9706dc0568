//! The corruption matrix: one valid snapshot file, and every way to damage it.

use std::mem::size_of_val;

use rkyv::util::AlignedVec;
use switchboard_registry::Files;
use switchboard_snapshot::forge::{ArchivedAccount, ArchivedTables, tables};
use switchboard_snapshot::header::{self, Header};
use switchboard_snapshot::{RejectionStage, Snapshot};

use crate::expected::{compiled, demo};

/// The generation of the valid file.
pub const GENERATION: u64 = 100;

/// A file, and the expected result of opening it.
pub struct Case {
    pub name: String,
    /// The kind of damage. A sample of the cases has some of each kind.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
    /// The stages that may reject the file. Empty if the file is valid and must be served.
    pub stages: Vec<RejectionStage>,
}

/// Returns company acme of the demo, and a company with a group that is large enough for a directory of
/// cells.
pub fn registry() -> Files {
    let mut files = Files::read_dir(&demo()).unwrap();
    files.retain(|path| path.starts_with("acme/"));
    let company = "[[ou]]\nid = \"hq\"\n[[pool]]\nid = \"bulk\"\nchannel = \"telegram\"\nous = [\"hq\"]\n\
                   [[pool]]\nid = \"rest\"\nchannel = \"telegram\"\nous = [\"hq\"]\n";
    let mut accounts = "id,channel,role,address,country,pool,weight\n".to_owned();
    for number in 0..600 {
        let weight = 1 + number % 600 / 590;
        accounts += &format!("t{number},telegram,secondary,@bulk{number},GB,bulk,{weight}\n");
    }
    accounts += "other,telegram,secondary,@caf\u{e9},FR,rest,1\n";
    files.insert("bulk/company.toml", company);
    files.insert("bulk/accounts.csv", accounts);
    files.insert("empty/company.toml", "[[ou]]\nid = \"hq\"\n");
    files
}

pub fn sound(files: &Files, generation: u64) -> AlignedVec {
    aligned(compiled(files, generation).bytes())
}

pub fn aligned(bytes: &[u8]) -> AlignedVec {
    let mut aligned = AlignedVec::new();
    aligned.extend_from_slice(bytes);
    aligned
}

/// Changes the header, and writes it with the right checksum for the body.
pub fn sealed(mut bytes: Vec<u8>, header: impl Fn(&mut Header)) -> Vec<u8> {
    let mut read = Header::read(&bytes).unwrap();
    header(&mut read);
    let sealed = read.seal(&bytes[header::LEN..]);
    bytes[..header::LEN].copy_from_slice(&sealed);
    bytes
}

/// Returns all cases of the matrix.
pub fn all() -> Vec<Case> {
    let whole = sound(&registry(), GENERATION);
    let mut cases = damaged(&whole);
    cases.extend(records(&whole));
    cases.extend(extras(&whole));
    cases
}

/// Returns files with damage that the header, the length or the checksum reveals.
fn damaged(whole: &[u8]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |kind, name: String, bytes, stages: &[RejectionStage]| {
        cases.push(Case { name, kind, bytes, stages: stages.to_vec() });
    };
    for len in (0..512).chain((4096..whole.len()).step_by(4096)) {
        case("truncation", format!("{len} bytes"), whole[..len].to_vec(), &[RejectionStage::Length]);
    }
    for at in (0..whole.len()).step_by(1024).chain(8..80) {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1 << (at / 1024 % 8);
        let stage = match at {
            0..12 | 16..24 => RejectionStage::Header,
            32..56 => RejectionStage::Length,
            _ => RejectionStage::Checksum,
        };
        case("bit", format!("a bit of byte {at}"), bytes, &[stage]);
    }
    let fields = [
        ("magic", 0, RejectionStage::Header),
        ("version", 8, RejectionStage::Header),
        ("schema digest", 16, RejectionStage::Header),
        ("length of the archive", 32, RejectionStage::Length),
        ("length of the tests", 40, RejectionStage::Length),
        ("length of the definitions", 48, RejectionStage::Length),
        ("checksum", 64, RejectionStage::Checksum),
        ("second half of the checksum", 72, RejectionStage::Checksum),
    ];
    for (name, at, stage) in fields {
        let was = u64::from_le_bytes(whole[at..at + 8].try_into().unwrap());
        for value in [0, 1, was.wrapping_add(1), was.wrapping_sub(1), u64::MAX, 1 << 40, !was] {
            let mut bytes = whole.to_vec();
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            if value != was {
                case("header", format!("{name} {value:#x}"), bytes, &[stage]);
            }
        }
    }
    cases
}

/// Writes values into fields of records, and corrects the checksum. Each value is one case.
struct Editor<'s> {
    snapshot: &'s Snapshot,
    cases: Vec<Case>,
}

impl Editor<'_> {
    fn field<T>(&mut self, name: &str, field: &T, values: &[u64]) {
        let at = std::ptr::from_ref(field) as usize - self.snapshot.bytes().as_ptr() as usize;
        for value in values {
            let mut bytes = self.snapshot.bytes().to_vec();
            let was = bytes.clone();
            let size = size_of_val(field);
            bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            if bytes != was {
                self.push(format!("{name} = {value:#x}"), "record", bytes);
            }
        }
    }

    /// Swaps two records of a table.
    fn swap<T>(&mut self, name: &str, records: &[T], a: usize, b: usize) {
        let size = size_of_val(&records[a]);
        let at = |record: &T| std::ptr::from_ref(record) as usize - self.snapshot.bytes().as_ptr() as usize;
        let (a, b) = (at(&records[a]), at(&records[b]));
        let mut bytes = self.snapshot.bytes().to_vec();
        for byte in 0..size {
            bytes.swap(a + byte, b + byte);
        }
        self.push(format!("{name} in another order"), "order", bytes);
    }

    fn push(&mut self, name: String, kind: &'static str, bytes: Vec<u8>) {
        let bytes = sealed(bytes, |_| {});
        self.cases.push(Case { name, kind, bytes, stages: vec![RejectionStage::Index] });
    }
}

/// Returns files with dangling, unsorted and contradictory records and a right checksum.
fn records(whole: &[u8]) -> Vec<Case> {
    let snapshot = Snapshot::open(aligned(whole)).unwrap();
    let all: &ArchivedTables = tables(&snapshot);
    let mut edit = Editor { snapshot: &snapshot, cases: Vec::new() };
    // An index far beyond the end of every table. `past` adds the first index beyond the end.
    const NOWHERE: u64 = 0xffff_fffe;
    macro_rules! fields {
        ($table:ident[$at:expr], $($($field:ident).+ => $values:expr),* $(,)?) => {{
            let record = &all.$table[$at];
            $(edit.field(concat!(stringify!($table), stringify!($(.$field)+)), &record.$($field).+, &$values);)*
        }};
    }
    let past = |len: usize| [len as u64, NOWHERE];
    let text = past(all.text.len());
    let acme = 0;
    fields!(companies[acme],
        id.start => text, id.len => text, ous.start => [1, NOWHERE], ous.len => [0, 1, NOWHERE],
        pools.start => [1, NOWHERE], pools.len => [0, NOWHERE], accounts.start => [1, NOWHERE],
        accounts.len => [0, 1, NOWHERE], columns => [1, NOWHERE], column_count => [0, 1, 0xffff],
        dedicated_falls_back => [2, 255], chain_starts => [2, NOWHERE]);
    fields!(channels[0], id.start => text, id.len => [0, NOWHERE], conversation_role => [2, 255], address_kind => [3, 255]);
    let leaf = all.ous.iter().position(|ou| ou.depth.to_native() > 1).unwrap();
    fields!(ous[leaf], id.start => text, id.len => [1, NOWHERE], depth => [0, 1, NOWHERE],
        company => [1, past(all.companies.len())[0], NOWHERE]);
    edit.field("ous.id_prefix", &all.ous[leaf].id_prefix[0], &[0, b'!'.into()]);
    fields!(pools[1], id.start => text, id.len => [1, NOWHERE], ous.start => [0, NOWHERE], ous.len => [0, 7, NOWHERE]);
    let ous = all.ous.len() as u64;
    edit.field(
        "pool_ous",
        &all.pool_ous[0],
        &[ous, NOWHERE, ous - 1, u64::from(all.pool_ous[0].to_native()) ^ 1],
    );
    fields!(accounts[3], id_hash => [0, u64::MAX], id => text,
        id_and_address.start => text, id_and_address.len => [0, 3, 12, 0xffff], id_and_address.id_len => [0, 3, 0xffff],
        pool => [0xffff_ffff, all.pools.len() as u64 - 1, NOWHERE], suffix => past(all.suffixes.len()),
        company => [1, NOWHERE], channel => [0xffff, all.channels.len() as u64, 0], weight => [0, 1001, 7],
        id_len => [0, 255], country => [252, 255, 3], role => [2, 254, 255], state => [3, 255]);
    fields!(dedicated[0], user.start => text, user.len => text, company => [1, NOWHERE],
        channel => past(all.channels.len()), account => [0, all.accounts.len() as u64, NOWHERE]);
    let used = all.columns.iter().position(|column| column.to_native() == 0).unwrap();
    edit.field("columns", &all.columns[used], &[0xffff, 0xfffe, 1]);
    let entry = all.chain_starts.iter().position(|entry| entry.level.to_native() == 0).unwrap();
    let levels = all.levels.len() as u64;
    fields!(chain_starts[entry], level => [0xffff_ffff, levels, NOWHERE, levels - 1], overrides => [1, NOWHERE]);
    let level = all.levels.iter().position(|level| level.next.to_native() != u32::MAX).unwrap();
    fields!(levels[level], overrides => [0, all.overrides.len() as u64, NOWHERE], default_run => past(all.steps.len()),
        no_country_run => past(all.steps.len()), depth => [0, 1000, NOWHERE], pools => [0, all.level_pools.len() as u64, NOWHERE], ou => [0, all.ous.len() as u64, NOWHERE],
        next => [level as u64, level as u64 + 1, all.levels.len() as u64, NOWHERE, u64::from(all.levels[level].next.to_native()) ^ 1]);
    edit.field("levels.overridden", &all.levels[level].overridden[3], &[1 << 63, 0]);
    let pools = all.pools.len() as u64;
    fields!(level_pools[0], pool => [pools, NOWHERE, pools - 1], location.start => text, location.len => [0, 9, NOWHERE]);
    let steps = all.steps.len() as u64;
    fields!(overrides[0], run => [steps, NOWHERE, steps - 1, 0xffff_ffff], members => [1, NOWHERE]);
    let step =
        all.steps.iter().position(|step| step.group.to_native() != u32::MAX && step.country != 255).unwrap();
    fields!(steps[step], members.start => past(all.members.len()), members.len => [0, 1000, NOWHERE]);
    fields!(steps[step], group => [0xffff_ffff, all.groups.len() as u64, NOWHERE, all.groups.len() as u64 - 1, u64::from(all.steps[step].group.to_native()) ^ 1],
        slot => [1, 0xffff], rule => [0, 1, 4, 255, u64::from(all.steps[step].rule) ^ 0x80], country => [255, 252, 0]);
    fields!(groups[1], members.start => [0, all.members.len() as u64, NOWHERE], members.len => [0, NOWHERE],
        classes.start => [1, NOWHERE], classes.len => [1, NOWHERE]);
    fields!(classes[0], members.start => [0, all.members.len() as u64, NOWHERE], members.len => [0, 1, NOWHERE],
        cells => [1, all.cells.len() as u64, NOWHERE, 0xffff_ffff]);
    edit.field("cells", &all.cells[0], &[1, NOWHERE]);
    edit.field("cells", &all.cells[100], &[0x7fff_ffff, all.cells[100].to_native().into(), 599]);
    edit.field("cells", all.cells.last().unwrap(), &[0, NOWHERE]);
    fields!(members[0], id_hash => [0], account => [all.accounts.len() as u64, NOWHERE, 0, 1], weight => [0, 1001, 9],
        id_and_address.start => text, id_and_address.len => [0, 0xffff], id_and_address.id_len => [0, 0xffff], suffix => past(all.suffixes.len()));
    edit.field("steps: the last one", &all.steps.last().unwrap().rule, &[0, 3]);
    let suffix = &all.suffixes[0];
    edit.field("suffixes.start", &suffix.start, &text);
    edit.field("suffixes.len", &suffix.len, &[0, 12, NOWHERE]);
    for (name, slots, records) in [
        ("company_index", &all.company_index, all.companies.len()),
        ("ou_index", &all.ou_index, all.ous.len()),
        ("account_index", &all.account_index, all.accounts.len()),
        ("user_index", &all.user_index, all.dedicated.len()),
    ] {
        let taken = slots.iter().position(|slot| slot.record.to_native() != u32::MAX).unwrap();
        let other = (slots[taken].record.to_native() + 1) % records as u32;
        edit.field(name, &slots[taken].record, &[0xffff_ffff, records as u64, NOWHERE, other.into()]);
        edit.field(name, &slots[taken].fingerprint, &[0, 1]);
        let free = slots.iter().position(|slot| slot.record.to_native() == u32::MAX).unwrap();
        edit.field(name, &slots[free].record, &[0]);
    }
    let taken = all.address_index.iter().position(|slot| slot.to_native() != u32::MAX).unwrap();
    let accounts = all.accounts.len() as u64;
    let other = (u64::from(all.address_index[taken].to_native()) + 1) % accounts;
    edit.field("address_index", &all.address_index[taken], &[0xffff_ffff, accounts, NOWHERE, other]);
    let free = all.address_index.iter().position(|slot| slot.to_native() == u32::MAX).unwrap();
    edit.field("address_index", &all.address_index[free], &[0]);
    edit.swap("companies", &all.companies, 0, 1);
    edit.swap("channels", &all.channels, 0, 1);
    edit.swap("OUs", &all.ous, 0, 1);
    edit.swap("pools", &all.pools, 0, 1);
    let shared =
        all.pools.iter().find(|pool| pool.ous.len.to_native() > 1).unwrap().ous.start.to_native() as usize;
    edit.swap("OUs of a pool", &all.pool_ous, shared, shared + 1);
    edit.swap("accounts", &all.accounts, 0, 1);
    edit.swap("dedicated accounts", &all.dedicated, 0, 1);
    edit.swap("levels", &all.levels, 0, all.levels.len() - 1);
    edit.swap("steps", &all.steps, 0, all.steps.len() - 1);
    edit.swap("pools of levels", &all.level_pools, 0, all.level_pools.len() - 1);
    edit.swap("groups", &all.groups, 0, all.groups.len() - 1);
    edit.swap("classes", &all.classes, 0, 1);
    edit.swap("members", &all.members, all.members.len() - 1, all.members.len() - 2);
    texts(&mut edit, all);
    edit.cases
}

/// Adds files whose texts are not UTF-8, not JSON, or the JSON of another record.
fn texts(edit: &mut Editor<'_>, all: &ArchivedTables) {
    let cafe = all.text.windows(2).position(|pair| pair == [0xc3, 0xa9]).unwrap();
    edit.field("text: half a character", &all.text[cafe], &[b'a'.into()]);
    edit.field("text: no UTF-8", &all.text[all.text.len() / 2], &[0xff, 0x80]);
    let id_and_address_of = |account: &ArchivedAccount| {
        let start = account.id_and_address.start.to_native() as usize;
        start..start + usize::from(account.id_and_address.len.to_native())
    };
    let other = all.accounts.iter().find(|account| id_and_address_of(account).contains(&cafe)).unwrap();
    // The text then ends inside its last character.
    edit.field(
        "accounts.id_and_address.len: within a character",
        &other.id_and_address.len,
        &[u64::from(other.id_and_address.len.to_native()) - 1],
    );
    let start = id_and_address_of(other).start;
    for (what, at, byte) in [
        ("the id", start + 2, b'p'),
        ("a quote in the address", cafe - 2, b'"'),
        ("a backslash in the address", cafe - 1, b'\\'),
        ("a line feed in the address", cafe - 1, b'\n'),
    ] {
        edit.field(&format!("accounts.id_and_address: {what}"), &all.text[at], &[byte.into()]);
    }
    let channel = all.channels[0].id.start.to_native() as usize;
    edit.field("channels.id: a quote", &all.text[channel], &[b'"'.into(), b' '.into(), 0]);
    let suffix = all.suffixes[0].start.to_native() as usize;
    edit.field("suffixes: the channel", &all.text[suffix + 14], &[b'!'.into()]);
    let location = all.level_pools[0].location.start.to_native() as usize;
    edit.field("level_pools.location: the OU", &all.text[location + 7], &[b'!'.into()]);
}

/// Returns files with a malformed archive, with a malformed or failing test, and valid files with a changed
/// account.
fn extras(whole: &[u8]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name: &str, kind, bytes, stages: &[RejectionStage]| {
        cases.push(Case { name: name.to_owned(), kind, bytes, stages: stages.to_vec() });
    };
    let header = Header::read(whole).unwrap();
    let end = header::LEN + header.contents_len as usize;
    // The root of the archive is at its end. It consists of a relative pointer and a length for each table.
    for (name, byte) in
        [("the last length of the root", 0xff), ("the last length of the root, a little", 0x7f)]
    {
        let mut bytes = whole.to_vec();
        bytes[end - 1] = byte;
        case(name, "archive", sealed(bytes, |_| {}), &[RejectionStage::Archive]);
    }
    let mut bytes = whole.to_vec();
    bytes[end] = b'!';
    case("a definition that is no JSON", "archive", sealed(bytes, |_| {}), &[RejectionStage::Archive]);
    let end = end + header.definitions_len as usize;
    let definitions = String::from_utf8(whole[end - header.definitions_len as usize..end].to_vec()).unwrap();
    for (name, from, to) in [
        ("a definition of another company", "{\"company\":{\"id\":\"acme\"", "{\"company\":{\"id\":\"acne\""),
        ("a definition with an OU above itself", "[\"zurich\",\"dach\"]", "[\"zurich\",\"emea\"]"),
        ("a parent of an unknown OU", "[\"zurich\",\"dach\"]", "[\"zurihc\",\"dach\"]"),
        ("a definition of another pool", "{\"pool\":{\"id\":\"emea", "{\"pool\":{\"id\":\"emee"),
        ("an allocation to an unknown OU", "-whatsapp\",\"emea\"]", "-whatsapp\",\"emee\"]"),
        ("a definition with an unknown channel", "\"channel\":\"whatsapp\"", "\"channel\":\"whatsabb\""),
    ] {
        let other = definitions.replacen(from, to, 1);
        assert_ne!(definitions, other, "{name}");
        let mut bytes = whole.to_vec();
        bytes[end - other.len()..end].copy_from_slice(other.as_bytes());
        case(name, "record", sealed(bytes, |_| {}), &[RejectionStage::Index]);
    }
    let mut bytes = whole.to_vec();
    bytes[end] = b'!';
    case("a test that is no JSON", "archive", sealed(bytes, |_| {}), &[RejectionStage::Archive]);
    let mut bytes = whole.to_vec();
    let tests = String::from_utf8(bytes.split_off(end)).unwrap();
    let other = tests.replacen("wa-", "wb-", 1).replacen("london", "nodnol", 1);
    assert_ne!(tests, other);
    bytes.extend_from_slice(other.as_bytes());
    case("a test that fails", "tests", sealed(bytes, |_| {}), &[RejectionStage::Tests]);

    // These files are valid: an account may rest or be suspended, if no test fails because of it.
    let snapshot = Snapshot::open(aligned(whole)).unwrap();
    let account = tables(&snapshot).accounts.last().unwrap();
    let at = |field: usize| field - snapshot.bytes().as_ptr() as usize;
    let from = at(std::ptr::from_ref(&account.available_from) as usize);
    let state = at(std::ptr::from_ref(&account.state) as usize);
    let mut bytes = whole.to_vec();
    bytes[from..from + 8].copy_from_slice(&i64::MAX.to_le_bytes());
    case("an account that rests for ever", "sound", sealed(bytes, |header| header.generation += 1), &[]);
    let mut bytes = whole.to_vec();
    bytes[state] = 2;
    case("a suspended account", "sound", sealed(bytes, |header| header.generation += 2), &[]);
    cases
}
