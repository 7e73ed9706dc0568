-- Selections at random for wrk: any channel and OU of a registry of `loadtest registry`, phones of twelve countries.
--   REGISTRY=/tmp/big/corp wrk -t1 -c32 -d10s -s loadtest/wrk/select.lua http://127.0.0.1:7400
-- With BATCH=1000, that many lines to POST /v1/select/batch; with BY=country, countries instead of phones. With QUERIES=FILE
-- and no registry, its lines one after the other, as loadtest/nginx/map.py writes them.
local channels = { "whatsapp", "sms", "imessage", "signal", "wechat", "line", "telegram", "wechat_miniapp" }
local countries = { "GB", "DE", "FR", "US", "CH", "JP", "BR", "IN", "SG", "NL", "PL", "KE" }
-- Where a client's number begins, and how many digits follow.
local phones = {
  { "447400", 6 }, { "4915123", 6 }, { "3361234", 4 }, { "1201555", 4 }, { "4178123", 4 }, { "8190123", 5 },
  { "5511961", 6 }, { "9198123", 5 }, { "6581", 6 }, { "316123", 5 }, { "4850123", 4 }, { "254712", 6 },
}

local queries = os.getenv("QUERIES")
local ous = {}
if not queries then
  local registry = os.getenv("REGISTRY") or error("REGISTRY: expected the folder of a company, as /tmp/big/corp")
  for line in io.lines(registry .. "/ous.csv") do ous[#ous + 1] = line:match("^[^,]*") end
  table.remove(ous, 1) -- the header
end

math.randomseed(5)
local function one_of(list) return list[math.random(#list)] end

-- A query's fields, with what stands for a number's plus.
local function draw(plus)
  local fields = { { "company", "corp" }, { "channel", one_of(channels) }, { "ou", one_of(ous) } }
  if os.getenv("BY") == "country" then
    fields[#fields + 1] = { "country", one_of(countries) }
  else
    local prefix, digits = unpack(one_of(phones))
    local rest = string.format("%0" .. digits .. "d", math.random(0, 10 ^ digits - 1))
    fields[#fields + 1] = { "phone", plus .. prefix .. rest }
  end
  fields[#fields + 1] = { "client", "c-" .. math.random(0, 2 ^ 31 - 1) }
  return fields
end

local function put(fields, form, between)
  local all = {}
  for at, field in ipairs(fields) do all[at] = string.format(form, field[1], field[2]) end
  return table.concat(all, between)
end

local lines = tonumber(os.getenv("BATCH"))
local requests = {}
local function get(target) requests[#requests + 1] = "GET " .. target .. " HTTP/1.1\r\nHost: x\r\n\r\n" end
if queries then
  for line in io.lines(queries) do get(line) end
end
for at = 1, queries and 0 or lines and 100 or 200000 do
  if lines then
    local body = {}
    for line = 1, lines do body[line] = "{" .. put(draw("+"), '"%s":"%s"', ",") .. "}\n" end
    body = table.concat(body)
    requests[at] = "POST /v1/select/batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: "
      .. #body .. "\r\n\r\n" .. body
  else
    get("/v1/select?" .. put(draw("%2B"), "%s=%s", "&"))
  end
end

local at = 0
function request()
  at = at % #requests + 1
  return requests[at]
end
