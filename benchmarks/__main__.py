"""Run the benchmarks: ``python -m benchmarks [NAME ...]``."""

import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> None:
    """Run the named benchmarks, or all."""
    wanted = sys.argv[1:] or NAMES
    unknown = set(wanted) - set(NAMES)
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in wanted:
        import_module(f"benchmarks.bench_{name}").run()


if __name__ == "__main__":
    main()
