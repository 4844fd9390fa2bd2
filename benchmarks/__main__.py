"""Run every benchmark, each in a process of its own: `python -m benchmarks [NAME ...] [--runs N]`."""

import subprocess
import sys
from pathlib import Path

names = [
    argument for argument in sys.argv[1:] if not argument.startswith("-") and not argument.isdigit()
]
options = [argument for argument in sys.argv[1:] if argument not in names]
every = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
failed = [
    name
    for name in names or every
    if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *options]).returncode
]
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
