import type { OptionTable } from './options.js';

const RESERVED = ['--env', '--env-file', '--name', '--pidfile', '--pid-file'];

/** What users may pass to an instance (specification: jobs §6.4, common part); short names on the left. */
export const INSTANCE_OPTIONS: OptionTable = {
  flags: [
    '--cleanenv', '--compat', '--contain', '--containall', '--disable-cache', '--net', '--no-home', '--no-init', '--no-privs',
    '--no-umask', '--nohttps', '--nv', '--nvcli', '--rocm', '--userns', '--uts', '--writable', '--writable-tmpfs',
  ],
  single: [
    '--add-caps', '--dns', '--drop-caps', '--home', '--hostname', '--network', '--pem-path', '--workdir',
  ],
  repeatable: [
    '--bind', '--fusemount', '--mount', '--network-args', '--no-mount', '--overlay', '--scratch', '--security',
  ],
  aliases: {
    '-B': '--bind', '-e': '--cleanenv', '-c': '--contain', '-C': '--containall', '-H': '--home', '-n': '--net', '-O': '--overlay',
    '-S': '--scratch', '-U': '--userns', '-W': '--workdir', '-w': '--writable',
  },
  reserved: RESERVED,
}; // prettier-ignore

/** What users may pass to a run: the common part and the options of `singularity run` alone. */
export const RUN_OPTIONS: OptionTable = {
  flags: [...INSTANCE_OPTIONS.flags, '--ipc', '--nonet', '--pid', '--vm', '--vm-err'],
  single: [...INSTANCE_OPTIONS.single, '--app', '--pwd', '--vm-cpu', '--vm-ip', '--vm-ram'],
  repeatable: INSTANCE_OPTIONS.repeatable,
  aliases: { ...INSTANCE_OPTIONS.aliases, '-i': '--ipc', '-p': '--pid' },
  reserved: RESERVED,
};
