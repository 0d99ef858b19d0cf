#!/bin/sh
# A worker has no port: it is well while its program runs and Temporal's address can be reached from here.
set -eu
exec node -e '
  const [host, port] = process.env.TEMPORAL_ADDRESS.split(/:(?=\d+$)/);
  const socket = require("net").connect({ host, port: Number(port), timeout: 3000 });
  socket.on("connect", () => process.exit(0)).on("timeout", () => process.exit(1)).on("error", () => process.exit(1));
'
