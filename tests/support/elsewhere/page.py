"""Run the blocks of a page one after the other, as a notebook does; say what each printed."""

import contextlib
import io
import json
import sys


def run(blocks: list[str]) -> list[str]:
    """Run the blocks in one namespace."""
    names = {"__name__": "__main__"}
    said = []
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            exec(compile(block, "a page", "exec"), names)
        said.append(output.getvalue())
    return said


# The processes of a cluster read this file again.
if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
