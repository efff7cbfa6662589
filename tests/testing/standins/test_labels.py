"""Which labels stand-ins get: those of the card, of the split and of the options that are given."""

import pytest

from hpscli.metrics.protocol_names import protocol_named
from hpscli.registry import get_registry
from hpscli.testing.standins.labels import Labels, labels_for, labels_of
from hpscli.train.recipes.prepare_lines import read_line


def labels(line: str, body: str = "smpl") -> Labels:
    return labels_of(read_line(line, ""), body)


def test_a_data_set_of_2d_joints_has_nothing_else() -> None:
    found = labels("coco --split train")
    assert found.joints2d == ("coco17",)
    assert (found.joints3d, found.parameters) == ((), False)


def test_human36m_has_parameters_only_with_the_files_that_hold_them() -> None:
    assert not labels("h36m --split train").parameters
    assert labels("h36m --split train mosh=mosh").parameters


def test_a_split_has_its_own_joint_set() -> None:
    assert labels("mpi-inf-3dhp --split train").joints3d == ("mpi_inf_3dhp28",)
    assert labels("mpi-inf-3dhp --split test").joints3d == ("mpi_inf_3dhp17_test",)


def test_an_option_chooses_among_sets_and_bodies() -> None:
    assert labels("osx-json set=h36m", "smplx").joints3d == ("osx_h36m17",)
    assert labels("agora", "smplx").joints2d == ("agora127",)
    assert labels("agora body=smpl").joints2d == ("smpl45",)
    assert labels("prox").joints2d == ("openpose25",)
    assert labels("prox --as-reference slots=annotated").joints2d == ("human_data",)


def test_hands_are_stood_in_for_by_hands() -> None:
    assert labels("tsv --split train", "mano").body == "mano"
    assert labels("tsv --split train", "mano").joints3d == ("metro_hand21",)
    assert labels("freihand --split train", "mano").body == "mano"


def test_generated_people_keep_all_that_their_generator_gives() -> None:
    assert labels("synthetic --split train --count 10 --size 80").everything


@pytest.mark.parametrize("name", ["3dpw@spin", "freihand/test@official-v1", "ehf/test@osx-v1"])
def test_a_protocol_gets_people_of_its_body_and_joints(name: str) -> None:
    protocol = protocol_named(get_registry(), name)
    found = labels_for(protocol)
    assert found.parameters and found.joints3d == (protocol.joints,)
    assert found.body == protocol.body
