#!/usr/bin/env python3
"""The published tutorial with the official Python client: classify a picture, look at the job, share its output.

usage: pip install tapipy==25.4.0
       tutorial.py http://127.0.0.1:8080 [--user alice --password alice] [--exec-system vm-local]
                   [--hpc-system ID] [--image PATH_OR_HTTP_URL] [--expect LABEL]

A path is one on the execution system. Ends with 0 only if every step held; the user must own the execution
system, since only its owner may share files.
"""
import argparse
import os
import re
import sys
import time

from tapipy.errors import ForbiddenError
from tapipy.tapis import Tapis

HERE = os.path.dirname(os.path.abspath(__file__))
SCORE = re.compile(rb'\S+ \(score = ([01]\.\d{5})\)')


def check(holds, what):
    print('%s %s' % ('ok  ' if holds else 'FAIL', what))
    if not holds:
        sys.exit(1)


def log_in(base_url, username, password):
    client = Tapis(base_url=base_url, username=username, password=password)
    client.get_tokens()
    check(client.access_token is not None, 'logged in as %s' % username)
    return client


def submit(client, system_id, image, **more):
    """`more`: further members of the parameter set. The arguments have no name, and `meta`, as in the tutorial."""
    parameters = {
        'appArgs': [
            {'arg': '--image_file', 'meta': {'name': 'arg1', 'required': True}},
            {'arg': "'%s'" % image, 'meta': {'name': 'arg2', 'required': True}},
        ],
        **more,
    }
    job = client.jobs.submitJob(
        name='img-classifier-job',
        description='image classifier',
        appId='img-classify',
        execSystemId=system_id,
        appVersion='0.0.1',
        parameterSet=parameters,
    )
    check(bool(job.uuid), 'submitted %s to %s' % (job.uuid, system_id))
    check(job.uuid in [listed.uuid for listed in client.jobs.getJobList()], 'the list of jobs has it')
    return job.uuid


def wait(client, uuid, seconds):
    """Prints each new status; the job must end as FINISHED."""
    start, seen = time.monotonic(), None
    while seen not in ('FINISHED', 'FAILED', 'CANCELLED'):
        status = client.jobs.getJobStatus(jobUuid=uuid).status
        if status != seen:
            print('     %5.1f s  %s' % (time.monotonic() - start, status))
        seen = status
        check_time(start, seconds, seen)
        time.sleep(0.5)
    if seen != 'FINISHED':
        print('     ' + str(client.jobs.getJob(jobUuid=uuid).lastMessage))
    check(seen == 'FINISHED', 'the job finished')


def check_time(start, seconds, status):
    if time.monotonic() - start > seconds:
        check(False, 'the job is still %s after %d s' % (status, seconds))


def read_scores(client, uuid, expected):
    """Downloads the job's output and prints its last five lines."""
    output = client.jobs.getJobOutputDownload(jobUuid=uuid, outputPath='tapisjob.out')
    check(isinstance(output, bytes), 'downloaded tapisjob.out')
    lines = output.strip().split(b'\n')[-5:]
    for line in lines:
        print('     ' + line.decode(errors='replace'))
    matches = [SCORE.fullmatch(line) for line in lines]
    check(len(lines) == 5 and all(matches), 'it ends with five scores')
    scores = [float(match.group(1)) for match in matches]
    check(scores == sorted(scores, reverse=True), 'the best label comes first')
    if expected:
        check(lines[0].startswith(b'%s (' % expected.encode()), 'the picture shows: %s' % expected)
    return output


def run(client, system_id, options, **more):
    uuid = submit(client, system_id, options.image, **more)
    wait(client, uuid, options.seconds)
    return uuid, read_scores(client, uuid, options.expect)


def share(client, options, uuid, output):
    """Grants the second user one file, who then reads it, and not the one beside it."""
    system_id, other = options.exec_system, options.share_with
    job = client.jobs.getJob(jobUuid=uuid)
    shared = (job.execSystemOutputDir + '/tapisjob.out').lstrip('/')
    private = (job.execSystemExecDir + '/tapisjob.sh').lstrip('/')

    client.systems.grantUserPerms(systemId=system_id, userName=other, permissions=['READ'])
    for path in ('tapisjob.out', shared):  # the tutorial's own path, which need not exist, and that of the job's file
        grant = client.files.grantPermissions(systemId=system_id, path=path, username=other, permission='READ')
        check(grant.permission == 'READ' and grant.username == other, 'granted %s to %s' % (path, other))
    check(bool(client.files.getContents(systemId=system_id, path=private)), '%s can read %s' % (options.user, private))

    reader = log_in(options.base_url, other, options.share_password)
    check(reader.systems.getSystem(systemId=system_id).id == system_id, '%s sees the system' % other)
    content = reader.files.getContents(systemId=system_id, path=shared)
    check(content == output, '%s reads the same bytes' % other)
    try:
        reader.files.getContents(systemId=system_id, path=private)
        check(False, '%s is refused %s' % (other, private))
    except ForbiddenError:
        check(True, '%s is refused %s' % (other, private))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('base_url')
    arguments.add_argument('--user', default='alice')
    arguments.add_argument('--password', default='alice')
    arguments.add_argument('--exec-system', default='vm-local')
    arguments.add_argument('--hpc-system', help='also runs the second half, on this system')
    arguments.add_argument('--image', default=os.path.join(HERE, 'img-classify', 'pictures', 'star.png'))
    arguments.add_argument('--expect', metavar='LABEL', help='the label that must be the best')
    arguments.add_argument('--share-with', default='train301')
    arguments.add_argument('--share-password', default='train301')
    arguments.add_argument('--seconds', type=float, default=600, help='how long one job may take')
    options = arguments.parse_args()

    client = log_in(options.base_url, options.user, options.password)
    uuid, output = run(client, options.exec_system, options)
    if options.hpc_system:
        run(client, options.hpc_system, options, schedulerOptions=[{'arg': '--tapis-profile tacc'}])
    share(client, options, uuid, output)


if __name__ == '__main__':
    main()
