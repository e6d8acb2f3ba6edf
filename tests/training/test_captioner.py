"""The transformers captioner with a real, tiny, untrained BLIP that is made here."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

from capture.scene import Scene
from curation.caption.base import Shot
from curation.caption.card import View
from curation.caption.registry import Options
from training.captioner import LocalCaptioner

SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved BLIP of one layer and sixteen numbers."""
    folder = tmp_path_factory.mktemp("models") / "blip"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "room", "sofa", "."]
    vocabulary = tmp_path_factory.mktemp("words") / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    special = {"bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0}
    config = transformers.BlipConfig(
        text_config={
            **SIZE,
            **special,
            "vocab_size": len(words),
            "intermediate_size": 16,
            "encoder_hidden_size": 16,
            "max_position_embeddings": 256,
        },
        vision_config={**SIZE, "intermediate_size": 16, "image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    transformers.set_seed(0)
    transformers.BlipForConditionalGeneration(config).save_pretrained(folder)
    transformers.BlipProcessor(
        transformers.BlipImageProcessor(size={"height": 32, "width": 32}),
        transformers.BertTokenizerFast(str(vocabulary), additional_special_tokens=["[DEC]"]),
    ).save_pretrained(folder)
    return folder


def shot() -> Shot:
    def frames(count: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3)).astype(np.uint8)

    view = View(place=None, objects={})
    return Shot(clip_id="c", scene=Scene(name="x", bounds_m=(0,) * 6), view=view, frames=frames)


def test_a_local_model_captions_and_says_the_same_again(model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    captioner = LocalCaptioner(Options(model=str(model)))
    draft = captioner.draft(shot())
    assert draft.tokens_out > 0 and draft.requests == 1
    assert set(draft.text.split()) <= {"a", "room", "sofa", "."}
    assert captioner.draft(shot()) == draft
    assert captioner.name == "transformers:blip"


def test_folders_without_a_model_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--model FOLDER"):
        LocalCaptioner(Options())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no image-to-text model"):
        LocalCaptioner(Options(model=str(tmp_path)))
