/**
 * Hints inside one process: a look that is under way hears at once that its job ended,
 * without a signal and its events in the history.
 */
export interface Hints {
  /** Resolves true when the job was hinted at, false after `ms` or when aborted. */
  wait: (uuid: string, ms: number, signal: AbortSignal) => Promise<boolean>;
  /** True where somebody was waiting in this process. */
  deliver: (uuid: string) => boolean;
}

export const createHints = (): Hints => {
  const waiting = new Map<string, () => void>();
  return {
    wait: (uuid, ms, signal) =>
      new Promise((resolve) => {
        const settle = (hinted: boolean) => (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', giveUp);
          waiting.delete(uuid);
          resolve(hinted);
        };
        const giveUp = settle(false);
        const timer = setTimeout(giveUp, ms);
        signal.addEventListener('abort', giveUp);
        waiting.set(uuid, settle(true));
      }),
    deliver: (uuid) => {
      const wake = waiting.get(uuid);
      wake?.();
      return wake !== undefined;
    },
  };
};
