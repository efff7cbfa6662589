"""Are the official pages still there? One small request each, side by side."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hpscli.body.assets.sources import AssetSource

WORKERS = 8
AGENT = "hps-check-links"
METHOD_NOT_ALLOWED = (403, 405, 501)  # servers that refuse HEAD get a GET that reads nothing


@dataclass(frozen=True, kw_only=True)
class LinkReport:
    """What one page said: status ok | refused (an HTTP error) | unreachable (no answer)."""

    source: AssetSource
    status: str
    detail: str
    seconds: float


def check_links(sources: Iterable[AssetSource], *, timeout: float = 10.0) -> list[LinkReport]:
    """-> one report for each place, in the same order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda source: _check(source, timeout), sources))


def _check(source: AssetSource, timeout: float) -> LinkReport:
    start = time.monotonic()
    status, detail = _ask(source.page, "HEAD", timeout)
    return LinkReport(source=source, status=status, detail=detail, seconds=time.monotonic() - start)


def _ask(page: str, method: str, timeout: float) -> tuple[str, str]:
    request = urllib.request.Request(page, method=method, headers={"User-Agent": AGENT})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return "ok", f"HTTP {answer.status}"
    except urllib.error.HTTPError as error:
        error.close()
        if method == "HEAD" and error.code in METHOD_NOT_ALLOWED:
            return _ask(page, "GET", timeout)
        return "refused", f"HTTP {error.code} {error.reason}"
    except urllib.error.URLError as error:
        return "unreachable", _reason(error.reason)
    except (OSError, ValueError) as error:  # a connection cut in the middle, a broken address
        return "unreachable", _reason(error)


def _reason(reason: object) -> str:
    return str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
