import { mkdtempSync, rmSync } from 'node:fs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A new folder for a copy of the database. It is removed also where Ctrl-C or a signal ends the command. */
export function aScratchFolder(prefix: string): { folder: string; remove: () => void } {
  const folder = mkdtempSync(prefix);
  const clear = (): void => rmSync(folder, { recursive: true, force: true });
  const interrupted = (signal: NodeJS.Signals): void => {
    clear();
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, interrupted);
  return {
    folder,
    remove() {
      for (const signal of SIGNALS) process.removeListener(signal, interrupted);
      clear();
    },
  };
}
