"""Execute a notebook with papermill, in a kernel of this very interpreter that never outlives the call."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill import execute_notebook, inspect_notebook
from papermill.exceptions import PapermillExecutionError
from papermill.log import logger

from fmlib import errors
from fmlib.errors import FmlibError, known
from fmlib.kernels import Kernel

logger.setLevel("CRITICAL")  # what fails is said once, in a sentence of ours
DEAD = "its kernel died; most often the machine ran out of memory"
STARTING = 600  # seconds that a kernel may take to start
SLOW = f"its kernel did not answer within {STARTING} s of its start; try again when the machine is less busy"
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Failure:
    """Why a notebook did not finish: its name, the cell (if one is to blame), and one line of reason."""

    notebook: str
    cell: str
    reason: str
    misuse: bool = False  # the request was wrong, rather than something having failed

    def __str__(self) -> str:
        return f"{self.notebook}{', ' if self.cell else ''}{self.cell}: {self.reason}"


def check_parameters(path: Path, parameters: dict) -> None:
    """Raise UsageError if the notebook at `path` has no such parameter."""
    declared = inspect_notebook(_literal(path))
    for name in parameters:
        known(f"parameter of {path.name}", name, tuple(declared))


def execute(
    path: Path, parameters: dict, *, limit: int | None = None, on_cell: Callable[[], None] = lambda: None
) -> tuple[NotebookNode, Failure | None]:
    """Run a notebook in its own folder with these parameters.

    Args:
        limit: seconds that one cell may take; no limit by default.
        on_cell: called after each code cell, from the thread that runs the notebook.

    Returns:
        The executed notebook, as far as it came, and the failure if there was one.
    """
    check_parameters(path, parameters)
    with tempfile.TemporaryDirectory(prefix="fmlib-") as folder:
        executed = Path(folder) / path.name
        try:
            execute_notebook(
                _literal(path),
                _literal(executed),
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                kernel_manager_class=Kernel,
                shutdown_kernel="immediate",
                execution_timeout=limit,
                start_timeout=STARTING,
                resources={"metadata": {"path": str(path.parent)}},
                on_cell_executed=lambda **_: on_cell(),
            )
        except (PapermillExecutionError, DeadKernelError, CellTimeoutError) as error:
            notebook = still(nbformat.read(executed, as_version=4))
            return notebook, _failure(path.stem, notebook, error)
        except RuntimeError as error:  # nbclient's, of a kernel that does not answer at first
            if "kernel" not in str(error).lower():
                raise
            reason = SLOW if "respond" in str(error) else DEAD
            return nbformat.read(path, as_version=4), Failure(path.stem, "", reason)
        return still(nbformat.read(executed, as_version=4)), None


def still(notebook: NotebookNode) -> NotebookNode:
    """The notebook without widgets, which need a kernel: their pictures stay, progress bars go."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        outputs = [output for output in cell.get("outputs", []) if not _lifeless(output)]
        for output in outputs:
            output.get("data", {}).pop(WIDGET, None)
        if "outputs" in cell:
            cell.outputs = outputs
    return notebook


def _lifeless(output: NotebookNode) -> bool:
    """Whether nothing but a widget is shown."""
    data = output.get("data", {})
    return WIDGET in data and not any(kind.startswith("image/") for kind in data)


def _literal(path: Path) -> str:
    """The path as papermill wants it: it reads braces as places for parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _failure(name: str, notebook: NotebookNode, error: Exception) -> Failure:
    cell = _place(notebook)
    if isinstance(error, DeadKernelError):
        return Failure(name, cell, DEAD)
    if isinstance(error, CellTimeoutError):
        return Failure(name, cell, "the cell took longer than the limit set for one cell")
    kind = getattr(errors, error.ename, None)
    line = " ".join(error.evalue.split()) or "no message"
    if isinstance(kind, type) and issubclass(kind, FmlibError):
        return Failure(name, cell, line, misuse=kind.exit_status == 2)
    return Failure(name, cell, f"{error.ename}: {line}")


def _place(notebook: NotebookNode) -> str:
    """The cell that was begun last, as its number in the notebook's source and its first line."""
    cells = [
        cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    begun = [i for i, cell in enumerate(cells) if cell.metadata.get("papermill", {}).get("start_time")]
    if not begun:
        return ""
    index = begun[-1]
    first = next((line for line in cells[index].source.splitlines() if line.strip()), "")
    injected = any("injected-parameters" in cell.metadata.get("tags", []) for cell in cells[:index])
    return f"cell {index + 1 - injected} (`{first.strip()[:80]}`)"
