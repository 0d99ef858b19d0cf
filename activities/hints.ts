/**
 * Hints inside one process: a look that is under way hears at once that its job ended,
 * without a signal and its events in the history.
 */
export interface Hints {
  /**
   * Listens from now on; `heard` resolves true when the job was hinted at, false after `ms` or when aborted.
   * Listen first and look then: what comes in between is heard.
   */
  listen: (uuid: string, ms: number, signal: AbortSignal) => { heard: Promise<boolean>; stop: () => void };
  /** True where somebody was listening in this process. */
  deliver: (uuid: string) => boolean;
}

export const createHints = (): Hints => {
  const listening = new Map<string, () => void>();
  return {
    listen: (uuid, ms, signal) => {
      let settle: (hinted: boolean) => void = () => undefined;
      const heard = new Promise<boolean>((resolve) => (settle = resolve));
      const stop = (): void => end(false);
      const end = (hinted: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        if (listening.get(uuid) === hear) listening.delete(uuid);
        settle(hinted);
      };
      const hear = (): void => end(true);
      const timer = setTimeout(stop, ms);
      signal.addEventListener('abort', stop);
      listening.set(uuid, hear);
      return { heard, stop };
    },
    deliver: (uuid) => {
      const wake = listening.get(uuid);
      wake?.();
      return wake !== undefined;
    },
  };
};
