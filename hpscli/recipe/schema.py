"""What a recipe can say: typed, checked, every key with its default and its meaning."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Model(Section):
    name: str
    preset: str = ""
    options: dict[str, Any] = {}  # checked against the plugin's declared options when built
    body: Literal["", "free", "imported"] = ""  # "": imported files when there are any, else free
    init: str = ""  # weights to start from: file, model.tag or run folder
    backbone: str = (
        ""  # of the backbone alone, where init is "": a file, or "imagenet": as timm has it
    )


class Member(Section):
    """One data set of the training mix."""

    shards: str  # folder or URL with index.json
    weight: float = Field(1.0, ge=0)  # share of the samples, where the mixing goes by shares
    side: str = ""  # mixing = "balanced": members of a side are read one after the other
    limit: int = Field(0, ge=0)  # use only the first N samples; 0: all
    without: tuple[str, ...] = ()  # labels that are left out, as globs: "keypoints3d.*"
    prepare: str = ""  # what to type after `hps prepare` to make these shards


class Validation(Section):
    shards: str
    protocol: str
    metric: str = ""  # of the protocol, whose lowest value is the best; "": its first
    limit: int = Field(0, ge=0)
    batch: int = Field(32, ge=1)
    prepare: str = ""  # as in the mix


Mixing = Literal["weighted", "independent", "partition", "concatenation", "balanced"]


class Data(Section):
    mix: dict[str, Member] = {}  # a number alone is the weight of a member of [data.members]
    mixing: Mixing = "weighted"  # how an epoch is put together; see hpscli/data/epochs
    validation: Validation | None = None  # chooses the best checkpoint
    validation_as_published: Validation | None = None  # that of the authors, if it is a test set
    image_size: tuple[int, int] | None = None  # (height, width); default: the model's own
    joints: str = "smpl24"  # joint set of the supervision
    workers: int = Field(1, ge=0)
    crop_scale: float = Field(1.0, gt=0)


class Augment(Section):
    """Random changes of training crops: ranges are +-, what erases or hides is a chance (0: never)."""

    flip: float = Field(0.5, ge=0, le=1)
    rotation_degrees: float = Field(30.0, ge=0, le=180)  # one deviation, cut at two
    rotation_chance: float = Field(0.6, ge=0, le=1)
    scale: float = Field(0.25, ge=0, lt=1)  # one deviation, cut there
    shift: float = Field(0.0, ge=0, lt=1)  # of the box side
    colour: float = Field(0.4, ge=0, lt=1)  # per-channel multiplier
    erase: float = Field(0.0, ge=0, le=1)  # a rectangle of one colour
    photometric: float = Field(0.0, ge=0, le=1)  # brightness, contrast, saturation, hue
    crop: float = Field(0.0, ge=0, le=1)  # a part of the box, cut in height
    body_part: float = Field(0.0, ge=0, le=1)  # the box of a part of the body: head, arm, legs ...
    hard_erasing: float = Field(0.0, ge=0, le=1)  # noise in a rectangle of the box
    soft_erasing: float = Field(0.0, ge=0, le=1)  # noise mixed into a rectangle
    self_mixing: float = Field(0.0, ge=0, le=1)  # another part of the picture mixed in
    coarse_dropout: float = Field(0.0, ge=0, le=1)  # some black rectangles
    grid_dropout: float = Field(0.0, ge=0, le=1)  # black squares on a grid
    random_occlusion: float = Field(0.0, ge=0, le=1)  # as hard erasing, under its older name
    occluders: float = Field(0.0, ge=0, le=1)  # cut-out objects pasted over the person
    occluders_on: Literal["picture", "joints"] = "picture"  # where their centres fall
    occluders_file: str = ""  # their cut-outs; "": shapes that hps draws itself
    truncation: float = Field(0.0, ge=0, le=0.9)  # up to this part of one side is cut away
    only: dict[str, tuple[str, ...]] = {}  # augmentation -> the members of the mix that get it


OptimizerName = Literal["adam", "adamw", "sgd"]


class Group(Section):
    """Parameters that learn in their own way; what is not said is as for all others."""

    match: tuple[str, ...]  # globs of parameter names: "backbone.*"
    name: OptimizerName | None = None
    lr: float | None = Field(None, gt=0)
    weight_decay: float | None = Field(None, ge=0)


class Optim(Section):
    name: OptimizerName = "adamw"
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    groups: dict[str, Group] = {}  # the first that matches a parameter has it
    layer_decay: float = Field(
        1.0, gt=0, le=1
    )  # of a ViT: the last block lr * this, and so on down
    batch: int = Field(32, ge=1)  # per process
    global_batch: int = Field(0, ge=0)  # what the numbers were published with; 0: not stated
    accumulate: int = Field(1, ge=1)
    clip_norm: float = Field(0.0, ge=0)  # 0: off
    ema: float = Field(0.0, ge=0, lt=1)  # decay; 0: off
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup_steps: int = Field(0, ge=0)
    min_lr: float = Field(0.0, ge=0)  # where a cosine ends
    step_epochs: tuple[int, ...] = ()  # schedule = "step": multiply lr by step_factor after these
    step_factor: float = 0.1


class Adversary(Section):
    """A network that tells real poses from predicted ones, and learns beside the model."""

    poses: str  # folder of real ones, as `hps prepare amass` makes it, or an asset: poses-cmu-mosh
    prepare: str = ""  # what to type after `hps prepare` to make the folder
    weight: float = Field(1.0, ge=0)  # of the term that the model learns from; 0: no adversary
    name: OptimizerName = "adam"
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)


class Train(Section):
    epochs: int = Field(1, ge=1)
    epoch_samples: int = Field(0, ge=0)  # over all processes; 0: as the mixing says
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    batch_norm: Literal["plain", "sync", "frozen"] = "plain"  # sync: one batch over all processes
    freeze: tuple[str, ...] = ()  # globs of parameters that stay as they start
    gradient_checkpointing: bool = False  # of a ViT: less memory, a third more time
    sharding: Literal["none", "fsdp"] = "none"  # fsdp: each process keeps a part of the weights
    early_stop: int = Field(0, ge=0)  # validations in a row that are no better; 0: never
    validate_every: int = Field(1, ge=1)  # epochs
    as_published: bool = False  # best is chosen on data.validation_as_published; --as-published
    log_every: int = Field(50, ge=1)  # optimiser steps
    checkpoint_every: int = Field(1000, ge=1)  # optimiser steps; also at each epoch's end
    keep: int = Field(2, ge=1)  # numbered checkpoints kept besides best and last
    overlays: int = Field(4, ge=0)  # people in the picture of an epoch
    multi_view: bool = False  # their meshes also from five sides, in that picture


class Export(Section):
    """A file for a leaderboard, written when the training is over."""

    writer: str  # of `hps export-preds list`; "": none
    shards: str
    limit: int = Field(0, ge=0)  # only the first N people; 0: all
    prepare: str = ""


class Target(Section):
    """A figure that its authors published, as `hps protocols show PROTOCOL` lists it."""

    protocol: str
    metric: str = ""  # "": every figure of that row
    label: str = ""  # of the row
    model: str = ""  # of the row: "hmr.resnet50", where the label does not tell


class About(Section):
    """What a person wants to know before starting; changes nothing."""

    source: str = ""  # the released file or command that it follows
    decisions: tuple[str, ...] = ()  # defects of what was released, and what is done here
    targets: tuple[Target, ...] = ()
    assets: tuple[str, ...] = ()  # besides those of the model: "imagenet hrnet-w64"
    licence: str = ""  # of the data together
    gpus: int = Field(0, ge=0)  # as published
    gpu_hours: str = ""  # if anybody said


class Recipe(Section):
    name: str
    summary: str = ""
    base: str = ""
    seed: int = 0
    needs: tuple[str, ...] = ()  # data sets and assets that a person must bring
    about: About = About()
    model: Model
    data: Data
    augment: Augment = Augment()
    loss: dict[str, float] = {}  # name of a loss of the model -> weight
    adversary: Adversary | None = None
    optim: Optim = Optim()
    train: Train = Train()
    export: Export | None = None
