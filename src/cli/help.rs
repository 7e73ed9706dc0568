//! The help texts beyond the options: examples, notes, exit codes, signals, environment variables and files.
//!
//! `--help` shows a part of them below the options, and the man pages have a section for each kind.

use std::fmt::Write;
use std::{env, io};

use clap::builder::Styles;
use rustix::termios::tcgetwinsize;
use switchboard_model::QueryField;

use super::Exit;

/// The columns that help texts are wrapped at on wider terminals.
pub(super) const MAX_HELP_WIDTH: usize = 100;

/// A name, or the purpose of an example, and its text.
pub(super) type Entry = (&'static str, &'static str);

/// The help of one command.
pub(super) struct CommandHelp {
    /// The name of the command, with a blank before that of a subcommand. The program itself has an empty name.
    pub(super) name: &'static str,
    /// Each example: its purpose, and the command line.
    pub(super) examples: &'static [Entry],
    /// The fields of a query, for commands that take one.
    pub(super) fields: &'static [Entry],
    /// Paragraphs about the behaviour of the command.
    pub(super) notes: &'static [&'static str],
    /// The meaning of exit code 1, for commands that can return it.
    pub(super) failure: Option<&'static str>,
    /// The signals that the command handles.
    pub(super) signals: &'static [Entry],
    /// The environment variables that this command reads beyond [`ENVIRONMENT`].
    pub(super) environment: &'static [Entry],
    /// The files that the command reads or writes, as lists that commands share.
    pub(super) files: &'static [&'static [Entry]],
}

const SUCCESS: &str = "The command succeeded.";
const FAILURE: &str = "A check failed: a registry has errors, a test fails, or a query has no account.";
const USAGE: &str = "The command line is wrong.";
const SERVE_USAGE: &str = "The command line, an environment variable or the settings file is wrong.";
const IO: &str = "A file cannot be read or written, or standard output cannot be written.";
const QUERY_IO: &str = "A file cannot be read, standard output cannot be written, or a daemon cannot be reached or cannot answer.";
const ANY_IO: &str = "A file cannot be read or written, standard output cannot be written, an address cannot be listened on, or a daemon cannot be reached.";
const DAEMON_IO: &str = "The daemon cannot be reached, does not answer, or cannot do what it is asked.";
const SERVE_IO: &str = "A file cannot be read or written, standard output cannot be written, or an address cannot be listened on.";

/// The environment variables that every command reads.
pub(super) const ENVIRONMENT: &[Entry] = &[
    ("NO_COLOR", "Turns colors off in the output of commands, if the variable is not empty."),
    (
        "CLICOLOR_FORCE",
        "Turns colors on where the output is not a terminal, if the variable is not empty. NO_COLOR \
         overrides this variable.",
    ),
    ("CLICOLOR", "The value 0 turns colors off."),
    ("TERM", "The value dumb turns colors off."),
    (
        "COLUMNS",
        "Width of help texts where no standard stream is a terminal. Default: 100, which is also the \
         maximum.",
    ),
];

const SERVE_ENVIRONMENT: &[Entry] = &[
    ("SWITCHBOARD_CONFIG", "Settings file, if the option --config is not given."),
    (
        "SWITCHBOARD_…",
        "Every setting: the name of its option in capital letters, such as SWITCHBOARD_LISTEN for --listen. \
         An option overrides the variable, and the variable overrides the settings file.",
    ),
    (
        "RUST_LOG",
        "Log levels, if --log-level is not given: error, warn, info, debug or trace, for all modules or for \
         single ones. Default: info,notify=error,async_nats=off, also if the variable has another word.",
    ),
    (
        "LISTEN_FDS",
        "Number of listening sockets that the service manager passes, from descriptor 3 on. A passed socket \
         replaces the address of its listener.",
    ),
    ("LISTEN_PID", "Process that the passed sockets are for. Other processes ignore the sockets."),
    (
        "LISTEN_FDNAMES",
        "Names of the passed sockets, with colons between them: data or admin. Sockets with other names are \
         taken in order, data first.",
    ),
    ("NOTIFY_SOCKET", "Socket of the service manager for the states ready, reloading and stopping."),
    (
        "PGPASSWORD, PGPASSFILE, PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, \
         PGOPTIONS",
        "With a registry in PostgreSQL: the password, and what the URL leaves out, as psql reads them.",
    ),
];

const CLIENT_ENVIRONMENT: &[Entry] =
    &[("SWITCHBOARD_TOKEN", "Token to send to the daemon, if the option --token-file is not given.")];

const SERVE_SIGNALS: &[Entry] = &[
    ("SIGHUP", "Reads the source again at once."),
    (
        "SIGTERM, SIGINT",
        "Drain: the daemon stops accepting connections, finishes the requests in flight, and exits with \
         code 0. A second signal closes the connections that are still open.",
    ),
];

const REGISTRY_FILES: &[Entry] = &[
    ("DIR/channels.toml", "Channels that are added to the built-in ones or replace them; optional."),
    ("DIR/COMPANY/company.toml", "Settings, organizational units and pools of one company."),
    ("DIR/COMPANY/ous.csv", "Organizational units, in addition to those of company.toml; optional."),
    ("DIR/COMPANY/accounts.csv", "Official accounts."),
    ("DIR/COMPANY/tests.toml", "Tests: queries with the answers that they must have; optional."),
];

const SNAPSHOT_FILES: &[Entry] =
    &[("FILE.swb", "Snapshot: a registry that was compiled to one file. The name is free.")];

const AUDIT_FILES: &[Entry] = &[
    ("audit.ndjson", "In the state directory of a daemon: the newest records."),
    ("audit-N.ndjson", "Older records, of which the first has the number N."),
    ("audit-damaged-K.ndjson", "A file that did not end with a sound record."),
];

const SERVE_FILES: &[Entry] = &[
    (
        "/etc/switchboard/switchboard.toml",
        "Settings of the service in the Debian package. Otherwise, there is no settings file without \
         --config.",
    ),
    ("/etc/switchboard/registry/", "Registry of the service in the Debian package."),
    ("/var/lib/switchboard/", "Journal of standings, and the place for a snapshot, in the Debian package."),
];

/// The fields of a query. The required fields come first.
const FIELDS: &[Entry] = &[
    (QueryField::Channel.as_str(), "channel of the invitation, such as whatsapp; required"),
    (QueryField::Ou.as_str(), "id of the organizational unit; required"),
    (QueryField::Company.as_str(), "id of the company; optional if the registry has only one company"),
    (QueryField::Country.as_str(), "country of the client, such as GB; overrides the country of phone"),
    (QueryField::Phone.as_str(), "phone number of the client; phone, country or bsuid is required"),
    (QueryField::Bsuid.as_str(), "WhatsApp's id of a client who hides the phone number"),
    (QueryField::Client.as_str(), "your id of the client; the same client gets the same account"),
    (QueryField::User.as_str(), "id of the employee who invites; the employee's own account has precedence"),
    (QueryField::Role.as_str(), "primary or secondary [default: conversation role of the channel]"),
    (QueryField::Current.as_str(), "id of the account that the client already talks to; kept if possible"),
    (QueryField::Exclude.as_str(), "ids of accounts to skip, with commas between them"),
    (QueryField::Fallback.as_str(), "all: try every rule; none: try only the rule country [default: all]"),
];

const FLEET_ENVIRONMENT: &[Entry] = &[
    ("SWITCHBOARD_FLEET", "Broker of the fleet, if the option --fleet is not given."),
    (
        "SWITCHBOARD_FLEET_…",
        "The other options of the broker: SWITCHBOARD_FLEET_PREFIX, SWITCHBOARD_FLEET_CREDS, SWITCHBOARD_FLEET_CA, \
         SWITCHBOARD_FLEET_CERT and SWITCHBOARD_FLEET_KEY.",
    ),
];
const FLEET_IO: &str =
    "The broker cannot be reached, does not answer, or refuses a call; or a file cannot be read or written.";
const FLEET_NOTE: &str = "The broker is NATS with JetStream, 2.9.10 or newer. A URL may contain a user and a password: other users of the machine see arguments, so that the variable SWITCHBOARD_FLEET is the better place. docs/fleet.md describes the fleet.";

const DATABASE_ENVIRONMENT: &[Entry] = &[
    (
        "PGPASSWORD",
        "Password of the database, if the URL has none. Other users of the machine do not see variables.",
    ),
    ("PGPASSFILE", "File with passwords, as psql reads it. Default: ~/.pgpass."),
    (
        "PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, PGSSLCERT, PGSSLKEY, PGOPTIONS",
        "What the URL leaves out, as psql reads it.",
    ),
];
const DATABASE_IO: &str = "The database cannot be reached, has a schema of another version, or refuses a statement; or a \
    file cannot be read or written.";
const DATABASE_NOTE: &str = "A URL has the form postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full. The database is \
    PostgreSQL 14 or newer, with the encoding UTF8. docs/postgres.md describes the schema and the roles.";

const AUDIT_NOTE: &str = "Each record has the hash of the record before it. A log that was rewritten as a whole has a \
    valid chain: compare the hash of the newest record with a copy elsewhere, such as from /status.";
const DEMO_NOTE: &str = "Without --registry, --snapshot and --url, the command queries the demo registry that is part of the program.";
const STANDINGS_NOTE: &str = "Only a running daemon knows the live standings: --url asks one. Without --url, the command ignores them. A registry whose tests fail is queried all the same, with a warning.";

const STANDING_NOTE: &str =
    "A draining account keeps its clients and gets no new ones. A suspended account is never selected.";

const QUERY_FAILURE: &str = "The query has no account or is malformed, or the registry has errors.";
const REGISTRY_FAILURE: &str = "The registry has errors, or a test fails.";

/// The help of every command. The first entry is that of the program.
static COMMANDS: [CommandHelp; 32] = [
    CommandHelp {
        name: "",
        examples: &[
            ("Serve the demo registry on 127.0.0.1:7400", "switchboard"),
            ("Serve a registry", "switchboard serve --registry /etc/switchboard/registry"),
            ("Check a registry and run its tests", "switchboard check registry"),
            ("Compile a registry to a snapshot file", "switchboard compile registry -o registry.swb"),
            ("Answer one query", "switchboard select --registry registry channel=sms ou=emea country=GB"),
            ("Show which rule serves each country", "switchboard coverage registry"),
            ("Show which decisions an edit changes", "switchboard diff registry.swb registry"),
        ],
        fields: &[],
        notes: &[
            "Without a command, the program serves: `switchboard` means `switchboard serve`. Without a \
                 source, it serves the demo registry that is part of the program.",
        ],
        failure: Some(FAILURE),
        signals: SERVE_SIGNALS,
        environment: SERVE_ENVIRONMENT,
        files: &[REGISTRY_FILES, SNAPSHOT_FILES, SERVE_FILES],
    },
    CommandHelp {
        name: "serve",
        examples: &[
            ("Serve the demo registry", "switchboard serve"),
            ("Serve a registry", "switchboard serve --registry /etc/switchboard/registry"),
            (
                "Serve a snapshot file to other machines",
                "switchboard serve --snapshot /var/lib/switchboard/registry.swb \\\n    --listen 0.0.0.0:7400 --principals principals.toml",
            ),
            (
                "Serve a registry in PostgreSQL",
                "switchboard serve \\\n    --registry postgres://db.example/registry?sslmode=verify-full",
            ),
            (
                "Serve the release of a fleet",
                "switchboard serve --fleet nats://broker.example:4222 \\\n    --state /var/lib/switchboard",
            ),
            ("Read the source again", "kill -HUP PID"),
            ("Finish the requests in flight, then exit", "kill -TERM PID"),
        ],
        fields: &[],
        notes: &[
            "Without --registry, --snapshot and --fleet, the daemon serves the demo registry that is part of the \
             program.",
            "The daemon watches its source. A broken source is rejected, and the last good snapshot stays \
             in service. If the source gives no snapshot at start, the daemon waits for one, unless \
             --require-snapshot is given.",
            "A database is read in one transaction after each change, which a notification reports. A database that is \
             away is like a broken source, and the daemon goes on connecting. The URL must have no password on the \
             command line: see PGPASSFILE.",
            "SIGHUP reads the source again. SIGTERM and SIGINT drain: the daemon finishes the requests in \
             flight and exits with code 0. A second signal closes the connections that are still open.",
            "Every option is also a key of the settings file and an environment variable. An option overrides \
             the variable, and the variable overrides the file. docs/configuration.md describes every \
             setting.",
            "A process listens alone on its addresses. Only with --reuse-port on both processes may a second \
             one listen beside the first, for a hand-over.",
        ],
        failure: None,
        signals: SERVE_SIGNALS,
        environment: SERVE_ENVIRONMENT,
        files: &[REGISTRY_FILES, SNAPSHOT_FILES, SERVE_FILES],
    },
    CommandHelp {
        name: "compile",
        examples: &[
            ("Compile a registry", "switchboard compile registry -o registry.swb"),
            (
                "Choose the generation of the snapshot",
                "switchboard compile registry -o registry.swb --generation 7",
            ),
            ("Serve an old snapshot again", "switchboard compile old.swb -o registry.swb"),
            ("Write to a pipe", "switchboard compile registry -o - | gzip > registry.swb.gz"),
        ],
        fields: &[],
        notes: &[
            "The file is replaced atomically: a reader sees the old file or the new file, never a part of \
             one. If the registry has errors or a test fails, the old file stays.",
            "The new file has the group and the mode of the replaced file, and its owner if the process may \
             change it. Where the group cannot be kept, nothing is written, and the exit code is 3.",
            "The same registry and generation give the same bytes. A snapshot file as SOURCE gets a new \
             generation, and nothing else changes in it.",
        ],
        failure: Some(REGISTRY_FAILURE),
        signals: &[],
        environment: &[],
        files: &[REGISTRY_FILES, SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "check",
        examples: &[
            ("Check a registry and run its tests", "switchboard check registry"),
            ("Require that the tests cover 80 % of the steps", "switchboard check registry --fail-under 80"),
            (
                "List the errors as JSON",
                "switchboard check registry --format json \\\n    | jq '.findings[] | select(.severity == \"error\")'",
            ),
        ],
        fields: &[],
        notes: &[
            "A finding begins with file:line: severity[code]: message. The next lines show the faulty line, \
             with the fault underlined, and then the remedy.",
            "A finding about a snapshot file names its entry in place of file and line, such as \
             account[company=acme,id=wa-1].country. A snapshot does not show stray files, header rows, and \
             tests whose result changes with the time.",
            "A finding about a database names table, key and column, in the same form.",
            "With --fail-under, the command lists the steps that no test covers, and suggests a test for \
             one of them.",
        ],
        failure: Some("The registry has errors, a test fails, or the tests cover fewer steps than required."),
        signals: &[],
        environment: &[],
        files: &[REGISTRY_FILES],
    },
    CommandHelp {
        name: "check-config",
        examples: &[
            (
                "Check the settings of the service",
                "switchboard check-config \\\n    --config /etc/switchboard/switchboard.toml",
            ),
            (
                "Check an option before a restart",
                "switchboard check-config --registry registry --listen 127.0.0.1:7500",
            ),
        ],
        fields: &[],
        notes: &[
            "The command takes the options of serve, and reads the same environment variables and the same \
             settings file. It reports every fault of the values, the principals, the certificates and the trusted keys in one \
             run, and also checks that the source can be read, and that the state directory and the journal can be used. It writes nothing, listens on no address, and does not \
             check the content and the signatures of the source: `switchboard check` checks the content.",
        ],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[SERVE_FILES],
    },
    CommandHelp {
        name: "select",
        examples: &[
            (
                "Find the account for a phone number",
                "switchboard select --registry registry channel=whatsapp ou=emea \\\n    phone=+447400123456",
            ),
            (
                "Ask the daemon on this machine",
                "switchboard select --url http://127.0.0.1:7400 \\\n    channel=sms ou=emea country=GB",
            ),
            (
                "Skip two accounts",
                "switchboard select --snapshot registry.swb company=acme \\\n    channel=sms ou=london country=GB exclude=sms-gb-1,sms-gb-2",
            ),
        ],
        fields: FIELDS,
        notes: &[DEMO_NOTE, STANDINGS_NOTE, "The JSON equals the answer of /v1/select of the daemon."],
        failure: Some(QUERY_FAILURE),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[REGISTRY_FILES, SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "explain",
        examples: &[
            (
                "Explain a query of the demo registry",
                "switchboard explain company=acme channel=whatsapp ou=london country=FR",
            ),
            (
                "Explain a query of a registry",
                "switchboard explain --registry registry channel=sms ou=london \\\n    phone=+14165550123",
            ),
            (
                "Explain the answer of a daemon, with its standings",
                "switchboard explain --url http://127.0.0.1:7400 \\\n    channel=sms ou=london country=GB",
            ),
            (
                "List the steps as JSON",
                "switchboard explain --snapshot registry.swb --format json \\\n    channel=sms ou=london country=GB | jq .steps",
            ),
        ],
        fields: FIELDS,
        notes: &[DEMO_NOTE, STANDINGS_NOTE, "The JSON equals the answer of /v1/explain of the daemon."],
        failure: Some(QUERY_FAILURE),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[REGISTRY_FILES, SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "coverage",
        examples: &[
            ("Show a table of a registry", "switchboard coverage registry"),
            (
                "Show one organizational unit and two channels",
                "switchboard coverage registry.swb --company acme \\\n    --channel whatsapp,sms --ou london",
            ),
            (
                "List the countries without an account",
                "switchboard coverage registry --format csv \\\n    | grep -E ',no_(pool|account)'",
            ),
            ("Show the primary accounts as well", "switchboard coverage registry --role all"),
            (
                "Write a page with an overview and a map",
                "switchboard coverage registry --format html -o coverage.html",
            ),
        ],
        fields: &[],
        notes: &[
            "A decision is the answer to a query that has only the client's country, in one role of the \
             channel, at the present time. Accounts that are suspended or draining, or that are available \
             from a later time, are not selected.",
            "The table counts each country once: in the column of its rule, or in \"no account\". The last \
             column has in brackets how many of them climbed to an account of an OU above.",
            "CSV and JSON have one row for each country: company, ou, channel, country, rule (or the code \
             of the problem), climbed, pool, role.",
        ],
        failure: Some("The registry has errors."),
        signals: &[],
        environment: &[],
        files: &[REGISTRY_FILES, SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "diff",
        examples: &[
            ("Compare the snapshot in service with an edit", "switchboard diff registry.swb registry"),
            (
                "Fail a pipeline if a decision becomes an error",
                "switchboard diff main/registry registry --fail-on errors",
            ),
            (
                "Compare one channel of one company",
                "switchboard diff old.swb new.swb --company acme --channel whatsapp",
            ),
            (
                "Replay recorded queries against both versions",
                "switchboard diff old.swb new.swb --queries recorded.ndjson",
            ),
            ("Count the changes as JSON", "switchboard diff old.swb new.swb --format json | jq '.changes'"),
        ],
        fields: &[],
        notes: &[
            "A decision is the answer to a query that has only the client's country, for one OU, one channel \
             and one role: the rule, the OU, the pool, and the accounts that are available at the present \
             time.",
            "If the companies change from one to several, the first line says so, because queries without \
             company then fail. Tests of a registry that fail come next, and the exit code is 1.",
            "A file of recorded queries has one JSON object a line, as the body of /v1/select/batch. The \
             command prints line numbers of this file, but no query.",
        ],
        failure: Some(
            "A registry has errors, a test of a registry fails, or a recorded query is malformed. With --fail-on errors: a decision or \
             the answer to a recorded query becomes an error.",
        ),
        signals: &[],
        environment: &[],
        files: &[REGISTRY_FILES, SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "inspect",
        examples: &[
            ("Show a snapshot file", "switchboard inspect registry.swb"),
            ("Print the digest", "switchboard inspect registry.swb --format json | jq -r .digest"),
        ],
        fields: &[],
        notes: &[
            "The command verifies every record of the snapshot. It exits with code 3 if the file is broken.",
        ],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[SNAPSHOT_FILES],
    },
    CommandHelp {
        name: "status",
        examples: &[
            ("Show the state of the daemon on this machine", "switchboard status"),
            ("Show the state of another daemon", "switchboard status --url http://10.0.0.7:7401"),
            ("Print the generation in service", "switchboard status --format json | jq .snapshot.generation"),
        ],
        fields: &[],
        notes: &["The JSON is the answer of /status of the admin listener."],
        failure: Some(
            "No snapshot is in service, a company is held back, the last reload was rejected or could not read \
             the source, or the snapshot came from the state directory.",
        ),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "standing",
        examples: &[
            ("List the standings in force", "switchboard standing list"),
            (
                "Give an account no new clients for two hours",
                "switchboard standing set acme wa-emea-gb-1 draining \\\n    --until 2h --reason=number-under-review",
            ),
            ("Make the account active again", "switchboard standing clear acme wa-emea-gb-1"),
        ],
        fields: &[],
        notes: &[STANDING_NOTE],
        failure: Some("The daemon refuses the request: for example, the account is unknown."),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "standing list",
        examples: &[
            ("List the standings of every company", "switchboard standing list"),
            ("List the standings of one company", "switchboard standing list --company acme"),
        ],
        fields: &[],
        notes: &["The JSON is the answer of /v1/standings of the admin listener."],
        failure: Some("The company is unknown."),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "standing set",
        examples: &[
            (
                "Suspend an account until it is cleared",
                "switchboard standing set acme wa-emea-gb-1 suspended \\\n    --reason=blocked-by-the-channel",
            ),
            (
                "Give an account no new clients for two hours",
                "switchboard standing set acme wa-emea-gb-1 draining \\\n    --until 2h --reason=number-under-review",
            ),
        ],
        fields: &[],
        notes: &[
            STANDING_NOTE,
            "The command returns when the standing is in force and stored. A standing can only restrict an \
             account: it cannot make an account active that the registry drains or suspends.",
        ],
        failure: Some("The company or the account is unknown, or the time has passed."),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "standing clear",
        examples: &[("Make an account active again", "switchboard standing clear acme wa-emea-gb-1")],
        fields: &[],
        notes: &[
            "An account without a standing stays as it is, and the command succeeds. In the JSON, cleared is the \
             standing that was cleared, or null if there was none.",
        ],
        failure: Some("The company or the account is unknown."),
        signals: &[],
        environment: CLIENT_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "token",
        examples: &[
            ("Make a token, and show its lines for the principals file", "switchboard token gateway-eu"),
            (
                "Store the token in one file, and its lines in another",
                "(umask 077; switchboard token gw > gw.token 2> gw.toml)",
            ),
        ],
        fields: &[],
        notes: &[
            "The token is printed to standard output, and the lines for the principals file to standard error. \
             The file has the SHA-256 of the token, not the token. A token has 32 random bytes of the system.",
        ],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[&[(
            "principals.toml",
            "Principals of a daemon: the file of --principals. The name is free.",
        )]],
    },
    CommandHelp {
        name: "audit",
        examples: &[(
            "Verify the audit log with its older files",
            "switchboard audit verify /var/lib/switchboard/audit*.ndjson",
        )],
        fields: &[],
        notes: &[AUDIT_NOTE],
        failure: Some("A record was changed or removed."),
        signals: &[],
        environment: &[],
        files: &[AUDIT_FILES],
    },
    CommandHelp {
        name: "audit verify",
        examples: &[(
            "Verify the audit log with its older files",
            "switchboard audit verify /var/lib/switchboard/audit*.ndjson",
        )],
        fields: &[],
        notes: &[AUDIT_NOTE],
        failure: Some("A record was changed or removed. The message names the first one."),
        signals: &[],
        environment: &[],
        files: &[AUDIT_FILES],
    },
    CommandHelp {
        name: "keygen",
        examples: &[("Make a pair of keys: release.key and release.pub", "switchboard keygen -o release")],
        fields: &[],
        notes: &[
            "NAME.key is the private key (Ed25519, PKCS#8, PEM), with the mode 0600. Keep it only where snapshots are \
             signed. NAME.pub has the public key, as a [[key]] section for the file of --trusted-keys.",
            "The command replaces no file.",
        ],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[&[("NAME.key", "Private key."), ("NAME.pub", "Public key.")]],
    },
    CommandHelp {
        name: "sign",
        examples: &[
            ("Sign a compiled snapshot", "switchboard sign registry.swb --key release.key"),
            (
                "State a time after which the release counts as stale",
                "switchboard sign registry.swb --key release.key --expires 30d",
            ),
        ],
        fields: &[],
        notes: &[
            "FILE.release is a DSSE envelope. Its payload is a manifest in JSON, which names the snapshot by its \
             digest. If FILE.release names this snapshot, the command adds a signature. If it names another one, \
             because FILE was compiled again, a new manifest replaces it.",
            "The command verifies the snapshot and runs its tests first. Copy FILE.release to the daemon before FILE.",
        ],
        failure: Some("The snapshot fails a test that it carries."),
        signals: &[],
        environment: &[],
        files: &[SNAPSHOT_FILES, &[("FILE.release", "Manifest of the snapshot, with its signatures.")]],
    },
    CommandHelp {
        name: "fleet",
        examples: &[
            ("Make the buckets of a fleet", "switchboard fleet init --fleet nats://127.0.0.1:4222"),
            ("Publish a registry", "switchboard fleet publish registry --fleet nats://127.0.0.1:4222"),
            ("Show what the fleet serves", "switchboard fleet status --fleet nats://127.0.0.1:4222"),
        ],
        fields: &[],
        notes: &[FLEET_NOTE],
        failure: Some(
            "The guard refuses the change, a replica rejects the release, or a replica does not serve it.",
        ),
        signals: &[],
        environment: FLEET_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "fleet init",
        examples: &[
            ("Make the buckets", "switchboard fleet init --fleet nats://127.0.0.1:4222"),
            (
                "Keep each bucket on three servers of a cluster",
                "switchboard fleet init --replicas 3 \\\n    --fleet nats://a.example:4222,nats://b.example:4222",
            ),
        ],
        fields: &[],
        notes: &[
            "The command makes the buckets that are missing. It never changes a bucket: it reports settings that differ.",
            FLEET_NOTE,
        ],
        failure: Some("A bucket exists with other settings."),
        signals: &[],
        environment: FLEET_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "fleet publish",
        examples: &[
            ("Publish a registry", "switchboard fleet publish registry --key release.key"),
            ("Show what would change", "switchboard fleet publish registry --dry-run"),
            (
                "Publish to 1 %, then 10 %, then all replicas",
                "switchboard fleet publish registry --key release.key \\\n    --waves 1,10,100 --hold 5m",
            ),
            (
                "Put the snapshots into the folder of a web server",
                "switchboard fleet publish registry --key release.key \\\n    --blobs /srv/blobs --url https://blobs.example/",
            ),
            (
                "Publish every change of a registry",
                "switchboard fleet publish /srv/registry --key release.key --follow",
            ),
            (
                "Publish every change of a registry in PostgreSQL",
                "switchboard fleet publish postgres://reader@db.example/registry \\\n    --key release.key --follow",
            ),
        ],
        fields: &[],
        notes: &[
            "The command compiles a registry, uploads the snapshot, reads it back, and only then makes it the release of \
             the fleet. Of two publishers at the same time, one wins. A publisher that is killed leaves the release \
             before, or the whole new one.",
            "A company that disappears, or that loses more than half of its accounts, needs --confirm. With --follow, such a \
             company is held back, and its version in service stays; so is one whose files have errors. SIGHUP publishes \
             what the guard refused.",
            "A snapshot file with FILE.release keeps its signatures and its generation. Anything else gets a generation \
             above that of the release.",
            "With --waves, the next wave begins when 99 % of the replicas of a wave serve the release, and --hold has passed. \
             At the first rejection, the command stops, and the percentage stays. Publish the same file again to go on.",
            FLEET_NOTE,
        ],
        failure: Some(
            "The registry has errors, a test fails, the guard refuses the change, another publisher was faster, or a \
             replica rejected the release.",
        ),
        signals: &[("SIGHUP", "With --follow, publishes a change that the guard refused.")],
        environment: FLEET_ENVIRONMENT,
        files: &[
            REGISTRY_FILES,
            SNAPSHOT_FILES,
            &[("FILE.release", "Manifest of the snapshot, with its signatures.")],
        ],
    },
    CommandHelp {
        name: "fleet status",
        examples: &[
            ("Show the release and every replica", "switchboard fleet status"),
            (
                "List the replicas that do not serve the release",
                "switchboard fleet status --format json \\\n    | jq '.replicas[] | select(.state != \"serving\") | .id'",
            ),
        ],
        fields: &[],
        notes: &[
            "The replicas are those that reported in the last 60 s. SIGNED says whether a replica verified the \
             signatures of what it serves. The line signed has the ids of the keys that the release names, which this \
             command does not verify.",
            FLEET_NOTE,
        ],
        failure: Some("A replica does not serve the release, or there is no release or no replica."),
        signals: &[],
        environment: FLEET_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "fleet rollback",
        examples: &[
            ("Go back to the content before", "switchboard fleet rollback --key release.key"),
            ("Go back to a generation", "switchboard fleet rollback --to 1764288000000 --key release.key"),
        ],
        fields: &[],
        notes: &[
            "The earlier content gets a new generation, because generations only grow, and goes to all replicas at once. A \
             replica that still has the content downloads nothing. The fleet keeps 16 releases.",
            "Without --to, the command takes the newest release whose content differs from the present one. A second \
             rollback therefore returns to the content that the first one left.",
            FLEET_NOTE,
        ],
        failure: Some("The fleet does not keep such a release, or another publisher was faster."),
        signals: &[],
        environment: FLEET_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "db",
        examples: &[
            (
                "Make the schema and the roles",
                "switchboard db migrate postgres://db.example/registry --roles",
            ),
            ("Import a registry", "switchboard db import registry postgres://db.example/registry"),
            ("Check the registry", "switchboard check postgres://db.example/registry"),
        ],
        fields: &[],
        notes: &[DATABASE_NOTE],
        failure: Some("The registry has errors, or a test fails."),
        signals: &[],
        environment: DATABASE_ENVIRONMENT,
        files: &[REGISTRY_FILES],
    },
    CommandHelp {
        name: "db migrate",
        examples: &[
            ("Make the schema, or upgrade it", "switchboard db migrate postgres://db.example/registry"),
            ("Make the roles, too", "switchboard db migrate postgres://db.example/registry --roles"),
        ],
        fields: &[],
        notes: &[
            "The command can be repeated. It changes nothing in a schema of its own version, and refuses a newer one.",
            "The roles cannot log in. Grant them to roles that can: switchboard_reader reads the registry, and \
             switchboard_editor changes it.",
            DATABASE_NOTE,
        ],
        failure: None,
        signals: &[],
        environment: DATABASE_ENVIRONMENT,
        files: &[],
    },
    CommandHelp {
        name: "db import",
        examples: &[
            (
                "Import all companies of a folder",
                "switchboard db import registry postgres://db.example/registry",
            ),
            (
                "Show what the import of one company would change",
                "switchboard db import registry postgres://db.example/registry \\\n    --company acme --dry-run",
            ),
        ],
        fields: &[],
        notes: &[
            "The companies of the folder are replaced in one transaction. Only rows that differ are written. Other \
             companies of the database stay.",
            "An import without --company also writes the profiles of the channels. With --company, the channels of \
             the companies must have the same profiles in the database.",
            DATABASE_NOTE,
        ],
        failure: Some(
            "The companies have errors, a test fails, or the database has another profile of a channel. Nothing was \
             written.",
        ),
        signals: &[],
        environment: DATABASE_ENVIRONMENT,
        files: &[REGISTRY_FILES],
    },
    CommandHelp {
        name: "db export",
        examples: &[(
            "Write a registry folder",
            "switchboard db export postgres://db.example/registry registry",
        )],
        fields: &[],
        notes: &[
            "The database is read in one transaction. The folder appears complete, or not at all.",
            "Equal registries are exported to equal bytes. The rows are sorted by company and id.",
            DATABASE_NOTE,
        ],
        failure: None,
        signals: &[],
        environment: DATABASE_ENVIRONMENT,
        files: &[REGISTRY_FILES],
    },
    CommandHelp {
        name: "completions",
        examples: &[
            ("Install for bash", "switchboard completions bash \\\n    > /etc/bash_completion.d/switchboard"),
            (
                "Install for zsh",
                "switchboard completions zsh \\\n    > /usr/local/share/zsh/site-functions/_switchboard",
            ),
            (
                "Install for fish",
                "switchboard completions fish \\\n    > ~/.config/fish/completions/switchboard.fish",
            ),
            ("Complete in this shell alone", "source <(switchboard completions bash)"),
        ],
        fields: &[],
        notes: &["The Debian package installs the scripts of bash, zsh and fish."],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[&[
            ("/usr/share/bash-completion/completions/switchboard", "Script of bash in the Debian package."),
            ("/usr/share/zsh/vendor-completions/_switchboard", "Script of zsh in the Debian package."),
            (
                "/usr/share/fish/vendor_completions.d/switchboard.fish",
                "Script of fish in the Debian package.",
            ),
        ]],
    },
    CommandHelp {
        name: "man",
        examples: &[
            ("Read the page of the program", "switchboard man | man -l -"),
            (
                "Install switchboard(1), switchboard-check(1), ...",
                "switchboard man /usr/local/share/man/man1",
            ),
        ],
        fields: &[],
        notes: &["The command creates the folder if it is missing, and replaces the pages in it."],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[&[
            ("DIR/switchboard.1", "Page of the program."),
            ("DIR/switchboard-COMMAND.1", "Page of one command."),
        ]],
    },
    CommandHelp {
        name: "schema",
        examples: &[("Write a schema for an editor", "switchboard schema company > company.schema.json")],
        fields: &[],
        notes: &[
            "An editor with Taplo (VS Code: Even Better TOML) completes and checks a file whose first line \
             names its schema, relative to the file:\n\n    #:schema ../company.schema.json",
        ],
        failure: None,
        signals: &[],
        environment: &[],
        files: &[REGISTRY_FILES],
    },
];

/// Returns the help of a command. An empty or unknown name is that of the program.
pub(super) fn of(name: &str) -> &'static CommandHelp {
    let [program, ..] = &COMMANDS;
    COMMANDS.iter().find(|help| help.name == name).unwrap_or(program)
}

/// Returns the help of a command by its full name with hyphens, such as `standing-set`.
pub(super) fn of_display_name(name: &str) -> &'static CommandHelp {
    COMMANDS.iter().find(|help| help.name.replace(' ', "-") == name).unwrap_or_else(|| of(""))
}

impl CommandHelp {
    /// Returns the exit codes of the command with their meanings.
    pub(super) fn exit_codes(&self) -> impl Iterator<Item = (String, &'static str)> {
        // The program itself serves if no command is named.
        let serves = matches!(self.name, "" | "serve" | "check-config");
        let asks = self.name == "status" || self.name.starts_with("standing");
        let (usage, io) = match self.name {
            "" => (SERVE_USAGE, ANY_IO),
            "select" | "explain" => (USAGE, QUERY_IO),
            _ if serves => (SERVE_USAGE, SERVE_IO),
            _ if asks => (USAGE, DAEMON_IO),
            _ if self.name.starts_with("fleet") => (USAGE, FLEET_IO),
            _ if self.name.starts_with("db") => (USAGE, DATABASE_IO),
            _ => (USAGE, IO),
        };
        let codes = [
            (Exit::Success, Some(SUCCESS)),
            (Exit::Failed, self.failure),
            (Exit::Usage, Some(usage)),
            (Exit::Io, Some(io)),
        ];
        codes.into_iter().filter_map(|(exit, meaning)| Some(((exit as u8).to_string(), meaning?)))
    }

    /// Renders the text that `--help` shows below the options, for the width of the terminal.
    pub(super) fn below_options(&self) -> String {
        let mut text = String::new();
        heading(&mut text, "Examples");
        for (purpose, command) in self.examples {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "  {purpose}:");
            for line in command.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
        if !self.fields.is_empty() {
            text.push('\n');
            heading(&mut text, "Fields");
            list(&mut text, self.fields.iter().copied());
        }
        for note in self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        text.push('\n');
        heading(&mut text, "Exit codes");
        let codes: Vec<(String, &str)> = self.exit_codes().collect();
        list(&mut text, codes.iter().map(|(code, meaning)| (code.as_str(), *meaning)));
        text.trim_end().to_owned()
    }
}

fn heading(text: &mut String, name: &str) {
    let styles = Styles::default();
    let style = styles.get_header();
    let _ = writeln!(text, "{style}{name}:{style:#}");
}

/// Returns the width at which clap wraps the help: that of the terminal, else `COLUMNS`, but at most
/// [`MAX_HELP_WIDTH`].
fn help_width() -> usize {
    let terminal = [tcgetwinsize(io::stdout()), tcgetwinsize(io::stderr()), tcgetwinsize(io::stdin())];
    let columns =
        terminal.into_iter().flatten().map(|size| usize::from(size.ws_col)).find(|&width| width > 0);
    let columns = columns.or_else(|| env::var("COLUMNS").ok()?.parse().ok());
    columns.unwrap_or(MAX_HELP_WIDTH).min(MAX_HELP_WIDTH)
}

/// Renders names in a column, and the meaning of each in the next column, wrapped at the width of the help.
fn list<'e>(text: &mut String, entries: impl Iterator<Item = (&'e str, &'e str)> + Clone) {
    let width = help_width();
    let column = entries.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, meaning) in entries {
        let mut line = format!("  {name:column$} ");
        for word in meaning.split(' ') {
            if line.len() + 1 + word.len() > width {
                let _ = writeln!(text, "{line}");
                line = " ".repeat(2 + column + 1);
            }
            line.push(' ');
            line.push_str(word);
        }
        let _ = writeln!(text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    #[test]
    fn every_command_has_its_help() {
        let program = Arguments::command();
        let mut commands = vec![String::new()];
        for command in program.get_subcommands() {
            commands.push(command.get_name().to_owned());
            let below =
                command.get_subcommands().map(|below| format!("{} {}", command.get_name(), below.get_name()));
            commands.extend(below);
        }
        let named: Vec<&str> = COMMANDS.iter().map(|help| help.name).collect();
        assert_eq!(named, commands);
    }

    #[test]
    fn every_field_of_a_query_has_its_help() {
        let mut described: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        let mut fields = QueryField::ALL.map(QueryField::as_str);
        described.sort_unstable();
        fields.sort_unstable();
        assert_eq!(described, fields);
    }
}
