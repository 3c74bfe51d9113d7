"""Random changes of training images: whole batches at once, with random numbers of its own for each image.

Images are uint8 between any two of the parts. Each part draws its numbers for the whole batch from torch's global
generator, in a fixed order, and draws nothing where it is off.
"""
