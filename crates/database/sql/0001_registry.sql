-- A registry of Switchboard in PostgreSQL 14 or newer: version 1 of the schema.
--
-- `switchboard db migrate` runs this file in one transaction. To run it by hand: psql --single-transaction
-- --set ON_ERROR_STOP=1 --file 0001_registry.sql. The tables have the names and columns of the registry's files, and
-- docs/registry.md describes them. A constraint is named after its rule, because an error message names it.

do $$
begin
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the encoding of this database is %, but a registry needs UTF8', current_setting('server_encoding')
      using hint = 'create the database with: createdb --encoding=UTF8 --template=template0 NAME';
  end if;
end
$$;

create schema switchboard;
comment on schema switchboard is 'A registry of Switchboard: companies and their official accounts.';

create table switchboard.migration (
  version integer primary key,
  applied_at timestamptz not null default now(),
  applied_by text not null default session_user
);
comment on table switchboard.migration is 'The versions of this schema, written by switchboard db migrate.';

-- ---------------------------------------------------------------------------------------------------------------------
-- The rules of single values.

create function switchboard.is_id(value text) returns boolean
  language sql immutable parallel safe
  return value ~ '^[!-~]{1,128}$' and value !~ '[,/"'']';
comment on function switchboard.is_id is
  'Whether a text is an id: 1 to 128 bytes of printable ASCII without space, comma, slash or quote.';

create function switchboard.is_visible(value text) returns boolean
  language sql immutable parallel safe
  return value !~ ('[\u0001-\u0020\u007f-\u00a0\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u1680\u180e'
    || '\u2000-\u200f\u2028-\u202f\u205f-\u2064\u2066-\u206f\u3000\ufeff\ufff9-\ufffb'
    || '\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a'
    || '\U000e0001\U000e0020-\U000e007f]');
comment on function switchboard.is_visible is
  'Whether a text has no white space, control or format characters, which a person does not see.';

create function switchboard.is_country(value text) returns boolean
  language sql immutable parallel safe
  return value = any (string_to_array(
    'AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY '
    || 'BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK '
    || 'FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR '
    || 'IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK '
    || 'ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM '
    || 'PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD '
    || 'TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW',
    ' '));
comment on function switchboard.is_country is
  'Whether a text is a country code in capital letters: ISO 3166-1 alpha-2, and AC, TA and XK.';

create function switchboard.is_version(value text) returns boolean
  language sql immutable parallel safe
  return value ~ '^[0-9]{1,10}(\.[0-9]{1,10}){0,2}$';
comment on function switchboard.is_version is 'Whether a text is a version such as 1.24.0.';

-- ---------------------------------------------------------------------------------------------------------------------
-- The registry. Ids compare by their bytes (collation "C"). Foreign keys can be deferred, for changes in any order:
-- set constraints all deferred.

create table switchboard.channel (
  id text collate "C" primary key
    constraint channel_id_is_ascii_without_space_comma_slash_quote check (switchboard.is_id(id)),
  conversation_role text
    constraint channel_conversation_role_is_primary_or_secondary check (conversation_role in ('primary', 'secondary')),
  pool_must_hold text[]
    constraint channel_pool_must_hold_lists_primary_or_secondary check (
      pool_must_hold <@ array['primary', 'secondary'] and array_position(pool_must_hold, null) is null),
  address text
    constraint channel_address_is_phone_email_or_handle check (address in ('phone', 'email', 'handle')),
  dedicated_since text
    constraint channel_dedicated_since_is_a_version_or_never check (
      dedicated_since = 'never' or switchboard.is_version(dedicated_since)),
  constraint channel_not_built_in_has_role_must_hold_and_address check (
    id in ('imessage', 'line', 'signal', 'sms', 'telegram', 'wechat', 'wechat_miniapp', 'whatsapp')
    or (conversation_role is not null and pool_must_hold is not null and address is not null))
);
comment on table switchboard.channel is
  'Channels. A column that is null has the value of the built-in channel. A channel that is not built in needs the '
  'first three columns.';

insert into switchboard.channel (id)
  values ('imessage'), ('line'), ('signal'), ('sms'), ('telegram'), ('wechat'), ('wechat_miniapp'), ('whatsapp');

create table switchboard.company (
  id text collate "C" primary key
    constraint company_id_is_ascii_without_space_comma_slash_quote check (switchboard.is_id(id))
    -- A company is a folder of an exported registry.
    constraint company_id_is_the_name_of_a_folder check (id !~ '^\.\.' and id not in ('.', 'channels.toml')),
  name text,
  ou_without_pool text not null default 'inherit'
    constraint company_ou_without_pool_is_inherit_or_error check (ou_without_pool in ('inherit', 'error')),
  dedicated_unavailable text not null default 'error'
    constraint company_dedicated_unavailable_is_error_or_pool check (dedicated_unavailable in ('error', 'pool')),
  platform_version text
    constraint company_platform_version_is_a_version check (switchboard.is_version(platform_version))
);
comment on table switchboard.company is 'Companies. Deleting a company deletes everything of it.';
comment on column switchboard.company.name is 'The name for people. Null: the id.';

create table switchboard.ou (
  company text collate "C" not null,
  id text collate "C" not null
    constraint ou_id_is_ascii_without_space_comma_slash_quote check (switchboard.is_id(id)),
  parent text collate "C",
  name text not null default '',
  primary key (company, id),
  constraint ou_company_exists foreign key (company) references switchboard.company (id)
    on delete cascade deferrable,
  constraint ou_parent_exists_in_the_company foreign key (company, parent) references switchboard.ou (company, id)
    on update cascade deferrable,
  constraint ou_parent_is_another_ou check (parent <> id)
);
comment on table switchboard.ou is 'Organizational units.';
comment on column switchboard.ou.parent is 'The unit above. Null: a root.';
create index ou_parent on switchboard.ou (company, parent);

create table switchboard.pool (
  company text collate "C" not null,
  id text collate "C" not null
    constraint pool_id_is_ascii_without_space_comma_slash_quote check (switchboard.is_id(id)),
  channel text collate "C" not null,
  priority bigint not null default 0,
  country_match text not null default 'country'
    constraint pool_country_match_is_country_or_calling_code check (country_match in ('country', 'calling_code')),
  default_country text
    constraint pool_default_country_is_assigned check (switchboard.is_country(default_country)),
  fallback_upward boolean not null default false,
  primary key (company, id),
  unique (company, id, channel), -- for the foreign key of accounts
  constraint pool_company_exists foreign key (company) references switchboard.company (id)
    on delete cascade deferrable,
  constraint pool_channel_exists foreign key (channel) references switchboard.channel (id) deferrable
);
comment on table switchboard.pool is 'Pools: shared accounts of one channel, with their fallback settings.';
comment on column switchboard.pool.priority is 'Pools of one unit are tried in ascending order of priority, then of id.';
create index pool_channel on switchboard.pool (channel);

create table switchboard.pool_ou (
  company text collate "C" not null,
  pool text collate "C" not null,
  ou text collate "C" not null,
  primary key (company, pool, ou),
  constraint pool_ou_pool_exists_in_the_company foreign key (company, pool) references switchboard.pool (company, id)
    on update cascade on delete cascade deferrable,
  constraint pool_ou_ou_exists_in_the_company foreign key (company, ou) references switchboard.ou (company, id)
    on update cascade on delete cascade deferrable
);
comment on table switchboard.pool_ou is 'The units that a pool is allocated to.';
create index pool_ou_ou on switchboard.pool_ou (company, ou);

create table switchboard.geography (
  company text collate "C" not null,
  pool text collate "C",
  country text not null
    constraint geography_country_is_assigned check (switchboard.is_country(country)),
  served_from text not null
    constraint geography_served_from_is_assigned check (switchboard.is_country(served_from)),
  constraint geography_maps_a_country_of_a_pool_once unique (company, pool, country),
  constraint geography_maps_to_another_country check (country <> served_from),
  constraint geography_company_exists foreign key (company) references switchboard.company (id)
    on delete cascade deferrable,
  constraint geography_pool_exists_in_the_company foreign key (company, pool) references switchboard.pool (company, id)
    on update cascade on delete cascade deferrable
);
comment on table switchboard.geography is 'Mappings: clients of one country are served by accounts of another.';
comment on column switchboard.geography.pool is 'Null: the mapping of the company, which is behind that of every pool.';
create unique index geography_maps_a_country_of_a_company_once on switchboard.geography (company, country)
  where pool is null;

create table switchboard.account (
  company text collate "C" not null,
  id text collate "C" not null
    constraint account_id_is_ascii_without_space_comma_slash_quote check (switchboard.is_id(id)),
  channel text collate "C" not null,
  role text
    constraint account_role_is_primary_or_secondary check (role in ('primary', 'secondary')),
  address text not null
    constraint account_address_has_only_visible_characters check (
      address <> '' and length(address) <= 254 and switchboard.is_visible(address)),
  country text
    constraint account_country_is_assigned check (switchboard.is_country(country)),
  pool text collate "C",
  "user" text collate "C"
    constraint account_user_has_only_visible_characters check (
      octet_length("user") between 1 and 256 and switchboard.is_visible("user")),
  weight integer not null default 1
    constraint account_weight_is_1_to_1000 check (weight between 1 and 1000),
  state text not null default 'active'
    constraint account_state_is_active_draining_or_suspended check (state in ('active', 'draining', 'suspended')),
  available_from timestamptz
    constraint account_available_from_has_a_year_of_four_digits check (
      available_from >= '0001-01-01 00:00:00+00' and available_from <= '9999-12-31 23:59:59+00'),
  primary key (company, id),
  constraint account_has_a_pool_or_a_user_not_both check (pool is null or "user" is null),
  constraint account_of_a_pool_has_a_role check (pool is null or role is not null),
  constraint account_of_a_user_has_no_role check ("user" is null or role is null),
  constraint account_address_is_once_on_a_channel unique (company, channel, address) deferrable,
  constraint account_user_has_one_on_a_channel unique (company, channel, "user") deferrable,
  constraint account_company_exists foreign key (company) references switchboard.company (id)
    on delete cascade deferrable,
  constraint account_channel_exists foreign key (channel) references switchboard.channel (id) deferrable,
  constraint account_pool_exists_with_this_channel foreign key (company, pool, channel)
    references switchboard.pool (company, id, channel) on update cascade deferrable
);
comment on table switchboard.account is
  'Official accounts. With a pool: shared. With a user: dedicated. With neither: spare, never selected.';
comment on column switchboard.account.country is 'May be null where the address is a phone number, which has a country.';
create index account_pool on switchboard.account (company, pool, channel);
create index account_channel on switchboard.account (channel);

create table switchboard.test (
  id bigint generated by default as identity primary key,
  company text collate "C" not null,
  name text not null,
  query jsonb not null
    constraint test_query_is_an_object check (jsonb_typeof(query) = 'object'),
  expect jsonb not null
    constraint test_expect_is_an_object_with_a_field check (jsonb_typeof(expect) = 'object' and expect <> '{}'),
  constraint test_company_exists foreign key (company) references switchboard.company (id)
    on delete cascade deferrable
);
comment on table switchboard.test is 'Expected selections. Their queries may have phone numbers of clients.';
create index test_company on switchboard.test (company, id);

-- ---------------------------------------------------------------------------------------------------------------------
-- The history of changes. A daemon looks here for changes, so that writers share no lock and no counter.

create table switchboard.history (
  id bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  time timestamptz not null default now(),
  role text not null default coalesce(nullif(current_setting('role', true), 'none'), session_user),
  company text collate "C",
  "table" text not null,
  key text,
  before jsonb,
  after jsonb
);
comment on table switchboard.history is
  'One row for each changed row, and one for each company of an import. Old rows may be deleted at any time.';
comment on column switchboard.history.xid is 'The transaction. See pg_visible_in_snapshot.';
comment on column switchboard.history."table" is 'The table, or import.';
create index history_xid on switchboard.history (xid);
create index history_company on switchboard.history (company, time);
create unique index history_has_an_import_once on switchboard.history (xid, company) where "table" = 'import';

-- The key of a row as findings write it: company=acme,id=wa-1.
create function switchboard.history_key(row_ jsonb, columns text[]) returns text
  language sql immutable parallel safe
  return (select string_agg(name || '=' || (row_ ->> name), ',' order by at)
    from unnest(columns) with ordinality as key (name, at) where row_ ->> name is not null);

-- The company that a row belongs to. A channel belongs to none.
create function switchboard.company_of(table_name text, row_ jsonb) returns text
  language sql immutable parallel safe
  return row_ ->> (case table_name when 'company' then 'id' else 'company' end);

-- Records the rows that a statement changed, also those of a cascade. The arguments are the columns of the table's key.
-- Runs as the owner of the schema, because editors may not write the history.
create function switchboard.record_change() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  kind text := case tg_op when 'INSERT' then 'added' when 'DELETE' then 'removed' else 'changed' end;
  counts jsonb; -- the number of rows by company
begin
  if tg_op = 'TRUNCATE' then
    insert into switchboard.history ("table", key) values (tg_table_name, 'all rows');
  elsif current_setting('switchboard.import', true) = 'on' and tg_table_name <> 'channel' then
    if tg_op = 'DELETE' then
      counts := (select jsonb_object_agg(company, number) from (
        select switchboard.company_of(tg_table_name, to_jsonb(o)), count(*) from old_rows o group by 1
      ) as c (company, number));
    else
      counts := (select jsonb_object_agg(company, number) from (
        select switchboard.company_of(tg_table_name, to_jsonb(n)), count(*) from new_rows n group by 1
      ) as c (company, number));
    end if;
    -- One row for each company, with the numbers of rows by table and kind, whatever the number of changes.
    insert into switchboard.history as h (company, "table", after)
      select company, 'import', jsonb_build_object(tg_table_name, jsonb_build_object(kind, number))
      from jsonb_each(counts) as c (company, number)
      on conflict (xid, company) where "table" = 'import' do update set after = h.after || jsonb_build_object(
        tg_table_name, coalesce(h.after -> tg_table_name, '{}') || jsonb_build_object(
          kind, coalesce((h.after #>> array[tg_table_name, kind])::bigint, 0)
            + (excluded.after #>> array[tg_table_name, kind])::bigint));
  elsif tg_op = 'INSERT' then
    insert into switchboard.history (company, "table", key, after)
      select switchboard.company_of(tg_table_name, r), tg_table_name, switchboard.history_key(r, tg_argv), r
      from (select to_jsonb(n) from new_rows n) as rows_ (r);
  elsif tg_op = 'DELETE' then
    insert into switchboard.history (company, "table", key, before)
      select switchboard.company_of(tg_table_name, r), tg_table_name, switchboard.history_key(r, tg_argv), r
      from (select to_jsonb(o) from old_rows o) as rows_ (r);
  else
    -- A row whose key changes is one row less and one more.
    insert into switchboard.history (company, "table", key, before, after)
      select switchboard.company_of(tg_table_name, coalesce(n.r, o.r)), tg_table_name, coalesce(n.key, o.key), o.r, n.r
      from (select to_jsonb(o), switchboard.history_key(to_jsonb(o), tg_argv) from old_rows o) as o (r, key)
      full join (select to_jsonb(n), switchboard.history_key(to_jsonb(n), tg_argv) from new_rows n) as n (r, key)
        on n.key = o.key
      where n.r is distinct from o.r;
  end if;
  -- Equal notifications of a transaction are one.
  if found then
    perform pg_notify('switchboard_registry', '');
  end if;
  return null;
end
$$;

-- A trigger needs no permission for its function. With one, an editor could write the history by a table of its own.
revoke execute on function switchboard.record_change() from public;

do $$
declare
  name text;
  key text;
begin
  for name, key in values ('channel', '''id'''), ('company', '''id'''), ('ou', '''company'', ''id'''),
    ('pool', '''company'', ''id'''), ('pool_ou', '''company'', ''pool'', ''ou'''),
    ('geography', '''company'', ''pool'', ''country'''), ('account', '''company'', ''id'''),
    ('test', '''company'', ''id''')
  loop
    execute format('create trigger record_insert after insert on switchboard.%I referencing new table as new_rows '
      'for each statement execute function switchboard.record_change(%s)', name, key);
    execute format('create trigger record_update after update on switchboard.%I '
      'referencing old table as old_rows new table as new_rows '
      'for each statement execute function switchboard.record_change(%s)', name, key);
    execute format('create trigger record_delete after delete on switchboard.%I referencing old table as old_rows '
      'for each statement execute function switchboard.record_change(%s)', name, key);
    execute format('create trigger record_truncate after truncate on switchboard.%I '
      'for each statement execute function switchboard.record_change()', name);
  end loop;
end
$$;

insert into switchboard.migration (version) values (1);
