/** What a run used, as its wrapper measured it; null where the host cannot tell. */
export interface Usage {
  /** Between start and end, by the host's clock. */
  elapsedMs: number | null;
  /** User and system time of the whole job, with its steps on all nodes. */
  cpuMs: number | null;
  /** Highest memory of the job on the node of its wrapper, by its cgroup. */
  peakMemoryKB: number | null;
}

/** As clients see it on the job's record. */
export const usageRecord = (usage: Usage, nodes: number): Record<string, number | null> => ({
  elapsedSeconds: inSeconds(usage.elapsedMs),
  cpuSeconds: inSeconds(usage.cpuMs),
  peakMemoryMB: usage.peakMemoryKB === null ? null : Math.ceil(usage.peakMemoryKB / 1024),
  nodes,
});

const inSeconds = (ms: number | null): number | null => (ms === null ? null : Math.round(ms) / 1000);

/** What was used beside what was asked for: what a person reads. */
export function usageInWords({ cpuMs, peakMemoryKB }: Usage, memoryMB: number): string[] {
  const memory = peakMemoryKB === null ? null : Math.ceil(peakMemoryKB / 1024);
  return [
    ...(cpuMs === null ? [] : [`used ${(cpuMs / 1000).toFixed(1)} seconds of processor time`]),
    ...(memory === null ? [] : [`asked for ${memoryMB} MB of memory, used ${memory} MB`]),
  ];
}

/** Words of a wrapper: milliseconds of processor time and KiB of memory, `-` for what it could not learn. */
export const usageOf = (elapsedMs: number | undefined, cpu?: string, peak?: string): Usage | undefined => {
  if (!cpu) return undefined; // a record of an earlier wrapper
  const [cpuMs, peakMemoryKB] = [numberOf(cpu), numberOf(peak)];
  return {
    elapsedMs: elapsedMs !== undefined && Number.isFinite(elapsedMs) ? elapsedMs : null,
    cpuMs,
    peakMemoryKB,
  };
};

const numberOf = (word?: string): number | null => (word && /^\d{1,15}$/.test(word) ? Number(word) : null);
