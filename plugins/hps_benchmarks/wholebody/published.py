"""What others published for whole bodies, row by row; columns as their tables have them."""

from collections.abc import Mapping, Sequence

from hpscli.hooks import Published

OSX_TABLES = "IDEA-Research/OSX, tables of its README (pictures), 2023"
MULTI_HMR = "naver/multi-hmr README"
SMPLERX = "Cai et al., SMPLer-X, NeurIPS 2023, abstract"
USER = "wqyin/SMPLest-X issue 15"

# MPVPE of all, hands, face, then the same after alignment; None where nothing was printed.
COLUMNS = (
    *("mpvpe_all", "mpvpe_hands", "mpvpe_face"),
    *("pa_mpvpe_all", "pa_mpvpe_hands", "pa_mpvpe_face"),
)
Row = tuple[str, str, Sequence[float | None]]  # model of ours, label, values

EHF_OSX: tuple[Row, ...] = (
    ("", "ExPose", (77.1, 51.6, 35.0, 54.5, 12.8, 5.8)),
    ("", "FrankMocap", (107.6, 42.8, None, 57.5, 12.6, None)),
    ("", "PIXIE", (89.2, 42.8, 32.7, 55.0, 11.1, 4.6)),
    ("", "Hand4Whole", (76.8, 39.8, 26.1, 50.3, 10.8, 5.8)),
    ("osx.l", "OSX", (70.8, 53.7, 26.4, 48.7, 15.9, 6.0)),
)
EHF_EARLIER: tuple[Row, ...] = (("", "Hand4Whole", (79.2, 43.2, 25.0, 53.1, 12.1, 5.8)),)
EHF_MULTI: tuple[Row, ...] = (
    ("", "Multi-HMR 896-L", (42.2,)),
    ("", "Multi-HMR 672-L", (37.0,)),
    ("", "Multi-HMR 672-B", (43.6,)),
    ("", "Multi-HMR 672-S", (49.3,)),
)
EHF_SMPLERX: tuple[Row, ...] = (("", "SMPLer-X, not fine-tuned", (62.3,)),)
EHF_USER: tuple[Row, ...] = (("", "SMPLest-X-H", (57.5, 40.7, 17.3, 36.3, 12.2, 4.9)),)
AGORA_OSX: tuple[Row, ...] = (
    ("", "ExPose", (219.8, 115.4, 103.5, 88.0, 12.1, 4.8)),
    ("", "FrankMocap", (218.0, 95.2, 105.4, 90.6, 11.2, 4.9)),
    ("", "PIXIE", (203.0, 89.9, 95.4, 82.7, 12.8, 5.4)),
    ("", "Hand4Whole", (183.9, 72.8, 81.6, 73.2, 9.7, 4.7)),
    ("osx.l", "OSX", (168.6, 70.6, 77.2, 69.4, 11.5, 4.8)),
)
BODY_COLUMNS = ("pa_mpjpe_body", "mpjpe_body")
PW3D_OSX: tuple[Row, ...] = (
    ("", "Hand4Whole, run again by OSX", (54.4, 86.6)),
    ("osx.l", "OSX", (45.1, 74.7)),
)


def _rows(
    rows: Sequence[Row],
    source: str,
    *,
    doubt: str = "",
    note: str = "",
    columns: Sequence[str] = COLUMNS,
) -> tuple[Published, ...]:
    return tuple(
        Published(
            model=model,
            metric=metric,
            value=value,
            source=source,
            label=label,
            doubt=doubt,
            note=note if model else "",  # of what hps could measure
        )
        for model, label, values in rows
        for metric, value in zip(columns, values, strict=False)
        if value is not None
    )


PUBLISHED: Mapping[str, tuple[Published, ...]] = {
    "ehf": (
        *_rows(
            EHF_OSX,
            OSX_TABLES,
            note="of OSX's own crops: prepare osx-json with --as-reference",
        ),
        *_rows(EHF_EARLIER, OSX_TABLES, doubt="an earlier row, printed beside a later one"),
        *_rows(EHF_MULTI, MULTI_HMR),
        *_rows(EHF_SMPLERX, SMPLERX),
        *_rows(EHF_USER, USER, doubt="measured by a user, not confirmed by the authors"),
    ),
    "agora": _rows(
        AGORA_OSX,
        OSX_TABLES,
        note="of OSX's own people and crops: prepare osx-json with --as-reference",
    ),
    "3dpw": _rows(
        PW3D_OSX,
        OSX_TABLES,
        columns=BODY_COLUMNS,
        doubt="the released code has no 3DPW metric; its authors say that these figures came from an "
        "SMPL version trained elsewhere (issue 79)",
    ),
}
