"""What every test shares: the reference folder, a home of its own, one thread."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # tests run side by side

# No deadlines: a busy machine stands still for longer. In CI the same examples each time, so that a
# change is not refused for what it did not do; everywhere else new ones.
settings.register_profile(
    "hps",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hps")

REFERENCE = Path(
    os.environ.get("HPS_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)
FILLED = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of goldens of the official code; without it there is nothing to compare with."""
    if not REFERENCE.is_dir():
        pytest.skip("no reference folder (HPS_REFERENCE)")
    return REFERENCE


def pytest_configure(config: pytest.Config) -> None:
    """Weights of goldens are drawn once a run: processes that run tests share one folder."""
    if "HPS_FILLED" not in os.environ:
        os.environ["HPS_FILLED"] = config.stash[FILLED] = tempfile.mkdtemp(prefix="hps-filled-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that made the folder removes it."""
    if FILLED in config.stash:
        shutil.rmtree(os.environ.pop("HPS_FILLED"), ignore_errors=True)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A developer's assets and plugins must not change a result: every test gets an empty home."""
    home = tmp_path_factory.mktemp("hps-home")
    monkeypatch.setenv("HPS_HOME", str(home))
    for name in ("HPS_PLUGINS", "HPS_DISABLE", "HPS_DEBUG", "HPS_DATA"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(autouse=True)
def one_large_network_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Two of the largest would need more memory than a laptop has: the others wait at a lock."""
    if request.node.get_closest_marker("large") is None:
        yield
        return
    with (Path(os.environ["HPS_FILLED"]) / "large.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
