"""What a plugin can register: small records whose targets are imported only when used.

A plugin is a module with functions marked `@hookimpl`; each returns a list of records. Targets are
written "package.module:function". This file is the whole contract between the core and plugins.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pluggy

hookspec = pluggy.HookspecMarker("hps")
hookimpl = pluggy.HookimplMarker("hps")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One set of trained weights for a model: `model.tag`."""

    tag: str
    licence: str
    file: str = ""  # "package:relative/path" for weights inside a wheel; "" when the user brings it
    sha256: str = ""
    homepage: str = ""
    note: str = ""
    results: Mapping[str, float] = field(default_factory=dict)  # {"3dpw PA-MPJPE": 45.35}
    source: str = ""  # where the results were published
    preset: str = ""  # of the model
    official_file: str = ""  # what its authors call the file: "graphormer_h36m_state_dict.bin"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How other code lays a model's weights out in its files; keys without `module.`, `model.`."""

    name: str  # "official", "mmhuman3d"
    summary: str  # "METRO's state dict, as in metro_*_state_dict.bin"
    guess: str  # target(shapes: {key: shape}) -> options that differ from the defaults, or None
    rows: str  # target(options) -> list[hpscli.nn.layouts.Row], every tensor of such a file
    prefixes: tuple[str, ...] = ()  # before every key of its containers, besides the common ones
    ignored: Mapping[str, str] = field(
        default_factory=dict
    )  # glob of keys that may lie there too -> why they are dropped
    renames: tuple[tuple[str, str], ...] = ()  # older beginnings of keys -> those in the rows
    partial: bool = False  # holds a part of the model (a backbone): a start for training only
    container: str = ""  # where its files hold the weights: "state_dict/model." = entry/prefix
    entries: Mapping[str, Any] = field(default_factory=dict)  # that their loaders want beside them


@dataclass(frozen=True, kw_only=True)
class Start:
    """The weights that a backbone was started from when its authors trained the model."""

    file: str  # as its owner calls it; `model.backbone = FILE` takes it
    page: str  # where it is handed out
    library: str = ""  # the same weights in timm: what `model.backbone = "imagenet"` takes
    options: Mapping[str, Any] = field(default_factory=dict)  # of the model that it is for
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model: how to build it, what it eats, what it gives, what may be done with it."""

    name: str
    build: str  # target(**options) -> torch.nn.Module; module(image (B,3,H,W)) -> Prediction
    summary: str
    body: str  # smpl | smplx | mano
    input_size: tuple[int, int]  # (height, width) px
    licence: str  # of the code
    outputs: tuple[str, ...]  # of camera, vertices, joints, parameters, levels
    losses: str = "hpscli.train.losses:standard_losses"  # target(prediction, batch, body, names)
    defaults: Mapping[str, Any] = field(
        default_factory=dict
    )  # every option that `build` takes, with its default
    presets: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # name -> options that differ from defaults
    weights: tuple[Weights, ...] = ()
    layouts: tuple[Layout, ...] = ()  # of foreign checkpoints that it reads and writes
    adapt: str = ""  # target(spec, options) -> the spec at these options: body, sizes, crop ...
    takes_kit: bool = False  # build(..., kit=BodyKit): it is built around a body's mesh
    added: tuple[str, ...] = ()  # modules that an option adds: weights without them are a start too
    adversary: str = (
        ""  # target(**options) -> hpscli.train.learning.adversary.Critic: a prior of poses
    )
    starts: tuple[Start, ...] = ()  # of the backbone alone, as published
    raw: str = ""  # target(prediction, kit) -> raw outputs that need the body
    crop: str = "fast"  # or target: the image preparation of its authors
    assets: tuple[str, ...] = ()  # without these its authors' numbers cannot be had
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet, RGB
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    paper: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A data set: how its people are read out of the files as their owner ships them."""

    name: str
    splits: tuple[str, ...]
    summary: str
    licence: str
    access: str  # open | register | request | withdrawn | generated
    homepage: str
    people: str = ""  # target(root: Path, split: str, **options) -> Iterator[Person | InvalidData]
    samples: str = ""  # or the same with Samples, for who makes pictures instead of finding them
    poses: str = ""  # or of motions: target(root, split, **options) -> (count, target(index))
    body: str = ""  # body whose parameters the samples carry, if any
    aliases: tuple[str, ...] = ()  # other names that people type
    split_aliases: Mapping[str, str] = field(default_factory=dict)  # other word -> split
    references: tuple[str, ...] = ()  # official converters that option `reference` reproduces
    card: str = ""  # "package:relative/path.toml": what is known about it; see hpscli.cards
    files: Mapping[str, str] = field(
        default_factory=dict
    )  # glob below the root -> what it is; checked before reading
    options: Mapping[str, Any] = field(
        default_factory=dict
    )  # what `samples` takes besides, with defaults
    needs_root: bool = True  # False: generated, no --from needed
    parallel: str = ""  # target(root, split, **options) -> (count, target(index) -> Sample)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number that somebody published under this protocol."""

    model: str  # of ours, "metro", or with weights "fastmetro.l-h64-3dpw"; "" when hps has no such model
    metric: str  # a figure of the protocol's rule
    value: float
    source: str
    label: str = ""  # what its authors call the row: "Mix 1: H36M, MI, COCO"
    doubt: str = ""  # why the value is not to be trusted; such a value is no target
    tta: str = ""  # the test-time augmentation it was made with: "flip", "multiscale"
    options: Mapping[str, Any] = field(
        default_factory=dict, hash=False
    )  # of the model, where it was not asked as its weights are loaded: {"parametric": True}
    note: str = ""  # what to know before it is reproduced


@dataclass(frozen=True, kw_only=True)
class ProtocolSpec:
    """Which people, joints, alignment and units make a number; changing any makes a new name."""

    name: str  # "synthetic/test@smpl24-v1"
    testset: str  # the data set, what `--testset` calls it
    split: str
    summary: str  # the protocol in one English sentence
    body: str  # smpl | smplx | mano
    truth_body: str = ""  # of the people in its shards, where that is another one
    joints: str  # joint set in which errors are taken
    root: tuple[str, ...]  # joints whose mean is subtracted from both sides
    metrics: tuple[str, ...] = ("mpjpe", "pa_mpjpe", "pve", "pa_pve")
    joints_from: str = "model"  # model: the body's own joints; mesh: regressed from vertices
    gender: str = "neutral"  # neutral | annotated: of the ground-truth body
    crop_scale: float = 1.0  # box side of the crop = crop_scale * sample's box size
    samples: int = 0  # how many people the official list has; 0: as many as the shards hold
    default: bool = False  # the one that `--testset` alone means
    published: tuple[Published, ...] = ()
    rule: str = (
        "hpscli.metrics.joint_rule:JointRule"  # target(protocol, body) -> see metrics/rules.py
    )
    options: Mapping[str, Any] = field(default_factory=dict)  # for the rule
    standing: str = "ours"  # official | corrected | reconstruction | ours
    models: tuple[str, ...] = ()  # models and presets whose own protocol it is: "metro", "hmr.pare"
    says: Mapping[str, str] = field(
        default_factory=dict
    )  # what the fields above do not say, or instead of what they say: {"truth": "..."}
    beside: str = ""  # the protocol that an incorrect official one is corrected by, and back
    source: str = ""  # where the rule was read
    licence: str = ""  # of the test data
    pictures: str = "whole"  # what its shards must hold: whole | any (crops will do)


@dataclass(frozen=True, kw_only=True)
class WriterSpec:
    """A leaderboard's file: how it is written and how it is checked."""

    name: str
    write: str  # target(predictions: PredictionSet, out: Path, body: Body, **options) -> None
    check: str  # target(file: Path, **check_options) -> list[hpscli.records.Finding]
    summary: str
    homepage: str
    testset: str  # the data set whose people it is about
    split: str
    bodies: tuple[str, ...]  # that the leaderboard takes
    file_name: str = (
        "{writer}-pred.zip"  # fields: writer, model, epoch, views (sc10_rot0 | multisc)
    )
    keeps: tuple[str, ...] = ()  # patterns of the arrays of a PredictionSet that `write` reads
    samples: int = 0  # how many people the official list has
    options: Mapping[str, Any] = field(default_factory=dict)  # that `write` takes, with defaults
    check_options: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    source: str = ""  # where the layout was read


@dataclass(frozen=True, kw_only=True)
class PredictionFileSpec:
    """A file of predictions that other programs write, for `hps eval FILE`."""

    name: str  # "freihand-zip"
    recognise: str  # target(file: Path) -> bool, by content, quick, never raising
    read: str  # target(file: Path) -> PredictionSet; bad content is InvalidData
    summary: str
    suffixes: tuple[str, ...] = ()  # (".zip", ".json"): only these are looked into


@dataclass(frozen=True, kw_only=True)
class SpeedSpec:
    """A row of `hps bench metrics`: a metric of ours beside a plain loop, with equal results."""

    name: str  # "freihand"
    make: str  # target() -> inputs, a mapping of arrays as the official program has them in memory
    ours: str  # target(inputs) -> mapping of numbers or arrays
    plain: str  # target(inputs) -> the same, one person after the other as official code does
    people: int  # how many `make` makes
    at_least: float  # how many times faster than plain it has to be
    summary: str
    tolerance: float = 1e-9  # relative, between the two results
    share: float = 1.0  # the part of the people that `plain` is given; its time is scaled up
    official: str = ""  # what the official program took, and where that was measured


@dataclass(frozen=True, kw_only=True)
class CommandSpec:
    """An extra command `hps NAME`."""

    name: str
    run: str  # target: a function with a typer signature
    summary: str


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """Finds people in an image for `hps predict`."""

    name: str
    build: str  # target(device: str) -> callable(image HxWx3 uint8 RGB) -> boxes (N,5) xywh + score
    summary: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class GoldenSpec:
    """One kind of golden that `hps selfcheck` can replay."""

    name: str  # "hmr/spin"
    files: tuple[str, ...]  # below the reference folder, e.g. "goldens/hmr_spin.npz"
    replay: str  # target(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]
    summary: str
    source: str = ""  # where the tolerances come from
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()  # patterns of arrays that are given, not results to compare
    case: Mapping[str, Any] = field(
        default_factory=dict
    )  # what tells it from other goldens of the same replay: ReplayOptions.case


class Hooks:
    """The hook specifications."""

    @hookspec
    def hps_models(self) -> list[ModelSpec]:
        """Return the models of this plugin."""
        raise AssertionError

    @hookspec
    def hps_datasets(self) -> list[DatasetSpec]:
        """Return the data sets of this plugin."""
        raise AssertionError

    @hookspec
    def hps_protocols(self) -> list[ProtocolSpec]:
        """Return the evaluation protocols of this plugin."""
        raise AssertionError

    @hookspec
    def hps_writers(self) -> list[WriterSpec]:
        """Return the leaderboard writers of this plugin."""
        raise AssertionError

    @hookspec
    def hps_commands(self) -> list[CommandSpec]:
        """Return extra commands of this plugin."""
        raise AssertionError

    @hookspec
    def hps_detectors(self) -> list[DetectorSpec]:
        """Return the person detectors of this plugin."""
        raise AssertionError

    @hookspec
    def hps_prediction_files(self) -> list[PredictionFileSpec]:
        """Return the files of predictions that this plugin can read."""
        raise AssertionError

    @hookspec
    def hps_speeds(self) -> list[SpeedSpec]:
        """Return the metrics whose speed `hps bench metrics` measures."""
        raise AssertionError

    @hookspec
    def hps_goldens(self) -> list[GoldenSpec]:
        """Return the kinds of golden that this plugin can replay."""
        raise AssertionError
