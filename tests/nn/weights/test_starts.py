"""The backbone's own start: from the library, from files of others, and what is said without them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model
from hpscli.nn.files import CheckpointInfo, save_checkpoint
from hpscli.nn.options import complete_options, published_start
from hpscli.nn.weights.starts import check_backbone, from_library, start_backbone
from hpscli.registry import get_registry


def built(name: str, **choice: Any) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    torch.manual_seed(0)
    return build_model(name, body_source="free", **choice)


def classifier(name: str) -> Mapping[str, Tensor]:
    torch.manual_seed(1)
    found: Mapping[str, Tensor] = timm.create_model(name, pretrained=False).state_dict()
    return found


def head(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: value.clone()
        for name, value in module.state_dict().items()
        if not name.startswith(("backbone.", "encoder."))
    }


def test_imagenet_weights_fill_the_backbone_and_nothing_else() -> None:
    asked: list[str] = []

    def download(name: str) -> Mapping[str, Tensor]:
        asked.append(name)
        return classifier("resnet50")

    module, spec, options = built("hmr", preset="resnet50")
    before = head(module)
    said = start_backbone(module, spec, options, "imagenet", download=download)
    assert asked == ["resnet50.tv_in1k"]
    assert said.startswith("318 tensors of the backbone from timm's resnet50.tv_in1k")
    assert torch.equal(
        module.state_dict()["backbone.layer4.2.conv3.weight"],
        classifier("resnet50")["layer4.2.conv3.weight"],
    )
    assert all(torch.equal(value, before[name]) for name, value in head(module).items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "preset", "library"),
    [
        ("hmr", "resnext101", "resnext101_32x8d"),
        ("hmr", "efficientnet-b5", "tf_efficientnet_b5"),
        ("hmr", "hrnet-w32", "hrnet_w32"),
        ("hmr", "vit-b", "vit_base_patch16_224"),
        ("hmr", "swin-t", "swin_tiny_patch4_window7_224"),
        ("hmr", "twins-svt", "twins_svt_base"),
        ("hmr", "twins-pcpvt", "twins_pcpvt_base"),
        ("pare", "hrnet-w32", "hrnet_w32"),
        ("pare", "resnet50", "resnet50"),
        ("fastmetro", "s-resnet50", "resnet50"),
        ("metro", "hrnet-w64", "hrnet_w64"),
    ],
)
def test_every_published_backbone_takes_what_timm_offers(
    model: str, preset: str, library: str
) -> None:
    module, spec, options = built(model, preset=preset)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    start_backbone(module, spec, options, "imagenet", download=lambda _: classifier(library))
    changed = [
        name
        for name, value in module.state_dict().items()
        if value.is_floating_point() and not torch.equal(value, before[name])
    ]
    weights = [n for n in before if n.startswith("backbone.") and before[n].dim() > 1]
    assert all(name.startswith("backbone.") for name in changed)
    assert len([name for name in changed if name in weights]) > 0.8 * len(weights)


@pytest.mark.parametrize("model", ["hmr", "pare", "metro", "graphormer", "fastmetro"])
def test_every_published_backbone_is_in_timm_by_that_name(model: str) -> None:
    starts = [start for start in get_registry().model(model).starts if start.library]
    assert starts
    for start in starts:
        name, _, tag = start.library.partition(".")
        assert start.library in timm.list_pretrained(f"{name}.{tag}")


def test_every_preset_of_the_authors_says_what_it_started_from() -> None:
    unknown = [
        f"{spec.name} {preset}"
        for spec in (get_registry().model(n) for n in ("metro", "graphormer", "fastmetro", "osx"))
        for preset in spec.presets
        if "tiny" not in preset
        and published_start(spec, complete_options(spec, preset, {})) is None
    ]
    assert unknown == []


def test_without_the_hub_one_sentence_says_which_file_to_bring() -> None:
    def fails(name: str) -> Mapping[str, Tensor]:
        raise OSError("[Errno -2] Name or service not known\nand much more")

    module, spec, options = built("hmr", preset="resnet50")
    with pytest.raises(MissingError) as caught:
        start_backbone(module, spec, options, "imagenet", download=fails)
    assert caught.value.problem == (
        "'resnet50.tv_in1k' cannot be downloaded: [Errno -2] Name or service not known."
    )
    assert "resnet50-19c8e357.pth" in caught.value.fix
    assert "model.backbone=FILE" in caught.value.fix


def test_timm_finds_weights_that_lie_in_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real path of timm, with a file in place of its hub."""
    stored = classifier("resnet18")
    torch.save(dict(stored), tmp_path / "resnet18-f37072fd.pth")
    kept = timm.create_model

    def local(name: str, pretrained: bool) -> nn.Module:
        overlay = {"file": str(tmp_path / "resnet18-f37072fd.pth")}
        made: nn.Module = kept(name, pretrained=pretrained, pretrained_cfg_overlay=overlay)
        return made

    monkeypatch.setattr(timm, "create_model", local)
    found = from_library("resnet18.tv_in1k")
    assert torch.equal(found["layer1.0.conv1.weight"], stored["layer1.0.conv1.weight"])


def test_a_file_of_torchvision_starts_a_mesh_network(tmp_path: Path) -> None:
    kept = {  # files of 2017 have no counts of batches
        k: v for k, v in classifier("resnet50").items() if not k.endswith("num_batches_tracked")
    }
    torch.save(kept, tmp_path / "resnet50-19c8e357.pth")
    module, spec, options = built("fastmetro", preset="s-resnet50")
    said = start_backbone(module, spec, options, str(tmp_path / "resnet50-19c8e357.pth"))
    assert said.splitlines()[0].startswith("265 tensors of the backbone")
    assert torch.equal(module.state_dict()["backbone.conv1.weight"], kept["conv1.weight"])


def test_a_checkpoint_of_ours_gives_its_backbone_alone(tmp_path: Path) -> None:
    trained, _, options = built("hmr", preset="tiny")
    with torch.no_grad():
        for value in trained.parameters():
            value.fill_(0.5)
    info = CheckpointInfo(model="hmr", options=options, input_size=(64, 64), body={"kind": "smpl"})
    save_checkpoint(tmp_path / "a.safetensors", trained.state_dict(), info)
    module, spec, options = built("hmr", preset="tiny")
    before = head(module)
    start_backbone(module, spec, options, str(tmp_path / "a.safetensors"))
    name = next(n for n, _ in module.named_parameters() if n.startswith("backbone."))
    assert bool((module.state_dict()[name] == 0.5).all())
    assert all(torch.equal(value, before[key]) for key, value in head(module).items())


def test_a_file_of_another_backbone_is_refused(tmp_path: Path) -> None:
    torch.save(dict(classifier("resnet18")), tmp_path / "a.pth")
    module, spec, options = built("fastmetro", preset="s-resnet50")
    with pytest.raises(InvalidData, match="is no backbone of this model"):
        start_backbone(module, spec, options, str(tmp_path / "a.pth"))


def test_models_that_start_from_2d_pose_refuse_imagenet_and_name_the_file() -> None:
    spec = get_registry().model("osx")
    with pytest.raises(UsageError, match="ViTPose-L") as caught:
        check_backbone(spec, complete_options(spec, "l", {}), "imagenet")
    assert "osx_vit_l.pth" in caught.value.fix


def test_a_backbone_file_that_is_not_there_is_missed_before_the_training() -> None:
    spec = get_registry().model("hmr")
    with pytest.raises(MissingError):
        check_backbone(spec, complete_options(spec, "resnet50", {}), "nowhere.pth")
