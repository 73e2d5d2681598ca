"""Stop early, with a remedy, where the interpreter is too old to install Clearlung."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is what checks it
    sys.exit(
        f"Clearlung needs Python 3.11 or newer, and this is {sys.version.split()[0]}."
        " Name a newer one: make PYTHON=python3.12 ..."
    )
