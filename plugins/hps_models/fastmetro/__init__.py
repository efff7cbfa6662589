"""FastMETRO: a mesh from an image by two encoder-decoder transformers."""
