"""Names of the inference protocols that several modules write or read: tensors, headers and media types."""

INPUT = "pixels"  # the only input tensor
LABEL, LABEL_NAME, PROBABILITIES = "label", "label_name", "probabilities"
WARNINGS = "warnings"  # of images unlike those of the training
OUTPUTS = (LABEL, LABEL_NAME, PROBABILITIES)

JSON = "application/json"
OCTET_STREAM = "application/octet-stream"
IMAGE_PREFIX = "image/"  # the media types of image files begin with it
JSON_LENGTH_HEADER = "Inference-Header-Content-Length"  # length of the JSON part, where binary tensors follow it
