//! A table of faults. Each row puts one fault into the registry without faults, and names the expected
//! finding. Other findings are only allowed where they follow from the fault.

use std::collections::BTreeSet;

use switchboard_database::{Database, DatabaseError, ImportScope};
use switchboard_registry::{Code, Finding, Findings, ReadLimits, check, read};

use super::base::{Texts, company, files, printed, replace, run, sound};
use crate::database::server::{empty_database, sql};

/// In place of the old text: the edit sets or removes the whole file.
const WHOLE: &str = "";
/// In place of the new text: the edit removes the file.
const GONE: &str = "\0";

struct Fault {
    /// The edits: file, old text (which occurs once), new text.
    edits: &'static [(&'static str, &'static str, &'static str)],
    code: Code,
    at: &'static str,
    /// Texts that the message and the help must contain together.
    mentions: &'static [&'static str],
}

macro_rules! faults {
    ($($code:ident at $at:literal mentions [$($mentions:literal),+]: $(($file:literal, $from:expr => $to:expr))+;)*) => {
        &[$(Fault { edits: &[$(($file, $from, $to)),+], code: Code::$code, at: $at, mentions: &[$($mentions),+] }),*]
    };
}

#[rustfmt::skip] // one row, one fault
const FAULTS: &[Fault] = faults! {
    // ---- files
    StrayFile at "notes.txt:1" mentions ["warning[unknown_file]", "notes.txt"]: ("notes.txt", WHOLE => "x");
    StrayFile at "acme/accounts (1).csv:1" mentions ["`accounts (1).csv`"]: ("acme/accounts (1).csv", WHOLE => "x");
    StrayFile at "acme/accounts.csv.bak:1" mentions ["`accounts.csv.bak`"]: ("acme/accounts.csv.bak", WHOLE => "x");
    UnknownFile at "acme/account.csv:1" mentions ["error[unknown_file]", "already has a file `accounts.csv`"]: ("acme/account.csv", WHOLE => "x");
    UnknownFile at "acme/Accounts.csv:1" mentions ["rename it to `accounts.csv`"]: ("acme/accounts.csv", WHOLE => GONE) ("acme/Accounts.csv", WHOLE => "x");
    UnknownFile at "acme/channels.toml:1" mentions ["move it", "the companies' folders"]: ("acme/channels.toml", WHOLE => "");
    UnknownFile at "Tests.toml:1" mentions ["as `tests.toml`", "its company"]: ("Tests.toml", WHOLE => "");
    UnknownFile at "acme/company.tml:1" mentions ["rename it to `company.toml`"]:
        ("acme/company.toml", WHOLE => GONE) ("acme/company.tml", WHOLE => "x");
    StrayFile at "docs:1" mentions ["`docs`", "not a company"]: ("docs/plan.txt", WHOLE => "x") ("docs/plan-2.txt", WHOLE => "x");
    MissingFile at "bank/company.toml:1" mentions ["has no file"]: ("bank/accounts.csv", WHOLE => "id,channel,address\n");
    UnknownFile at "chanels.toml:1" mentions ["chanels.toml", "`channels.toml`"]:
        ("channels.toml", WHOLE => GONE) ("chanels.toml", WHOLE => "x") ("acme/company.toml", "\"whatsapp\"" => "\"whatsapp\"");
    UnknownFile at "acme/acounts.csv:1" mentions ["acounts.csv", "accounts.csv"]:
        ("acme/accounts.csv", WHOLE => GONE) ("acme/acounts.csv", WHOLE => "x");
    UnknownFile at "acme/our.csv:1" mentions ["our.csv", "ous.csv"]: ("acme/ous.csv", WHOLE => GONE) ("acme/our.csv", WHOLE => "x");
    UnknownFile at "acme/compnay.toml:1" mentions ["compnay.toml", "company.toml"]:
        ("acme/company.toml", WHOLE => GONE) ("acme/compnay.toml", WHOLE => "x");
    MissingFile at "acme/company.toml:1" mentions ["has no file", "company.toml"]: ("acme/company.toml", WHOLE => GONE);
    InvalidId at "a b/company.toml:1" mentions ["a b", "space"]: ("a b/company.toml", WHOLE => "[[ou]]\nid = \"x\"\n");

    // ---- syntax
    Syntax at "acme/company.toml:10" mentions ["quoted"]: ("acme/company.toml", "id = \"acme\"" => "id = acme");
    Syntax at "acme/company.toml:20" mentions ["array"]: ("acme/company.toml", "ous = [\"acme\"]\npriority" => "ous = [\"acme\"\npriority");
    Syntax at "acme/company.toml:9" mentions ["unclosed"]: ("acme/company.toml", "[[ou]]\nid = \"acme\"" => "[[ou]\nid = \"acme\"");
    Syntax at "acme/company.toml:4" mentions ["string"]: ("acme/company.toml", "\"1.24.0\"" => "\"1.24.0");
    Syntax at "acme/company.toml:17" mentions ["duplicate"]: ("acme/company.toml", "id = \"whats\"\n" => "id = \"whats\"\nid = \"whats\"\n")
        ("acme/company.toml", "priority = 0\n" => "") ("acme/company.toml", "[[ou]]\nid = \"acme\"\n\n" => "[[ou]]\nid = \"acme\"\n");
    Syntax at "acme/company.toml:9" mentions ["duplicate"]: ("acme/company.toml", "[[ou]]\nid = \"acme\"" => "[geography]\n[[ou]]\nid = \"acme\"");
    Syntax at "channels.toml:6" mentions ["unclosed"]: ("channels.toml", "[channel.sms]" => "[channel.sms");
    Syntax at "acme/tests.toml:3" mentions ["valid TOML"]: ("acme/tests.toml", "ou = \"london\"," => "ou = \"london\"");
    Syntax at "acme/accounts.csv:4" mentions ["9", "10"]: ("acme/accounts.csv", ",5,active,\n" => ",5,active\n");
    Syntax at "acme/accounts.csv:3" mentions ["quote"]: ("acme/accounts.csv", "wa-gb-1" => "\"wa-gb-1");
    Syntax at "acme/accounts.csv:3" mentions ["a quote is inside a cell", "twice"]: ("acme/accounts.csv", "wa-gb-1" => "wa-\"gb-1");
    Syntax at "acme/accounts.csv:7" mentions ["a quote is inside a cell"]: ("acme/accounts.csv", "+447400123499,GB,,,,," => "+447400123499,GB,,,,19\",");
    Syntax at "acme/ous.csv:3" mentions ["a quote is inside a cell"]: ("acme/ous.csv", "\"Zürich, CH\"" => "\"Zürich\", CH\"");
    Syntax at "acme/ous.csv:2" mentions ["closing quote", "a comma"]: ("acme/ous.csv", "emea,London" => "emea,\"London\"x");
    Syntax at "acme/accounts.csv:4" mentions ["NUL", "column 6"]: ("acme/accounts.csv", "wa-de-1" => "wa-de\0-1");
    Syntax at "acme/company.toml:10" mentions ["NUL", "column 7"]: ("acme/company.toml", "id = \"acme\"" => "id = \"\0acme\"");
    Syntax at "acme/company.toml:9" mentions ["carriage return", "LF"]: ("acme/company.toml", "[[ou]]\nid = \"acme\"" => "[[ou]]\rid = \"acme\"");
    Syntax at "acme/accounts.csv:7" mentions ["quote"]: ("acme/accounts.csv", "+447400123499,GB,,,,," => "+447400123499,GB,,,,,\"");

    // ---- keys and columns
    UnknownKey at "acme/company.toml:23" mentions ["`fallback_upwards`", "did you mean `fallback_upward`?"]:
        ("acme/company.toml", "fallback_upward" => "fallback_upwards");
    UnknownKey at "acme/company.toml:4" mentions ["`plattform_version`", "`platform_version`"]:
        ("acme/company.toml", "platform_version" => "plattform_version");
    UnknownKey at "acme/company.toml:16" mentions ["`pools`", "`pool`"]: ("acme/company.toml", "[[pool]]\nid = \"whats\"" => "[[pools]]\nid = \"whats\"");
    UnknownKey at "acme/company.toml:17" mentions ["`Id`", "`id`"]: ("acme/company.toml", "id = \"whats\"" => "Id = \"whats\"");
    UnknownKey at "acme/company.toml:18" mentions ["`chanel`", "`channel`"]: ("acme/company.toml", "channel = \"whatsapp\"" => "chanel = \"whatsapp\"");
    UnknownKey at "acme/company.toml:14" mentions ["`parrent`", "`parent`"]: ("acme/company.toml", "parent =" => "parrent =");
    UnknownKey at "acme/company.toml:10" mentions ["`idd`", "`id`"]: ("acme/company.toml", "id = \"acme\"" => "idd = \"acme\"");
    UnknownKey at "acme/company.toml:19" mentions ["`oux`", "`ous`"]: ("acme/company.toml", "ous = [\"acme\"]\npriority" => "oux = [\"acme\"]\npriority");
    UnknownKey at "channels.toml:2" mentions ["`conversation_rule`", "`conversation_role`"]:
        ("channels.toml", "conversation_role" => "conversation_rule");
    UnknownKey at "acme/tests.toml:3" mentions ["`phon`", "`phone`"]: ("acme/tests.toml", "phone =" => "phon =");
    UnknownKey at "acme/tests.toml:4" mentions ["`rul`", "`rule`"]: ("acme/tests.toml", "rule =" => "rul =");
    UnknownKey at "acme/tests.toml:1" mentions ["`tests`", "`test`"]: ("acme/tests.toml", "[[test]]" => "[[tests]]");
    UnknownColumn at "acme/accounts.csv:1" mentions ["`chanel`", "`channel`"]: ("acme/accounts.csv", "id,channel" => "id,chanel");
    UnknownColumn at "acme/accounts.csv:1" mentions ["`pol`", "`pool`"]: ("acme/accounts.csv", "country,pool" => "country,pol");
    UnknownColumn at "acme/accounts.csv:1" mentions ["`rolle`", "`role`"]: ("acme/accounts.csv", "role" => "rolle");
    UnknownColumn at "acme/accounts.csv:3" mentions ["column 3", "no name"]:
        ("acme/accounts.csv", WHOLE => "id,channel,,address,country\nx,line,,@x,JP\ny,line,z,@y,JP\n");
    RowInCell at "acme/ous.csv:2" mentions ["lines 2 to 3, and line 3 has as many cells"]: ("acme/ous.csv", WHOLE => "id,parent,name\nx,emea,\"A\nB,emea,C\"\n");
    ColumnCase at "acme/accounts.csv:1" mentions ["`ID`, `Channel`, ` role`", "`id`, `channel`, `role`"]: ("acme/accounts.csv", "id,channel,role" => "ID,Channel, role");
    UnknownColumn at "acme/accounts.csv:1" mentions ["`land`", "country"]: ("acme/accounts.csv", "country" => "land");
    UnknownColumn at "acme/accounts.csv:1" mentions ["`weight`", "twice"]: ("acme/accounts.csv", "state,av" => "weight,av");
    UnknownColumn at "acme/ous.csv:1" mentions ["`above`"]: ("acme/ous.csv", "parent" => "above");
    UnknownColumn at "acme/ous.csv:1" mentions ["`identifier`", "`id`"]: ("acme/ous.csv", "id,parent" => "identifier,parent");
    MissingColumn at "acme/ous.csv:1" mentions ["`id`"]: ("acme/ous.csv", WHOLE => "parent,name\nemea,London\nemea,Z\n");
    MissingColumn at "acme/ous.csv:1" mentions ["empty"]: ("acme/ous.csv", WHOLE => "");
    MissingColumn at "acme/accounts.csv:1" mentions ["`role`"]:
        ("acme/accounts.csv", WHOLE => "id,channel,address,pool,country\nwa-primary,whatsapp,+447400123400,whats,\nwa-de-1,whatsapp,+4915123456701,whats,\nm,wechat_miniapp,a@b.example,mini,CN\n");
    MissingKey at "acme/company.toml:16" mentions ["`id`"]: ("acme/company.toml", "id = \"whats\"\n" => "");
    MissingKey at "acme/company.toml:16" mentions ["`channel`", "`whats`"]: ("acme/company.toml", "channel = \"whatsapp\"\n" => "");
    MissingKey at "acme/company.toml:9" mentions ["OU", "`id`"]: ("acme/company.toml", "id = \"acme\"\n" => "");
    MissingKey at "channels.toml:1" mentions ["`viber`", "`address`"]: ("channels.toml", "address = \"handle\"\n" => "");
    MissingKey at "acme/tests.toml:1" mentions ["`expect`"]: ("acme/tests.toml", "expect = { rule = \"country\", climbed = 2 }\n" => "");

    // ---- values
    InvalidValue at "acme/company.toml:1" mentions ["`name`", "whole number"]: ("acme/company.toml", "\"Acme\"" => "5");
    InvalidValue at "acme/company.toml:1" mentions ["`name`", "NUL"]: ("acme/company.toml", "\"Acme\"" => "\"Ac\\u0000me\"");
    InvalidValue at "acme/tests.toml:3" mentions ["`ou`", "NUL"]: ("acme/tests.toml", "ou = \"london\"," => "ou = \"\\u0000\",");
    InvalidValue at "acme/company.toml:2" mentions ["`ou_without_pool`", "`inherits`", "`inherit`"]: ("acme/company.toml", "\"inherit\"" => "\"inherits\"");
    InvalidValue at "acme/company.toml:3" mentions ["`dedicated_unavailable`", "`pools`"]: ("acme/company.toml", "\"error\"" => "\"pools\"");
    InvalidValue at "acme/company.toml:4" mentions ["`platform_version`", "`v1`"]: ("acme/company.toml", "\"1.24.0\"" => "\"v1\"");
    InvalidValue at "acme/company.toml:6" mentions ["`geography`", "a text"]: ("acme/company.toml", "[geography]\nIE = \"GB\"" => "geography = \"IE\"");
    InvalidValue at "acme/company.toml:19" mentions ["`ous`", "a text"]: ("acme/company.toml", "ous = [\"acme\"]\npriority" => "ous = \"acme\"\npriority");
    InvalidValue at "acme/company.toml:20" mentions ["`priority`", "a text"]: ("acme/company.toml", "priority = 0" => "priority = \"0\"");
    InvalidValue at "acme/company.toml:20" mentions ["`priority`", "64 bits"]: ("acme/company.toml", "priority = 0" => "priority = 99999999999999999999");
    InvalidValue at "acme/company.toml:21" mentions ["`country_match`", "`code`"]: ("acme/company.toml", "\"country\"" => "\"code\"");
    InvalidValue at "acme/company.toml:23" mentions ["`fallback_upward`", "a text"]: ("acme/company.toml", "fallback_upward = true" => "fallback_upward = \"yes\"");
    InvalidValue at "acme/company.toml:9" mentions ["`ou`", "[[ou]]"]: ("acme/company.toml", "[[ou]]\nid = \"acme\"\n\n[[ou]]\nid = \"emea\"" => "[ou]\nid = \"emea\"");
    InvalidValue at "channels.toml:2" mentions ["`conversation_role`", "`tertiary`"]: ("channels.toml", "conversation_role = \"secondary\"" => "conversation_role = \"tertiary\"");
    InvalidValue at "channels.toml:3" mentions ["`pool_must_hold`", "`secundary`", "`secondary`"]: ("channels.toml", "[\"secondary\"]" => "[\"secundary\"]");
    InvalidValue at "channels.toml:4" mentions ["`address`", "`fax`"]: ("channels.toml", "\"handle\"" => "\"fax\"");
    InvalidValue at "channels.toml:7" mentions ["`dedicated_since`", "`soon`"]: ("channels.toml", "\"1.25.0\"" => "\"soon\"");
    InvalidValue at "acme/accounts.csv:4" mentions ["weight", "`1001`", "`wa-de-1`"]: ("acme/accounts.csv", ",5,active" => ",1001,active");
    InvalidValue at "acme/accounts.csv:4" mentions ["weight", "`+5`"]: ("acme/accounts.csv", ",5,active" => ",+5,active");
    InvalidValue at "acme/accounts.csv:4" mentions ["state", "`actve`", "`active`"]: ("acme/accounts.csv", "5,active" => "5,actve");
    InvalidValue at "acme/accounts.csv:6" mentions ["available_from", "`2026-02-30`"]: ("acme/accounts.csv", "2026-01-01" => "2026-02-30");
    InvalidValue at "acme/accounts.csv:2" mentions ["role", "`primry`", "`primary`"]: ("acme/accounts.csv", "wa-primary,whatsapp,primary" => "wa-primary,whatsapp,primry");
    InvalidValue at "acme/tests.toml:3" mentions ["`phone`", "whole number"]: ("acme/tests.toml", "\"+447400123456\"" => "447400123456");
    InvalidValue at "acme/tests.toml:3" mentions ["`exclude`", "a text"]: ("acme/tests.toml", "ou = \"london\"" => "exclude = \"wa-gb-1\"");
    InvalidValue at "acme/tests.toml:3" mentions ["`company`", "`acme`"]: ("acme/tests.toml", "ou = \"london\"" => "ou = \"london\", company = \"bank\"");
    InvalidValue at "acme/tests.toml:4" mentions ["`rule`", "`contry`", "`country`"]: ("acme/tests.toml", "\"country\"" => "\"contry\"");
    InvalidValue at "acme/tests.toml:4" mentions ["`error`", "`no_acount`", "`no_account`"]: ("acme/tests.toml", "rule = \"country\", climbed = 2" => "error = \"no_acount\"");
    InvalidValue at "acme/tests.toml:4" mentions ["`climbed`", "-1"]: ("acme/tests.toml", "climbed = 2" => "climbed = -1");
    InvalidValue at "acme/tests.toml:4" mentions ["`expect`", "empty"]: ("acme/tests.toml", " rule = \"country\", climbed = 2 " => "");
    InvalidId at "acme/company.toml:27" mentions ["pool id", "`mi ni`"]: ("acme/company.toml", "\"mini\"" => "\"mi ni\"") ("acme/accounts.csv", ",mini," => ",mi ni,");
    InvalidId at "acme/ous.csv:2" mentions ["OU id", "`lon/don`"]: ("acme/ous.csv", "london" => "lon/don");
    InvalidId at "acme/ous.csv:2" mentions ["OU id", "empty"]: ("acme/ous.csv", "london" => "");
    InvalidId at "acme/accounts.csv:3" mentions ["account id", "`wä-gb-1`"]: ("acme/accounts.csv", "wa-gb-1" => "wä-gb-1");
    InvalidId at "acme/accounts.csv:5" mentions ["user id", "`trader 1`"]: ("acme/accounts.csv", "trader-1@acme.example" => "trader 1");
    InvalidId at "acme/accounts.csv:5" mentions ["user id", "U+200B at position 22", "delete"]: ("acme/accounts.csv", "trader-1@acme.example" => "trader-1@acme.example\u{200b}");
    InvalidId at "acme/accounts.csv:5" mentions ["user id", "U+202E at position 1"]: ("acme/accounts.csv", "trader-1@acme.example" => "\u{202e}trader-1@acme.example");
    InvalidId at "channels.toml:1" mentions ["channel id", "`vi ber`"]: ("channels.toml", "channel.viber" => "channel.\"vi ber\"");
    InvalidCountry at "acme/accounts.csv:4" mentions ["`UK`", "`GB`"]: ("acme/accounts.csv", "+4915123456701,," => "+4915123456701,UK,");
    InvalidCountry at "acme/company.toml:22" mentions ["default_country", "`ZZ`"]: ("acme/company.toml", "default_country = \"GB\"" => "default_country = \"ZZ\"");
    InvalidCountry at "acme/company.toml:24" mentions ["`XX`"]: ("acme/company.toml", "NL = \"DE\"" => "XX = \"DE\"");
    InvalidCountry at "acme/company.toml:7" mentions ["`Germany`"]: ("acme/company.toml", "IE = \"GB\"" => "IE = \"Germany\"");
    InvalidAddress at "acme/accounts.csv:4" mentions ["`wa-de-1`", "E.164"]: ("acme/accounts.csv", "+4915123456701" => "4915123456701");
    InvalidAddress at "acme/accounts.csv:6" mentions ["`mini-1`", "e-mail"]: ("acme/accounts.csv", "service@acme.example" => "+447400123488");
    InvalidAddress at "acme/accounts.csv:6" mentions ["`mini-1`", "U+200B at position 8", "delete"]: ("acme/accounts.csv", "service@acme.example" => "service\u{200b}@acme.example");
    InvalidAddress at "acme/accounts.csv:6" mentions ["`mini-1`", "U+00AD at position 10"]: ("acme/accounts.csv", "service@acme.example" => "service@a\u{ad}cme.example");
    InvalidAddress at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "U+FEFF at position 1"]: ("acme/accounts.csv", "wa-spare-1,whatsapp,secondary,+447400123499" => "wa-spare-1,telegram,secondary,\u{feff}@acme");
    InvalidAddress at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "U+200E at position 6"]: ("acme/accounts.csv", "wa-spare-1,whatsapp,secondary,+447400123499" => "wa-spare-1,telegram,secondary,@acme\u{200e}");

    MissingCountry at "acme/accounts.csv:6" mentions ["`mini-1`"]: ("acme/accounts.csv", "service@acme.example,CN" => "service@acme.example,");

    // ---- ids and the tree
    DuplicateId at "acme/ous.csv:3" mentions ["OU", "`london`", "acme/ous.csv:2"]: ("acme/ous.csv", "zurich" => "london");
    DuplicateId at "acme/company.toml:26" mentions ["pool", "`whats`"]: ("acme/company.toml", "\"mini\"\nchannel = \"wechat_miniapp\"" => "\"whats\"\nchannel = \"whatsapp\"") ("acme/accounts.csv", "mini-1,wechat_miniapp,primary,service@acme.example,CN,mini,,,draining,2026-01-01\n" => "");
    DuplicateId at "acme/accounts.csv:4" mentions ["account", "`wa-gb-1`", "acme/accounts.csv:3"]: ("acme/accounts.csv", "wa-de-1" => "wa-gb-1");
    DuplicateId at "acme/accounts.csv:6" mentions ["`wa-trader-1`"]: ("acme/accounts.csv", "mini-1," => "wa-trader-1,whatsapp,,+447400123477,GB,,trader-1@acme.example,,,\nmini-1,");
    DuplicateId at "acme/company.toml:19" mentions ["`whats`", "`acme`", "twice"]: ("acme/company.toml", "[\"acme\"]\npriority" => "[\"acme\", \"acme\"]\npriority");
    DuplicateId at "acme/company.toml:24" mentions ["`nl`", "twice"]: ("acme/company.toml", "NL = \"DE\"" => "NL = \"DE\", nl = \"DE\"");
    UnknownParent at "acme/company.toml:14" mentions ["`acmee`", "`emea`", "`acme`"]: ("acme/company.toml", "parent = \"acme\"" => "parent = \"acmee\"");
    UnknownParent at "acme/ous.csv:2" mentions ["`emea`", "`london`"]: ("acme/company.toml", "id = \"emea\"" => "id = \"emea-1\"");
    OuCycle at "acme/company.toml:9" mentions ["`acme`", "`emea`", "cycle"]: ("acme/company.toml", "id = \"acme\"" => "id = \"acme\"\nparent = \"emea\"");
    OuCycle at "acme/company.toml:9" mentions ["`acme`", "its own parent"]: ("acme/company.toml", "id = \"acme\"" => "id = \"acme\"\nparent = \"acme\"");
    Empty at "acme/company.toml:1" mentions ["`acme`", "[[ou]]"]: ("acme/company.toml", WHOLE => "name = \"Acme\"\n") ("acme/ous.csv", WHOLE => GONE) ("acme/accounts.csv", WHOLE => GONE);
    Empty at ".:1" mentions ["no company"]: ("acme/company.toml", WHOLE => GONE) ("acme/ous.csv", WHOLE => GONE) ("acme/accounts.csv", WHOLE => GONE) ("acme/tests.toml", WHOLE => GONE);

    // ---- pools and accounts
    UnknownChannel at "acme/company.toml:18" mentions ["`whatsap`", "`whatsapp`"]: ("acme/company.toml", "\"whatsapp\"" => "\"whatsap\"");
    UnknownChannel at "acme/accounts.csv:2" mentions ["`whatsap`", "`whatsapp`"]: ("acme/accounts.csv", "wa-primary,whatsapp," => "wa-primary,whatsap,");
    UnknownOu at "acme/company.toml:19" mentions ["`acmee`", "`whats`", "`acme`"]: ("acme/company.toml", "ous = [\"acme\"]\npriority" => "ous = [\"acmee\"]\npriority");
    UnknownPool at "acme/accounts.csv:2" mentions ["`what`", "`whats`"]: ("acme/accounts.csv", "+447400123400,GB,whats" => "+447400123400,GB,what");
    UnknownPool at "acme/accounts.csv:4" mentions ["`what`", "`whats`"]: ("acme/accounts.csv", "+4915123456701,,whats" => "+4915123456701,,what");
    UnknownPool at "acme/accounts.csv:2" mentions ["`whats`", "`wa-primary`"]: ("acme/company.toml", "id = \"whats\"" => "id = \"whats-2\"");
    PoolAndUser at "acme/accounts.csv:2" mentions ["`whats`", "`trader-2`"]: ("acme/accounts.csv", "+447400123400,GB,whats,," => "+447400123400,GB,whats,trader-2,");
    PoolAndUser at "acme/accounts.csv:5" mentions ["`wa-trader-1`", "`whats`"]: ("acme/accounts.csv", "GB,,trader-1" => "GB,whats,trader-1");
    ChannelMismatch at "acme/accounts.csv:3" mentions ["`wa-gb-1`", "`sms`", "`whats`", "`whatsapp`"]: ("acme/accounts.csv", "wa-gb-1,whatsapp" => "wa-gb-1,sms");
    ChannelMismatch at "acme/accounts.csv:2" mentions ["`whats`", "`wa-primary`"]: ("acme/company.toml", "\"whatsapp\"" => "\"imessage\"");
    Role at "acme/accounts.csv:2" mentions ["`wa-primary`", "no role"]: ("acme/accounts.csv", "wa-primary,whatsapp,primary" => "wa-primary,whatsapp,");
    Role at "acme/accounts.csv:5" mentions ["`wa-trader-1`", "`secondary`"]: ("acme/accounts.csv", "wa-trader-1,whatsapp,," => "wa-trader-1,whatsapp,secondary,");
    DuplicateDedicated at "acme/accounts.csv:7" mentions ["`trader-1@acme.example`", "`wa-trader-1`", "`wa-spare-1`"]: ("acme/accounts.csv", "wa-spare-1,whatsapp,secondary,+447400123499,GB,," => "wa-spare-1,whatsapp,,+447400123499,GB,,trader-1@acme.example");
    DedicatedUnsupported at "acme/accounts.csv:5" mentions ["`wa-trader-1`", "`signal`"]: ("acme/accounts.csv", "wa-trader-1,whatsapp" => "wa-trader-1,signal");
    DedicatedVersion at "acme/accounts.csv:5" mentions ["`sms`", "1.25.0", "1.24.0"]: ("acme/accounts.csv", "wa-trader-1,whatsapp" => "wa-trader-1,sms");
    DuplicateAddress at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "`wa-gb-1`", "line 3"]: ("acme/accounts.csv", "+447400123499" => "+447400123401");
    DuplicateAddress at "acme/accounts.csv:7" mentions ["`mini-2`", "`mini-1`"]: ("acme/accounts.csv", "wa-spare-1,whatsapp,secondary,+447400123499,GB,,,,," => "mini-2,wechat_miniapp,,service@ACME.example,CN,,,,suspended,");
    MissingRole at "acme/company.toml:16" mentions ["`whats`", "primary"]: ("acme/accounts.csv", "wa-primary,whatsapp,primary" => "wa-primary,whatsapp,secondary");
    MissingRole at "acme/company.toml:26" mentions ["`mini`", "primary"]: ("acme/accounts.csv", "mini-1,wechat_miniapp,primary" => "mini-1,wechat_miniapp,secondary");

    // ---- geography and coverage
    MappingToItself at "acme/company.toml:24" mentions ["`NL`", "`whats`"]: ("acme/company.toml", "NL = \"DE\"" => "NL = \"NL\"");
    MappingToItself at "acme/company.toml:7" mentions ["`IE`", "company"]: ("acme/company.toml", "IE = \"GB\"" => "IE = \"ie\"");
    UnservedTarget at "acme/company.toml:24" mentions ["`NL`", "`FR`", "`whats`"]: ("acme/company.toml", "NL = \"DE\"" => "NL = \"FR\"");
    UnservedTarget at "acme/company.toml:24" mentions ["`BE`", "`FR`"]: ("acme/company.toml", "NL = \"DE\"" => "NL = \"FR\", BE = \"FR\"") ("acme/company.toml", "default_country = \"GB\"" => "default_country = \"FR\"");
    UnservedTarget at "acme/company.toml:22" mentions ["default", "`FR`", "`whats`"]: ("acme/company.toml", "default_country = \"GB\"" => "default_country = \"FR\"");
    UnservedTarget at "acme/company.toml:7" mentions ["company", "`IE`", "`FR`"]: ("acme/company.toml", "IE = \"GB\"" => "IE = \"FR\"");
    UnusedMapping at "acme/company.toml:24" mentions ["`GB`", "`DE`", "`whats`"]: ("acme/company.toml", "NL = \"DE\"" => "GB = \"DE\"");
    ChainedMapping at "acme/company.toml:24" mentions ["`NL`", "`IE`", "`GB`"]: ("acme/company.toml", "NL = \"DE\"" => "NL = \"IE\"");
    ChainedMapping at "acme/company.toml:7" mentions ["company", "`IE`", "`AT`", "`GB`"]: ("acme/company.toml", "IE = \"GB\"" => "IE = \"AT\"\nAT = \"GB\"");
    ChainedMapping at "acme/company.toml:24" mentions ["`IE`", "`NL`", "`DE`"]: ("acme/company.toml", "IE = \"GB\"" => "IE = \"NL\"");
    PoolWithoutOu at "acme/company.toml:26" mentions ["`mini`", "`ous`"]: ("acme/company.toml", "channel = \"wechat_miniapp\"\nous = [\"acme\"]" => "channel = \"wechat_miniapp\"");
    UnservedOu at "acme/company.toml:9" mentions ["`acme`", "`wechat_miniapp`"]: ("acme/company.toml", "\"wechat_miniapp\"\nous = [\"acme\"]" => "\"wechat_miniapp\"\nous = [\"emea\"]");
    InvalidNumber at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "`+4474001234`", "`GB`", "provider"]: ("acme/accounts.csv", "+447400123499" => "+4474001234");
    InvalidNumber at "acme/accounts.csv:4" mentions ["`wa-de-1`", "`+491512345670123`", "`DE`"]: ("acme/accounts.csv", "+4915123456701" => "+491512345670123");
    InvalidNumber at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "zero", "`+447400123499`"]: ("acme/accounts.csv", "+447400123499" => "+4407400123499");
    InvalidNumber at "acme/accounts.csv:7" mentions ["`+1204555`", "not valid for its country `CA`"]: ("acme/accounts.csv", "+447400123499,GB" => "+1204555,CA");
    UnreachableAccount at "acme/accounts.csv:4" mentions ["`wa-de-1`", "no country", "`country`"]: ("acme/accounts.csv", "+4915123456701" => "+88213123457");
    UnreachablePool at "acme/company.toml:16" mentions ["`whats`", "no country", "`country`"]: ("acme/accounts.csv", "+447400123400,GB" => "+88213123455,")
        ("acme/accounts.csv", "+447400123401,GB" => "+88213123456,") ("acme/accounts.csv", "+4915123456701" => "+88213123457");
    UnreachablePool at "acme/company.toml:26" mentions ["`mini`", "no account"]: ("channels.toml", "[channel.sms]" => "[channel.wechat_miniapp]\npool_must_hold = []\n\n[channel.sms]")
        ("acme/accounts.csv", "mini-1,wechat_miniapp,primary,service@acme.example,CN,mini," => "mini-1,wechat_miniapp,primary,service@acme.example,CN,,");
    CountryContradicted at "acme/accounts.csv:7" mentions ["`wa-spare-1`", "`FR`", "`GB`"]: ("acme/accounts.csv", "+447400123499,GB" => "+447400123499,FR");
    UnusedMapping at "acme/company.toml:7" mentions ["`GB`", "`DE`", "of the company", "only while"]: ("acme/company.toml", "IE = \"GB\"" => "GB = \"DE\"");
    UnusedMapping at "acme/company.toml:7" mentions ["`NL`", "`DE`", "never used"]: ("acme/company.toml", "IE = \"GB\"" => "NL = \"DE\"");
    UnservedOu at "acme/company.toml:9" mentions ["`acme`", "`sms`"]: ("channels.toml", "\n[channel.sms]\ndedicated_since = \"1.25.0\"" => "")
        ("acme/accounts.csv", "wa-spare-1,whatsapp,secondary,+447400123499,GB,," => "sms-1,sms,,+447400123499,GB,,trader-2");
};

fn spoiled(fault: &Fault) -> Texts {
    let mut texts = sound();
    for &(file, from, to) in fault.edits {
        match (from, to) {
            (WHOLE, GONE) => drop(texts.remove(file)),
            (WHOLE, to) => drop(texts.insert(file.to_owned(), to.into())),
            (from, to) => replace(&mut texts, file, from, to),
        }
    }
    texts
}

/// The codes of findings that can follow from a fault elsewhere, such as an unknown pool after the pool lost
/// its id.
const FOLLOWING: [Code; 11] = [
    Code::UnknownParent,
    Code::UnknownChannel,
    Code::UnknownOu,
    Code::UnknownPool,
    Code::ChannelMismatch,
    Code::DuplicateAddress,
    Code::DuplicateDedicated,
    Code::MissingRole,
    Code::UnservedTarget,
    Code::ChainedMapping,
    Code::UnservedOu,
];

#[test]
fn each_fault_gives_its_finding() {
    let mut wrong = String::new();
    for fault in FAULTS {
        let (_, findings) = run(&spoiled(fault));
        let its = |finding: &Finding| {
            let said = finding.to_string();
            finding.code == fault.code
                && finding.place.to_string() == fault.at
                && fault.mentions.iter().all(|word| said.contains(word))
        };
        let others = |finding: &Finding| its(finding) || FOLLOWING.contains(&finding.code);
        let said = |finding: &Finding| !finding.message.is_empty() && !finding.help.is_empty();
        let right = findings.iter().any(its) && findings.iter().all(|it| others(it) && said(it));
        if !right {
            wrong += &format!(
                "WANTED {}: {:?} {:?}\n  BY {:?}\n{}\n",
                fault.at,
                fault.code,
                fault.mentions,
                fault.edits,
                printed(&findings)
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Puts each fault of a company into a company of its own, and finds all of them in one run.
#[test]
fn faults_of_many_companies_are_found_in_one_run() {
    let mut all = Texts::new();
    let mut wanted = Vec::new();
    let mut spoil = |id: String, fault: &Fault| {
        let mut texts: Texts = spoiled(fault);
        texts.remove("channels.toml");
        all.extend(
            texts.into_iter().map(|(path, text)| (path.replacen("acme/", &format!("{id}/"), 1), text)),
        );
        wanted.push((fault.at.replacen("acme/", &format!("{id}/"), 1), fault.code));
    };
    let own =
        |fault: &&Fault| fault.edits.iter().all(|(file, ..)| file.starts_with("acme/")) && fault.at != ".:1";
    for (number, fault) in FAULTS.iter().filter(own).enumerate() {
        spoil(format!("c{number:03}"), fault);
    }
    all.extend(company("sound"));
    all.insert("channels.toml".to_owned(), super::base::CHANNELS.into());
    let (_, findings) = run(&all);
    assert!(wanted.len() > 80);
    for (at, code) in &wanted {
        let found = findings.iter().any(|it| it.code == *code && it.place.to_string() == *at);
        assert!(found, "{at} {code:?}\n{}", printed(&findings));
    }
}

/// Puts each fault into a database, past the checks of an import. The schema refuses the fault, or `check` finds it
/// there. Faults that concern the text of files are left out, because no row can have them.
#[test]
#[cfg_attr(not(has_postgres), ignore = "needs postgres: apt-get install postgresql")]
fn each_fault_of_values_is_refused_or_found_in_a_database() {
    let url = empty_database();
    let database = Database::from_url(&url).unwrap();
    database.migrate(false).unwrap();
    let (mut refused, mut found, mut wrong) = (0, 0, String::new());
    for fault in FAULTS {
        let (registry, _) = read(&files(&spoiled(fault)));
        let mut findings = Findings::default();
        check(&registry, &mut findings);
        let is_kept = [Code::InvalidId, Code::InvalidAddress, Code::MissingCountry].contains(&fault.code);
        if !is_kept && !findings.iter().any(|finding| finding.code == fault.code) {
            continue;
        }
        sql(&url, "delete from switchboard.company");
        match database.import(&registry, ImportScope::Registry, false) {
            Err(DatabaseError::Refused(_)) => refused += 1,
            Err(error) => wrong += &format!("{:?}: {error}\n", fault.edits),
            Ok(_) => {
                let contents = database.read(ReadLimits::default()).unwrap();
                let (registry, mut findings) = read(&contents.files);
                check(&registry, &mut findings);
                contents.rows.relocate(&contents.files, &mut findings);
                let its = |finding: &&Finding| finding.code == fault.code && finding.place.has_no_file();
                match findings.iter().find(its) {
                    Some(_) => found += 1,
                    None => wrong += &format!("{:?}: {}\n", fault.edits, printed(&findings)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(refused >= 20 && found >= 25, "{refused} refused, {found} found");
}

#[test]
fn every_code_has_a_fault_in_the_table() {
    let mut seen: BTreeSet<Code> = FAULTS.iter().map(|fault| fault.code).collect();
    // These codes need an unreadable file or a large registry, or other crates report them.
    seen.extend([Code::Unreadable, Code::Limit, Code::FailedTest, Code::DatedTest, Code::Internal]);
    let all: BTreeSet<Code> = Code::ALL.iter().copied().collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&Code>::new());
    assert!(FAULTS.len() >= 36);
}

#[test]
fn line_ends_and_byte_order_marks_change_no_finding() {
    for fault in FAULTS {
        let plain = spoiled(fault);
        let mut marked = plain.clone();
        for text in marked.values_mut().filter(|text| !text.is_empty()) {
            let crlf = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
            *text = format!("\u{feff}{crlf}").into_bytes();
        }
        let (_, plain) = run(&plain);
        let (_, marked) = run(&marked);
        let codes = |found: &[switchboard_registry::Finding]| {
            found.iter().map(|it| (it.code, it.place.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(codes(&plain), codes(&marked), "{:?}", fault.edits);
    }
}
