"""Time nnfast and the libraries that are installed side by side, on the same work, and print the ratios.

python bench/compare.py [--suite mlp ...] [--case TEXT] [--peers torch,jax] [--rounds 7] [--json FILE]

README.md beside this file says how the figures are made.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report, runner
from harness.cases import CASES, PEERS, SUITES


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES), help="default: all")
    parser.add_argument("--case", action="append", help="only cases whose name contains this text; may be repeated")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated; default: every one installed")
    parser.add_argument("--rounds", type=int, default=7, help="times that each side is measured in turn")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of one measurement")
    parser.add_argument("--threads", type=int, default=2, help="threads of every side")
    parser.add_argument("--json", metavar="FILE", help="also write everything measured to this file")
    parser.add_argument("--list", action="store_true", help="print the cases and stop")
    parser.add_argument("--priority", type=int, help="nice value of what is measured, e.g. -15 (one must have the "
                        "right to set it), for a machine that others use too")  # fmt: skip
    options = parser.parse_args(arguments)
    options.peers = options.peers.split(",") if options.peers else []
    unknown = set(options.peers) - set(PEERS)
    if unknown:
        parser.error(f"--peers: expected some of {', '.join(PEERS)}, received {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    options = parse()
    texts = options.case or [""]
    cases = [c for c in CASES if c.suite in options.suite and any(t in c.name for t in texts)]
    if options.list:
        print("\n".join(f"{case.suite:10}  {case.name}" for case in cases))
        return 0
    sides, rows = runner.Sides(options.peers, options.threads, options.priority), []
    try:
        for case in cases:
            rows.append(runner.run(case, sides, options.rounds, options.seconds))
            print(f"{case.name}: {rows[-1].verdict}", file=sys.stderr, flush=True)
    finally:
        versions = sides.versions()
        sides.close()
    print(report.table(rows))
    for note in report.notes(rows):
        print(note)
    print(
        f"\n{options.threads} threads, {options.rounds} rounds; " + ", ".join(f"{k} {v}" for k, v in versions.items())
    )
    if options.json:
        settings = {"threads": options.threads, "rounds": options.rounds, "seconds": options.seconds}
        Path(options.json).write_text(json.dumps(report.document(rows, versions, settings), indent=1))
    return 1 if any(row.verdict in ("failed", "disagrees") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
