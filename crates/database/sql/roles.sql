-- Roles for a registry of Switchboard. `switchboard db migrate --roles` runs this file after the migrations. It can be
-- repeated. The roles cannot log in: grant them to the roles that do, as in: grant switchboard_reader to my_daemon.

do $$
begin
  if not exists (select from pg_roles where rolname = 'switchboard_reader') then
    create role switchboard_reader nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'switchboard_editor') then
    create role switchboard_editor nologin;
  end if;
end
$$;

-- Reads the registry and its history: daemons, check, export.
grant usage on schema switchboard to switchboard_reader;
grant select on all tables in schema switchboard to switchboard_reader;

-- Changes the registry, by SQL and by import. Triggers write the history, which an editor cannot change.
grant switchboard_reader to switchboard_editor;
grant insert, update, delete on switchboard.channel, switchboard.company, switchboard.ou, switchboard.pool,
  switchboard.pool_ou, switchboard.geography, switchboard.account, switchboard.test to switchboard_editor;
