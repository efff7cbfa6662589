"""LSP and LSP Extended: ours and as official converters make them."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from tests.plugins.datasets.labelled_2d.labelled_files import joints_of, picture, points
from tests.plugins.datasets.reading import box_of, people_of, problems_of


def lsp_folder(root: Path, flags: np.ndarray, places: np.ndarray) -> Path:
    table = np.concatenate([places, flags[..., None]], axis=2)
    savemat(root / "joints.mat", {"joints": table.transpose(2, 1, 0)})
    for number in range(1, len(places) + 1):
        picture(root / f"images/im{number:04d}.jpg")
    return root


def lspet_folder(root: Path, flags: np.ndarray, places: np.ndarray, suffix: str = "png") -> Path:
    table = np.concatenate([places, flags[..., None]], axis=2)
    savemat(root / "joints.mat", {"joints": table.transpose(1, 2, 0)})
    folder = root if suffix == "png" else root / "images"
    for number in range(1, len(places) + 1):
        picture(folder / f"im{number:05d}.{suffix}")
    return root


def test_lsp_and_its_extension_mean_opposite_things_by_their_flag(tmp_path: Path) -> None:
    flags = np.zeros((2, 14))
    flags[:, 3] = 1
    (tmp_path / "e").mkdir()
    lsp = people_of("lsp", lsp_folder(tmp_path, flags, points(14, 2)))[0]
    extended = people_of("lspet", lspet_folder(tmp_path / "e", flags, points(14, 2)))[0]
    assert lsp.arrays["extra.visibility"].tolist() == [2, 2, 2, 1] + [2] * 10
    assert extended.arrays["extra.visibility"].tolist() == [1, 1, 1, 2] + [1] * 10
    for person in (lsp, extended):
        assert (joints_of(person)[:, 2] == 1).all()  # hidden joints have a label
    (as_reference,) = people_of("lsp", tmp_path, reference="mmhuman3d")
    assert "extra.visibility" not in as_reference.arrays


def test_lsp_splits_by_its_labels_and_mmhuman3d_by_what_lies_in_the_folder(tmp_path: Path) -> None:
    root = lsp_folder(tmp_path, np.zeros((4, 14)), points(14, 4))
    for number in (1, 2):
        (root / f"images/Thumbs{number}.db").touch()
    train = people_of("lsp", root)
    assert [person.image[-8:] for person in train] == ["0001.jpg", "0002.jpg"]
    assert len(people_of("lsp", root, "test")) == 2
    assert len(people_of("lsp", root, reference="mmhuman3d")) == 3
    assert problems_of("lsp", root, "test", reference="mmhuman3d") == [
        "joints.mat has no row 4 for images/im0005.jpg.",
        "joints.mat has no row 5 for images/im0006.jpg.",
    ]
    assert len(people_of("lsp", root, reference="spin")) == 4


def test_people_who_leave_the_picture_stay_unless_mmhuman3d_is_asked_for(tmp_path: Path) -> None:
    places = points(14, 2)
    places[0, 5] = (-3, 40)
    root = lsp_folder(tmp_path, np.zeros((2, 14)), places)
    assert people_of("lsp", root, reference="mmhuman3d") == []
    assert len(people_of("lsp", root, reference="spin")) == 2
    (person,) = people_of("lsp", root)
    assert joints_of(person)[5].tolist() == [-3, 40, 1]


def test_joints_of_lsp_extended_without_a_label_are_none(tmp_path: Path) -> None:
    places = points(14, 1)
    places[0, 5] = (-50, -50)
    root = lspet_folder(tmp_path, np.ones((1, 14)), places)
    (person,) = people_of("lsp-extended", root)
    assert joints_of(person)[5].tolist() == [0, 0, 0]
    assert person.arrays["extra.visibility"][5] == 0 and (box_of(person)[:2] > -10).all()
    (spin,) = people_of("lsp-extended", root, reference="spin")
    assert joints_of(spin)[5].tolist() == [-50, -50, 1] and (box_of(spin)[:2] < -50).all()
    assert people_of("lsp-extended", root, reference="mmhuman3d") == []


def test_a_missing_picture_shifts_labels_only_as_reference(tmp_path: Path) -> None:
    places = points(14, 3)
    root = lspet_folder(tmp_path, np.ones((3, 14)), places)
    (root / "im00002.png").unlink()
    last = people_of("lsp-extended", root)[-1]
    assert last.image == "im00003.png" and np.array_equal(joints_of(last)[:, :2], places[2])
    shifted = people_of("lsp-extended", root, reference="spin")[-1]
    assert shifted.image == "im00003.png" and np.array_equal(joints_of(shifted)[:, :2], places[1])


def test_lsp_extended_is_read_as_its_owners_ship_it_too(tmp_path: Path) -> None:
    root = lspet_folder(tmp_path, np.ones((2, 14)), points(14, 2), "jpg")
    assert [p.image for p in people_of("lsp-extended", root)][1] == "images/im00002.jpg"
    assert people_of("lsp-extended", root, reference="mmhuman3d") == []


def test_matlabs_first_pixel_is_taken_off_on_request(tmp_path: Path) -> None:
    root = lsp_folder(tmp_path, np.zeros((2, 14)), points(14, 2))
    ((kept,), (moved,)) = (people_of("lsp", root, zero_based=value) for value in (False, True))
    assert np.allclose(joints_of(moved)[:, :2], joints_of(kept)[:, :2] - 1)
    assert np.allclose(box_of(moved)[:2], box_of(kept)[:2] - 1)
    reference = people_of("lsp", root, reference="spin", zero_based=True)[0]
    assert np.array_equal(joints_of(reference), joints_of(kept))
