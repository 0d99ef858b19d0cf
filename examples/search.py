#!/usr/bin/env python3
"""Searches jobs, systems and applications with the official Python client, in each way that there is.

usage: search.py http://127.0.0.1:8080 [user [password]]
"""
import sys

from tapipy.tapis import Tapis

base_url, user, password = (sys.argv[1:] + ['alice', 'alice'])[:3]
client = Tapis(base_url=base_url, username=user, password=password)
client.get_tokens()

# conditions as query parameters: all must hold
jobs = client.jobs.getJobSearchList(
    orderBy='created(desc)', limit=5,
    _tapis_query_parameters={'name.like': 'img-*', 'status.eq': 'FINISHED', 'created.gte': '2026'},
)
print('finished', [job.uuid for job in jobs])

# SQL-like text, in pieces; of each job what is selected
jobs = client.jobs.getJobSearchListByPostSqlStr(
    select='name,remoteOutcome',
    request_body={'search': ["appId = 'img-classify'", "AND (status = 'FINISHED' OR memory_mb > 100)"]},
)
print('by text ', [(job.name, job.remoteOutcome) for job in jobs])

systems = client.systems.getSystems(search='(id.like.*)~(enabled.eq.true)', listType='ALL', orderBy='id')
print('systems ', [system.id for system in systems])
print('by text ', [system.id for system in client.systems.searchSystemsRequestBody(search=["id LIKE '%'", 'AND can_exec = true'])])
print('apps    ', [(app.id, app.version) for app in client.apps.getApps(search='runtime.in.ZIP,SINGULARITY', listType='ALL')])
