/** Runs something and says for how many milliseconds at most it held the event loop: processor time, whatever else runs. */
export async function heldBy(work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  let last = process.cpuUsage();
  const look = (): void => {
    const used = process.cpuUsage(last);
    last = process.cpuUsage();
    most = Math.max(most, (used.user + used.system) / 1000);
  };
  const timer = setInterval(look, 5);
  await work();
  look();
  clearInterval(timer);
  return most;
}
