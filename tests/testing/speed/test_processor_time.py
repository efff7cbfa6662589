"""Seconds of processor of a program with everything that it starts."""

import subprocess
import sys

import pytest

from hpscli.testing.speed.processor_time import ProcessorTime

BUSY = "import time\nwhile time.process_time() < 1: pass"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BUSY!r}]).wait()"


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_the_time_of_a_child_of_a_child_counts() -> None:
    program = subprocess.Popen([sys.executable, "-c", PARENT])
    with program, ProcessorTime(program.pid) as processor:
        program.wait()
    assert processor.seconds is not None
    assert 0.4 < processor.seconds < 2
