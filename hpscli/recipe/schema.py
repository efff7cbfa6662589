"""What a recipe can say: typed, checked, every key with its default and its meaning."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hpscli.recipe.limits import (
    Batch,
    BelowOne,
    Command,
    Count,
    Cut,
    Decay,
    Degrees,
    DepthFactor,
    Factor,
    LowestRate,
    MaybePlace,
    Name,
    Options,
    Pixels,
    Place,
    Processes,
    Rate,
    Seed,
    Share,
    Weight,
    Whole,
    Word,
)


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False
    )


class Model(Section):
    name: Word
    preset: str = ""
    options: Options = {}  # checked against the plugin's declared options when built
    body: Literal["", "free", "imported"] = ""  # "": imported files when there are any, else free
    init: MaybePlace = ""  # weights to start from: file, model.tag or run folder
    backbone: MaybePlace = (
        ""  # of the backbone alone, where init is "": a file, or "imagenet": as timm has it
    )


class Member(Section):
    """One data set of the training mix."""

    shards: Place  # folder or URL with index.json
    weight: Weight = 1.0  # share of the samples, where the mixing goes by shares
    side: str = ""  # mixing = "balanced": members of a side are read one after the other
    limit: Whole = 0  # use only the first N samples; 0: all
    without: tuple[str, ...] = ()  # labels that are left out, as globs: "keypoints3d.*"
    joints3d: Literal["labels", "body"] = "labels"  # "body": made of the labelled body
    prepare: Command = ""  # what to type after `hps prepare` to make these shards


class Validation(Section):
    shards: Place
    protocol: Word
    metric: str = ""  # of the protocol, whose best value chooses the checkpoint; "": its first
    limit: Whole = 0
    batch: Batch = 32
    prepare: Command = ""  # as in the mix


Mixing = Literal["weighted", "independent", "partition", "concatenation", "balanced"]


class Data(Section):
    mix: dict[str, Member] = {}  # a number alone is the weight of a member of [data.members]
    mixing: Mixing = "weighted"  # how an epoch is put together; see hpscli/data/epochs
    validation: Validation | None = None  # chooses the best checkpoint
    validation_as_published: Validation | None = None  # that of the authors, if it is a test set
    image_size: tuple[Pixels, Pixels] | None = None  # (height, width); default: the model's own
    joints: str = "smpl24"  # joint set of the supervision
    workers: Processes = 1
    crop_scale: Factor = 1.0


class Augment(Section):
    """Random changes of training crops: ranges are +-, what erases or hides is a chance (0: never)."""

    flip: Share = 0.5
    rotation_degrees: Degrees = 30.0  # one deviation, cut at two
    rotation_chance: Share = 0.6
    scale: BelowOne = 0.25  # one deviation, cut there
    shift: BelowOne = 0.0  # of the box side
    colour: BelowOne = 0.4  # per-channel multiplier
    erase: Share = 0.0  # a rectangle of one colour
    photometric: Share = 0.0  # brightness, contrast, saturation, hue
    crop: Share = 0.0  # a part of the box, cut in height
    body_part: Share = 0.0  # the box of a part of the body: head, arm, legs ...
    hard_erasing: Share = 0.0  # noise in a rectangle of the box
    motion_blur: Share = 0.0  # along a line of up to 7 px of the window
    soft_erasing: Share = 0.0  # noise mixed into a rectangle
    self_mixing: Share = 0.0  # another part of the picture mixed in
    coarse_dropout: Share = 0.0  # some black rectangles
    grid_dropout: Share = 0.0  # black squares on a grid
    random_occlusion: Share = 0.0  # as hard erasing, under its older name
    occluders: Share = 0.0  # cut-out objects pasted over the person
    occluders_on: Literal["picture", "joints"] = "picture"  # where their centres fall
    occluders_file: MaybePlace = ""  # their cut-outs; "": shapes that hps draws itself
    truncation: Cut = 0.0  # up to this part of one side is cut away
    only: dict[str, tuple[str, ...]] = {}  # augmentation -> the members of the mix that get it


OptimizerName = Literal["adam", "adamw", "sgd"]


class Group(Section):
    """Parameters that learn in their own way; what is not said is as for all others."""

    match: Annotated[tuple[str, ...], Field(min_length=1)]  # globs of parameter names: "backbone.*"
    name: OptimizerName | None = None
    lr: Rate | None = None
    weight_decay: Decay | None = None


class Optim(Section):
    name: OptimizerName = "adamw"
    lr: Rate = 1e-4
    weight_decay: Decay = 0.0
    betas: tuple[BelowOne, BelowOne] = (0.9, 0.999)
    momentum: BelowOne = 0.9
    groups: dict[str, Group] = {}  # the first that matches a parameter has it
    layer_decay: DepthFactor = 1.0  # of a ViT: the last block lr * this, and so on down
    batch: Batch = 32  # per process
    global_batch: Whole = 0  # what the numbers were published with; 0: not stated
    accumulate: Batch = 1
    clip_norm: Weight = 0.0  # 0: off
    ema: BelowOne = 0.0  # decay; 0: off
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup_steps: Whole = 0
    min_lr: LowestRate = 0.0  # where a cosine ends
    step_epochs: tuple[Count, ...] = ()  # schedule = "step": multiply lr by step_factor after these
    step_factor: Factor = 0.1


class Adversary(Section):
    """A network that tells real poses from predicted ones, and learns beside the model."""

    poses: (
        Place  # folder of real ones, as `hps prepare amass` makes it, or an asset: poses-cmu-mosh
    )
    prepare: Command = ""  # what to type after `hps prepare` to make the folder
    weight: Weight = 1.0  # of the term that the model learns from; 0: no adversary
    name: OptimizerName = "adam"
    lr: Rate = 1e-4
    scheduled: bool = False  # its rate follows optim.schedule; else it stays as it is
    weight_decay: Decay = 0.0


class Train(Section):
    epochs: Count = 1
    epoch_samples: Whole = 0  # over all processes; 0: as the mixing says
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    deterministic: bool = False  # on a GPU: the same bits in every run, where kernels can; slower
    batch_norm: Literal["plain", "sync", "frozen"] = "plain"  # sync: one batch over all processes
    freeze: tuple[str, ...] = ()  # globs of parameters that stay as they start
    fixed_statistics: tuple[str, ...] = ()  # globs of batch norms whose scale and shift alone learn
    gradient_checkpointing: bool = False  # of a ViT: less memory, a third more time
    sharding: Literal["none", "fsdp"] = "none"  # fsdp: each process keeps a part of the weights
    early_stop: Whole = 0  # validations in a row that are no better; 0: never
    validate_every: Count = 1  # epochs
    as_published: bool = False  # best is chosen on data.validation_as_published; --as-published
    log_every: Count = 50  # optimiser steps
    checkpoint_every: Count = 1000  # optimiser steps; also at each epoch's end
    keep: Count = 2  # numbered checkpoints kept besides best and last
    overlays: Whole = 4  # people in the picture of an epoch
    multi_view: bool = False  # their meshes also from five sides, in that picture


class Export(Section):
    """A file for a leaderboard, written when the training is over."""

    writer: str  # of `hps export-preds list`; "": none
    shards: Place
    limit: Whole = 0  # only the first N people; 0: all
    prepare: Command = ""


class Target(Section):
    """A figure that its authors published, as `hps protocols show PROTOCOL` lists it."""

    protocol: Word
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
    gpus: Whole = 0  # as published
    gpu_hours: str = ""  # if anybody said


class Recipe(Section):
    name: Name
    summary: str = ""
    base: str = ""
    seed: Seed = 0
    needs: tuple[str, ...] = ()  # data sets and assets that a person must bring
    about: About = About()
    model: Model
    data: Data
    augment: Augment = Augment()
    loss: dict[str, Weight] = {}  # name of a loss of the model -> weight; 0: off
    adversary: Adversary | None = None
    optim: Optim = Optim()
    train: Train = Train()
    export: Export | None = None
