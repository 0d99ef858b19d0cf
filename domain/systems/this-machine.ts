/** The users that may use the machine that Kilim itself runs on: those of KILIM_LOCAL_USERS, and administrators. */
export interface MachineUsers {
  listed: readonly string[];
  isAdmin: (user: string) => Promise<boolean>;
}

/** A sentence about the first of these users that may not use this machine; null where all of them may. */
export async function whyNotThisMachine(
  systemId: string,
  users: readonly string[],
  { listed, isAdmin }: MachineUsers,
): Promise<string | null> {
  for (const user of new Set(users)) {
    if (!listed.includes(user) && !(await isAdmin(user)))
      return `host: the system ${systemId} is the machine of this service itself, which ${user} may not use: KILIM_LOCAL_USERS does not name ${user}. Give a port where an sshd listens there.`;
  }
  return null;
}
