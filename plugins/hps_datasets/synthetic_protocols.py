"""Protocols for the synthetic people: whole bodies, hands, bodies with hands and face."""

from hpscli.hooks import ProtocolSpec, hookimpl


def _protocols(
    dataset: str, version: str, body: str, joints: str, root: str, people: str
) -> list[ProtocolSpec]:
    return [
        ProtocolSpec(
            name=f"{dataset}/{split}@{version}",
            testset="synthetic",
            split=split,
            summary=people,
            body=body,
            joints=joints,
            root=(root,),
            default=split == "test",
        )
        for split in ("test", "validation")
    ]


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    return [
        *_protocols(
            "synthetic",
            "smpl24-v1",
            "smpl",
            "smpl24",
            "pelvis",
            "rendered people, 24 body joints and the mesh, pelvis at the origin",
        ),
        *_protocols(
            "synthetic-hands",
            "mano21-v1",
            "mano",
            "mano21",
            "right_wrist",
            "rendered right hands, 21 joints and the mesh, wrist at the origin",
        ),
        *_protocols(
            "synthetic-wholebody",
            "smplx55-v1",
            "smplx",
            "smplx55",
            "pelvis",
            "rendered people with hands and face, 55 joints and the mesh, pelvis at the origin",
        ),
    ]
