"""What `import hpscli` offers, and what it costs."""

import subprocess
import sys

import pytest

import hpscli


@pytest.mark.parametrize("name", [n for n in hpscli.__all__ if not n.startswith("_")])
def test_a_public_name_is_there_and_explains_itself(name: str) -> None:
    found = getattr(hpscli, name)
    assert callable(found) and found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_like_this"):
        hpscli.nothing_like_this  # noqa: B018


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, hpscli; sys.exit(bool({'torch', 'numpy', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
