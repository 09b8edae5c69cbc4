"""What schemathesis cannot make up by itself: prepared requests, a client who has spent everything, heads that never end.

Read `prepared.json` and written `reached.jsonl` lie in the folder in which it runs.
"""

import itertools
import json

import requests
import schemathesis
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

with open("prepared.json", encoding="utf-8") as file:
    PREPARED = json.load(file)
ADDRESSES = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in itertools.count(1))


@schemathesis.hook
def before_add_examples(context, examples):
    """Sends each prepared request as an example of its operation; what it leaves open is as the description shows it."""
    operation = context.operation
    shown = examples[0] if examples else operation.Case()
    for ask in PREPARED["asks"]:
        if ask["operation"] == operation.definition.raw["operationId"]:
            examples.append(
                operation.Case(
                    path_parameters=ask["path"] or shown.path_parameters,
                    query=ask["query"],
                    headers=ask["headers"],
                    body=shown.body if ask["body"] is None else ask["body"],
                    media_type=shown.media_type,
                )
            )


@schemathesis.hook
def before_call(context, case, kwargs):
    """A token, and an address of its own for each request: nobody is limited but the one who is meant to be."""
    case.headers.setdefault("Authorization", f"Bearer {PREPARED['token']}")
    if case.headers.setdefault("X-Forwarded-For", next(ADDRESSES)) == PREPARED["spent"]:
        spend(case.operation.base_url)


def spend(base):
    with requests.Session() as session:
        session.headers["X-Forwarded-For"] = PREPARED["spent"]
        while session.get(f"{base}/v1/config").status_code != 429:
            pass


@schemathesis.check
def reached(ctx, response, case):
    """Notes what was answered. If it is not as described, another check says so."""
    operation = case.operation
    if case.method.upper() == operation.method.upper():
        with open("reached.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps([operation.definition.raw["operationId"], response.status_code]) + "\n")


class Connection(HTTPConnection):
    """A connection on which a head never ends, and nothing follows it, if it asks for that."""

    mute = False

    def close(self):
        self.mute = False
        super().close()

    def send(self, data):
        if self.mute:
            return
        self.mute = PREPARED["never_ends"].encode() in data
        super().send(data.removesuffix(b"\r\n") if self.mute else data)


HTTPConnectionPool.ConnectionCls = Connection
