"""Kinds of golden of METRO's image preparation, which Graphormer and FastMETRO share."""

from hpscli.hooks import GoldenSpec, hookimpl

SOURCE = "reference/metro_graphormer/SPEC.md, 9 (tolerances), 5 (crops and labels), 7 (demo)"

GIVEN = ("center", "scale", "flip", "pn", "rot", "sc")  # of every case


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> crops with labels and random numbers of bodies and hands, and the demo's transform."""
    here = "hps_models.goldens_crops.metro"
    return [
        *(
            GoldenSpec(
                name=f"metro/crop-{target}",
                files=(
                    f"goldens/preprocess_{target}.npz",
                    f"fixtures/tsv_{target}/train.img.tsv",
                    f"fixtures/tsv_{target}/train.label.tsv",
                ),
                replay=f"{here}:replay_{target}",
                summary=f"METRO's crop of a {target}: picture, labels, random numbers, masks.",
                source=SOURCE,
                options={"first_seed": 0},
                inputs=tuple(f"{target}*_{given}" for given in GIVEN),
            )
            for target in ("body", "hand")
        ),
        GoldenSpec(
            name="metro/demo-transform",
            files=(
                "goldens/demo_transform.npz",
                "fixtures/body_480x640.png",
                "fixtures/hand_480x640.png",
            ),
            replay=f"{here}:replay_demo",
            summary="What METRO's demo does with a whole picture.",
            source=SOURCE,
        ),
    ]
