"""The Open Inference Protocol over gRPC. Nothing here is imported by a server that has no gRPC port.

Server, wire format and messages are those of the KServe SDK: `grpc.aio`, and its generated messages of the service
`inference.GRPCInferenceService`. Its own servicer is not used: it parses a request in the event loop, hands it to
`DataPlane.infer` as Python objects with neither queue nor memory budget, logs a traceback for each mistake of a client
and answers it in other words than REST. So a call goes the way of a REST request.
"""
