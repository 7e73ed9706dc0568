"""NDJSON for schemathesis: the schemas describe its lines as an array."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def write(_context, value):
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


@schemathesis.deserializer("application/x-ndjson")
def read(_context, response):
    return [json.loads(line) for line in response.content.splitlines()]
