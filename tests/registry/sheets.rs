//! Sheets as people and spreadsheet programs write them: quotes, separators, headers, encodings, line ends.

use switchboard_registry::{Code, Finding};

use super::base::{ACCOUNTS, OUS, Texts, printed, replace, run, sound};

fn with(file: &str, text: impl Into<Vec<u8>>) -> Texts {
    let mut texts = sound();
    texts.insert(file.to_owned(), text.into());
    texts
}

fn found(findings: &[Finding]) -> Vec<(Code, String)> {
    findings.iter().map(|it| (it.code, it.place.to_string())).collect()
}

/// Asserts that the registry is read as the one without faults, with no finding.
fn assert_same_as_sound(texts: &Texts) {
    let (wanted, _) = run(&sound());
    let (registry, findings) = run(texts);
    assert!(findings.is_empty(), "{}", printed(&findings));
    let values = |registry: &switchboard_registry::Registry| {
        let company = &registry.companies[0];
        let accounts = company.accounts.iter().map(|it| format!("{it:?}"));
        let ous = company.ous.iter().map(|it| format!("{it:?}"));
        let text: String = accounts.chain(ous).collect();
        // Lines differ.
        text.split("line: ")
            .map(|part| part.trim_start_matches(|it: char| it.is_ascii_digit()))
            .collect::<String>()
    };
    assert_eq!(values(&registry), values(&wanted));
}

#[test]
fn semicolons_and_tabs_separate_cells_as_commas_do() {
    for separator in [";", "\t"] {
        let mut texts = with("acme/accounts.csv", ACCOUNTS.replace(',', separator));
        let ous = OUS.replace("\"Zürich, CH\"", "\"Zürich\0 CH\"").replace(',', separator).replace('\0', ",");
        texts.insert("acme/ous.csv".to_owned(), ous.clone().into_bytes());
        assert_same_as_sound(&texts);
        texts.insert("acme/ous.csv".to_owned(), format!("\u{feff}sep={separator}\r\n{ous}").into_bytes());
        assert_same_as_sound(&texts);
    }
    assert_same_as_sound(&with("acme/accounts.csv", format!("sep=|\n{}", ACCOUNTS.replace(',', "|"))));

    // A separator in a cell counts as text.
    let (_, findings) = run(&with("acme/ous.csv", "id;parent;name\nlondon;emea;a,b\nzurich;emea;c;d\n"));
    assert_eq!(found(&findings), [(Code::Syntax, "acme/ous.csv:3".to_owned())]);
    assert!(findings[0].help.contains("a semicolon"), "{}", findings[0]);
}

#[test]
fn rows_and_columns_that_spreadsheets_leave_empty_are_passed_over() {
    let mut rows: Vec<String> = ACCOUNTS.lines().map(|line| format!("{line},,")).collect();
    rows.insert(0, ",,,".to_owned());
    rows.extend([",".repeat(11), " , ,\"\",".to_owned(), String::new()]);
    assert_same_as_sound(&with("acme/accounts.csv", rows.join("\r\n")));
    // Only some rows have the additional cells.
    assert_same_as_sound(&with("acme/accounts.csv", ACCOUNTS.replace("GB,whats,,,,\n", "GB,whats,,,,,,\n")));
}

#[test]
fn columns_with_a_hash_are_comments() {
    let rows = ACCOUNTS.lines().enumerate().map(|(at, line)| match at {
        0 => format!("# who,{line},#"),
        _ => format!("\"Ann, x\",{line},note"),
    });
    assert_same_as_sound(&with("acme/accounts.csv", rows.collect::<Vec<_>>().join("\n")));
}

#[test]
fn capitals_in_the_header_row_are_one_warning() {
    let header = ACCOUNTS.lines().next().unwrap();
    for text in [header.to_uppercase(), header.replace(',', " , "), "Id".to_owned() + &header[2..]] {
        let (registry, findings) = run(&with("acme/accounts.csv", ACCOUNTS.replace(header, &text)));
        assert_eq!(found(&findings), [(Code::ColumnCase, "acme/accounts.csv:1".to_owned())]);
        assert_eq!(registry.companies[0].accounts.len(), 6);
    }
    let twice = ACCOUNTS.replace("weight,state", "ID,state");
    let (_, findings) = run(&with("acme/accounts.csv", twice));
    assert!(findings.iter().any(|it| it.message == "column `ID` occurs twice"), "{}", printed(&findings));
}

/// The rows between two stray quotes are read, and each stray quote is reported at its own line.
#[test]
fn stray_quotes_swallow_no_rows() {
    let ous =
        "id,parent,name\nlondon,emea,\"London\nparis,emea,Paris\nzurich,emea,\"Zurich\nrome,emea,Rome\n";
    for end in ["\n", "\r\n", "\r"] {
        let (registry, findings) = run(&with("acme/ous.csv", ous.replace('\n', end)));
        let at = |line: u32| (Code::Syntax, format!("acme/ous.csv:{line}"));
        assert_eq!(found(&findings), [at(2), at(4)], "{}", printed(&findings));
        let ids: Vec<_> = registry.companies[0].ous.iter().map(|ou| &*ou.id).collect();
        assert_eq!(ids, ["acme", "emea", "paris", "rome"]);
    }
}

/// Two stray quotes make one cell of several rows, which RFC 4180 allows. Whatever the rows contain, they do not
/// disappear without a finding.
#[test]
fn quoted_cell_with_a_line_like_a_row_is_a_warning() {
    let header = "id,parent,name\n";
    for end in ["\n", "\r\n", "\r"] {
        for (rows, lines) in [
            (
                "london,emea,\"London\nparis,emea,Paris\nzurich,emea,Zurich\"\n",
                "the lines 2 to 4, and line 3",
            ),
            ("u1,emea,\"A\nü2,acme,B\nu 3,acme,C\"\n", "the lines 2 to 4, and line 3"),
            ("u1,emea,\"A\nu2,acme, B\"\n", "the lines 2 to 3, and line 3"),
            ("u1,emea,\"A\n\nu2, acme, B\n\"\n", "the lines 2 to 5, and line 4"),
            ("u1,emea,\"A\n,,C\"\n", "the lines 2 to 3, and line 3"),
        ] {
            let text = format!("{header}{rows}rome,emea,\n").replace('\n', end);
            let (registry, findings) = run(&with("acme/ous.csv", text));
            let wanted = [(Code::RowInCell, "acme/ous.csv:2".to_owned())];
            assert_eq!(found(&findings), wanted, "{rows:?} {}", printed(&findings));
            assert!(findings[0].message.contains(lines), "{}", findings[0]);
            // The cell is read as RFC 4180 demands, and the rows behind it too.
            assert_eq!(registry.companies[0].ous.len(), 4);
        }
        for rows in [
            "u1,emea,\"London,\nParis\nand more\n,,\n\"\nrome,emea,\n",
            "u1,emea,\"Call Bob\nBerlin,Germany\nlast\"\nrome,emea,\n",
        ] {
            let (registry, findings) =
                run(&with("acme/ous.csv", (header.to_owned() + rows).replace('\n', end)));
            assert!(findings.is_empty(), "{}", printed(&findings));
            assert_eq!(registry.companies[0].ous.len(), 4);
        }
        // A comment may have any lines. The rest of the row behind a cell is no line of the cell.
        for text in [
            "id,parent,#note\nu1,emea,\"Call Bob\nBerlin,Germany,90\nlast\"\nrome,emea,\n",
            "name,id,parent\n\"A\nB\",u1,emea\n,rome,emea\n",
        ] {
            let (_, findings) = run(&with("acme/ous.csv", text.replace('\n', end)));
            assert!(findings.is_empty(), "{text:?} {}", printed(&findings));
        }
    }
}

#[test]
fn text_behind_a_cell_of_several_lines_is_named_with_its_line() {
    let (_, findings) = run(&with("acme/ous.csv", "id,parent,name\nu1,emea,\"A\nB\" x\n"));
    assert_eq!(findings[0].place.to_string(), "acme/ous.csv:2");
    assert!(findings[0].message.contains("the next quote, which is on line 3"), "{}", findings[0]);
}

/// The first line of the sheet names a separator that the header row does not have.
#[test]
fn wrong_separator_in_the_first_line_is_named() {
    for (text, message) in [
        (
            "sep=;\nid,parent,name\nrome,emea,\n",
            "names a semicolon as the separator, but the header row on line 2 has a comma",
        ),
        (
            "sep=,\nid\tparent\nrome\temea\n",
            "names a comma as the separator, but the header row on line 2 has a tab",
        ),
    ] {
        let (_, findings) = run(&with("acme/ous.csv", text));
        assert_eq!(found(&findings), [(Code::Syntax, "acme/ous.csv:1".to_owned())], "{}", printed(&findings));
        assert!(findings[0].message.contains(message), "{}", findings[0]);
    }
    let ous = OUS.replace("Zürich, CH", "Zürich\0 CH").replace(',', ";").replace('\0', ",");
    for first in ["sep=;", "sep=; ", "SEP=;;;", "\"sep=;\"", "\"sep=;\" "] {
        assert_same_as_sound(&with("acme/ous.csv", format!("{first}\r\n{ous}")));
    }
}

#[test]
fn invisible_character_in_the_header_row_is_named() {
    for (name, code_point) in [
        ("\u{200b}id", "U+200B at position 1"),
        ("\u{feff}\u{feff}id", "U+FEFF at position 1"),
        ("i\u{ad}d", "U+00AD at position 2"),
    ] {
        let (_, findings) = run(&with("acme/ous.csv", OUS.replacen("id", name, 1)));
        let message = format!("the name of column `id` has the invisible character {code_point}");
        assert_eq!(
            found(&findings),
            [(Code::UnknownColumn, "acme/ous.csv:1".to_owned())],
            "{}",
            printed(&findings)
        );
        assert_eq!(findings[0].message, message);
    }
}

#[test]
fn meant_id_is_the_remedy_of_a_misspelled_one() {
    for (id, message, help) in [
        ("a3 ", "has a blank at position 3", "delete the character, and write `a3`"),
        (" a3", "has a blank at position 1", "delete the character, and write `a3`"),
        ("'a3", "has the character `'`, which no id has", "write `a3`,"),
        (
            "\u{200b}a3",
            "has the invisible character U+200B at position 1",
            "delete the character, and write `a3`",
        ),
        (
            "a\u{200b}3",
            "has the invisible character U+200B at position 2",
            "delete the character, and write `a3`",
        ),
        ("a3\u{a0}", "has the blank U+00A0 at position 3", "delete the character, and write `a3`"),
        ("a\u{3000}3", "has the blank U+3000 at position 2", "use 1 to 128"),
        ("my bank", "has a blank at position 3", "use 1 to 128"),
        ("a/3", "has the character `/`, which no id has", "use 1 to 128"),
        ("zürich", "has the character `ü`, which no id has", "use 1 to 128"),
    ] {
        let (_, findings) = run(&with("acme/ous.csv", format!("{OUS}{id},emea,\n")));
        assert_eq!(
            found(&findings),
            [(Code::InvalidId, format!("acme/ous.csv:{}", OUS.lines().count() + 1))]
        );
        assert!(
            findings[0].message.ends_with(message) && findings[0].help.starts_with(help),
            "{}",
            findings[0]
        );
    }
    let row = "ann-2,whatsapp,,+447400123477,,,USER,,,\n";
    for (user, message, help) in [
        ("a b", "has a blank at position 2", "delete the character"),
        ("ann ", "has a blank at position 4", "delete the character, and write `ann`"),
        ("a\u{3000}b", "has the blank U+3000 at position 2", "delete the character"),
        (
            "ann\u{200b}",
            "has the invisible character U+200B at position 4",
            "delete the character, and write `ann`",
        ),
    ] {
        let (_, findings) =
            run(&with("acme/accounts.csv", format!("{ACCOUNTS}{}", row.replace("USER", user))));
        let finding = findings.iter().find(|it| it.code == Code::InvalidId).unwrap();
        assert!(finding.message.ends_with(message) && finding.help.starts_with(help), "{finding}");
    }
}

#[test]
fn quote_in_a_cell_is_the_same_fault_in_a_middle_row_and_in_the_last() {
    for end in ["\n", "\r\n", "\r"] {
        for (rows, line) in [
            ("id,parent,name\na,emea,19\" rack\nb,nowhere,x\n", 2),
            ("id,parent,name\nb,nowhere,x\na,emea,19\" rack\n", 3),
            ("id,parent,name\nb,nowhere,x\na,emea,19\" rack", 3),
            ("id,parent,name\nb,nowhere,x\na,emea,\"19\" rack", 3),
            ("id,parent,name\nb,nowhere,x\na,emea,\"rack 19", 3),
        ] {
            let (_, findings) = run(&with("acme/ous.csv", rows.replace('\n', end)));
            let wanted = vec![
                (Code::Syntax, format!("acme/ous.csv:{line}")),
                (Code::UnknownParent, format!("acme/ous.csv:{}", 5 - line)),
            ];
            assert_eq!(found(&findings), wanted, "{rows:?} {}", printed(&findings));
        }
    }
}

/// A reference to an entry of a row or a table that could not be read is no finding.
#[test]
fn consequences_of_unread_text_are_not_reported() {
    let mut texts = sound();
    replace(&mut texts, "acme/company.toml", "priority = 0", "priority = yes");
    let (_, findings) = run(&texts);
    assert_eq!(
        found(&findings),
        [(Code::Syntax, "acme/company.toml:20".to_owned())],
        "{}",
        printed(&findings)
    );

    let mut texts = with("acme/ous.csv", "id,parent,name\nlondon,emea,\"x\"y\nsoho,london,\nbern,nowhere,\n");
    replace(
        &mut texts,
        "acme/company.toml",
        "ous = [\"acme\"]\npriority",
        "ous = [\"acme\", \"london\"]\npriority",
    );
    let (_, findings) = run(&texts);
    let wanted =
        [(Code::Syntax, "acme/ous.csv:2".to_owned()), (Code::UnknownParent, "acme/ous.csv:4".to_owned())];
    assert_eq!(found(&findings), wanted, "{}", printed(&findings));

    // The pool's only primary account is in a row that could not be read.
    let mut texts = sound();
    replace(&mut texts, "acme/accounts.csv", "wa-primary,whatsapp,primary", "wa-\"primary,whatsapp,primary");
    let (_, findings) = run(&texts);
    assert_eq!(
        found(&findings),
        [(Code::Syntax, "acme/accounts.csv:2".to_owned())],
        "{}",
        printed(&findings)
    );
}

#[test]
fn line_ends_within_quotes_count_as_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let rows = "id,parent,name\na,emea,\"x\ny\n\"\n\nb,nowhere,\n".replace('\n', end);
        let (_, findings) = run(&with("acme/ous.csv", rows));
        assert_eq!(found(&findings), [(Code::UnknownParent, "acme/ous.csv:6".to_owned())], "{end:?}");
    }
}

/// Files of classic Mac OS: sheets are read, and TOML files are one finding beside their other findings.
#[test]
fn carriage_returns_end_lines() {
    let mut texts = sound();
    for file in ["acme/accounts.csv", "acme/ous.csv", "acme/company.toml"] {
        let text = String::from_utf8(texts[file].clone()).unwrap().replace('\n', "\r");
        texts.insert(file.to_owned(), text.into_bytes());
    }
    replace(&mut texts, "acme/accounts.csv", ",5,active", ",5000,active");
    replace(&mut texts, "acme/company.toml", "NL = \"DE\"", "NL = \"NL\"");
    let (_, findings) = run(&texts);
    let wanted = [
        (Code::Syntax, "acme/company.toml:1".to_owned()),
        (Code::InvalidValue, "acme/accounts.csv:4".to_owned()),
        (Code::MappingToItself, "acme/company.toml:24".to_owned()),
    ];
    assert_eq!(found(&findings), wanted, "{}", printed(&findings));
}

#[test]
fn other_encodings_are_named_with_the_way_to_save_the_file() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let marked = |text: &str| [&b"\xFF\xFE"[..], &utf16(text)].concat();
    let tabs = ACCOUNTS.replace(',', "\t");
    let latin1 = |text: &str| text.chars().map(|letter| letter as u8).collect::<Vec<u8>>();
    for (file, bytes, line, mentions) in [
        ("acme/accounts.csv", marked(&tabs), 1, ["UTF-16", "CSV UTF-8 (Comma delimited)"]),
        ("acme/accounts.csv", utf16(&tabs), 1, ["UTF-16", "CSV UTF-8 (Comma delimited)"]),
        ("acme/company.toml", marked("name = \"x\""), 1, ["UTF-16", "encoding UTF-8"]),
        ("acme/ous.csv", latin1(OUS), 3, ["column 15", "Windows-1252, it is `ü`"]),
        ("acme/ous.csv", latin1(&OUS.replace("name", "#größe")), 1, ["byte 0xF6", "`ö` (and 1 more rows"]),
        ("acme/tests.toml", latin1("# Zürich\n"), 1, ["0xFC in column 4", "encoding UTF-8"]),
    ] {
        let (_, findings) = run(&with(file, bytes));
        assert_eq!(found(&findings), [(Code::Syntax, format!("{file}:{line}"))], "{}", printed(&findings));
        let said = findings[0].to_string();
        assert!(mentions.iter().all(|word| said.contains(word)), "{said}");
    }
}

/// The misspelling is recognized in the file, and the finding names the remedy.
#[test]
fn spellings_of_spreadsheets_have_their_own_remedies() {
    for (from, to, code, help) in [
        ("+447400123401", "4.474E+11", Code::InvalidAddress, "type the number again"),
        ("+447400123401", "'+447400123401", Code::InvalidAddress, "write `+447400123401`, and format"),
        ("+447400123401", "447400123401", Code::InvalidAddress, "write `+447400123401` if"),
        ("+447400123401", "+44 7400 123401", Code::InvalidAddress, "write `+447400123401`, without blanks"),
        (
            "+447400123401",
            "+44\u{a0}7400 123401",
            Code::InvalidAddress,
            "write `+447400123401`, without blanks",
        ),
        ("+447400123401", "00447400123401", Code::InvalidAddress, "write `+447400123401`"),
        ("+447400123401", "#######", Code::InvalidAddress, "too narrow"),
        ("+447400123401", "+12", Code::InvalidAddress, "the whole number"),
        ("+447400123401", "+999123456", Code::InvalidAddress, "which are the calling code"),
        ("+447400123401", "\"447,400,123,401\"", Code::InvalidAddress, "write `+447400123401`, and format"),
        ("+447400123401", "n/a", Code::InvalidAddress, "remove the row"),
        (",5,active", ",1.0,active", Code::InvalidValue, "write 1,"),
        (",5,active", ",\"1,5\",active", Code::InvalidValue, "no fraction"),
        (",5,active", ",5,TRUE", Code::InvalidValue, "`suspended`"),
        ("2026-01-01", "31/12/2026", Code::InvalidValue, "write 2026-12-31,"),
        ("2026-01-01", "46387", Code::InvalidValue, "write 2026-12-31 if"),
        ("2026-01-01", "#N/A", Code::InvalidValue, "formula"),
    ] {
        let mut texts = sound();
        replace(&mut texts, "acme/accounts.csv", from, to);
        let (_, findings) = run(&texts);
        assert_eq!(findings.len(), 1, "{}", printed(&findings));
        assert!(findings[0].code == code && findings[0].help.contains(help), "{}", findings[0]);
    }
}
