"""METRO's tables, 4D-Humans' tars and BEDLAM's labels: their indices, filters and quirks."""

import json
import pickle
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_datasets.shard_forms.tars import expanded
from hps_datasets.shard_forms.tsv_files import Table, parse_entries
from hps_datasets.synthetic.generate import indexed
from hpscli.data.people import Layout, make_sample
from hpscli.data.sample import decode_image
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.records import Sample
from tests.plugins.datasets.scenes.scene_files import picture, read
from tests.plugins.datasets.shard_forms.shard_files import (
    MEAN_HAND,
    add,
    bedlam_row,
    hmr2_label,
    import_mano,
    write_bedlam,
    write_table,
    write_tsv,
)


def people_of(body: str, count: int = 3) -> list[Sample]:
    _, make = indexed(None, "test", body=body, size_px=48)
    return [make(number) for number in range(count)]


@pytest.mark.parametrize(
    "index",
    [
        None,
        "0\n5\n9\n",  # characters of rows that are not ASCII, so inside of rows
        "0\n",  # rows are missing
        "no numbers",
        "0\n99999999999999999999999\n",
        "-4\n-2\n",
    ],
)
def test_rows_of_a_table_are_found_without_a_right_index(index: str | None, tmp_path: Path) -> None:
    rows = ["ä\t1", "öö\tx\t2", "c\t3"]
    write_table(tmp_path / "a.tsv", rows)
    path = tmp_path / "a.lineidx"
    if index is None:
        path.unlink()
    else:
        path.write_text(index)
    table = Table(tmp_path, "a.tsv")
    assert [table.cells(row) for row in range(len(table))] == [row.split("\t") for row in rows]
    assert table.last_cell(1)[0] == "öö"
    with pytest.raises(InvalidData, match=r"a\.tsv has 3 rows"):
        table.cells(3)
    table.close()


def test_the_yaml_of_tables_is_read_in_all_its_spellings() -> None:
    text = "# a comment\n---\nimg: 'a b.tsv'\nhw: [x.tsv, \"y.tsv\"]\nlabel:\n- u.tsv # one\n  - v.tsv\n"
    found = parse_entries(text + "composite: true\n", "some.yaml")
    assert found == {
        "img": "a b.tsv",
        "hw": ["x.tsv", "y.tsv"],
        "label": ["u.tsv", "v.tsv"],
        "composite": "true",
    }
    with pytest.raises(InvalidData, match=r"some\.yaml has a line"):
        parse_entries("img a\n", "some.yaml")


def test_composite_sets_take_rows_of_several_sources_in_the_order_of_their_list(
    tmp_path: Path,
) -> None:
    people = people_of("smpl", 4)
    for name, part in (("a", people[:2]), ("b", people[2:])):
        (tmp_path / name).mkdir()
        write_tsv(part, tmp_path / name)
    (tmp_path / "both").mkdir()
    lists = "".join(
        f"{kind}:\n- ../a/train.{kind}.tsv\n- ../b/train.{kind}.tsv\n" for kind in ("img", "label")
    )
    names = "../a/train.hw.tsv\n../b/train.hw.tsv\n"
    (tmp_path / "both/hw.txt").write_text(names)  # or a file with the names
    yaml = tmp_path / "both/train.yaml"
    yaml.write_text(f"composite: true\n{lists}hw: hw.txt\nlinelist: rows.tsv\n")
    (tmp_path / "both/rows.tsv").write_text("1\t0\n0\t1\n1\t7\n")
    found, bad = read("tsv", tmp_path, "train", yaml="both/train.yaml")
    assert [person.image for person in found] == [f"{people[i].key}.jpg" for i in (2, 1)]
    assert make_sample(tmp_path, found[0], Layout(kind="full")).image == people[2].image
    assert "none with number 7" in bad[0]
    (alone,), _ = read("tsv", tmp_path, "train", yaml="both/train.yaml", only="A")
    assert alone.image == f"{people[1].key}.jpg"
    shutil.rmtree(tmp_path / "a")  # who does not have it needs nothing of it
    (other,), _ = read("tsv", tmp_path, "train", yaml="both/train.yaml", only="b")
    assert other.key == found[0].key
    with pytest.raises(UsageError, match="folder named 'c'") as unknown:
        read("tsv", tmp_path, "train", yaml="both/train.yaml", only="c")
    assert "Its folders: a, b" in unknown.value.fix
    with pytest.raises(InvalidData, match="outside") as error:
        read("tsv", tmp_path / "both", "train")
    assert "yaml=SET/train.yaml" in error.value.fix
    with pytest.raises(MissingError, match="2 lists"):
        read("tsv", tmp_path, "train")


def test_labels_that_flags_call_absent_are_left_out_and_kept_as_reference(tmp_path: Path) -> None:
    write_tsv(people_of("smpl"), tmp_path)
    table = tmp_path / "train.label.tsv"
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    labels = [json.loads(row[1]) for row in rows]
    labels[0][0] |= {"has_smpl": 0, "has_3d_joints": 0}
    del labels[0][0]["gender"]
    labels[1] = []
    labels[2][0]["center"] = [1.0]
    write_table(
        table, [f"{row[0]}\t{json.dumps(label)}" for row, label in zip(rows, labels, strict=True)]
    )
    (person,), bad = read("tsv", tmp_path, "train")
    assert sorted(person.arrays) == ["keypoints2d.metro24"]
    assert person.meta["gender"] == "neutral"
    assert "row 1 has no person" in bad[0]
    assert "train.label.tsv row 2" in bad[1]
    (official,), _ = read("tsv", tmp_path, "train", reference="metro")
    assert official.meta["gender"] == "none"
    beside = ["keypoints3d.metro24", "smpl.betas", "smpl.body_pose", "smpl.global_orient"]
    beside = [f"extra.absent.{name}" for name in beside]
    assert sorted(official.arrays) == [*beside, "keypoints2d.metro24"]
    image = tmp_path / "train.img.tsv"
    image.write_text(image.read_text().replace(f"{person.image}\t", "other.jpg\t"))
    assert "the picture in this row is 'other.jpg'" in read("tsv", tmp_path, "train")[1][0]


def test_a_hand_whose_pose_has_the_name_of_mano_is_read(tmp_path: Path) -> None:
    write_tsv(people_of("mano", 1), tmp_path)
    table = tmp_path / "train.label.tsv"
    write_table(table, table.read_text().replace('"pose"', '"mano_pose"').splitlines())
    ((person,), _) = read("tsv", tmp_path, "train")
    assert person.arrays["extra.hand_pose_from_mean"].shape == (45,)
    assert person.meta["hand"] == "right"


def test_poses_of_metros_hands_count_from_the_mean_hand(tmp_path: Path) -> None:
    (hand,) = people_of("mano", 1)
    write_tsv([hand], tmp_path)
    ((without,), _) = read("tsv", tmp_path, "train")
    assert "mano.hand_pose" not in without.arrays  # nobody knows that hand without MANO
    stored = without.arrays["extra.hand_pose_from_mean"]
    np.testing.assert_allclose(stored, hand.arrays["mano.hand_pose"] - MEAN_HAND, atol=1e-6)
    import_mano()
    ((found,), _) = read("tsv", tmp_path, "train")
    np.testing.assert_allclose(
        found.arrays["mano.hand_pose"], hand.arrays["mano.hand_pose"], atol=1e-6
    )
    ((official,), _) = read("tsv", tmp_path, "train", reference="metro")
    np.testing.assert_allclose(official.arrays["mano.hand_pose"], stored, atol=1e-6)


def write_tar(root: Path, people: Sequence[Any], **files: bytes) -> None:
    """One sample with these people, and more files of it."""
    with tarfile.open(root / "000000.tar", "w") as archive:
        add(archive, "set/a.jpg", people_of("smpl", 1)[0].image)
        add(archive, "set/a.data.pyd", pickle.dumps(list(people)))
        for name, data in files.items():
            add(archive, f"set/a.{name.replace('_', '.')}", data)


@pytest.mark.parametrize(
    ("changes", "option", "ours", "official"),
    [  # what the person is, the option of that step, the same without it and as reference
        ({}, {}, ("kept", True, True), ("kept", True, True)),
        ({"betas": np.full(10, 3.5)}, {"largest_beta": 3.0}, ("kept", True, False), None),
        ({"betas": np.full(10, 3.5)}, {}, ("kept", True, True), ("kept", False, True)),
        ({"has_betas": 0.0}, {"both": 1.0}, ("kept", False, False), ("kept", False, True)),
        ({"has_body_pose": 0.0}, {"only_with_pose": 1.0}, ("dropped",), ("dropped",)),
        ({"loss": 31000.0}, {}, ("kept", True, True), ("dropped",)),
        ({"loss": 30999.0}, {"loss_below": 31000.0}, ("kept", True, True), None),
        ({"scale": np.array([0.1, 0.5])}, {"box_larger_than": 20.0}, ("dropped",), ("dropped",)),
        ({"confidence": 0.29}, {"least_confidence": 0.3}, ("kept", True, True), ("dropped",)),
        ({"confidence": 0.29}, {"joints_more_than": 4.0}, ("kept", True, True), ("dropped",)),
        ({"has_betas": 0.0}, {"mean_shape": 1.0}, ("kept", True, True), None),
    ],
)
def test_each_step_of_4d_humans_loader_is_an_option(
    changes: dict[str, Any], option: dict[str, float], ours: Any, official: Any, tmp_path: Path
) -> None:
    label = hmr2_label(people_of("smpl", 1)[0])
    label["scale"] = np.array([0.4, 0.5])
    if "loss" in changes:
        loss = {"reprojection_loss": changes["loss"]}
        label["extra_info"] = {"fitting_loss": np.array(loss, object)}
    if "confidence" in changes:
        label["keypoints_2d"][:, 2] = changes["confidence"]
    label |= {k: np.array(v) for k, v in changes.items() if k in label}
    write_tar(tmp_path, [label])
    for reference, expected in (("", ours), ("hmr2", official)):
        if expected is None:
            continue
        people, bad = read("hmr2-tar", tmp_path, "train", reference=reference, **option)
        assert bad == []
        if expected == ("dropped",):
            assert people == []
            continue
        (person,) = people
        labels = ("smpl.global_orient", "smpl.body_pose", "smpl.betas")
        _, has_pose, has_betas = expected
        has = [name in person.arrays for name in labels]
        assert has == [has_pose, has_pose, has_betas]
        beside = [f"extra.absent.{name}" in person.arrays for name in labels]
        assert beside == [bool(reference) and not one for one in has]


def test_masks_are_kept_when_asked_for_and_broken_parts_are_named(tmp_path: Path) -> None:
    label = hmr2_label(people_of("smpl", 1)[0])
    label["extra_info"]["detection_npz_idx"] = 1
    masks = np.zeros((2, 48, 48), bool)
    masks[1, 3] = True
    np.savez(tmp_path / "masks.npz", masks=masks)
    data = (tmp_path / "masks.npz").read_bytes()
    write_tar(tmp_path, [label, {**label, "center": None}, 7], detection_npz=data)
    (person,), bad = read("hmr2-tar", tmp_path, "train", masks=True)
    assert person.arrays["extra.mask"].sum() == 48
    assert ["person 1" in bad[0], "person 2" in bad[1]] == [True, True]
    huge = data.replace(b"(2, 48, 48)", b"(99999,9,9)")
    write_tar(tmp_path, [label], detection_npz=huge)
    people, bad = read("hmr2-tar", tmp_path, "train", masks=True)
    assert people == []
    assert "000000.tar: set/a" in bad[0]
    write_tar(tmp_path, [Path("/")])  # an object of a class
    assert "pathlib" in read("hmr2-tar", tmp_path, "train")[1][0]
    tar = tmp_path / "000000.tar"
    tar.write_bytes(tar.read_bytes()[:700])
    assert "000000.tar" in read("hmr2-tar", tmp_path, "train")[1][0]


def test_patterns_of_tars_stand_for_what_the_released_ones_mean() -> None:
    assert expanded("a/{000..002}.tar b.tar") == ["a/000.tar", "a/001.tar", "a/002.tar", "b.tar"]
    assert expanded("{000000..00001}.tar") == ["000000.tar", "000001.tar"]  # widths are mixed
    assert expanded("{a,b}/{9..11}.tar") == [f"{x}/{n}.tar" for x in "ab" for n in (9, 10, 11)]
    assert expanded("{0..10}.tar")[:2] == ["0.tar", "1.tar"]
    for pattern in ("{0..999999999}.tar", "{0..9}" * 9 + ".tar"):
        with pytest.raises(UsageError, match="more than"):
            expanded(pattern)


def test_closeups_of_bedlam_are_turned_and_other_scenes_are_not(tmp_path: Path) -> None:
    write_bedlam(people_of("smplx", 1), tmp_path)
    (tmp_path / "scene_6fps.npz").rename(tmp_path / "a_closeup_b_6fps.npz")
    (tmp_path / "pictures/scene_6fps").rename(tmp_path / "pictures/a_closeup_b_6fps")
    path = next((tmp_path / "pictures/a_closeup_b_6fps").rglob("*.jpg"))
    picture(path, (40, 60))
    (person,), _ = read("bedlam-npz", tmp_path, "train", images="pictures/{scene}")
    assert person.picture is not None
    assert person.picture.turns == 1
    sample = make_sample(tmp_path, person, Layout(kind="full"))
    assert decode_image(sample.image).shape == (60, 40, 3)


def test_bedlams_shapes_genders_and_parts_are_read_by_their_rules(tmp_path: Path) -> None:
    rows = [bedlam_row(person) for person in people_of("smplx", 5)]
    arrays: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    arrays["shape"] = np.arange(55.0).reshape(5, 11) / 50
    arrays["gender"] = np.array(["m", "male", "f", "female", "x"])
    folder = tmp_path / "training_labels/all_npz_12_training"
    folder.mkdir(parents=True)
    np.savez(folder / "some_6fps.npz", **arrays)
    people, bad = read("bedlam", tmp_path, "train")
    assert [person.meta["gender"] for person in people] == ["male", "male", "female", "female"]
    assert "some_6fps.npz row 4" in bad[0]
    assert people[0].image.startswith("training_images/some_6fps/png/seq/")
    assert people[1].arrays["smplx.betas"].tolist() == arrays["shape"][1, :10].tolist()
    assert people[1].arrays["extra.betas11"].shape == (11,)
    official, _ = read("bedlam", tmp_path, "train", reference="bedlam")
    assert [p.meta["gender"] for p in official] == ["male", *["female"] * 4]
    assert len(read("bedlam", tmp_path, "train", part=0.5)[0]) == 2  # int(0.5 * 5), from the front
    np.savez(folder / "some_6fps.npz", **{k: v for k, v in arrays.items() if k != "gtkps"})
    assert read("bedlam", tmp_path, "train")[1][0].startswith("some_6fps.npz has no entry 'gtkps'")
    for options in ({"part": 0.0}, {"part": float("nan")}):
        with pytest.raises(HpsError):
            read("bedlam", tmp_path, "train", **options)
    with pytest.raises(UsageError, match="leads out"):
        read("bedlam-npz", tmp_path, "train", labels="../*.npz")
