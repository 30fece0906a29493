"""python frozen.py FAMILY FOLDER: freeze a small graph as retrain.py froze its own in 2015 (inception) and 2017 (mobilenet), and ask it.

Writes FOLDER/output_graph.pb, and FOLDER/answers.npz: pictures uint8 [n, S, S, 3] as they come from the resize, and probabilities.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
v1.disable_eager_execution()
random = np.random.default_rng(0)
SIZE, CLASSES = 32, 3


def constant(name: str, *shape: int, scale: float = 0.3) -> Any:
    return tf.identity(v1.constant(random.normal(0, scale, shape).astype(np.float32), name=name), name=f"{name}/read")


def inception() -> tuple[Any, Any]:
    jpeg = v1.placeholder(tf.string, name="DecodeJpeg/contents")
    decoded = tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)
    resized = v1.image.resize_bilinear(tf.expand_dims(decoded, 0), [SIZE, SIZE], name="ResizeBilinear")
    x = tf.multiply(tf.subtract(resized, 128.0, name="Sub"), 1 / 128, name="Mul")
    x = v1.nn.conv2d(x, constant("conv/conv2d_params", 3, 3, 3, 8), [1, 2, 2, 1], "VALID", name="conv/Conv2D")
    drawn = {"gamma": np.ones(8), "beta": random.normal(0, 0.1, 8), "mean": random.normal(0, 0.1, 8), "variance": random.uniform(0.5, 2, 8)}
    held = [v1.constant(values.astype(np.float32), name=f"conv/{name}") for name, values in drawn.items()]
    x, *_ = v1.nn.fused_batch_norm(x, *held, epsilon=0.001, is_training=False, name="conv/norm")
    x = tf.nn.relu(tf.raw_ops.CheckNumerics(tensor=x, message="conv"))
    left = v1.nn.conv2d(x, constant("mixed/conv/conv2d_params", 1, 1, 8, 6), [1, 1, 1, 1], "SAME")
    right = v1.nn.avg_pool(x, [1, 3, 3, 1], [1, 1, 1, 1], "SAME")
    x = v1.nn.max_pool(tf.nn.relu(tf.concat([left, right], 3, name="mixed/join")), [1, 3, 3, 1], [1, 2, 2, 1], "VALID")
    pooled = v1.nn.avg_pool(x, [1, 7, 7, 1], [1, 1, 1, 1], "VALID", name="pool_3")
    return resized, tf.reshape(pooled, [1, 14], name="pool_3/_reshape")


def as_in_2015(graph: Any) -> None:
    """The batch normalisation of that year, which TensorFlow has since forgotten: other inputs in another order, the same numbers."""
    node = next(one for one in graph.node if one.name == "conv/norm")
    node.op = "BatchNormWithGlobalNormalization"
    source, gamma, beta, mean, variance = node.input
    del node.input[:]
    node.input.extend([source, mean, variance, beta, gamma])
    node.attr.clear()
    node.attr["variance_epsilon"].f = 0.001
    node.attr["scale_after_normalization"].b = False


def mobilenet() -> tuple[Any, Any]:
    given = v1.placeholder(tf.float32, [1, SIZE, SIZE, 3], name="input")
    x = v1.nn.conv2d(given, constant("MobilenetV1/Conv2d_0/weights", 3, 3, 3, 8), [1, 2, 2, 1], "SAME")
    x, *_ = v1.nn.fused_batch_norm(
        x, *(v1.constant(random.uniform(0.5, 1.5, 8).astype(np.float32)) for _ in range(4)), epsilon=0.001, is_training=False
    )
    x = tf.nn.relu6(x)
    x = v1.nn.depthwise_conv2d(x, constant("MobilenetV1/Conv2d_1_depthwise/depthwise_weights", 3, 3, 8, 1), [1, 2, 2, 1], "SAME")
    x = tf.nn.relu6(tf.nn.bias_add(x, v1.constant(random.normal(0, 0.1, 8).astype(np.float32))))
    pooled = v1.nn.avg_pool(x, [1, 8, 8, 1], [1, 2, 2, 1], "VALID")
    x = v1.nn.conv2d(pooled, constant("MobilenetV1/Logits/weights", 1, 1, 8, 11, scale=1), [1, 1, 1, 1], "SAME")
    x = tf.squeeze(tf.nn.bias_add(x, v1.constant(random.normal(0, 0.1, 11).astype(np.float32))), [1, 2])
    return given, tf.reshape(x, [1, 11], name="MobilenetV1/Predictions/Reshape")


def main(family: str, folder: Path) -> None:
    with v1.Session() as session:
        given, bottleneck = {"inception": inception, "mobilenet": mobilenet}[family]()
        width = bottleneck.shape[1]
        features = v1.placeholder_with_default(bottleneck, [None, width], name="input/BottleneckInputPlaceholder")
        weights = constant("final_training_ops/weights/final_weights", width, CLASSES, scale=1)
        logits = tf.add(tf.matmul(features, weights), v1.constant([0.1, 0.0, -0.1]), name="final_training_ops/Wx_plus_b/add")
        result = tf.nn.softmax(logits, name="final_result")
        pictures = random.integers(0, 256, (6, SIZE, SIZE, 3)).astype(np.uint8)
        feed = (lambda x: x.astype(np.float32)) if family == "inception" else (lambda x: (x.astype(np.float32) - 127.5) / 127.5)
        answers = [session.run(result, {given: feed(picture)[None]})[0] for picture in pictures]
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["final_result"])
    if family == "inception":
        as_in_2015(frozen)
    (folder / "output_graph.pb").write_bytes(frozen.SerializeToString())
    (folder / "output_labels.txt").write_text("normal\nbacterial\nviral\n")
    np.savez(folder / "answers.npz", pictures=pictures, probabilities=np.array(answers))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
