"""What every graph of ours is like. What writes graphs and what reads them take it from here."""

OPSET = 18  # of ONNX's own operators; the one that torch's exporter is written for
READ_OPSETS = (OPSET,)  # an earlier pin stays here, so that older bundles load
INPUT = "images"  # float32 (N, C, H, W), standardized
OUTPUT = "logits"  # float32 (N, classes)
MAX_GRAPH_BYTES = (2 << 30) - 1  # protobuf writes and reads no more
MAX_HEADER_BYTES = 4 << 20  # all but the weights; 1 200 nodes take 0.1 MiB
MAX_FIELDS = 200_000  # of all messages together; a node has about fifteen
MAX_NODES = 20_000
PIXELS_PER_RUN = 1 << 17  # go through a graph at once; bounds memory whatever the images' size
EXTRA = "onnx"  # the extra of the wheel that brings the libraries
