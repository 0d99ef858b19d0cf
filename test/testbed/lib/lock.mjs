import { adopt, forget, living } from './processes.mjs';
import { say, until } from './run.mjs';

const name = 'lock';

function take() {
  try {
    adopt(name, process.pid, 'wx');
    return true;
  } catch {
    if (!living(name)) forget(name); // its holder was killed
    return false;
  }
}

/** One `up` or `down` at a time. */
export async function withLock(work) {
  if (!take()) {
    say('if another test bed command is at work, this one waits for it (15 minutes at most)');
    await until('the other command ends', take, { seconds: 900, everyMs: 300 });
  }
  try {
    return await work();
  } finally {
    forget(name);
  }
}
