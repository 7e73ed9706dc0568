#!/usr/bin/env python3
"""Configures nginx to answer selections from a map, to measure a lookup without rules.

  loadtest/nginx/map.py --registry /tmp/big/corp --daemon http://127.0.0.1:7400 --listen 7600 -o /tmp/nginx
  nginx -c /tmp/nginx/nginx.conf -p /tmp/nginx
  loadtest run steady --target http://127.0.0.1:7600 --queries /tmp/nginx/queries.txt --rate 90000

Draws queries, sends them to the daemon, and writes the queries and a map from their arguments to the daemon's answers.
Leaves out errors, because a map has only one status.
"""

import argparse
import csv
import json
import random
import urllib.request
from pathlib import Path

CHANNELS = ["whatsapp", "sms", "imessage", "signal", "wechat", "line", "telegram", "wechat_miniapp"]
# First digits of clients' numbers, and the number of the digits that follow.
PHONES = {"447400": 6, "4915123": 6, "3361234": 4, "1201555": 4, "4178123": 4, "8190123": 5, "5511961": 6,
          "9198123": 5, "6581": 6, "316123": 5, "4850123": 4, "254712": 6}
LINES = 1000  # lines of a batch

CONFIG = """\
worker_processes 1;
daemon on;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 1024; }}
http {{
    {log}
    keepalive_requests 1000000000;
    map_hash_max_size 262144;
    map_hash_bucket_size 512;
    map $args $answer {{
        default "";
        include answers.map;
    }}
    server {{
        listen 127.0.0.1:{port} reuseport;
        default_type application/json;
        location /v1/select {{ return 200 $answer; }}
    }}
}}
"""


def draw(ous, chance):
    prefix, digits = chance.choice(list(PHONES.items()))
    return {
        "company": "corp",
        "channel": chance.choice(CHANNELS),
        "ou": chance.choice(ous),
        "phone": "+" + prefix + str(chance.randrange(10**digits)).zfill(digits),
        "client": f"c-{chance.randrange(2**31)}",
    }


def ask(daemon, queries):
    body = "".join(json.dumps(query) + "\n" for query in queries).encode()
    request = urllib.request.Request(daemon + "/v1/select/batch", body, {"Content-Type": "application/x-ndjson"})
    with urllib.request.urlopen(request) as answers:
        return answers.read().decode().splitlines()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--registry", required=True, type=Path, help="the folder of the company corp")
    options.add_argument("--daemon", required=True, help="a daemon that serves it")
    options.add_argument("--keys", default=99600, type=int)
    options.add_argument("--listen", default=7600, type=int, help="nginx's port")
    options.add_argument("--log", action="store_true", help="keep nginx's access log")
    options.add_argument("--seed", default=1, type=int)
    options.add_argument("-o", "--output", required=True, type=Path)
    options = options.parse_args()

    with (options.registry / "ous.csv").open(newline="") as file:
        ous = [row["id"] for row in csv.DictReader(file)]
    chance = random.Random(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    kept = 0
    with (options.output / "answers.map").open("w") as answers, (options.output / "queries.txt").open("w") as asked:
        while kept < options.keys:
            queries = [draw(ous, chance) for _ in range(LINES)]
            for query, answer in zip(queries, ask(options.daemon, queries)):
                if kept < options.keys and "account" in json.loads(answer):
                    arguments = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in query.items())
                    answers.write(f"\"{arguments}\" '{answer}';\n")
                    asked.write(f"/v1/select?{arguments}\n")
                    kept += 1
    log = "access_log access.log;" if options.log else "access_log off;"
    (options.output / "nginx.conf").write_text(CONFIG.format(log=log, port=options.listen))


if __name__ == "__main__":
    main()
