"""From a checkpoint and an adapter to a quantized GGUF in one pass; never opens the network but in `hub`."""
