# For scripts to source. `serve ARGUMENTS…` starts a daemon on free ports, waits until it listens, and sets $data and
# $admin to its URLs. All daemons end with the script. `under` is a command that starts the daemon, for example with a
# limit.
daemons=() logs=() under=()
stop() {
  kill "${daemons[@]}" 2>/dev/null || true
  rm -f "${logs[@]}"
}
trap stop EXIT

serve() {
  local log listening
  log=$(mktemp)
  "${under[@]}" "${SWITCHBOARD:-target/debug/switchboard}" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log-format json "$@" 2>"$log" &
  daemons+=($!) logs+=("$log")
  for _ in $(seq 300); do
    listening=$(grep '"message":"listening"' "$log" || true)
    [ -n "$listening" ] && break
    kill -0 "${daemons[-1]}" || { cat "$log"; exit 1; }
    sleep 0.1
  done
  [ -n "$listening" ] || { cat "$log"; exit 1; }
  data=http://$(sed -E 's/.*"data":"([^"]+)".*/\1/' <<<"$listening")
  admin=http://$(sed -E 's/.*"admin":"([^"]+)".*/\1/' <<<"$listening")
}
