"""Our pages in a real browser without a screen: pictures decode, charts have bars, nothing is fetched.

Needs the Debian package chromium.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.cli.app import run
from hpscli.metrics.results import read_result, write_result
from hpscli.metrics.rules import Curve, Table
from hpscli.render.pictures import read_image
from hpscli.run.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(BROWSER is None, reason="needs the Debian package chromium"),
]
SECONDS = 120.0
WIDTH, HEIGHT = 1200, 3600  # px of the window
PROBE = """
<script>
const said = {errors: []};
window.addEventListener('error', event => said.errors.push(String(event.message)));
window.addEventListener('load', () => {
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const size = one => { const box = one.getBoundingClientRect(); return [box.width, box.height]; };
  said.images = [...document.images].map(one => [one.complete, one.naturalWidth]);
  said.charts = [...document.querySelectorAll('svg')].map(one => ({
    name: one.getAttribute('aria-label'), size: size(one),
    bars: [...one.querySelectorAll('rect')].filter(bar => size(bar)[0] > 0 && size(bar)[1] >= 0).length,
    points: one.querySelectorAll('circle, polyline').length,
    outside: [...one.querySelectorAll('text')].filter(text => {
      const a = text.getBoundingClientRect(), b = one.getBoundingClientRect();
      return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;
    }).map(text => text.textContent)}));
  said.fetched = performance.getEntriesByType('resource').map(one => one.name)
    .filter(name => !name.startsWith('data:'));
  said.wide = document.documentElement.scrollWidth > window.innerWidth;
  const text = document.createElement('pre');
  text.id = 'probe';
  text.textContent = JSON.stringify(said);
  document.body.append(text);
});
</script>
"""


@dataclass(frozen=True)
class Seen:
    """What a browser says of a page."""

    images: list[tuple[bool, int]]
    charts: list[dict]
    fetched: list[str]
    errors: list[str]
    wide: bool
    console: str


def browse(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a screen -> what it printed."""
    assert BROWSER is not None
    flags = ["--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # its sandbox refuses root
    done = subprocess.run(
        [BROWSER, *flags, *words], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def look(page: Path, width: int = WIDTH) -> Seen:
    """A page -> what a browser made of it; a copy with a script is opened."""
    copy = page.with_name(f"probe-{page.name}")
    copy.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    done = browse(
        "--dump-dom", "--enable-logging=stderr", f"--window-size={width},{HEIGHT}", copy.as_uri()
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:]
    said = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return Seen(console=console, **said)


def screenshot(page: Path, name: str, *flags: str) -> np.ndarray:
    """A page -> its picture (H,W,3)."""
    file = page.with_name(name)
    browse(*flags, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={file}", page.as_uri())
    return read_image(file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation with pictures, its report, and the report of a result that has everything."""
    folder = tmp_path_factory.mktemp("pages")
    words = ["eval", "--testset", "synthetic", "--visualize", "--out", str(folder / "plain.json")]
    assert run([*words, "-q"]) == 0
    result = read_result(folder / "plain.json")
    count = len(result.keys)
    distances = np.random.RandomState(0).gamma(4.0, 20.0, (count, 24))
    distances[:3, 5] = np.nan
    names, thresholds = joint_set("smpl24").joints, tuple(float(x) for x in range(0, 155, 5))
    shares = tuple(float((distances < limit).mean() * 100) for limit in thresholds)
    means = tuple(
        (name, float(mean)) for name, mean in zip(names, np.nanmean(distances, axis=0), strict=True)
    )
    full = replace(
        result,
        details={"joint_errors_mm": distances},
        tables={
            "joints": Table(title="Joints", columns=("joint", "MPJPE"), rows=means, unit="mm"),
            "actions": Table(
                title="Actions",
                columns=("action", "MPJPE", "people"),
                rows=(("WalkingTheDogInTheRain", 71.5, 30), ("Sitting", 98.2, count - 30)),
                unit="mm",
            ),
        },
        curves={
            "pck": Curve(
                title="Joints nearer than a threshold",
                x_label="threshold, mm",
                y_label="PCK, %",
                x=thresholds,
                lines={"all": shares, "half": tuple(share / 2 for share in shares)},
            )
        },
        sequences=tuple(f"a_rather_long_name_of_a_video_{i % 3}" for i in range(count)),
        notes=("A note of the rule, <b>not bold</b>.",),
        official_text="Evaluation 3D KP results:\nauc=0.000\n",
    )
    file = write_result(folder / "full.json", full)
    write_report(file, full, pictures={"worst, median, best": folder / "plain.people.png"})
    other = {name: values + 3.0 for name, values in full.errors.items()}
    write_result(folder / "other.json", replace(full, errors=other))
    return folder


def test_a_whole_report_draws_everything_and_fetches_nothing(folder: Path) -> None:
    seen = look(folder / "full.html")
    assert not seen.errors and not seen.console and not seen.fetched and not seen.wide
    assert seen.images and all(done and width > 100 for done, width in seen.images)
    bars = {chart["name"]: chart["bars"] for chart in seen.charts}
    assert bars["error of each joint"] == 24 and bars["Histogram of MPJPE"] == 40
    assert any("Actions" in name for name in bars) and any("Videos" in name for name in bars)
    lines = {chart["name"]: chart["points"] for chart in seen.charts}
    assert lines["Joints nearer than a threshold"] == 2
    assert all(chart["size"][0] > 100 and chart["size"][1] > 50 for chart in seen.charts)
    assert not [text for chart in seen.charts for text in chart["outside"]]


def test_the_report_that_an_evaluation_writes_shows_its_people(folder: Path) -> None:
    seen = look(folder / "plain.html")
    assert not seen.errors and not seen.console and not seen.fetched and not seen.wide
    assert seen.images and all(done and width > 400 for done, width in seen.images)
    assert {"Histogram of MPJPE", "error of each joint"} <= {c["name"] for c in seen.charts}
    assert not [text for chart in seen.charts for text in chart["outside"]]


def test_it_fits_a_narrow_window(folder: Path) -> None:
    assert not look(folder / "full.html", width=500).wide


def test_it_can_be_seen_by_day_by_night_and_on_paper(folder: Path) -> None:
    day = screenshot(folder / "full.html", "day.png")
    night = screenshot(folder / "full.html", "night.png", "--force-dark-mode")
    assert day.mean() > 200 and night.mean() < 80  # paper with ink, ink with light
    assert day.std() > 20 and night.std() > 20
    assert all(part.std() > 5 for part in np.array_split(day, 4)[:3])  # nothing is left blank
    browse(f"--print-to-pdf={folder / 'paper.pdf'}", (folder / "full.html").as_uri())
    paper = (folder / "paper.pdf").read_bytes()
    assert paper.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) > 1


def test_a_comparison_draws_people_and_joints(folder: Path) -> None:
    page = folder / "comparison.html"
    words = [str(folder / name) for name in ("full.json", "other.json")]
    assert run(["eval", "--compare", *words, "--out", str(page), "-q"]) == 0
    seen = look(page)
    assert not seen.errors and not seen.console and not seen.fetched and not seen.wide
    clouds = [chart for chart in seen.charts if "of each person" in chart["name"]]
    assert clouds and clouds[0]["points"] == 48
    assert not [text for chart in seen.charts for text in chart["outside"]]


def test_the_audit_of_a_data_set_shows_its_people(folder: Path) -> None:
    from hpscli.metrics.protocol_names import find_protocol
    from hpscli.registry import get_registry
    from hpscli.run.places import find_shards

    registry = get_registry()
    shards, _ = find_shards(find_protocol(registry, testset="synthetic"), "", registry)
    assert run(["datasets", "audit", shards, "--out", str(folder)]) in (0, 4)
    page = folder / "audit.html"
    seen = look(page)
    assert not seen.errors and not seen.console and not seen.fetched and not seen.wide
    assert len(seen.images) >= 8 and all(done and width > 50 for done, width in seen.images)
    assert screenshot(page, "audit.png").std() > 20
