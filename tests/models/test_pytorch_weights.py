"""Reference weights: what the public PyTorch code computes, and checkpoints that do not fit."""

import numpy as np
import pytest

import seesaw_keras

CLASSES = {
    "mobilefacenet": "MobileFaceNet",
    "share": "seesaw_shareFaceNet",
    "shuffle": "seesaw_shuffleFaceNet",
    "dw_v1": "DW_seesawFaceNetv1",
    "dw_v2": "DW_seesawFaceNetv2",
}


@pytest.fixture(scope="module")
def mobilefacenet():
    return seesaw_keras.build("mobilefacenet")


@pytest.mark.slow
@pytest.mark.parametrize("variant", CLASSES)
def test_embeddings_are_those_of_the_reference(variant, reference_facts, reference_arrays, reference_images):
    model = seesaw_keras.build(variant)
    dropped = seesaw_keras.load_reference_weights(model, reference_arrays(CLASSES[variant]))
    np.testing.assert_allclose(model(reference_images), reference_facts[CLASSES[variant]], atol=1e-5)
    # 24 residual blocks own a mapping of five arrays that the reference never calls
    assert len(dropped) == (24 * 5 if variant.startswith("dw") else 0)
    assert all(".mapping." in name for name in dropped)


@pytest.mark.parametrize("prefix", ["module.", "model.module.", ""])
def test_prefixes_and_counters_are_taken_off(prefix, mobilefacenet, reference_arrays):
    arrays = {prefix + name: array for name, array in reference_arrays("MobileFaceNet").items()}
    arrays[f"{prefix}conv1.bn.num_batches_tracked"] = np.array(7)
    assert seesaw_keras.load_reference_weights(mobilefacenet, arrays) == []
    kernel = mobilefacenet.get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(kernel, arrays[f"{prefix}conv1.conv.weight"].transpose(2, 3, 1, 0))


def test_npz_files_load(mobilefacenet, reference_arrays, tmp_path):
    arrays = reference_arrays("MobileFaceNet")
    np.savez(tmp_path / "w.npz", **arrays)
    seesaw_keras.load_reference_weights(mobilefacenet, tmp_path / "w.npz")
    np.testing.assert_array_equal(mobilefacenet.get_layer("embedding_bn").moving_variance, arrays["bn.running_var"])


def test_whatever_does_not_fit_is_named_and_nothing_is_loaded(mobilefacenet, reference_arrays):
    arrays = reference_arrays("MobileFaceNet")
    del arrays["conv_23.conv_dw.conv.weight"]
    arrays["linear.weight"] = arrays["linear.weight"][:100]
    arrays["margin.kernel"] = np.zeros((512, 10))
    before = [weight.numpy() for weight in mobilefacenet.weights]
    with pytest.raises(ValueError, match="do not fit seesaw_mobilefacenet") as caught:
        seesaw_keras.load_reference_weights(mobilefacenet, arrays)
    message = str(caught.value)
    assert "missing: conv_23.conv_dw.conv.weight (128, 1, 3, 3), for stage1_down_dw_conv" in message
    assert "wrong shape: linear.weight (100, 512), expected (512, 512, 1, 1) for embedding_conv" in message
    assert "unexpected: margin.kernel (512, 10)" in message
    assert all(np.array_equal(a, b) for a, b in zip(before, mobilefacenet.weights, strict=True))


@pytest.mark.slow
def test_weights_of_another_variant_are_refused(mobilefacenet, reference_arrays):
    with pytest.raises(ValueError, match=r"missing: conv_23\.conv\.conv\.weight"):
        seesaw_keras.load_reference_weights(mobilefacenet, reference_arrays("seesaw_shareFaceNet"))
    model = seesaw_keras.build("dw_v1")
    with pytest.raises(ValueError, match=r"missing: conv_23\.mapping\.conv\.weight"):
        seesaw_keras.load_reference_weights(model, reference_arrays("DW_seesawFaceNetv2"))


@pytest.mark.slow
def test_a_mapping_that_the_strided_blocks_need_is_not_dropped(reference_arrays):
    arrays = reference_arrays("DW_seesawFaceNetv1")
    del arrays["conv_34.mapping.bn.bias"]
    with pytest.raises(ValueError, match=r"missing: conv_34\.mapping\.bn\.bias"):
        seesaw_keras.load_reference_weights(seesaw_keras.build("dw_v1"), arrays)


@pytest.mark.parametrize("arrays", [{}, {"layer1.weight": np.zeros(3)}])
def test_weights_of_no_known_implementation_are_refused(mobilefacenet, arrays):
    with pytest.raises(ValueError, match="unrecognized PyTorch implementation"):
        seesaw_keras.load_reference_weights(mobilefacenet, arrays)
