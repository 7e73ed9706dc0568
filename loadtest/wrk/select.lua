-- Random selections for wrk: channels and OUs of a registry of `loadtest registry`, and phones of twelve countries.
--   REGISTRY=/tmp/big/corp wrk -t1 -c32 -d10s -s loadtest/wrk/select.lua http://127.0.0.1:7400
-- BATCH=1000 sends batches of 1000 lines to POST /v1/select/batch. BY=country sends countries instead of phones.
-- QUERIES=FILE sends the lines of a file of loadtest/nginx/map.py in order, and needs no registry.
local channels = { "whatsapp", "sms", "imessage", "signal", "wechat", "line", "telegram", "wechat_miniapp" }
local countries = { "GB", "DE", "FR", "US", "CH", "JP", "BR", "IN", "SG", "NL", "PL", "KE" }
-- First digits of clients' numbers, and the number of the digits that follow.
local phones = {
  { "447400", 6 }, { "4915123", 6 }, { "3361234", 4 }, { "1201555", 4 }, { "4178123", 4 }, { "8190123", 5 },
  { "5511961", 6 }, { "9198123", 5 }, { "6581", 6 }, { "316123", 5 }, { "4850123", 4 }, { "254712", 6 },
}

local queries = os.getenv("QUERIES")
local ous = {}
if not queries then
  local registry = os.getenv("REGISTRY") or error("REGISTRY: expected the folder of a company, for example /tmp/big/corp")
  for line in io.lines(registry .. "/ous.csv") do ous[#ous + 1] = line:match("^[^,]*") end
  table.remove(ous, 1) -- the header
end

math.randomseed(5)
local function one_of(list) return list[math.random(#list)] end

-- Returns the fields of a query. `plus` is the encoding of a number's plus sign.
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
