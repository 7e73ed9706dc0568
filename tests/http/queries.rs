//! Queries in URLs and in JSON.

use crate::harness::InProcessDaemon;

#[test]
fn phone_is_read_in_every_encoding() {
    let daemon = InProcessDaemon::start();
    for phone in ["+447400123456", "%2B447400123456", "%20447400123456", "447400123456"] {
        let answer = daemon.get(&format!("/v1/select?channel=whatsapp&ou=uk&phone={phone}"));
        assert_eq!(answer.account(), "wa-gb-1", "{phone}");
    }
    for phone in ["+447400123456", "447400123456"] {
        let body = format!(r#"{{"channel":"whatsapp","ou":"uk","phone":"{phone}"}}"#);
        assert_eq!(daemon.post("/v1/select", body).account(), "wa-gb-1");
    }
    // In JSON a space does not stand for a plus. In a URL only the first space does.
    daemon
        .post("/v1/select", r#"{"channel":"whatsapp","ou":"uk","phone":" 447400123456"}"#)
        .refuses(400, "invalid_phone");
    daemon.get("/v1/select?channel=whatsapp&ou=uk&phone=%20+447400123456").refuses(400, "invalid_phone");
}

#[test]
fn malformed_query_is_a_bad_request() {
    let daemon = InProcessDaemon::start();
    for query in [
        "",
        "channel=whatsapp",
        "ou=uk&country=GB",
        "channel=whatsapp&ou=uk&country=GB&country=GB",
        "channel=whatsapp&ou=uk&country=GB&colour=red",
        "channel=whatsapp&ou=uk&country=GB&role=third",
        "channel=whatsapp&ou=uk&country=GB&fallback=some",
        "channel=whatsapp&ou=uk&country=GB&client=",
        "channel=whatsapp&ou=uk&country=G%4",
        "channel=whatsapp&ou=uk&country=%FF",
        "channel=whatsapp&ou=uk&country",
    ] {
        let answer = daemon.get(&format!("/v1/select?{query}"));
        answer.refuses(400, "bad_request");
        daemon.get(&format!("/v1/explain?{query}")).refuses(400, "bad_request");
    }
    for body in [
        "",
        "null",
        "[]",
        "{",
        r#"{"channel":"whatsapp","ou":"uk","country":"GB"} x"#,
        r#"{"channel":"whatsapp","ou":"uk","country":"GB","ou":"uk"}"#,
        r#"{"channel":"whatsapp","ou":"uk","country":44}"#,
        r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":"a","colour":1}"#,
        "{\"channel\":\"whatsapp\",\"ou\":\"\u{fffd}\",\"country\":\"\x01\"}",
    ] {
        daemon.post("/v1/select", body).refuses(400, "bad_request");
    }
    daemon
        .post("/v1/select", b"{\"channel\":\"\xff\",\"ou\":\"uk\",\"country\":\"GB\"}")
        .refuses(400, "bad_request");
    daemon.post("/v1/select?ou=uk", r#"{"channel":"whatsapp","country":"GB"}"#).refuses(400, "bad_request");
    daemon.post("/v1/select/batch?ou=uk", "").refuses(400, "bad_request");
}

/// Returns the detail of a `bad_request`, which a query must get in every encoding. `fields` are names and
/// JSON values. The URL has the fields whose values are texts, and none if there is another value.
fn bad_request_everywhere(daemon: &InProcessDaemon, fields: &str) -> String {
    let json = format!(r#"{{"channel":"whatsapp","ou":"uk","country":"GB",{fields}}}"#);
    let answer = daemon.post("/v1/select", &json);
    answer.refuses(400, "bad_request");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    daemon.post("/v1/explain", &json).refuses(400, "bad_request");
    let line = daemon.post("/v1/select/batch", format!("\n{json}\n")).lines();
    assert_eq!(line[1]["detail"], format!("Line 2: {detail}"));
    let value: serde_json::Value = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
    let (name, value) = value.as_object().unwrap().iter().next().unwrap();
    if let Some(text) = value.as_str() {
        let text: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = daemon.get(&format!("/v1/select?channel=whatsapp&ou=uk&country=GB&{name}={text}"));
        answer.refuses(400, "bad_request");
        assert_eq!(answer.json()["detail"], detail);
    }
    detail
}

#[test]
fn text_that_cannot_be_an_id_is_a_bad_request() {
    let daemon = InProcessDaemon::start();
    for (fields, detail) in [
        (r#""current":"wa-gb-1 ""#, "Set `current` to the id of an account."),
        (r#""current":" wa-gb-1""#, "Set `current` to the id of an account."),
        (r#""current":"wa,gb""#, "Set `current` to the id of an account."),
        (r#""current":"wa-gb-1\u200b""#, "Set `current` to the id of an account."),
        (r#""current":"caf\u00e9""#, "Set `current` to the id of an account."),
        (r#""user":"anna ""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""user":"an na""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""user":"anna\u00a0""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""user":"\ufeffanna""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""user":"an\u00adna""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""user":"anna\n""#, "Set `user` to an id of 1 to 256 bytes"),
        (r#""exclude":["wa-gb-1 "]"#, "Item 1 of `exclude` is not the id of an account."),
        (r#""exclude":["wa-gb-1,x"]"#, "Item 1 of `exclude` is not the id of an account."),
        (r#""exclude":["x",""]"#, "Item 2 of `exclude` is not the id of an account."),
        (r#""exclude":["x","wa-gb-1\u200b"]"#, "Item 2 of `exclude` is not the id of an account."),
        (r#""exclude":["a/b"]"#, "Item 1 of `exclude` is not the id of an account."),
        (r#""bsuid":"gb.1""#, "Set `bsuid` to the two capital letters of a country"),
        (r#""bsuid":"UK.1""#, "Set `bsuid` to the two capital letters of a country"),
        (r#""bsuid":"GB.1 ""#, "Set `bsuid` to the two capital letters of a country"),
        (r#""bsuid":"GB.ENT.""#, "Set `bsuid` to the two capital letters of a country"),
    ] {
        let found = bad_request_everywhere(&daemon, fields);
        assert!(found.starts_with(detail), "{fields}: {found}");
    }
    let long = format!(r#""user":"{}""#, "\u{fc}".repeat(129));
    bad_request_everywhere(&daemon, &long);
    bad_request_everywhere(&daemon, &format!(r#""current":"{}""#, "x".repeat(129)));
    bad_request_everywhere(&daemon, &format!(r#""client":"{}""#, "x".repeat(257)));
    // Well-formed ids that the registry does not have restrict nothing.
    let known = r#""client":"c-1","user":"m\u00fcller","exclude":["gone"],"current":"gone""#;
    let json = format!(r#"{{"channel":"whatsapp","ou":"uk","country":"GB",{known}}}"#);
    assert_eq!(daemon.post("/v1/select", json).account(), "wa-gb-1");
}

#[test]
fn malformed_names_are_unknown() {
    let daemon = InProcessDaemon::start();
    for (query, code) in [
        ("company=ac%20me&channel=whatsapp&ou=uk&country=GB", "unknown_company"),
        ("channel=whatsapp%20&ou=uk&country=GB", "unknown_channel"),
        ("channel=whatsapp&ou=u%2Fk&country=GB", "unknown_ou"),
    ] {
        daemon.get(&format!("/v1/select?{query}")).refuses(404, code);
    }
}

#[test]
fn empty_texts_are_bad_requests_and_an_empty_exclude_is_none() {
    let daemon = InProcessDaemon::start();
    for field in ["company", "phone", "bsuid", "client", "user", "role", "current", "fallback"] {
        let detail = bad_request_everywhere(&daemon, &format!(r#""{field}":"""#));
        assert_eq!(detail, format!("The field `{field}` is empty. Send a value, or leave the field out."));
    }
    for query in
        ["channel=&ou=uk&country=GB", "channel=whatsapp&ou=&country=GB", "channel=whatsapp&ou=uk&country="]
    {
        daemon.get(&format!("/v1/select?{query}")).refuses(400, "bad_request");
    }
    for exclude in ["", "%20", ",", ",%20,"] {
        let target = format!("/v1/select?channel=whatsapp&ou=uk&country=GB&exclude={exclude}");
        assert_eq!(daemon.get(&target).account(), "wa-gb-1", "{exclude}");
    }
    daemon
        .get("/v1/select?channel=whatsapp&ou=uk&country=GB&exclude=%20wa-gb-1%20,")
        .refuses(422, "no_account_available");
    for exclude in ["[]", "\"\"", "null"] {
        let none = format!(r#"{{"channel":"whatsapp","ou":"uk","country":"GB","exclude":{exclude}}}"#);
        assert_eq!(daemon.post("/v1/select", &none).account(), "wa-gb-1", "{exclude}");
        assert_eq!(daemon.post("/v1/select/batch", &none).lines()[0]["account"], "wa-gb-1", "{exclude}");
        let explained = daemon.post("/v1/explain", &none).json();
        assert_eq!(explained["selection"]["account"], "wa-gb-1", "{exclude}");
    }
    for (exclude, detail) in [
        (r#"" ""#, "The field `exclude` must be a list of texts, but it is a text."),
        (r#"",""#, "The field `exclude` must be a list of texts, but it is a text."),
        (r#"[""]"#, "Item 1 of `exclude` is not the id of an account."),
        (r#""","exclude":["wa-gb-1"]"#, "Send the field `exclude` once."),
        (r#"["wa-gb-1"],"exclude":"""#, "Send the field `exclude` once."),
    ] {
        let query = format!(r#"{{"channel":"whatsapp","ou":"uk","country":"GB","exclude":{exclude}}}"#);
        let answer = daemon.post("/v1/select", &query);
        answer.refuses(400, "bad_request");
        assert!(answer.problem().1.starts_with(detail), "{query}: {}", answer.problem().1);
    }
}

#[test]
fn null_is_the_same_as_leaving_a_field_out() {
    let daemon = InProcessDaemon::start();
    let fields = ["company", "phone", "bsuid", "client", "user", "role", "current", "exclude", "fallback"];
    let nulls: String = fields.map(|field| format!(r#","{field}":null"#)).concat();
    let query = format!(r#"{{"channel":"whatsapp","ou":"uk","country":"GB"{nulls}}}"#);
    assert_eq!(daemon.post("/v1/select", &query).account(), "wa-gb-1");
    assert_eq!(daemon.post("/v1/select/batch", &query).lines()[0]["account"], "wa-gb-1");
    assert_eq!(daemon.post("/v1/explain", &query).json()["selection"]["account"], "wa-gb-1");
    for (query, code, detail) in [
        (r#"{"channel":null,"ou":"uk","country":"GB"}"#, "bad_request", "Add the required field `channel`."),
        (r#"{"channel":"whatsapp","ou":null,"country":"GB"}"#, "bad_request", "Add the required field `ou`."),
        (r#"{"channel":"whatsapp","ou":"uk","country":null}"#, "client_required", "The query has no country"),
        (
            r#"{"channel":"whatsapp","ou":"uk","country":"GB","colour":null}"#,
            "bad_request",
            "The field `colour` is unknown.",
        ),
        (
            r#"{"channel":"whatsapp","ou":"uk","country":null,"country":"GB"}"#,
            "bad_request",
            "Send the field `country` once.",
        ),
        (
            r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":["a",null]}"#,
            "bad_request",
            "Item 2 of `exclude` must be a text, but it is null.",
        ),
    ] {
        let answer = daemon.post("/v1/select", query);
        answer.refuses(400, code);
        let found = answer.problem().1;
        assert!(found.starts_with(detail), "{query}: {found}");
    }
}

#[test]
fn message_names_the_field_and_the_type_that_it_got() {
    let daemon = InProcessDaemon::start();
    for (fields, detail) in [
        (
            r#""client":1017"#,
            "The field `client` must be a text, but it is a number. Put the value in quotes.",
        ),
        (
            r#""phone":447400123456"#,
            "The field `phone` must be a text, but it is a number. Put the value in quotes.",
        ),
        (
            r#""client":-1.5e3"#,
            "The field `client` must be a text, but it is a number. Put the value in quotes.",
        ),
        (r#""user":true"#, "The field `user` must be a text, but it is a boolean. Put the value in quotes."),
        (r#""user":["anna"]"#, "The field `user` must be a text, but it is a list. Send one text."),
        (r#""user":[1]"#, "The field `user` must be a text, but it is a list. Send one text."),
        (r#""user":{"id":"anna"}"#, "The field `user` must be a text, but it is an object. Send one text."),
        (
            r#""exclude":7"#,
            "The field `exclude` must be a list of texts, but it is a number. Put the ids in brackets.",
        ),
        (
            r#""exclude":{}"#,
            "The field `exclude` must be a list of texts, but it is an object. Put the ids in brackets.",
        ),
        (
            r#""exclude":["a",7]"#,
            "Item 2 of `exclude` must be a text, but it is a number. Put the value in quotes.",
        ),
        (r#""exclude":[["a"]]"#, "Item 1 of `exclude` must be a text, but it is a list. Send one text."),
    ] {
        assert_eq!(bad_request_everywhere(&daemon, fields), detail);
    }
    let text = daemon.post("/v1/select", r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":"a"}"#);
    text.refuses(400, "bad_request");
    let expected = "The field `exclude` must be a list of texts, but it is a text. Put the ids in brackets.";
    assert_eq!(text.problem().1, expected);
}

#[test]
fn business_scoped_user_id_stands_in_for_a_phone_number() {
    let daemon = InProcessDaemon::start();
    let ask = |fields: &str| daemon.get(&format!("/v1/explain?channel=whatsapp&ou=uk&{fields}")).json();
    for (fields, country, source, conflict) in [
        ("bsuid=GB.13491208655302741918", "GB", "bsuid", false),
        ("bsuid=GB.ENT.1181579", "GB", "bsuid", false),
        ("bsuid=US.1&phone=%2B447400123456", "GB", "phone", true),
        ("bsuid=GB.1&phone=%2B447400123456", "GB", "phone", false),
        ("bsuid=US.1&country=gb", "GB", "query", true),
        ("bsuid=GB.1&country=gb&phone=%2B12015550123", "GB", "query", true),
        ("bsuid=US.1&country=gb&phone=%2B447400123456", "GB", "query", true),
        ("bsuid=GB.1&phone=%2B80012345678", "", "phone", false),
    ] {
        let client = &ask(fields)["client"];
        assert_eq!(client["country"].as_str().unwrap_or_default(), country, "{fields}");
        assert_eq!(
            (client["source"].as_str(), client["conflict"].as_bool()),
            (Some(source), Some(conflict)),
            "{fields}"
        );
    }
    // The id is the key of the pick if the query has neither a client nor a phone.
    let demo = switchboard_registry::Files::read_dir(&crate::expected::demo()).unwrap();
    daemon.store.swap(crate::expected::compiled(&demo, 8));
    let pick = |fields: &str| {
        daemon.get(&format!("/v1/select?company=acme&channel=whatsapp&ou=london&{fields}")).account()
    };
    let mut accounts = std::collections::BTreeSet::new();
    for number in 0..30 {
        let id = format!("bsuid=GB.{number}");
        let picked = pick(&id);
        assert_eq!(picked, pick(&id));
        assert_eq!(pick(&format!("{id}&client=c")), pick("country=GB&client=c"));
        assert_eq!(pick(&format!("{id}&phone=%2B447400123456")), pick("phone=%2B447400123456"));
        accounts.insert(picked);
    }
    assert_eq!(accounts.len(), 3, "{accounts:?}");
}

#[test]
fn json_escapes_are_read() {
    let daemon = InProcessDaemon::start();
    let body = r#"{"\u0063hannel":"whats\u0061pp","ou":"uk","country":"\u0047B","client":"\ud83d\ude00\n"}"#;
    assert_eq!(daemon.post("/v1/select", body).account(), "wa-gb-1");
}

#[test]
fn excluded_accounts_are_not_selected() {
    let daemon = InProcessDaemon::start();
    let url = "/v1/select?channel=whatsapp&ou=uk&country=GB&exclude=wa-de-1%2Cwa-gb-1";
    daemon.get(url).refuses(422, "no_account_available");
    let body = r#"{"channel":"whatsapp","ou":"uk","country":"GB","exclude":["wa-gb-1"]}"#;
    daemon.post("/v1/select", body).refuses(422, "no_account_available");
}

#[test]
fn problems_do_not_repeat_what_a_caller_sent() {
    let daemon = InProcessDaemon::start();
    let phone = "447400123456";
    let fields = [
        "company", "channel", "ou", "country", "bsuid", "client", "user", "role", "current", "exclude",
        "fallback", "x",
    ];
    let mut bodies = Vec::new();
    for field in fields {
        bodies.push(daemon.get(&format!("/v1/select?{field}=%2B{phone}")).text());
        bodies
            .push(daemon.get(&format!("/v1/select?channel=sms&ou=uk&phone={phone}&{field}={phone}")).text());
        bodies
            .push(daemon.get(&format!("/v1/explain?channel=sms&ou=uk&phone={phone}&{field}={phone}")).text());
        bodies.push(daemon.post("/v1/select", format!(r#"{{"{field}":"{phone}"#)).text());
        bodies.push(
            daemon.post("/v1/select/batch", format!("{{\"{field}\":{phone}}}\n{{\"{phone}\":1}}")).text(),
        );
    }
    bodies.push(daemon.get(&format!("/v1/select?{phone}")).text());
    bodies.push(daemon.get(&format!("/v1/select?{phone}=%")).text());
    bodies.push(daemon.get(&format!("/{phone}")).text());
    bodies.push(daemon.get(&format!("/v1/account?channel=sms&address={phone}")).text());
    bodies.push(daemon.get(&format!("/v1/account?channel={phone}&address={phone}")).text());
    bodies.push(daemon.get(&format!("/v1/account?{phone}=1")).text());
    bodies.push(daemon.ask(format!("GET /v1/select?phone=+{phone} HTTP/9\r\n\r\n")).text());
    for body in bodies {
        assert!(body.contains("urn:switchboard:problem:"), "{body}");
        assert!(!body.contains("447400"), "{body}");
    }
}

#[test]
fn queries_without_a_client_are_spread() {
    let daemon = InProcessDaemon::start();
    let with =
        |client: &str| daemon.get(&format!("/v1/select?channel=whatsapp&ou=uk&country=GB{client}")).account();
    assert_eq!(with("&client=c-1"), with("&client=c-1"));
    assert_eq!(with(""), "wa-gb-1");
}
