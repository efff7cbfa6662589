"""Frames of videos: the same number is the same picture, however one gets there."""

import random
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from hpscli.data.containers import videos
from hpscli.data.containers.videos import VideoReader, frame_count, read_frame
from hpscli.errors import InvalidData

FRAMES, SIDE, BITS = 90, 64, 8
CODECS = {  # name: encoder, its options
    "reordered.mp4": ("libx264", {"g": "12", "bf": "2"}),
    "plain.mp4": ("mpeg4", {"g": "12"}),
    "pictures.avi": ("mjpeg", {}),
    "reordered.avi": ("libx264", {"g": "12", "bf": "2"}),
    "one-keyframe.mp4": ("libx264", {"g": "1000", "bf": "2"}),
}


def write_video(path: Path, frames: int = FRAMES) -> Path:
    """A video whose frames show their number in black and white blocks."""
    codec, options = CODECS[path.name]
    noise = np.random.default_rng(0).integers(0, 255, (SIDE // 8, SIDE // 8, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            picture = noise.repeat(8, 0).repeat(8, 1)
            for bit in range(BITS):
                picture[:16, bit * 8 : bit * 8 + 8] = 255 * (number >> bit & 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def shown(picture: np.ndarray) -> int:
    """-> the number that a frame shows."""
    return sum(
        1 << bit for bit in range(BITS) if picture[4:12, bit * 8 + 2 : bit * 8 + 6].mean() > 128
    )


@pytest.mark.parametrize("name", CODECS)
def test_a_frame_is_the_same_in_order_and_by_jumps_and_as_opencv_reads_it(
    tmp_path: Path, name: str
) -> None:
    path = write_video(tmp_path / name)
    reader = VideoReader(path)
    in_order = [reader.read(number) for number in range(FRAMES)]
    assert [shown(picture) for picture in in_order] == list(range(FRAMES))
    by_jumps = VideoReader(path)
    numbers = random.Random(0).sample(range(FRAMES), 40)
    for number in numbers:
        assert np.array_equal(by_jumps.read(number), in_order[number]), number
    capture = cv2.VideoCapture(str(path))
    official = [capture.read()[1] for _ in range(FRAMES)]
    assert all(np.array_equal(a, b[..., ::-1]) for a, b in zip(in_order, official, strict=True))
    assert frame_count(path) == FRAMES


def test_going_forward_decodes_every_frame_once_and_a_far_jump_starts_at_a_keyframe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    real = videos.open_video

    class Watched:
        def __init__(self, container: object) -> None:
            self.container = container

        def __getattr__(self, name: str) -> object:
            return getattr(self.container, name)

        def decode(self, stream: object) -> object:
            for frame in self.container.decode(stream):  # type: ignore[attr-defined]
                decoded.append(frame.pts)
                yield frame

    monkeypatch.setattr(videos, "open_video", lambda path: _watched(real(path)))

    def _watched(opened: tuple[object, object]) -> tuple[object, object]:
        return Watched(opened[0]), opened[1]

    reader = VideoReader(write_video(tmp_path / "reordered.mp4"))
    for number in range(0, FRAMES, 5):
        reader.read(number)
    assert len(decoded) == len(set(decoded)) == FRAMES - 4
    decoded.clear()
    reader = VideoReader(tmp_path / "reordered.mp4")
    reader.read(0)
    reader.read(80)
    assert len(decoded) <= 1 + 12  # the group of pictures alone


def test_two_videos_may_alternate_without_being_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_video(tmp_path / name) for name in ("plain.mp4", "pictures.avi")]
    opened: list[str] = []
    real = videos.open_video

    def counted(path: Path) -> tuple[object, object]:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(videos, "open_video", counted)
    for number in range(0, 60, 5):
        assert [shown(read_frame(path, number)) for path in paths] == [number, number]
    assert sorted(opened) == sorted(path.name for path in paths)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files")
def test_few_videos_stay_open_and_a_video_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    first = write_video(tmp_path / "plain.mp4")
    before = open_files()
    for number in range(12):
        copy = Path(shutil.copy(first, tmp_path / f"{number}.mp4"))
        assert shown(read_frame(copy, 20)) == 20
        assert shown(read_frame(copy, 3)) == 3
    assert open_files() <= before + videos.OPEN_VIDEOS
    write_video(first, frames=30)
    with pytest.raises(InvalidData, match="has 30 frames"):
        read_frame(first, 60)


@pytest.mark.parametrize("name", ["reordered.mp4", "pictures.avi", "reordered.avi"])
def test_damage_inside_a_video_is_named_with_its_frame_and_leaves_what_can_be_read(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / name)
    whole = [VideoReader(path).read(number) for number in (0, FRAMES - 1)]
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    reader = VideoReader(path)
    pictures: dict[int, np.ndarray] = {}
    for number in range(FRAMES):
        try:
            pictures[number] = reader.read(number)
        except InvalidData as error:
            assert name in str(error) and "frame" in str(error)
    assert len(pictures) < FRAMES
    assert all(shown(picture) == number for number, picture in pictures.items())
    if name.endswith("mp4"):  # its time stamps say which frames come after the damage
        assert np.array_equal(pictures[0], whole[0])
        assert np.array_equal(pictures[FRAMES - 1], whole[1])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["reordered.mp4", "pictures.avi"])
def test_a_truncated_video_gives_frames_up_to_its_end_and_one_line_after_it(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    try:
        first = read_frame(path, 0)
    except InvalidData as error:  # an MP4 whose table of contents is gone
        assert f"{name} is no video" in str(error)
        assert name.endswith("mp4")
    else:
        assert shown(first) == 0
        for number in (FRAMES - 1, FRAMES - 2):
            with pytest.raises(InvalidData, match=f"{name} "):
                read_frame(path, number)
    assert capfd.readouterr().err == ""


def test_a_number_that_a_video_does_not_have_and_what_is_no_video_are_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "plain.mp4")
    with pytest.raises(InvalidData, match=f"plain.mp4 has {FRAMES} frames, none with number 400"):
        read_frame(path, 400)
    with pytest.raises(InvalidData, match=r"there is no video absent\.mp4"):
        read_frame(tmp_path / "absent.mp4", 0)
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile {path}\n")
    with pytest.raises(InvalidData, match=r"list\.mp4 is no video"):
        read_frame(playlist, 0)
