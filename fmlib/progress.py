"""Progress bars that `TQDM_DISABLE=1` hides.

tqdm reads its variables once, when it is imported, and what is said in a call wins over them.
"""

import os

from tqdm import auto


class tqdm(auto.tqdm):
    """A progress bar of tqdm's."""

    def __init__(self, *args, disable: bool | None = False, **settings):
        hidden = bool(os.environ.get("TQDM_DISABLE"))
        super().__init__(*args, disable=hidden or disable, **settings)
