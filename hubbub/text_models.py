"""For plugins with a transformer of their own, such as embedders: ONNX files that read texts."""

from runtime.text_model import TextModel, alike_in_length

__all__ = ["TextModel", "alike_in_length"]
