"""Models of other tools become model files of ours: Teachable Machine's exports for TensorFlow.js, Keras and TensorFlow Lite."""
