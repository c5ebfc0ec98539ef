"""JupyterLab's choice of kernels, narrowed to the one that works here: `make lab` names this class."""

import sys

from ipykernel.kernelspec import RESOURCES
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager, NoSuchKernel

from fmlib.config import pin_places


class ThisInterpreter(KernelSpecManager):
    """Offers the interpreter that runs the server and no other, whatever kernels the machine has registered."""

    def __init__(self, **traits):
        pin_places()
        super().__init__(**traits)

    def find_kernel_specs(self) -> dict[str, str]:
        """Return the only kernel, `python3`, and the folder of its logos."""
        return {NATIVE_KERNEL_NAME: RESOURCES}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the specification of `python3`.

        Raises:
            NoSuchKernel: any other name; JupyterLab then offers the choice of those there are.
        """
        if kernel_name != NATIVE_KERNEL_NAME:
            raise NoSuchKernel(kernel_name)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        facts = {"display_name": "Python 3 (fmlib)", "language": "python", "metadata": {"debugger": True}}
        return KernelSpec(argv=argv, resource_dir=RESOURCES, **facts)
