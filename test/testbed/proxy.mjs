import { connect, createServer } from 'node:net';

/**
 * A loopback port that leads to another one, for tests of bad networks: `delayMs` each way, and a cable to pull.
 * cut(): open connections hang and new ones are not answered, as when a host vanishes; restore(): as before, the old
 * connections broken; hold(): everything waits where it is; release(): and goes on; drop(): breaks what is open; close(): ends it.
 */
export async function openProxy(target, { delayMs = 0 } = {}) {
  const pairs = new Set();
  let delay = delayMs;
  let isCut = false;
  let isHeld = false;
  const held = [];
  let opened = 0;

  const pump = (from, to) =>
    from.on('data', (chunk) => {
      if (isCut) return; // swallowed: what was sent into a cut cable is gone
      if (isHeld) return held.push(() => to.writable && to.write(chunk));
      if (delay === 0) {
        if (!to.write(chunk)) from.pause();
        return;
      }
      setTimeout(() => {
        if (isHeld) held.push(() => to.writable && to.write(chunk));
        else if (to.writable) to.write(chunk);
      }, delay);
    }) && to.on('drain', () => from.resume());

  const server = createServer({ noDelay: true }, (near) => {
    opened++;
    const far = isCut ? undefined : connect({ host: '127.0.0.1', port: target, noDelay: true });
    const pair = [near, far].filter(Boolean);
    pairs.add(pair);
    const end = () => {
      if (isCut) return;
      setTimeout(() => pair.forEach((socket) => socket.destroy()), delay);
      pairs.delete(pair);
    };
    for (const socket of pair) socket.on('error', () => undefined).on('close', end);
    if (!far) return;
    pump(near, far);
    pump(far, near);
  });
  await new Promise((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));

  const drop = () => {
    for (const pair of pairs) pair.forEach((socket) => socket.destroy());
    pairs.clear();
  };
  return {
    port: server.address().port,
    /** How many connections were asked for so far. */
    opened: () => opened,
    setDelay: (milliseconds) => (delay = milliseconds),
    cut: () => (isCut = true),
    restore: () => {
      drop();
      isCut = false;
    },
    hold: () => (isHeld = true),
    release: () => {
      isHeld = false;
      for (const send of held.splice(0)) send();
    },
    drop,
    close: () => {
      drop();
      return new Promise((done) => server.close(done));
    },
  };
}
