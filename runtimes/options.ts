import type { PlannedArg } from '../domain/jobs/job-plan.js';
import { quote } from '../domain/shell.js';

/** Which options of a command line users may pass. */
export interface OptionTable {
  flags: readonly string[];
  single: readonly string[];
  repeatable: readonly string[];
  aliases: Readonly<Record<string, string>>;
  reserved: readonly string[];
}

/** One element is one option: `opt`, `opt value` or `opt=value` (specification: jobs §6.2). */
export const parseOption = (table: OptionTable, text: string): { name: string; value: string | null } => {
  const [, word = '', value] = /^(\S+?)(?:[=\s]\s*(.*))?$/s.exec(text.trim()) ?? [];
  return { name: table.aliases[word] ?? word, value: value === undefined || value === '' ? null : value };
};

/** A sentence for each element that cannot be passed on. */
export const optionFaults = (table: OptionTable, args: readonly PlannedArg[]): string[] =>
  args.flatMap(({ arg: text }) => {
    const { name, value } = parseOption(table, text);
    const says = (rule: string): string[] => [`parameterSet.containerArgs: "${text.slice(0, 120)}" ${rule}`];
    if (table.reserved.includes(name)) return says(`is set by Kilim itself`);
    if (table.flags.includes(name)) return value === null ? [] : says('takes no value');
    if (!table.single.includes(name) && !table.repeatable.includes(name))
      return says('is not an option that can be passed');
    if (value === null) return says('needs a value: "option value" or "option=value" in one element');
    return /[\s]/.test(value) ? says('has a blank in its value') : [];
  });

/**
 * The options as words of a command line, under their long names. Name and value are one word, so that no value can be taken
 * for an option.
 */
export const phraseOptions = (table: OptionTable, args: readonly PlannedArg[]): string[] =>
  args
    .map(({ arg }) => parseOption(table, arg))
    .map(({ name, value }) => (value === null ? name : quote(`${name}=${value}`)));
