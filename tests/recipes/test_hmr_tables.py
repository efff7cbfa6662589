"""recipes/hmr against the tables of what hmr-benchmarks and mmhuman3d released.

Each configuration is read into the same few facts as its recipe; where they differ on purpose, DECIDED
says what the recipe has, and docs/explanation/hmr-benchmarks.md says why.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hpscli.body.assets.sources import asset_record
from hpscli.recipe import Recipe, list_recipes, load_recipe
from hpscli.registry import get_registry

Facts = dict[str, Any]
FAMILIES = {"default": "mmhuman3d", "all_l1": "mmhuman3d-l1", "all_mse": "mmhuman3d-mse"}
LOSSES = {  # theirs -> ours
    "keypoints3d": "keypoints3d",
    "keypoints2d": "keypoints2d",
    "vertex": "vertices",
    "smpl_pose": "pose",
    "smpl_betas": "betas",
    "camera": "camera",
    "segm_mask": "parts",
}
PRESETS = {  # of the backbone's class, and its depth where it has one
    "ResNet50": "resnet50",
    "ResNet101": "resnet101",
    "ResNet152": "resnet152",
    "ResNeXt101": "resnext101",
    "EfficientNet": "efficientnet-b5",
    "PoseHighResolutionNet": "hrnet-w32",
    "VisionTransformer": "vit-b",
    "SwinTransformer": "swin-t",
    "PCPVT": "twins-pcpvt",
    "SVT": "twins-svt",
}
NO_BATCH_NORM = ("VisionTransformer", "PCPVT", "SVT")
JOINTS = {"smpl_54": "smpl54", "smpl_49": "smpl49", "smpl_24": "spin_gt24"}
CHANCES = (
    *("coarse_dropout", "grid_dropout", "photometric", "crop", "hard_erasing", "soft_erasing"),
    *("self_mixing", "random_occlusion", "occluders"),
)
NOT_THERE = ("rotation_chance", "shift", "erase", "truncation", "body_part", "motion_blur")
CACHED = {  # configuration that differs in a cache of labels alone -> the one that has a recipe
    "combine/twins_svt_hmr_mix4_coco_mmpose_l1_cache.py": (
        "combine/twins_svt_hmr_mix4_coco_mmpose_l1.py"
    ),
    "pare/hrnet_w32_conv_pare_coco_cache.py": "pare/hrnet_w32_conv_pare_coco.py",
    "pare/hrnet_w32_conv_pare_mix_cache.py": "pare/hrnet_w32_conv_pare_mix.py",
}
INHERITED = {  # of other methods and data, from mmhuman3d: no recipe, docs/explanation/hmr-benchmarks.md
    "gta_human/resnet50_hmr_gta_bt.py",
    "gta_human/resnet50_hmr_gta_ft.py",
    "hybrik/resnet34_hybrik_mixed.py",
}
DECIDED: Mapping[tuple[str, str], Any] = {
    # (configuration, fact) -> what the recipe has instead
    ("mixed/resnet50_hmr_mix7.py", "family"): "mmhuman3d",  # files of two pairs are exchanged
    ("mixed/resnet50_hmr_mix11.py", "family"): "mmhuman3d",
    ("mixed-l1/resnet50_hmr_mix7_l1.py", "family"): "mmhuman3d-l1",
    ("mixed-l1/resnet50_hmr_mix11_l1.py", "family"): "mmhuman3d-l1",
    ("mixed-l1/resnet50_hmr_mix2_mse.py", "family"): "mmhuman3d-mse",  # holds L1
    **{  # without the hips of annotators, to which the loss is relative
        (f"datasets/resnet50_hmr_{name}.py", "without 3D joints"): {member}
        for name, member in (
            ("agora", "agora_train_smpl"),
            ("surreal", "surreal_train_run0"),
            ("people3d", "people3d_train"),
            ("oh50k3d", "oh50k3d_train"),
        )
    },
    **{  # stops as released
        (config, "random_occlusion"): 0.0
        for config in (
            "mixed/resnet50_hmr_mix5.py",
            "mixed-l1/resnet50_hmr_mix5_l1.py",
            "mixed-l1/resnet50_hmr_mix5_mse.py",
            "datasets/resnet50_hmr_h36m.py",
            "datasets/resnet50_hmr_mpi_inf_3dhp.py",
            "datasets/resnet50_hmr_mpi_inf_3dhp_spin.py",
        )
    },
}


@pytest.fixture(scope="module")
def released(reference: Path) -> dict[str, Facts]:
    """-> the configurations of all tables, each as a whole one."""
    tables = reference / "hmr" / "tables"
    found: dict[str, Facts] = {}
    for file in sorted(tables.glob("configs_*.json")):
        found |= json.loads(file.read_text(encoding="utf-8"))
    mixes = json.loads((tables / "mixes.json").read_text(encoding="utf-8"))
    common = mixes["common"]
    for mix in mixes["mixes"].values():
        family = mix["loss_family_in_released_file"]
        found[mix["config"]] = {**common, **mix, "loss_family": family}
    single = json.loads((tables / "datasets.json").read_text(encoding="utf-8"))["datasets"]
    for entry in single.values():
        found[entry["config"]] = {**common, **entry, **_of_single(common, entry)}
    return found


def _of_single(common: Facts, entry: Facts) -> Facts:
    """-> what datasets.json says in numbers, in the form of the other tables."""
    weights = {"keypoints3d": "keypoints3d_loss_weight", "adv": "adv_loss_weight"}
    losses = {
        name: {**loss, "weight": entry[weights[name]] if name in weights else loss["weight"]}
        for name, loss in common["losses"].items()
    }
    rate = {**common["optimizer"]["backbone"], "lr": entry["lr"]}
    norm = {**common["backbone"]["norm_cfg"], "type": entry["norm"]}
    return {
        "loss_family": "default",
        "losses": losses,
        "optimizer": {**common["optimizer"], "backbone": rate, "head": rate},
        "backbone": {**common["backbone"], "norm_cfg": norm},
    }


@pytest.fixture(scope="module")
def recipes() -> list[Recipe]:
    """-> all of the folder."""
    return [load_recipe(name) for name in list_recipes() if name.startswith("hmr/")]


@pytest.fixture(scope="module")
def ours(recipes: list[Recipe]) -> dict[str, Recipe]:
    """-> the recipes that follow a released file, by the name of that file."""
    found = {}
    for recipe in recipes:
        _, configs, config = recipe.about.source.rpartition(" configs/")
        if configs and config.endswith(".py"):
            found[config] = recipe
    return found


def facts_of_table(config: Facts) -> Facts:
    """A released configuration -> what a recipe says too."""
    kind, pare = config["backbone"]["type"], config["head"]["type"] == "PareHead"
    losses = {LOSSES[n]: v["weight"] for n, v in config["losses"].items() if n != "adv"}
    adversary = config["losses"].get("adv")
    disc = config["optimizer"].get("disc", {})
    policy = config["lr_policy"]
    files = {d["ann_file"].removesuffix(".npz"): d["probability"] for d in config["datasets"]}
    return {
        "model": "pare" if pare else "hmr",
        "preset": PRESETS[f"{kind}{config['backbone'].get('depth', '')}"] + "-mmhuman3d" * pare,
        "start": _start_of_table(config["backbone"]),
        "mix": files,
        "without 3D joints": {n for n in files if "no3dkp" in n} if losses["keypoints3d"] else None,
        "3D joints of bodies": {n for n in files if n.endswith("_regressed")},
        "family": FAMILIES.get(config["loss_family"], ""),
        "losses": {name: weight for name, weight in losses.items() if weight},
        "adversary": adversary and (adversary["weight"], disc["type"].lower(), disc["lr"]),
        "backbone optimiser": _optimiser(config["optimizer"]["backbone"]),
        "head optimiser": _optimiser(config["optimizer"]["head"]),
        "schedule": (
            "constant" if policy["policy"] == "Fixed" else policy["policy"],
            tuple(policy.get("step", ())),
            policy.get("gamma", 0.1),
        ),
        "epochs": config["epochs"],
        "batch": config["samples_per_gpu"],
        "norm": None
        if kind in NO_BATCH_NORM
        else {"SyncBN": "sync"}.get(config["backbone"].get("norm_cfg", {}).get("type"), "plain"),
        "fixed statistics": _fixed_statistics(config["backbone"]),
        "joints": JOINTS[config["convention"]],
        "measured on": config["test"]["dataset_name"],
        **_augmentations(config),
    }


def _fixed_statistics(backbone: Facts) -> tuple[str, ...]:
    """Of HRNet, whose default that is (mmhuman3d/models/backbones/hrnet.py); ResNets say norm_eval."""
    if "ResNet" in backbone["type"]:
        assert backbone.get("norm_eval") is False
    kept = backbone["type"] == "PoseHighResolutionNet" and backbone.get("norm_eval", True)
    return ("backbone.*",) if kept else ()


def _optimiser(entry: Facts) -> tuple[Any, ...]:
    name = entry["type"].lower()
    momentum = entry["momentum"] if name == "sgd" else None
    return name, entry["lr"], entry.get("weight_decay", 0.0), momentum


def _start_of_table(backbone: Facts) -> str:
    """-> "imagenet", the file of a pose network, or "" where the whole model starts from a file."""
    named = backbone.get("pretrained") or backbone.get("init_cfg", {}).get("checkpoint", "")
    poses = ("_pose.pth", "_epoch_210.pth", "hrnet_pretrain.pth")
    return named if named.endswith(poses) or not named else "imagenet"


def _augmentations(config: Facts) -> Facts:
    """-> chances and ranges by the recipe's names; what a file does not have is 0."""
    found: Facts = dict.fromkeys(CHANCES, 0.0) | {"occluders_on": "picture", "only": {}}
    found["occluders_file"] = ""
    for step in config["train_augmentation"]:
        found |= _augmentation(step, config["datasets"])
    return found


def _augmentation(step: Facts, datasets: list[Facts]) -> Facts:
    match step["type"]:
        case "RandomChannelNoise":
            return {"colour": step["noise_factor"]}
        case "RandomHorizontalFlip":
            return {"flip": step["flip_prob"]}
        case "GetRandomScaleRotation":
            return {"rotation_degrees": step["rot_factor"], "scale": step["scale_factor"]}
        case "RandomOcclusion":
            return {"random_occlusion": step["occlusion_prob"]}
        case "RandomCrop":
            return {"crop": step["crop_prob"]}
        case "HardErasing":
            return {"hard_erasing": step["occlusion_prob"]}
        case "PhotometricDistortion":
            return {"photometric": 1.0}
        case "Albumentation":
            [only] = step["transforms"]
            name = {"CoarseDropout": "coarse_dropout", "GridDropout": "grid_dropout"}[only["type"]]
            return {name: only["p"]}
        case "SyntheticOcclusion":
            return {"occluders": 1.0, "occluders_file": step["occluders_file"]}
        case "SyntheticOcclusionKp":
            pasted = {"occluders": 1.0, "occluders_file": step["occluders_file"]}
            return {**pasted, "occluders_on": "joints"}
        case "MixingErasing":
            name = "self_mixing" if step.get("ntype") == "self" else "soft_erasing"
            if "mlist" not in step:  # its default, None, stops; read as all
                return {name: 0.5}
            files = [d["ann_file"] for d in datasets if d["dataset_name"] in step["mlist"]]
            return {name: 0.5, "only": {name: tuple(f.removesuffix(".npz") for f in files)}}
        case "MeshAffine":
            assert step["img_res"] == 224
            return {}
    raise AssertionError(f"{step['type']} is not known to this test")


def facts_of_recipe(recipe: Recipe) -> Facts:
    """A recipe -> the same."""
    members = recipe.data.mix.items()
    without = {name for name, member in members if "keypoints3d.*" in member.without}
    spec = get_registry().model(recipe.model.name)
    preset = recipe.model.preset
    options = {**spec.defaults, **spec.presets[preset], **recipe.model.options}
    group = recipe.optim.groups.get("backbone")
    adversary, norm = recipe.adversary, recipe.train.batch_norm
    return {
        "model": recipe.model.name,
        "preset": preset,
        "start": recipe.model.backbone,
        "mix": {name: member.weight for name, member in members},
        "without 3D joints": without if recipe.loss["keypoints3d"] else None,
        "3D joints of bodies": {name for name, member in members if member.joints3d == "body"},
        "family": options["losses"] if recipe.model.name == "hmr" else "",
        "losses": {name: weight for name, weight in recipe.loss.items() if weight},
        "adversary": adversary and (adversary.weight, adversary.name, adversary.lr),
        "backbone optimiser": _group(recipe, group.model_dump() if group else {}),
        "head optimiser": _group(recipe, {}),
        "schedule": (recipe.optim.schedule, recipe.optim.step_epochs, recipe.optim.step_factor),
        "epochs": recipe.train.epochs,
        "batch": recipe.optim.batch,
        "norm": None if preset in ("vit-b", "twins-svt", "twins-pcpvt") else norm,
        "fixed statistics": recipe.train.fixed_statistics,
        "joints": recipe.data.joints,
        "measured on": _measured_on(recipe),
        **{
            name: value
            for name, value in recipe.augment.model_dump().items()
            if name not in NOT_THERE
        },
    }


def _measured_on(recipe: Recipe) -> str | None:
    """-> the data set on which its authors chose, by their name."""
    published = recipe.data.validation_as_published
    sets = {"3dpw": "pw3d", "h36m": "h36m"}
    return sets[published.protocol.partition("/")[0]] if published else None


def _group(recipe: Recipe, said: Facts) -> tuple[Any, ...]:
    """What a group of parameters says -> name, rate, decay, momentum."""
    optim = recipe.optim
    own = {key: value for key, value in said.items() if value is not None}
    name = own.get("name", optim.name)
    decay = own.get("weight_decay", optim.weight_decay)
    return name, own.get("lr", optim.lr), decay, optim.momentum if name == "sgd" else None


def test_every_released_configuration_has_one_recipe(
    released: dict[str, Facts], recipes: list[Recipe], ours: dict[str, Recipe]
) -> None:
    sources = Counter(recipe.about.source for recipe in recipes)
    assert [source for source, count in sources.items() if count > 1 and source] == []
    assert set(ours) == set(released) - set(CACHED) and len(ours) > 120


@pytest.fixture(scope="module")
def read_files(reference: Path) -> dict[str, Facts]:
    """-> which files each configuration trains on, by the reference of the data."""
    table = reference / "datasets" / "hmr_benchmarks_mixes.json"
    found: dict[str, Facts] = json.loads(table.read_text(encoding="utf-8"))["configs"]
    return found


def test_every_configuration_that_the_reference_of_the_data_lists_has_its_recipe(
    read_files: dict[str, Facts], ours: dict[str, Recipe]
) -> None:
    assert set(read_files) - set(CACHED) - set(ours) == INHERITED and len(read_files) > 70


def test_recipes_train_on_the_files_that_the_reference_of_the_data_lists(
    read_files: dict[str, Facts], ours: dict[str, Recipe]
) -> None:
    different = {}
    for config in set(read_files) - INHERITED:
        recipe = ours[CACHED.get(config, config)]
        found, theirs = _files_of_recipe(recipe), _files_of_table(read_files[config])
        if found != theirs:
            different[config] = (found, theirs)
    assert different == {}


def _files_of_table(config: Facts) -> Facts:
    parts, adversary = config["train"]["train"], config["train"]["adversarial"]
    pairs = zip(parts["datasets"], parts["partition"], strict=True)
    return {
        "shares": sorted((part["ann_file"].removesuffix(".npz"), share) for part, share in pairs),
        "conventions": {JOINTS[part["convention"]] for part in parts["datasets"]},
        "adversary": adversary["ann_file"],
        "measured on": config["test"]["dataset_name"],
    }


def _files_of_recipe(recipe: Recipe) -> Facts:
    assert recipe.adversary is not None
    return {
        "shares": sorted((name, member.weight) for name, member in recipe.data.mix.items()),
        "conventions": {recipe.data.joints},
        "adversary": asset_record(recipe.adversary.poses).to_import,
        "measured on": _measured_on(recipe),
    }


def test_recipes_say_what_the_tables_say_but_for_what_is_decided(
    released: dict[str, Facts], ours: dict[str, Recipe]
) -> None:
    different = {}
    for config, recipe in ours.items():
        theirs, found = facts_of_table(released[config]), facts_of_recipe(recipe)
        for fact in theirs | found:
            wanted = DECIDED.get((config, fact), theirs.get(fact))
            if found.get(fact) != wanted:
                different[config, fact] = (found.get(fact), wanted)
    assert different == {}


def test_every_decision_differs_from_the_table_and_is_told_in_the_recipe(
    released: dict[str, Facts], ours: dict[str, Recipe]
) -> None:
    for (config, fact), value in DECIDED.items():
        assert facts_of_table(released[config])[fact] != value, (config, fact)
        assert ours[config].about.decisions, config


def test_configurations_that_differ_in_a_cache_are_the_same_training(
    released: dict[str, Facts], ours: dict[str, Recipe]
) -> None:
    for cached, config in CACHED.items():
        assert facts_of_table(released[cached]) == facts_of_table(released[config])
        assert any(cached in decision for decision in ours[config].about.decisions), cached


def test_every_recipe_says_what_it_follows(recipes: list[Recipe]) -> None:
    assert [recipe.name for recipe in recipes if not recipe.about.source] == []


def test_rotations_happen_as_often_as_in_the_released_code(ours: dict[str, Recipe]) -> None:
    assert {recipe.augment.rotation_chance for recipe in ours.values()} == {0.6}


def test_the_numbers_of_people_per_gpu_are_meant_for_eight(ours: dict[str, Recipe]) -> None:
    for recipe in ours.values():
        assert recipe.optim.global_batch == recipe.optim.batch * recipe.about.gpus
        assert recipe.about.gpus == 8


def test_every_published_row_is_the_target_of_its_recipe(
    reference: Path, recipes: list[Recipe]
) -> None:
    text = (reference / "hmr" / "tables" / "results.json").read_text(encoding="utf-8")
    rows = [row for row in json.loads(text)["rows"] if row["config"]]
    targets = {target.label for recipe in recipes for target in recipe.about.targets}
    missing = [r["config"] for r in rows if not any(f"({r['config']})" in t for t in targets)]
    assert missing == [] and len(rows) > 95


def test_targets_of_recipes_without_a_row_of_their_own_are_not_invented(
    reference: Path, ours: dict[str, Recipe]
) -> None:
    text = (reference / "hmr" / "tables" / "results.json").read_text(encoding="utf-8")
    printed = {row["config"] for row in json.loads(text)["rows"]}
    for config, recipe in ours.items():
        same = [config, *(cached for cached, kept in CACHED.items() if kept == config)]
        own = [t for t in recipe.about.targets if t.label.endswith(".py)")]
        assert len(own) == sum(name in printed for name in same), config
