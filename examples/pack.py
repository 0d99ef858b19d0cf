#!/usr/bin/env python3
"""Packs the example application as the ZIP runtime wants it: flat, the entry point executable.

usage: pack.py OUTPUT          a name that ends in .tar.gz, .tgz or .tar gives that (for hosts without unzip)

The same files give the same bytes. An existing package is replaced in one step, so that no job meets half of it.
"""
import gzip
import io
import os
import sys
import tarfile
import zipfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'img-classify')
MODES = {
    'tapisjob_app.sh': 0o755,
    'tapisjob.manifest': 0o644,
    'classify.py': 0o644,
    'read_picture.py': 0o644,
    'model.json': 0o644,
}


def zip_bytes(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_STORED) as package:  # what deflate gives differs between zlib versions
        for name, mode, data in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix: the upper half of external_attr is the mode
            entry.external_attr = (0o100000 | mode) << 16
            package.writestr(entry, data)
    return out.getvalue()


def tar_bytes(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT) as package:
        for name, mode, data in files:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(data)
            package.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def read_files():
    for name, mode in MODES.items():
        with open(os.path.join(SOURCE, name), 'rb') as file:
            yield name, mode, file.read()


def main():
    if len(sys.argv) != 2:
        sys.exit('usage: pack.py OUTPUT.zip|OUTPUT.tar.gz')
    output = os.path.abspath(sys.argv[1])
    if output.endswith('.zip'):
        data = zip_bytes(read_files())
    elif output.endswith(('.tar', '.tar.gz', '.tgz')):
        data = tar_bytes(read_files())
        data = data if output.endswith('.tar') else gzip.compress(data, mtime=0)
    else:
        sys.exit('pack.py: the name must end in .zip, .tar, .tar.gz or .tgz: %s' % output)
    os.makedirs(os.path.dirname(output), exist_ok=True)
    half = '%s.%d' % (output, os.getpid())
    with open(half, 'wb') as file:
        file.write(data)
    os.replace(half, output)


if __name__ == '__main__':
    main()
