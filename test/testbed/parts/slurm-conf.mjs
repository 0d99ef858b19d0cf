/** slurm.conf for a cluster of one node, this machine, which pretends to be big. */
export const slurmConf = ({ name, clusterName, ports, accounting, memoryLimit, firstJobId }) => `
ClusterName=${clusterName}
SlurmctldHost=${name}(127.0.0.1)
SlurmctldPort=${ports.slurmctld}
SlurmdPort=${ports.slurmd}
AuthType=auth/munge
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
# without these two the daemons would listen on every address of the machine
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=/var/lib/slurm/slurmctld
SlurmdSpoolDir=/var/lib/slurm/slurmd-%n
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd-%n.pid
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd-%n.log
ProctrackType=proctrack/linuxproc
${MEMORY_LIMIT[memoryLimit]}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=300
SlurmdTimeout=30
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# without a default, a job that asks for no memory gets the whole node
DefMemPerNode=1000
# far more cores than there are: many tiny jobs run at once
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=5,default_queue_depth=200
MaxJobCount=20000
# a cluster made anew does not give the same numbers again
FirstJobId=${firstJobId}
${accounting ? accountingConf(ports) : 'AccountingStorageType=accounting_storage/none'}
NodeName=${name} NodeHostname=${name} NodeAddr=127.0.0.1 Port=${ports.slurmd} CPUs=64 RealMemory=256000 State=UNKNOWN
# jobs of the partition lent give way to those of normal; both share the node alike, for a job of a partition
# that does not would wait until no job of the other runs on it
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
PartitionName=normal Nodes=ALL Default=YES State=UP MaxTime=2-00:00:00 OverSubscribe=FORCE:8 PriorityTier=10
PartitionName=lent Nodes=ALL State=UP MaxTime=2-00:00:00 OverSubscribe=FORCE:8 PriorityTier=1
PartitionName=closed Nodes=ALL State=DOWN MaxTime=2-00:00:00
`;

/** Sites differ, and so does the word for a job that took too much: OUT_OF_MEMORY from the kernel, FAILED from polling. */
const MEMORY_LIMIT = {
  kernel: 'TaskPlugin=task/cgroup',
  polling: 'TaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill',
};

export const cgroupConf = `
CgroupPlugin=cgroup/v1
CgroupMountpoint=/sys/fs/cgroup
ConstrainRAMSpace=yes
`;

const accountingConf = (ports) => `
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=${ports.slurmdbd}
AccountingStorageEnforce=associations,limits,qos`;

export const slurmdbdConf = ({ name, ports, databasePassword }) => `
AuthType=auth/munge
DbdHost=${name}
DbdAddr=127.0.0.1
DbdPort=${ports.slurmdbd}
SlurmUser=root
CommunicationParameters=NoInAddrAny
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=${databasePassword}
StorageLoc=slurm_acct_db
LogFile=/var/log/slurm/slurmdbd.log
PidFile=/run/slurmdbd.pid
`;
