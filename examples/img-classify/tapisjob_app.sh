#!/bin/sh
# The entry point, in the ZIP package and in the container images alike: tapisjob_app.sh --image_file PATH_OR_HTTP_URL
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
for python in python3 /usr/bin/python3 /usr/local/bin/python3 python; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -B "$here/classify.py" "$@" # -B: the folder may be read-only, or somebody else's
  fi
done
echo 'img-classify: needs Python 3.6 or newer, and there is no python3 on the PATH.' >&2
exit 1
