"""Models as ONNX graphs: what a graph may hold, how a network becomes one, and how one answers.

A graph stands in a bundle for a network whose code is the user's, so that nothing but train runs that code. Reading a
graph runs no code and opens no other file. onnxruntime is imported with the first graph that is loaded, onnx and
onnxscript only where one is written.
"""
