"""Downloads go in as they are: fakes in the owners' containers, and the real small files."""

import hashlib
import io
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from hpscli.body.assets.files import asset_folder, have_asset, read_asset
from hpscli.body.official.importing import Imported, import_path
from hpscli.body.official.sides import exchange_legs
from hpscli.errors import InvalidData, MissingError, UsageError
from tests.body.official.makers import (
    as_official_pickle,
    body_arrays,
    h36m_regressor,
    mano_arrays,
    npz_bytes,
    python2_pickle,
    smpl_arrays,
    smplx_arrays,
    write_zip,
)
from tests.body.official.test_pickles import Runs

MODELS = "SMPL_python_v.1.1.0/smpl/models"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def by_status(results: list[Imported], status: str) -> list[str]:
    return sorted(result.id for result in results if result.status == status)


@pytest.fixture(scope="module")
def smpl_pickle() -> bytes:
    return as_official_pickle(smpl_arrays())


@pytest.fixture(scope="module")
def smpl_zip(tmp_path_factory: pytest.TempPathFactory, smpl_pickle: bytes) -> Path:
    code = b"import chumpy\n"
    return write_zip(
        tmp_path_factory.mktemp("downloads") / "SMPL_python_v.1.1.0.zip",
        {
            f"{MODELS}/basicmodel_f_lbs_10_207_0_v1.1.0.pkl": smpl_pickle,
            f"{MODELS}/basicmodel_m_lbs_10_207_0_v1.1.0.pkl": smpl_pickle,
            f"{MODELS}/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl": smpl_pickle,
            "SMPL_python_v.1.1.0/smpl/smpl_webuser/serialization.py": code,
            "SMPL_python_v.1.1.0/LICENSE.txt": b"copyright\nthe owners",
            "__MACOSX/smpl/models/._basicmodel_f.pkl": b"\x80\x02.",
        },
    )


def test_smpl_is_imported_from_its_zip_as_downloaded(smpl_zip: Path) -> None:
    results = import_path(smpl_zip)
    assert by_status(results, "imported") == ["smpl-female", "smpl-male", "smpl-neutral"]
    assert len(results) == 3
    arrays, meta = read_asset("smpl-female")
    official = smpl_arrays()
    for name in ("v_template", "shapedirs", "J_regressor", "weights"):
        np.testing.assert_allclose(arrays[name], official[name], rtol=1e-6)
    assert arrays["posedirs"].shape == (6890, 3, 207)
    np.testing.assert_array_equal(arrays["f"], official["f"])
    member = f"{MODELS}/basicmodel_f_lbs_10_207_0_v1.1.0.pkl"
    assert meta["source"] == f"SMPL_python_v.1.1.0.zip: {member}"
    assert len(meta["sha256"]) == 64
    assert "non-commercial" in meta["licence"]
    assert meta["gender"] == "female"


def test_an_imported_body_is_used_by_the_layer(smpl_zip: Path) -> None:
    from hpscli.body.layer import load_body

    assert load_body("smpl").source == "free"
    import_path(smpl_zip)
    assert load_body("smpl").source == "imported"
    assert load_body("smpl", source="free").source == "free"


def test_importing_again_says_that_it_is_there(smpl_zip: Path) -> None:
    import_path(smpl_zip)
    before = {path: path.stat().st_mtime_ns for path in asset_folder().iterdir()}
    results = import_path(smpl_zip)
    assert {result.status for result in results} == {"present"}
    assert "this very file" in results[0].note
    assert {path: path.stat().st_mtime_ns for path in asset_folder().iterdir()} == before


def test_smpl_1_1_is_read_in_the_text_protocol_of_its_neutral_file(tmp_path: Path) -> None:
    """Its 247 MB are text: no chumpy, a sparse matrix by copy_reg._reconstructor."""
    arrays = smpl_arrays(betas=11)
    arrays["J_regressor"] = scipy.sparse.csc_matrix(arrays["J_regressor"])
    data = python2_pickle(arrays, protocol=0)
    assert data.startswith(b"(dp0\n")
    assert b"ccopy_reg\n_reconstructor\n" in data
    (tmp_path / "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl").write_bytes(data)
    (result,) = import_path(tmp_path)
    assert (result.id, result.status) == ("smpl-neutral", "imported")
    stored = read_asset("smpl-neutral")[0]
    np.testing.assert_allclose(stored["shapedirs"], arrays["shapedirs"], rtol=1e-6)
    np.testing.assert_array_equal(stored["J_regressor"], arrays["J_regressor"].toarray())


def test_another_file_replaces_an_asset_only_by_force(tmp_path: Path, smpl_pickle: bytes) -> None:
    (tmp_path / "SMPL_MALE.pkl").write_bytes(smpl_pickle)
    import_path(tmp_path / "SMPL_MALE.pkl")
    other = tmp_path / "other" / "SMPL_MALE.pkl"
    other.parent.mkdir()
    other.write_bytes(python2_pickle(smpl_arrays(seed=1)))
    (kept,) = import_path(other)
    assert kept.status == "present"
    assert "--force" in kept.note
    assert read_asset("smpl-male")[1]["sha256"] == sha256_of(tmp_path / "SMPL_MALE.pkl")
    (replaced,) = import_path(other, force=True)
    assert replaced.status == "replaced"
    assert read_asset("smpl-male")[1]["sha256"] == sha256_of(other)


def test_mano_comes_with_hands_to_import_and_bodies_to_leave(tmp_path: Path) -> None:
    smplh = python2_pickle(body_arrays(6890, [-1, *range(51)], 13776, 16))
    path = write_zip(
        tmp_path / "mano_v1_2.zip",
        {
            "mano_v1_2/models/MANO_LEFT.pkl": as_official_pickle(mano_arrays("left")),
            "mano_v1_2/models/MANO_RIGHT.pkl": as_official_pickle(mano_arrays("right")),
            "mano_v1_2/models/SMPLH_female.pkl": smplh,
            "mano_v1_2/models/info.txt": b"text",
        },
    )
    results = import_path(path)
    assert by_status(results, "imported") == ["mano-left", "mano-right"]
    assert [r.what.split(":")[0] for r in results if r.status == "unneeded"] == ["SMPL+H"]
    np.testing.assert_allclose(read_asset("mano-left")[0]["hands_mean"], 0.1)


def test_smplx_is_imported_once_though_its_zip_has_it_twice(tmp_path: Path) -> None:
    npz = npz_bytes(**smplx_arrays(), part2num=np.array({"head": 1}, dtype=object))
    path = write_zip(
        tmp_path / "models_smplx_v1_1.zip",
        {
            "models/smplx/SMPLX_NEUTRAL.npz": npz,
            "models/smplx/smplx_npz.zip": write_zip(
                tmp_path / "inner.zip", {"SMPLX_NEUTRAL.npz": npz, "readme.txt": b""}
            ).read_bytes(),
            "models/smplx/version.txt": b"1.1",
        },
    )
    results = import_path(path)
    assert [(result.id, result.status) for result in results] == [
        ("smplx-neutral", "imported"),
        ("smplx-neutral", "present"),
    ]
    assert "same asset as" in results[1].note


def test_a_wrong_name_changes_nothing(tmp_path: Path) -> None:
    data = npz_bytes(pose=np.tile([1.0, 0, 0, 1, 0, 0], 24), shape=np.zeros(10), cam=np.zeros(3))
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(data)
    (result,) = import_path(tmp_path / "SMPL_NEUTRAL.pkl")
    assert result.id == "mean-params"


def test_a_single_body_of_unknown_gender_is_imported_when_told(
    tmp_path: Path, smpl_pickle: bytes
) -> None:
    (tmp_path / "model.pkl").write_bytes(smpl_pickle)
    with pytest.raises(UsageError, match="--gender"):
        import_path(tmp_path / "model.pkl")
    (result,) = import_path(tmp_path / "model.pkl", gender="neutral")
    assert result.id == "smpl-neutral"
    with pytest.raises(UsageError, match="folder"):
        import_path(tmp_path, gender="neutral")
    with pytest.raises(UsageError, match="neutral, female, male"):
        import_path(tmp_path / "model.pkl", gender="woman")


def test_one_gender_is_not_given_to_a_whole_archive(smpl_zip: Path) -> None:
    with pytest.raises(UsageError, match="--gender is for one file"):
        import_path(smpl_zip, gender="neutral")
    assert not have_asset("smpl-neutral")


def test_the_meshes_of_downsampling_archives_are_never_read(tmp_path: Path) -> None:
    """V and M are hostile here: reading them would be refused, so they were not read."""
    sizes = (778, 195)
    rng = np.random.RandomState(0)
    ring = [scipy.sparse.csc_matrix(np.eye(n, k=1) + np.eye(n, k=-1)) for n in sizes]
    kept = np.sort(rng.permutation(778)[:195])
    down = scipy.sparse.csc_matrix((np.ones(195), (np.arange(195), kept)), shape=(195, 778))
    content = {
        "A": as_objects(*ring),
        "U": as_objects(scipy.sparse.csc_matrix(down.T)),
        "D": as_objects(down),
        "F": as_objects(Runs(os.system, "touch canary")),
        "V": as_objects(Runs(os.system, "touch canary")),
        "M": as_objects(Runs(os.system, "touch canary")),
    }
    path = write_zip(
        tmp_path / "mano_downsampling.npz", {f"{k}.npy": v for k, v in content.items()}
    )
    (result,) = import_path(path)
    assert (result.id, result.status) == ("sampling-mano", "imported")
    arrays, meta = read_asset("sampling-mano")
    np.testing.assert_array_equal(arrays["D_0_index"], kept)
    assert not [name for name in arrays if name[0] in "VMF"]
    assert not [name for name in meta if name[0] in "VMF"]


def as_objects(*items: Any) -> bytes:
    """-> an .npy of objects, as np.save pickles it."""
    array = np.empty(len(items), object)
    array[:] = items
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": array.shape}
    )
    return stream.getvalue() + pickle.dumps(array, 2)


def test_a_hostile_file_among_good_ones_is_refused_and_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", h36m_regressor())
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Runs(os.system, f"touch {tmp_path}/canary")))
    results = import_path(tmp_path)
    assert by_status(results, "imported") == ["regressor-h36m"]
    (refused,) = [result for result in results if result.status == "refused"]
    assert refused.error is not None
    assert "system" in refused.error.problem
    assert "evil.pkl" in refused.error.problem
    assert not (tmp_path / "canary").exists()


def test_a_hostile_torch_file_is_refused_and_named(tmp_path: Path) -> None:
    torch.save({"a": Runs(os.system, f"touch {tmp_path}/canary")}, tmp_path / "adjmat.pt")
    with pytest.raises(InvalidData, match=r"adjmat\.pt is not a plain torch file"):
        import_path(tmp_path / "adjmat.pt")
    assert not (tmp_path / "canary").exists()


def test_a_hostile_object_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "smpl_kid_template.npy").write_bytes(as_objects(Runs(os.system, "true")))
    with pytest.raises(InvalidData, match="system"):
        import_path(tmp_path / "smpl_kid_template.npy")


def test_an_archive_with_a_member_outside_imports_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, h36m_regressor())
    path = write_zip(tmp_path / "a.zip", {"a.npy": stream.getvalue(), "../b.npy": b"x"})
    with pytest.raises(InvalidData, match=r"'\.\./b\.npy' that points outside"):
        import_path(path)
    assert not have_asset("regressor-h36m")


def test_an_unknown_file_is_described_with_what_is_accepted(tmp_path: Path) -> None:
    np.savez(tmp_path / "photos.npz", images=np.zeros(3), labels=np.zeros(3))
    with pytest.raises(InvalidData) as caught:
        import_path(tmp_path / "photos.npz")
    assert "2 entries named images, labels" in caught.value.problem
    assert "Accepted: SMPL, SMPL-X and MANO" in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"just text", b"{}", b"\x89PNG\r\n"])
def test_a_file_of_another_kind_is_invalid(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.pkl").write_bytes(content)
    with pytest.raises(InvalidData, match="no file that hps reads"):
        import_path(tmp_path / "file.pkl")


def test_a_path_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        import_path(tmp_path / "nothing.zip")


def test_a_zip_of_nothing_but_arrays_is_read_file_by_file(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.random.RandomState(0).uniform(-0.3, 0.3, (6890, 3)))
    path = write_zip(tmp_path / "kids.zip", {"smpl_kid_template.npy": stream.getvalue()})
    (result,) = import_path(path)
    assert (result.id, result.status) == ("kid-smpl", "imported")
    assert read_asset("kid-smpl")[1]["source"] == "kids.zip: smpl_kid_template.npy"


def test_one_part_of_an_adjacency_finds_the_others_beside_it(tmp_path: Path) -> None:
    for part, value in {
        "indices": torch.arange(431).repeat(2, 1),
        "values": torch.ones(431),
        "size": torch.Size([431, 431]),
    }.items():
        torch.save(value, tmp_path / f"smpl_431_adjmat_{part}.pt")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 and no more")
    (result,) = import_path(tmp_path / "smpl_431_adjmat_values.pt")
    assert (result.id, result.status) == ("adjacency-smpl", "imported")
    (size,) = import_path(tmp_path / "smpl_431_adjmat_size.pt")
    assert size.status == "unneeded"
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "smpl_431_adjmat_values.pt", alone / "values.pt")
    with pytest.raises(InvalidData, match="none of the files"):
        import_path(alone / "values.pt")


def test_fourteen_extra_joints_take_the_place_of_nine(tmp_path: Path) -> None:
    matrix = np.zeros((14, 6890))
    matrix[np.arange(14), np.arange(14)] = 1
    np.save(tmp_path / "nine.npy", matrix[5:])
    np.save(tmp_path / "fourteen.npy", matrix)
    assert import_path(tmp_path / "nine.npy")[0].status == "imported"
    assert import_path(tmp_path / "fourteen.npy")[0].status == "replaced"
    assert import_path(tmp_path / "nine.npy")[0].status == "present"
    assert len(read_asset("regressor-extra")[0]["regressor"]) == 14


def test_amass_motions_of_a_folder_become_one_asset(tmp_path: Path) -> None:
    for name in ("a", "b"):
        np.savez(
            tmp_path / f"{name}_poses.npz",
            poses=np.zeros((50, 156)),
            betas=np.zeros(16),
            trans=np.zeros((50, 3)),
            gender=np.array("female"),
            mocap_framerate=np.array(5.0),
        )
    (result,) = import_path(tmp_path)
    assert result.id == "poses-amass"
    assert read_asset("poses-amass")[0]["poses"].shape == (100, 66)


def test_the_real_small_files_are_recognised(reference: Path) -> None:
    results = import_path(reference / "metro_graphormer" / "assets")
    assert by_status(results, "imported") == [
        *("adjacency-mano", "adjacency-smpl", "regressor-extra", "regressor-h36m"),
        *("sampling-mano", "sampling-smpl"),
    ]
    assert not by_status(results, "refused")
    assert "smpl_431_faces.npy" in {Path(r.source).name for r in results if r.status == "unneeded"}


def test_the_real_matrices_are_what_their_description_says(reference: Path) -> None:
    assets = reference / "metro_graphormer" / "assets"
    import_path(assets)
    arrays, meta = read_asset("sampling-smpl")
    assert meta["sha256"] == sha256_of(assets / "mesh_downsampling.npz")
    assert [arrays[f"D_{k}_index"].size for k in (0, 1)] == [1723, 431]
    assert [arrays[f"U_{k}_val"].size for k in (0, 1)] == [20670, 5169]
    assert [len(arrays[f"edges_{k}"]) for k in (0, 1, 2)] == [41328 // 2, 10326 // 2, 2574 // 2]
    for kind, level in (("smpl", 2), ("mano", 1)):
        computed, official = read_asset(f"sampling-{kind}")[0], read_asset(f"adjacency-{kind}")[0]
        matrices = [
            scipy.sparse.coo_matrix((value, index), shape=official["shape"]).toarray()
            for value, index in (
                (computed[f"adj_norm_{level}_value"], computed[f"adj_norm_{level}_index"]),
                (official["value"], official["index"]),
            )
        ]
        np.testing.assert_allclose(matrices[0], matrices[1], atol=1e-7)


def test_the_real_regressors_have_the_right_leg_first(reference: Path, tmp_path: Path) -> None:
    real = np.load(reference / "metro_graphormer" / "assets" / "J_regressor_h36m_correct.npy")
    np.save(tmp_path / "J_regressor_h36m.npy", exchange_legs(real, tuple(joints())))
    (result,) = import_path(tmp_path / "J_regressor_h36m.npy")
    assert result.meta["legs_swapped"] is True
    np.testing.assert_array_equal(read_asset("regressor-h36m")[0]["regressor"], real)
    smplx = reference / "osx" / "assets" / "J_regressor_h36m_smplx.npy"
    assert import_path(smplx)[0].meta["legs_swapped"] is False


def joints() -> tuple[str, ...]:
    from hpscli.body.joints import joint_set

    return joint_set("h36m17").joints
