"""Calls every operation of the official documents with made-up input, as two users in turn.

fuzz.py URL FOLDER CALLS: FOLDER holds the documents (openapi_v3-*.yml) of the official client. Prints one JSON object: how
many calls were made, how many of each status, and every fault: an answer of 500 or more, one outside the envelope, or one
that holds what belongs to the other user. Ends with 1 where there was a fault.
"""

import json
import logging
import random
import sys
from collections import Counter
from pathlib import Path

import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

URL, FOLDER, CALLS = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(2**32)
DOCUMENTS = ["systems", "apps", "jobs", "files", "authenticator", "tokens", "tenants"]
USERS = ["alice", "bob"]
ENVELOPE = {"status", "message", "result", "version", "metadata"}
random.seed(SEED)
logging.disable(logging.CRITICAL)
session = requests.Session()
session.trust_env = False


def token(user):
    body = {"username": user, "password": user, "grant_type": "password"}
    said = session.post(f"{URL}/v3/oauth2/tokens", json=body, timeout=60)
    return said.json()["result"]["access_token"]["access_token"]


TOKENS = {user: token(user) for user in USERS}


def call(user, method, path, **more):
    return session.request(method, URL + path, headers={"X-Tapis-Token": TOKENS[user]}, timeout=60, **more)


def mark(user):
    """Something in each place where users keep data, with a word that only its owner may be shown."""
    word = f"secret-of-{user}-{random.randrange(10**9)}"
    kept = {"systemId": f"mine-{user}", "appId": f"app-{user}", "profile": f"profile-{user}"}
    call(user, "POST", "/v3/systems?skipCredentialCheck=true", json={
        "id": kept["systemId"], "systemType": "LINUX", "host": "127.0.0.1", "port": 9, "defaultAuthnMethod": "PASSWORD",
        "effectiveUserId": "nobody", "rootDir": "/", "canExec": True, "jobWorkingDir": "w", "description": word,
        "jobRuntimes": [{"runtimeType": "ZIP"}], "notes": {"word": word}, "tags": [word],
        "authnCredential": {"password": word}}).raise_for_status()
    call(user, "POST", "/v3/apps", json={
        "id": kept["appId"], "version": "1", "runtime": "ZIP", "containerImage": "/a.tar", "description": word,
        "notes": {"word": word}, "jobAttributes": {"execSystemId": kept["systemId"]}}).raise_for_status()
    job = call(user, "POST", "/v3/jobs/submit", json={
        "name": "fuzz", "appId": kept["appId"], "appVersion": "1", "description": word, "tags": [word],
        "parameterSet": {"envVariables": [{"key": "WORD", "value": word}], "appArgs": [{"arg": word}]}})
    job.raise_for_status()
    client = call(user, "POST", "/v3/oauth2/clients", json={"description": word})
    client.raise_for_status()
    return word, {**kept, "jobUuid": job.json()["result"]["uuid"], "client_id": client.json()["result"]["client_id"],
                  "userName": user, "username": user, "appVersion": "1"}


MARKS = {user: mark(user) for user in USERS}


def known(name):
    """A value for a path parameter that leads to something of either user."""
    kept = MARKS[random.choice(USERS)][1]
    if name in kept:
        return kept[name]
    if name == "id" or name.endswith("Id"):
        return kept[random.choice(["systemId", "appId", "jobUuid"])]
    return None


counts, faults, seen = Counter(), [], set()


def fault(case, user, reply, what):
    where = (case.method, case.operation.path, what.split(":")[0])
    if where in seen:
        return
    seen.add(where)
    faults.append({"call": f"{case.method} {reply.request.url[:300]}", "as": user, "what": what, "status": reply.status_code,
                   "body": str(reply.request.body)[:500], "said": reply.text[:300]})


def check(case, user, reply):
    counts[reply.status_code] += 1
    if reply.status_code >= 500:
        fault(case, user, reply, "5xx")
    other = MARKS[USERS[1 - USERS.index(user)]][0]
    if other.encode() in reply.content:
        fault(case, user, reply, "foreign data")
    # the library gives names in small letters, each with a list
    headers = {name.lower(): value[0] if isinstance(value, list) else value for name, value in reply.headers.items()}
    if headers.get("content-type") != "application/json":
        if "content-disposition" not in headers:
            fault(case, user, reply, f"no envelope: {headers.get('content-type')}")
        return
    try:
        members = set(reply.json())
    except ValueError:
        fault(case, user, reply, "no envelope: not JSON")
        return
    if not ENVELOPE <= members:
        fault(case, user, reply, f"no envelope: {sorted(members)}")


def fuzz(operation, most):
    @seeded(SEED)
    @given(case=operation.as_strategy())
    @settings(max_examples=most, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    def one(case):
        user = random.choice(USERS)
        for name in list(case.path_parameters or {}):
            value = known(name) if random.random() < 0.7 else None
            if value is not None:
                case.path_parameters[name] = value
        headers = {"X-Tapis-Token": TOKENS[user]} if random.random() < 0.95 else {}
        try:
            reply = case.call(base_url=URL, headers=headers, session=session, timeout=60)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
            return  # the client itself does not send it
        check(case, user, reply)

    one()


operations = []
for name in DOCUMENTS:
    document = yaml.safe_load((FOLDER / f"openapi_v3-{name}.yml").read_text())
    document["servers"] = [{"url": URL}]
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok() if hasattr(found, "ok") else found
        if operation is not None:
            operations.append(operation)
each = max(1, -(-CALLS // len(operations)))
for operation in operations:
    fuzz(operation, each)
print(json.dumps({"seed": SEED, "operations": len(operations), "calls": sum(counts.values()),
                  "statuses": {str(status): n for status, n in sorted(counts.items())}, "faults": faults}))
sys.exit(1 if faults else 0)
