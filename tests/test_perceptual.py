"""Perceptual scores from weights files, with no network: seeded weights under the real names, and a real trunk."""

import shutil

import pyiqa
import pytest
import torch
from pyiqa.archs import clip_model, dists_arch, lpips_arch
from torchvision.models import (
    AlexNet_Weights,
    SqueezeNet1_1_Weights,
    VGG16_Weights,
    alexnet,
    squeezenet1_1,
    vgg16,
)

from rssr.base.errors import UserError
from rssr.base.files import sha256
from rssr.metrics import perceptual
from rssr.metrics.registry import METRICS, fetch_weights, function


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    perceptual.load.cache_clear()

    def refused(*_, **__):
        raise AssertionError("something was to be downloaded")

    monkeypatch.setattr("torch.hub.download_url_to_file", refused)
    monkeypatch.setattr("urllib.request.urlopen", refused)


def put(folder, metric, *tensors):
    for name, value in zip(perceptual.WEIGHTS[metric], tensors, strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(value, path)


def images(seed):
    drawn = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (2, 3, 72, 80), dtype=torch.uint8, generator=drawn) for _ in range(2)]


@pytest.mark.parametrize(("metric", "trunk"), [("lpips", alexnet), ("lpips_squeeze", squeezenet1_1)])
def test_lpips_equals_pyiqas_on_the_same_seeded_trunk(tmp_path, monkeypatch, metric, trunk):
    torch.manual_seed(1)
    put(tmp_path, metric, trunk().state_dict())
    sr, hr = images(2)
    found = function(metric, 4, str(tmp_path))(sr, hr, None)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    own = {"net": perceptual.LINEAR[metric][0], "pretrained_model_path": str(perceptual.linear_layers(metric))}
    reference = pyiqa.create_metric("lpips", device="cpu", **own)
    window = (..., slice(4, -4), slice(4, -4))
    with torch.inference_mode():
        expected = reference(sr[window].float() / 255, hr[window].float() / 255).flatten()
    assert found.shape == (2,) and found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert (found > 1e-4).all() and function(metric, 4, str(tmp_path))(sr, sr, None).tolist() == [0, 0]


def test_images_that_it_cannot_compare_are_refused(tmp_path):
    put(tmp_path, "lpips", alexnet().state_dict())
    metric = function("lpips", 4, str(tmp_path))
    sr, hr = images(2)
    side = perceptual.SMALLEST + 2 * 4
    assert metric(sr[..., :side, :side], hr[..., :side, :side], None).shape == (2,)
    with pytest.raises(UserError, match="lpips needs at least 32 pixels per side after the crop, but 31x64 are left"):
        metric(sr[..., : side - 1], hr[..., : side - 1], None)
    with pytest.raises(UserError, match="not uint8 of one size"):  # AlexNet's maps may be of one size still
        metric(sr, hr[..., 1:], None)


@pytest.mark.parametrize("whole", [True, False])
def test_lpips_squeeze_has_the_published_values(tmp_path, shared, monkeypatch, whole):
    """The examples of torchmetrics' documentation, with the trunk that torchvision publishes, whole or its features."""
    features = shared / "weights/squeezenet1_1_features.pth"
    if whole:  # but for the classifier, which LPIPS does not use; its digits are not torchvision's
        trunk = squeezenet1_1().state_dict() | torch.load(features, weights_only=True)
        put(tmp_path, "lpips_squeeze", trunk)
        path = tmp_path / perceptual.SQUEEZENET
        monkeypatch.setitem(perceptual.WEIGHTS, "lpips_squeeze", {perceptual.SQUEEZENET: ("", sha256(path))})
    else:
        (tmp_path / "checkpoints").mkdir()
        shutil.copy2(features, tmp_path / perceptual.FEATURES_FILE)
    fetch_weights("lpips_squeeze", str(tmp_path))
    metric = perceptual.load("lpips_squeeze", str(tmp_path), "cpu")

    def value(one, two):
        with torch.inference_mode():
            return [round(float(v), 4) for v in metric(one, two).flatten()]

    for seed, expected in ((123, 0.1008), (42, 0.1005)):
        torch.manual_seed(seed)
        scores = value(torch.rand(10, 3, 100, 100), torch.rand(10, 3, 100, 100))
        assert sum(scores) / 10 == pytest.approx(expected, abs=6e-5)
    drawn = torch.Generator().manual_seed(42)
    pair = [torch.rand(2, 3, 100, 100, generator=drawn) for _ in range(2)]
    assert value(*pair) == [0.1024, 0.0938]
    side = perceptual.SMALLEST
    assert 0 < value(pair[0][..., :side, :side], pair[1][..., :side, :side])[0] < 1


def test_a_damaged_or_another_file_is_refused(tmp_path, monkeypatch):
    put(tmp_path, "lpips", alexnet().state_dict())
    with pytest.raises(UserError, match=r"alexnet-owt-7be5be79.pth has the sha256 .* but 7be5be79\w{56} was expected"):
        fetch_weights("lpips", str(tmp_path))
    put(tmp_path, "lpips_squeeze", squeezenet1_1().state_dict())  # nor one with the right first digits
    monkeypatch.setattr(perceptual, "check_digest", lambda path, digest: None)
    with pytest.raises(UserError, match="squeezenet1_1-b8a52dc0.pth has other feature layers than torchvision's"):
        fetch_weights("lpips_squeeze", str(tmp_path))


@pytest.mark.parametrize("metric", perceptual.LINEAR)
def test_linear_layers_are_the_published_ones(metric, monkeypatch):
    """By full checksums, as the first digits in pyiqa's names have them; another file is refused."""
    net, digest = perceptual.LINEAR[metric]
    assert sha256(perceptual.linear_layers(metric)) == digest
    assert digest[:8] in lpips_arch.default_model_urls[f"0.1_{net}"]
    monkeypatch.setitem(perceptual.LINEAR, metric, (net, "0" * 64))
    with pytest.raises(UserError, match=rf"v0.1/{net}.pth has the sha256 {digest}, but 0000"):
        fetch_weights(metric, "nowhere")


@pytest.mark.parametrize("metric", perceptual.WEIGHTS)
def test_every_file_has_an_address_and_a_checksum(metric):
    known = {AlexNet_Weights.DEFAULT.url, SqueezeNet1_1_Weights.DEFAULT.url, VGG16_Weights.DEFAULT.url}
    known |= {*dists_arch.default_model_urls.values(), *clip_model._MODELS.values()}
    known = {url.replace("?download=true", "") for url in known}
    for name, (base, digest) in perceptual.WEIGHTS[metric].items():
        assert base + name.rpartition("/")[2] in known
        assert digest[:8] in base + name
        assert len(digest) == (8 if name == perceptual.SQUEEZENET else 64)
    assert METRICS[metric].weights


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(UserError, match=r"vgg16-397923af.pth does not exist: delete results/metrics/dists.json"):
        function("dists", 0, str(tmp_path))(*images(1), None)


def test_dists_runs_on_seeded_weights(tmp_path):
    torch.manual_seed(3)
    trunk = vgg16().state_dict()
    for name in trunk:  # half a gigabyte that DISTS does not use: one number, seen in the same shape
        if name.startswith("classifier"):
            trunk[name] = torch.zeros(1).expand(trunk[name].shape)
    put(tmp_path, "dists", trunk, {"alpha": torch.rand(1, 1475, 1, 1), "beta": torch.rand(1, 1475, 1, 1)})
    sr, hr = images(4)
    same, other = (function("dists", 0, str(tmp_path))(sr, image, None) for image in (sr, hr))
    assert same.tolist() == pytest.approx([0, 0], abs=1e-5) and (other > 1e-3).all()
    smallest = (..., slice(perceptual.SMALLEST), slice(perceptual.SMALLEST))
    assert function("dists", 0, str(tmp_path))(sr[smallest], hr[smallest], None).isfinite().all()


def test_clipiqa_runs_on_seeded_weights(tmp_path, monkeypatch):
    """A small network in the layout of CLIP's archives; the digest in its address is that of the small file."""
    torch.manual_seed(5)
    sizes = {"embed_dim": 32, "image_resolution": 64, "vision_layers": (1, 1, 1, 1), "vision_width": 8}
    text = {"context_length": 77, "vocab_size": 49408, "transformer_width": 64, "transformer_heads": 1}
    clip = clip_model.CLIP(**sizes, **text, vision_patch_size=None, transformer_layers=1).eval()
    traced = torch.jit.trace(clip, (torch.rand(1, 3, 64, 64), torch.ones(1, 77, dtype=torch.long)), check_trace=False)
    path = tmp_path / "clip/RN50.pt"
    path.parent.mkdir()
    traced.save(path)
    monkeypatch.setitem(clip_model._MODELS, "RN50", f"https://example.org/{sha256(path)}/RN50.pt")
    sr, hr = images(6)
    scores = function("clipiqa", 4, str(tmp_path))(sr, hr, None)
    assert ((scores > 0) & (scores < 1)).all()
    assert torch.equal(scores, function("clipiqa", 4, str(tmp_path))(sr, sr, None)), "it looks at SR alone"
    smallest = (..., slice(perceptual.SMALLEST), slice(perceptual.SMALLEST))
    assert function("clipiqa", 0, str(tmp_path))(sr[smallest], hr[smallest], None).isfinite().all()
