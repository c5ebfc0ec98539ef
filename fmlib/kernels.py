"""Kernels of this very interpreter, forked from a process that has already imported what the notebooks import."""

import multiprocessing
import os
import signal
import sys
import tempfile
from contextlib import suppress
from multiprocessing.context import BaseContext
from weakref import WeakSet

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from fmlib.orphans import end_with_parent

FORKS = sys.platform == "linux"  # elsewhere libraries do not stand a fork, and kernels import everything anew
PRELOADED = "fmlib.preload"  # the module with all that notebooks import
_kernels: "WeakSet[Kernel]" = WeakSet()


def preload() -> None:
    """Begin to import what the notebooks import, in the process that kernels are forked from; returns at once."""
    if FORKS:
        from multiprocessing import forkserver

        _context()
        forkserver.ensure_running()


def _context() -> BaseContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


class Kernel(AsyncKernelManager):
    """A kernel of this interpreter, whatever is registered on the machine; it is spoken to by files, not by ports.

    Ports are chosen first and opened later, so that kernels which start at once may collide (still so on Windows).
    """

    def __init__(self, **traits):
        self.folder = tempfile.TemporaryDirectory(prefix="fmlib-", dir=_short(), ignore_cleanup_errors=True)
        transport = "ipc" if os.name == "posix" else "tcp"
        super().__init__(connection_file=f"{self.folder.name}/k.json", transport=transport, **traits)
        _kernels.add(self)

    @property
    def kernel_spec(self) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        how = {"kernel_provisioner": {"provisioner_name": "fmlib-forked"}} if FORKS else {}
        return KernelSpec(argv=argv, display_name="Python 3", language="python", metadata=how)

    def cleanup_resources(self, restart: bool = False):
        if not restart:
            _kernels.discard(self)
            self.folder.cleanup()
        return super().cleanup_resources(restart=restart)

    def kill(self) -> None:
        """Kill the kernel and everything that it started."""
        process = self.provisioner.process if self.provisioner else None
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()


def _short() -> str | None:
    """A folder for sockets, whose paths may be some 100 letters long at most; None: the usual one will do."""
    return "/tmp" if os.name == "posix" and len(tempfile.gettempdir()) > 60 else None


def kill_kernels() -> None:
    """Kill every kernel that is running now; the notebooks in them fail."""
    for kernel in list(_kernels):
        kernel.kill()


class Forked(LocalProvisioner):
    """Starts a kernel as a fork of a process that has imported what the notebooks need; none imports it anew."""

    async def launch_kernel(self, cmd: list[str], **settings):
        file = cmd[cmd.index("-f") + 1]
        self.process = Process(file, settings["env"], settings.get("cwd") or os.getcwd())
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class Process:
    """A forked kernel, with as much of `subprocess.Popen` as a provisioner uses."""

    stdin = stdout = stderr = None

    def __init__(self, file: str, environment: dict[str, str], folder: str):
        self._process = _context().Process(target=serve, args=(file, environment, folder))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        self._process.terminate()


def serve(file: str, environment: dict[str, str], folder: str) -> None:
    """Be a kernel: with this connection file, these environment variables, and this working folder."""
    import torch
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    if threads := environment.get("OMP_NUM_THREADS"):
        # the variable itself was read by the process that has been forked; OpenMP takes a number per nested level
        torch.set_num_threads(int(threads.split(",")[0]))
    IPKernelApp.launch_instance(["-f", file, f"--IPKernelApp.parent_handle={os.getppid()}"])
