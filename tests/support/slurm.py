"""A real Slurm on this machine: a controller and two nodes, each a `slurmd` of its own, in a temporary folder.

Debian's `slurmd` takes several nodes on one machine (``-N``), so no network namespaces are needed. There is no
accounting, as on many small clusters: `sacct` knows nothing, `squeue` and `scontrol` do.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from support.containers import free_port
from support.needs import require

__all__ = ["NODES", "Slurm", "slurm", "until"]

Found = TypeVar("Found")
NODES = ("node1", "node2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch")
#: Without a package's services these are found only here.
ADMINISTRATION = ("/usr/sbin", "/usr/local/sbin")
#: Seconds that a job waits at least before it is started again (Slurm's own: 120), as long as its credentials hold.
AGAIN = 5
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire={again}
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
ReturnToService=2
MailProg=/bin/true
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldPort={ports[0]}
KillWait=5
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm.

    Parameters
    ----------
    folder
        Where it keeps what it knows.
    variables
        What programs need to find it; the names of its nodes lead nowhere, so jobs meet at an address.
    """

    folder: Path
    variables: Mapping[str, str]

    def call(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a command of Slurm; return what it prints."""
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.folder,
            env={**(os.environ if env is None else env), **self.variables},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """Return what the controller knows of a job."""
        words = self.call("scontrol", "--oneliner", "show", "job", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def ended(self, number: str, *, seconds: float = 300) -> dict[str, str]:
        """Wait for the end of a job; return what the controller knows of it."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
        return until(lambda: known if (known := self.job(number))["JobState"] in over else None, seconds)

    def tasks(self, number: str) -> dict[int, int]:
        """Return the processes of a job's step, by the rank of each."""
        found = {}
        for folder in Path("/proc").glob("[1-9]*"):
            with contextlib.suppress(OSError):  # it ended just now, or isn't ours
                pairs = (text.partition("=") for text in (folder / "environ").read_text(errors="replace").split("\0"))
                known = {name: value for name, _, value in pairs}
                own = known.get("SLURM_CONF") == self.variables["SLURM_CONF"]
                task = "SLURM_STEP_ID" in known and known["SLURM_TASK_PID"] == folder.name
                if own and task and known["SLURM_JOB_ID"] == number:
                    found[int(known["SLURM_PROCID"])] = int(folder.name)
        return found


def until(found: Callable[[], Found | None], seconds: float = 120) -> Found:
    """Ask until there is an answer."""
    end = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < end, f"nothing came in {seconds} s"
        time.sleep(0.05)
    return answer


@contextlib.contextmanager
def slurm() -> Iterator[Slurm]:
    """Run a Slurm of two nodes with two processors each; all of it ends with the block."""
    found = os.pathsep.join([os.environ.get("PATH", ""), *ADMINISTRATION])
    missing = [name for name in PROGRAMS if not shutil.which(name, path=found)]
    lacking = f"Slurm is missing ({', '.join(missing)}): apt-get install slurmctld slurmd slurm-client munge"
    require(not missing, lacking)
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a short name: that of a socket is limited
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir()
        text = CONFIGURATION.format(
            folder=folder, host=socket.gethostname().partition(".")[0], user=getpass.getuser(), again=AGAIN,
            ports=[free_port() for _ in range(3)], nodes=NODES,
        )  # fmt: skip
        (folder / "slurm.conf").write_text(text)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        variables = {"SLURM_CONF": str(folder / "slurm.conf"), "MASTER_ADDR": "127.0.0.1", "PATH": found}
        files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{option}={folder}/munge.{name}" for option, name in files.items()]
        _start(stack, folder, variables, ["munged", "--foreground", "--force", *options])
        until((folder / "munge.socket").exists)
        _start(stack, folder, variables, ["slurmctld", "-D"])
        for node in NODES:
            _start(stack, folder, variables, ["slurmd", "-D", "-N", node])
        made = Slurm(folder, variables)
        until(lambda: _idle(made))
        stack.callback(_empty, made)
        yield made


def _idle(made: Slurm) -> bool:
    with contextlib.suppress(AssertionError):  # the controller doesn't answer yet
        return made.call("sinfo", "--noheader", "--format=%D %T").split() == [str(len(NODES)), "idle"]
    return False


def _empty(made: Slurm) -> None:
    with contextlib.suppress(AssertionError):  # a test may have ended the controller
        made.call("scancel", "--user", getpass.getuser())
        until(lambda: not made.call("squeue", "--noheader"), 30)


def _start(stack: contextlib.ExitStack, folder: Path, variables: Mapping[str, str], command: Sequence[str]) -> None:
    log = stack.enter_context((folder / f"{command[0]}{command[-1][-1]}.log").open("wb"))
    environment = {**os.environ, **variables}
    program = shutil.which(command[0], path=variables["PATH"])
    process = subprocess.Popen([str(program), *command[1:]], env=environment, stdout=log, stderr=log)
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
