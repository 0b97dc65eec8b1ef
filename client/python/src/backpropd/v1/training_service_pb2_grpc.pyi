# SPDX-License-Identifier: Apache-2.0
import grpc
import grpc.aio
from collections.abc import Iterator

from backpropd.v1 import training_service_pb2 as _pb2

class TrainingServiceStub:
    def __init__(self, channel: grpc.Channel) -> None: ...
    CreateSession: grpc.UnaryUnaryMultiCallable[_pb2.CreateSessionRequest, _pb2.CreateSessionResponse]
    GetSession: grpc.UnaryUnaryMultiCallable[_pb2.GetSessionRequest, _pb2.GetSessionResponse]
    ListSessions: grpc.UnaryUnaryMultiCallable[_pb2.ListSessionsRequest, _pb2.ListSessionsResponse]
    DeleteSession: grpc.UnaryUnaryMultiCallable[_pb2.DeleteSessionRequest, _pb2.DeleteSessionResponse]
    UpdateSession: grpc.UnaryUnaryMultiCallable[_pb2.UpdateSessionRequest, _pb2.UpdateSessionResponse]
    Train: grpc.StreamStreamMultiCallable[_pb2.TrainRequest, _pb2.TrainResponse]
    TrainStep: grpc.UnaryUnaryMultiCallable[_pb2.TrainStepRequest, _pb2.TrainStepResponse]
    Predict: grpc.UnaryUnaryMultiCallable[_pb2.PredictRequest, _pb2.PredictResponse]
    Evaluate: grpc.StreamUnaryMultiCallable[_pb2.EvaluateRequest, _pb2.EvaluateResponse]
    GetWeights: grpc.UnaryStreamMultiCallable[_pb2.GetWeightsRequest, _pb2.GetWeightsResponse]
    WatchDeltas: grpc.UnaryStreamMultiCallable[_pb2.WatchDeltasRequest, _pb2.WatchDeltasResponse]
    CreateCheckpoint: grpc.UnaryUnaryMultiCallable[_pb2.CreateCheckpointRequest, _pb2.CreateCheckpointResponse]
    ListCheckpoints: grpc.UnaryUnaryMultiCallable[_pb2.ListCheckpointsRequest, _pb2.ListCheckpointsResponse]
    UpdateCheckpoint: grpc.UnaryUnaryMultiCallable[_pb2.UpdateCheckpointRequest, _pb2.UpdateCheckpointResponse]
    DeleteCheckpoint: grpc.UnaryUnaryMultiCallable[_pb2.DeleteCheckpointRequest, _pb2.DeleteCheckpointResponse]
    RewindSession: grpc.UnaryUnaryMultiCallable[_pb2.RewindSessionRequest, _pb2.RewindSessionResponse]
    GetServerInfo: grpc.UnaryUnaryMultiCallable[_pb2.GetServerInfoRequest, _pb2.GetServerInfoResponse]

class TrainingServiceAsyncStub:
    """What TrainingServiceStub(grpc.aio.Channel) makes."""

    CreateSession: grpc.aio.UnaryUnaryMultiCallable[_pb2.CreateSessionRequest, _pb2.CreateSessionResponse]
    GetSession: grpc.aio.UnaryUnaryMultiCallable[_pb2.GetSessionRequest, _pb2.GetSessionResponse]
    ListSessions: grpc.aio.UnaryUnaryMultiCallable[_pb2.ListSessionsRequest, _pb2.ListSessionsResponse]
    DeleteSession: grpc.aio.UnaryUnaryMultiCallable[_pb2.DeleteSessionRequest, _pb2.DeleteSessionResponse]
    UpdateSession: grpc.aio.UnaryUnaryMultiCallable[_pb2.UpdateSessionRequest, _pb2.UpdateSessionResponse]
    Train: grpc.aio.StreamStreamMultiCallable[_pb2.TrainRequest, _pb2.TrainResponse]
    TrainStep: grpc.aio.UnaryUnaryMultiCallable[_pb2.TrainStepRequest, _pb2.TrainStepResponse]
    Predict: grpc.aio.UnaryUnaryMultiCallable[_pb2.PredictRequest, _pb2.PredictResponse]
    Evaluate: grpc.aio.StreamUnaryMultiCallable[_pb2.EvaluateRequest, _pb2.EvaluateResponse]
    GetWeights: grpc.aio.UnaryStreamMultiCallable[_pb2.GetWeightsRequest, _pb2.GetWeightsResponse]
    WatchDeltas: grpc.aio.UnaryStreamMultiCallable[_pb2.WatchDeltasRequest, _pb2.WatchDeltasResponse]
    CreateCheckpoint: grpc.aio.UnaryUnaryMultiCallable[_pb2.CreateCheckpointRequest, _pb2.CreateCheckpointResponse]
    ListCheckpoints: grpc.aio.UnaryUnaryMultiCallable[_pb2.ListCheckpointsRequest, _pb2.ListCheckpointsResponse]
    UpdateCheckpoint: grpc.aio.UnaryUnaryMultiCallable[_pb2.UpdateCheckpointRequest, _pb2.UpdateCheckpointResponse]
    DeleteCheckpoint: grpc.aio.UnaryUnaryMultiCallable[_pb2.DeleteCheckpointRequest, _pb2.DeleteCheckpointResponse]
    RewindSession: grpc.aio.UnaryUnaryMultiCallable[_pb2.RewindSessionRequest, _pb2.RewindSessionResponse]
    GetServerInfo: grpc.aio.UnaryUnaryMultiCallable[_pb2.GetServerInfoRequest, _pb2.GetServerInfoResponse]

class TrainingServiceServicer:
    def CreateSession(self, request: _pb2.CreateSessionRequest, context: grpc.ServicerContext) -> _pb2.CreateSessionResponse: ...
    def GetSession(self, request: _pb2.GetSessionRequest, context: grpc.ServicerContext) -> _pb2.GetSessionResponse: ...
    def ListSessions(self, request: _pb2.ListSessionsRequest, context: grpc.ServicerContext) -> _pb2.ListSessionsResponse: ...
    def DeleteSession(self, request: _pb2.DeleteSessionRequest, context: grpc.ServicerContext) -> _pb2.DeleteSessionResponse: ...
    def UpdateSession(self, request: _pb2.UpdateSessionRequest, context: grpc.ServicerContext) -> _pb2.UpdateSessionResponse: ...
    def Train(self, request_iterator: Iterator[_pb2.TrainRequest], context: grpc.ServicerContext) -> Iterator[_pb2.TrainResponse]: ...
    def TrainStep(self, request: _pb2.TrainStepRequest, context: grpc.ServicerContext) -> _pb2.TrainStepResponse: ...
    def Predict(self, request: _pb2.PredictRequest, context: grpc.ServicerContext) -> _pb2.PredictResponse: ...
    def Evaluate(self, request_iterator: Iterator[_pb2.EvaluateRequest], context: grpc.ServicerContext) -> _pb2.EvaluateResponse: ...
    def GetWeights(self, request: _pb2.GetWeightsRequest, context: grpc.ServicerContext) -> Iterator[_pb2.GetWeightsResponse]: ...
    def WatchDeltas(self, request: _pb2.WatchDeltasRequest, context: grpc.ServicerContext) -> Iterator[_pb2.WatchDeltasResponse]: ...
    def CreateCheckpoint(self, request: _pb2.CreateCheckpointRequest, context: grpc.ServicerContext) -> _pb2.CreateCheckpointResponse: ...
    def ListCheckpoints(self, request: _pb2.ListCheckpointsRequest, context: grpc.ServicerContext) -> _pb2.ListCheckpointsResponse: ...
    def UpdateCheckpoint(self, request: _pb2.UpdateCheckpointRequest, context: grpc.ServicerContext) -> _pb2.UpdateCheckpointResponse: ...
    def DeleteCheckpoint(self, request: _pb2.DeleteCheckpointRequest, context: grpc.ServicerContext) -> _pb2.DeleteCheckpointResponse: ...
    def RewindSession(self, request: _pb2.RewindSessionRequest, context: grpc.ServicerContext) -> _pb2.RewindSessionResponse: ...
    def GetServerInfo(self, request: _pb2.GetServerInfoRequest, context: grpc.ServicerContext) -> _pb2.GetServerInfoResponse: ...

def add_TrainingServiceServicer_to_server(servicer: TrainingServiceServicer, server: grpc.Server) -> None: ...
