"""``python -m parity`` is the ``parity`` command."""

import sys

from parity.circumstances.launch import leave_current_folder

if __name__ == "__main__":
    leave_current_folder(sys.path)

    from parity.commands.cli import main

    raise SystemExit(main())
