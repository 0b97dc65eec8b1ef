// SPDX-License-Identifier: Apache-2.0
package com.example.xor;

import backprop.v1.Activation;
import backprop.v1.CreateSessionRequest;
import backprop.v1.DeleteSessionRequest;
import backprop.v1.DeltaDetail;
import backprop.v1.GetWeightsRequest;
import backprop.v1.GetWeightsResponse;
import backprop.v1.Initialiser;
import backprop.v1.Layer;
import backprop.v1.Loss;
import backprop.v1.Optimiser;
import backprop.v1.PredictRequest;
import backprop.v1.SessionSpec;
import backprop.v1.Sgd;
import backprop.v1.TrainOptions;
import backprop.v1.TrainRequest;
import backprop.v1.TrainResponse;
import backprop.v1.TrainingServiceGrpc;
import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.stub.StreamObserver;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Trains XOR on a backpropd and follows its weights, bit for bit. Argument: HOST:PORT. */
public final class Xor {
  private static final int EPOCHS = 500;
  private static final float[] INPUTS = {0, 0, 0, 1, 1, 0, 1, 1};
  private static final float[] TARGETS = {0, 1, 1, 0};

  /** A net of 2-8-1. */
  private static final SessionSpec SPEC =
      SessionSpec.newBuilder()
          .setInputSize(2)
          .addLayers(Layer.newBuilder().setSize(8).setActivation(Activation.ACTIVATION_TANH))
          .addLayers(Layer.newBuilder().setSize(1).setActivation(Activation.ACTIVATION_SIGMOID))
          .setLoss(Loss.LOSS_BINARY_CROSS_ENTROPY)
          .setOptimiser(
              Optimiser.newBuilder().setSgd(Sgd.getDefaultInstance()).setLearningRate(0.5f))
          .setInitialiser(Initialiser.newBuilder().setSeed(2))
          .build();

  private final TrainingServiceGrpc.TrainingServiceBlockingStub service;
  private final TrainingServiceGrpc.TrainingServiceStub streams;

  private Xor(ManagedChannel channel) {
    service = TrainingServiceGrpc.newBlockingStub(channel);
    streams = TrainingServiceGrpc.newStub(channel);
  }

  /** Floats as they travel, little-endian float32, so many times over. */
  private static ByteString bytesOf(float[] values, int times) {
    ByteBuffer buffer = ByteBuffer.allocate(4 * values.length * times);
    buffer.order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < times; i++) {
      for (float value : values) {
        buffer.putFloat(value);
      }
    }
    return ByteString.copyFrom(buffer.flip());
  }

  private static float[] floatsOf(ByteString bytes) {
    float[] values = new float[bytes.size() / 4];
    bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  private static void demand(boolean holds, String otherwise) {
    if (!holds) {
      throw new IllegalStateException(otherwise);
    }
  }

  /** A copy of the weights that adds what the server added. */
  private static final class Follower {
    long step;
    float[] weights = {};
    final List<Float> errors = new ArrayList<>();

    void apply(TrainResponse response) {
      demand(
          response.getBaseStep() == step,
          "deltas from step " + response.getBaseStep() + " for a copy at step " + step);
      float[] deltas = floatsOf(response.getDeltas());
      for (int i = 0; i < deltas.length; i++) {
        weights[i % weights.length] += deltas[i];
      }
      step = response.getStep();
      errors.addAll(response.getErrorsList());
    }

    boolean equals(Follower other) {
      return step == other.step && bytesOf(weights, 1).equals(bytesOf(other.weights, 1));
    }
  }

  /** All weights, with the step that they are of. */
  private Follower anchor(String session) {
    Follower copy = new Follower();
    ByteString bytes = ByteString.EMPTY;
    Iterator<GetWeightsResponse> chunks =
        service.getWeights(GetWeightsRequest.newBuilder().setSessionId(session).build());
    while (chunks.hasNext()) {
      GetWeightsResponse chunk = chunks.next();
      copy.step = chunk.getStep();
      bytes = bytes.concat(chunk.getWeights());
    }
    copy.weights = floatsOf(bytes);
    return copy;
  }

  /** Takes the answers of a stream; done when the stream is. */
  private static final class Answers implements StreamObserver<TrainResponse> {
    final CompletableFuture<List<TrainResponse>> done = new CompletableFuture<>();
    private final List<TrainResponse> responses = new ArrayList<>();

    @Override
    public void onNext(TrainResponse response) {
      responses.add(response);
    }

    @Override
    public void onError(Throwable error) {
      done.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      done.complete(responses);
    }
  }

  /** Sends every sample EPOCHS times in one message, then one that leaves samples out. */
  private void train(String session, Follower copy) throws Exception {
    Answers answers = new Answers();
    StreamObserver<TrainRequest> requests = streams.train(answers);
    requests.onNext(
        TrainRequest.newBuilder()
            .setSessionId(session)
            .setOptions(TrainOptions.newBuilder().setDeltas(DeltaDetail.DELTA_DETAIL_DENSE))
            .build());
    requests.onNext(
        TrainRequest.newBuilder()
            .setInputs(bytesOf(INPUTS, EPOCHS))
            .setTargets(bytesOf(TARGETS, EPOCHS))
            .build());
    requests.onNext(
        TrainRequest.newBuilder()
            .setOffset(1L << 40)
            .setInputs(bytesOf(INPUTS, 1))
            .setTargets(bytesOf(TARGETS, 1))
            .build());
    requests.onCompleted();
    for (TrainResponse response : answers.done.get(1, TimeUnit.MINUTES)) {
      if (response.getMessageNumber() == 2) {
        checkGap(response);
        return;
      }
      demand(!response.hasRejection(), "refused: " + response.getRejection());
      copy.apply(response);
    }
    throw new IllegalStateException("the stream ended before the last answer");
  }

  /** Looks for the reason of a refusal in its details. */
  private static void checkGap(TrainResponse response) throws InvalidProtocolBufferException {
    for (Any detail : response.getRejection().getDetailsList()) {
      if (detail.is(ErrorInfo.class)
          && detail.unpack(ErrorInfo.class).getReason().equals("OFFSET_GAP")) {
        return;
      }
    }
    throw new IllegalStateException("no OFFSET_GAP in " + response);
  }

  /** Wants each output on its target's side, with little doubt. */
  private void checkOutputs(String session) {
    PredictRequest.Builder request = PredictRequest.newBuilder().setSessionId(session);
    for (float input : INPUTS) {
      request.addValues(input);
    }
    List<Float> outputs = service.predict(request.build()).getOutputsList();
    demand(outputs.size() == TARGETS.length, outputs.size() + " outputs");
    for (int i = 0; i < TARGETS.length; i++) {
      demand(
          Math.abs(outputs.get(i) - TARGETS[i]) < 0.1,
          "the outputs are " + outputs + ", not nearly " + Arrays.toString(TARGETS));
    }
  }

  private String run() throws Exception {
    String session =
        service
            .createSession(CreateSessionRequest.newBuilder().setSpec(SPEC).build())
            .getSession()
            .getSessionId();
    Follower copy = anchor(session);
    train(session, copy);
    Follower server = anchor(session);
    demand(
        server.step == 4 * EPOCHS && copy.equals(server),
        "the copy at step " + copy.step + " is not the server's at step " + server.step);
    checkOutputs(session);
    service.deleteSession(DeleteSessionRequest.newBuilder().setSessionId(session).build());
    return String.format(
        "Java: XOR learnt in %d steps, error %.3g to %.3g, the copy has the server's bits",
        copy.step, copy.errors.get(0), copy.errors.get(copy.errors.size() - 1));
  }

  public static void main(String[] arguments) throws Exception {
    demand(arguments.length == 1, "usage: Xor HOST:PORT");
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
    try {
      System.out.println(new Xor(channel).run());
    } finally {
      channel.shutdownNow().awaitTermination(10, TimeUnit.SECONDS);
    }
  }
}
