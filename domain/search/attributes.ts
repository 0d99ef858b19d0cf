import { KilimError } from '../errors.js';
import { OPERATORS, type Operator } from './condition.js';

/** `document`: known, can be selected, but neither searched nor ordered by. */
export type AttributeKind = 'string' | 'number' | 'timestamp' | 'boolean' | 'array' | 'document';

/** The attributes of one kind of record: every name that users may write, camelCase or snake_case. */
export interface AttributeTable {
  what: string;
  /** Kind by camelCase name. */
  kinds: Readonly<Record<string, AttributeKind>>;
}

export interface Attribute {
  /** camelCase, as on the wire. */
  name: string;
  kind: AttributeKind;
}

function tableOf(what: string, names: Record<AttributeKind, string>): AttributeTable {
  const all = (Object.entries(names) as [AttributeKind, string][]).flatMap(([kind, list]) =>
    list.split(/\s+/).map((name): Attribute => ({ name, kind })),
  );
  return {
    what,
    kinds: Object.fromEntries(all.map(({ name, kind }) => [name, kind])),
  };
}

const written = new WeakMap<AttributeTable, ReadonlyMap<string, Attribute>>();

/** The attributes of a table by their names in camel case and in snake case; the map is made once for each table. */
function attributesOf(table: AttributeTable): ReadonlyMap<string, Attribute> {
  const made =
    written.get(table) ??
    new Map(
      Object.entries(table.kinds).flatMap(([name, kind]) =>
        [toSnakeCase(name), name].map((one) => [one, { name, kind }] as const),
      ),
    );
  written.set(table, made);
  return made;
}

/** `remoteJobId2` → `remote_job_id2`, `memoryMB` → `memory_mb`. */
export function toSnakeCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
}

export const JOB_ATTRIBUTES = tableOf('jobs', {
  string: `uuid name owner tenant description status condition lastMessage appId appVersion jobType archiveMode execSystemId
    execSystemExecDir execSystemInputDir execSystemOutputDir execSystemLogicalQueue execSystemConstraints archiveSystemId
    archiveSystemDir dtnSystemId dtnSystemInputDir dtnSystemOutputDir remoteJobId remoteJobId2 remoteOutcome remoteResultInfo
    remoteQueue inputTransactionId inputCorrelationId archiveTransactionId archiveCorrelationId stageAppTransactionId
    stageAppCorrelationId dtnInputTransactionId dtnInputCorrelationId dtnOutputTransactionId dtnOutputCorrelationId tapisQueue
    createdby createdbyTenant mpiCmd cmdPrefix sharedAppCtx`,
  number: 'id nodeCount coresPerNode memoryMB maxMinutes blockedCount remoteSubmitRetries remoteChecksSuccess remoteChecksFailed',
  timestamp: 'created ended lastUpdated remoteSubmitted remoteStarted remoteEnded remoteLastStatusCheck',
  boolean: 'archiveOnAppError dynamicExecSystem visible isMpi mpi',
  array: 'tags sharedAppCtxAttribs',
  document: 'parameterSet fileInputs subscriptions notes kilimUsage',
}); // prettier-ignore

export const SYSTEM_ATTRIBUTES = tableOf('systems', {
  string: `id uuid tenant owner description systemType host effectiveUserId defaultAuthnMethod bucketName rootDir proxyHost
    dtnSystemId parentId mpiCmd jobWorkingDir batchScheduler batchDefaultLogicalQueue batchSchedulerProfile importRefId`,
  number: 'port proxyPort jobMaxJobs jobMaxJobsPerUser',
  timestamp: 'created updated',
  boolean: 'enabled deleted useProxy canExec canRunBatch enableCmdPrefix allowChildren isPublic isDynamicEffectiveUser',
  array: 'tags',
  document: 'jobRuntimes jobEnvVariables batchLogicalQueues jobCapabilities notes',
}); // prettier-ignore

export const APP_ATTRIBUTES = tableOf('apps', {
  string: 'id version uuid tenant owner description containerImage runtime runtimeVersion jobType',
  number: 'maxJobs maxJobsPerUser',
  timestamp: 'created updated',
  boolean: 'enabled versionEnabled deleted locked strictFileInputs isPublic',
  array: 'tags runtimeOptions',
  document: 'jobAttributes notes',
});

const ORDER = ['eq', 'neq', 'lt', 'lte', 'gt', 'gte'] as const;

/** Which operators a kind of attribute has (specification: jobs §1.6). */
export const OPERATORS_OF: Readonly<Record<AttributeKind, readonly Operator[]>> = {
  string: [...ORDER, 'in', 'nin', 'like', 'nlike', 'between', 'nbetween'],
  number: [...ORDER, 'in', 'nin', 'between', 'nbetween'],
  timestamp: [...ORDER, 'between', 'nbetween'],
  boolean: ['eq', 'neq'],
  array: ['contains', 'ncontains', 'in', 'nin'],
  document: [],
};

/**
 * @param field where it was written, for the error
 * @throws KilimError INVALID_REQUEST for a name that is none or not known
 */
export function getAttribute(table: AttributeTable, asked: string, field?: string): Attribute {
  const where = field ? `${field}: ` : '';
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(asked))
    throw new KilimError(
      'INVALID_REQUEST',
      `${where}"${asked.slice(0, 80)}" is not the name of an attribute`,
    );
  const attribute = attributesOf(table).get(asked);
  if (!attribute)
    throw new KilimError(
      'INVALID_REQUEST',
      `${where}${table.what} have no attribute "${asked.slice(0, 80)}"; known are ${Object.keys(table.kinds).sort().join(', ')}`,
    );
  return attribute;
}

/** @throws KilimError INVALID_REQUEST for what is no operator (in any letter case) */
export function getOperator(attribute: string, written: string): Operator {
  const operator = OPERATORS.find((known) => known === written.toLowerCase());
  if (!operator)
    throw new KilimError(
      'INVALID_REQUEST',
      `${attribute}: "${written}" is not an operator; there are ${OPERATORS.join(' ')}`,
    );
  return operator;
}
